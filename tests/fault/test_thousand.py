# SPDX-License-Identifier: Apache-2.0
"""A thousand containers up at once (or KEDGE_CONTAINERS): each runs, is listed, survives kedged, is stopped and removed."""
import os
import pathlib
import time

import kedge
import store
from streams import Background

COUNT = int(os.environ.get("KEDGE_CONTAINERS") or 1000)
CLIENTS = 4


def share(work, items):
    """Clients side by side, each with a part of the items."""
    jobs = [Background(lambda part: [work(item) for item in part], items[number::CLIENTS]) for number in range(CLIENTS)]
    return [result for job in jobs for result in job.result(300)]


class Timer:
    def __init__(self):
        self.last, self.steps = time.monotonic(), []

    def step(self, name):
        now = time.monotonic()
        self.steps.append(f"{name} {now - self.last:.2f} s")
        self.last = now


def memory_of(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private"))


def test_a_thousand(daemon):
    timer = Timer()
    identities = share(lambda number: daemon.run_container(["sleep", "10000"], name=f"n{number}"), list(range(COUNT)))
    timer.step("up")
    assert len(set(identities)) == COUNT
    begin = time.monotonic()
    listed = daemon.api.get("/containers/json")
    print(f"listed in {(time.monotonic() - begin) * 1000:.1f} ms, kedged has {memory_of(daemon.process.pid)} kB")
    assert {entry["Id"] for entry in listed} == set(identities) and all(entry["State"] == "running" for entry in listed)
    assert sorted(entry["Names"][0] for entry in listed) == sorted(f"/n{number}" for number in range(COUNT))
    pids = {identity: daemon.inspect(identity)["State"]["Pid"] for identity in identities}
    assert len(set(pids.values())) == COUNT
    timer.step("listed and inspected")
    scraped = daemon.api.raw("GET", "/metrics")[1].decode()
    assert scraped.count("\ncontainer_last_seen{") == scraped.count("\ncontainer_memory_working_set_bytes{") == COUNT
    timer.step("scraped")
    assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
    timer.step("checked")
    daemon.restart()
    timer.step("kedged killed and started")
    assert {identity: daemon.inspect(identity)["State"]["Pid"] for identity in identities} == pids
    timer.step("inspected")
    half = identities[: COUNT // 2]
    statuses = share(lambda identity: daemon.api.raw("POST", f"/containers/{identity}/stop?t=0")[0], half)
    assert set(statuses) == {204}
    timer.step("half of them stopped")
    assert {entry["Id"] for entry in daemon.api.get("/containers/json")} == set(identities[COUNT // 2:])
    assert share(lambda identity: daemon.inspect(identity)["State"]["ExitCode"], half) == [137] * len(half)
    statuses = share(lambda identity: daemon.api.raw("DELETE", f"/containers/{identity}?force=1")[0], identities)
    assert set(statuses) == {204}
    timer.step("removed")
    assert daemon.api.get("/containers/json?all=1") == []
    print(f"{COUNT} containers: " + ", ".join(timer.steps))
    store.end_clean(daemon)
