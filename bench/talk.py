# SPDX-License-Identifier: Apache-2.0
"""Rows: what clients of a daemon wait for while nothing starts: small answers, events, logs, attached output; and the daemon's memory
meanwhile."""
import json
import os
import time

from measure import Peak, Target, alone, paired
from peers import kedge

MB = 1_000_000
LINE = "0123456789" * 6 + "012\n"
PEAK = Target(16, unit="MB")


def peak_row(bench, name, work):
    """One run that is not timed: looking at the memory takes time, too."""
    with Peak(bench.kedge.pid) as peak:
        work()
    bench.row(f"{name}_peak_pss", "MB", [peak.kib / 1024], [], "", PEAK, looks=peak.samples, longest_gap=peak.longest_gap)


# ---- small answers --------------------------------------------------------------------------------------------------------------

def ping(bench):
    client = bench.kedge.client()
    samples = alone(lambda: client.timed("GET", "/_ping")[0] * 1000, 50 * bench.pairs, bench.warm_up)
    bench.row("ping", "ms", samples, [], "", Target(0.1, unit="ms"))
    peak_row(bench, "ping", lambda: [client.timed("GET", "/_ping") for _ in range(5000)])
    client.close()


def inspect_vs_docker(bench):
    engines = bench.kedge, bench.docker
    clients = [engine.client() for engine in engines]
    made = [engine.run(client, ["sleep", "100000"]) for engine, client in zip(engines, clients)]

    def inspected(which):
        return lambda: clients[which].timed("GET", f"/containers/{made[which]}/json")[0] * 1000
    bench.row("inspect_vs_docker", "ms", *paired(inspected(0), inspected(1), 5 * bench.pairs, bench.warm_up), "docker", Target(ratio=0.3))
    peak_row(bench, "inspect_vs_docker", lambda: [inspected(0)() for _ in range(2000)])
    for engine, client, identity in zip(engines, clients, made):
        engine.remove(client, [identity])
        client.close()


# ---- events ---------------------------------------------------------------------------------------------------------------------

def events_latency(bench):
    """From the container's last act, the writing of its clock to a fifo, until its die event is read."""
    engine, place = bench.kedge, bench.place.run
    fifo = place / "last"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR)
    client, follower = engine.client(), engine.client()
    filters = json.dumps({"event": ["die"]}).replace('"', "%22")
    follower.send("GET", f"/events?filters={filters}")
    while follower.line():
        pass

    def once():
        body = engine.body(["/probe", "last:/last"])
        body["HostConfig"]["Binds"] = [f"{kedge.BUILD}/tests/probe/probe:/probe:ro", f"{fifo}:/last"]
        identity = client.call("POST", "/containers/create", body)["Id"]
        client.call("POST", f"/containers/{identity}/start")
        size = int(follower.line(), 16)
        event = json.loads(follower.exactly(size))
        now = time.monotonic_ns()
        follower.line()
        if event["Actor"]["ID"] != identity:
            raise RuntimeError(f"an event of another container: {event}")
        engine.remove(client, [identity])
        return (now - int(os.read(reader, 100))) / 1e6
    bench.row("events_latency", "ms", alone(once, bench.pairs, bench.warm_up), [], "", Target(2, unit="ms"))
    peak_row(bench, "events_latency", lambda: [once() for _ in range(bench.pairs)])
    client.close()
    follower.close()
    os.close(reader)
    fifo.unlink()


# ---- a long log -----------------------------------------------------------------------------------------------------------------

class LongLog:
    """A container that has written a log, all of which is kept."""

    def __init__(self, engine, size):
        self.engine, self.client, self.size = engine, engine.client(), size // len(LINE) * len(LINE)
        body = engine.body(["/bin/sh", "-c", f"yes {LINE.strip()} | head -c {self.size}"])
        body["HostConfig"]["LogConfig"]["Config"] = {"max-size": "1g"}
        self.identity = self.client.call("POST", "/containers/create", body)["Id"]
        self.client.call("POST", f"/containers/{self.identity}/start")
        self.client.call("POST", f"/containers/{self.identity}/wait")

    def read(self):
        """MB of output a second."""
        client = self.engine.client()
        begin = time.monotonic()
        client.send("GET", f"/containers/{self.identity}/logs?stdout=1&stderr=1", headers="Connection: close\r\n")
        count = client.read_to_end()
        elapsed = time.monotonic() - begin
        if count < self.size:
            raise RuntimeError(f"{self.engine.name}: a log of {self.size} bytes gave {count}")
        return self.size / MB / elapsed

    def close(self):
        self.engine.remove(self.client, [self.identity])
        self.client.close()


def logs_vs_docker(bench):
    logs = [LongLog(engine, 10 * MB if bench.quick else 100 * MB) for engine in (bench.kedge, bench.docker)]
    samples = paired(*(log.read for log in logs), bench.few, bench.warm_up_few)
    bench.row("logs_vs_docker", "MB/s", *samples, "docker", Target(ratio=3, at_least=True))
    peak_row(bench, "logs_vs_docker", logs[0].read)
    for log in logs:
        log.close()


# ---- attached output ------------------------------------------------------------------------------------------------------------

PIECE, PIECES_IN_FILE = 1 << 16, 1 << 10


def attached(engine, source, turns, driver):
    """MB a second of what a container writes in pieces of 64 kB, from its start to the end of what its attached client reads."""
    command = f"for i in $(seq {turns}); do dd if=/source bs=64k 2>/dev/null; done"
    size = turns * PIECE * PIECES_IN_FILE

    def once():
        client, follower = engine.client(), engine.client()
        body = engine.body(["/bin/sh", "-c", command], AttachStdout=True)
        body["HostConfig"]["Binds"] = [f"{source}:/source:ro"]
        if driver != "json-file":
            body["HostConfig"]["LogConfig"] = {"Type": driver, "Config": {}}
        identity = client.call("POST", "/containers/create", body)["Id"]
        follower.take_over("POST", f"/containers/{identity}/attach?stream=1&stdout=1", {})
        begin = time.monotonic()
        client.call("POST", f"/containers/{identity}/start")
        count = follower.read_to_end()
        elapsed = time.monotonic() - begin
        engine.remove(client, [identity])
        client.close()
        if count < size:
            raise RuntimeError(f"{engine.name}: {size} bytes attached gave {count}")
        return size / MB / elapsed
    return once


def attach_throughput_vs_docker(bench):
    source = bench.place.run / "source"
    source.write_text(LINE * (PIECE * PIECES_IN_FILE // len(LINE)))
    turns = 1 if bench.quick else 16
    for driver, metric in (("json-file", "attach_throughput_vs_docker"), ("none", "attach_throughput_unlogged")):
        works = [attached(engine, source, turns, driver) for engine in (bench.kedge, bench.docker)]
        bench.row(metric, "MB/s", *paired(*works, bench.few, bench.warm_up_few), "docker", Target(ratio=2, at_least=True))
        peak_row(bench, metric, works[0])
    source.unlink()


ROWS = [ping, inspect_vs_docker, events_latency, logs_vs_docker, attach_throughput_vs_docker]
