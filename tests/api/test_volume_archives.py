# SPDX-License-Identifier: Apache-2.0
"""Volumes as tar archives: all of what is in them goes out and comes back, an import is whole or nothing, and nobody loses files by it."""
import fcntl
import io
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import struct
import subprocess
import tarfile
import termios
import threading

import pytest

import kedge
from streams import Background

ARCHIVE = "/kedge/v1/volumes/{}/archive"


@pytest.fixture(autouse=True)
def clean(shared_daemon):
    yield
    shared_daemon.remove_all()
    for volume in shared_daemon.api.get("/volumes")["Volumes"]:
        shared_daemon.api.delete(f"/volumes/{volume['Name']}")
    kedge.wait_for(lambda: not list((shared_daemon.store / "staging").iterdir()))
    assert shared_daemon.api.post("/kedge/v1/system/check") == {"Problems": []}


def make(daemon, name, **body):
    daemon.api.post("/volumes/create", {"Name": name, **body})
    return data(daemon, name)


def data(daemon, name):
    return daemon.store / "volumes" / name / "_data"


def access_list(user, rights):
    """The owner may do all, that user what rights say, and nobody else anything. Source: linux/posix_acl_xattr.h."""
    entries = [(1, 7, 2**32 - 1), (2, rights, user), (4, 0, 2**32 - 1), (16, 7, 2**32 - 1), (32, 0, 2**32 - 1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def fill(place):
    """Something of every kind."""
    (place / "deep" / "er").mkdir(parents=True)
    (place / "f").write_text("content\n")
    (place / "deep" / "er" / "secret").write_text("s")
    os.chown(place / "deep" / "er" / "secret", 7, 8)
    os.chmod(place / "deep" / "er" / "secret", 0o4750)
    os.chown(place / "deep", 5, 6)
    os.chmod(place / "deep", 0o3771)
    os.link(place / "f", place / "deep" / "again")
    (place / "link").symlink_to("/etc/passwd")
    os.lchown(place / "link", 3, 4)
    os.mkfifo(place / "fifo")
    os.mknod(place / "null", 0o020666, os.makedev(1, 3))
    (place / ".wh.odd").write_text("no whiteout")
    (place / "long" / ("n" * 200)).mkdir(parents=True)
    (place / "long" / ("n" * 200) / "ümläut").write_text("x")
    with open(place / "holes", "wb") as file:
        file.truncate(64 << 20)
        file.seek(40 << 20)
        file.write(b"x" * 4096)
    os.setxattr(place / "f", "user.note", b"kept\0too")
    os.setxattr(place / "deep", "user.note", b"of a directory")
    os.setxattr(place / "deep" / "again", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.setxattr(place / "f", "system.posix_acl_access", access_list(7, 0o4))
    for list_of in ("access", "default"):
        os.setxattr(place / "deep", f"system.posix_acl_{list_of}", access_list(9, 0o7))
    os.chown(place, 1000, 1001)
    os.chmod(place, 0o2750)
    os.setxattr(place, "system.posix_acl_access", access_list(8, 0o5))
    os.setxattr(place, "system.posix_acl_default", access_list(8, 0o6))
    for path in (place / "f", place / "deep" / "er", place / "deep", place / "long", place):
        os.utime(path, ns=(10**18, 10**18 + 123456789))
    os.utime(place / "link", ns=(10**18, 10**18 + 5), follow_symlinks=False)
    return place


def tree(directory):
    """Everything below it, and itself, as lines that are equal only if the trees are."""
    lines, inodes = [], {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        attributes = [] if path.is_symlink() or not (path.is_file() or path.is_dir()) else sorted((name, os.getxattr(path, name)) for name in os.listxattr(path))
        inodes.setdefault(status.st_ino, len(inodes))
        lines.append((str(path.relative_to(directory)), oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev, hash(what), attributes,
                      status.st_nlink if path.is_file() else 0, inodes[status.st_ino] if path.is_file() else -1, status.st_size if path.is_file() else 0))
    return lines


def export(daemon, name):
    status, archive = daemon.api.raw("GET", ARCHIVE.format(name))
    assert status == 200, archive
    return archive


def put(daemon, name, archive):
    status, text = daemon.api.raw("PUT", ARCHIVE.format(name), archive, {"Content-Type": "application/x-tar"})
    return status, text.decode()


def tar_of(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


# ---- there and back ----

@pytest.mark.parametrize("squeeze", [None, "gzip", "zstd"])
def test_there_and_back(shared_daemon, tmp_path, squeeze):
    wanted = tree(fill(make(shared_daemon, "from")))
    archive = export(shared_daemon, "from")
    assert len(archive) < 4 << 20  # the holes are not in it
    if squeeze:
        archive = subprocess.run([squeeze, "-c"], input=archive, stdout=subprocess.PIPE, check=True).stdout
    old = make(shared_daemon, "to")
    (old / "old").write_text("what was there")
    assert put(shared_daemon, "to", archive) == (200, "")
    assert tree(data(shared_daemon, "to")) == wanted == tree(data(shared_daemon, "from"))
    assert os.getxattr(data(shared_daemon, "to"), "system.posix_acl_default") == access_list(8, 0o6)
    assert (data(shared_daemon, "to") / "holes").stat().st_blocks < 1000
    assert sorted(path.name for path in data(shared_daemon, "to").parent.iterdir()) == ["_data", "volume.json"]
    shared_daemon.restart()
    assert tree(data(shared_daemon, "to")) == wanted


def test_others_read_it_and_are_read(shared_daemon, tmp_path):
    """GNU tar takes the archive apart, and what GNU tar makes is taken."""
    place = fill(make(shared_daemon, "from"))
    (tmp_path / "out").mkdir()
    tar = ["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner"]  # access lists among them
    subprocess.run([*tar, "-x", "-p", "-C", tmp_path / "out"], input=export(shared_daemon, "from"), check=True)
    assert tree(tmp_path / "out") == tree(place)
    theirs = subprocess.run([*tar, "-c", "--format=pax", "--sparse", "-C", place, "."], stdout=subprocess.PIPE, check=True).stdout
    make(shared_daemon, "to")
    assert put(shared_daemon, "to", theirs) == (200, "")
    assert tree(data(shared_daemon, "to")) == tree(place)


def test_an_empty_volume(shared_daemon):
    place = make(shared_daemon, "from")
    os.chmod(place, 0o1777)
    (make(shared_daemon, "to") / "f").write_text("x")
    assert put(shared_daemon, "to", export(shared_daemon, "from")) == (200, "")
    assert tree(data(shared_daemon, "to")) == tree(place)


def test_without_an_entry_for_the_root_the_directory_stays(shared_daemon):
    place = make(shared_daemon, "web")
    os.chown(place, 11, 12)
    os.chmod(place, 0o710)
    (place / "old").write_text("")
    assert put(shared_daemon, "web", tar_of(new="text")) == (200, "")
    status = data(shared_daemon, "web").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (11, 12, 0o710)
    assert [path.name for path in data(shared_daemon, "web").iterdir()] == ["new"]


def test_containers_see_what_came(shared_daemon):
    make(shared_daemon, "web")
    identity = shared_daemon.create(["cat", "/data/f"], host={"Binds": ["web:/data"]})
    for text in ("one", "two"):
        assert put(shared_daemon, "web", tar_of(f=text)) == (200, "")
        assert shared_daemon.wait(shared_daemon.start_container(identity)) == 0
    assert shared_daemon.log_text(identity) == "onetwo"


# ---- whole or nothing ----

def big(directory, count=300):
    directory.mkdir(exist_ok=True)
    for number in range(count):
        (directory / str(number)).write_bytes(os.urandom(3000))
    return subprocess.run(["tar", "-c", "-C", directory, "."], stdout=subprocess.PIPE, check=True).stdout


def broken_archives(whole):
    """Each is refused. Cut in a header, in a file, between two entries, before its end; damaged; none."""
    size = len(whole)
    bad = bytearray(whole)
    bad[size // 2 // 512 * 512 - 512 * 14 + 148:size // 2 // 512 * 512] = b"\xff" * (512 * 14 - 148)
    last = max(at for at in range(0, size, 512) if whole[at:at + 512].strip(b"\0")) + 512  # behind the last file: only the end is missing
    return {"in a header": whole[:size // 2 // 512 * 512 + 100], "no end": whole[:last], "nothing": b"", "damaged": bytes(bad), "no archive": b"hello" * 1000,
            "cut gzip": subprocess.run(["gzip", "-c"], input=whole, stdout=subprocess.PIPE, check=True).stdout[:-100]}


def test_a_broken_archive_changes_nothing(shared_daemon, tmp_path):
    before = tree(fill(make(shared_daemon, "web")))
    inode = data(shared_daemon, "web").stat().st_ino
    for what, archive in broken_archives(big(tmp_path / "big")).items():
        status, text = put(shared_daemon, "web", archive)
        assert status == 400 and "import into volume web, which is as it was: " in text, (what, text)
        assert (tree(data(shared_daemon, "web")), data(shared_daemon, "web").stat().st_ino) == (before, inode), what
        assert not list((shared_daemon.store / "staging").iterdir())


def hostile(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            archive.addfile(info)
    return out.getvalue()


def test_nothing_gets_out(shared_daemon, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    before = tree(victim)
    make(shared_daemon, "web")
    for name in ("../x", "a/../../x"):
        assert put(shared_daemon, "web", hostile((name, tarfile.REGTYPE, "")))[0] == 400
    for to in (str(victim), "../../../../../../../.." + str(victim), "/proc/self/cwd/.." + str(victim)):
        put(shared_daemon, "web", hostile(("l", tarfile.SYMTYPE, to), ("l/x", tarfile.REGTYPE, "")))
        assert put(shared_daemon, "web", hostile(("h", tarfile.LNKTYPE, to + "/../x")))[0] == 400
    assert tree(victim) == before
    assert sorted(path.name for path in data(shared_daemon, "web").parent.iterdir()) == ["_data", "volume.json"]


class Upload:
    """A client in the middle of its body."""

    def __init__(self, daemon, name, archive):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(daemon.socket))
        self.socket.settimeout(30)
        self.archive = archive
        self.socket.sendall(f"PUT {ARCHIVE.format(name)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(archive)}\r\n\r\n".encode() + archive[:len(archive) // 2])

    def finish(self):
        self.socket.sendall(self.archive[len(self.archive) // 2:])
        return self.status()

    def status(self):
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.socket.recv(4096)
            assert more, answer
            answer += more
        return int(answer.split()[1])

    def close(self):
        self.socket.close()


def staged(daemon):
    return [path for path in (daemon.store / "staging").iterdir() if path.name.startswith("volume-")]


@pytest.fixture
def half_done(shared_daemon, tmp_path):
    """An import of which half has come, and is unpacked."""
    place = make(shared_daemon, "web")
    (place / "old").write_text("old")
    upload = Upload(shared_daemon, "web", big(tmp_path / "big"))
    kedge.wait_for(lambda: staged(shared_daemon) and any(staged(shared_daemon)[0].iterdir()))
    yield upload
    upload.close()


def names(daemon, volume="web"):
    return sorted(path.name for path in data(daemon, volume).iterdir())


def test_a_client_that_leaves_changes_nothing(shared_daemon, half_done):
    half_done.close()
    kedge.wait_for(lambda: not staged(shared_daemon))
    assert names(shared_daemon) == ["old"]


def test_kedged_dies_in_the_middle(shared_daemon, half_done):
    shared_daemon.restart()
    assert not staged(shared_daemon) and names(shared_daemon) == ["old"]


def test_nobody_waits_for_an_import(shared_daemon, half_done):
    assert shared_daemon.api.raw("GET", "/_ping")[0] == 200
    assert names(shared_daemon) == ["old"]
    identity = shared_daemon.run_container(["cat", "/data/old"], host={"Binds": ["web:/data"]})
    assert shared_daemon.wait(identity) == 0
    assert half_done.finish() == 200 and len(names(shared_daemon)) == 300


def test_a_container_that_comes_keeps_its_files(shared_daemon, half_done):
    identity = shared_daemon.run_container(["sleep", "1000"], host={"Binds": ["web:/data"]})
    assert half_done.finish() == 409
    assert names(shared_daemon) == ["old"]
    status, text = put(shared_daemon, "web", tar_of(f="x"))
    assert status == 409 and f"volume web is in use by running containers - [{identity}]" in text
    shared_daemon.api.post(f"/containers/{identity}/kill")
    shared_daemon.wait(identity)
    assert put(shared_daemon, "web", tar_of(f="x")) == (200, "")


def test_a_volume_that_is_removed_meanwhile(shared_daemon, half_done):
    shared_daemon.api.delete("/volumes/web")
    assert half_done.finish() == 404
    assert not data(shared_daemon, "web").exists()


def test_two_imports_at_once(shared_daemon, half_done):
    assert put(shared_daemon, "web", tar_of(f="x")) == (200, "")
    assert names(shared_daemon) == ["f"]
    assert half_done.finish() == 200 and len(names(shared_daemon)) == 300  # whole, the last to end


def test_many_imports_and_containers(shared_daemon):
    """Each container finds one import's files, whole, or none is let in while it runs."""
    make(shared_daemon, "web")
    assert put(shared_daemon, "web", tar_of(a="0", b="0"))[0] == 200
    end = threading.Event()

    def importer(number):
        while not end.is_set():
            assert put(shared_daemon, "web", tar_of(a=str(number), b=str(number)))[0] in (200, 409)
    jobs = [Background(importer, number) for number in range(3)]
    for _ in range(60 if kedge.SOAK else 6):
        identity = shared_daemon.run_container(["sh", "-c", "a=$(cat /d/a); usleep 20000; test $a = $(cat /d/b)"], host={"Binds": ["web:/d"]})
        assert shared_daemon.wait(identity) == 0, shared_daemon.log_text(identity)
    end.set()
    for job in jobs:
        job.result()


@pytest.mark.parametrize("point", ["engine.volume.import", "store.volume.exchange"])
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_faults(point, how):
    """Killed at either side of the step, the volume is what it was, or what came; a failure undoes it."""
    daemon = kedge.Daemon(environment={"KEDGE_FAULT": f"{point}:1:{how}"}).start()
    try:
        (make(daemon, "web") / "old").write_text("old")
        try:
            assert put(daemon, "web", tar_of(new="x"))[0] == 500 and how == "fail"
        except (OSError, AssertionError) if how == "kill" else ():
            pass
        daemon.environment = {}
        if how == "kill":
            daemon.process.wait(30)
            daemon.start()
        assert names(daemon) == (["new"] if point.startswith("store") and how == "kill" else ["old"])
        assert not staged(daemon) and daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
        assert put(daemon, "web", tar_of(again="x")) == (200, "") and names(daemon) == ["again"]
    finally:
        daemon.close()


def test_a_full_disk(tmp_path):
    """What does not fit changes nothing, and takes no room afterwards."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "disk", disk], check=True)
    try:
        daemon = kedge.Daemon(store=disk / "s").start()
        try:
            (make(daemon, "web") / "old").write_text("old")
            free = shutil.disk_usage(disk).free
            status, text = put(daemon, "web", tar_of(large="x" * (40 << 20)))
            assert status == 503 and "which is as it was" in text and "No space left" in text, (status, text)
            assert names(daemon) == ["old"] and daemon.api.get("/volumes/web")["Name"] == "web"
            kedge.wait_for(lambda: shutil.disk_usage(disk).free > free - (1 << 20))
            assert put(daemon, "web", tar_of(small="x" * (8 << 20))) == (200, "") and names(daemon) == ["small"]
            assert len(export(daemon, "web")) > 8 << 20
        finally:
            daemon.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


# ---- out ----

def test_a_volume_is_exported_while_it_is_used(shared_daemon):
    make(shared_daemon, "web")
    identity = shared_daemon.run_container(["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /d/f; mkdir -p /d/$i; rm -r /d/$i; done"], host={"Binds": ["web:/d"]})
    for _ in range(5):
        with tarfile.open(fileobj=io.BytesIO(export(shared_daemon, "web"))) as archive:
            assert archive.getnames()[0] == "."
    shared_daemon.api.delete(f"/containers/{identity}?force=1")


def test_nothing_is_taken_from_an_export(shared_daemon):
    """While somebody reads the archive the volume is neither removed nor exchanged; a reader that leaves lets go."""
    place = make(shared_daemon, "web")
    (place / "large").write_bytes(os.urandom(8 << 20))
    identity = shared_daemon.create(["true"], Volumes={"/anon": {}})
    anonymous = shared_daemon.inspect(identity)["Mounts"][0]["Name"]
    (data(shared_daemon, anonymous) / "large").write_bytes(os.urandom(8 << 20))
    readers = []
    for name in ("web", anonymous):
        connection = kedge.UnixConnection(shared_daemon.socket)
        connection.request("GET", ARCHIVE.format(name))
        readers.append((connection, connection.getresponse()))
    assert shared_daemon.api.raw("DELETE", "/volumes/web") == (409, b'{"message":"remove web: volume is being exported"}\n')
    assert put(shared_daemon, "web", tar_of(f="x"))[0] == 409
    shared_daemon.api.delete(f"/containers/{identity}?v=1")
    assert {volume["Name"] for volume in shared_daemon.api.get("/volumes")["Volumes"]} == {"web", anonymous}
    with tarfile.open(fileobj=io.BytesIO(readers[1][1].read())) as archive:
        assert archive.getmember("large").size == 8 << 20
    readers[0][0].close()
    kedge.wait_for(lambda: shared_daemon.api.raw("DELETE", "/volumes/web")[0] == 204)


def is_mounted(path):
    return any(line.split()[1] == str(path) for line in pathlib.Path("/proc/self/mounts").read_text().splitlines())


def test_a_file_system_is_mounted_for_it(shared_daemon, tmp_path):
    (tmp_path / "there").mkdir()
    fill(tmp_path / "there")
    make(shared_daemon, "host", DriverOpts={"type": "none", "device": str(tmp_path / "there"), "o": "bind"})
    archive = export(shared_daemon, "host")
    kedge.wait_for(lambda: not is_mounted(data(shared_daemon, "host")))
    make(shared_daemon, "to")
    assert put(shared_daemon, "to", archive) == (200, "")
    assert tree(data(shared_daemon, "to")) == tree(tmp_path / "there")
    for _ in range(5):  # also while it is unmounted, or in use
        identity = shared_daemon.run_container(["true"], host={"Binds": ["host:/d"]})
        assert len(export(shared_daemon, "host")) == len(archive)
        shared_daemon.wait(identity)
    kedge.wait_for(lambda: not is_mounted(data(shared_daemon, "host")))
    status, text = put(shared_daemon, "host", archive)
    assert status == 501 and "has a file system of its own" in text
    make(shared_daemon, "none", DriverOpts={"type": "none", "device": str(tmp_path / "absent"), "o": "bind"})
    status, text = shared_daemon.api.raw("GET", ARCHIVE.format("none"))
    assert status >= 400 and b"failed to mount local volume" in text


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_volume_that_is_not_there(shared_daemon, method):
    status, text = shared_daemon.api.raw(method, ARCHIVE.format("nope"), tar_of(f="x") if method == "PUT" else None)
    assert status == 404 and json.loads(text)["message"] == "get nope: no such volume"


# ---- the command line ----

def test_the_commands(shared_daemon, tmp_path):
    wanted = tree(fill(make(shared_daemon, "from")))
    run = shared_daemon.kedge
    path = tmp_path / "v.tar"
    done = run("volume", "export", "--output", path, "from")
    assert (done.out, done.err) == ("", "")
    make(shared_daemon, "to")
    done = run("volume", "import", "to", path)
    assert (done.out, done.err) == ("", "") and tree(data(shared_daemon, "to")) == wanted
    piped = subprocess.run([str(kedge.BIN / "kedge"), "volume", "export", "from"], env=shared_daemon.client_environment(), stdout=subprocess.PIPE, check=True).stdout
    assert piped == path.read_bytes()
    for words in (["to"], ["to", "-"]):
        put(shared_daemon, "to", tar_of(f="x"))
        run("volume", "import", *words, input=piped)
        assert tree(data(shared_daemon, "to")) == wanted
    assert "get nope: no such volume" in run("volume", "export", "nope", check=False).err
    refused = run("volume", "import", "to", tmp_path / "absent", check=False)
    assert refused.returncode and "absent" in refused.err
    refused = run("volume", "import", "to", input=piped[:5000], check=False)
    assert refused.returncode and "which is as it was" in refused.err and tree(data(shared_daemon, "to")) == wanted
    identity = shared_daemon.run_container(["sleep", "1000"], host={"Binds": ["to:/d"]})
    assert identity in run("volume", "import", "to", path, check=False).err


def on_terminal(daemon, *words):
    """What a command shows on its terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen([str(kedge.BIN / "kedge"), *map(str, words)], env={**daemon.client_environment(), "TERM": "xterm"}, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert process.wait(30) == 0, shown
    return shown.decode(errors="replace")


def test_progress_on_a_terminal(shared_daemon, tmp_path):
    place = make(shared_daemon, "web")
    (place / "large").write_bytes(os.urandom(40 << 20))
    shown = on_terminal(shared_daemon, "volume", "export", "-o", tmp_path / "v.tar", "web")
    assert re.search(r"web: Exporting +[0-9.]+[kM]?B", shown), shown  # how often it is drawn over is a matter of time
    shown = on_terminal(shared_daemon, "volume", "import", "web", tmp_path / "v.tar")
    assert "web: Importing" in shown and "/41.95MB" in shown.replace(" ", ""), shown
    assert on_terminal(shared_daemon, "volume", "export", "--quiet", "-o", tmp_path / "w.tar", "web") == ""
    assert (tmp_path / "v.tar").read_bytes() == (tmp_path / "w.tar").read_bytes()
