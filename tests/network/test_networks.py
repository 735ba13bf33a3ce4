# SPDX-License-Identifier: Apache-2.0
"""Networks of one's own with traffic: who reaches whom, over which address, while containers are connected and disconnected."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import sqlite3
import subprocess

import pytest

import kedge
import network
from peers import asks, reaches, run_peer, within
from streams import Background

HOST4, HOST6 = "192.0.2.1", "2001:db8:1::1"
MANY = 200 if kedge.SOAK else 24


def make(daemon, name, *pools, driver="bridge", options=None, **fields):
    """A network; pools: subnets, or whole IPAM configurations."""
    config = [pool if isinstance(pool, dict) else {"Subnet": pool} for pool in pools]
    return daemon.api.post("/networks/create", {"Name": name, "Driver": driver, "Options": options or {}, "IPAM": {"Config": config}, **fields})["Id"]


def connect(daemon, name, container, **endpoint):
    daemon.api.post(f"/networks/{name}/connect", {"Container": container, "EndpointConfig": endpoint})


def disconnect(daemon, name, container):
    daemon.api.post(f"/networks/{name}/disconnect", {"Container": container})


def endpoint(daemon, container, name):
    return daemon.inspect(container)["NetworkSettings"]["Networks"][name]


def inside(daemon, container, *command):
    """A command in the container's network, by the machine's programs."""
    with within(daemon, container):
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


# ---- who reaches whom ------------------------------------------------------------------------------------------------------------

def test_containers_of_one_network_reach_each_other_and_those_of_two_do_not(net, daemon):
    make(daemon, "front"), make(daemon, "back")
    for name, where in (("aa", "front"), ("bb", "front"), ("cc", "back")):
        run_peer(daemon, name, network=where)
    at = {name: endpoint(daemon, name, where)["IPAddress"] for name, where in (("aa", "front"), ("bb", "front"), ("cc", "back"))}
    assert asks(daemon, "aa", at["bb"], 80).peer == at["aa"]
    assert not reaches(daemon, "aa", at["cc"], 80) and not reaches(daemon, "cc", at["aa"], 80)


def test_a_published_port_leads_from_one_network_to_another(net, daemon):
    make(daemon, "front"), make(daemon, "back")
    run_peer(daemon, "web", "8080:80", network="front")
    run_peer(daemon, "other", network="back")
    assert asks(daemon, "other", HOST4, 8080).name == "web"


def test_an_internal_network_has_no_way_out_and_none_in(net, daemon):
    net.serve("uplink", 7000, "internet")
    make(daemon, "sealed", Internal=True), make(daemon, "front")
    run_peer(daemon, "aa", "8080:80", network="sealed")
    run_peer(daemon, "bb", network="sealed")
    run_peer(daemon, "web", "8081:80", network="front")
    at = endpoint(daemon, "aa", "sealed")
    assert asks(daemon, "bb", at["IPAddress"], 80).name == "aa"
    assert at["Gateway"] == "" and "default" not in inside(daemon, "aa", "ip", "route")
    assert not reaches(daemon, "bb", network.OUTSIDE, 7000) and not reaches(daemon, "bb", HOST4, 8081)
    assert not net.reaches("client", HOST4, 8080)
    assert net.ask("host", at["IPAddress"], 80).name == "aa"


def ipv6_of(net, bridge):
    links = json.loads(net.run("host", "ip", "-j", "-6", "address", "show", "dev", bridge, "scope", "global").out)
    return next(link["addr_info"][0]["local"] for link in links if link)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_an_internal_network_reaches_no_relayed_port_either(net, daemon, protocol):
    """A port of a container without IPv6 is the host's own socket, on [::] or at one address, which the bridge's address leads to."""
    make(daemon, "front")
    run_peer(daemon, "web", f"8082:80/{protocol}", network="front")
    for name, is_internal in (("open6", False), ("sealed6", True)):
        made = make(daemon, name, Internal=is_internal, EnableIPv6=True)
        run_peer(daemon, name, network=name)
        at = ipv6_of(net, f"br-{made[:12]}")
        assert reaches(daemon, name, at, 8082, protocol) == (not is_internal), (name, at)
        run_peer(daemon, f"at-{name}", f"[{at}]:8083:80/{protocol}", network="front")
        assert reaches(daemon, name, at, 8083, protocol) == (not is_internal), (name, at)


def test_without_icc_containers_do_not_reach_each_other(net, daemon):
    net.serve("uplink", 7001, "internet")
    make(daemon, "apart", options={"com.docker.network.bridge.enable_icc": "false"})
    run_peer(daemon, "aa", "8080:80", network="apart"), run_peer(daemon, "bb", network="apart")
    assert not reaches(daemon, "bb", endpoint(daemon, "aa", "apart")["IPAddress"], 80)
    assert reaches(daemon, "bb", network.OUTSIDE, 7001)
    assert net.ask("client", HOST4, 8080).name == "aa"


def test_without_masquerade_the_containers_own_address_leaves(net, daemon):
    net.serve("uplink", 7002, "internet")
    make(daemon, "plain", "10.77.0.0/24", options={"com.docker.network.bridge.enable_ip_masquerade": "false"})
    run_peer(daemon, "aa", network="plain")
    assert asks(daemon, "aa", network.OUTSIDE, 7002).peer == endpoint(daemon, "aa", "plain")["IPAddress"]


def test_the_address_that_packets_leave_with_is_given(net, daemon):
    net.serve("uplink", 7006, "internet")
    make(daemon, "given", EnableIPv6=True, options={"com.docker.network.host_ipv4": "198.51.100.1", "com.docker.network.host_ipv6": "2001:db8:2::1"})
    run_peer(daemon, "aa", network="given")
    assert asks(daemon, "aa", network.OUTSIDE, 7006).peer == "198.51.100.1"
    assert asks(daemon, "aa", network.OUTSIDE6, 7006).peer == "2001:db8:2::1"
    with pytest.raises(kedge.ApiError, match='option ..com.docker.network.host_ipv4..: ..fd00::1.. is no IPv4 address'):
        make(daemon, "wrong", options={"com.docker.network.host_ipv4": "fd00::1"})


# ---- IPv6 ------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_ipv6_of_the_devices_own_prefix(net, daemon, protocol):
    port = {"tcp": 7003, "udp": 7013}[protocol]
    net.serve("uplink", port, "internet")
    make(daemon, "dual", EnableIPv6=True)
    run_peer(daemon, "web", f"8080:80/{protocol}", network="dual"), run_peer(daemon, "other", network="dual")
    at = endpoint(daemon, "web", "dual")
    assert at["GlobalIPv6Address"].startswith("fd") and at["GlobalIPv6PrefixLen"] == 64 and at["IPv6Gateway"]
    assert asks(daemon, "other", at["GlobalIPv6Address"], 80, protocol).name == "web"
    assert net.ask("client", HOST6, 8080, protocol).peer == "2001:db8:1::2", "the client's own address"
    assert net.ask("host", "::1", 8080, protocol).name == "web"
    assert asks(daemon, "other", HOST6, 8080, protocol).name == "web"
    assert asks(daemon, "web", network.OUTSIDE6, port, protocol).peer == "2001:db8:3::2", "masqueraded"
    assert not net.reaches("client", at["GlobalIPv6Address"], 80, protocol)


def test_routed_ipv6(net, daemon):
    net.serve("uplink", 7004, "internet")
    make(daemon, "routed", {"Subnet": "2001:db8:77::/64"}, EnableIPv6=True, options={"com.docker.network.bridge.gateway_mode_ipv6": "routed"})
    run_peer(daemon, "web", "8080:80", network="routed")
    address = endpoint(daemon, "web", "routed")["GlobalIPv6Address"]
    assert asks(daemon, "web", network.OUTSIDE6, 7004).peer == address, "its own address"
    assert net.ask("client", address, 80).peer == "2001:db8:1::2"


# ---- what can be chosen ------------------------------------------------------------------------------------------------------------

def test_addresses_that_are_asked_for(net, daemon):
    make(daemon, "chosen", {"Subnet": "10.78.0.0/16", "IPRange": "10.78.5.0/24", "Gateway": "10.78.9.9", "AuxiliaryAddresses": {"printer": "10.78.5.0"}})
    body = {"Image": "peer:test", "Cmd": ["peer", "80", "aa"], "HostConfig": {"NetworkMode": "chosen"},
            "NetworkingConfig": {"EndpointsConfig": {"chosen": {"IPAMConfig": {"IPv4Address": "10.78.7.7"}, "MacAddress": "02:00:00:00:00:99"}}}}
    daemon.start_container(daemon.api.post("/containers/create?name=aa", body)["Id"])
    run_peer(daemon, "bb", network="chosen")
    first, second = endpoint(daemon, "aa", "chosen"), endpoint(daemon, "bb", "chosen")
    assert (first["IPAddress"], first["IPPrefixLen"], first["Gateway"], first["MacAddress"]) == ("10.78.7.7", 16, "10.78.9.9", "02:00:00:00:00:99")
    assert second["IPAddress"].startswith("10.78.5.") and second["IPAddress"] != "10.78.5.0"
    assert "02:00:00:00:00:99" in inside(daemon, "aa", "ip", "link", "show", "eth0")
    body["NetworkingConfig"]["EndpointsConfig"]["chosen"].pop("MacAddress")
    late = daemon.api.post("/containers/create?name=late", body)["Id"]
    with pytest.raises(kedge.ApiError, match=r'network ..chosen..: address 10.78.7.7: Address already in use: container ..aa.. has it'):
        daemon.start_container(late)


@pytest.mark.parametrize("mtu", [1280, 576])
def test_mtu_and_interface_names(net, daemon, mtu):
    """The second one is too small for IPv6, of which the kernel has nothing on such a link."""
    make(daemon, "small", options={"com.docker.network.driver.mtu": str(mtu), "com.docker.network.container_iface_prefix": "lan"})
    run_peer(daemon, "aa", "8080:80", network="small")
    assert f"mtu {mtu}" in inside(daemon, "aa", "ip", "link", "show", "lan0")
    assert net.ask("client", HOST4, 8080).name == "aa"


def test_a_subnet_of_the_hosts_or_of_another_network_is_refused(net, daemon):
    make(daemon, "one", "10.79.0.0/24")
    with pytest.raises(kedge.ApiError, match="Pool overlaps with other one on this address space"):
        make(daemon, "two", "10.79.0.0/16")
    with pytest.raises(kedge.ApiError, match="Pool overlaps .* which the host has a route for"):
        make(daemon, "three", "198.51.100.0/25")


@pytest.mark.parametrize("subnet", ["0.0.0.0/0", "127.0.0.0/24", "224.0.0.0/24", "::/0", "fe80::/64", "ff02::/64"])
def test_a_subnet_that_no_network_can_have_is_refused(net, daemon, subnet):
    with pytest.raises(kedge.ApiError, match="cannot be a network's") as refused:
        make(daemon, "special", subnet, EnableIPv6=":" in subnet)
    assert refused.value.status == 400


def test_two_networks_ask_for_one_subnet_at_once(net, daemon):
    def attempt(number):
        try:
            return make(daemon, f"race{number}", "10.80.0.0/24")
        except kedge.ApiError as error:
            return error.message
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(8)))
    assert sum("overlaps" in answer for answer in answers) == 7, answers


def test_a_pool_that_is_exhausted(net, daemon):
    make(daemon, "tiny", "10.81.0.0/30")
    run_peer(daemon, "aa", network="tiny")
    late = daemon.api.post("/containers/create", {"Image": "peer:test", "Cmd": ["peer", "80"], "HostConfig": {"NetworkMode": "tiny"}})["Id"]
    with network.Leaks(daemon), pytest.raises(kedge.ApiError, match="no available IPv4 addresses"):
        daemon.start_container(late)
    daemon.api.delete("/containers/aa?force=1")
    daemon.start_container(late)


# ---- connected and disconnected ------------------------------------------------------------------------------------------------------

def test_connected_while_it_runs(net, daemon):
    make(daemon, "front"), make(daemon, "back", "10.82.0.0/24")
    run_peer(daemon, "web", "8080:80", network="front"), run_peer(daemon, "db", network="back")
    at = endpoint(daemon, "db", "back")["IPAddress"]
    assert not reaches(daemon, "web", at, 80)
    connect(daemon, "back", "web", IPAMConfig={"IPv4Address": "10.82.0.77"}, Aliases=["www"])
    assert asks(daemon, "web", at, 80).peer == "10.82.0.77"
    assert "10.82.0.77" in inside(daemon, "web", "ip", "-4", "addr", "show", "eth1")
    assert net.ask("client", HOST4, 8080).name == "web"
    disconnect(daemon, "back", "web")
    assert not reaches(daemon, "web", at, 80)
    assert "eth1" not in inside(daemon, "web", "ip", "link")
    assert list(daemon.inspect("web")["NetworkSettings"]["Networks"]) == ["front"]
    assert net.ask("client", HOST4, 8080).name == "web"


def test_ports_and_way_out_move_to_the_network_that_is_left(net, daemon):
    net.serve("uplink", 7005, "internet")
    make(daemon, "alpha", "10.83.0.0/24"), make(daemon, "beta", "10.84.0.0/24")
    run_peer(daemon, "web", "8080:80", network="alpha")
    connect(daemon, "beta", "web")
    assert "via 10.83.0.1" in inside(daemon, "web", "ip", "route", "show", "default")
    disconnect(daemon, "alpha", "web")
    assert "via 10.84.0.1" in inside(daemon, "web", "ip", "route", "show", "default")
    assert net.ask("client", HOST4, 8080).local.startswith("10.84.0.")
    assert reaches(daemon, "web", network.OUTSIDE, 7005)
    connect(daemon, "alpha", "web", GwPriority=5)
    assert "via 10.83.0.1" in inside(daemon, "web", "ip", "route", "show", "default")
    assert net.ask("client", HOST4, 8080).local.startswith("10.83.0.")


def test_ports_move_where_a_route_cannot_be_set(net, daemon):
    """Somebody in the container has renamed the interface of the network that is left."""
    make(daemon, "alpha", "10.83.0.0/24"), make(daemon, "beta", "10.84.0.0/24")
    run_peer(daemon, "web", "8080:80", network="alpha")
    connect(daemon, "beta", "web")
    for words in ("set eth1 down", "set eth1 name mine", "set mine up"):
        inside(daemon, "web", "ip", "link", *words.split())
    disconnect(daemon, "alpha", "web")
    assert net.ask("host", "10.84.0.1", 8080).local.startswith("10.84.0.")


def test_the_way_out_moves_beside_an_interface_that_cannot_be_routed(net, daemon):
    """It is not the way out itself, and was renamed as well."""
    for number, name in enumerate(("alpha", "omega", "beta"), 83):
        make(daemon, name, f"10.{number}.0.0/24")
    run_peer(daemon, "web", network="alpha")
    connect(daemon, "omega", "web"), connect(daemon, "beta", "web")
    for words in ("set eth1 down", "set eth1 name mine", "set mine up"):
        inside(daemon, "web", "ip", "link", *words.split())
    disconnect(daemon, "alpha", "web")
    assert "default via 10.85.0.1 dev eth2" in inside(daemon, "web", "ip", "route")


def test_connected_before_it_runs(net, daemon):
    """As compose does: created on one network, disconnected, connected with aliases, started."""
    make(daemon, "front"), make(daemon, "back")
    identity = daemon.create(["peer", "80", "web"], image="peer:test", name="web", host={"NetworkMode": "front"})
    disconnect(daemon, "front", identity)
    connect(daemon, "front", identity, Aliases=["www"])
    connect(daemon, "back", identity)
    daemon.start_container(identity)
    shown = daemon.inspect(identity)["NetworkSettings"]["Networks"]
    assert sorted(shown) == ["back", "front"] and all(shown[name]["IPAddress"] for name in shown)
    daemon.restart()
    assert daemon.inspect(identity)["NetworkSettings"]["Networks"] == shown


def test_hosts_file_follows(net, daemon):
    make(daemon, "front", "10.85.0.0/24"), make(daemon, "back", "10.86.0.0/24")
    identity = run_peer(daemon, "web", network="front")
    hosts = lambda: (daemon.store / "containers" / identity / "hosts").read_text()  # noqa: E731
    assert "10.85.0.2\t" + identity[:12] in hosts()
    connect(daemon, "back", "web")
    assert "10.86.0.2\t" + identity[:12] in hosts()
    disconnect(daemon, "front", "web")
    assert "10.85.0.2" not in hosts() and "10.86.0.2" in hosts()


def test_a_network_with_endpoints_stays(net, daemon):
    identity = make(daemon, "front")
    run_peer(daemon, "web", network="front")
    with pytest.raises(kedge.ApiError, match=r'network front id .* has active endpoints: ..web'):
        daemon.api.delete("/networks/front")
    daemon.api.delete("/containers/web?force=1")
    daemon.api.delete("/networks/front")
    assert f"br-{identity[:12]}" not in net.link_names()


@pytest.fixture
def programs(tmp_path):
    """A directory with links to kedge's programs."""
    for program in kedge.BIN.glob("kedge-*"):
        if program.is_file():
            (tmp_path / program.name).symlink_to(program)
    return tmp_path


def test_a_bridge_that_outlived_its_network_goes_at_the_next_start(net, programs):
    """Those of others, of kedge's making as well, stay."""
    daemon = net.daemon(options=["--libexec-dir", str(programs)]).start()
    network.load_peer(daemon)
    gone, kept = (make(daemon, name) for name in ("gone", "kept"))
    for name in ("gone", "kept"):
        run_peer(daemon, name, network=name)
    net.run("host", "ip", "link", "add", "another0", "alias", "kedge", "type", "bridge")
    daemon.api.delete("/containers/gone?force=1")
    (programs / "kedge-shim").unlink()
    (programs / "kedge-shim").symlink_to("/bin/false")  # removes no links
    daemon.api.delete("/networks/gone")
    daemon.kill()
    assert f"br-{gone[:12]}" in net.link_names()
    (programs / "kedge-shim").unlink()
    (programs / "kedge-shim").symlink_to(kedge.BIN / "kedge-shim")
    daemon.start()
    kedge.wait_for(lambda: f"br-{gone[:12]}" not in net.link_names())
    kedge.wait_for(lambda: not list((daemon.run_directory / "leaving").iterdir()))
    assert {"another0", f"br-{kept[:12]}"} <= net.link_names()
    net.run("host", "ip", "link", "delete", "another0")
    daemon.close()


def test_what_was_leaving_when_kedged_died_leaves(net, daemon):
    """Another network's disconnection had written down that it was on its way; its address may be somebody else's since."""
    make(daemon, "front"), make(daemon, "back", "10.250.7.0/24")
    first, other = (run_peer(daemon, name, network="front") for name in ("aa", "bb"))
    connect(daemon, "back", first)
    address = endpoint(daemon, first, "back")["IPAddress"]
    daemon.kill()
    written = daemon.run_directory / "containers" / first / "network.json"
    run = json.loads(written.read_text())
    run["endpoints"][1]["leaving"] = True
    written.write_text(json.dumps(run))
    daemon.start()
    kedge.wait_for(lambda: "eth1" not in inside(daemon, first, "ip", "-br", "link"))
    kedge.wait_for(lambda: len(json.loads(written.read_text())["endpoints"]) == 1)
    connect(daemon, "back", other, IPAMConfig={"IPv4Address": address})
    assert endpoint(daemon, other, "back")["IPAddress"] == address


def test_an_address_that_was_left_is_its_next_owners_alone_when_kedged_dies(net, programs, tmp_path):
    """While the interface is removed, which takes as long as we want."""
    daemon = net.daemon(options=["--libexec-dir", str(programs)]).start()
    network.load_peer(daemon)
    make(daemon, "front", "10.250.8.0/24")
    address = "10.250.8.2"
    other = daemon.create(["peer", "80", "bb"], image="peer:test", host={"NetworkMode": "front"},
                          NetworkingConfig={"EndpointsConfig": {"front": {"IPAMConfig": {"IPv4Address": address}}}})
    first = run_peer(daemon, "aa", "8080:80", network="front")
    assert endpoint(daemon, first, "front")["IPAddress"] == address
    shim, mark = programs / "kedge-shim", tmp_path / "mark"
    shim.unlink()
    shim.write_text(f'#!/bin/sh\necho $$ >{mark}.new && mv {mark}.new {mark} && exec sleep 1000\n')
    shim.chmod(0o755)
    leaving = Background(daemon.api.raw, "POST", "/networks/front/disconnect", json.dumps({"Container": first}), {"Content-Type": "application/json"})
    kedge.wait_for(mark.exists)
    shim.unlink()
    shim.symlink_to(kedge.BIN / "kedge-shim")
    daemon.start_container(other)
    daemon.kill()
    with pytest.raises((OSError, http.client.HTTPException)):
        leaving.result()
    os.kill(int(mark.read_text()), signal.SIGKILL)
    daemon.start()
    kedge.wait_for(lambda: "eth0" not in inside(daemon, first, "ip", "-br", "link"))
    third = run_peer(daemon, "cc", network="front")
    assert endpoint(daemon, other, "front")["IPAddress"] == address != endpoint(daemon, third, "front")["IPAddress"]
    daemon.close()


def test_however_many_networks_a_container_was_on_the_next_kedged_knows_them(net, daemon):
    container = run_peer(daemon, "aa")
    before = endpoint(daemon, container, "bridge")
    daemon.kill()
    written = daemon.run_directory / "containers" / container / "network.json"
    run = json.loads(written.read_text())
    run["endpoints"] += [{**run["endpoints"][0], "id": f"{number:064x}", "hostInterface": f"gone{number}", "leaving": True} for number in range(100)]
    written.write_text(json.dumps(run))
    daemon.start()
    assert endpoint(daemon, container, "bridge") == before
    kedge.wait_for(lambda: len(json.loads(written.read_text())["endpoints"]) == 1)


def test_a_network_whose_record_is_damaged_keeps_nobody_from_starting(net, daemon):
    """The container that is on it has a published port, which leads nowhere that kedged knows."""
    identity = make(daemon, "front")
    container = run_peer(daemon, "aa", "8080:80", network="front")
    daemon.kill()
    with contextlib.closing(sqlite3.connect(daemon.store / "kedge.db", isolation_level=None)) as database:
        database.execute("UPDATE records SET json = '{' WHERE kind = 'network' AND id = ?", (identity,))
    daemon.start()
    assert daemon.inspect(container)["State"]["Running"]
    daemon.api.post(f"/containers/{container}/stop?t=0")


@pytest.mark.parametrize("name", ['a"b', "kt*", "kt+", "kt%d", "-kt", "kt\x01", "kt{", "..", "a/b"])
def test_names_of_bridges_that_others_would_misread(daemon, name):
    with pytest.raises(kedge.ApiError, match="is no name of an interface"):
        make(daemon, "front", options={"com.docker.network.bridge.name": name})


@pytest.mark.parametrize("subnets, words", [(("10.250.1.0/24", "10.250.2.0/24"), "10.250.2.0/24.* is the second one of IPv4"),
                                            (("fd00:1::/64", "10.250.1.0/24", "fd00:2::/64"), "fd00:2::/64.* is the second one of IPv6")])
def test_a_bridge_has_one_subnet_of_each_family(daemon, subnets, words):
    """Nobody would be given an address of a second one."""
    with pytest.raises(kedge.ApiError, match=f"bridge driver doesn't support multiple subnets.*{words}"):
        make(daemon, "front", *subnets, EnableIPv6=True)
    make(daemon, "front", "10.250.1.0/24", "fd00:1::/64", EnableIPv6=True)


def test_a_card_has_several_subnets(daemon):
    with pytest.raises(kedge.ApiError, match="at most 6 subnets"):
        make(daemon, "onlan", *(f"10.250.{number}.0/24" for number in range(7)), driver="macvlan", options={"parent": "lan"})
    make(daemon, "onlan", *(f"10.250.{number}.0/24" for number in range(6)), driver="macvlan", options={"parent": "lan"})


def test_many_connected_and_disconnected_at_once(net, daemon):
    make(daemon, "wide", "10.87.0.0/16")
    run_peer(daemon, "warm")
    names = [run_peer(daemon, f"m{number}") for number in range(8)]

    def turn(number):
        container = names[number % len(names)]
        network_name = make(daemon, f"turn{number}", f"10.88.{number}.0/24")
        connect(daemon, network_name, container)
        address = endpoint(daemon, container, f"turn{number}")["IPAddress"]
        disconnect(daemon, network_name, container)
        daemon.api.delete(f"/networks/{network_name}")
        return address
    with network.Leaks(daemon):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            addresses = list(pool.map(turn, range(MANY)))
    assert len(set(addresses)) == MANY


# ---- a card of the host ------------------------------------------------------------------------------------------------------------

def test_macvlan(net, daemon):
    """The LAN sees the container as a machine of its own."""
    net.serve("lan", 7006, "lan")
    make(daemon, "onlan", {"Subnet": "198.51.100.0/24", "Gateway": "198.51.100.1", "IPRange": "198.51.100.128/25"}, driver="macvlan", options={"parent": "lan"})
    run_peer(daemon, "web", network="onlan")
    at = endpoint(daemon, "web", "onlan")
    assert asks(daemon, "web", "198.51.100.2", 7006).peer == at["IPAddress"]
    assert net.ask("lan", at["IPAddress"], 80).peer == "198.51.100.2"
    link = json.loads(inside(daemon, "web", "ip", "-j", "-d", "link", "show", "eth0"))[0]
    assert link["linkinfo"]["info_kind"] == "macvlan" and link["linkinfo"]["info_data"]["mode"] == "bridge"
    with network.Leaks(daemon):
        run_peer(daemon, "second", network="onlan")
        daemon.api.delete("/containers/second?force=1")


@pytest.mark.parametrize("kind", ["internal", "macvlan"])
def test_no_port_is_shown_where_none_leads_to(net, daemon, kind):
    """Until there is a network that it is reached through."""
    if kind == "internal":
        make(daemon, "closed", Internal=True)
    else:
        make(daemon, "closed", {"Subnet": "198.51.100.0/24", "Gateway": "198.51.100.1"}, driver="macvlan", options={"parent": "lan"})
    run_peer(daemon, "web", "8090:80", network="closed")
    assert daemon.inspect("web")["NetworkSettings"]["Ports"] == {} and daemon.api.get("/containers/json")[0]["Ports"] == []
    assert not net.reaches("client", HOST4, 8090)
    make(daemon, "aopen")
    connect(daemon, "aopen", "web")
    assert daemon.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": "8090"}
    assert net.ask("client", HOST4, 8090).name
    disconnect(daemon, "aopen", "web")
    assert daemon.inspect("web")["NetworkSettings"]["Ports"] == {}


def test_macvlan_without_its_card_is_refused(net, daemon):
    with pytest.raises(kedge.ApiError, match='parent.* is missing'):
        make(daemon, "nocard", "203.0.113.0/24", driver="macvlan")


# ---- what the host has already ---------------------------------------------------------------------------------------------------

@pytest.fixture
def links(net):
    """Links of the host by ip(8)'s words; gone at the end."""
    made = []

    def add(name, *kind):
        net.run("host", "ip", "link", "add", name, "type", *kind)
        made.append(name)
        return name
    yield add
    for name in made:
        net.run("host", "ip", "link", "delete", name, check=False)


def test_a_bridge_of_somebody_else_is_used_and_stays(net, daemon, links):
    bridge = links("admin0", "bridge")
    net.run("host", "ip", "link", "set", bridge, "mtu", "1400", "address", "02:00:00:00:aa:01")
    net.run("host", "ip", "address", "add", "203.0.113.5/24", "dev", bridge)
    make(daemon, "theirs", options={"com.docker.network.bridge.name": bridge})
    run_peer(daemon, "aa", "8080:80", network="theirs")
    assert net.ask("client", HOST4, 8080).name == "aa"
    daemon.api.delete("/containers/aa?force=1")
    daemon.api.delete("/networks/theirs")
    shown = net.run("host", "ip", "address", "show", "dev", bridge).out
    assert "203.0.113.5/24" in shown and "mtu 1400" in shown and "02:00:00:00:aa:01" in shown


def state_of(net, bridge):
    """What a network changes on a bridge: addresses, the route of ::1, route_localnet, MTU."""
    link = json.loads(net.run("host", "ip", "-j", "address", "show", "dev", bridge).out)[0]
    addresses = link["addr_info"]
    loopback = net.run("host", "ip", "-6", "route", "show", "table", "local", "::1", "dev", bridge).out
    return (sorted(f"{one['local']}/{one['prefixlen']}" for one in addresses if one["local"] == "fe80::1" or one["scope"] == "global"), loopback,
            net.sysctl("host", f"net.ipv4.conf.{bridge}.route_localnet"), link["mtu"])


@pytest.mark.parametrize("localnet", [0, 1])
def test_a_bridge_of_somebody_else_is_as_it_was_behind_its_network(net, daemon, links, localnet):
    """One of the addresses, the gateway's, it had before; kedged has been another one meanwhile."""
    bridge = links("admin0", "bridge")
    for words in ("address add 10.87.0.1/24", "address add 203.0.113.5/24", "-6 address add fd00:87::5/64", "link set mtu 1400"):
        net.run("host", "ip", *words.split(), "dev", bridge)
    net.sysctl("host", f"net.ipv4.conf.{bridge}.route_localnet", localnet)

    def shown():
        return state_of(net, bridge)
    before = shown()
    make(daemon, "theirs", "10.87.0.0/24", "fd00:88::/64", EnableIPv6=True,
         options={"com.docker.network.bridge.name": bridge, "com.docker.network.driver.mtu": "1300"})
    run_peer(daemon, "aa", network="theirs")
    during = shown()
    assert {"fd00:88::1/64", "fe80::1/64"} <= set(during[0]) and during[1] and during[2:] == ("1", 1300)
    daemon.api.delete("/containers/aa?force=1")
    daemon.restart()
    daemon.api.delete("/networks/theirs")
    assert shown() == before


@pytest.mark.parametrize("how", ["kill", "fail"])
def test_a_bridge_of_somebody_else_is_given_back_by_the_next_kedged(net, links, how):
    """Where this one died behind the removal of the network's record, or could not give it back."""
    bridge = links("admin1", "bridge")
    daemon = net.daemon(environment={"KEDGE_FAULT": f"engine.network.down:1:{how}"}).start()
    network.load_peer(daemon)
    net.run("host", "ip", "address", "add", "10.89.0.1/16", "dev", bridge)
    before = state_of(net, bridge)
    make(daemon, "theirs", "10.89.0.0/24", "fd00:89::/64", EnableIPv6=True, options={"com.docker.network.bridge.name": bridge})
    run_peer(daemon, "aa", network="theirs")
    daemon.api.delete("/containers/aa?force=1")
    during = state_of(net, bridge)
    assert {"10.89.0.1/24", "fd00:89::1/64", "fe80::1/64"} <= set(during[0]) and during[1] and during[2] == "1"
    if how == "kill":
        with pytest.raises((OSError, http.client.HTTPException)):
            daemon.api.delete("/networks/theirs")
        daemon.process.wait(30)
    else:
        daemon.api.delete("/networks/theirs")
        assert 'its bridge "admin1" stays' in daemon.log()
    daemon.environment = {}
    daemon.restart()
    kedge.wait_for(lambda: not list((daemon.run_directory / "leaving").iterdir()))
    assert state_of(net, bridge) == before
    assert not list((daemon.run_directory / "lent").iterdir())
    daemon.close()


def test_a_bridge_that_its_owner_has_made_anew_keeps_what_he_gave_it(net, daemon, links):
    """Meanwhile nobody used the network."""
    bridge = links("admin2", "bridge")
    make(daemon, "theirs", "10.90.0.0/24", options={"com.docker.network.bridge.name": bridge})
    run_peer(daemon, "aa", network="theirs")
    daemon.api.delete("/containers/aa?force=1")
    assert bridge in str(net.elements())
    net.run("host", "ip", "link", "delete", bridge)
    kedge.wait_for(lambda: bridge not in str(net.elements()))
    net.run("host", "ip", "link", "add", bridge, "type", "bridge")
    net.run("host", "ip", "address", "add", "10.90.0.1/24", "dev", bridge)
    net.sysctl("host", f"net.ipv4.conf.{bridge}.route_localnet", 1)
    before = state_of(net, bridge)
    run_peer(daemon, "aa", network="theirs")
    daemon.api.delete("/containers/aa?force=1")
    daemon.api.delete("/networks/theirs")
    assert state_of(net, bridge) == before == (["10.90.0.1/24"], "", "1", 1500)


def test_a_bridge_that_is_made_for_a_network_goes_with_it(net, daemon):
    make(daemon, "named", options={"com.docker.network.bridge.name": "named0"})
    run_peer(daemon, "aa", network="named")
    assert "named0" in net.link_names()
    daemon.api.delete("/containers/aa?force=1")
    daemon.api.delete("/networks/named")
    kedge.wait_for(lambda: "named0" not in net.link_names())


def test_links_that_cannot_be_used_are_refused(net, daemon, links):
    card = links("card0", "veth", "peer", "name", "card1")
    for name, driver, options, words in (
            ("a", "bridge", {"com.docker.network.bridge.name": card}, 'there is an interface \\\\"card0\\\\" that is no bridge'),
            ("b", "bridge", {"com.docker.network.bridge.name": "lo"}, "that is no bridge"),
            ("c", "macvlan", {"parent": "nosuch0"}, 'option \\\\"parent\\\\": link \\\\"nosuch0\\\\": no such link'),
            ("d", "macvlan", {"parent": "card0.5000"}, "VLAN of link"), ("e", "macvlan", {"parent": "nosuch0.5"}, "nor .*nosuch0")):
        with pytest.raises(kedge.ApiError, match=words):
            make(daemon, name, driver=driver, options=options)
    make(daemon, "vlan", driver="macvlan", options={"parent": "card0.5"})
    daemon.api.delete("/networks/vlan")
    assert card in net.link_names()
