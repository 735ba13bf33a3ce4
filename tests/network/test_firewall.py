# SPDX-License-Identifier: Apache-2.0
"""A real kedged and the host's firewall: its table taken away, other rulesets in the way, flows of ports that have moved."""
import contextlib
import os
import shutil
import socket
import subprocess

import pytest

import host
import kedge
import network
import test_foreign

HOST4 = "192.0.2.1"
PROTOCOLS = ("tcp", "udp")


@pytest.fixture
def net():
    with network.Net() as net:
        yield net


@pytest.fixture
def daemon(net):
    daemon = net.daemon().start()
    network.load_peer(daemon)
    return daemon


def run(daemon, name, *ports, network_name="bridge", warnings=False):
    """A container that answers at its port 80; ports: of the host, tcp and udp."""
    bindings = {f"80/{protocol}": [{"HostPort": str(port)} for port in ports] for protocol in PROTOCOLS} if ports else {}
    made = daemon.api.post(f"/containers/create?name={name}", {
        "Image": "peer:test", "Cmd": ["peer", "80", name], "ExposedPorts": {key: {} for key in bindings},
        "HostConfig": {"PortBindings": bindings, "NetworkMode": network_name}})
    daemon.start_container(made["Id"])
    kedge.wait_for(lambda: "ready" in daemon.log_text(made["Id"]))
    return made["Warnings"] if warnings else made["Id"]


def answers(net, port, name, side="client", address=HOST4):
    return all(net.ask(side, address, port, protocol).name == name for protocol in PROTOCOLS)


def soon(net, port, name="web"):
    """Within a moment; what is asked meanwhile may be refused."""
    for protocol in PROTOCOLS:
        assert net.ask_until("client", HOST4, port, protocol).name == name


def ways(net, daemon, port):
    """In from outside and from the host; out, by the container's name server's way."""
    assert answers(net, port, "web")
    assert answers(net, port, "web", "host", "127.0.0.1")
    assert asks_outside(net, daemon)


def asks_outside(net, daemon):
    """A container asks somebody beyond the host, and is seen under the host's address."""
    identity = daemon.api.get("/containers/json")[0]["Id"]
    pid = daemon.inspect(identity)["State"]["Pid"]
    done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "curl", "-s", "-m", "2", f"http://{network.OUTSIDE}:9000/"],
                          stdout=subprocess.PIPE, text=True)
    return "203.0.113.2" in done.stdout


def table_of(net, daemon):
    return daemon.api.get("/kedge/v1/system/firewall")["Table"]


def firewall(daemon):
    return daemon.api.get("/kedge/v1/system/firewall")


# ---- the table is taken away

@pytest.mark.parametrize("flush", ["flush ruleset", "delete table inet {}", "flush table inet {}", "flush map inet {} published4"])
def test_a_flush_is_mended_at_once(net, daemon, flush):
    run(daemon, "web", 8080, 8081)
    before = net.run("host", "nft", "list", "ruleset").out
    with net.inside("client"):
        client = socket.create_connection((HOST4, 8080), timeout=10)
    net.run("host", "nft", *flush.format(table_of(net, daemon)).split())
    kedge.wait_for(lambda: net.run("host", "nft", "list", "ruleset").out == before, 10, 0.01)
    soon(net, 8080)
    soon(net, 8081)
    # a connection that was there goes on
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert b"web 192.0.2.2" in client.recv(1000)
    client.close()


def lose_table(net, directory, script, marks):
    """A kedged with a container at port 8080 and an nft of this script, from which the table is taken while these files (with their text;
    {} is the table) are there."""
    program = directory / "nft"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    daemon = net.daemon(environment={"PATH": f"{directory}:{os.environ['PATH']}"}).start()
    network.load_peer(daemon)
    run(daemon, "web", 8080)
    for mark, text in marks.items():
        mark.write_text(text.format(table_of(net, daemon)))
    net.run("host", "nft", "delete", "table", "inet", table_of(net, daemon))
    return daemon


def test_a_flush_that_could_not_be_mended_is_not_forgotten(net, tmp_path):
    """nft fails for a while."""
    mark = tmp_path / "broken"
    daemon = lose_table(net, tmp_path, f'[ -e {mark} ] && exit 1; PATH=${{PATH#*:}} exec nft "$@"', {mark: ""})
    kedge.wait_for(lambda: "could not be loaded" in daemon.log())
    mark.unlink()
    found = daemon.kedge("system", "check", check=False)
    assert found.returncode == 1 and b"packet filter" in found.stdout, found.stdout
    assert not net.reaches("client", HOST4, 8080, timeout=0.3)  # a check only looks
    daemon.kedge("system", "check", "--repair")
    soon(net, 8080)


@pytest.mark.parametrize("flush, times, seconds", [("flush ruleset", 1, 15), ("flush table inet {}", 1, 15), ("flush chain inet {} arriving", 1, 15),
                                                   ("flush ruleset", 2, 90)])
def test_a_flush_while_the_table_is_loaded_is_mended(net, tmp_path, flush, times, seconds):
    """Behind nft's work, and before it has ended, somebody takes it apart: at once, and where the second load is spoilt as well, later."""
    marks = {tmp_path / f"flush{number}": flush for number in range(times)}
    script = f'PATH=${{PATH#*:}}; nft "$@" || exit; for mark in {tmp_path}/flush*; do [ -e $mark ] || exit 0; nft $(cat $mark); sleep 0.5; rm $mark; exit; done'
    lose_table(net, tmp_path, script, marks)
    kedge.wait_for(lambda: not any(mark.exists() for mark in marks))
    for protocol in PROTOCOLS:
        assert net.ask_until("client", HOST4, 8080, protocol, seconds=seconds).name == "web"


def test_a_flush_while_nobody_watches(net, daemon):
    """kedged is dead meanwhile: the next one makes the table again, without a container's start."""
    run(daemon, "web", 8080)
    before = net.run("host", "nft", "list", "ruleset").out
    daemon.kill()
    assert answers(net, 8080, "web")  # nobody is needed for it
    net.run("host", "nft", "flush", "ruleset")
    assert not net.reaches("client", HOST4, 8080, timeout=0.3)
    daemon.start()
    soon(net, 8080)
    kedge.wait_for(lambda: net.run("host", "nft", "list", "ruleset").out == before)


def test_rules_do_not_grow(net, daemon):
    run(daemon, "web", 8080)
    before = net.rules()
    daemon.api.post("/networks/create", {"Name": "other"})
    run(daemon, "more", *range(9000, 9100), network_name="other")
    assert net.rules() == before
    assert answers(net, 9099, "more") and answers(net, 8080, "web")


# ---- packets to the host's loopback

def received(server):
    try:
        return server.recv(100)
    except socket.timeout:
        return None


def test_loopback_is_the_hosts_own(net, daemon):
    """A container with NET_RAW, and the LAN's neighbour, send to 127.0.0.1; the same frame to an address of the bridge or the LAN arrives."""
    identity = run(daemon, "web", 8080)
    settings = daemon.inspect(identity)["NetworkSettings"]["Networks"]["bridge"]
    with net.inside("host"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bridge = next(link for link in net.links() if link.get("linkinfo", {}).get("info_kind") == "bridge")
        lan = next(link for link in net.links() if link["ifname"] == "lan")
    server.bind(("0.0.0.0", 9999))
    server.settimeout(host.SOON)

    def send(link, mac, source, target):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((link, 0))
            raw.send(bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000009") + b"\x08\x00" + host.datagram(source, target, 9999, b"hello"))

    for target, expected in ((settings["Gateway"], b"hello"), ("127.0.0.1", None)):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{daemon.inspect(identity)['State']['Pid']}/ns/net", os.O_RDONLY)
        network.enter(there)
        try:
            send("eth0", bridge["address"], settings["IPAddress"], target)
        finally:
            network.enter(home)
            os.close(there)
            os.close(home)
        assert received(server) == expected, target
    net.sysctl("host", "net.ipv4.conf.lan.route_localnet", 1)
    for target, expected in (("198.51.100.1", b"hello"), ("127.0.0.1", None)):
        with net.inside("lan"):
            send("host", lan["address"], "198.51.100.2", target)
        assert received(server) == expected, target
    server.close()


# ---- others' rules

def test_a_ruleset_by_hand_is_told(net, daemon):
    """At create, in info, and with the lines that its owner has to add, which work as they are printed."""
    net.serve("uplink", 9000)
    net.run("host", "nft", "-f", "-", input="""
        table inet filter {
            chain input { type filter hook input priority 0; policy accept; };
            chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; };
        }""")
    before = net.run("host", "nft", "list", "table", "inet", "filter").out
    [warning] = run(daemon, "web", 8080, warnings=True)
    assert 'table "inet filter", chain "forward" drops' in warning and "policy is drop" in warning
    assert firewall(daemon)["Drops"]
    net.run("host", "nft", "add chain inet filter forward { policy accept; }")
    assert not firewall(daemon)["Drops"]  # as it is now, not a moment ago
    net.run("host", "nft", "add chain inet filter forward { policy drop; }")
    kedge.wait_for(lambda: daemon.api.get("/info")["Warnings"] == [warning])
    assert warning in daemon.kedge("info").err + daemon.kedge("info").out
    assert not net.reaches("client", HOST4, 8080, timeout=host.SOON)
    printed = daemon.kedge("system", "firewall").out
    assert net.run("host", "nft", "list", "table", "inet", "filter").out == before  # it is its owner's
    lines = [line.strip() for line in printed.splitlines() if line.startswith("  nft ")]
    assert lines == firewall(daemon)["Drops"][0]["Lines"]
    for line in lines:
        net.run("host", "sh", "-c", line)
    ways(net, daemon, 8080)
    kedge.wait_for(lambda: not firewall(daemon)["Drops"])
    assert daemon.api.get("/info")["Warnings"] == []
    assert "no rules of others drop" in daemon.kedge("system", "firewall").out
    assert run(daemon, "other", 8081, warnings=True) == []


def test_iptables_with_a_policy(net, daemon):
    """Opened by its own means, without a warning; kept by the next kedged, put back after a flush, and moved where Docker wants it."""
    net.serve("uplink", 9000)
    net.run("host", "iptables", "-P", "FORWARD", "DROP")
    assert run(daemon, "web", 8080, warnings=True) == []
    soon(net, 8080)
    ways(net, daemon, 8080)
    assert "FORWARD" in kedge.wait_for(lambda: firewall(daemon)["Opened"])[0]
    chain = next(word for word in net.run("host", "iptables", "-S").out.split() if word.endswith("-FORWARD"))
    daemon.restart()
    soon(net, 8080)
    assert net.run("host", "iptables", "-S", "FORWARD").out.count(chain) == 1
    net.run("host", "iptables", "-F", "FORWARD")
    soon(net, 8080)
    net.run("host", "iptables-restore", "--noflush", input="*filter\n:DOCKER-USER - [0:0]\n-I FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\nCOMMIT\n")
    kedge.wait_for(lambda: chain in net.run("host", "iptables", "-S", "DOCKER-USER").out)
    assert chain not in net.run("host", "iptables", "-S", "FORWARD").out
    ways(net, daemon, 8080)
    net.run("host", "iptables", "-P", "FORWARD", "ACCEPT")
    kedge.wait_for(lambda: chain not in net.run("host", "iptables-save").out)
    assert answers(net, 8080, "web")


def test_networks_that_go_leave_nothing_with_iptables(net, daemon):
    net.run("host", "iptables", "-P", "FORWARD", "DROP")
    daemon.api.post("/networks/create", {"Name": "mine", "Options": {"com.docker.network.bridge.name": "br-mine"}})
    identity = run(daemon, "web", 8080, network_name="mine")
    kedge.wait_for(lambda: "-i br-mine -j ACCEPT" in net.run("host", "iptables-save").out)
    daemon.api.delete(f"/containers/{identity}?force=1")
    daemon.api.delete("/networks/mine")
    kedge.wait_for(lambda: "br-mine" not in net.run("host", "iptables-save").out)


class Side:
    """What test_foreign's Firewalld stands on."""

    def __init__(self, net):
        self.net, self.host = net, self

    def spawn(self, *words, **options):
        return self.net.start("host", *words, **options)

    def run(self, *words, check=True):
        done = self.net.run("host", *words, check=check)
        return done.stdout if check else done


@pytest.mark.skipif(not test_foreign.FIREWALLD, reason="no firewalld")
def test_firewalld(net):
    net.serve("uplink", 9000)
    manager = test_foreign.Firewalld(Side(net))
    try:
        daemon = net.daemon(environment={"DBUS_SYSTEM_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"]}).start()
        network.load_peer(daemon)
        assert run(daemon, "web", 8080, warnings=True) == []
        kedge.wait_for(lambda: asks_outside(net, daemon), 30, 0.1)
        ways(net, daemon, 8080)
        assert "firewalld" in kedge.wait_for(lambda: firewall(daemon)["Opened"])[0]
        manager.cmd("--complete-reload")
        kedge.wait_for(lambda: asks_outside(net, daemon), 30, 0.1)
        ways(net, daemon, 8080)
        zone_forgets_a_network(manager, daemon)
    finally:
        manager.close()


def zone_forgets_a_network(manager, daemon):
    """One that goes under another kedged than the one that told firewalld of it; one that nobody uses meanwhile is not forgotten."""
    def zone():
        return set(manager.cmd("--zone=trusted", "--list-interfaces").split())
    before = zone()
    daemon.api.post("/networks/create", {"Name": "idle"})
    daemon.api.delete(f"/containers/{run(daemon, 'idle', network_name='idle')}?force=1")
    kedge.wait_for(lambda: zone() != before, 30, 0.1)
    before = zone()
    daemon.api.post("/networks/create", {"Name": "shop"})
    identity = run(daemon, "shop", network_name="shop")
    bridge, = kedge.wait_for(lambda: zone() - before, 30, 0.1)
    daemon.kill()
    daemon.start()
    daemon.api.delete(f"/containers/{identity}?force=1")
    daemon.api.delete("/networks/shop")
    kedge.wait_for(lambda: bridge not in zone(), 30, 0.1)
    assert zone() == before


@pytest.fixture
def unhelpful(tmp_path):
    """A directory with a firewall-cmd that does not remove interfaces while there is "block": it makes "asked", and hangs or fails."""
    os.mkfifo(tmp_path / "silence")

    def make(how):
        program = tmp_path / "firewall-cmd"
        program.write_text(f"""#!/bin/sh
case "$*" in *--remove-interface*)
    if [ -e {tmp_path}/block ]; then touch {tmp_path}/asked; {"exit 1" if how == "fails" else f"exec cat {tmp_path}/silence"}; fi ;;
esac
exec {shutil.which("firewall-cmd")} "$@"
""")
        program.chmod(0o755)
        return tmp_path
    yield make
    with contextlib.suppress(OSError):  # nobody is left who hangs
        os.close(os.open(tmp_path / "silence", os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.skipif(not test_foreign.FIREWALLD, reason="no firewalld")
@pytest.mark.parametrize("how", ["hangs", "fails"])
def test_firewalld_is_told_again_of_a_network_that_went(net, unhelpful, how):
    """By the next kedged, where this one died before it had done so, or could not."""
    manager = test_foreign.Firewalld(Side(net))
    try:
        directory = unhelpful(how)
        daemon = net.daemon(environment={"DBUS_SYSTEM_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"],
                                         "PATH": f"{directory}:{os.environ['PATH']}"}).start()
        network.load_peer(daemon)
        daemon.api.post("/networks/create", {"Name": "shop", "Options": {"com.docker.network.bridge.name": "br-shop"}})
        identity = run(daemon, "shop", network_name="shop")
        kedge.wait_for(lambda: "br-shop" in manager.cmd("--zone=trusted", "--list-interfaces").split(), 30, 0.1)
        (directory / "block").touch()
        daemon.api.delete(f"/containers/{identity}?force=1")
        daemon.api.delete("/networks/shop")
        kedge.wait_for((directory / "asked").exists, 30)
        if how == "fails":
            kedge.wait_for(lambda: "could not change the rules of others" in daemon.log())
        daemon.kill()
        (directory / "block").unlink()
        daemon.start()
        kedge.wait_for(lambda: "br-shop" not in manager.cmd("--zone=trusted", "--list-interfaces").split(), 30, 0.1)
        kedge.wait_for(lambda: (daemon.run_directory / "firewalld").read_text() == "")
    finally:
        manager.close()


# ---- flows of ports that have moved

def test_datagrams_follow_the_port(net, daemon):
    """The same client's port all the time: before the port is published, to a container, to its successor."""
    with pytest.raises(OSError):
        net.ask("client", HOST4, 8080, "udp", timeout=1, source_port=5555)
    identity = run(daemon, "first", 8080)
    assert net.ask_until("client", HOST4, 8080, "udp", source_port=5555).name == "first"
    daemon.api.delete(f"/containers/{identity}?force=1")
    run(daemon, "second", 8080)
    assert net.ask_until("client", HOST4, 8080, "udp", source_port=5555).name == "second"


def test_half_open_connections_follow_the_port(net, daemon):
    identity = run(daemon, "first", 8080)
    pid = daemon.inspect(identity)["State"]["Pid"]
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "set", "eth0", "down"], check=True)
    with pytest.raises(OSError):
        net.ask("client", HOST4, 8080, timeout=host.SOON, source_port=5555)
    daemon.api.delete(f"/containers/{identity}?force=1")
    run(daemon, "second", 8080)
    assert net.ask_until("client", HOST4, 8080, source_port=5555).name == "second"
