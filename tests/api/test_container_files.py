# SPDX-License-Identifier: Apache-2.0
"""Archives out of containers and into them, what is at a path, and what hostile containers, archives and clients make of it."""
import base64
import io
import json
import os
import pathlib
import shutil
import socket
import tarfile
import tempfile
import urllib.parse

import pytest

import kedge
from streams import Background, Events

TREE = ("mkdir -p /d/e; echo a > /d/a; chmod 4755 /d/a; ln -s a /d/l; ln -s /d /dl; ln -s nowhere /broken; ln -s ../../../d/e /d/e/up; "
        "mkfifo /d/p; echo up; ")
IDLE = ["sh", "-c", TREE + "trap 'exit 0' TERM; while :; do usleep 50000; done"]
SWAPS = int(os.environ.get("KEDGE_SWAPS") or (2000 if kedge.SOAK else 40))


def target(container, path, **query):
    words = urllib.parse.urlencode({"path": path, **query})
    return f"/containers/{container}/archive?{words}"


def look(daemon, container, path):
    connection = kedge.UnixConnection(daemon.socket)
    try:
        connection.request("HEAD", target(container, path))
        answer = connection.getresponse()
        assert answer.read() == b""
        header = answer.getheader("X-Docker-Container-Path-Stat")
        return answer.status, json.loads(base64.b64decode(header)) if header else None
    finally:
        connection.close()


def get(daemon, container, path):
    status, body = daemon.api.raw("GET", target(container, path))
    return status, body if status != 200 else tarfile.open(fileobj=io.BytesIO(body))


def names(daemon, container, path):
    status, archive = get(daemon, container, path)
    assert status == 200, archive
    return sorted(member.name for member in archive)


def archive(*entries):
    """Of (name, content): bytes, None for a directory, "> x" for a link to x, "= x" for a hard link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.uid, member.gid, member.mtime = 1234, 5678, 1000
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o750
            elif isinstance(content, str):
                member.type, member.linkname = {">": tarfile.SYMTYPE, "=": tarfile.LNKTYPE}[content[0]], content[2:]
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def put(daemon, container, path, *entries, **query):
    data = entries[0] if entries and isinstance(entries[0], bytes) else archive(*entries)
    status, body = daemon.api.raw("PUT", target(container, path, **query), data, {"Content-Type": "application/x-tar"})
    return status, json.loads(body)["message"] if body else ""


def content(daemon, container, path):
    status, found = get(daemon, container, path)
    assert status == 200, found
    return found.extractfile(found.next()).read()


def helpers(daemon, name):
    """Processes of that name that this daemon has started."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, rest = status.read_text().partition(") ")
        except OSError:
            continue
        if before.endswith("(" + name) and int(rest.split()[1]) == daemon.process.pid and rest[0] != "Z":
            found.append(int(status.parent.name))
    return found


def wait_up(daemon, identity):
    kedge.wait_for(lambda: "up" in daemon.log_text(identity))
    return identity


def ended(daemon, identity):
    daemon.api.post(f"/containers/{identity}/stop")
    return identity


@pytest.fixture(params=["running", "stopped", "paused"])
def filled(box, request):
    identity = wait_up(box, box.run_container(IDLE, name="filled"))
    if request.param == "stopped":
        ended(box, identity)
    if request.param == "paused":
        box.api.post(f"/containers/{identity}/pause")
    return box


# ---- out ----

IN_D = ["", "/a", "/e", "/e/up", "/l", "/p"]


@pytest.mark.parametrize("path, name, mode, link, entries", [
    ("/d", "d", 0o20000000755, "", ["d" + rest for rest in IN_D]),
    ("d/", "d", 0o20000000755, "", ["d" + rest for rest in IN_D]),
    ("/d/.", ".", 0o20000000755, "", ["." + rest for rest in IN_D]),
    ("/x/../../d/e/..", "d", 0o20000000755, "", ["d" + rest for rest in IN_D]),
    ("/d/a", "a", 0o40000755, "", ["a"]),
    ("/d/l", "l", 0o1000000777, "/d/a", ["l"]),
    ("/d/e/up", "up", 0o1000000777, "/d/e", ["up"]),
    ("/dl", "dl", 0o1000000777, "/d", ["dl"]),
    ("/dl/", "dl", 0o20000000755, "", ["dl" + rest for rest in IN_D]),
    ("/dl/a", "a", 0o40000755, "", ["a"]),
    ("/broken", "broken", 0o1000000777, "/nowhere", ["broken"]),
    ("/d/p", "p", 0o200000644, "", ["p"]),
])
def test_what_is_at_a_path_and_its_archive(box, path, name, mode, link, entries):
    """As dockerd answers, field by field and name by name; the same of a container that runs and of one that does not."""
    identity = wait_up(box, box.run_container(IDLE))
    for _ in range(2):
        status, found = look(box, identity, path)
        assert status == 200 and (found["name"], found["mode"], found["linkTarget"]) == (name, mode, link), found
        assert names(box, identity, path) == entries
        ended(box, identity)


def test_the_whole_root(filled):
    assert look(filled, "filled", "/")[1]["name"] == "/"
    found = names(filled, "filled", "/")
    assert {"", "/bin/busybox", "/d/a", "/proc", "/etc/passwd"} <= set(found)
    assert not [name for name in found if name.startswith(("/proc/", "/sys/", "/dev/"))]
    assert "./d/a" in names(filled, "filled", "/.")


def test_what_is_not_there(filled):
    for path in ("/nope", "/nope/x", "/broken/"):
        words = {"message": f"Could not find the file {path} in container filled"}
        assert (404, words) == (lambda status, body: (status, json.loads(body)))(*get(filled, "filled", path))
        assert look(filled, "filled", path) == (404, None)
        assert put(filled, "filled", path, ("x", b"")) == (404, words["message"])
    for path in ("/d/a/", "/d/a/x"):
        assert get(filled, "filled", path)[0] == 400
    for method in ("GET", "PUT", "HEAD"):
        assert filled.api.raw(method, "/containers/filled/archive")[0] == 400
        assert filled.api.raw(method, target("none", "/d"))[0] == 404


def test_content_owner_and_times(box):
    box.create(["true"], name="subject")
    sparse = b"x" * 4096 + b"\0" * (1 << 20) + b"end"
    assert put(box, "subject", "/tmp", ("f", b"hello"), ("s", sparse), ("d", None), ("d/x", b"1"), ("l", "> f"), ("h", "= f"),
               (".wh.kept", b"y")) == (200, "")
    archive_back = get(box, "subject", "/tmp/.")[1]
    back = {member.name: member for member in archive_back}
    assert set(back) == {".", "./f", "./s", "./d", "./d/x", "./l", "./h", "./.wh.kept"}
    assert all((back[name].uid, back[name].gid, back[name].mtime) == (1234, 5678, 1000) for name in ("./f", "./d", "./d/x", "./l"))
    assert back["./d"].mode & 0o7777 == 0o750 and back["./l"].linkname == "f"
    assert back["."].mode & 0o7777 == 0o1777 and back["."].uid == 0  # the directory itself stays as it was
    assert {back["./f"].type, back["./h"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert content(box, "subject", "/tmp/s") == sparse


def test_events(box):
    ear = Events(box)
    box.create(["true"], name="subject")
    look(box, "subject", "/bin")
    get(box, "subject", "/nope")
    get(box, "subject", "/etc/passwd")
    put(box, "subject", "/nope", ("x", b""))
    put(box, "subject", "/tmp", ("x", b""))
    kedge.wait_for(lambda: [event for event in ear.all if event["Action"] == "extract-to-dir"])
    ear.close()
    assert [event["Action"] for event in ear.all if event["Type"] == "container"] == ["create", "archive-path", "extract-to-dir"]


# ---- in ----

def test_rules_of_writing(filled):
    assert put(filled, "filled", "/d/a", ("x", b"")) == (400, "extraction point is not a directory")
    assert put(filled, "filled", "/dl", ("x", b"1")) == (200, "")
    assert content(filled, "filled", "/d/x") == b"1"
    status, words = put(filled, "filled", "/d", ("e", b""), noOverwriteDirNonDir=1)
    assert status == 400 and 'cannot overwrite directory "/d/e" with non-directory "/d"' in words
    status, words = put(filled, "filled", "/d", ("a", None), noOverwriteDirNonDir="true")
    assert status == 400 and 'cannot overwrite non-directory "/d/a" with directory "/d"' in words
    assert put(filled, "filled", "/d", ("e", b"file now"), ("a", None)) == (200, "")
    assert content(filled, "filled", "/d/e") == b"file now" and look(filled, "filled", "/d/a")[1]["mode"] == 0o20000000750
    assert put(filled, "filled", "/d/../d/.", ("/abs", b"2"), ("./rel//x", b"3")) == (200, "")
    assert content(filled, "filled", "/d/abs") == b"2" and content(filled, "filled", "/d/rel/x") == b"3"
    assert put(filled, "filled", "/d", b"") == (200, "")


def test_the_container_sees_what_was_put(box):
    identity = box.run_container(["sh", "-c", "while [ ! -e /tmp/in/f ]; do usleep 10000; done; cat /tmp/in/f"])
    assert put(box, identity, "/tmp", ("in", None), ("in/f", b"from outside")) == (200, "")
    assert box.wait(identity) == 0 and "from outside" in box.log_text(identity)
    assert put(box, identity, "/tmp", ("in/f", b"second")) == (200, "")  # and it is there when it is started again
    box.start_container(identity)
    assert box.wait(identity) == 0 and box.log_text(identity).endswith("second")


def test_many_files_are_replaced(box):
    """Each is a new file: who has the old one open keeps it."""
    script = "mkdir /r; echo old > /r/0; exec 3</r/0; echo up; while [ ! -e /go ]; do usleep 20000; done; cat <&3"
    identity = box.run_container(["sh", "-c", script], name="subject")
    wait_up(box, identity)
    for words in (b"first", b"second"):
        entries = [("r", None), *((f"r/{number}", words * 500) for number in range(300)), ("r/link", "> 0"), ("r/hard", "= r/1")]
        assert put(box, "subject", "/", *entries) == (200, "")
    status, found = get(box, "subject", "/r")
    assert status == 200 and len(found.getmembers()) == 303
    assert {found.extractfile(member).read() for member in found.getmembers() if member.isreg()} == {b"second" * 500}
    assert put(box, "subject", "/", ("go", b"")) == (200, "")
    assert box.wait(identity) == 0
    assert "old" in box.log_text(identity)


def test_compressed(box):
    box.create(["true"], name="subject")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("z")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"zip"))
    assert put(box, "subject", "/", packed.getvalue()) == (200, "")
    assert content(box, "subject", "/z") == b"zip"


def test_owner(box):
    """The archive's, or that of the container's user where it is asked for and there is one."""
    box.create(["true"], name="web", User="web")
    box.create(["true"], name="plain")
    for container, query, owner in (("web", {}, 1234), ("web", {"copyUIDGID": 1}, 1000), ("plain", {"copyUIDGID": 1}, 1234)):
        assert put(box, container, "/tmp", ("f", b""), **query) == (200, "")
        assert get(box, container, "/tmp/f")[1].next().uid == owner
    box.create(["true"], name="nobody", User="who")
    assert put(box, "nobody", "/tmp", ("f", b""), copyUIDGID=1)[0] == 400


@pytest.mark.parametrize("state", ["running", "created"])
def test_mounts(box, tmp_path, state):
    """What is bound into it is part of what it sees, and what is read-only stays it."""
    for name in ("ro", "rw", "below"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    (tmp_path / "file").write_text("one file")
    identity = box.create(IDLE, host={
        "Binds": [f"{tmp_path}/ro:/ro:ro", f"{tmp_path}/rw:/new/rw", f"{tmp_path}/below:/new/rw/below", f"{tmp_path}/file:/etc/one"],
        "Tmpfs": {"/t": ""}})
    if state == "running":
        wait_up(box, box.start_container(identity))
    assert names(box, identity, "/new") == ["new", "new/rw", "new/rw/below", "new/rw/below/f", "new/rw/f"]
    assert content(box, identity, "/ro/f") == b"ro" and content(box, identity, "/etc/one") == b"one file"
    assert put(box, identity, "/ro", ("x", b"")) == (403, "mounted volume is marked read-only")
    assert put(box, identity, "/new", ("rw/x", b"written"), ("y", b"own")) == (200, "")
    assert (tmp_path / "rw" / "x").read_text() == "written" and content(box, identity, "/new/y") == b"own"
    if state == "running":
        assert put(box, identity, "/t", ("x", b"in memory")) == (200, "")
        assert content(box, identity, "/t/x") == b"in memory"


@pytest.mark.parametrize("state", ["running", "created"])
def test_a_read_only_root(box, tmp_path, state):
    identity = box.create(["sleep", "100"], host={"ReadonlyRootfs": True, "Binds": [f"{tmp_path}:/rw"]})
    if state == "running":
        box.start_container(identity)
    for path in ("/", "/etc"):
        assert put(box, identity, path, ("x", b"")) == (403, "container rootfs is marked read-only")
    assert put(box, identity, "/rw", ("x", b"1")) == (200, "")
    assert (tmp_path / "x").read_bytes() == b"1"


# ---- who means harm ----

@pytest.fixture
def outside():
    """A directory of the host's that nobody may reach."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kx", dir="/tmp"))
    (directory / "secret").write_text("of the host")
    yield directory
    assert sorted(path.name for path in directory.iterdir()) == ["secret"] and (directory / "secret").read_text() == "of the host"
    shutil.rmtree(directory)


def test_hostile_archives(filled, outside):
    up = "../" * 12 + str(outside)[1:]
    for entries in ([("../x", b"")], [("a/../../x", b"")], [("h", f"= {up}/secret")], [("h", "= ../../etc/passwd")]):
        status, words = put(filled, "filled", "/d/e", *entries)
        assert status == 400, words
    for link in (str(outside), up, "/proc/1/root" + str(outside), "/proc/self/cwd/" + up):
        put(filled, "filled", "/d/e", ("s", "> " + link), ("s/x", b"hostile"), ("s/secret", b"hostile"))
    status, words = put(filled, "filled", "/d", b"no archive " * 1000)
    assert status == 400 and "tar" in words
    assert put(filled, "filled", "/d", archive(("q", b"x" * 5000))[:2000])[0] == 400
    kedge.wait_for(lambda: not helpers(filled, "kedge-unpack"))


@pytest.mark.parametrize("way", ["get", "put", "look"])
def test_links_that_change_meanwhile(box, outside, way):
    """A process swaps a directory for a link that leads out, in a loop: what is asked for below is the container's, or not there."""
    up = "../" * 12 + str(outside)[1:]
    identity = wait_up(box, box.run_container(["sh", "-c", f"""
        mkdir -p /swap/real; echo inside > /swap/real/secret; ln -s {up} /swap/link; echo up
        while :; do
            mv /swap/real /swap/x; mv /swap/link /swap/real; mv /swap/real /swap/link; mv /swap/x /swap/real
        done"""]))
    for _ in range(SWAPS):
        if way == "put":
            assert put(box, identity, "/swap/real", ("x", b"hostile"), ("sub/y", b"hostile"))[0] in (200, 400, 404)
        elif way == "look":
            status, found = look(box, identity, "/swap/real/secret")
            assert status in (200, 400, 404) and (status != 200 or found["size"] == len("inside\n"))
        else:
            status, found = get(box, identity, "/swap/real/secret")
            assert status in (200, 400, 404), found
            assert status != 200 or b"host" not in found.extractfile(found.next()).read()


# ---- clients that leave, and engines that die ----

def half_sent(daemon, path, container="subject", size=64 << 20):
    """A client in the middle of a large file."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(daemon.socket))
    client.sendall(f"PUT {target(container, path)} HTTP/1.1\r\nHost: x\r\nContent-Length: {size + 1024}\r\n\r\n".encode())
    head = tarfile.TarInfo("half")
    head.size = size
    client.sendall(head.tobuf() + b"x" * (1 << 20))
    kedge.wait_for(lambda: helpers(daemon, "kedge-unpack"))
    return client


@pytest.mark.parametrize("state", ["running", "created"])
def test_a_client_that_leaves_while_it_sends(box, state):
    box.create(IDLE, name="subject")
    if state == "running":
        wait_up(box, box.start_container("subject"))
    descriptors = len(os.listdir(f"/proc/{box.process.pid}/fd"))
    half_sent(box, "/tmp").close()
    kedge.wait_for(lambda: not helpers(box, "kedge-unpack"))
    kedge.wait_for(lambda: len(os.listdir(f"/proc/{box.process.pid}/fd")) <= descriptors)
    assert put(box, "subject", "/tmp", ("half", b"whole")) == (200, "")
    assert content(box, "subject", "/tmp/half") == b"whole"
    if state == "created":
        wait_up(box, box.start_container("subject"))


def test_a_client_that_leaves_while_it_reads(box):
    identity = wait_up(box, box.run_container(["sh", "-c", "dd if=/dev/zero of=/big bs=1M count=32 2>/dev/null; echo up; sleep 100"]))
    descriptors = len(os.listdir(f"/proc/{box.process.pid}/fd"))
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(box.socket))
    client.sendall(f"GET {target(identity, '/big')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert client.recv(5000).startswith(b"HTTP/1.1 200") and helpers(box, "kedge-pack")
    client.close()
    kedge.wait_for(lambda: not helpers(box, "kedge-pack"))
    kedge.wait_for(lambda: len(os.listdir(f"/proc/{box.process.pid}/fd")) <= descriptors)


def test_a_start_waits_for_what_is_written(box):
    """Two engines of one file system at a time would tear it: the container starts when the copy has ended, whole or not."""
    box.create(["sh", "-c", "ls -s /tmp/half; sleep 100"], name="subject")
    client = half_sent(box, "/tmp", size=2 << 20)
    start = Background(box.start_container, "subject")
    with pytest.raises(AssertionError):
        start.result(0.3)
    client.sendall(b"x" * (1 << 20) + bytes(1024))
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    start.result()
    kedge.wait_for(lambda: "2048" in box.log_text("subject"))
    client.close()


def test_nobody_waits_for_a_client_that_stands_still(box):
    box.create(["sleep", "100"], name="subject")
    client = half_sent(box, "/tmp")
    box.start_container("subject")
    kedge.wait_for(lambda: box.inspect("subject")["State"]["Running"] and not helpers(box, "kedge-unpack"))
    client.close()


def test_removed_meanwhile(box):
    box.create(["true"], name="subject")
    client = half_sent(box, "/tmp")
    removal = Background(box.api.delete, "/containers/subject?force=1")
    client.close()
    removal.result()
    assert box.api.raw("GET", target("subject", "/tmp"))[0] == 404


def test_kedged_dies_meanwhile(box):
    identity = wait_up(box, box.run_container(IDLE, name="subject"))
    unpackers = half_sent(box, "/tmp"), helpers(box, "kedge-unpack")
    pid = box.inspect(identity)["State"]["Pid"]
    box.restart()
    kedge.wait_for(lambda: not any(pathlib.Path(f"/proc/{one}").exists() for one in unpackers[1]))
    assert box.inspect(identity)["State"]["Pid"] == pid
    assert put(box, identity, "/tmp", ("half", b"whole")) == (200, "") and content(box, identity, "/tmp/half") == b"whole"
    unpackers[0].close()


def test_what_is_sent_costs_no_memory(box):
    """What comes faster than it can be unpacked waits in the client."""
    box.create(["true"], name="subject")

    def resident():
        return int(pathlib.Path(f"/proc/{box.process.pid}/statm").read_text().split()[1]) * 4096
    before = resident()
    assert put(box, "subject", "/tmp", ("big", bytes(48 << 20))) == (200, "")
    assert resident() - before < 8 << 20


@pytest.mark.parametrize("state", ["running", "created"])
def test_volumes(box, state):
    identity = box.create(IDLE, host={"Binds": ["cpvolume:/v"]})
    if state == "running":
        wait_up(box, box.start_container(identity))
    assert put(box, identity, "/", ("v/x", b"in the volume")) == (200, "")
    assert content(box, identity, "/v/x") == b"in the volume"
    box.remove_all()
    other = box.create(["true"], host={"Binds": ["cpvolume:/w:ro"]})
    assert content(box, other, "/w/x") == b"in the volume"
    assert put(box, other, "/w", ("x", b"")) == (403, "mounted volume is marked read-only")
    box.remove_all()
    box.api.delete("/volumes/cpvolume")
