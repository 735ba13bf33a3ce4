# SPDX-License-Identifier: Apache-2.0
"""Ports of containers without IPv6, asked for over IPv6: their shims relay them, whatever becomes of kedged."""
import pathlib

import pytest

import network

HOST6, HOST4 = "2001:db8:1::1", "192.0.2.1"


@pytest.fixture(scope="module")
def net():
    with network.Net() as it:
        yield it


@pytest.fixture(scope="module")
def daemon(net):
    it = net.daemon().start()
    network.load_peer(it)
    return it


def relays(daemon):
    return [number for number, words in network.processes_of(daemon).items() if "--relay " in words]


def publish(daemon, **host):
    bindings = {f"80/{protocol}": [{"HostPort": "8080"}] for protocol in ("tcp", "udp")}
    return daemon.run_container(["peer", "80", "web"], image="peer:test", ExposedPorts={port: {} for port in bindings},
                                host={"NetworkMode": "bridge", "PortBindings": bindings, **host})


def gateway_of(daemon, identity):
    return daemon.inspect(identity)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]


@pytest.mark.parametrize("runtime", [None, "crun", "runc"])
def test_over_ipv6_to_a_container_without(net, daemon, runtime):
    """From the host and from outside; a relay is started by who comes first, and the container sees its gateway."""
    identity = publish(daemon, Runtime=runtime or "")
    assert net.ask_until("client", HOST4, 8080).peer == "192.0.2.2"
    assert relays(daemon) == []
    for protocol in ("tcp", "udp"):
        for side, address in (("host", "::1"), ("client", HOST6), ("host", HOST6)):
            answer = net.ask(side, address, 8080, protocol)
            assert (answer.name, answer.peer) == ("web", gateway_of(daemon, identity)), (protocol, side, address)
        assert net.ask("client", HOST4, 8080, protocol).peer == "192.0.2.2"
    assert len(relays(daemon)) == 1
    daemon.api.delete(f"/containers/{identity}?force=1")
    assert relays(daemon) == []
    assert not net.reaches("host", "::1", 8080)


def test_kedged_is_killed_meanwhile(net, daemon):
    identity = publish(daemon)
    net.ask_until("host", "::1", 8080)
    shim = relays(daemon)
    daemon.kill()
    assert net.ask("host", "::1", 8080).name == "web" and net.ask("client", HOST6, 8080, "udp").name == "web"
    daemon.start()
    assert relays(daemon) == shim and net.ask("host", "::1", 8080).name == "web"
    daemon.api.post(f"/containers/{identity}/restart?t=0")  # while its old connections linger
    assert net.ask_until("host", "::1", 8080).name == "web"
    daemon.api.delete(f"/containers/{identity}?force=1")


def test_thousands_of_ports(net, daemon):
    """More than a process has descriptors free at first; each of them is taken on the host, and leads to the container."""
    count = 2000
    bindings = {f"{1000 + number}/tcp": [{"HostPort": str(30000 + number)}] for number in range(count)}
    identity = daemon.run_container(["peer", str(1000 + count - 1), "last"], image="peer:test", ExposedPorts={port: {} for port in bindings},
                                    host={"NetworkMode": "bridge", "PortBindings": bindings})
    assert net.ask_until("client", HOST4, 30000 + count - 1).name == "last"
    assert net.ask_until("host", "::1", 30000 + count - 1).name == "last"
    pid = daemon.inspect(identity)["State"]["Pid"]
    own = [one for one in pathlib.Path(f"/proc/{pid}/fd").iterdir() if one.readlink().name.startswith("socket:")]
    assert len(own) == 2  # those that the peer has made
    daemon.api.delete(f"/containers/{identity}?force=1")
