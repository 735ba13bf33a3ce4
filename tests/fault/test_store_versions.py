# SPDX-License-Identifier: Apache-2.0
"""Stores of other versions: a newer one is refused by an older kedged, which changes nothing; one of the last release is taken over whole."""
import hashlib
import json
import pathlib
import sqlite3

import kedge
import store

HERE = pathlib.Path(__file__).parent
TABLES = ("layers", "images", "image_layers", "image_blobs", "names")


def connect(daemon):
    return sqlite3.connect(daemon.store / "kedge.db", isolation_level=None)


def contents(root):
    """Every file below it with its bytes and its time; the containers' own places are theirs to change."""
    found = {}
    for path in sorted(root.rglob("*")):
        if "containers" not in path.relative_to(root).parts[:1] and path.is_file() and not path.is_symlink():
            found[str(path)] = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
    return found


def test_a_newer_store(daemon):
    identity = daemon.run_container(["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; usleep 20000; done"])
    pid = daemon.inspect(identity)["State"]["Pid"]
    daemon.stop()
    connection = connect(daemon)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("PRAGMA user_version = 1000")
    connection.execute("CREATE TABLE of_the_future(x)")
    connection.close()
    before = contents(daemon.store), sorted(path.name for path in daemon.run_directory.rglob("*"))
    daemon.spawn()
    assert daemon.process.wait(30) == 1
    said = daemon.log_tail(3)
    assert "the store was written by a newer kedge: its version is 1000" in said and "nothing was changed" in said, said
    daemon.process = None
    after = contents(daemon.store), sorted(path.name for path in daemon.run_directory.rglob("*"))
    assert after == before
    assert pathlib.Path(f"/proc/{pid}").exists()
    connection = connect(daemon)
    connection.execute("DROP TABLE of_the_future")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    daemon.start()
    assert daemon.inspect(identity)["State"]["Pid"] == pid
    numbers = daemon.log_text(identity).split()
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    store.end_clean(daemon)


def checksum(text):
    total = 0xcbf29ce484222325
    for byte in text.encode():
        total = ((total ^ byte) * 0x100000001b3) & (2 ** 64 - 1)
    return total - 2 ** 64 if total >= 2 ** 63 else total


def rebuild(daemon, identity):
    """The database as the last release wrote it: its own schema, its own record of a container, and the rows of this store's image."""
    new = connect(daemon)
    (daemon.store / "kedge.db.old").unlink(missing_ok=True)
    old = sqlite3.connect(daemon.store / "kedge.db.old", isolation_level=None)
    old.executescript((HERE / "store-1.sql").read_text())
    for table in TABLES:
        columns = ", ".join(row[1] for row in old.execute(f"PRAGMA table_info({table})"))
        rows = new.execute(f"SELECT {columns} FROM {table}").fetchall()
        assert rows, table
        old.executemany(f"INSERT INTO {table}({columns}) VALUES({', '.join('?' * len(rows[0]))})", rows)
    image = old.execute("SELECT id FROM images").fetchone()[0]
    record = (HERE / "store-1.container.json").read_text().strip().replace("@IMAGE@", image).replace("@ID@", identity)
    record = record.replace(json.loads(record)["bootId"], pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    old.execute("INSERT INTO records(kind, id, name, json, sum) VALUES('container', ?, 'old', ?, ?)", [identity, record, checksum(record)])
    old.execute("INSERT INTO pins(container, image) VALUES(?, ?)", [identity, image])
    new.close()
    old.close()
    (daemon.store / "kedge.db.old").rename(daemon.store / "kedge.db")


def test_the_store_of_the_last_release(daemon):
    identity = daemon.create(["true"], name="place")  # for its directories
    daemon.stop()
    rebuild(daemon, identity)
    daemon.start()
    assert [image["RepoTags"] for image in daemon.api.get("/images/json")] == [["busybox:test"]]
    (listed,) = daemon.api.get("/containers/json?all=1")
    assert (listed["Id"], listed["Names"], listed["State"]) == (identity, ["/old"], "exited")
    shown = daemon.inspect("old")
    assert shown["State"]["ExitCode"] == 3 and shown["RestartCount"] == 1
    assert shown["Config"]["Cmd"] == ["sh", "-c", "echo old; exit 3"] and {"A=1", "PATH=/bin"} <= set(shown["Config"]["Env"])
    assert (shown["Config"]["User"], shown["Config"]["WorkingDir"], shown["Config"]["Hostname"]) == ("web", "/tmp", "h")
    assert (shown["Config"]["StopSignal"], shown["Config"]["StopTimeout"], shown["Config"]["Labels"]) == ("SIGUSR1", 7, {"l": "x"})
    assert shown["Config"]["Healthcheck"]["Test"] == ["CMD", "true"] and shown["Config"]["Healthcheck"]["Interval"] == 10 ** 9
    host = shown["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500000000, 50)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 1}
    assert host["Binds"] == ["/tmp:/b:ro"] and host["Tmpfs"] == {"/t": "size=1m"} and host["LogConfig"]["Config"] == {"max-size": "1m"}
    assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
    daemon.start_container("old")
    kedge.wait_for(lambda: daemon.inspect("old")["State"]["Status"] == "exited")
    assert daemon.inspect("old")["State"]["ExitCode"] == 3 and daemon.log_text("old").startswith("old\n")
    assert daemon.wait(daemon.run_container(["true"])) == 0
    daemon.restart()
    assert daemon.inspect("old")["State"]["ExitCode"] == 3
    store.end_clean(daemon)
