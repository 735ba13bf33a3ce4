# SPDX-License-Identifier: Apache-2.0
"""A network namespace and bound sockets that kedge-shim is handed."""
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

import execs
import kedge
import namespaces
import shim

runtimes = pytest.mark.parametrize("runtime", ["crun", "runc"])


@pytest.fixture
def space():
    it = namespaces.Namespace()
    it.run("ip", "link", "add", "mark0", "type", "veth", "peer", "name", "mark1")
    yield it
    it.close()


@pytest.fixture
def container():
    made = []

    def make(*command, space=None, **options):
        it = shim.Container(*command, **options)
        made.append(it)
        if space:
            it.config["linux"]["namespaces"] = [one for one in it.config["linux"]["namespaces"] if one["type"] != "network"]
            it.handed.append(space.fd)
            it.options["netns-fd"] = 4
        return it

    yield make
    for it in made:
        it.close()


def hold(it, sockets):
    """After a namespace, as kedged hands them."""
    it.options.update({"held-fd": 4 + len(it.handed), "held-count": len(sockets)})
    it.handed += [one.fileno() for one in sockets]


def links(text):
    return set(re.findall(r"^\s*(\S+):", text, re.M)) - {"Inter-|", "face"}


LINKS = ["cat", "/proc/net/dev"]


@runtimes
def test_the_container_is_in_the_namespace_that_the_shim_was_handed(container, space, runtime):
    it = container("sh", "-c", "cat /proc/net/dev; ls /sys/class/net; sleep 1000", space=space, runtime=runtime).start()
    status = it.started()
    kedge.wait_for(lambda: it.logged().endswith("mark1\n"))
    assert "mark0:" in it.logged()
    assert os.stat(f"/proc/{status.pid}/ns/net").st_ino == space.inode
    assert os.stat(f"/proc/{it.process.pid}/ns/net").st_ino == space.inode
    it.connection.exec(1, it.process_file(*LINKS))  # a health check's way
    assert "mark0" in links(it.connection.exec_result()[3].decode())


def test_a_terminal_is_in_the_namespace_as_well(container, space):
    it = container(*LINKS, space=space)
    it.config["process"]["terminal"] = True
    it.switches = ["--terminal"]
    it.start()
    it.exited()
    assert "mark0:" in it.logged()


def test_without_one_the_runtime_makes_it(container):
    it = container("sleep", "1000").start()
    pid = it.started().pid
    own = os.stat("/proc/self/ns/net").st_ino
    assert os.stat(f"/proc/{pid}/ns/net").st_ino != own == os.stat(f"/proc/{it.process.pid}/ns/net").st_ino


def test_the_namespace_lives_no_longer_than_the_container(container, space):
    """Nothing but the shim and the container have it, and what was in it goes with them."""
    outside = namespaces.Namespace()
    try:
        outside.link("outside0", space, "inside0")
        it = container("sleep", "1000", space=space).start()
        it.started()
        space.close()
        assert "outside0" in links(outside.run(*LINKS))
        it.connection.signal(9)
        it.exited()
        it.wait()
        kedge.wait_for(lambda: "outside0" not in links(outside.run(*LINKS)))
    finally:
        outside.close()


def test_something_else_than_a_namespace(container, space):
    with open("/dev/null") as file:
        it = container("true", space=space)
        it.handed[0] = file.fileno()
        it.start()
        status = it.connection.expect(shim.FAILED)
    assert "network namespace" in status.error and "Invalid argument" in status.error
    it.wait()
    assert it.remains() == []


def bound(count, kind=socket.SOCK_STREAM):
    made = []
    for _ in range(count):
        made.append(socket.socket(socket.AF_INET, kind))
        made[-1].bind(("127.0.0.1", 0))
    return made


def sockets_of(pid):
    found = []
    for one in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(one)
        except OSError:
            continue
        if target.startswith("socket:"):
            found.append(target)
    return found


def is_taken(port, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


@runtimes
@pytest.mark.parametrize("count", [2, 3000])
def test_held_sockets_stay_as_long_as_the_shim(container, space, runtime, count):
    """With the namespace and without: no process that the shim starts has one, and the ports are free at the end."""
    it = container("sh", "-c", "ls -l /proc/self/fd; sleep 1000", space=space if count == 2 else None, runtime=runtime)
    held = bound(count - 1) + bound(1, socket.SOCK_DGRAM)
    ports = [(one.getsockname()[1], one.type) for one in held]
    hold(it, held)
    it.start()
    for one in held:
        one.close()
    pid = it.started().pid
    assert all(is_taken(*port) for port in ports)
    it.connection.exec(1, it.process_file("sh", "-c", "ls -l /proc/self/fd"))
    assert b"socket:" not in it.connection.exec_result()[3]
    assert sockets_of(pid) == [] and len(sockets_of(it.process.pid)) >= count
    kedge.wait_for(lambda: it.logged())
    assert "socket:" not in it.logged()
    it.connection.signal(9)
    it.exited()
    it.wait()
    assert not any(is_taken(*port) for port in ports)


DRAIN_NS = 200_000_000  # how long the shim waits for output that others hold open


def test_held_sockets_stay_until_the_end_is_told(container):
    """Who is told of a free port may have it; kedged, which is told of nothing yet, would still send its packets to the old container."""
    it = container("sh", "-c", "sleep 1000 & echo ready; exec sleep 1000")  # without a pid namespace, the first one outlives the container's init
    it.config["linux"]["namespaces"] = [one for one in it.config["linux"]["namespaces"] if one["type"] != "pid"]
    held = bound(1)
    port = held[0].getsockname()[1]
    hold(it, held)
    it.start()
    held[0].close()
    it.started()
    kedge.wait_for(lambda: it.logged())
    it.connection.signal(9)
    kedge.wait_for(lambda: not is_taken(port))
    free_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert free_ns - it.exited().finished >= DRAIN_NS
    it.wait()


def test_held_sockets_are_free_when_a_failed_start_is_told(container, tmp_path):
    """Whoever hears of it may start another one at the port, while the shim still removes what the runtime has left."""
    runtime = tmp_path / "runtime"
    runtime.write_text('#!/bin/sh\nfor word; do [ "$word" = delete ] && exec sleep 1000; done\nexit 1\n')
    runtime.chmod(0o755)
    it = container("true", runtime=runtime)
    held = bound(1)
    port = held[0].getsockname()[1]
    hold(it, held)
    it.start()
    held[0].close()
    it.connection.expect(shim.FAILED)
    assert not is_taken(port)
    it.wait()


@pytest.fixture(scope="module")
def daemon():
    it = kedge.Daemon().start()
    it.load_busybox()
    it.other = it.run_container(["sleep", "1000"])
    yield it
    it.close()


@pytest.mark.parametrize("runtime", [None, "crun", "runc"])
@pytest.mark.parametrize("terminal", [False, True])
def test_another_ones_network_is_entered_by_the_shim(daemon, runtime, terminal):
    """By whoever starts it, and by commands and health checks in it; config.json has no network then."""
    look = ["busybox", "readlink", "/proc/self/ns/net"]
    expected = f"net:[{os.stat(f'/proc/{pid_of(daemon, daemon.other)}/ns/net').st_ino}]"
    identity = daemon.run_container(["sh", "-c", "busybox readlink /proc/self/ns/net; sleep 1000"], Tty=terminal,
                                    Healthcheck={"Test": ["CMD", *look], "Interval": 100_000_000},
                                    host={"NetworkMode": f"container:{daemon.other}", "Runtime": runtime or ""})
    kedge.wait_for(lambda: expected in (daemon.terminal_log(identity).decode() if terminal else daemon.log_text(identity)))
    assert execs.text(daemon, identity, look) == (f"{expected}\n", 0)
    health = kedge.wait_for(lambda: daemon.inspect(identity)["State"]["Health"]["Log"])
    assert health[0]["Output"].strip() == expected
    pid = pid_of(daemon, identity)
    parent = re.search(r"PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]
    words = pathlib.Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
    assert (b"--planned" in words) == (not runtime and not terminal)
    config = json.loads((daemon.run_directory / "containers" / identity / "config.json").read_text())
    assert "network" not in [one["type"] for one in config["linux"]["namespaces"]]
    assert sockets_of(pid) == []
    daemon.api.delete(f"/containers/{identity}?force=1")


def test_settings_of_another_ones_network_are_the_runtimes(daemon):
    """They belong to the namespace, which is joined by its path then."""
    identity = daemon.run_container(["cat", "/proc/sys/net/core/somaxconn"], host={
        "NetworkMode": f"container:{daemon.other}", "Sysctls": {"net.core.somaxconn": "77"}})
    assert daemon.wait(identity) == 0
    assert daemon.log_text(identity) == "77\n" == execs.text(daemon, daemon.other, ["cat", "/proc/sys/net/core/somaxconn"])[0]
    daemon.api.delete(f"/containers/{identity}?force=1")


def pid_of(daemon, identity):
    return daemon.inspect(identity)["State"]["Pid"]
