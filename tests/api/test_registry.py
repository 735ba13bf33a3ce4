# SPDX-License-Identifier: Apache-2.0
"""Pull and push against real registries: plain, and with TLS and a password."""
import hashlib
import json
import subprocess

import pytest

import kedge
from streams import Background


@pytest.fixture(scope="module")
def secure():
    it = kedge.Registry(tls=True, users={"tester": "s3cret"}).start()
    yield it
    it.close()


@pytest.fixture(scope="module", autouse=True)
def trusted(secure, shared_daemon):
    secure.trust(shared_daemon)


def lines(body):
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def stream(daemon, target, auth=None):
    status, body = daemon.api.raw("POST", target, None, {"X-Registry-Auth": kedge.registry_auth(*auth)} if auth else {})
    said = lines(body)
    return status, said, (said[-1].get("error") or said[-1].get("message")) if said else None


def pull(daemon, name, auth=None, query=""):
    image, _, tag = name.rpartition(":")
    status, said, problem = stream(daemon, f"/images/create?fromImage={image}&tag={tag}{query}", auth)
    assert status == 200 and not problem, (status, said)
    return said


def push(daemon, name, auth=None):
    image, _, tag = name.rpartition(":")
    status, said, problem = stream(daemon, f"/images/{image}/push?tag={tag}", auth or ("x", "x"))
    assert status == 200 and not problem, (status, said)
    return said


def digest_of(said):
    return next(line["aux"]["Digest"] for line in said if "Digest" in line.get("aux", {}))


def round_trip(daemon, registry, auth=None):
    name = f"{registry.host}/round/trip:1"
    daemon.api.post(f"/images/busybox:test/tag?repo={registry.host}/round/trip&tag=1")
    before = daemon.api.get("/images/busybox:test/json")
    pushed = digest_of(push(daemon, name, auth))
    daemon.api.delete(f"/images/{name}")
    daemon.api.delete("/images/busybox:test")
    assert daemon.api.get("/images/json") == []
    said = pull(daemon, name, auth)
    assert {"status": f"Digest: {pushed}"} in said
    assert said[-1]["status"] == f"Status: Downloaded newer image for {name}"
    assert said[0]["status"] == "Pulling from round/trip" and said[0]["id"] == "1"
    after = daemon.api.get(f"/images/{name}/json")
    assert after["Id"] == before["Id"] and after["RootFS"] == before["RootFS"] and after["Config"] == before["Config"]
    assert after["RepoDigests"] == [f"{registry.host}/round/trip@{pushed}"]
    again = pull(daemon, name, auth)
    assert again[-1]["status"] == f"Status: Image is up to date for {name}"
    assert not any("Download" in line.get("status", "") and line.get("id") for line in again[1:-1])
    daemon.api.post(f"/images/{name}/tag?repo=busybox&tag=test")
    identity = daemon.run_container(["echo", "ran"], image=name)
    assert daemon.wait(identity) == 0 and daemon.log_text(identity) == "ran\n"
    daemon.api.delete(f"/containers/{identity}")
    assert digest_of(push(daemon, name, auth)) == pushed
    return name, pushed


def test_plain_registry(box, registry):
    name, digest = round_trip(box, registry)
    repository = name.rpartition(":")[0]
    box.api.delete(f"/images/{name}")
    said = stream(box, f"/images/create?fromImage={repository}&tag={digest}")[1]
    assert "Status:" in said[-1]["status"]
    assert box.api.get(f"/images/{repository}@{digest}/json")["RepoDigests"] == [f"{repository}@{digest}"]
    assert box.api.delete(f"/images/{repository}:any@{digest}?force=1") == [{"Untagged": f"{repository}@{digest}"}]  # a digest counts more than a tag
    assert box.api.get("/images/busybox:test/json")["RepoDigests"] == []


def test_tls_and_password(box, secure):
    round_trip(box, secure, ("tester", "s3cret"))


def test_wrong_and_missing_passwords(box, secure):
    name = f"{secure.host}/round/trip"
    for auth in (None, ("tester", "wrong")):
        status, said, problem = stream(box, f"/images/create?fromImage={name}&tag=1", auth)
        assert problem and status in (200, 401, 403, 404, 500), said
        assert "s3cret" not in problem and "wrong" not in problem
        assert "denied" in problem or "authenti" in problem or "unauthorized" in problem, problem


def test_login(box, secure):
    def login(password):
        return box.api.raw("POST", "/auth", json.dumps({"username": "tester", "password": password, "serveraddress": secure.host}),
                           {"Content-Type": "application/json"})
    status, body = login("s3cret")
    assert status == 200 and b"Login Succeeded" in body
    assert login("wrong")[0] == 401


def test_untrusted_certificate(box, secure):
    stranger = kedge.Registry(tls=True).start()
    directory = box.certs / stranger.host  # one CA is trusted for this host, but another has signed
    directory.mkdir()
    kedge.shutil.copy(secure.ca_path, directory / "ca.crt")
    try:
        _, _, problem = stream(box, f"/images/create?fromImage={stranger.host}/x&tag=1")
        assert "certificate" in problem, problem
    finally:
        stranger.close()


def test_what_is_not_there(box, registry):
    for target in (f"fromImage={registry.host}/no/such&tag=1", f"fromImage={registry.host}/round/trip&tag=absent"):
        status, said, problem = stream(box, f"/images/create?{target}")
        assert problem and ("not found" in problem or "unknown" in problem), said
    _, _, problem = stream(box, f"/images/create?fromImage=localhost:{kedge.free_port()}/x&tag=1")
    assert "localhost" in problem
    assert stream(box, f"/images/{registry.host}/never/pulled/push?tag=1", ("x", "x"))[2]
    assert box.api.raw("POST", "/images/create?fromImage=UPPER")[0] == 400
    assert box.api.raw("POST", "/images/create")[0] == 400


def test_same_pull_twice_is_one(box, registry, tmp_path):
    name = registry.copy_from(kedge.busybox_archive(tmp_path / "a.tar", "shared:1"), "shared:1")
    for said in [job.result(60) for job in [Background(pull, box, name) for _ in range(4)]]:
        assert said[-1]["status"].endswith(name)
    box.api.delete(f"/images/{name}?force=1")


def test_the_docker_command_line(box, secure):
    name = f"{secure.host}/cli/test:2"
    box.run("docker", "login", "--username", "tester", "--password-stdin", secure.host, input=b"s3cret")
    box.docker("tag", "busybox:test", name)
    assert "digest: sha256:" in box.docker("push", name).out
    box.docker("rmi", name)
    assert f"Downloaded newer image for {name}" in box.docker("pull", name).out
    assert f"Image is up to date for {name}" in box.docker("pull", name).out
    assert f"Image is up to date for {name}" in box.kedge("pull", name).out
    box.docker("rmi", name)


def index_of(registry, repository, entries):
    """Puts an image index with these (platform, image layout) into the registry, and gives its digest."""
    import http.client

    def call(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", registry.port)
        connection.request(method, f"/v2/{repository}{path}", body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status < 300, (method, path, answer.status, data)
        return answer, data
    manifests = []
    for platform, files in entries:
        entry = json.loads(files["index.json"])["manifests"][0]
        manifest = files["blobs/sha256/" + entry["digest"][7:]]
        for path, blob in files.items():
            digest = "sha256:" + hashlib.sha256(blob).hexdigest()
            if path.startswith("blobs/") and blob != manifest:
                answer, _ = call("POST", "/blobs/uploads/")
                location = answer.getheader("Location").split("/v2/" + repository)[1]
                call("PUT", location + ("&" if "?" in location else "?") + "digest=" + digest, blob,
                     {"Content-Type": "application/octet-stream"})
        call("PUT", "/manifests/" + entry["digest"], manifest, {"Content-Type": entry["mediaType"]})
        manifests.append({"mediaType": entry["mediaType"], "digest": entry["digest"], "size": len(manifest), "platform": platform})
    media = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": media, "manifests": manifests}).encode()
    call("PUT", "/manifests/1", index, {"Content-Type": media})
    return "sha256:" + hashlib.sha256(index).hexdigest()


def one_file(text, architecture):
    import io
    import tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("which")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return kedge.mkimage.image_layout("x:1", [out.getvalue()], {"Cmd": ["x"]}, "gzip", architecture)


def test_index_and_platform(box, registry):
    platforms = [("arm64", None), ("arm", "v6"), ("arm", "v7"), ("amd64", None), ("riscv64", None)]
    entries = [({"os": "linux", "architecture": name, **({"variant": variant} if variant else {})}, one_file(name + str(variant), name))
               for name, variant in platforms]
    digest = index_of(registry, "multi/arch", entries)
    name = f"{registry.host}/multi/arch:1"

    def pulled(query=""):
        said = pull(box, name, query=query)
        assert {"status": f"Digest: {digest}"} in said
        shown = box.api.get(f"/images/{name}/json")
        assert shown["RepoDigests"] == [f"{registry.host}/multi/arch@{digest}"]
        return shown["Architecture"], shown["Id"]
    assert pulled()[0] == "amd64"
    assert pulled("&platform=linux/arm64")[0] == "arm64"
    v6, v7 = pulled("&platform=linux/arm/v6"), pulled("&platform=linux/arm/v7")
    assert v6[0] == v7[0] == "arm" and v6[1] != v7[1]
    assert pulled("&platform=linux/riscv64")[0] == "riscv64"
    _, _, problem = stream(box, f"/images/create?fromImage={registry.host}/multi/arch&tag=1&platform=linux/s390x")
    assert "s390x" in problem and "arm64" in problem and "riscv64" in problem, problem
    assert box.api.raw("POST", f"/images/create?fromImage={registry.host}/multi/arch&tag=1&platform=/x//")[0] == 400
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", "--override-arch", "arm64",
                    f"docker://{name}", f"dir:{box.directory}/copy"], check=True)
    for image in box.api.get("/images/json"):
        if "busybox:test" not in image["RepoTags"]:
            box.api.raw("DELETE", f"/images/{image['Id']}?force=1")


def test_a_fetch_that_ends_early(tmp_path):
    """The reason names the program, whose path nobody else keeps."""
    (tmp_path / "kedge-fetch").symlink_to("/bin/false")
    daemon = kedge.Daemon(options=["--libexec-dir", str(tmp_path)]).start()
    try:
        for _ in range(3):
            _, body = daemon.api.raw("POST", "/images/create?fromImage=localhost:1/x&tag=y")
            assert f'\\"{tmp_path}/kedge-fetch\\" ended early: exit status 1' in body.decode(errors="replace")
    finally:
        daemon.stop()
        daemon.close()
