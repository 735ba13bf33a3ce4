# SPDX-License-Identifier: Apache-2.0
"""Ports of containers without IPv6, asked for over IPv6: their shims relay them, whatever becomes of kedged."""
import http.client
import json
import pathlib
import socket

import pytest

import kedge
import network
import shim

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


def publish(daemon, network=None, **host):
    bindings = {f"80/{protocol}": [{"HostPort": "8080"}] for protocol in ("tcp", "udp")}
    return daemon.run_container(["peer", "80", "web"], image="peer:test", ExposedPorts={port: {} for port in bindings},
                                NetworkingConfig={"EndpointsConfig": {host["NetworkMode"]: network}} if network else None,
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


# ---- an address that another container gets ---------------------------------------------------------------------------------------

ADDRESS = "10.77.0.9"


@pytest.fixture
def moving(net, daemon):
    """A container with relayed ports at ADDRESS; to be called, it leaves that for another network, and somebody else gets it."""
    made = []

    def make(name, subnet):
        daemon.api.post("/networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}})
        made.append(name)

    make("first", "10.77.0.0/24")
    make("second", "10.77.1.0/24")
    identity = publish(daemon, NetworkMode="first", network={"IPAMConfig": {"IPv4Address": ADDRESS}})

    def take_over():
        other = daemon.run_container(["peer", "80", "other"], image="peer:test", host={"NetworkMode": "first"},
                                     NetworkingConfig={"EndpointsConfig": {"first": {"IPAMConfig": {"IPv4Address": ADDRESS}}}})
        assert net.ask_until("host", ADDRESS, 80).name == "other"
        return other

    def move():
        daemon.api.post("/networks/second/connect", {"Container": identity})
        daemon.api.post("/networks/first/disconnect", {"Container": identity})
        return take_over()

    move.identity, move.take_over = identity, take_over
    yield move
    daemon.remove_all()
    for name in made:
        daemon.api.delete(f"/networks/{name}")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_an_address_that_was_left_is_not_relayed_to(net, daemon, moving, protocol):
    """Its next owner has published nothing."""
    assert net.ask_until("host", "::1", 8080, protocol).name == "web"
    old = relays(daemon)
    moving()
    kedge.wait_for(lambda: not set(old) & set(relays(daemon)))
    assert net.ask_until("host", "::1", 8080, protocol).name == "web"
    assert net.ask_until("client", HOST6, 8080, protocol).name == "web"
    daemon.kill()
    daemon.start()
    assert net.ask_until("host", "::1", 8080, protocol).name == "web"


def test_kedged_dies_before_it_says_that_an_address_was_left(net, daemon, moving):
    assert net.ask_until("host", "::1", 8080).name == "web"
    daemon.api.post("/networks/second/connect", {"Container": moving.identity})
    old = relays(daemon)
    daemon.stop()
    daemon.environment = {"KEDGE_FAULT": "engine.network.relay:2:kill"}  # the first one is at its start
    daemon.start()
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.api.post("/networks/first/disconnect", {"Container": moving.identity})
    daemon.process.wait(30)
    assert relays(daemon) == old != []
    daemon.environment = {}
    daemon.start()
    kedge.wait_for(lambda: not set(old) & set(relays(daemon)))
    assert net.ask_until("host", "::1", 8080).name == "web"


def test_an_address_of_which_the_shim_could_not_be_told_stays_taken(net, daemon, moving):
    assert net.ask_until("host", "::1", 8080).name == "web"
    daemon.api.post("/networks/second/connect", {"Container": moving.identity})
    daemon.stop()
    daemon.environment = {"KEDGE_FAULT": "engine.network.relay:2:fail"}
    daemon.start()
    daemon.api.post("/networks/first/disconnect", {"Container": moving.identity})
    with pytest.raises(kedge.ApiError, match="Address already in use"):
        moving.take_over()
    daemon.environment = {}
    daemon.restart()
    moving.take_over()
    assert net.ask_until("host", "::1", 8080).name == "web"


def test_a_shim_that_cannot_be_told_keeps_its_container_from_leaving(net, daemon, moving):
    """It is of an earlier version: what the run was begun with does not say that it can."""
    assert net.ask_until("host", "::1", 8080).name == "web"
    daemon.kill()
    written = daemon.run_directory / "containers" / moving.identity / "network.json"
    run = json.loads(written.read_text())
    run.pop("relayFollows", None)
    written.write_text(json.dumps(run))
    daemon.start()
    with pytest.raises(kedge.ApiError, match="earlier version"):
        moving()
    assert net.ask_until("host", "::1", 8080).name == "web"
    daemon.api.post(f"/containers/{moving.identity}/restart?t=0")
    daemon.api.post("/networks/first/disconnect", {"Container": moving.identity})
    moving.take_over()
    assert net.ask_until("host", "::1", 8080).name == "web"


def test_nobody_is_relayed_while_a_container_has_no_address(net, daemon, moving):
    assert net.ask_until("host", "::1", 8080).name == "web"
    old = relays(daemon)
    moving()
    daemon.api.post("/networks/second/disconnect", {"Container": moving.identity})
    kedge.wait_for(lambda: not set(old) & set(relays(daemon)))
    for where in ("host", "::1"), ("client", HOST6):
        assert not net.reaches(*where, 8080)
    daemon.api.post("/networks/second/connect", {"Container": moving.identity})
    assert net.ask_until("host", "::1", 8080).name == "web"


def test_the_next_kedged_says_again_where_to_relay_to(net, daemon, moving):
    """The last one may have died before it could."""
    moving()
    assert net.ask_until("host", "::1", 8080).name == "web"
    daemon.kill()
    old = relays(daemon)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(daemon.run_directory / "containers" / moving.identity / "shim.sock"))
        shim.Connection(connection).relay(ADDRESS)
        kedge.wait_for(lambda: not set(old) & set(relays(daemon)))
    assert net.ask_until("host", "::1", 8080).name == "other"
    daemon.start()
    assert kedge.wait_for(lambda: net.ask_until("host", "::1", 8080).name == "web")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_one_that_was_started_where_nothing_leads_out(net, daemon, protocol):
    """Its ports are kept for it, and lead to it as soon as it is connected to a network that they can lead through."""
    daemon.api.post("/networks/create", {"Name": "sealed", "Internal": True})
    identity = publish(daemon, NetworkMode="sealed")
    for where in ("host", "::1"), ("client", HOST6), ("client", HOST4):
        assert not net.reaches(*where, 8080, protocol)
    for _ in range(2):
        daemon.api.post("/networks/bridge/connect", {"Container": identity})
        for where in ("host", "::1"), ("client", HOST6), ("client", HOST4):
            assert net.ask_until(*where, 8080, protocol).name == "web"
        old = relays(daemon)
        daemon.api.post("/networks/bridge/disconnect", {"Container": identity})
        kedge.wait_for(lambda: not set(old) & set(relays(daemon)))
        assert not net.reaches("host", "::1", 8080, protocol)
    daemon.api.delete(f"/containers/{identity}?force=1")
    daemon.api.delete("/networks/sealed")
