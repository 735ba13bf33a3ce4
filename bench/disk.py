# SPDX-License-Identifier: Apache-2.0
"""Rows: what an idle engine writes, and how often what is reported as done was synced."""
import datetime
import pathlib
import re
import signal
import subprocess
import time

import peers
from measure import Target
from peers import kedge

HEALTH = {"Test": ["CMD", "true"], "Interval": 5_000_000_000, "Timeout": 3_000_000_000, "Retries": 3}


# ---- idle -----------------------------------------------------------------------------------------------------------------------

def age_of_last_check(client, identity):
    log = client.call("GET", f"/containers/{identity}/json")["State"]["Health"]["Log"]
    if not log:
        return float("inf")
    text = re.sub(r"(\.\d{6})\d*", r"\1", log[-1]["End"]).replace("Z", "+00:00")
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(text)).total_seconds()


def check_health(client, identities, seconds=6):
    ages = [age_of_last_check(client, identity) for identity in identities]
    if max(ages) > seconds:
        raise RuntimeError(f"a health check is {max(ages):.1f} s old: they do not run")


def idle_writes(bench):
    file_system = bench.place.file_system("fs-quiet", 512).make()
    engine = bench.prepared(peers.Kedge(bench.place, "quiet", store=file_system.path / "s").start())
    client = engine.client()
    identities = [engine.run(client, ["sleep", "100000"], Healthcheck=HEALTH) for _ in range(20)]
    time.sleep(7 if bench.quick else 30)
    check_health(client, identities)
    before = file_system.sectors_written()
    time.sleep(bench.idle_seconds)
    check_health(client, identities)
    written = file_system.sectors_written() - before
    bench.row("idle_writes", "sect.", [written], [], "", Target(0), seconds=bench.idle_seconds)
    client.close()
    engine.close()
    file_system.close()


# ---- syncs ----------------------------------------------------------------------------------------------------------------------

class Counted:
    """strace counts the calls that make data durable in the given processes, and in what they start, while the block runs."""
    CALLS = ("fdatasync", "fsync", "syncfs")

    def __init__(self, place, pids):
        self.summary, self.messages = place.directory / "strace.count", place.directory / "strace.log"
        self.pids, self.counts = pids, {}

    def attached(self):
        return self.messages.read_text().count(" attached") >= len(self.pids)

    def __enter__(self):
        words = ["strace", "-f", "-c", "-e", "trace=" + ",".join(self.CALLS), "-o", str(self.summary)]
        for pid in self.pids:
            words += ["-p", str(pid)]
        with open(self.messages, "wb") as messages:
            self.strace = subprocess.Popen(words, stderr=messages)
        kedge.wait_for(self.attached)
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait(30)
        for line in self.summary.read_text().splitlines():
            words = line.split()
            if words and words[-1] in self.CALLS:
                self.counts[words[-1]] = int(words[3])


def shims(engine, identities):
    pids = []
    for pid in engine.pids():
        words = (pathlib.Path("/proc") / str(pid) / "cmdline").read_bytes()
        if any(f"--id={identity}".encode() in words for identity in identities):
            pids.append(pid)
    return pids


def syncs(bench):
    """An untimed run: the calls for each create, start and exit."""
    engine, client, count = bench.kedge, bench.kedge.client(), 10
    with Counted(bench.place, [engine.pid]) as create:
        identities = [client.call("POST", "/containers/create", engine.body(["sleep", "100000"]))["Id"] for _ in range(count)]
    with Counted(bench.place, [engine.pid]) as start:
        for identity in identities:
            client.call("POST", f"/containers/{identity}/start")
    with Counted(bench.place, [engine.pid, *shims(engine, identities)]) as end:
        for identity in identities:
            client.call("POST", f"/containers/{identity}/kill")
            client.call("POST", f"/containers/{identity}/wait")
    for name, counted in (("create", create), ("start", start), ("exit", end)):
        bench.row(f"syncs_per_{name}", "calls", [sum(counted.counts.values()) / count], [], "", Target(0.1, at_least=True),
                  calls=counted.counts)
    engine.remove(client, identities)
    client.close()


ROWS = [idle_writes, syncs]
