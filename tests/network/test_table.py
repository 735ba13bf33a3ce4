# SPDX-License-Identifier: Apache-2.0
"""The firewall's table with traffic: the modules of src/network in a host's namespace, containers, a client."""
import itertools
import os
import socket
import statistics

import pytest

import field
import host
import kedge

PROTOCOLS = ("tcp", "udp")
COUNT = 5000 if kedge.SOAK else 1000


# ---- ways in and out

@pytest.fixture(scope="module", params=[0, 1], ids=["plain", "bridge-nf"])
def world(request):
    """One place for all probes that change nothing: a and c have ports, on every address and on one."""
    place = host.Place(request.param)
    if request.param and not os.path.exists("/proc/sys/net/bridge"):
        place.close()
        pytest.skip("no br_netfilter")
    place.bridge_nf = request.param
    place.load()
    place.add_networks()
    for protocol in PROTOCOLS:
        place.publish(protocol, 8080, "a", more=("relayed",) if place.bridge_nf else ())
        place.publish(protocol, 7070, "c", host=host.HOST4_TOO)
        place.publish(protocol, 6060, "a", host="127.0.0.1")
        place.publish(protocol, 5050, "i")
    yield place
    place.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_published_ports(world, protocol):
    for address in (host.HOST4, host.HOST6, host.HOST4_TOO):
        assert world.ask("client", protocol, address, 8080) == "a"
        assert world.ask("host", protocol, address, 8080) == "a"
    assert world.peer("client", protocol, host.HOST4, 8080) == host.CLIENT4
    assert world.peer("client", protocol, host.HOST6, 8080) == host.CLIENT6
    assert world.ask("host", protocol, "127.0.0.1", 8080) == "a"
    assert world.ask("host", protocol, "10.68.0.1", 8080) == "a"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_loopback_of_ipv6(world, protocol):
    """With bridge-nf-call the table leaves it to the shim's socket, here an echo of the host's."""
    if not world.bridge_nf:
        assert world.ask("host", protocol, "::1", 8080) == "a"
        return
    relay = field.Echo(world.host, "relay", 8080)
    assert world.ask("host", protocol, "::1", 8080) == "relay"
    assert world.ask("client", protocol, host.HOST6, 8080) == "a"
    relay.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_address(world, protocol):
    assert world.ask("client", protocol, host.HOST4_TOO, 7070) == "c"
    assert world.blocked(("client", protocol, host.HOST4, 7070))
    assert world.ask("host", protocol, "127.0.0.1", 6060) == "a"
    assert world.blocked(("client", protocol, host.HOST4, 6060))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_hairpin(world, protocol):
    """By the host's address to another container of the network, to itself, and to another network."""
    for address in (host.HOST4, host.HOST6, "10.68.0.1", "fd00:88::1"):
        assert world.ask("b", protocol, address, 8080) == "a", address
        assert world.ask("a", protocol, address, 8080) == "a", address
    assert world.peer("c", protocol, host.HOST4, 8080) == "10.69.0.2"
    assert world.peer("a", protocol, host.HOST4_TOO, 7070) == "10.68.0.2"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_networks_are_apart(world, protocol):
    for family in (0, 1):
        assert world.ask("a", protocol, host.ADDRESSES["b"][family], 80) == "b"
        assert world.ask("host", protocol, host.ADDRESSES["c"][family], 80) == "c"
    # the client has a route there
    assert world.blocked(*((name, protocol, address, 80) for name in ("c", "client") for address in host.ADDRESSES["a"]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ways_out(world, protocol):
    assert world.peer("a", protocol, host.CLIENT4, 80) == host.HOST4
    assert world.peer("a", protocol, host.CLIENT6, 80) == host.HOST6


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_internal(world, protocol):
    for family, client, address in ((0, host.CLIENT4, host.HOST4), (1, host.CLIENT6, host.HOST6)):
        assert world.blocked(("i", protocol, client, 80), ("i", protocol, address, 8080), ("client", protocol, address, 5050),
                             ("a", protocol, address, 5050))
        assert world.ask("host", protocol, host.ADDRESSES["i"][family], 80) == "i"


# ---- loopback addresses are the host's own

def listener_on_loopback(place):
    server = place.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 9999))
    server.settimeout(host.SOON)
    return server


def received(server):
    try:
        return server.recv(100)
    except socket.timeout:
        return None


@pytest.mark.parametrize("name, link, back", [("a", "eth0", "kedge0"), ("client", "eth0", "lan0")])
@pytest.mark.parametrize("source", ["own", "127.0.0.2"])
def test_packets_to_loopback_come_from_the_host_alone(ready, name, link, back, source):
    """A container with NET_RAW, and a neighbour; the kernel itself would let both pass where route_localnet is on, as it is on our bridges,
    which is shown without the rules."""
    ready.host.sysctl("net.ipv4.conf.lan0.route_localnet", 1)
    own = host.CLIENT4 if name == "client" else host.ADDRESSES[name][0]
    target = "127.0.0.1" if source == "own" else host.HOST4
    server = listener_on_loopback(ready) if source == "own" else ready.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if source != "own":
        server.bind(("0.0.0.0", 9999))
        server.settimeout(host.SOON)
    packet = host.datagram(own if source == "own" else source, target, 9999, b"hello")
    mac = host.mac_of(ready.host, back)
    host.send_frame(ready.space(name), link, mac, packet)
    assert received(server) is None
    ready.host.run("nft", "flush", "chain", "inet", "kedge", "loopback")
    host.send_frame(ready.space(name), link, mac, packet)
    assert received(server) == b"hello"
    server.close()


# ---- kinds of networks

@pytest.fixture
def loaded(place):
    place.load()
    return place


def test_without_masquerade(loaded):
    loaded.add_network("kedge0", "no-masquerade")
    assert loaded.peer("a", "tcp", host.CLIENT4, 80) == "10.68.0.2"


def test_given_source(loaded):
    loaded.add_network("kedge0", f"source={host.HOST4_TOO}")
    assert loaded.peer("a", "tcp", host.CLIENT4, 80) == host.HOST4_TOO


def test_routed(loaded):
    """No translation either way; published ports and pings reach the container's own address, nothing else does."""
    loaded.add_network("kedge0", "routed")
    field.Echo(loaded.containers["a"], "other", 81)
    loaded.publish("tcp", 8080, "a", more=("routed",))
    for family in (0, 1):
        address = host.ADDRESSES["a"][family]
        assert loaded.ask("client", "tcp", address, 80) == "a"
        assert loaded.blocked(("client", "tcp", address, 81))
        assert loaded.pings("client", address)
        assert loaded.peer("a", "tcp", (host.CLIENT4, host.CLIENT6)[family], 80) == address
    assert loaded.blocked(("client", "tcp", host.HOST4, 8080))


def test_unprotected(loaded):
    loaded.add_network("kedge0", "unprotected")
    loaded.add_network("kedge1")
    for family in (0, 1):
        assert loaded.ask("client", "tcp", host.ADDRESSES["a"][family], 80) == "a"
        assert loaded.blocked(("c", "tcp", host.ADDRESSES["a"][family], 80))
    assert loaded.peer("a", "tcp", host.CLIENT4, 80) == host.HOST4


def test_containers_kept_apart(loaded):
    """icc=false: ports of the bridge are isolated by the links; the way round over the host is closed by the table."""
    loaded.add_network("kedge0", "no-icc")
    loaded.containers["a"].ip("route add 10.68.0.3/32 via 10.68.0.1")
    for name in "ab":
        loaded.host.ip(f"link set vk{name} type bridge_slave isolated on")
    assert loaded.blocked(("a", "tcp", "10.68.0.3", 80))
    loaded.publish("tcp", 8080, "b")
    assert loaded.ask("a", "tcp", host.HOST4, 8080) == "b"


# ---- elements

def test_ports_and_networks_are_elements(place):
    place.load()
    before = place.host.run("nft", "-a", "list", "table", "inet", "kedge").count("# handle")
    place.add_networks()
    place.driver.order("publish", "tcp", "port=20000", f"count={COUNT}", "to=10.68.0.2", "to-port=80")
    assert place.host.run("nft", "-a", "list", "table", "inet", "kedge").count("# handle") == before


def test_cost_is_flat(ready):
    """The figures are the benchmark's; here it is only to be no walk over what is in the map, which would be some hundred times slower."""
    def median(port):
        return statistics.median(int(ready.driver.order("publish", "tcp", f"port={port + i}", "to=10.68.0.2", "to-port=80")[1]) for i in range(25))

    few = median(100)
    ready.driver.order("publish", "tcp", "port=20000", "count=5000", "to=10.68.0.2", "to-port=80")
    many = median(1000)
    assert many < 20 * few + 100_000, (few, many)


def test_all_or_nothing(ready):
    """A batch in which one port is taken changes nothing."""
    ready.publish("tcp", 8085, "b", families=(4,))
    assert ready.driver.order("publish", "tcp", "port=8080", "count=10", "to=10.68.0.2", "to-port=80")[0] == "taken"
    assert "8080" not in ready.host.run("nft", "list", "map", "inet", "kedge", "published4")
    assert ready.ask("client", "tcp", host.HOST4, 8085) == "b"
    assert ready.driver.order("unpublish", "tcp", "port=8080", "to=10.68.0.2", "to-port=80")[0] == "absent"


def test_ports_go(ready):
    ready.publish("tcp", 8080, "a")
    assert ready.ask("client", "tcp", host.HOST6, 8080) == "a"
    ready.publish("tcp", 8080, "a", order="unpublish")
    assert ready.ask("client", "tcp", host.HOST4, 8080) == "refused"
    assert ready.ask("client", "tcp", host.HOST6, 8080) == "refused"


def test_networks_go(ready):
    empty = host.Place()
    empty.load()
    for bridge in host.BRIDGES:
        more = ("internal",) if bridge == "kedge2" else ()
        assert ready.driver.order("network-remove", *ready.network_words(bridge, *more))[0] == "done"
    try:
        assert ready.host.run("nft", "list", "ruleset") == empty.host.run("nft", "list", "ruleset")
    finally:
        empty.close()


def test_elements_as_nft_prints_them(ready):
    """What the table is loaded with and what batches put there is the same."""
    ready.publish("udp", 8080, "a", host=host.HOST4)
    ready.publish("tcp", 8080, "a", more=("relayed",), families=(6,))
    ready.publish("sctp", 8080, "a")
    before = ready.host.run("nft", "list", "ruleset")
    ready.load()
    assert ready.driver.order("sync") == ["done", "0"]
    assert ready.host.run("nft", "list", "ruleset") == before


def test_sync_mends_everything(ready):
    """Elements taken, added and led elsewhere by hand."""
    ready.publish("tcp", 8080, "a")
    ready.publish("tcp", 8081, "b")
    before = ready.host.run("nft", "list", "ruleset")
    ready.host.run("nft", "-f", "-", text="""
        delete element inet kedge published4 { tcp . 8080 }
        add element inet kedge published4 { tcp . 8080 : 10.68.0.9 . 9 }
        delete element inet kedge published4 { tcp . 8081 }
        add element inet kedge published4 { udp . 1 : 10.68.0.9 . 9 }
        flush set inet kedge bridges
        flush set inet kedge masquerade4
        add element inet kedge masquerade4 { 10.99.0.0/24 . 10.0.0.0/8 }
        add element inet kedge internal { "kedge0" }""")
    assert ready.driver.order("sync")[0] == "done"
    assert ready.host.run("nft", "list", "ruleset") == before
    assert ready.driver.order("sync") == ["done", "0"]


# ---- flushes

FLUSHES = [("flush ruleset", "missing"), ("delete table inet kedge", "missing"), ("flush table inet kedge", "differs"),
           ("flush chain inet kedge publish", "differs"), ("insert rule inet kedge forwarded drop", "differs")]


@pytest.mark.parametrize("flush, condition", FLUSHES, ids=[flush.replace(" ", "-") for flush, _ in FLUSHES])
def test_damage_is_noticed_and_mended(ready, flush, condition):
    ready.publish("tcp", 8080, "a")
    ready.driver.order("watch")
    before = ready.host.run("nft", "list", "ruleset")
    assert ready.driver.order("look") == ["whole"]
    ready.host.run("nft", *flush.split(" "))
    ready.driver.await_event("damaged")
    assert ready.driver.order("look") == [condition]
    ready.load()
    assert ready.driver.order("look") == ["whole"]
    assert ready.host.run("nft", "list", "ruleset") == before
    assert ready.ask("client", "tcp", host.HOST4, 8080) == "a"


def test_elements_taken_by_others_are_noticed(ready):
    ready.publish("tcp", 8080, "a")
    ready.driver.order("watch")
    ready.host.run("nft", "flush", "map", "inet", "kedge", "published4")
    ready.driver.await_event("damaged")
    assert ready.driver.order("look") == ["whole"]
    assert ready.driver.order("sync") == ["done", "1"]


def test_own_changes_are_no_damage(ready):
    """Events come in order: one of somebody else's is the first that is told after many of ours."""
    ready.driver.order("watch")
    ready.publish("tcp", 8080, "a")
    ready.publish("tcp", 8080, "a", order="unpublish")
    ready.host.run("nft", "add", "table", "ip", "other")
    kind, _, rest = ready.driver.line()
    assert (kind, rest) == ("event", "others")


def test_changes_of_others_are_told(ready):
    ready.driver.order("watch")
    ready.host.run("nft", "-f", "-", text="table inet other { set s { type ifname; }; chain c { type filter hook forward priority 0; policy drop; }; }")
    ready.driver.await_event("others")
    assert "damaged" not in ready.driver.events


def test_batches_without_a_table(place):
    """Nobody loaded it, or somebody flushed it: that is a result of its own."""
    assert place.driver.order("look") == ["missing"]
    assert place.driver.order("publish", "tcp", "port=1", "to=10.68.0.2", "to-port=80")[0] == "flushed"
    assert place.driver.order("unpublish", "tcp", "port=1", "to=10.68.0.2", "to-port=80")[0] == "flushed"
    assert place.driver.order("sync")[0] == "flushed"
    place.driver.order("remove")
    place.load()
    place.driver.order("remove")
    assert place.host.run("nft", "list", "ruleset") == ""


def test_a_reload_leaves_no_moment_without_ports(ready):
    """Another version's table is replaced in one transaction: whoever asks meanwhile gets through."""
    ready.publish("tcp", 8080, "a")
    for _ in range(5):
        ready.driver.order("load")
        while not any(event.startswith("loaded") for event in ready.driver.events):
            assert ready.ask("client", "tcp", host.HOST4, 8080) == "a"
            ready.driver.order("look")
        ready.driver.events.clear()


def test_connections_survive_a_flush_and_the_reload(ready):
    ready.publish("tcp", 8080, "a")
    with ready.client.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect((host.HOST4, 8080))
        client.sendall(b"?")
        assert client.recv(100) == b"a " + host.CLIENT4.encode()
        ready.host.run("nft", "flush", "ruleset")
        ready.load()
        client.sendall(b"?")
        assert client.recv(100) == b"a " + host.CLIENT4.encode()


def test_a_name_that_is_no_name(place):
    process = place.host.spawn(host.DRIVER, "no name; flush ruleset", stdin=-1, stdout=-1, text=True)
    out, _ = process.communicate()
    assert out.startswith("error") and "table" in out


# ---- flows that go on where nobody is

def test_datagrams_follow_a_port_to_its_next_container(ready):
    """The same client's port: the flow is remembered, and would go to the first container for ever."""
    ready.publish("udp", 8080, "a")
    assert ready.ask("client", "udp", host.HOST4, 8080, source=5555) == "a"
    ready.publish("udp", 8080, "a", order="unpublish")
    ready.publish("udp", 8080, "b")
    assert ready.ask("client", "udp", host.HOST4, 8080, source=5555) == "a"  # it is so
    ready.driver.order("forget-address", "to=10.68.0.2")
    assert ready.driver.order("flush-flows") == ["1"]
    assert ready.ask("client", "udp", host.HOST4, 8080, source=5555) == "b"


def test_datagrams_that_came_before_the_port(ready):
    assert ready.ask("client", "udp", host.HOST4, 8080, source=5555) == "refused"
    assert ready.ask("client", "udp", host.HOST6, 8080, source=5555) == "refused"
    assert ready.ask("host", "udp", "127.0.0.1", 8080, source=5555) == "refused"
    ready.publish("udp", 8080, "a")
    ready.publish("udp", 8080, "a", order="forget-port")
    assert ready.driver.order("flush-flows") == ["3"]
    assert ready.ask("client", "udp", host.HOST4, 8080, source=5555) == "a"
    assert ready.ask("client", "udp", host.HOST6, 8080, source=5555) == "a"
    assert ready.ask("host", "udp", "127.0.0.1", 8080, source=5555) == "a"
    ready.publish("udp", 8080, "a", order="forget-port")
    assert ready.driver.order("flush-flows") == ["0"]


def test_half_open_connections(ready):
    """A container that does not answer any more: the client's next try from the same port reaches the next one."""
    ready.publish("tcp", 8080, "a", families=(4,))
    ready.containers["a"].ip("link set eth0 down")
    assert ready.ask("client", "tcp", host.HOST4, 8080, source=5555, seconds=host.SOON) is None
    ready.publish("tcp", 8080, "a", families=(4,), order="unpublish")
    ready.publish("tcp", 8080, "b", families=(4,))
    ready.publish("tcp", 8080, "b", families=(4,), order="forget-port")
    assert ready.driver.order("flush-flows") == ["1"]
    assert ready.ask("client", "tcp", host.HOST4, 8080, source=5555) == "b"


def test_flows_of_others_are_left_alone(ready):
    """Through the host to somebody else's port of that number, and a connection to the host itself."""
    server = field.Echo(ready.host, "host", 80)
    with ready.client.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect((host.HOST4, 80))
        client.sendall(b"?")
        assert client.recv(100).startswith(b"host")
        assert ready.ask("a", "udp", host.CLIENT4, 80) == "client"
        for protocol in PROTOCOLS:
            ready.publish(protocol, 80, "b")
            ready.publish(protocol, 80, "b", order="forget-port")
        assert ready.driver.order("flush-flows") == ["0"]
        client.sendall(b"?")
        assert client.recv(100).startswith(b"host")
    server.close()


def test_flows_are_forgotten_soon(ready):
    """Without being told to do it now: many wishes, one child."""
    for port in range(8080, 8090):
        assert ready.ask("client", "udp", host.HOST4, port, source=5555) == "refused"
        ready.publish("udp", port, "a", families=(4,))
        ready.publish("udp", port, "a", families=(4,), order="forget-port")
    kedge.wait_for(lambda: ready.ask("client", "udp", host.HOST4, 8080, source=5555) == "a")
    for port in range(8080, 8090):
        assert kedge.wait_for(lambda: ready.ask("client", "udp", host.HOST4, port, source=5555) == "a")


# ---- names inside a container

def test_names_are_led_to_their_server():
    """And the container's own server on port 53 is not touched; the ports may change."""
    space = field.Space()
    servers = {protocol: [space.socket(socket.AF_INET, kind) for _ in range(2)] for protocol, kind in field.PROTOCOLS.items()}
    for server in itertools.chain(*servers.values()):
        server.bind(("127.0.0.11", 0))
    own = field.Echo(space, "own", 53)
    driver = host.Driver(space)
    for turn in range(2):
        udp, tcp = servers["udp"][turn], servers["tcp"][turn]
        driver.order("inner", f"udp={udp.getsockname()[1]}", f"tcp={tcp.getsockname()[1]}")
        tcp.listen(4)
        with space.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect(("127.0.0.11", 53))
            client.send(b"name?")
            question, peer = udp.recvfrom(100)
            udp.sendto(question + b" name!", peer)
            assert client.recv(100) == b"name? name!"
        with space.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(("127.0.0.11", 53))
            asked, _ = tcp.accept()
            client.sendall(b"x" * 100000)
            client.shutdown(socket.SHUT_WR)
            assert sum(iter(lambda: len(asked.recv(65536)), 0)) == 100000
            asked.sendall(b"name!")
            assert client.recv(100) == b"name!"
            asked.close()
    assert field.ask(space, "udp", "127.0.0.1", 53) == "own 127.0.0.1"
    assert field.ask(space, "tcp", "127.0.0.1", 53) == "own 127.0.0.1"
    own.close()
    space.close()
