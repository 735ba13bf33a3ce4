# SPDX-License-Identifier: Apache-2.0
"""Rows: many containers, and a daemon that is killed while they run."""
import itertools
import statistics
import threading
import time

from measure import Target, alone, paired
from peers import kedge

IN_FLIGHT = 4


def in_parallel(engine, items, work):
    """work(client, item) for each, by four clients; gives the results in the order of the items."""
    items, results, failures = list(items), {}, []
    numbers = itertools.count()

    def loop():
        client = engine.client()
        try:
            while not failures and (number := next(numbers)) < len(items):
                results[number] = work(client, items[number])
        except Exception as failure:  # told by the caller
            failures.append(failure)
        finally:
            client.close()
    threads = [threading.Thread(target=loop) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(items))]


def create_and_start(engine):
    def work(client, _):
        elapsed, answer = client.timed("POST", "/containers/create", engine.body(["sleep", "100000"]))
        return answer["Id"], elapsed + client.timed("POST", f"/containers/{answer['Id']}/start")[0]
    return work


def running(engine, client):
    return sum(container["State"] == "running" for container in client.call("GET", "/containers/json"))


def remove_in_parallel(engine, identities):
    in_parallel(engine, identities, lambda client, identity: engine.remove(client, [identity]))


# ---- a thousand -----------------------------------------------------------------------------------------------------------------

def ps_1000(bench):
    count = 100 if bench.quick else 1000
    engine = bench.kedge
    identities = [identity for identity, _ in in_parallel(engine, range(count), create_and_start(engine))]
    client = engine.client()
    if running(engine, client) != count:
        raise RuntimeError(f"{running(engine, client)} containers of {count} run")
    samples = alone(lambda: client.timed("GET", "/containers/json")[0] * 1000, 5 * bench.pairs, bench.warm_up)
    bench.row("ps_1000", "ms", samples, [], "", Target(3, unit="ms"))
    client.close()
    remove_in_parallel(engine, identities)


class Crowd:
    """A thousand containers come up, answer and stop: the figures of one run."""

    def __init__(self, engine, count):
        client = engine.client()
        begin = time.monotonic()
        made = in_parallel(engine, range(count), create_and_start(engine))
        self.up = time.monotonic() - begin
        times = [elapsed for _, elapsed in made]
        edge = count // 20
        self.last_to_first = statistics.median(times[-edge:]) / statistics.median(times[:edge])
        identities = [identity for identity, _ in made]
        if running(engine, client) != count:
            raise RuntimeError(f"{running(engine, client)} containers of {count} run")
        for identity in identities:
            if not client.call("GET", f"/containers/{identity}/json")["State"]["Running"]:
                raise RuntimeError(f"{identity} does not run")
        begin = time.monotonic()
        in_parallel(engine, identities, lambda client, identity: client.call("POST", f"/containers/{identity}/stop?t=0"))
        self.down = time.monotonic() - begin
        if running(engine, client):
            raise RuntimeError(f"{running(engine, client)} containers still run")
        client.close()
        remove_in_parallel(engine, identities)


def density_1000(bench):
    count = 100 if bench.quick else 1000
    crowds = alone(lambda: Crowd(bench.kedge, count), bench.few, bench.warm_up_few)
    bench.row("density_1000", "s", [crowd.up for crowd in crowds], [], "", Target(20, unit="s"))
    bench.row("density_1000_last_to_first", "x", [crowd.last_to_first for crowd in crowds], [], "", Target(2, unit="x"))
    bench.row("density_1000_stop", "s", [crowd.down for crowd in crowds], [], "", Target(20, unit="s"))


# ---- restart --------------------------------------------------------------------------------------------------------------------

def list_of_all(engine, count):
    """A client, when the new daemon has listed all as running; asked every millisecond."""
    end, client = time.monotonic() + 60, None
    while time.monotonic() < end:
        try:
            client = client or engine.client()
            if running(engine, client) == count:
                return client
        except (OSError, RuntimeError):
            client = None
        time.sleep(0.001)
    raise RuntimeError(f"{engine.name}: not all containers are there a minute after a restart")


def listed_after(begin_it, engine, count):
    """Milliseconds from the beginning of begin_it() until the engine lists so many, all running."""
    begin = time.monotonic()
    begin_it()
    client = list_of_all(engine, count)
    elapsed = time.monotonic() - begin
    client.close()
    return elapsed * 1000


def restarted(engine, count):
    def once():
        engine.kill()
        time.sleep(1)
        return listed_after(engine.spawn, engine, count)
    return once


def restart_20_vs_docker(bench):
    engines = bench.fresh_kedge("again-kedge"), bench.fresh_docker("again-docker", ["--live-restore"])
    for engine in engines:
        client = engine.client()
        for _ in range(20):
            engine.run(client, ["sleep", "100000"])
        client.close()
    samples = paired(*(restarted(engine, 20) for engine in engines), bench.pairs, bench.warm_up)
    bench.row("restart_20_vs_docker", "ms", *samples, "dockerd, live-restore", Target(ratio=0.05))
    for engine in engines:
        kedge.wait_for(engine.answers, 60)
        engine.close()


ROWS = [ps_1000, restart_20_vs_docker, density_1000]
