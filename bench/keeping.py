# SPDX-License-Identifier: Apache-2.0
"""Rows: declared containers: how long until all of a directory run, after `kedge apply` and after a boot, and what it costs to keep them
so. Each engine has a network world of its own (tests/lib/network.py), and the containers are on its default bridge."""
import json
import os
import shutil
import socket
import subprocess
import time

import disk
import measure
import peers
import workplace
from many import in_parallel, listed_after, running
from measure import Target, paired
from peers import kedge

COMMAND = ["sleep", "100000"]
PROJECT = "kedgebench"


class Declared:
    """So many containers declared to an engine, which has their image: c0, c1, ... `more`: further fields of each declaration."""

    def __init__(self, engine, count, **more):
        self.engine, self.count, self.client = engine, count, engine.client()
        self.names = [f"c{number}" for number in range(count)]
        self.sources = engine.directory / "declared"
        self.sources.mkdir()
        for name in self.names:
            (self.sources / f"{name}.yaml").write_text(json.dumps({
                "image": engine.image, "command": COMMAND, "stopSignal": "KILL", "logging": {"driver": "json-file", "options": peers.LOG_LIMITS},
                **more}))

    def run_kedge(self, *words):
        peers.run_program([str(kedge.BIN / "kedge"), *map(str, words)], self.engine.daemon.client_environment())

    def apply(self):
        """Until all run."""
        self.run_kedge("apply", "-f", self.sources)
        kedge.wait_for(lambda: running(self.engine, self.client) == self.count, 60, 0.002)

    def withdraw(self):
        self.run_kedge("delete", *self.names)
        kedge.wait_for(lambda: not self.client.call("GET", "/containers/json?all=1"), 60)

    def close(self):
        """Of what is withdrawn; the engine goes on."""
        self.client.close()
        shutil.rmtree(self.sources)


# ---- a directory -----------------------------------------------------------------------------------------------------------------

class Composed:
    """The same containers as services of a compose file."""

    def __init__(self, engine, count):
        self.engine, self.count, self.client = engine, count, engine.client()
        service = {"image": engine.image, "command": COMMAND, "network_mode": "bridge", "logging": {"driver": "json-file", "options": peers.LOG_LIMITS},
                   "restart": "unless-stopped"}
        self.file = engine.directory / "compose.yml"
        self.file.write_text(json.dumps({"version": "2.4", "services": {f"c{number}": service for number in range(count)}}))

    def run_compose(self, *words):
        done = subprocess.run(["docker-compose", "--ansi", "never", "-p", PROJECT, "-f", self.file, *words],
                              env={**os.environ, "DOCKER_HOST": f"unix://{self.engine.socket}", "DOCKER_CONFIG": str(self.engine.directory)},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"docker-compose {' '.join(words)}: {done.stdout}")

    def apply(self):
        self.run_compose("up", "-d")
        if running(self.engine, self.client) != self.count:
            raise RuntimeError(f"docker-compose: {running(self.engine, self.client)} containers of {self.count} run")

    def withdraw(self):
        self.run_compose("down", "-t", "0")


def applied(side):
    """Seconds until all run; their end is not counted."""
    def once():
        begin = time.monotonic()
        side.apply()
        elapsed = time.monotonic() - begin
        side.withdraw()
        return elapsed
    return once


def reconcile_100(bench):
    """One command line on both sides, images present, no port."""
    count = 10 if bench.quick else 100
    ours = Declared(bench.in_net(peers.Kedge, "kedge-net"), count)
    theirs = Composed(bench.in_net(peers.Docker, "docker-net"), count)
    samples = paired(applied(ours), applied(theirs), bench.few, 0)
    bench.row("reconcile_100", "s", *samples, "docker-compose, docker", Target(ratio=0.15))
    ours.close()
    theirs.client.close()


# ---- boot ------------------------------------------------------------------------------------------------------------------------

def booted(engine, count):
    """Milliseconds from the start of the engine's first program until all run, on a machine that was switched off."""
    def once():
        engine.switch_off()
        return listed_after(engine.boot, engine, count)
    return once


def run_with_policy(engine, count):
    client = engine.client()
    for _ in range(count):
        body = engine.bridged(COMMAND)
        body["HostConfig"]["RestartPolicy"] = {"Name": "always"}
        engine.run_body(client, body)
    client.close()


def boot_restore_20(bench):
    """Declared containers, and the same with restart policies alone, as the peer has them."""
    count = 20
    declared, policies = (bench.fresh_in_net(peers.Kedge, title) for title in ("boot-kedge", "boot-policies"))
    docker = bench.fresh_in_net(peers.Docker, "boot-docker")
    kept = Declared(declared, count)
    kept.apply()
    for engine in (policies, docker):
        run_with_policy(engine, count)
    ours = booted(declared, count), booted(policies, count)
    mine, theirs = paired(lambda: [once() for once in ours], booted(docker, count), bench.few, 1)
    bench.row("boot_restore_20", "ms", [one for one, _ in mine], theirs, "containerd and dockerd", Target(ratio=0.15))
    bench.row("boot_restore_20_policies", "ms", [other for _, other in mine], theirs, "containerd and dockerd", Target(ratio=0.15))
    kept.client = declared.client()
    kept.withdraw()
    for engine in (declared, policies, docker):
        engine.close()


# ---- what it costs ---------------------------------------------------------------------------------------------------------------

HOUR, NETWORK = 3600, "idle"
IDLE, IDLE_SECONDS, INTERVAL = 50, 120, 30


class Idle:
    """An engine whose containers do nothing. They are on a network of their own, where names are answered, and their logs are sent to a
    receiver, so that whatever goes on running is there."""

    def __init__(self, bench, kind, count, interval):
        self.engine, self.count, self.interval = bench.fresh_in_net(kind, f"idle-{kind.name}"), count, interval
        self.account = workplace.Account(bench.place.group(f"idle-{kind.name}-engine"))
        for pid in self.engine.pids():
            self.account.add(pid)
        with self.engine.net.inside("host"):
            self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("127.0.0.1", 0))
        self.log = {"syslog-address": f"udp://127.0.0.1:{self.receiver.getsockname()[1]}"}
        self.client = self.engine.client()
        self.client.call("POST", "/networks/create", {"Name": NETWORK})
        self.make()

    def settle(self):
        kedge.wait_for(lambda: running(self.engine, self.client) == self.count, 120)
        time.sleep(self.interval + 5 if self.interval else 5)
        self.check()

    def check(self):
        """A figure is worth nothing if checks do not run, or if its account does not move: an engine may well use nothing at all."""
        before = self.account.seconds()
        self.client.call("GET", "/containers/json")
        if self.account.seconds() == before:
            raise RuntimeError(f"{self.engine.name}: an answer took no time of the processor: the account counts nothing")
        if self.interval:
            disk.check_health(self.client, [container["Id"] for container in self.client.call("GET", "/containers/json")], self.interval + 1)

    def begin(self):
        self.before, self.began = self.used(), time.monotonic()

    def used(self):
        """Seconds of the processor: of all that the engine and its containers have run, ended or not, and of each daemon and shim."""
        lasting = {pid: measure.processor_seconds(pid) for pid in self.engine.pids() if self.is_own(pid)}
        return self.account.seconds() + workplace.group_seconds(self.engine.group), lasting

    def end(self):
        """The same since the beginning, scaled to an hour: of all, and of daemons and shims."""
        (all_before, before), (all_now, now) = self.before, self.used()
        factor = HOUR / (time.monotonic() - self.began)
        return (all_now - all_before) * factor, sum(now[pid] - before[pid] for pid in now.keys() & before.keys()) * factor

    def close(self):
        self.client.close()
        self.receiver.close()
        self.engine.close()
        self.account.close()


class IdleKedge(Idle):
    def make(self):
        more = {"healthcheck": {"test": ["CMD", "true"], "interval": f"{self.interval}s"}} if self.interval else {}
        self.declared = Declared(self.engine, self.count, networkMode=NETWORK, logging={"driver": "syslog", "options": self.log}, **more)
        self.declared.apply()

    @staticmethod
    def is_own(pid):
        return measure.program(pid) in ("kedged", "kedge-shim")

    def check(self):
        super().check()
        if missing := {"kedge-dns", "kedge-log"} - {measure.program(pid) for pid in self.engine.pids()}:
            raise RuntimeError(f"{', '.join(missing)} does not run")

    def close(self):
        self.declared.withdraw()
        self.declared.close()
        super().close()


class IdleDocker(Idle):
    def make(self):
        more = {"Healthcheck": {"Test": ["CMD", "true"], "Interval": self.interval * 1_000_000_000}} if self.interval else {}
        body = self.engine.bridged(COMMAND, **more)
        body["HostConfig"].update(NetworkMode=NETWORK, LogConfig={"Type": "syslog", "Config": self.log})
        in_parallel(self.engine, range(self.count), lambda client, _: self.engine.run_body(client, body))

    @staticmethod
    def is_own(pid):
        return True


def idle_cpu(bench, interval):
    """Of each side, as Idle.end() has it; both at the same time, since they leave the machine almost idle."""
    count, seconds = (10, 10) if bench.quick else (IDLE, IDLE_SECONDS)
    sides = [IdleKedge(bench, peers.Kedge, count, interval), IdleDocker(bench, peers.Docker, count, interval)]
    for side in sides:
        side.settle()
    for side in sides:
        side.begin()
    time.sleep(seconds)
    used = [side.end() for side in sides]
    for side in sides:
        side.check()
        side.close()
    return used


def reconcile_idle_cpu(bench):
    """Seconds of the processor in an hour. With checks, what the checks run is most of it."""
    (ours, _), (theirs, _) = idle_cpu(bench, 0)
    bench.row("reconcile_idle_cpu", "s/h", [ours], [theirs], "dockerd, containerd", Target(2, unit="s/h"))
    (ours, own), (theirs, their_own) = idle_cpu(bench, 5 if bench.quick else INTERVAL)
    bench.row("reconcile_idle_cpu_health", "s/h", [ours], [theirs], "dockerd, containerd", Target(90, unit="s/h"))
    bench.row("reconcile_idle_cpu_health_own", "s/h", [own], [their_own], "dockerd, containerd, shims", Target(6, unit="s/h"))


ROWS = [reconcile_100, boot_restore_20, reconcile_idle_cpu]
