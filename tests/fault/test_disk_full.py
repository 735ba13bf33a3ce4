# SPDX-License-Identifier: Apache-2.0
"""The disk under kedged's root is full (invariant 7): clear errors; ps, logs, stop and rm work; it heals when there is space again."""
import json
import os
import shutil
import subprocess

import pytest

import kedge
import store


@pytest.fixture(params=["ext4", "tmpfs", "ext4 inodes", "tmpfs inodes"])
def small(request, tmp_path):
    """A daemon whose root is a file system of its own, with 96 MB and, where those are to run out, a thousand inodes."""
    root = tmp_path / "disk"
    root.mkdir()
    inodes = request.param.endswith("inodes")
    if request.param.startswith("ext4"):
        image = tmp_path / "image"
        with open(image, "wb") as file:
            file.truncate(96 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", *(["-N", "1000"] if inodes else []), image], check=True)
        mounted = subprocess.run(["mount", "-o", "loop", image, root], stderr=subprocess.PIPE)
        if mounted.returncode:
            pytest.skip("no loop device here: " + mounted.stderr.decode())
    else:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m" + (",nr_inodes=1000" if inodes else ""), "x", root], check=True)
    it = kedge.Daemon(store=root / "s")
    it.disk, it.lacks_inodes = root, inodes
    try:
        it.start()
        it.load_busybox()
        yield it
        unfill(it)
        it.close()
    finally:
        it.stop()
        subprocess.run(["umount", "-l", root], check=True)


def fill(daemon):
    """To the last byte, or the last inode, from outside."""
    if daemon.lacks_inodes:
        fill_inodes(daemon.disk / "fillers")
        return
    with open(daemon.disk / "filler", "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 512, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    os.sync()
    assert shutil.disk_usage(daemon.disk).free < 65536


def fill_inodes(directory):
    directory.mkdir(exist_ok=True)
    with pytest.raises(OSError):
        for number in range(10000):
            (directory / f"{number}-{os.urandom(4).hex()}").touch()
    assert os.statvfs(directory).f_ffree == 0


def unfill(daemon):
    shutil.rmtree(daemon.disk / "fillers", ignore_errors=True)
    if (daemon.disk / "filler").exists():
        os.unlink(daemon.disk / "filler")


def refused(daemon, method, target, body=None):
    status, answer = daemon.api.raw(method, target, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
    text = answer.decode()
    assert status >= 400 or '"error"' in text, (status, text)
    assert "No space left" in text or "space" in text or "full" in text, text
    return text


def test_what_must_work_works(small, registry):
    lines = ["sh", "-c", "trap 'exit 4' TERM; i=0; while :; do i=$((i+1)); echo $i; usleep 100000; done"]
    running = [small.run_container(lines) for _ in range(3)]
    done = small.run_container(["sh", "-c", "echo said; exit 3"])
    small.wait(done)
    kedge.wait_for(lambda: all("1\n" in small.log_text(identity) for identity in running))
    pids = [small.inspect(identity)["State"]["Pid"] for identity in running]
    fill(small)
    assert len(small.api.get("/containers/json?all=1")) == 4
    assert small.log_text(done) == "said\n" and small.log_text(running[0]).startswith("1\n")
    small.api.post(f"/containers/{running[0]}/stop")
    assert small.inspect(running[0])["State"]["ExitCode"] == 4
    small.api.delete(f"/containers/{running[1]}?force=1")
    small.api.delete(f"/containers/{done}")
    assert {it["Id"] for it in small.api.get("/containers/json?all=1")} == {running[0], running[2]}
    # a new kedged comes up on the full disk, and finds the same
    fill(small)
    small.restart()
    assert small.inspect(running[2])["State"]["Pid"] == pids[2]
    assert small.inspect(running[0])["State"]["ExitCode"] == 4
    assert small.api.raw("GET", f"/containers/{done}/json")[0] == 404
    small.api.post(f"/containers/{running[2]}/stop")
    assert small.inspect(running[2])["State"]["ExitCode"] == 4
    # and one that follows a kedged which has ended in good order, whose database lies there alone
    small.stop()
    fill(small)
    small.start()
    assert {it["Id"] for it in small.api.get("/containers/json?all=1")} == {running[0], running[2]}
    small.api.delete(f"/containers/{running[0]}")
    assert len(small.api.get("/containers/json?all=1")) == 1
    # space is back: everything works again
    unfill(small)
    again = small.run_container(["sh", "-c", "exit 9"])
    assert small.wait(again) == 9
    store.end_clean(small)


def test_load_and_pull_fail_clearly(small, registry, tmp_path):
    big = tmp_path / "big"
    big.mkdir()
    (big / "noise").write_bytes(os.urandom((1 if small.lacks_inodes else 80) << 20))
    for number in range(1200 if small.lacks_inodes else 0):
        (big / str(number)).touch()
    archive = kedge.busybox_archive(tmp_path / "big.tar", "big:1", layers=[big])
    name = registry.copy_from(archive, "big:1")
    running = small.run_container(["sleep", "100"])
    pid = small.inspect(running)["State"]["Pid"]
    free = shutil.disk_usage(small.disk).free
    for target in (f"/images/create?fromImage={name.rpartition(':')[0]}&tag=1",):
        refused(small, "POST", target)
    with open(archive, "rb") as file:
        try:
            status, answer = small.api.raw("POST", "/images/load", file, {"Content-Type": "application/x-tar",
                                                                           "Content-Length": str(archive.stat().st_size)})
            assert status >= 400 or b'"error"' in answer and b"space" in answer, answer
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused while it was sent
    assert [image["RepoTags"] for image in small.api.get("/images/json")] == [["busybox:test"]]
    assert small.inspect(running)["State"]["Pid"] == pid
    # with bytes left, what broke off waits to be resumed
    kedge.wait_for(lambda: not [it for it in (small.store / "staging").iterdir() if not (small.lacks_inodes and ".part" in it.name)], 15)
    kedge.wait_for(lambda: not list((small.store / "trash").iterdir()), 15)
    kedge.wait_for(lambda: shutil.disk_usage(small.disk).free > free - (2 << 20), 15)
    small.api.post(f"/containers/{running}/stop?t=0")
    small.api.delete(f"/containers/{running}")
    assert small.wait(small.run_container(["true"])) == 0


def test_creating_on_a_full_disk(small):
    """It may be refused or work, but never half."""
    fill(small)
    made = []
    for number in range(30):
        status, answer = small.api.raw("POST", f"/containers/create?name=n{number}", json.dumps(
            {"Image": "busybox:test", "Cmd": ["true"], "Labels": {"l": "x" * 20000}, "HostConfig": {"NetworkMode": "none"}}),
            {"Content-Type": "application/json"})
        if status == 201:
            made.append(json.loads(answer)["Id"])
        else:
            assert b"space" in answer, answer
    listed = {it["Id"] for it in small.api.get("/containers/json?all=1")}
    assert listed == set(made)
    small.restart()
    assert {it["Id"] for it in small.api.get("/containers/json?all=1")} == listed
    unfill(small)
    assert small.wait(small.run_container(["true"], name="n99")) == 0
    store.end_clean(small)
