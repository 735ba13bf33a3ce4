# SPDX-License-Identifier: Apache-2.0
"""Links that somebody removes by hand, an uplink that comes back with another address, a route that appears over a network's subnet: what
containers have of networks is mended while they run, and nothing is left behind.

Each test has a host of its own in a network namespace, with a client, a LAN and an uplink beside it (tests/lib/network.py).
"""
import concurrent.futures
import ipaddress
import json
import os
import signal

import pytest

import kedge
import network
from network import OUTSIDE, namespace_of

PORT = 9000  # of the server behind the uplink
PUBLISHED = 8080  # at the host
ROUNDS = 10 if kedge.SOAK else 1
CROWD = 200 if kedge.SOAK else 12


class World:
    """Two containers on the default bridge, one with a published port."""

    def __init__(self, net, **options):
        self.net = net
        self.daemon = net.daemon(**options).start()
        network.load_peer(self.daemon)
        net.serve("uplink", PORT)
        bindings = {f"80/{protocol}": [{"HostPort": str(PUBLISHED)}] for protocol in ("tcp", "udp")}
        self.one, self.other = self.run("one", PortBindings=bindings), self.run("other")
        self.addresses = [self.address(self.one), self.address(self.other)]

    def run(self, name, **host):
        return self.daemon.start_container(
            self.daemon.create(["peer", "80"], image="peer:test", name=name, host={"NetworkMode": "bridge", **host}))

    def side(self, container):
        return namespace_of(self.daemon, container)

    def link(self, container):
        """What the container has: its interface, as ip(8) tells it."""
        return json.loads(self.net.run(self.side(container), "ip", "-j", "addr", "show", "dev", "eth0").out)[0]

    def address(self, container):
        return next(one["local"] for one in self.link(container)["addr_info"] if one["family"] == "inet")

    def host_end(self, container):
        """The name of the other end of its cable, on the host."""
        index = self.link(container)["link_index"]
        return next(link["ifname"] for link in self.net.links() if link["ifindex"] == index)

    def problem(self, uplink_address="203.0.113.2"):
        """What does not work; None: all does."""
        one, other = self.side(self.one), self.side(self.other)
        first, second = self.addresses
        try:
            if self.net.ask("host", first, 80, timeout=1).local != first:
                return "somebody else answers"
            if self.net.ask(other, first, 80, timeout=1).peer != second or self.net.ask(one, second, 80, "udp", timeout=1).peer != first:
                return "a container is seen with another address"
            if self.net.ask(one, OUTSIDE, PORT, timeout=1).peer != uplink_address:
                return "the outside sees another address"
            for protocol in ("tcp", "udp"):
                if self.net.ask("client", "192.0.2.1", PUBLISHED, protocol, timeout=1).peer != "192.0.2.2":
                    return "a client is seen with another address"
                if self.net.ask("uplink", uplink_address, PUBLISHED, protocol, timeout=1).local != first:
                    return "a port leads elsewhere"
        except OSError as error:
            return repr(error)
        return None

    def wait_whole(self, **options):
        last = [None]

        def whole():
            last[0] = self.problem(**options)
            return last[0] is None
        try:
            kedge.wait_for(whole, 20)
        except AssertionError:
            raise AssertionError(f"{last[0]}\n{self.daemon.log_tail()}") from None


@pytest.fixture
def world():
    with network.Net() as net:
        it = World(net)
        it.wait_whole()
        yield it


def delete_link(world, name):
    world.net.run("host", "ip", "link", "del", name)


def bridge_of(world):
    """The bridge that the containers are on."""
    return next(link["master"] for link in world.net.links() if link["ifname"] == world.host_end(world.one))


def test_a_bridge_that_is_removed_is_made_again(world):
    bridge = bridge_of(world)
    links = world.net.link_names()
    before = next(link for link in world.net.links() if link["ifname"] == bridge)
    for _ in range(ROUNDS):
        delete_link(world, bridge)
        world.wait_whole()
    after = next(link for link in world.net.links() if link["ifname"] == bridge)
    assert after["address"] == before["address"]  # neighbours need not learn anew
    assert world.net.link_names() == links
    assert f'its bridge "{bridge}" was removed' in world.daemon.log()


def test_a_bridge_that_cannot_be_made_again_at_once_is_tried_again():
    with network.Net() as net:
        world = World(net, environment={"KEDGE_FAULT": "engine.network.bridge:2:fail"})  # the first is when it is made
        world.wait_whole()
        delete_link(world, bridge_of(world))
        world.wait_whole()
        assert 'network "bridge" is not mended' in world.daemon.log()


def test_a_bridge_that_is_removed_while_kedged_is_dead(world):
    bridge = bridge_of(world)
    world.daemon.kill()
    delete_link(world, bridge)
    world.daemon.start()
    world.wait_whole()


def test_a_bridge_that_loses_its_addresses_has_them_again(world):
    """As some network managers do with addresses that they do not know."""
    world.net.run("host", "ip", "addr", "flush", "dev", bridge_of(world))
    world.wait_whole()


def check(daemon):
    return daemon.api.post("/kedge/v1/system/check")["Problems"]


def test_addresses_that_change_beside_a_network_that_nobody_uses_are_no_damage():
    with network.Net() as net:
        world = World(net)
        for identity in (world.one, world.other):
            world.daemon.api.delete(f"/containers/{identity}?force=1")
        kedge.wait_for(lambda: check(world.daemon) == [])
        for round in range(20):
            net.run("host", "ip", "addr", "add" if round % 2 == 0 else "del", "198.51.100.7/32", "dev", "lo")
            assert [check(world.daemon) for _ in range(10)] == [[]] * 10
        world.one = world.run("one", PortBindings={f"80/{protocol}": [{"HostPort": str(PUBLISHED)}] for protocol in ("tcp", "udp")})
        world.other = world.run("other")
        world.addresses = [world.address(world.one), world.address(world.other)]
        world.wait_whole()


def test_a_start_that_waits_for_the_packet_filter_is_no_damage():
    with network.Net() as net:
        daemon = net.daemon().start()
        network.load_peer(daemon)
        identity = daemon.create(["peer", "80"], image="peer:test", name="one", host={"NetworkMode": "bridge"})
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            start = pool.submit(daemon.start_container, identity)
            while not start.done():
                assert check(daemon) == []
            start.result()


def test_a_bridge_that_is_set_down_is_set_up(world):
    world.net.run("host", "ip", "link", "set", bridge_of(world), "down")
    world.wait_whole()


def test_an_interface_that_is_set_down_on_the_host_is_set_up(world):
    world.net.run("host", "ip", "link", "set", world.host_end(world.other), "down")
    world.wait_whole()


def test_an_interface_that_is_taken_out_of_its_bridge_is_put_back(world):
    """And set down, which is what tells of it."""
    world.net.run("host", "ip", "link", "set", world.host_end(world.other), "nomaster", "down")
    world.wait_whole()


def test_an_interface_that_is_removed_on_the_host_is_made_again(world):
    before, links = world.link(world.one), world.net.link_names()
    for _ in range(ROUNDS):
        delete_link(world, world.host_end(world.one))
        world.wait_whole()
    assert world.link(world.one)["address"] == before["address"]
    assert world.net.link_names() == links


def test_an_interface_that_is_removed_in_the_container_is_made_again(world):
    links = world.net.link_names()
    world.net.run(world.side(world.other), "ip", "link", "del", "eth0")
    world.wait_whole()
    assert world.net.link_names() == links


def test_an_interface_that_is_removed_while_kedged_is_dead(world):
    end = world.host_end(world.one)
    world.daemon.kill()
    delete_link(world, end)
    world.daemon.start()
    world.wait_whole()


def test_everything_at_once(world):
    bridge, ends = bridge_of(world), [world.host_end(world.one), world.host_end(world.other)]
    links = world.net.link_names()
    for name in [bridge, *ends]:
        delete_link(world, name)
    world.wait_whole()
    assert world.net.link_names() == links


def test_nothing_is_left_of_a_namespace_that_is_killed(world):
    """Shim and processes of a container at once, and with them its namespace."""
    daemon = world.daemon
    extra = world.run("extra")
    daemon.api.delete(f"/containers/{extra}?force=1")  # what lasts as long as kedged is there from now on
    with network.Leaks(daemon):
        victim = world.run("victim")
        inside = daemon.inspect(victim)["State"]["Pid"]
        shims = [number for number, words in network.processes_of(daemon).items() if f"--id={victim}" in words]
        assert shims
        for number in [*shims, inside]:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it went with the first
        kedge.wait_for(lambda: not daemon.inspect(victim)["State"]["Running"])
        daemon.api.delete(f"/containers/{victim}?force=1")
    assert world.problem() is None


def test_an_uplink_that_has_another_address(world):
    net = world.net
    net.batch("host", ["addr del 203.0.113.2/24 dev uplink", "addr add 203.0.113.77/24 dev uplink",
                       "route replace default via 203.0.113.1 dev uplink"])
    world.wait_whole(uplink_address="203.0.113.77")


def test_an_uplink_that_goes_and_comes(world):
    net = world.net
    delete_link(world, "uplink")
    assert not net.reaches(world.side(world.one), OUTSIDE, PORT)
    assert net.reaches(world.side(world.one), world.addresses[1], 80)
    net.run("host", "ip", "link", "add", "wwan0", "type", "veth", "peer", "name", "host", "netns", net.name("uplink"))
    net.batch("uplink", ["addr add 203.0.113.1/24 dev host", "link set host up"])
    net.batch("host", ["addr add 203.0.113.99/24 dev wwan0", "link set wwan0 up", "route add default via 203.0.113.1 dev wwan0"])
    world.wait_whole(uplink_address="203.0.113.99")


def test_a_route_over_a_networks_subnet_is_said(world):
    """It takes the containers' packets away, and is not ours to remove."""
    net, daemon = world.net, world.daemon
    prefix = next(one["prefixlen"] for one in world.link(world.one)["addr_info"] if one["family"] == "inet")
    subnet = ipaddress.ip_network(f"{world.addresses[0]}/{prefix + 1}", strict=False)  # half of it, with the containers
    net.run("host", "ip", "route", "add", subnet, "via", "198.51.100.2")
    kedge.wait_for(lambda: "which the host has a route for" in daemon.log())
    assert world.problem()
    net.run("host", "ip", "route", "del", subnet)
    world.wait_whole()


def test_nothing_is_left_of_many_containers(world):
    """Started and removed side by side, with kedged killed in the middle."""
    daemon = world.daemon
    extra = world.run("extra")
    daemon.api.delete(f"/containers/{extra}?force=1")
    with network.Leaks(daemon, seconds=60), concurrent.futures.ThreadPoolExecutor(8) as pool:
        crowd = list(pool.map(world.run, [f"crowd{number}" for number in range(CROWD)]))
        addresses = list(pool.map(world.address, crowd))
        assert len(set(addresses)) == CROWD
        for address in addresses:
            assert world.net.ask_until("host", address, 80).local == address
        daemon.restart()
        list(pool.map(lambda one: daemon.api.delete(f"/containers/{one}?force=1"), crowd))
    assert world.problem() is None
