# SPDX-License-Identifier: Apache-2.0
"""What a container has changed of its image, and images that are made of that."""
import http.client
import io
import json
import os
import signal
import tarfile

import kedge
from streams import Background, Events
from test_container_files import archive, content, helpers, put, wait_up

WORK = ("echo new > /etc/passwd; echo x > /etc/x; rm /bin/wc; rm -r /root; mkdir -p /d/e; echo a > /d/a; "
        "mkdir /data/sub; chmod 700 /tmp; rm /data/one; mv /data/two /data/three; rm -r /gone; mkdir /gone; echo new > /gone/new; echo up; ")


def changes(daemon, container):
    return {change["Path"]: "CAD"[change["Kind"]] for change in daemon.api.get(f"/containers/{container}/changes") or []}


def commit(daemon, container="source", body=None, **query):
    words = "&".join(f"{key}={value}" for key, value in query.items())
    return daemon.api.post(f"/commit?container={container}&{words}", body)["Id"]


def source(daemon, tmp_path, command="sleep 100", **settings):
    """A container on an image of two layers that has changed much."""
    site = tmp_path / "site"
    for name in ("data/one", "data/two", "data/kept", "gone/old"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(name)
    daemon.load_busybox("base:1", layers=[site], config={"Env": ["PATH=/bin", "FROM=image"], "Labels": {"of": "image"}, "Cmd": ["sh"]})
    daemon.create(["sh", "-c", WORK + command], image="base:1", name="source", **settings)
    return wait_up(daemon, daemon.start_container("source"))


EXPECTED = {"/bin": "C", "/bin/wc": "D", "/d": "A", "/d/a": "A", "/d/e": "A", "/data": "C", "/data/one": "D", "/data/sub": "A", "/data/three": "A",
            "/data/two": "D", "/etc": "C", "/etc/passwd": "C", "/etc/x": "A", "/gone": "C", "/gone/new": "A", "/gone/old": "D", "/root": "D",
            "/tmp": "C"}


# ---- changes ----

def test_changes(stock, tmp_path):
    """What the start itself has made is none: places to mount on, /etc/hosts."""
    stock.create(["true"], name="fresh")
    assert stock.api.raw("GET", "/containers/fresh/changes") == (200, b"null\n")
    stock.start_container("fresh")
    stock.wait("fresh")
    assert changes(stock, "fresh") == {}
    source(stock, tmp_path)
    assert changes(stock, "source") == EXPECTED
    stock.api.delete("/containers/source?force=1")
    source(stock, tmp_path, "exit 0")
    stock.wait("source")
    assert changes(stock, "source") == EXPECTED
    assert stock.api.raw("GET", "/containers/none/changes")[0] == 404


def test_changes_of_many_files(stock):
    """They come as they are found, in order."""
    identity = stock.create(["true"], name="many")
    assert put(stock, identity, "/tmp", *[(f"file {number:05} \u00e9\n", b"") for number in range(20000)]) == (200, "")
    found = stock.api.get("/containers/many/changes")
    assert len(found) == 20001 and [change["Path"] for change in found] == sorted(change["Path"] for change in found)
    assert not helpers(stock, "kedge-pack")


# ---- commit ----

def test_commit(stock, tmp_path):
    source(stock, tmp_path, Env=["OWN=1"], Labels={"own": "yes"}, WorkingDir="/data", User="0:0", StopSignal="INT")
    ear = Events(stock)
    identity = commit(stock, repo="made", tag="1", author="me", comment="hi", changes="ENV A=b%0ACMD cat /etc/x".replace(" ", "%20"))
    kedge.wait_for(lambda: [event for event in ear.all if event["Action"] == "commit"])
    ear.close()
    image, base = stock.api.get("/images/made:1/json"), stock.api.get("/images/base:1/json")
    assert image["Id"] == identity and image["Parent"] == base["Id"] and (image["Author"], image["Comment"]) == ("me", "hi")
    config = image["Config"]
    assert {"PATH=/bin", "FROM=image", "OWN=1", "A=b"} == set(config["Env"]) and config["Cmd"] == ["/bin/sh", "-c", "cat /etc/x"]
    assert config["Labels"] == {"of": "image", "own": "yes"} and (config["WorkingDir"], config["User"]) == ("/data", "0:0")
    assert image["RootFS"]["Layers"][:-1] == base["RootFS"]["Layers"] and len(image["RootFS"]["Layers"]) == len(base["RootFS"]["Layers"]) + 1
    newest = stock.api.get("/images/made:1/history")[0]
    assert newest["Comment"] == "hi" and newest["CreatedBy"].startswith("sh -c") and newest["Tags"] == ["made:1"]
    events = [(event["Type"], event["Action"]) for event in ear.all]
    assert events == [("container", "pause"), ("container", "unpause"), ("image", "tag"), ("container", "commit")]
    attributes = ear.all[-1]["Actor"]["Attributes"]
    assert (attributes["comment"], attributes["imageID"], attributes["imageRef"]) == ("hi", identity, "made:1")
    assert stock.inspect("source")["State"]["Status"] == "running"
    made = stock.run_container([], image="made:1", Cmd=None, WorkingDir="/")
    assert stock.wait(made) == 0 and stock.log_text(made) == "x\n"
    look = stock.run_container(["sh", "-c", "exec 2>&1; ls /data /gone; ls /bin/wc /root /etc/hosts; cat /d/a; stat -c %a /tmp"], image="made:1")
    stock.wait(look)
    said = stock.log_text(look)
    assert said.splitlines()[:6] == ["/data:", "kept", "sub", "three", "", "/gone:"] and "new" in said and "old" not in said
    assert "/bin/wc: No such" in said and "/root: No such" in said and "a\n700\n" in said


def layer_names(stock, image):
    saved = tarfile.open(fileobj=io.BytesIO(stock.api.raw("GET", f"/images/{image}/get")[1]))
    entry, = json.loads(saved.extractfile("manifest.json").read())
    layer = tarfile.open(fileobj=io.BytesIO(saved.extractfile(entry["Layers"][-1]).read()))
    return sorted(member.name for member in layer)


def test_the_new_layer(stock, tmp_path):
    """Only what changed, whiteouts in the form of images, and nothing that the start has made."""
    source(stock, tmp_path)
    commit(stock, repo="made")
    names = layer_names(stock, "made:latest")
    assert names == [".", ".wh.root", "bin", "bin/.wh.wc", "d", "d/a", "d/e", "data", "data/.wh.one", "data/.wh.two", "data/sub", "data/three",
                     "etc", "etc/passwd", "etc/x", "gone", "gone/.wh..wh..opq", "gone/new", "tmp"]


def test_config_of_the_body(stock, tmp_path):
    source(stock, tmp_path, Env=["OWN=1"])
    config = stock.api.get(f"/images/{commit(stock, body={'Cmd': ['x'], 'Env': ['OWN=2'], 'Labels': {'a': 'b'}, 'User': 'web'})}/json")["Config"]
    assert config["Cmd"] == ["x"] and set(config["Env"]) == {"OWN=2", "PATH=/bin", "FROM=image"} and config["User"] == "web"
    assert config["Labels"] == {"a": "b", "of": "image"}
    assert stock.api.raw("POST", "/commit?container=source", "null", {"Content-Type": "application/json"})[0] == 201


def test_what_cannot_be_committed(stock, tmp_path):
    source(stock, tmp_path)
    before = len(stock.api.get("/images/json"))
    for query, status, words in (("container=none", 404, "No such container: none"), ("", 400, "invalid name or ID"),
                                 ("container=source&repo=BAD", 400, "lower case"), ("container=source&changes=RUN%20x", 400, "not a valid change"),
                                 ("container=source&repo=x@sha256:" + "0" * 64, 400, "refusing to create a tag with a digest reference")):
        found, body = stock.api.raw("POST", f"/commit?{query}")
        assert found == status and words in json.loads(body)["message"], body
    assert len(stock.api.get("/images/json")) == before and not helpers(stock, "kedge-pack")


def test_one_that_is_paused_or_does_not_run(stock, tmp_path):
    source(stock, tmp_path)
    stock.api.post("/containers/source/pause")
    commit(stock, repo="paused")
    assert stock.inspect("source")["State"]["Status"] == "paused"
    stock.api.post("/containers/source/unpause")
    ear = Events(stock)
    commit(stock, repo="unpaused", pause=0)
    stock.api.delete("/containers/source?force=1")
    kedge.wait_for(lambda: [event for event in ear.all if event["Action"] == "destroy"])
    ear.close()
    assert "pause" not in [event["Action"] for event in ear.all]
    stock.create(["cat", "/tmp/f"], name="source")
    put(stock, "source", "/tmp", ("f", b"put"))
    commit(stock, repo="created")
    made = stock.run_container(["cat", "/tmp/f"], image="created:latest")
    assert stock.wait(made) == 0 and stock.log_text(made) == "put"


def big(daemon):
    daemon.create(["sleep", "100"], name="source")
    daemon.start_container("source")
    assert put(daemon, "source", "/", archive(("big", bytes(64 << 20)))) == (200, "")


def test_a_client_that_leaves(stock):
    """What nobody waits for any more ends, and the container goes on."""
    big(stock)
    client = kedge.UnixConnection(stock.socket)
    client.request("POST", "/commit?container=source&repo=left")
    kedge.wait_for(lambda: helpers(stock, "kedge-pack"), every=0.001)
    client.close()
    kedge.wait_for(lambda: not helpers(stock, "kedge-pack") and not helpers(stock, "kedge-unpack"))
    kedge.wait_for(lambda: stock.inspect("source")["State"]["Status"] == "running")
    kedge.wait_for(lambda: not list((stock.store / "staging").iterdir()))


def test_two_at_the_same_time(stock):
    """The container stands still until both have read it."""
    big(stock)

    def begin(name):
        before = set(helpers(stock, "kedge-pack"))
        call = Background(stock.api.raw, "POST", f"/commit?container=source&repo={name}")
        pack, = kedge.wait_for(lambda: set(helpers(stock, "kedge-pack")) - before, every=0.001)
        os.kill(pack, signal.SIGSTOP)
        return call, pack

    calls = [begin("a"), begin("b")]
    os.kill(calls[0][1], signal.SIGCONT)
    assert calls[0][0].result()[0] == 201
    assert stock.inspect("source")["State"]["Status"] == "paused"
    os.kill(calls[1][1], signal.SIGCONT)
    assert calls[1][0].result()[0] == 201
    assert stock.inspect("source")["State"]["Status"] == "running"


def test_kedged_dies_meanwhile(stock):
    """The container was paused for it: the next kedged thaws it."""
    big(stock)
    pid = stock.inspect("source")["State"]["Pid"]
    call = Background(stock.api.raw, "POST", "/commit?container=source&repo=died")
    kedge.wait_for(lambda: helpers(stock, "kedge-pack"), every=0.001)
    stock.restart()
    try:
        call.result()
    except (OSError, http.client.HTTPException):
        pass
    state = stock.inspect("source")["State"]
    assert state["Status"] == "running" and state["Pid"] == pid
    commit(stock, repo="died")
    assert content(stock, "source", "/big") == bytes(64 << 20)


def test_it_is_pushed_saved_and_loaded(stock, registry, tmp_path):
    source(stock, tmp_path)
    name = f"{registry.host}/made"
    identity = commit(stock, repo=name, tag="1")
    saved = stock.api.raw("GET", f"/images/{name}:1/get")[1]
    body = stock.api.raw("POST", f"/images/{name}/push?tag=1", headers={"X-Registry-Auth": kedge.registry_auth("", "")})[1]
    assert b"error" not in body, body
    for bring in (lambda: stock.api.raw("POST", f"/images/create?fromImage={name}&tag=1"),
                  lambda: stock.api.raw("POST", "/images/load", saved, {"Content-Type": "application/x-tar"})):
        stock.api.delete(f"/images/{name}:1?force=1")
        assert b'"error"' not in bring()[1]
        assert stock.api.get(f"/images/{name}:1/json")["Id"] == identity


def test_layers_that_others_have_are_not_deleted(stock):
    stock.create(["true"], name="source")
    assert put(stock, "source", "/", ("f", b"x")) == (200, "")
    first, second = commit(stock, repo="shared", tag="1"), commit(stock, repo="shared", tag="2", comment="another")
    layer = stock.api.get("/images/shared:1/json")["RootFS"]["Layers"][-1]
    stock.api.delete("/containers/source")
    for name, gone in (("shared:1", [first]), ("shared:2", [second, layer])):
        told = json.loads(stock.api.raw("DELETE", f"/images/{name}")[1])
        assert told == [{"Untagged": name}, *({"Deleted": identity} for identity in gone)]
