# SPDX-License-Identifier: Apache-2.0
"""kedge-unpack as kedged runs it: what surrounds it, an input that grows, and what ends it."""
import gzip
import hashlib
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

import unpack
from unpack import DONE, FAILED, OPAQUE, PROGRESS, Archive, Session

SYS_ADMIN = 21
KEPT = {0: "CHOWN", 1: "DAC_OVERRIDE", 3: "FOWNER", 4: "FSETID", 27: "MKNOD", 31: "SETFCAP"}


@pytest.fixture
def session():
    it = Session()
    yield it
    if it.process.poll() is None:
        it.process.kill()
    it.end()


def status_of(pid, task=None):
    path = pathlib.Path(f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status")
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def wait_jailed(pid):
    """It waits for input: all its threads are asleep behind the filter."""
    end = time.monotonic() + 10
    while True:
        tasks = os.listdir(f"/proc/{pid}/task")
        if len(tasks) == 4 and all(status_of(pid, task)["State"][0] == "S" for task in tasks):
            return tasks
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def waiting(session, tmp_path):
    """Has unpacked half of its archive and waits for the rest."""
    data = Archive().dir("d").file("d/f", os.urandom(700_000)).bytes()
    path = tmp_path / "archive"
    path.write_bytes(data)
    session.start(path, tmp_path / "t", available=len(data) // 2)
    session.tasks = wait_jailed(session.pid)
    return session


def test_capabilities(waiting):
    kept = sum(1 << bit for bit in KEPT)
    for task in waiting.tasks:
        status = status_of(waiting.pid, task)
        for name, value in {"CapEff": kept, "CapPrm": kept, "CapBnd": kept, "CapInh": 0, "CapAmb": 0}.items():
            assert int(status[name], 16) == value, name
        assert not int(status["CapBnd"], 16) >> SYS_ADMIN & 1
        assert status["NoNewPrivs"] == "1"


@pytest.mark.skipif(bool(os.environ.get("KEDGE_SANITIZED")), reason="the sanitizers' runtime needs what the filter refuses")
def test_filter(waiting):
    for task in waiting.tasks:
        assert status_of(waiting.pid, task)["Seccomp"] == "2"


def test_namespaces(waiting):
    for kind in ("mnt", "net", "ipc", "uts"):
        assert os.readlink(f"/proc/{waiting.pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), kind


def test_root_is_the_target_and_nothing_else_is_mounted(waiting, tmp_path):
    mounts = pathlib.Path(f"/proc/{waiting.pid}/mountinfo").read_text().splitlines()
    assert len(mounts) == 1
    fields = mounts[0].split(" ")
    assert fields[4] == "/" and {"nosuid", "nodev", "noexec"} <= set(fields[5].split(","))
    inside, outside = os.stat(f"/proc/{waiting.pid}/root"), os.stat(tmp_path / "t")
    assert (inside.st_dev, inside.st_ino) == (outside.st_dev, outside.st_ino)
    assert os.path.samefile(f"/proc/{waiting.pid}/cwd", tmp_path / "t")
    assert os.listdir(f"/proc/{waiting.pid}/root/") == ["d"]


def test_nothing_else_is_open(waiting, tmp_path):
    fds = {int(n): os.readlink(f"/proc/{waiting.pid}/fd/{n}") for n in os.listdir(f"/proc/{waiting.pid}/fd")}
    outside = {target for n, target in fds.items() if n > 2 and not target.startswith(("socket:", "anon_inode:[eventfd]"))}
    assert {t for t in outside if t != str(tmp_path / "archive")} <= {"/", "/d", "/d/f"}
    directories = [n for n in fds if n > 2 and os.path.isdir(f"/proc/{waiting.pid}/fd/{n}")]
    mounts = {int(re.search(r"mnt_id:\s*(\d+)", pathlib.Path(f"/proc/{waiting.pid}/fdinfo/{n}").read_text())[1]) for n in directories}
    root_mount = int(pathlib.Path(f"/proc/{waiting.pid}/mountinfo").read_text().split(" ")[0])
    assert mounts == {root_mount}


def test_limits(waiting):
    limits = pathlib.Path(f"/proc/{waiting.pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0\s", limits)
    assert re.search(rf"Max file size\s+{64 << 30}\s+{64 << 30}\s", limits)
    assert re.search(r"Max open files\s+128\s+128\s", limits)


def test_own_mounts_leave_no_trace_outside(waiting, tmp_path):
    assert str(tmp_path) not in pathlib.Path("/proc/self/mountinfo").read_text()


# ---- input that grows ----

def test_growing_input(session, tmp_path):
    raw = Archive().dir("d").file("d/f", os.urandom(3_000_000)).file("d/.wh..wh..opq", b"").bytes()
    data = gzip.compress(raw)
    path = tmp_path / "archive"
    messages = []
    with open(path, "wb") as file:
        session.start(path, tmp_path / "t")
        for at in range(0, len(data), 177_777):
            file.write(data[at:at + 177_777])
            file.flush()
            session.send(unpack.INPUT, available=file.tell())
            if file.tell() > 2 << 20 and not messages:
                messages.append(session.receive())
        session.send(unpack.INPUT, available=file.tell(), complete=1)
    messages += session.finish()
    positions = [m[1][9] for m in messages if m[0] == PROGRESS]
    assert positions == sorted(positions) and positions[-1] == len(data) and positions[0] < len(data)
    word, numbers, diff_id, _ = messages[-1]
    assert (word, diff_id) == (DONE, "sha256:" + hashlib.sha256(raw).hexdigest())
    assert (numbers[10], numbers[11]) == (3_000_000, 3)
    assert [m[2] for m in messages if m[0] == OPAQUE] == ["d"]
    assert session.end() == (0, "")


def test_reads_no_byte_that_is_not_announced(session, tmp_path):
    data = Archive().file("a").file("b").bytes()
    path = tmp_path / "archive"
    path.write_bytes(data)
    session.start(path, tmp_path / "t", available=1536)
    wait_jailed(session.pid)
    assert sorted(os.listdir(tmp_path / "t")) in ([], ["a"])
    session.send(unpack.INPUT, available=len(data), complete=1)
    assert session.finish()[-1][0] == DONE
    assert sorted(os.listdir(tmp_path / "t")) == ["a", "b"]


def test_input_shorter_than_announced(session, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(b"x" * 100)
    session.start(path, tmp_path / "t", available=1000, complete=1)
    word, _, message, _ = session.finish()[-1]
    assert (word, message) == (FAILED, "archive file is shorter than announced: ends at byte 100")


def test_failure_carries_kind_and_hint(session, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(b"BZh91AY" + bytes(600))
    session.start(path, tmp_path / "t", available=607, complete=1)
    word, numbers, message, hint = session.finish()[-1]
    unsupported = 7
    assert (word, numbers[12], message, hint) == (FAILED, unsupported, "archive is compressed with bzip2", "use gzip, zstd or no compression")
    assert session.end() == (0, "")


def test_limits_from_the_start_message(session, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(Archive().file("f", b"12345").bytes())
    session.start(path, tmp_path / "t", available=path.stat().st_size, complete=1, max_bytes=4)
    assert session.finish()[-1][2] == 'layer entry "f": unpacks to more than 4 bytes'


# ---- ends ----

def test_ends_with_its_connection(waiting):
    waiting.socket.close()
    assert waiting.process.wait(timeout=30) == 1


def test_ends_with_its_connection_before_the_start(session):
    assert session.end()[0] == 1


@pytest.mark.parametrize("what", ["text", "texts", "version", "word", "no descriptors"])
def test_nonsense_from_the_other_end(session, what):
    if what == "text":
        session.send_raw(b"x" * 7)
    elif what == "texts":
        session.send_raw(unpack.NUMBERS.pack(1, unpack.INPUT, *[0] * 17), b"no end")
    elif what == "version":
        session.send(unpack.INPUT, version=2)
    elif what == "word":
        session.send(unpack.DONE)
    else:
        session.send(unpack.START)
    assert session.receive()[0] == FAILED
    assert session.end()[0] == 0


# ---- image archives ----

def test_archive_of_docker_save(tmp_path):
    layer = Archive().file("etc/hello").bytes()
    config = json.dumps({"rootfs": {}}).encode()
    data = (Archive().dir("aaa").symlink("aaa/layer.tar", "../bbb/layer.tar").file("aaa/VERSION", b"1.0").dir("bbb", uid=12, mode=0o700)
            .file("bbb/layer.tar", layer, uid=12, mode=0o600).file("manifest.json", b"[]").link("again.json", "manifest.json").file("c.json", config)
            .bytes())
    result = unpack.run(data, tmp_path / "t", "--archive")
    assert (result.status, result.error) == (0, "")
    sha = lambda b: "sha256:" + hashlib.sha256(b).hexdigest()
    assert result.digests == {"aaa/layer.tar": sha(layer), "bbb/layer.tar": sha(layer), "aaa/VERSION": sha(b"1.0"), "manifest.json": sha(b"[]"),
                              "again.json": sha(b"[]"), "c.json": sha(config)}
    found = unpack.tree(tmp_path / "t")
    assert found["aaa/layer.tar"]["same"] == found["bbb/layer.tar"]["same"]
    assert {(oct(f["mode"]), f["owner"]) for n, f in found.items() if n != "."} == {("0o40755", (0, 0)), ("0o100644", (0, 0))}


@pytest.mark.parametrize("archive,message", [
    (lambda: Archive().symlink("f", "/etc/passwd"), 'archive entry "f": is a link to an absolute path'),
    (lambda: Archive().symlink("a/f", "../../etc/passwd"), 'archive entry "a/f": the name leads out of the archive'),
    (lambda: Archive().symlink("f", "nothing"), 'archive entry "f": is a link to "nothing", which is not a file of the archive'),
    (lambda: Archive().dir("d").symlink("f", "d"), 'is a link to "d", which is not a file of the archive'),
    (lambda: Archive().symlink("a", "b").symlink("b", "a"), "which is not a file of the archive"),
    (lambda: Archive().symlink("d", "e").file("d/f"), 'archive entry "d"'),
    (lambda: Archive().link("h", "nothing"), 'archive entry "h": is a link to "nothing", which is not a file of the archive'),
    (lambda: Archive().add("p", unpack.tarfile.FIFOTYPE), 'archive entry "p": devices and fifos have no place in an image archive'),
    (lambda: Archive().add("c", unpack.tarfile.CHRTYPE), "devices and fifos have no place"),
    (lambda: Archive().file("../x"), 'archive entry "../x": the name leads out'),
])
def test_what_has_no_place_in_an_image_archive(tmp_path, archive, message):
    result = unpack.run(archive().bytes(), tmp_path / "t", "--archive")
    assert message in result.error and result.status > 0


def test_whiteouts_mean_nothing_in_an_image_archive(tmp_path):
    assert unpack.run(Archive().file(".wh.x", b"1").bytes(), tmp_path / "t", "--archive").digests.keys() == {".wh.x"}


def test_files_of_an_archive_are_counted(tmp_path):
    archive = Archive(unpack.tarfile.USTAR_FORMAT)
    for i in range(4097):
        archive.file(f"{i}", b"")
    assert 'archive entry "4096": there are more than 4096 files' in unpack.run(archive.bytes(), tmp_path / "t", "--archive").error


# ---- by hand ----

def test_help_and_misuse():
    done = subprocess.run([unpack.PROGRAM, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Usage: kedge-unpack --layer|--archive") and "--max-bytes" in done.stdout
    for arguments in ([], ["--layer"], ["--layer", "--archive", "a", "b"], ["--layer", "/nothing", "/tmp"], ["--layer", "/etc/passwd", "/nothing"], ["--bad"]):
        done = subprocess.run([unpack.PROGRAM, *arguments], capture_output=True, text=True)
        assert done.returncode > 0 and done.stderr.startswith("kedge-unpack: "), arguments


def test_output_to_any_kind_of_file(tmp_path):
    """What stdio does to find out where it writes is no reason for the filter to kill."""
    (tmp_path / "a").write_bytes(Archive().file("f").bytes())
    ours, terminal = os.openpty()
    for i, output in enumerate([terminal, subprocess.DEVNULL, subprocess.PIPE, open(tmp_path / "out", "wb")]):
        (tmp_path / f"t{i}").mkdir()
        done = subprocess.run([unpack.PROGRAM, "--layer", tmp_path / "a", tmp_path / f"t{i}"], stdout=output, stderr=terminal)
        assert done.returncode == 0
    assert os.read(ours, 100).startswith(b"sha256:")
