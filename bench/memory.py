# SPDX-License-Identifier: Apache-2.0
"""Rows: memory of an engine that has been used and is idle, and for each running container. One run a side: memory does not jitter, and
fresh engines make a row independent of those before it. No other engine of the benchmark runs meanwhile, with whom an engine would share
the pages of its programs."""
import statistics
import time

import peers
from measure import PRIVATE, Target
from starts import run_true

WRITE = "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c "
LOG_100_MB = ["/bin/sh", "-c", WRITE + "100000000"]
LOG_1_MB = ["/bin/sh", "-c", WRITE + "1000000; exec sleep 10000"]


def use(engine, containers):
    """What a device has done before it is idle: a pull, containers run and removed, a long log followed, a list."""
    client = engine.client()
    engine.pull(client, engine.image)
    once = run_true(engine, client)
    for _ in range(containers):
        once()
    identity = client.call("POST", "/containers/create", engine.body(LOG_100_MB))["Id"]
    client.call("POST", f"/containers/{identity}/start")
    follower = engine.client()
    received = len(follower.call("GET", f"/containers/{identity}/logs?follow=1&stdout=1&stderr=1"))
    if received < 1_000_000:  # of three files of 10 MB; a follower that is slower than the log misses what is rotated away
        raise RuntimeError(f"{engine.name}: a log of 100 MB gave {received} bytes")
    client.call("GET", "/containers/json")
    engine.remove(client, [identity])
    follower.close()
    client.close()


def idle_memory(bench, engine, seconds):
    time.sleep(seconds)
    samples = [engine.memory() / 1024 for _ in range(bench.few)]
    engine.close()
    return samples


def used_memory(bench, engine):
    use(engine, 10 if bench.quick else 50)
    return idle_memory(bench, engine, 5 if bench.quick else 30)


def idle_pss_vs_docker(bench):
    bench.close_engines()
    ours = used_memory(bench, bench.fresh_kedge("idle-kedge"))
    theirs = used_memory(bench, bench.fresh_docker("idle-docker"))
    bench.row("idle_pss_vs_docker", "MB", ours, theirs, "dockerd and containerd", Target(6, 0.08, unit="MB"))
    fresh = idle_memory(bench, peers.Kedge(bench.place, "fresh").start(), 2)
    bench.row("idle_pss_fresh_start", "MB", fresh, [], "")


def slope(points):
    mean_x, mean_y = statistics.mean(x for x, _ in points), statistics.mean(y for _, y in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def settled(engine):
    """KiB, when it has stopped changing."""
    last, end = -1, time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(2)
        now = engine.memory(PRIVATE)
        if abs(now - last) <= now // 200:
            return now
        last = now
    return last


def growth(engine, counts):
    client, made, points = engine.client(), 0, []
    for count in counts:
        for _ in range(count - made):
            engine.run(client, LOG_1_MB)
        made = count
        points.append((count, settled(engine)))
    client.close()
    return points


def container_private_vs_docker(bench):
    counts, points = [5, 15, 25] if bench.quick else [20, 80, 140, 200], []
    bench.close_engines()
    for make, title in ((bench.fresh_kedge, "many-kedge"), (bench.fresh_docker, "many-docker")):
        engine = make(title)
        points.append(growth(engine, counts))
        engine.close()
    bench.row("container_private_vs_docker", "kB", [slope(points[0])], [slope(points[1])], "docker", Target(100, 0.05, unit="kB"),
              points={"kedge": points[0], "peer": points[1]})


ROWS = [idle_pss_vs_docker, container_private_vs_docker]
