# SPDX-License-Identifier: Apache-2.0
"""Images made of archives of file systems, and archives that mean harm."""
import gzip
import io
import json
import pathlib
import socket
import subprocess
import tarfile
import tempfile
import time
from urllib.parse import urlencode

import pytest

import kedge
from test_archives import content, get, members


@pytest.fixture(scope="module")
def root_tar():
    with tempfile.TemporaryDirectory() as work:
        return kedge.mkimage.layer_tar(str(kedge.busybox_directory(work)), {})


def post(daemon, data, **query):
    target = "/images/create?" + urlencode({"fromSrc": "-", **query}, doseq=True)
    status, body = daemon.api.raw("POST", target, data, {"Content-Type": "application/x-tar"})
    lines = [json.loads(line) for line in body.splitlines() if line.strip()] if status == 200 else []
    return status, lines or body


def imported(daemon, data, **query):
    status, lines = post(daemon, data, **query)
    assert status == 200 and len(lines) == 1 and lines[0]["status"].startswith("sha256:"), (status, lines)
    return lines[0]["status"]


def nothing_is_left(daemon):
    kedge.wait_for(lambda: not list((daemon.store / "staging").iterdir()))
    return True


SQUEEZED = {"tar": lambda data: data, "gzip": gzip.compress,
            "zstd": lambda data: subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout}


@pytest.mark.parametrize("how", SQUEEZED)
def test_import(stock, root_tar, how):
    data = SQUEEZED[how](root_tar)
    identity = imported(stock, data, repo="made", tag=how, message="by hand")
    image = stock.api.get(f"/images/made:{how}/json")
    assert image["Id"] == identity and image["Os"] == "linux" and image["Comment"] == "by hand"
    assert image["RootFS"]["Type"] == "layers" and len(image["RootFS"]["Layers"]) == 1
    assert abs(time.time() - stock.api.get("/images/json")[0]["Created"]) < 60
    history, = stock.api.get(f"/images/made:{how}/history")
    assert history["Comment"] == "by hand" and history["Size"] == image["Size"] > 0
    container = stock.run_container(["/bin/sh", "-c", "echo works"], image=f"made:{how}")
    assert stock.wait(container) == 0 and stock.log_text(container) == "works\n"
    saved = get(stock, f"/images/made:{how}/get")
    layer = json.loads(content(saved, "manifest.json"))[0]["Layers"][0]
    assert content(saved, layer) == data  # the blob is what came
    manifest = json.loads(content(saved, "blobs/sha256/" + json.loads(content(saved, "index.json"))["manifests"][0]["digest"][7:]))
    assert manifest["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar" + ("" if how == "tar" else "+" + how)
    assert nothing_is_left(stock)


def test_export_and_import_give_a_container_that_runs(stock):
    source = stock.run_container(["sh", "-c", "echo kept > /kept; chmod 600 /kept; chown 1000:2000 /kept"])
    assert stock.wait(source) == 0
    data = stock.kedge("export", source).stdout
    out = stock.kedge("import", "--change", 'CMD ["stat", "-c", "%a %u %g %n", "/kept"]', "-c", "ENV PATH=/bin A=b", "-m", "a copy", "-", "copy:1",
                      input=data).out
    assert out.strip() == stock.api.get("/images/copy:1/json")["Id"]
    again = stock.run_container(None, image="copy:1")
    assert stock.wait(again) == 0 and stock.log_text(again) == "600 1000 2000 /kept\n"
    first, second = members(data), members(get(stock, f"/containers/{again}/export"))
    assert {n: (m.type, m.mode, m.uid, m.gid, m.size, m.linkname) for n, m in second.items() if n not in first} == {}
    for name, member in first.items():
        if member.isreg() and second[name].isreg():
            assert (member.mode, member.uid, member.gid, member.size, member.mtime) == (
                second[name].mode, second[name].uid, second[name].gid, second[name].size, second[name].mtime), name


def test_docker_s_program_imports(stock, root_tar, tmp_path):
    (tmp_path / "root.tar").write_bytes(root_tar)
    out = stock.docker("import", "--change", "CMD echo from docker", "--change", "ENV PATH=/bin", tmp_path / "root.tar", "by/docker:1").out
    assert out.strip() == stock.api.get("/images/by/docker:1/json")["Id"]
    container = stock.run_container(None, image="by/docker:1")
    assert stock.wait(container) == 0 and stock.log_text(container) == "from docker\n"
    done = stock.docker("import", "http://127.0.0.1:1/x.tar", check=False)
    assert done.returncode == 1 and "cannot import from a URL" in done.err
    done = stock.kedge("import", "http://127.0.0.1:1/x.tar", check=False)
    assert done.returncode == 1 and "cannot import from a URL" in done.err and "hint: download it first" in done.err


def test_docker_loads_an_imported_image(stock, root_tar, tmp_path):
    """The configuration that is made here is one that others read."""
    identity = imported(stock, root_tar, repo="fit", tag="1", changes=["LABEL a=b", "EXPOSE 80"])
    stock.kedge("save", "-o", tmp_path / "f.tar", "fit:1")
    assert json.loads(subprocess.run(["skopeo", "inspect", f"oci-archive:{tmp_path}/f.tar"], check=True, stdout=subprocess.PIPE).stdout)[
        "Labels"] == {"a": "b"}
    config = json.loads(subprocess.run(["skopeo", "inspect", "--config", f"docker-archive:{tmp_path}/f.tar"], check=True,
                                       stdout=subprocess.PIPE).stdout)
    assert config["rootfs"]["type"] == "layers" and config["config"]["ExposedPorts"] == {"80/tcp": {}}
    assert identity == stock.api.get("/images/fit:1/json")["Id"]


def test_changes(stock, root_tar):
    changes = ['ENTRYPOINT ["/bin/sh", "-c"]', "CMD true", "env A=1 B='two words' C=\"q\\\"q\"", "ENV OLD the rest of it", "EXPOSE 80 53/udp",
               "LABEL one=1 \"two words\"=\"2 3\"", "ONBUILD RUN something", "STOPSIGNAL SIGQUIT", "USER 1000:5", 'VOLUME ["/a", "/b"]', "VOLUME /c",
               "WORKDIR /srv", "WORKDIR sub", "HEALTHCHECK --interval=5s --start-interval=2s --retries=2 CMD test -e /x"]
    imported(stock, root_tar, repo="changed", changes=changes)
    config = stock.api.get("/images/changed:latest/json")["Config"]
    assert config["Entrypoint"] == ["/bin/sh", "-c"] and config["Cmd"] == ["/bin/sh", "-c", "true"]
    assert config["Env"] == ["A=1", "B=two words", 'C=q"q', "OLD=the rest of it"]
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}} and config["Volumes"] == {"/a": {}, "/b": {}, "/c": {}}
    assert config["Labels"] == {"one": "1", "two words": "2 3"} and config["OnBuild"] == ["RUN something"]
    assert (config["StopSignal"], config["User"], config["WorkingDir"]) == ("SIGQUIT", "1000:5", "/srv/sub")
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "test -e /x"], "Interval": 5000000000, "StartInterval": 2000000000, "Retries": 2}


@pytest.mark.parametrize("change,words", [("RUN true", '"RUN" is not a valid change command'), ("CMD", 'change "CMD" says nothing'),
                                          ("ENV =x", "NAME=VALUE"), ("ENV A='x", "a quote does not end"), ("EXPOSE http", "PORT"),
                                          ("EXPOSE 70000", "70000"), ("HEALTHCHECK --often CMD x", "--often"), ("HEALTHCHECK x", "neither CMD nor NONE")])
def test_changes_that_make_no_sense(stock, root_tar, change, words):
    status, body = post(stock, root_tar, repo="bad", changes=[change])
    assert status == 400 and words in body.decode().replace('\\"', '"'), body
    assert stock.api.raw("GET", "/images/bad:latest/json")[0] == 404 and nothing_is_left(stock)


def test_platform_and_names(stock, root_tar):
    imported(stock, root_tar, repo="arm", platform="linux/arm/v7")
    image = stock.api.get("/images/arm:latest/json")
    assert (image["Os"], image["Architecture"], image["Variant"]) == ("linux", "arm", "v7")
    identity = imported(stock, root_tar, message="nameless")
    assert stock.api.get(f"/images/{identity}/json")["RepoTags"] == []
    for bad in ({"repo": "Upper/Case"}, {"repo": "a", "tag": "b c"}, {"platform": "////"}, {"repo": "a@sha256:" + 64 * "0"}):
        assert post(stock, root_tar, **bad)[0] == 400, bad
    assert nothing_is_left(stock)


def test_the_same_tree_twice_is_one_layer(stock, root_tar):
    before = len(list((stock.store / "layers").iterdir()))
    for how in ("tar", "gzip"):
        imported(stock, SQUEEZED[how](root_tar), repo="twice", tag=how)
    sizes = [stock.api.get(f"/images/twice:{how}/json")["RootFS"]["Layers"] for how in ("tar", "gzip")]
    assert sizes[0] == sizes[1] and len(list((stock.store / "layers").iterdir())) <= before + 1
    get(stock, "/images/twice:gzip/get")


def test_import_without_compressed_blobs(root_tar, tmp_path):
    configuration = tmp_path / "kedged.yaml"
    configuration.write_text("engine: {keepBlobs: false}\n")
    daemon = kedge.Daemon(options=["--config", str(configuration)]).start()
    try:
        identity = imported(daemon, gzip.compress(root_tar), repo="blobless")
        kedge.wait_for(lambda: len(list((daemon.store / "blobs" / "sha256").iterdir())) == 2)
        assert daemon.wait(daemon.run_container(["/bin/true"], image="blobless")) == 0
        assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
        assert identity in daemon.restart().kedge("images", "-q", "--no-trunc").out
        assert nothing_is_left(daemon)
    finally:
        daemon.close()


# ---- archives that mean harm ----

def tar_of(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(name, data=b"", **settings):
    info = tarfile.TarInfo(name)
    for key, value in settings.items():
        setattr(info, key, value)
    return info, data


def hostile():
    good = tar_of(entry("file", b"data" * 1000))
    yield "nothing", b"", "holds no file|ended|empty"
    yield "end marks alone", bytes(10240), "holds no file"
    yield "noise", bytes(range(256)) * 200, ""
    yield "cut", good[:2000], ""
    yield "bad checksum", good[:148] + b"0000000\0" + good[156:], ""
    yield "cut gzip", gzip.compress(good)[:-20], ""
    yield "bzip2", b"BZh9" + bytes(1000), ""
    yield "out by ..", tar_of(entry("../../../escaped", b"x")), ""
    yield "link and through it", tar_of(entry("a", type=tarfile.SYMTYPE, linkname="/tmp"), entry("a/escaped", b"x")), None
    yield "hard link out", tar_of(entry("h", type=tarfile.LNKTYPE, linkname="../../../../etc/passwd")), ""
    yield "hard link to nothing", tar_of(entry("h", type=tarfile.LNKTYPE, linkname="absent")), ""
    yield "too deep", tar_of(entry("d/" * 200 + "f", b"x")), ""


@pytest.mark.parametrize("what,data,words", list(hostile()), ids=[what for what, _, _ in hostile()])
def test_hostile_archives(stock, what, data, words):
    before = stock.api.get("/images/json?all=1")
    status, lines = post(stock, data, repo="hostile")
    if words is None:  # harmless: the link is followed inside the layer, or replaced
        assert status == 200 or b"could not import" in lines
        stock.api.raw("DELETE", "/images/hostile:latest?force=1")
    else:
        text = lines.decode() if isinstance(lines, bytes) else json.dumps(lines)
        assert "could not import the archive: " in text, text
        assert not words or any(word in text for word in words.split("|")), text
        assert status >= 400 or "error" in lines[-1]
        assert stock.api.get("/images/json?all=1") == before
    assert nothing_is_left(stock)
    assert not pathlib.Path("/tmp/escaped").exists() and not pathlib.Path("/escaped").exists()


def test_a_client_that_leaves_in_the_middle(stock, root_tar):
    for sent in (10, 5000, len(root_tar) // 2):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(stock.socket))
        client.sendall(b"POST /images/create?fromSrc=-&repo=left HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + root_tar[:sent])
        kedge.wait_for(lambda: list((stock.store / "staging").iterdir()))
        client.close()
        assert nothing_is_left(stock)
    assert stock.api.raw("GET", "/images/left:latest/json")[0] == 404


def test_imports_are_told(stock, root_tar):
    since = time.time()
    identity = imported(stock, root_tar)
    events = [json.loads(line) for line in get(stock, f"/events?since={since:.6f}&until={time.time() + 0.001:.6f}").splitlines()]
    assert ("image", "import", identity) in {(event["Type"], event["Action"], event["Actor"]["ID"]) for event in events}


def test_python_docker(stock, root_tar, tmp_path):
    docker = pytest.importorskip("docker")
    client = docker.APIClient(base_url=f"unix://{stock.socket}", version="1.41")
    (tmp_path / "root.tar").write_bytes(root_tar)
    client.import_image_from_file(str(tmp_path / "root.tar"), repository="py", tag="1")
    saved = b"".join(client.get_image("py:1"))
    client.remove_image("py:1")
    list(client.load_image(saved))
    identity = client.create_container("py:1", ["/bin/true"], host_config=client.create_host_config(network_mode="none"))["Id"]
    assert "bin/busybox" in members(b"".join(client.export(identity)))
    client.close()
