# SPDX-License-Identifier: Apache-2.0
"""Published ports of containers with traffic from everywhere: the client beyond the host, the host itself, its loopback, other containers."""
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

import kedge
import network
from peers import address_of, asks, ports, run_peer

HOST4, HOST6 = "192.0.2.1", "2001:db8:1::1"
OTHER4 = "198.51.100.1"  # the host as the LAN sees it
PROTOCOLS = ("tcp", "udp")


# ---- from where ------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_from_outside_with_the_clients_address(net, daemon, protocol):
    run_peer(daemon, "web", f"8080:80/{protocol}")
    answer = net.ask("client", HOST4, 8080, protocol)
    assert (answer.name, answer.peer) == ("web", "192.0.2.2")
    assert net.ask("lan", OTHER4, 8080, protocol).peer == "198.51.100.2"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("address", ["127.0.0.1", HOST4, "::1", HOST6])
def test_from_the_host_itself(net, daemon, protocol, address):
    """The default network has no IPv6: there the shim relays."""
    run_peer(daemon, "web", f"8080:80/{protocol}")
    assert net.ask("host", address, 8080, protocol).name == "web"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_over_ipv6_from_outside_to_a_container_without_it(net, daemon, protocol):
    run_peer(daemon, "web", f"8080:80/{protocol}")
    assert net.ask("client", HOST6, 8080, protocol).name == "web"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_hairpin(net, daemon, protocol):
    """From another container of the network, and from the container itself, through the host's address."""
    web = run_peer(daemon, "web", f"8080:80/{protocol}")
    other = run_peer(daemon, "other")
    assert asks(daemon, other, HOST4, 8080, protocol).name == "web"
    assert asks(daemon, web, HOST4, 8080, protocol).name == "web"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_address_alone(net, daemon, protocol):
    run_peer(daemon, "web", f"{HOST4}:8080:80/{protocol}")
    assert net.ask("client", HOST4, 8080, protocol).name == "web"
    assert not net.reaches("lan", OTHER4, 8080, protocol)
    assert not net.reaches("host", "127.0.0.1", 8080, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_loopback_alone(net, daemon, protocol):
    run_peer(daemon, "web", f"127.0.0.1:8080:80/{protocol}")
    assert net.ask("host", "127.0.0.1", 8080, protocol).name == "web"
    assert not net.reaches("client", HOST4, 8080, protocol)


def test_the_way_out_is_masqueraded(net, daemon):
    net.serve("uplink", 7000, "internet")
    identity = run_peer(daemon, "web")
    answer = asks(daemon, identity, network.OUTSIDE, 7000)
    assert (answer.name, answer.peer) == ("internet", "203.0.113.2")


def test_what_is_not_published_is_not_reached(net, daemon):
    identity = run_peer(daemon, "web", "8080:80")
    address = address_of(daemon, identity)
    assert net.ask("host", address, 80).name == "web"
    assert not net.reaches("client", address, 80)
    assert not net.reaches("client", HOST4, 80)


# ---- which port ------------------------------------------------------------------------------------------------------------------

def test_ranges_and_free_ports(net, daemon):
    first = run_peer(daemon, "first", "9000-9002:80")
    second = run_peer(daemon, "second", "9000-9002:80")
    seen = [daemon.inspect(identity)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] for identity in (first, second)]
    assert seen == ["9000", "9001"]
    free = run_peer(daemon, "free", ":80/tcp", ":80/udp")
    shown = daemon.inspect(free)["NetworkSettings"]["Ports"]
    for protocol in PROTOCOLS:
        both = {binding["HostPort"] for binding in shown[f"80/{protocol}"]}
        assert len(both) == 1, "one number for IPv4 and IPv6"
        assert net.ask("client", HOST4, int(both.pop()), protocol).name == "free"


def test_all_exposed_ports(net, daemon):
    body = {"Image": "peer:test", "Cmd": ["peer", "80", "all"], "ExposedPorts": {"80/tcp": {}, "80/udp": {}}, "HostConfig": {"PublishAllPorts": True}}
    identity = daemon.start_container(daemon.api.post("/containers/create", body)["Id"])
    shown = daemon.inspect(identity)["NetworkSettings"]["Ports"]
    for protocol in PROTOCOLS:
        assert net.ask_until("client", HOST4, int(shown[f"80/{protocol}"][0]["HostPort"]), protocol).name == "all"


def test_a_port_that_is_taken_names_its_holder(net, daemon):
    run_peer(daemon, "web", "8080:80")
    with pytest.raises(kedge.ApiError, match=r'port is already allocated: container \\"web\\" has it') as refused:
        run_peer(daemon, "late", "8080:80")
    assert refused.value.status == 500
    assert daemon.inspect("late")["State"]["Status"] == "created"
    server = net.serve("host", 7070, "own")
    with pytest.raises(kedge.ApiError, match=rf"address already in use: process {server.pid} \(peer\) has it"):
        run_peer(daemon, "later", "7070:80")


def test_the_host_cannot_take_a_published_port(net, daemon):
    run_peer(daemon, "web", "8080:80/tcp", "8080:80/udp")
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with net.inside("host"), socket.socket(socket.AF_INET, kind) as late:
            late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                late.bind(("0.0.0.0", 8080))


def test_a_port_is_free_as_soon_as_its_container_has_stopped(net, daemon):
    for turn in range(5):
        identity = run_peer(daemon, f"turn{turn}", "8080:80/tcp", "8080:80/udp")
        assert net.ask("host", "::1", 8080).name == f"turn{turn}"  # the relay is at work
        daemon.api.post(f"/containers/{identity}/kill")
        daemon.wait(identity)


def lingering(net, address, port):
    """A connection that a program of the host has served and closed first, at a port where nobody listens any more."""
    with net.inside("host"):
        server = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        with server, socket.create_connection((address, port)) as client:
            served, _ = server.accept()
            served.close()
            assert client.recv(1) == b""


@pytest.mark.parametrize("published", ["8075:80", "127.0.0.1:8075:80"])
def test_a_port_where_connections_linger(net, daemon, published):
    """And nobody else gets it: neither who reuses addresses, nor another container."""
    lingering(net, "127.0.0.1", 8075)
    run_peer(daemon, "web", published)
    assert net.ask("host", "127.0.0.1", 8075).name == "web"
    with net.inside("host"), socket.socket() as late:
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            late.bind(("127.0.0.1", 8075))
            late.listen()
    with pytest.raises(kedge.ApiError, match=r'port is already allocated: container \\"web\\" has it'):
        run_peer(daemon, "late", "127.0.0.1:8075:80")


def test_a_port_where_connections_linger_and_somebody_listens(net, daemon):
    lingering(net, "127.0.0.9", 8076)
    with net.inside("host"):
        listening = socket.create_server(("127.0.0.1", 8076))
    with listening, pytest.raises(kedge.ApiError, match=rf"address already in use: process {os.getpid()} \(.*\) has it"):
        run_peer(daemon, "late", "8076:80")


# ---- whatever becomes of kedged --------------------------------------------------------------------------------------------------

def test_a_port_that_was_given_on_before_kedged_knew(net, daemon):
    """Its first container's shim is gone, and its socket with it; the second one's start is asked for before kedged has heard of that."""
    first = run_peer(daemon, "web", "8080:80")
    second = daemon.api.post("/containers/create?name=late", {
        "Image": "peer:test", "Cmd": ["peer", "80", "late"], "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}})["Id"]
    shim = parent_of(daemon.inspect(first)["State"]["Pid"])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(b"GET /_ping HTTP/1.1\r\nHost: kedge\r\n\r\n")
        assert client.recv(65536)
        daemon.process.send_signal(signal.SIGSTOP)
        client.sendall(f"POST /containers/{second}/start HTTP/1.1\r\nHost: kedge\r\nContent-Length: 0\r\n\r\n".encode())
        os.kill(shim, signal.SIGKILL)
        kedge.wait_for(lambda: has_ended(shim))
        daemon.process.send_signal(signal.SIGCONT)
        assert b" 204 " in client.recv(65536).partition(b"\r\n")[0]
    assert net.ask_until("client", HOST4, 8080).name == "late"


def parent_of(pid):
    return int(re.search(r"PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def has_ended(pid):
    """Its descriptors are closed; whoever started it may not know yet."""
    try:
        return "State:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_ports_survive_kedged(net, daemon):
    run_peer(daemon, "web", "8080:80/tcp", "8080:80/udp")
    daemon.kill()
    try:
        for protocol in PROTOCOLS:
            assert net.ask("client", HOST4, 8080, protocol).peer == "192.0.2.2"
            assert net.ask("host", "::1", 8080, protocol).name == "web"
        with net.inside("host"), socket.socket() as late, pytest.raises(OSError, match="in use"):
            late.bind(("0.0.0.0", 8080))
    finally:
        daemon.start()
    assert net.ask("client", HOST4, 8080).name == "web"
    assert daemon.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": "8080"}
    with pytest.raises(kedge.ApiError, match=r'container \\"web\\" has it'):
        run_peer(daemon, "late", "8080:80")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_ports_of_many_survive_kedged(net, daemon, how):
    """One of them has ended meanwhile and is started again, while others are still looked at."""
    names = ["one", "two", "three"]
    for number, name in enumerate(names):
        policy = {"Name": "always" if name == "one" else "no"}
        run_peer(daemon, name, f"{8080 + number}:80/tcp", f"{8080 + number}:80/udp", RestartPolicy=policy)
    before = [line for line in net.elements() if "808" in line]
    assert len(before) == 4 * len(names)  # of IPv4, and those that are relayed
    pid = daemon.inspect("one")["State"]["Pid"]
    daemon.stop(how)
    try:
        subprocess.run(["kill", "-KILL", str(pid)], check=True)
    finally:
        daemon.start()
    for number in (1, 2):
        assert net.ask("client", HOST4, 8080 + number).name == names[number]
    assert net.ask_until("client", HOST4, 8080).name == "one"
    assert len([line for line in net.elements() if "808" in line]) == len(before)
    assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}


def test_a_container_that_ended_without_kedged_has_no_port(net, daemon):
    identity = run_peer(daemon, "web", "8080:80")
    pid = daemon.inspect(identity)["State"]["Pid"]
    daemon.kill()
    try:
        subprocess.run(["kill", "-KILL", str(pid)], check=True)
    finally:
        daemon.start()
    kedge.wait_for(lambda: daemon.inspect(identity)["State"]["Status"] == "exited")
    kedge.wait_for(lambda: not [line for line in net.elements() if "8080" in line])
    run_peer(daemon, "next", "8080:80")
    assert net.ask("client", HOST4, 8080).name == "next"


def test_a_start_that_fails_leaves_nothing(net, daemon):
    run_peer(daemon, "web", "8080:80")
    body = {"Image": "peer:test", "Cmd": ["/nope"], "HostConfig": {"PortBindings": ports("8081:80")}}
    identity = daemon.api.post("/containers/create", body)["Id"]
    with network.Leaks(daemon), pytest.raises(kedge.ApiError, match="nope"):
        daemon.start_container(identity)


def test_a_life_leaves_nothing(net, daemon):
    run_peer(daemon, "warm", "8079:80")
    daemon.kill()
    daemon.start()
    with network.Leaks(daemon):
        for turn in range(3):
            identity = run_peer(daemon, "web", "8080:80/tcp", "8080:80/udp")
            daemon.api.delete(f"/containers/{identity}?force=1")
            identity = run_peer(daemon, "web", "8080:80/tcp")
            daemon.kill()
            daemon.start()
            daemon.api.delete(f"/containers/{identity}?force=1")
