# SPDX-License-Identifier: Apache-2.0
"""Disks that lie or fail: pages of the database damaged, blobs empty, no more writing. One bad record never stops kedged from starting; what
was lost or set aside is named in the log; containers go on."""
import json
import os
import pathlib
import sqlite3
import subprocess

import pytest

import kedge
import store

PAGES = int(os.environ.get("KEDGE_PAGES") or (1000 if kedge.SOAK else 8))


def database_path(daemon):
    return daemon.store / "kedge.db"


def pages(daemon):
    """(page size, number of pages) of the database as it lies on the disk, with nothing left in the WAL."""
    connection = sqlite3.connect(database_path(daemon), isolation_level=None)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    answer = [connection.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_size", "page_count")]
    connection.close()
    return answer


def pages_of(daemon, table):
    connection = sqlite3.connect(database_path(daemon))
    try:
        return [row[0] for row in connection.execute("SELECT pageno FROM dbstat WHERE name = ?", [table])]
    except sqlite3.OperationalError:  # SQLite without that table
        return [connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [table]).fetchone()[0]]
    finally:
        connection.close()


def damage(path, page, size, how):
    with open(path, "r+b") as file:
        file.seek((page - 1) * size)
        if how == "cut":
            file.truncate()
        else:
            file.write({"zeros": bytes(size), "ones": b"\xff" * size, "half": os.urandom(size // 2)}[how])


class Kept:
    """A daemon with an image, a container that runs and some that wait, which is damaged again and again from the same start."""

    def __init__(self):
        self.daemon = kedge.Daemon().start()
        self.daemon.load_busybox()
        self.running = self.daemon.run_container(["sh", "-c", "while :; do echo x; sleep 1; done"], name="running")
        self.waiting = [self.daemon.create(["sh", "-c", "exit 3"], name=f"w{n}", Labels={"l": "x" * 700}) for n in range(25)]
        self.pid = self.daemon.inspect(self.running)["State"]["Pid"]
        self.daemon.stop()
        self.size, self.count = pages(self.daemon)
        self.sound = database_path(self.daemon).read_bytes()
        self.directories = {path.name for path in (self.daemon.store / "containers").iterdir()}

    def put_back(self):
        self.daemon.stop()
        for path in self.daemon.store.glob("kedge.db*"):
            path.unlink()
        database_path(self.daemon).write_bytes(self.sound)
        assert {path.name for path in (self.daemon.store / "containers").iterdir()} == self.directories

    def check(self, log):
        """All that there was is listed or named; what is listed works; new ones can be made as soon as there is an image."""
        listed = {entry["Id"]: entry for entry in self.daemon.api.get("/containers/json?all=1")}
        for identity in [self.running, *self.waiting]:
            assert identity in listed or identity in log, identity
        assert pathlib.Path(f"/proc/{self.pid}").exists()
        if self.running in listed:
            assert self.daemon.inspect(self.running)["State"]["Pid"] == self.pid
            assert self.daemon.log_text(self.running).startswith("x\n")
        images = self.daemon.api.get("/images/json")
        if not images:
            assert "0 images" in log or "busybox:test\" was lost" in log or "\"busybox:test\") is set aside" in log, log
        elif "busybox:test" not in images[0]["RepoTags"]:
            assert '0 rows of "names"' in log, log
        self.daemon.load_busybox()
        whole = self.daemon.create(["sh", "-c", "exit 5"])
        self.daemon.start_container(whole)
        assert self.daemon.wait(whole) == 5
        self.daemon.api.delete(f"/containers/{whole}")
        return len(listed)


@pytest.fixture(scope="module")
def kept():
    it = Kept()
    yield it
    it.put_back()
    it.daemon.close()


def broken_start(kept, change):
    """What the log of a start says after the change."""
    kept.put_back()
    before = len(kept.daemon.log())
    change()
    kept.daemon.start()
    return kept.daemon.log()[before:]


@pytest.mark.parametrize("how", ["zeros", "ones", "half"])
def test_any_page_of_the_database(kept, how, chance):
    pages_to_try = sorted(chance.sample(range(1, kept.count + 1), min(PAGES, kept.count)))
    listed = []
    for page in pages_to_try:
        log = broken_start(kept, lambda: damage(database_path(kept.daemon), page, kept.size, how))
        try:
            listed.append(kept.check(log))
        except AssertionError as problem:
            raise AssertionError(f"page {page} of {kept.count}, {how}:\n{log}") from problem
    print(f"{how} over {len(pages_to_try)} of {kept.count} pages: {listed} of 26 containers listed")
    assert max(listed) == 26


def test_a_page_of_the_records(kept):
    """The rows of other pages come back by themselves."""
    page = max(pages_of(kept.daemon, "records")) if kept.put_back() is None else None
    log = broken_start(kept, lambda: damage(database_path(kept.daemon), page, kept.size, "ones"))
    count = kept.check(log)
    assert 0 < count < 26 or count == 26 and "index" in log, (count, log)
    assert "kedge.db.bad-" in log


@pytest.mark.parametrize("how", ["cut", "nothing", "noise", "gone"])
def test_the_whole_database(kept, how):
    path = database_path(kept.daemon)

    def change():
        if how == "cut":
            damage(path, kept.count // 2, kept.size, "cut")
        elif how == "nothing":
            path.write_bytes(b"")
        elif how == "noise":
            path.write_bytes(os.urandom(len(kept.sound)))
        else:
            path.unlink()
    log = broken_start(kept, change)
    kept.check(log)


@pytest.fixture
def own():
    it = Kept()
    yield it
    it.daemon.close()


def test_an_empty_blob(own):
    """The image is set aside by name; its containers go on, and are started again, since its layers are whole."""
    digest = own.daemon.store / "blobs" / "sha256"

    def change():
        for blob in digest.iterdir():
            if blob.stat().st_size < 100000:  # manifest and configuration
                blob.write_bytes(b"")
    log = broken_start(own, change)
    assert "set aside" in log and "busybox:test" in log
    assert own.daemon.api.get("/images/json") == []
    kedge.wait_for(lambda: not list((own.daemon.store / "trash").iterdir()))
    own.daemon.restart()
    own.daemon.start_container(own.waiting[0])
    assert own.daemon.wait(own.waiting[0]) == 3
    assert own.daemon.inspect(own.running)["State"]["Pid"] == own.pid
    name = own.daemon.load_busybox()
    assert own.daemon.wait(own.daemon.run_container(["true"], image=name)) == 0
    assert own.daemon.api.post("/kedge/v1/system/check?repair=1")["Remaining"] == []
    store.end_clean(own.daemon)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"name": 7}', "{}", '{"state": 99}', '{"spec": {"command": "x"}}'])
def test_a_record_that_cannot_be_read(kept, text):
    """With a right checksum: the file is sound, and its reader is not of its opinion."""
    def change():
        connection = sqlite3.connect(database_path(kept.daemon), isolation_level=None)
        total = 0xcbf29ce484222325
        for byte in text.encode():
            total = ((total ^ byte) * 0x100000001b3) & (2 ** 64 - 1)
        total -= 2 ** 64 if total >= 2 ** 63 else 0
        connection.execute("UPDATE records SET json = ?, sum = ? WHERE id = ?", [text, total, kept.waiting[3]])
        connection.close()
    log = broken_start(kept, change)
    kept.check(log)
    status = kept.daemon.api.raw("GET", f"/containers/{kept.waiting[3]}/json")[0]
    assert status in (200, 404) and (status == 200 or f"container \"{kept.waiting[3]}\"" in log and "set aside" in log)


# ---- a disk that does not take any more writing ----

@pytest.fixture
def failing(tmp_path):
    """A daemon on an ext4 of its own, which can be made to fail as after an error of the disk."""
    root, image = tmp_path / "disk", tmp_path / "image"
    root.mkdir()
    with open(image, "wb") as file:
        file.truncate(96 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, root], stderr=subprocess.PIPE)
    if mounted.returncode:
        pytest.skip("no loop device here: " + mounted.stderr.decode())
    it = kedge.Daemon(store=root / "s")
    it.disk, it.image = root, image
    try:
        it.start()
        it.load_busybox()
        yield it
        it.close()
    finally:
        it.stop()
        subprocess.run(["umount", "-l", root], check=True)


def test_read_only(failing):
    """The kernel has stopped writing to the disk: what runs is seen, read and stopped; what cannot be written is refused with the reason."""
    lines = ["sh", "-c", "trap 'exit 4' TERM; i=0; while :; do i=$((i+1)); echo $i; usleep 50000; done"]
    running = [failing.run_container(lines) for _ in range(2)]
    ended = failing.run_container(["sh", "-c", "echo said; exit 3"])
    failing.wait(ended)
    kedge.wait_for(lambda: all("1\n" in failing.log_text(identity) for identity in running))
    pids = [failing.inspect(identity)["State"]["Pid"] for identity in running]
    subprocess.run(["mount", "-o", "remount,abort", failing.disk], check=True)
    kedge.wait_for(lambda: not can_write(failing.disk))
    assert len(failing.api.get("/containers/json?all=1")) == 3
    assert failing.log_text(ended) == "said\n" and failing.log_text(running[0]).startswith("1\n")
    for method, target, body in (("POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["true"]}), ("DELETE", f"/containers/{ended}", None)):
        status, answer = failing.api.raw(method, target, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
        assert status >= 500 and (b"ead-only" in answer or b"I/O error" in answer), (status, answer)
    failing.api.raw("POST", f"/containers/{running[0]}/stop")
    assert failing.inspect(running[0])["State"]["Status"] == "exited"
    assert not pathlib.Path(f"/proc/{pids[0]}").exists() and pathlib.Path(f"/proc/{pids[1]}").exists()
    # a kedged that is started now either runs, or says why it does not; the container does not care
    failing.kill()
    failing.spawn()
    kedge.wait_for(lambda: failing.process.poll() is not None or answers(failing))
    if failing.process.poll() is not None:
        assert "ead-only" in failing.log_tail(1) or "I/O error" in failing.log_tail(1), failing.log_tail(5)
        failing.process = None
    else:
        failing.stop()
    assert pathlib.Path(f"/proc/{pids[1]}").exists()
    # the disk is looked after, and all is as it was but for what could not be written
    os.kill(pids[1], 9)
    kedge.wait_for(lambda: not [line for line in failing.leftovers() if "kedge-shim" in line])
    subprocess.run(["umount", "-l", failing.disk], check=True)
    subprocess.run(["e2fsck", "-fy", failing.image], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kedge.wait_for(lambda: subprocess.run(["mount", "-o", "loop", failing.image, failing.disk], stderr=subprocess.DEVNULL).returncode == 0)
    failing.start()
    assert {it["Id"] for it in failing.api.get("/containers/json?all=1")} == {*running, ended}
    assert not [it for it in failing.api.get("/containers/json?all=1") if it["State"] == "running"]
    assert failing.inspect(ended)["State"]["ExitCode"] == 3
    assert failing.wait(failing.run_container(["true"])) == 0
    store.end_clean(failing)


def answers(daemon):
    try:
        return daemon.api.raw("GET", "/_ping")[0] == 200
    except OSError:
        return False


def can_write(directory):
    try:
        (directory / "probe").write_text("x" * 5000)
        return True
    except OSError:
        return False
