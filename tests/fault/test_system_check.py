# SPDX-License-Identifier: Apache-2.0
"""
`kedge system check`: each kind of damage, made from outside while kedged runs or is away, is found and named; with --repair it is put right,
and what was sound before goes on as if nothing had been.
"""
import os
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

import kedge
import store

ABSENT = "0123456789abcdef" * 4  # an id that nobody has


def check(daemon, *options):
    done = daemon.kedge("system", "check", *options, check=False)
    return done.returncode, done.out.splitlines(), done.err


def is_clean(daemon):
    status, said, error = check(daemon)
    assert (status, error) == (0, "") and len(said) == 1 and said[0].startswith("all is well: "), (said, error)


def finds(daemon, *words):
    """One problem, which says all the words; a repair puts it right."""
    status, problems, error = check(daemon)
    assert status == 1 and any(all(str(word) in line for word in words) for line in problems), (problems, error)
    assert f"{len(problems)} problem{' was' if len(problems) == 1 else 's were'} found" in error and "--repair" in error
    status, repaired, error = check(daemon, "--repair")
    assert status == 0, (repaired, error)
    assert repaired
    is_clean(daemon)


@pytest.fixture(scope="module")
def used(shared_daemon):
    """One container runs all the time, one has ended: neither may be touched by anything here."""
    running = shared_daemon.run_container(["sleep", "10000"], name="running", host={"CgroupParent": f"{shared_daemon.cgroup_parent}-own"})
    ended = shared_daemon.run_container(["sh", "-c", "echo said; exit 3"], name="ended")
    shared_daemon.wait(ended)
    kedge.wait_for(lambda: not (shared_daemon.run_directory / "containers" / ended).exists())
    shared_daemon.kept = {running, ended}
    pid = shared_daemon.inspect(running)["State"]["Pid"]
    yield shared_daemon
    assert shared_daemon.inspect(running)["State"]["Pid"] == pid
    assert shared_daemon.inspect(ended)["State"]["ExitCode"] == 3 and shared_daemon.log_text(ended) == "said\n"
    shared_daemon.remove_all()
    for directory in kedge.cgroup_directories(f"{shared_daemon.cgroup_parent}-own"):
        kedge.wait_for(lambda: not [path for path in directory.iterdir() if path.is_dir()])
        directory.rmdir()


@pytest.fixture(autouse=True)
def clean_afterwards(used):
    is_clean(used)
    yield
    assert {it["Id"] for it in used.api.get("/containers/json?all=1")} >= used.kept
    for it in used.api.get("/containers/json?all=1"):
        if it["Id"] not in used.kept:
            used.api.delete(f"/containers/{it['Id']}?force=1")
    is_clean(used)


def database(daemon):
    return sqlite3.connect(daemon.store / "kedge.db", isolation_level=None, timeout=10)


def execute(daemon, *statements):
    """(sql, values...) each, while no kedged runs: it has its database for itself."""
    daemon.stop()
    with database(daemon) as connection:
        for sql, *values in statements:
            assert connection.execute(sql, values).rowcount > 0
    connection.close()
    daemon.start()


# ---- the store ----

def test_directory_without_record(used):
    path = used.store / "containers" / ABSENT
    (path / "upper").mkdir(parents=True)
    finds(used, "containers/" + ABSENT, "has no record")
    assert not path.exists()


def test_record_without_directory(used):
    identity = used.create(["true"])
    shutil.rmtree(used.store / "containers" / identity)
    finds(used, identity, "has no directory")
    assert used.wait(used.start_container(identity)) == 0


def test_volume_without_record(used):
    """What is in it is somebody's data: it becomes a volume again, at once."""
    path = used.store / "volumes" / "stray" / "_data"
    path.mkdir(parents=True)
    (path / "f").write_text("data")
    finds(used, "volumes/stray", "has no record: it gets one again")
    assert used.api.get("/volumes/stray")["Mountpoint"] == str(path)
    assert (path / "f").read_text() == "data"
    used.api.delete("/volumes/stray")
    (used.store / "volumes" / "hollow" / "_data").mkdir(parents=True)
    finds(used, "volumes/hollow", "has no record")
    assert not (used.store / "volumes" / "hollow").exists()


def test_volume_without_directory(used):
    used.api.post("/volumes/create", {"Name": "web"})
    shutil.rmtree(used.store / "volumes" / "web")
    finds(used, "web", "has no directory")
    assert (used.store / "volumes" / "web" / "_data").is_dir()
    used.api.delete("/volumes/web")


def test_layer_without_record(used):
    (used.store / "layers" / "777").mkdir()
    finds(used, "layers/777", "has no record")


def test_unused_blob(used):
    blob = used.store / "blobs" / "sha256" / ABSENT
    blob.write_text("x")
    finds(used, ABSENT, "nothing refers to")
    assert not blob.exists()


@pytest.fixture
def second(used, tmp_path):
    """An image of its own, with a layer of its own."""
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "noise").write_bytes(os.urandom(100000))
    before = set((used.store / "blobs" / "sha256").iterdir())
    name = used.load_busybox("second:1", layers=[tmp_path / "layer"])
    used.layer_blob = max(set((used.store / "blobs" / "sha256").iterdir()) - before, key=lambda path: path.stat().st_size)
    assert used.layer_blob.stat().st_size > 90000
    yield name
    used.api.raw("DELETE", f"/images/{name}?force=1")


def configuration(daemon, name):
    return daemon.store / "blobs" / "sha256" / daemon.api.get(f"/images/{name}/json")["Id"].split(":")[1]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")], ids=["missing", "empty"])
def test_image_without_configuration(used, second, damage):
    damage(configuration(used, second))
    finds(used, "image", "its configuration is missing or cut short")
    assert used.api.raw("GET", f"/images/{second}/json")[0] == 404
    used.load_busybox("second:1")  # and it can be brought again
    assert used.wait(used.run_container(["true"], image="second:1")) == 0


@pytest.mark.parametrize("damage,words", [(lambda path: path.unlink(), "is missing or cut short"), (lambda path: path.write_bytes(b""), "is empty"),
                                          (lambda path: os.truncate(path, 1000), "is missing or cut short")], ids=["missing", "empty", "cut"])
def test_layer_blob(used, second, damage, words):
    """What was pulled is gone, what was unpacked is there: containers can be made."""
    damage(used.layer_blob)
    finds(used, used.layer_blob.name, words)
    assert not used.layer_blob.exists()
    assert used.wait(used.run_container(["true"], image=second)) == 0


def test_half_an_image(used, second):
    identity = used.api.get(f"/images/{second}/json")["Id"]
    execute(used, ("INSERT INTO layers(number, diff_id, blob_size, bytes, is_opaque) VALUES(9999, ?, 0, 0, 0)", "sha256:" + ABSENT),
            ("INSERT INTO image_layers(image, position, layer) SELECT seq, 99, 9999 FROM images WHERE id = ?", identity),
            ("UPDATE images SET layer_count = layer_count + 1 WHERE id = ?", identity))
    assert "layer 9999 has no directory" in used.log()  # the start has set the image aside
    assert used.api.raw("GET", f"/images/{second}/json")[0] == 404
    finds(used, identity, "was set aside", "some of its layers are missing")


def test_record_with_a_wrong_checksum(used):
    identity = used.create(["true"])
    execute(used, ("UPDATE records SET sum = sum + 1 WHERE id = ?", identity))
    assert used.api.raw("GET", f"/containers/{identity}/json")[0] == 404
    assert (used.store / "containers" / identity).exists()
    finds(used, identity, "was set aside", "checksum")
    assert not (used.store / "containers" / identity).exists()


def test_stale_pin(used):
    execute(used, ("INSERT INTO pins(container, image) VALUES(?, 'sha256:x')", ABSENT))
    assert "1 pins on images are of containers without a record" in used.log()


def test_container_without_image(used, second):
    """Nobody but a pull can put this right: it is found again after a repair."""
    identity = used.create(["true"], image=second)
    name = used.api.get(f"/images/{second}/json")["Id"]
    execute(used, ("DELETE FROM image_layers WHERE image = (SELECT seq FROM images WHERE id = ?)", name))
    status, problems, error = check(used, "--repair")
    assert status == 1 and "could not be put right" in error
    status, problems, error = check(used)
    assert status == 1 and len(problems) == 1 and name in problems[0] and "pull it again" in problems[0], problems
    used.api.delete(f"/containers/{identity}")


def test_container_of_a_damaged_image(used, second):
    """What runs on it and what may run again keep the layers, until they are removed."""
    identity = used.create(["true"], image=second)
    configuration(used, second).unlink()
    finds(used, "its configuration is missing")
    assert used.wait(used.start_container(identity)) == 0
    used.api.delete(f"/containers/{identity}")


# ---- what the engine answers for ----

def test_directory_of_a_run(used):
    for path in (used.run_directory / "containers" / ABSENT, used.run_directory / "containers" / max(used.kept - {running_id(used)})):
        path.mkdir()
        (path / "config.json").write_text("{}")
        finds(used, path, "belongs to no container that runs")
        assert not path.exists()


def running_id(daemon):
    return daemon.inspect("running")["Id"]


def test_state_of_a_runtime(used):
    path = used.run_directory / "runtime" / ABSENT
    path.mkdir()
    (path / "status").write_text("{}")
    finds(used, path, "the runtime's state")


@pytest.mark.parametrize("populated", [False, True])
@pytest.mark.parametrize("suffix", ["", "-own"])
def test_control_group(used, populated, suffix):
    """Below a parent of its own, a container that we know: others may use that parent, too."""
    parents = kedge.cgroup_directories(used.cgroup_parent + suffix)
    assert parents
    name = max(used.kept - {running_id(used)}) if suffix else ABSENT
    groups = [parent / name for parent in parents]
    process = subprocess.Popen(["sleep", "1000"]) if populated else None
    for group in groups:
        group.mkdir()
        if populated and not (group / "cpuset.cpus").exists():
            (group / "cgroup.procs").write_text(str(process.pid))
    finds(used, f"{used.cgroup_parent}{suffix}/{name}", "belongs to no container that runs")
    assert not [group for group in groups if group.exists()]
    if populated:
        assert process.wait(30) == -9


def test_control_groups_of_another_engine(used):
    """Docker's lie below "/docker", and are called as ours are: who has a container there does not end them."""
    groups = [parent / ABSENT for parent in kedge.cgroup_directories(f"{used.cgroup_parent}-own")]
    process = subprocess.Popen(["sleep", "1000"])
    try:
        for group in groups:
            group.mkdir()
            if not (group / "cpuset.cpus").exists():
                (group / "cgroup.procs").write_text(str(process.pid))
        assert check(used, "--repair")[0] == 0
        assert process.poll() is None and all(group.exists() for group in groups)
    finally:
        process.kill()
        process.wait()
        for group in groups:
            kedge.wait_for(lambda: not (group / "cgroup.procs").read_text())
            group.rmdir()


@pytest.mark.parametrize("place", ["containers", "layers", "run"])
def test_mount(used, place):
    path = used.run_directory / "containers" / running_id(used) / "a b" if place == "run" else used.store / place / "777"
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "x", path], check=True)
    finds(used, "something is mounted on", path)
    assert not path.is_mount()
    if path.exists():
        path.rmdir()


def test_exit_file(used):
    identity = used.run_container(["true"])
    used.wait(identity)
    kedge.wait_for(lambda: not (used.run_directory / "containers" / identity).exists())
    (used.store / "containers" / identity / "exit").write_bytes(b"x" * 10)
    finds(used, "exit file is damaged")
    used.start_container(identity)
    assert used.wait(identity) == 0


def test_a_container_that_runs_without_record(used):
    """It is not ended by a start: a person decides. Until then it is told of."""
    identity = used.run_container(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    pid = used.inspect(identity)["State"]["Pid"]
    execute(used, ("UPDATE records SET json = '{' WHERE id = ?", identity))
    assert used.api.raw("GET", f"/containers/{identity}/json")[0] == 404
    assert pathlib.Path(f"/proc/{pid}").exists() and f"container {identity[:12]} runs, and has no record" in used.log()
    finds(used, identity, "runs, and has no record")
    assert not pathlib.Path(f"/proc/{pid}").exists()


def test_answers_by_http(used):
    assert used.api.post("/kedge/v1/system/check") == {"Problems": []}
    assert used.api.post("/kedge/v1/system/check?repair=1") == {"Problems": [], "Remaining": []}
    (used.store / "layers" / "778").mkdir()
    answer = used.api.post("/kedge/v1/system/check?repair=1")
    assert len(answer["Problems"]) == 1 and answer["Remaining"] == []


def test_a_damaged_database(daemon):
    """Found while kedged runs; the next start makes a sound one of what can be read, and a repair lets go of the old."""
    identity = daemon.run_container(["sleep", "1000"])
    daemon.stop()
    path = daemon.store / "kedge.db"
    with database(daemon) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'pins_by_image'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    with open(path, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    daemon.start()
    assert daemon.inspect(identity)["State"]["Running"]
    assert "kedge.db.bad-" in daemon.log()
    status, problems, _ = check(daemon)
    assert status == 1 and any("kedge.db.bad-" in line for line in problems), problems
    assert check(daemon, "--repair")[0] == 0
    is_clean(daemon)
    store.end_clean(daemon)
