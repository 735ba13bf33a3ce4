# SPDX-License-Identifier: Apache-2.0
"""Archives that leave and come back: save, load, export; what other tools make of them, and clients that do not stay to the end."""
import hashlib
import http.client
import io
import json
import os
import pathlib
import socket
import subprocess
import tarfile
import tempfile
import time

import pytest

import dockerd
import kedge


@pytest.fixture
def stock(box):
    """The shared daemon; images other than busybox:test are removed after the test."""
    yield box
    box.remove_all()
    for image in box.api.get("/images/json"):
        if "busybox:test" not in image["RepoTags"]:
            box.api.raw("DELETE", f"/images/{image['Id']}?force=1")
    for name in box.api.get("/images/busybox:test/json")["RepoTags"]:
        if name != "busybox:test":
            box.api.raw("DELETE", f"/images/{name}")


@pytest.fixture(scope="module")
def engine():
    """Debian's dockerd."""
    if not dockerd.is_installed():
        pytest.skip("dockerd is not installed")
    it = dockerd.Dockerd()
    try:
        yield it.start()
    finally:
        it.close()


def packers(daemon):
    """Processes of kedge-pack that this daemon has started."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text().partition(") ")
        except OSError:
            continue
        if name.endswith("(kedge-pack") and int(rest.split()[1]) == daemon.process.pid and rest[0] != "Z":
            found.append(int(status.parent.name))
    return found


def get(daemon, target):
    status, body = daemon.api.raw("GET", target)
    assert status == 200, body
    return body


def load(daemon, data):
    status, body = daemon.api.raw("POST", "/images/load", data, {"Content-Type": "application/x-tar"})
    lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    assert status == 200 and not any("error" in line for line in lines), body
    return [line["stream"].strip() for line in lines if "stream" in line]


def members(data):
    return {member.name: member for member in tarfile.open(fileobj=io.BytesIO(data))}


def content(data, name):
    return tarfile.open(fileobj=io.BytesIO(data)).extractfile(name).read()


# ---- save ----

@pytest.mark.parametrize("how", ["gzip", "zstd", "none"])
def test_saved_blobs_are_those_that_were_loaded(stock, how, tmp_path):
    """Manifest, configuration and layers byte for byte, at the names that both kinds of archive want."""
    source = tmp_path / "source.tar"
    kedge.busybox_archive(source, f"bytes:{how}", how=how, config={"Labels": {"a": "\u00e9 <&>"}})
    load(stock, source.read_bytes())
    saved, original = get(stock, f"/images/bytes:{how}/get"), source.read_bytes()
    blobs = [name for name, member in members(original).items() if name.startswith("blobs/sha256/") and member.isfile()]
    assert len(blobs) == 3
    for name in blobs:
        assert content(saved, name) == content(original, name)
    assert json.loads(content(saved, "oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    entry, = json.loads(content(saved, "index.json"))["manifests"]
    before, = json.loads(content(original, "index.json"))["manifests"]
    assert (entry["digest"], entry["size"]) == (before["digest"], before["size"])
    assert entry["annotations"] == {"io.containerd.image.name": f"docker.io/library/bytes:{how}",
                                    "org.opencontainers.image.ref.name": how}
    docker_entry, = json.loads(content(saved, "manifest.json"))
    assert docker_entry["RepoTags"] == [f"bytes:{how}"]
    assert "sha256:" + docker_entry["Config"].split("/")[-1] == stock.api.get(f"/images/bytes:{how}/json")["Id"]
    assert hashlib.sha256(content(saved, docker_entry["Layers"][0])).hexdigest() == docker_entry["Layers"][0].split("/")[-1]
    assert get(stock, f"/images/bytes:{how}/get") == saved  # the same image gives the same archive


def test_several_images_share_their_layers(stock):
    stock.load_busybox("other:1", config={"Labels": {"other": "1"}})
    for repository, tag in (("busybox", "two"), ("elsewhere.example:5000/a/b", "3")):
        assert stock.api.raw("POST", f"/images/busybox:test/tag?repo={repository}&tag={tag}")[0] == 201
    saved = get(stock, "/images/get?names=busybox:test&names=other:1&names=elsewhere.example:5000/a/b:3")
    entries = {tuple(entry["RepoTags"]): entry for entry in json.loads(content(saved, "manifest.json"))}
    assert set(entries) == {("busybox:test", "elsewhere.example:5000/a/b:3"), ("other:1",)}
    layers = {tuple(entry["Layers"]) for entry in entries.values()}
    assert len(layers) == 1 and sum(name.startswith("blobs/sha256/") for name in members(saved)) == 5
    names = [entry["annotations"]["io.containerd.image.name"] for entry in json.loads(content(saved, "index.json"))["manifests"]]
    assert sorted(names) == ["docker.io/library/busybox:test", "docker.io/library/other:1", "elsewhere.example:5000/a/b:3"]


def test_a_name_without_tag_is_all_tags_and_an_id_is_none(stock):
    stock.api.raw("POST", "/images/busybox:test/tag?repo=busybox&tag=two")
    identity = stock.api.get("/images/busybox:test/json")["Id"]
    entry, = json.loads(content(get(stock, "/images/busybox/get"), "manifest.json"))
    assert sorted(entry["RepoTags"]) == ["busybox:test", "busybox:two"]
    for name in (identity, identity[7:19]):
        saved = get(stock, f"/images/{name}/get")
        assert json.loads(content(saved, "manifest.json"))[0]["RepoTags"] is None
        assert "annotations" not in json.loads(content(saved, "index.json"))["manifests"][0]


def test_what_cannot_be_saved(stock):
    for target in ("/images/none:such/get", "/images/get?names=busybox:test&names=none:such", "/images/none/get"):
        status, body = stock.api.raw("GET", target)
        assert status == 404 and b"No such image" in body, body
    status, body = stock.api.raw("GET", "/images/get")
    assert status == 400 and b"names" in body
    assert not packers(stock)


def test_docker_loads_what_kedge_saves_and_back(stock, engine, tmp_path):
    """kedge save, docker load, docker save, kedge load: one id all the way."""
    stock.load_busybox("round:1", config={"Env": ["PATH=/bin", "ROUND=1"]})
    identity = stock.api.get("/images/round:1/json")["Id"]
    stock.kedge("save", "--output", tmp_path / "kedge.tar", "round:1")
    engine.docker("load", "--input", tmp_path / "kedge.tar")
    assert engine.docker("image", "inspect", "--format", "{{.Id}} {{.RepoTags}}", "round:1") == f"{identity} [round:1]\n"
    engine.docker("save", "--output", tmp_path / "docker.tar", "round:1")
    stock.kedge("rmi", "round:1")
    out = stock.kedge("load", "--input", tmp_path / "docker.tar").out
    assert "Loaded image: round:1" in out
    assert stock.api.get("/images/round:1/json")["Id"] == identity
    assert stock.wait(stock.run_container(["sh", "-c", "test $ROUND = 1"], image="round:1")) == 0


MAKE = ("echo made > /made; mkdir -p /d/e; echo a > /d/a; chown 5:6 /d/a; chmod 4755 /d/a; ln -s ../made /d/l; ln /made /again; mkfifo /d/p; rm /bin/wc; "
        "rm -r /old; mkdir /old; echo new > /old/new; chmod 700 /tmp; echo up; exec sleep 1000")
LOOK = ("cat /made /d/l; stat -c '%a %u:%g %h %F %n' /d /d/e /d/a /d/p /made /again /tmp; ls -a /old /d; test -e /bin/wc || echo gone; echo $FROM $OWN")


def changed_image(directory):
    """An archive of the image that containers change before they are committed."""
    (directory / "site" / "old").mkdir(parents=True)
    (directory / "site" / "old" / "file").write_text("old")
    return kedge.busybox_archive(directory / "made.tar", "base:1", layers=[directory / "site"], config={"Env": ["PATH=/bin", "FROM=image"]})


def test_docker_runs_what_kedge_commits_and_back(stock, engine, tmp_path):
    """A container is changed, committed, saved, loaded and run: by each engine's commit in the other one, with the same outcome."""
    load(stock, changed_image(tmp_path).read_bytes())
    stock.kedge("save", "--output", tmp_path / "base.tar", "base:1")
    engine.docker("load", "--input", tmp_path / "base.tar")
    try:
        stock.kedge("run", "-d", "--name", "ours", "--network", "none", "-e", "OWN=1", "base:1", "sh", "-c", MAKE)
        engine.docker("run", "-d", "--name", "theirs", "--network", "none", "-e", "OWN=1", "base:1", "sh", "-c", MAKE)
        kedge.wait_for(lambda: "up" in stock.kedge("logs", "ours").out and "up" in engine.docker("logs", "theirs"))
        change = "CMD " + json.dumps(["sh", "-c", LOOK])
        stock.kedge("commit", "--change", change, "ours", "ours:1")
        engine.docker("commit", "--change", change, "theirs", "theirs:1")
        stock.kedge("save", "--output", tmp_path / "ours.tar", "ours:1")
        engine.docker("save", "--output", tmp_path / "theirs.tar", "theirs:1")
        engine.docker("load", "--input", tmp_path / "ours.tar")
        stock.kedge("load", "--input", tmp_path / "theirs.tar")
        said = [engine.docker("run", "--rm", "--network", "none", name) for name in ("ours:1", "theirs:1")]
        said += [stock.kedge("run", "--rm", "--network", "none", name).out for name in ("ours:1", "theirs:1")]
        assert "4755 5:6 1 regular file /d/a\n" in said[0] and "gone\nimage 1\n" in said[0] and "file" not in said[0].split("/old:")[1].split("/d:")[0]
        assert len(set(said)) == 1, said
        for name in ("ours:1", "theirs:1"):
            assert stock.api.get(f"/images/{name}/json")["Id"] == engine.docker("image", "inspect", "--format", "{{.Id}}", name).strip()
    finally:
        engine.docker("rm", "-f", "theirs")


def test_images_look_as_docker_shows_them(stock, engine, tmp_path):
    """Inspect and history of one image, side by side."""
    config = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Entrypoint": ["/bin/echo"], "Labels": {"l": "v"}, "User": "web", "WorkingDir": "/tmp",
              "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "StopSignal": "SIGUSR1", "OnBuild": ["RUN x"], "Shell": ["/bin/sh", "-c"],
              "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000}}
    stock.load_busybox("shown:1", config=config)
    stock.load_busybox("shown:2", config={"User": "web"})
    stock.kedge("save", "-o", tmp_path / "s.tar", "shown")
    engine.docker("load", "-i", tmp_path / "s.tar")
    theirs = kedge.Api(engine.socket)
    for name in ("shown:1", "shown:2"):
        ours, other = (api.get(f"/images/{name}/json") for api in (stock.api, theirs))
        assert set(other) - set(ours) <= {"ContainerConfig"}  # which newer ones have not either
        for image in (ours, other):
            image["Config"]["Labels"] = image["Config"]["Labels"] or {}
            for key in ("ContainerConfig", "GraphDriver", "Metadata", "Size", "VirtualSize"):  # theirs counts the length of links
                image.pop(key, None)
        assert ours == other
        ours, other = ([{**step, "Size": step["Size"] > 0} for step in api.get(f"/images/{name}/history")] for api in (stock.api, theirs))
        assert ours == other


def test_skopeo_reads_and_writes_the_same_archives(stock, tmp_path):
    stock.load_busybox("sk:1", config={"Labels": {"skopeo": "yes"}})
    identity = stock.api.get("/images/sk:1/json")["Id"]
    stock.kedge("save", "-o", tmp_path / "k.tar", "sk:1")

    def skopeo(*words):
        return subprocess.run(["skopeo", *map(str, words)], check=True, stdout=subprocess.PIPE).stdout
    for source, kind in ((f"oci-archive:{tmp_path}/k.tar:1", "oci-archive"), (f"oci-archive:{tmp_path}/k.tar", "oci-archive"),
                         (f"docker-archive:{tmp_path}/k.tar:sk:1", "docker-archive")):
        assert json.loads(skopeo("inspect", source))["Labels"] == {"skopeo": "yes"}
        target = tmp_path / "s.tar"
        target.unlink(missing_ok=True)
        skopeo("copy", "-q", "--insecure-policy", source, f"{kind}:{target}:sk:2")
        stock.kedge("rmi", "--force", identity)
        stock.kedge("load", "-q", "-i", target)
        assert stock.api.get("/images/sk:2/json")["Id"] == identity, source
        stock.api.raw("POST", "/images/sk:2/tag?repo=sk&tag=1")
    manifest = skopeo("inspect", "--raw", f"oci-archive:{tmp_path}/k.tar:1")
    assert "sha256:" + hashlib.sha256(manifest).hexdigest() == json.loads(content((tmp_path / "k.tar").read_bytes(), "index.json"))[
        "manifests"][0]["digest"]


def test_a_schema_2_image_is_saved_as_it_was_pulled(stock, registry, tmp_path):
    """Docker's own manifests keep their digest too."""
    kedge.busybox_archive(tmp_path / "oci.tar", "x:1")
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--format", "v2s2", "--dest-tls-verify=false",
                    f"oci-archive:{tmp_path}/oci.tar", f"docker://{registry.host}/v2s2:1"], check=True)
    stock.kedge("pull", f"{registry.host}/v2s2:1")
    digest = stock.api.get(f"/images/{registry.host}/v2s2:1/json")["RepoDigests"][0].split("@")[1]
    saved = get(stock, f"/images/{registry.host}/v2s2:1/get")
    entry, = json.loads(content(saved, "index.json"))["manifests"]
    assert (entry["digest"], entry["mediaType"]) == (digest, "application/vnd.docker.distribution.manifest.v2+json")
    stock.kedge("rmi", f"{registry.host}/v2s2:1")
    (tmp_path / "saved.tar").write_bytes(saved)
    assert json.loads(subprocess.run(["skopeo", "inspect", f"oci-archive:{tmp_path}/saved.tar"], check=True,
                                     stdout=subprocess.PIPE).stdout)["Digest"] == digest
    assert load(stock, saved) == [f"Loaded image: {registry.host}/v2s2:1"]


def test_docker_s_program_saves_and_loads(stock, tmp_path):
    stock.docker("save", "-o", tmp_path / "d.tar", "busybox:test")
    assert "Loaded image: busybox:test" in stock.docker("load", "-i", tmp_path / "d.tar").out
    done = stock.docker("save", "none:such", check=False)
    assert done.returncode == 1 and "No such image: none:such" in done.err


def test_saving_holds_what_is_removed_meanwhile(stock):
    """The image goes in the middle; the archive is whole all the same, and the blobs go after it."""
    noise = os.urandom(8 << 20)
    load(stock, big_archive("held:1", noise))
    layer = json.loads(content(get(stock, "/images/held:1/get"), "manifest.json"))[0]["Layers"][0].split("/")[-1]
    connection = kedge.UnixConnection(stock.socket)
    connection.request("GET", "/images/held:1/get")
    answer = connection.getresponse()
    first = answer.read(1000)
    stock.kedge("rmi", "held:1")
    saved = first + answer.read()
    assert noise in saved and f"blobs/sha256/{layer}" in members(saved)
    connection.close()
    kedge.wait_for(lambda: not (stock.store / "blobs" / "sha256" / layer).exists())


def big_archive(name, noise):
    with tempfile.TemporaryDirectory() as work:
        root = kedge.busybox_directory(pathlib.Path(work) / "root")
        (root / "noise").write_bytes(noise)
        out = pathlib.Path(work) / "a.tar"
        kedge.mkimage.write_archive(str(out), kedge.mkimage.image_layout(name, [kedge.mkimage.layer_tar(str(root), {})], {}, "none"))
        return out.read_bytes()


@pytest.mark.parametrize("what", ["save", "export"])
def test_a_client_that_leaves_in_the_middle_leaves_nothing(stock, what):
    load(stock, big_archive("left:1", os.urandom(16 << 20)))
    identity = stock.create(["true"], image="left:1")
    target = "/images/left:1/get" if what == "save" else f"/containers/{identity}/export"
    for _ in range(3):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(stock.socket))
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(5000).startswith(b"HTTP/1.1 200")
        assert packers(stock)
        client.close()
        kedge.wait_for(lambda: not packers(stock))
    assert not list((stock.store / "staging").iterdir())


def test_a_slow_client_costs_no_memory(stock):
    """48 MB wait for a client that reads nothing: neither the daemon nor the process that writes them grows."""
    load(stock, big_archive("slow:1", os.urandom(48 << 20)))

    def resident(pid):
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    before = resident(stock.process.pid)
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(stock.socket))
    client.sendall(b"GET /images/slow:1/get HTTP/1.1\r\nHost: x\r\n\r\n")
    client.recv(100)
    pid, = kedge.wait_for(lambda: packers(stock))

    def is_waiting():
        return pathlib.Path(f"/proc/{pid}/wchan").read_text().startswith("pipe_w") or pathlib.Path(
            f"/proc/{pid}/syscall").read_text().startswith("1 ")
    kedge.wait_for(is_waiting)
    if "sanitize" not in str(kedge.BUILD):
        assert resident(stock.process.pid) - before < 8 << 20
        assert resident(pid) < 8 << 20
    client.close()
    kedge.wait_for(lambda: not packers(stock))


def test_an_archive_that_breaks_off_is_not_taken_for_a_whole_one(stock, tmp_path):
    load(stock, big_archive("torn:1", os.urandom(16 << 20)))
    connection = kedge.UnixConnection(stock.socket)
    connection.request("GET", "/images/torn:1/get")
    answer = connection.getresponse()
    answer.read(1000)
    os.kill(packers(stock)[0], 9)
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    assert "an archive was broken off" in stock.log()
    assert stock.api.raw("GET", "/_ping")[0] == 200


def test_kedge_writes_a_file_whole_or_not_at_all(stock, tmp_path):
    target = tmp_path / "out.tar"
    target.write_text("what was there")
    done = stock.kedge("save", "--output", target, "none:such", check=False)
    assert done.returncode == 1 and "No such image: none:such" in done.err
    assert target.read_text() == "what was there" and list(tmp_path.iterdir()) == [target]
    stock.kedge("image", "save", "--output", target, "busybox:test")
    assert "index.json" in members(target.read_bytes()) and list(tmp_path.iterdir()) == [target]
    assert stock.kedge("save", "busybox:test").stdout == target.read_bytes()
    stock.kedge("save", "-o", "/dev/null", "busybox:test")
    done = stock.kedge("save", "-o", tmp_path / "no" / "such", "busybox:test", check=False)
    assert done.returncode == 1 and "No such file or directory" in done.err


# ---- load, by the program ----

@pytest.mark.parametrize("squeeze", ["cat", "gzip", "zstd"])
def test_load_from_a_file_and_from_a_pipe(stock, tmp_path, squeeze):
    stock.load_busybox("piped:1", config={"Labels": {"piped": squeeze}})
    data = subprocess.run([squeeze, "-c"] if squeeze != "cat" else ["cat"], input=get(stock, "/images/piped:1/get"), stdout=subprocess.PIPE,
                          check=True).stdout
    (tmp_path / "piped").write_bytes(data)
    for words, given in ((["load"], {"input": data}), (["load", "--input", tmp_path / "piped"], {}), (["image", "load", "-q"], {"input": data})):
        for program in (stock.kedge, stock.docker):
            stock.kedge("rmi", "piped:1")
            assert program(*words, **given).out.strip().splitlines()[-1] == "Loaded image: piped:1"
    done = stock.kedge("load", "-i", tmp_path / "none", check=False)
    assert done.returncode == 1 and "No such file or directory" in done.err


def test_load_tells_its_progress(stock, tmp_path):
    """Of layers that are new, however small."""
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "new").write_bytes(os.urandom(64))
    archive = kedge.busybox_archive(tmp_path / "p.tar", "told:1", layers=[tmp_path / "layer"])
    status, body = stock.api.raw("POST", "/images/load?quiet=0", archive.read_bytes())
    stock.kedge("rmi", "told:1")
    lines = [json.loads(line) for line in body.splitlines()]
    assert status == 200 and any(line.get("status") == "Loading layer" and line["progressDetail"]["total"] > 0 for line in lines), lines
    assert lines[-1] == {"stream": "Loaded image: told:1\n"}


def test_a_manifest_without_end_is_refused(stock):
    """Documents in an archive are bounded, and read no further."""
    for name in ("index.json", "manifest.json"):
        info = tarfile.TarInfo(name)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            info.size = 5 << 20
            tar.addfile(info, io.BytesIO(b"[" + b" " * info.size))
        status, body = stock.api.raw("POST", "/images/load", out.getvalue())
        assert (status == 413 or b"error" in body) and b"larger than" in body or b"too large" in body or b"bytes" in body, body
        kedge.wait_for(lambda: not list((stock.store / "staging").iterdir()))


# ---- export ----

SETUP = """
set -e; mkdir -p /d/e; echo one > /d/file; ln /d/file /d/e/link; ln -s ../file /d/e/soft; chown 5:70000 /d/file; chmod 4711 /d/file
mknod /d/null c 1 3; mknod /d/fifo p; dd if=/dev/zero of=/d/sparse bs=1 count=1 seek=20000000 2>/dev/null
touch -d '1969-12-31 23:00:00' /d/old; mkdir /d/%s; echo long > /d/%s/%s; rm /bin/nc; echo changed >> /etc/group
"""
LONG = "n" * 180


@pytest.fixture
def filled(daemon):
    """A container whose file system holds some of everything; mknod and dd are busybox's own."""
    for applet in ("mknod", "dd", "touch"):
        assert applet in subprocess.run(["busybox", "--list"], stdout=subprocess.PIPE, text=True).stdout
    script = "PATH=/bin; for a in mknod; do ln -s busybox /bin/$a; done\n" + SETUP % (LONG, LONG, LONG) + "echo ready; exec sleep 1000"
    identity = daemon.run_container(["sh", "-c", script], host={"Tmpfs": {"/tmpfs": ""}})
    kedge.wait_for(lambda: "ready" in daemon.log_text(identity))
    upper = daemon.store / "containers" / identity / "upper"
    os.setxattr(upper / "d" / "old", "user.kedge", b"\x00value\xff")
    return daemon, identity


def check_filled(data):
    found = members(data)
    first, second = sorted(("d/file", "d/e/link"), key=lambda name: found[name].islnk())
    assert found[second].islnk() and found[second].linkname == first
    assert (found[first].mode, found[first].uid, found[first].gid, found[first].size) == (0o4711, 5, 70000, 4)
    assert found["d/e/soft"].linkname == "../file"
    assert found["d/null"].ischr() and (found["d/null"].devmajor, found["d/null"].devminor) == (1, 3)
    assert found["d/fifo"].isfifo()
    assert found["d/sparse"].issparse() and found["d/sparse"].size == 20000001
    assert found["d/old"].mtime == -3600 and found["d/old"].pax_headers["SCHILY.xattr.user.kedge"].encode(
        "utf-8", "surrogateescape") == b"\x00value\xff"
    assert content(data, f"d/{LONG}/{LONG}") == b"long\n"
    assert "bin/nc" not in found and "bin/busybox" in found and b"changed" in content(data, "etc/group")
    assert found["tmpfs"].isdir() and found["proc"].isdir() and not any(name.startswith("proc/") for name in found)
    assert len(data) < 6 << 20  # holes are not filled


def test_export_of_a_running_and_of_a_stopped_container(filled):
    daemon, identity = filled
    running = get(daemon, f"/containers/{identity}/export")
    check_filled(running)
    daemon.api.post(f"/containers/{identity}/kill")
    daemon.wait(identity)
    stopped = get(daemon, f"/containers/{identity}/export")
    check_filled(stopped)
    assert {(m.name, m.mode, m.uid, m.size, m.mtime, m.type) for m in members(stopped).values() if not m.isreg() and not m.islnk()} == {
        (m.name, m.mode, m.uid, m.size, m.mtime, m.type) for m in members(running).values() if not m.isreg() and not m.islnk()}
    assert not packers(daemon)


def test_export_of_one_that_starts_meanwhile(stock):
    load(stock, big_archive("meanwhile:1", os.urandom(16 << 20)))
    identity = stock.create(["sleep", "1000"], image="meanwhile:1")
    connection = kedge.UnixConnection(stock.socket)
    connection.request("GET", f"/containers/{identity}/export")
    answer = connection.getresponse()
    first = answer.read(1000)
    stock.start_container(identity)
    assert "bin/busybox" in members(first + answer.read())
    assert stock.inspect(identity)["State"]["Running"]
    connection.close()


def test_export_by_the_programs(stock, tmp_path):
    identity = stock.create(["true"], name="exported")
    stock.kedge("export", "--output", tmp_path / "k.tar", "exported")
    stock.docker("export", "--output", tmp_path / "d.tar", "exported")
    assert (tmp_path / "k.tar").read_bytes() == (tmp_path / "d.tar").read_bytes() == stock.kedge("container", "export", identity).stdout
    done = stock.kedge("export", "none", check=False)
    assert done.returncode == 1 and "No such container: none" in done.err
    assert stock.api.raw("HEAD", f"/containers/{identity}/export")[0] == 200
    kedge.wait_for(lambda: not packers(stock))


def test_exports_are_told(stock):
    since = time.time()
    identity = stock.create(["true"])
    get(stock, f"/containers/{identity}/export")
    get(stock, "/images/busybox:test/get")
    events = [json.loads(line) for line in get(stock, f"/events?since={since:.6f}&until={time.time():.6f}").splitlines()]
    assert ("container", "export") in {(event["Type"], event["Action"]) for event in events}
    assert ("image", "save") in {(event["Type"], event["Action"]) for event in events}


@pytest.mark.skipif("sanitize" in str(kedge.BUILD), reason="sanitizers call what they like")
@pytest.mark.parametrize("mode", ["--tree", "--layer"])
def test_the_packer_is_jailed(tmp_path, mode):
    """Of root's rights reading is left, and a filter of system calls is in force, while it waits for its reader."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "large").write_bytes(os.urandom(1 << 20))
    packer = subprocess.Popen([kedge.BIN / "kedge-pack", mode, tree], stdout=subprocess.PIPE)
    try:
        packer.stdout.read(1)  # it is at work, and has filled the pipe or soon will have
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{packer.pid}/status").read_text().splitlines())
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH
        assert os.readlink(f"/proc/{packer.pid}/root") == str(tree)
        packer.stdout.read()
        assert packer.wait(10) == 0
    finally:
        packer.kill()
        packer.wait()
