# SPDX-License-Identifier: Apache-2.0
"""Images in the store: load, list, inspect, tag, remove."""
import gzip
import hashlib
import io
import json
import re
import socket
import subprocess
import tarfile
import tempfile
import time

import pytest

import kedge
from streams import Events


@pytest.fixture
def stock(box):
    """The shared daemon; images other than busybox:test are removed after the test."""
    yield box
    box.remove_all()
    for image in box.api.get("/images/json"):
        for name in image["RepoTags"] or [image["Id"]]:
            if name != "busybox:test":
                box.api.raw("DELETE", f"/images/{name}?force=1")


def load(daemon, data):
    status, body = daemon.api.raw("POST", "/images/load", data, {"Content-Type": "application/x-tar"})
    assert status == 200, body
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def small_layer(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def base_layer():
    with tempfile.TemporaryDirectory() as work:
        return kedge.mkimage.layer_tar(str(kedge.busybox_directory(work)), {})


def docker_archive(name, tars, config=None, compressed=False):
    """As `docker save` of old writes it: manifest.json, a configuration, layers as plain tars."""
    image = {"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"], **(config or {})},
             "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]}}
    text = json.dumps(image).encode()
    identity = hashlib.sha256(text).hexdigest()
    files = {identity + ".json": text}
    for number, tar in enumerate(tars):
        files[f"{number}/layer.tar"] = gzip.compress(tar) if compressed else tar
    files["manifest.json"] = json.dumps([{"Config": identity + ".json", "RepoTags": [name],
                                          "Layers": [f"{number}/layer.tar" for number in range(len(tars))]}]).encode()
    return "sha256:" + identity, files


@pytest.mark.parametrize("how", ["gzip", "zstd", "none"])
def test_oci_layout(stock, how):
    files = kedge.mkimage.image_layout(f"oci:{how}", [base_layer(), small_layer(mark="upper")], {"Env": ["PATH=/bin"]}, how)
    lines = load(stock, archive(files))
    assert any(f"Loaded image: oci:{how}" in line.get("stream", "") for line in lines)
    identity = stock.run_container(["cat", "/mark"], image=f"oci:{how}")
    assert stock.wait(identity) == 0 and stock.log_text(identity) == "upper"
    manifest = json.loads(files["index.json"])["manifests"][0]
    config = json.loads(files["blobs/sha256/" + manifest["digest"][7:]])["config"]["digest"]
    assert stock.api.get(f"/images/oci:{how}/json")["Id"] == config


@pytest.mark.parametrize("compressed", [False, True])
def test_docker_archive(stock, compressed):
    identity, files = docker_archive("old/style:1", [base_layer(), small_layer(a="lower", b="low"), small_layer(a="upper")],
                                     compressed=compressed)
    load(stock, archive(files))
    assert stock.api.get("/images/old/style:1/json")["Id"] == identity
    container = stock.run_container(["cat", "/a", "/b"], image="old/style:1")
    assert stock.wait(container) == 0 and stock.log_text(container) == "upperlow"


@pytest.mark.parametrize("squeeze", ["gzip", "zstd"])
def test_compressed_archive(stock, squeeze):
    identity, files = docker_archive("squeezed:1", [base_layer()])
    data = subprocess.run([squeeze, "-c"], input=archive(files), stdout=subprocess.PIPE, check=True).stdout
    load(stock, data)
    assert stock.api.get("/images/squeezed:1/json")["Id"] == identity


def test_what_skopeo_writes(stock, tmp_path):
    source = kedge.busybox_archive(tmp_path / "oci.tar", "x:1")
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", f"oci-archive:{source}", f"docker-archive:{tmp_path}/d.tar:sk:1"],
                   check=True)
    load(stock, (tmp_path / "d.tar").read_bytes())
    assert stock.wait(stock.run_container(["true"], image="sk:1")) == 0


def test_a_chunked_body(stock):
    identity, files = docker_archive("chunked:1", [base_layer()])
    data = archive(files)
    pieces = (data[i:i + 70000] for i in range(0, len(data), 70000))
    connection = kedge.UnixConnection(stock.socket)
    connection.request("POST", "/images/load?quiet=1", pieces, encode_chunked=True)
    assert connection.getresponse().status == 200
    assert stock.api.get("/images/chunked:1/json")["Id"] == identity


def broken():
    identity, files = docker_archive("broken:1", [small_layer(a="1")])
    manifest = json.loads(files["manifest.json"])
    yield "empty", b""
    yield "noise", bytes(range(256)) * 4000
    yield "cut", archive(files)[:-12000] + b"x" * 100
    yield "no manifest", archive({"other": b"x"})
    yield "manifest is no list", archive({**files, "manifest.json": b"{}"})
    yield "manifest is no JSON", archive({**files, "manifest.json": b"[{"})
    yield "no layer", archive({k: v for k, v in files.items() if "layer" not in k})
    yield "other layer", archive({**files, "0/layer.tar": small_layer(a="2")})
    yield "layer is no tar", archive({**files, "0/layer.tar": b"no tar at all" * 100})
    yield "more layers than diff ids", archive({**files, "manifest.json": json.dumps(
        [{**manifest[0], "Layers": ["0/layer.tar", "0/layer.tar"]}]).encode()})
    yield "path out of the archive", archive({**files, "manifest.json": json.dumps(
        [{**manifest[0], "Config": "../../../etc/passwd"}]).encode()})
    yield "config is no object", archive({**files, identity[7:] + ".json": b"17"})
    oci = kedge.mkimage.image_layout("broken:2", [small_layer(a="1")], {})
    blob = next(name for name in oci if name.startswith("blobs"))
    yield "wrong digest", archive({**oci, blob: oci[blob] + b" "})
    yield "no index", archive({k: v for k, v in oci.items() if k != "index.json"})


@pytest.mark.parametrize("what,data", list(broken()), ids=[what for what, _ in broken()])
def test_broken_archives_leave_nothing(stock, what, data):
    before = stock.api.get("/images/json")
    status, body = stock.api.raw("POST", "/images/load", data, {"Content-Type": "application/x-tar"})
    assert status >= 400 or "error" in json.loads(body.splitlines()[-1]), body
    assert stock.api.get("/images/json") == before
    kedge.wait_for(lambda: not list((stock.store / "staging").iterdir()))
    assert stock.api.raw("GET", "/_ping")[0] == 200


def test_a_client_that_leaves_in_the_middle(stock):
    for sent in (10, 5000, 300000):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(stock.socket))
        client.sendall(b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + archive(
            docker_archive("left:1", [base_layer()])[1])[:sent])
        time.sleep(0.1)
        client.close()
    kedge.wait_for(lambda: not list((stock.store / "staging").iterdir()))
    assert stock.api.raw("GET", "/images/left:1/json")[0] == 404


def test_a_body_that_goes_on_after_the_archive_is_refused(stock):
    """The archive is found bad at once; the client keeps sending."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(stock.socket))
    client.sendall(b"POST /images/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(40):
            client.sendall(b"8000\r\n" + b"garbage!" * 4096 + b"\r\n")
            time.sleep(0.02)
        client.sendall(b"0\r\n\r\n")
        answer = client.recv(65536)
        assert b"error" in answer or b"message" in answer
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused early is as good
    client.close()
    assert stock.api.raw("GET", "/_ping")[0] == 200


def test_list_and_inspect(stock):
    layers = [base_layer(), small_layer(mark="x" * 5000)]
    config = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Entrypoint": ["/bin/echo"], "Labels": {"l": "v"}, "User": "web",
              "WorkingDir": "/tmp", "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "StopSignal": "SIGUSR1"}
    files = kedge.mkimage.image_layout("listed:1", layers, config)
    load(stock, archive(files))
    entry = [image for image in stock.api.get("/images/json") if "listed:1" in image["RepoTags"]][0]
    assert entry["Id"].startswith("sha256:") and entry["Labels"] == {"l": "v"} and entry["RepoDigests"] == []
    shown = stock.api.get("/images/listed:1/json")
    for key, value in config.items():
        assert shown["Config"][key] == value, key
    assert shown["RepoTags"] == ["listed:1"] and shown["Os"] == "linux" and shown["Size"] >= 5000
    assert shown["RootFS"]["Layers"] == ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    assert shown["Created"].startswith("2024-01-01T00:00:00")
    for name in ("listed", entry["Id"], entry["Id"][7:19], "docker.io/library/listed:1"):
        expected = 404 if name == "listed" else 200
        assert stock.api.raw("GET", f"/images/{name}/json")[0] == expected, name

    def names(filters):
        return sorted(tag for image in stock.api.get("/images/json?filters=" + json.dumps(filters, separators=(",", ":")))
                      for tag in image["RepoTags"])
    assert names({"label": ["l=v"]}) == ["listed:1"] and names({"label": ["l=w"]}) == []
    assert names({"reference": ["list*"]}) == ["listed:1"]
    assert names({"dangling": ["true"]}) == []
    assert names({"label!": ["l=v"]}) == ["busybox:test"] and names({"label!": ["l=w"], "reference": ["listed"]}) == ["listed:1"]


def test_older_and_newer_images(stock):
    """By the time at which they were made: import makes one now."""
    stock.load_busybox("older:1", config={"Labels": {"n": "1"}})
    stock.api.call("POST", "/images/create?fromSrc=-&repo=newer&tag=1", small_layer(n="2"), {"Content-Type": "application/x-tar"})

    def names(**filters):
        return {tag for image in stock.api.get("/images/json?filters=" + json.dumps(filters, separators=(",", ":"))) for tag in image["RepoTags"]}
    assert names(since=["older:1"]) == {"newer:1"} and names(since=["newer:1"]) == set()
    assert "older:1" in names(before=["newer:1"]) and "newer:1" not in names(before=["newer:1"]) and "older:1" not in names(before=["older:1"])
    for word in ("before", "since"):
        assert stock.api.raw("GET", f'/images/json?filters={{"{word}":["none:such"]}}')[0] == 404


def test_tag(stock):
    identity = stock.api.get("/images/busybox:test/json")["Id"]
    stock.api.post("/images/busybox:test/tag?repo=other&tag=1")
    stock.api.post(f"/images/{identity}/tag?repo=localhost:5000/deep/name")
    tags = set(stock.api.get(f"/images/{identity}/json")["RepoTags"])
    assert tags == {"busybox:test", "other:1", "localhost:5000/deep/name:latest"}
    for query in ("repo=UPPER", "repo=a&tag=a%20b", "repo=", "repo=a@sha256:" + "0" * 64):
        assert stock.api.raw("POST", f"/images/busybox:test/tag?{query}")[0] == 400, query
    assert stock.api.raw("POST", "/images/absent:1/tag?repo=x")[0] == 404
    # a name that moves away leaves its old image without a name
    load(stock, archive(docker_archive("other:1", [small_layer(n="1")])[1]))
    assert "other:1" not in stock.api.get(f"/images/{identity}/json")["RepoTags"]


def test_remove(stock):
    identity, files = docker_archive("gone:1", [base_layer(), small_layer(n="2")])
    load(stock, archive(files))
    stock.api.post("/images/gone:1/tag?repo=gone&tag=2")
    assert stock.api.delete("/images/gone:1") == [{"Untagged": "gone:1"}]
    conflict = stock.create(["sleep", "60"], image="gone:2")
    status, body = stock.api.raw("DELETE", "/images/gone:2")
    assert status == 409 and conflict[:12].encode() in body
    stock.start_container(conflict)
    status, body = stock.api.raw("DELETE", f"/images/{identity}?force=1")
    assert status == 409 and b"running container" in body
    stock.api.delete("/images/gone:2?force=1")  # the name goes, the container keeps what it stands on
    assert stock.inspect(conflict)["State"]["Running"]
    stock.api.post(f"/containers/{conflict}/restart?t=0")
    assert stock.inspect(conflict)["State"]["Running"]
    stock.api.delete(f"/containers/{conflict}?force=1")
    stock.api.raw("DELETE", f"/images/{identity}")
    assert stock.api.raw("GET", f"/images/{identity}/json")[0] == 404
    assert stock.api.raw("DELETE", "/images/gone:1")[0] == 404


def test_remove_by_id_with_several_names(stock):
    identity, files = docker_archive("several:1", [small_layer(n="3")])
    load(stock, archive(files))
    stock.api.post("/images/several:1/tag?repo=several&tag=2")
    status, body = stock.api.raw("DELETE", f"/images/{identity}")
    assert status == 409 and b"must be forced" in body
    answer = stock.api.delete(f"/images/{identity}?force=1")
    assert {"Untagged": "several:1"} in answer and {"Untagged": "several:2"} in answer
    assert {"Deleted": identity} in answer


def test_a_tag_that_looks_like_the_id_is_removed_alone(stock):
    identity, files = docker_archive("looks:1", [small_layer(n="4")])
    load(stock, archive(files))
    digits = identity.removeprefix("sha256:")
    for name in ("s", "sha2", "sha256", digits[:1], digits[:2], digits[:12]):
        stock.api.post(f"/images/looks:1/tag?repo={name}")
        assert stock.api.delete(f"/images/{name}?force=1") == [{"Untagged": f"{name}:latest"}]
        assert stock.api.get("/images/looks:1/json")["RepoTags"] == ["looks:1"]
    answer = stock.api.delete(f"/images/{digits[:12]}?force=1")  # no tag looks like it any more
    assert {"Untagged": "looks:1"} in answer and {"Deleted": identity} in answer


def test_removed_layers_leave_the_disk(empty):
    identity, files = docker_archive("big:1", [base_layer(), small_layer(n="x" * 3000000)])
    load(empty, archive(files))

    def used():
        done = subprocess.run(["du", "-s", "-B1", empty.store / "layers", empty.store / "blobs", empty.store / "trash"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # what is swept meanwhile is no error
        return sum(int(line.split()[0]) for line in done.stdout.splitlines())
    assert used() > 3000000
    empty.api.delete("/images/big:1")
    kedge.wait_for(lambda: used() < 100000, 20)


def test_loading_again_changes_nothing(stock):
    identity, files = docker_archive("twice:1", [base_layer()])
    load(stock, archive(files))
    before = stock.api.get("/images/twice:1/json")
    load(stock, archive(files))
    assert stock.api.get("/images/twice:1/json") == before


def test_events(stock):
    events = Events(stock)
    identity, files = docker_archive("evented:1", [small_layer(n="4")])
    load(stock, archive(files))
    stock.api.post("/images/evented:1/tag?repo=evented&tag=2")
    stock.api.delete("/images/evented:1")
    stock.api.delete("/images/evented:2")
    kedge.wait_for(lambda: "delete" in [event["Action"] for event in events.all])
    assert [event["Action"] for event in events.all if event["Type"] == "image"] == ["load", "tag", "untag", "untag", "delete"]
    events.close()


def test_history(stock):
    load(stock, archive(kedge.mkimage.image_layout("historic:1", [base_layer(), small_layer(n="5")], {})))
    history = stock.api.get("/images/historic:1/history")
    assert len(history) == 2 and history[0]["CreatedBy"] == "mkimage" and history[0]["Tags"] == ["historic:1"]


def test_bad_names(stock):
    for name in ("Not%20A%20Name", "a@sha256:xyz", "UPPER", "a:b:c"):
        status, body = stock.api.raw("GET", f"/images/{name}/json")
        assert status in (400, 404) and re.search(rb'"message":\s*"', body), (name, status, body)
