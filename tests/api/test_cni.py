# SPDX-License-Identifier: Apache-2.0
"""Networks that are CNI configurations: kedged in a network namespace of its own, with Debian's plugins."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

import kedge
import namespaces

BRIDGE = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
          "capabilities": {"ips": True, "mac": True}}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
FIREWALL = {"type": "firewall", "backend": "iptables"}
BANDWIDTH = {"type": "bandwidth", "capabilities": {"bandwidth": True}}


class Machine(kedge.Daemon):
    """kedged, and whatever runs plugins, in a network namespace."""

    def __init__(self):
        super().__init__(namespace=namespaces.Namespace())
        self.networks, self.leases = self.directory / "cni.d", self.directory / "leases"
        self.networks.mkdir()
        self.options += ["--cni-config-dir", str(self.networks)]

    def inside(self, command):
        return self.namespace.run("sh", "-c", command, timeout=60)

    def remove_links(self):
        """They go with the namespace."""

    def close(self):
        super().close()
        self.namespace.close()

    def network(self, name, *chained, subnet="10.88.0.0/24", version="1.0.0", default_route=True, **more):
        ipam = {"type": "host-local", "dataDir": str(self.leases), "ranges": [[{"subnet": subnet}]]}
        if default_route:
            ipam["routes"] = [{"dst": "0.0.0.0/0"}]
        document = {"cniVersion": version, "name": name, "plugins": [{**BRIDGE, **more, "ipam": ipam}, *chained]}
        (self.networks / f"{name}.conflist").write_text(json.dumps(document))

    def leased(self, name="edge"):
        directory = self.leases / name
        return sorted(path.name for path in directory.iterdir() if path.name[0].isdigit()) if directory.exists() else []

    def records(self):
        return sorted(path.name for path in (self.store / "networks" / "cni").glob("*.json"))

    def links(self):
        return sorted(link["ifname"] for link in json.loads(self.inside("ip -j link")))

    def nothing_is_left(self):
        return not self.records() and not self.leased() and not [link for link in self.links() if link.startswith("veth")]


@pytest.fixture(scope="module")
def shared_machine():
    it = Machine().start()
    it.load_busybox()
    yield it
    it.close()


@pytest.fixture
def machine(shared_machine):
    yield shared_machine
    shared_machine.remove_all()
    kedge.wait_for(lambda: not shared_machine.leftovers(), 15)
    kedge.wait_for(shared_machine.nothing_is_left, 15)
    for path in shared_machine.networks.iterdir():
        path.unlink()


def start(machine, command=("sleep", "1000"), network="edge", **settings):
    return machine.run_container(list(command), host={"NetworkMode": network, **settings.pop("host", {})}, **settings)


def test_networks_of_a_directory(machine):
    machine.network("edge")
    (machine.networks / "broken.conflist").write_text('{"cniVersion": "1.0.0", "name": "broken", "plugins": [{}]}')
    listed = {network["Name"]: network for network in machine.api.get("/networks")}
    assert set(listed) == {"bridge", "host", "none", "edge"}
    assert listed["edge"]["Driver"] == "cni"
    assert listed["edge"]["Options"]["kedge.cni.file"] == str(machine.networks / "edge.conflist")
    found = machine.api.get("/networks/edge")
    assert found["Id"] == listed["edge"]["Id"] and len(found["Id"]) == 64
    status, body = machine.api.raw("DELETE", "/networks/edge")
    assert status == 403 and f'is the CNI configuration "{machine.networks}/edge.conflist"' in json.loads(body)["message"]
    status, body = machine.api.raw("POST", "/networks/create", json.dumps({"Name": "edge"}).encode(), {"Content-Type": "application/json"})
    assert status == 409
    problems = machine.api.post("/kedge/v1/system/check")["Problems"]
    assert problems == [f'CNI configuration "{machine.networks}/broken.conflist": plugins[0]: field "type" is missing']
    (machine.networks / "edge.conflist").unlink()
    assert machine.api.raw("GET", "/networks/edge")[0] == 404


def test_a_container_on_one(machine):
    machine.network("edge", PORTMAP, FIREWALL)
    served = machine.docker("run", "-d", "--network", "edge", "-p", "8080:80", "busybox:test", "httpd", "-f", "-p", "80", "-h", "/etc").out.strip()
    seen = machine.inspect(served)["NetworkSettings"]
    endpoint = seen["Networks"]["edge"]
    assert endpoint["IPAddress"] == machine.leased()[0] and endpoint["IPPrefixLen"] == 24 and endpoint["Gateway"] == "10.88.0.1"
    assert endpoint["MacAddress"] and seen["Ports"]["80/tcp"][0]["HostPort"] == "8080"
    expected = machine.inside(f"curl -sS -m 20 http://{endpoint['IPAddress']}/hostname")
    assert expected and machine.inside("curl -sS -m 20 http://10.88.0.1:8080/hostname") == expected
    machine.api.post(f"/containers/{served}/stop?t=0")
    kedge.wait_for(machine.nothing_is_left, 20)
    assert "10.88.0." not in machine.inside("iptables -S; iptables -t nat -S")
    machine.start_container(served)
    machine.api.post(f"/containers/{served}/restart?t=0")  # ADD waits for DEL
    assert len(machine.leased()) == 1 and machine.records() == [f"{served}-eth0.json"]
    assert machine.inside("curl -sS -m 20 http://10.88.0.1:8080/hostname") == expected


def test_an_internal_network_reaches_no_port_over_ipv6(machine):
    """The plugin publishes at IPv4 alone, and nobody else relays for it."""
    machine.network("edge", PORTMAP)
    start(machine, ("httpd", "-f", "-p", "80", "-h", "/etc"), host={"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}})
    assert machine.inside("curl -sS -m 20 http://10.88.0.1:8080/hostname")
    machine.api.post("/networks/create", {"Name": "sealed", "Internal": True, "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "fd00:77::/64"}]}})
    asker = start(machine, network="sealed")
    enter = ("nsenter", "-t", machine.inspect(asker)["State"]["Pid"], "-n")
    machine.run(*enter, "busybox", "ping", "-c", "1", "-W", "5", "fd00:77::1")
    answer = machine.run(*enter, "curl", "-sS", "-m", "20", "http://[fd00:77::1]:8080/hostname", check=False)
    assert answer.returncode == 7, answer.out + answer.err  # refused
    machine.remove_all()
    machine.api.delete("/networks/sealed")


def test_beside_a_bridge(machine):
    """The network that a container is on first is its way out, and has its ports."""
    machine.network("edge", PORTMAP)
    machine.api.post("/networks/create", {"Name": "own"})
    for first, second in (("edge", "own"), ("own", "edge")):
        identity = machine.create(["httpd", "-f", "-p", "80", "-h", "/etc"], host={
            "NetworkMode": first, "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
            NetworkingConfig={"EndpointsConfig": {first: {}, second: {}}})
        machine.start_container(identity)
        endpoints = machine.inspect(identity)["NetworkSettings"]["Networks"]
        routes = machine.docker("exec", identity, "ip", "route").out
        assert routes.count("default") == 1 and f"default via {endpoints[first]['Gateway']} dev eth0" in routes, (first, routes)
        assert machine.inside(f"curl -sS -m 20 http://{endpoints[first]['Gateway']}:8080/hostname")
        assert ("--dport 8080" in machine.inside("iptables -t nat -S")) == (first == "edge")
        machine.api.delete(f"/containers/{identity}?force=1")
        kedge.wait_for(machine.nothing_is_left, 20)
    machine.api.delete("/networks/own")


def test_a_gateway_that_only_the_route_names(machine):
    """The plugin's default route is the container's way out, and stays."""
    ipam = {"type": "static", "addresses": [{"address": "10.89.0.5/24"}], "routes": [{"dst": "0.0.0.0/0", "gw": "10.89.0.1"}]}
    document = {"cniVersion": "1.0.0", "name": "edge", "plugins": [{"type": "bridge", "bridge": "cni0", "ipam": ipam}]}
    (machine.networks / "edge.conflist").write_text(json.dumps(document))
    identity = start(machine)
    assert machine.inspect(identity)["NetworkSettings"]["Networks"]["edge"]["Gateway"] == "10.89.0.1"
    assert "default via 10.89.0.1 dev eth0" in machine.docker("exec", identity, "ip", "route").out


def test_names_are_found(machine):
    machine.network("edge")
    start(machine, name="served")
    pid = machine.inspect(start(machine))["State"]["Pid"]
    answer = machine.run("nsenter", "-t", pid, "-n", "dig", "+short", "+time=10", "@127.0.0.11", "served").out
    assert answer.strip() == machine.inspect("served")["NetworkSettings"]["Networks"]["edge"]["IPAddress"]


def test_what_is_asked_for(machine):
    machine.network("edge", BANDWIDTH)
    identity = machine.create(["sleep", "1000"], host={"NetworkMode": "edge"}, NetworkingConfig={"EndpointsConfig": {"edge": {
        "IPAMConfig": {"IPv4Address": "10.88.0.77"}, "MacAddress": "02:00:00:00:00:77",
        "DriverOpts": {"kedge.bandwidth.egress": "8mbit", "kedge.bandwidth.ingress": "500k"}}}})
    machine.start_container(identity)
    endpoint = machine.inspect(identity)["NetworkSettings"]["Networks"]["edge"]
    assert (endpoint["IPAddress"], endpoint["MacAddress"]) == ("10.88.0.77", "02:00:00:00:00:77")
    assert machine.inside("tc qdisc").count("tbf") == 2
    machine.api.raw("DELETE", f"/containers/{identity}?force=1")
    kedge.wait_for(machine.nothing_is_left, 20)
    assert "tbf" not in machine.inside("tc qdisc")


def test_what_a_network_cannot_do(machine):
    machine.network("edge")
    identity = machine.create(["true"], host={"NetworkMode": "edge", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}})
    status, body = machine.api.raw("POST", f"/containers/{identity}/start")
    assert status == 400 and 'network \\"edge\\" cannot publish ports' in body.decode(), body
    assert machine.nothing_is_left()


def test_an_error_is_shown_as_the_plugin_said_it(machine):
    machine.network("edge", {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.no_such": "1"}})
    identity = machine.create(["true"], host={"NetworkMode": "edge"})
    status, body = machine.api.raw("POST", f"/containers/{identity}/start")
    words = 'plugin "tuning": open /proc/sys/net/ipv4/conf/eth0/no_such: no such file or directory'
    assert status == 500 and json.loads(body)["message"] == words
    assert machine.inspect(identity)["State"]["Error"] == words
    kedge.wait_for(machine.nothing_is_left, 20)
    machine.network("edge")
    assert machine.wait(machine.start_container(identity)) == 0


def test_connect_and_disconnect(machine):
    machine.network("edge")
    machine.network("second", subnet="10.89.0.0/24", bridge="cni1")
    identity = start(machine)
    machine.api.post("/networks/second/connect", {"Container": identity})
    networks = machine.inspect(identity)["NetworkSettings"]["Networks"]
    address = networks["second"]["IPAddress"]
    assert address.startswith("10.89.0.")
    machine.inside(f"busybox ping -c 1 -W 5 {address}")
    route = machine.docker("exec", identity, "ip", "route").out
    assert route.count("default") == 1 and "default via 10.88.0.1 dev eth0" in route
    machine.api.post("/networks/edge/disconnect", {"Container": identity})
    kedge.wait_for(lambda: not machine.leased())
    assert set(machine.inspect(identity)["NetworkSettings"]["Networks"]) == {"second"}
    assert "eth0" not in machine.docker("exec", identity, "ip", "link").out
    machine.api.post("/networks/edge/connect", {"Container": identity})
    assert len(machine.leased()) == 1


def test_ports_of_a_container_that_is_connected_while_it_runs(machine):
    """Nothing led to it before; the first one of its networks is not the plugins', and so they are not asked to publish."""
    machine.network("edge")
    machine.api.post("/networks/create", {"Name": "sealed", "Internal": True})
    identity = start(machine, ("httpd", "-f", "-p", "80", "-h", "/etc"), "sealed", host={"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}})
    for _ in range(2):
        machine.api.post("/networks/edge/connect", {"Container": identity})
        assert machine.inside("curl -sS -m 20 http://10.88.0.1:8080/hostname") == f"{identity[:12]}\n"
        assert machine.api.post("/kedge/v1/system/check")["Problems"] == []
        machine.api.post("/networks/edge/disconnect", {"Container": identity})
        assert machine.api.post("/kedge/v1/system/check")["Problems"] == []
    machine.remove_all()
    machine.api.delete("/networks/sealed")


def test_ports_lead_through_the_network_that_is_left(machine):
    """Whoever has published them: the plugins of the network that it was started on, or kedge."""
    machine.network("edge", PORTMAP)
    machine.api.post("/networks/create", {"Name": "own"})
    gateway = machine.api.get("/networks/own")["IPAM"]["Config"][0]["Gateway"]
    for first, second, expected in (("edge", "own", gateway), ("own", "edge", "10.88.0.1")):
        identity = start(machine, ("httpd", "-f", "-p", "80", "-h", "/etc"), first, host={"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}})
        machine.api.post(f"/networks/{second}/connect", {"Container": identity})
        machine.api.post(f"/networks/{first}/disconnect", {"Container": identity})
        assert "dport 8080" not in machine.inside("iptables -t nat -S")
        for _ in range(2):
            assert machine.inside(f"curl -sS -m 20 http://{expected}:8080/hostname") == f"{identity[:12]}\n"
            assert machine.api.post("/kedge/v1/system/check")["Problems"] == []
            machine.restart()
        machine.api.delete(f"/containers/{identity}?force=1")
        kedge.wait_for(machine.nothing_is_left, 20)
    machine.api.delete("/networks/own")


def test_connecting_to_one_that_fails(machine):
    machine.network("edge")
    machine.network("bad", {"type": "tuning", "sysctl": {"no.such": "1"}}, subnet="10.89.0.0/24", bridge="cni1")
    identity = start(machine)
    status, body = machine.api.raw("POST", "/networks/bad/connect", json.dumps({"Container": identity}).encode(),
                                   {"Content-Type": "application/json"})
    assert status == 500 and 'plugin \\"tuning\\"' in body.decode()
    assert set(machine.inspect(identity)["NetworkSettings"]["Networks"]) == {"edge"}
    kedge.wait_for(lambda: machine.records() == [f"{identity}-eth0.json"])


def test_kedged_dies_meanwhile(machine):
    """The container goes on, is checked by the next kedged, and its end is followed by DEL."""
    machine.network("edge", FIREWALL)
    identity = start(machine)
    address = machine.leased()[0]
    machine.restart()
    assert machine.inspect(identity)["NetworkSettings"]["Networks"]["edge"]["IPAddress"] == address
    assert machine.api.post("/kedge/v1/system/check")["Problems"] == []
    machine.docker("exec", "--privileged", identity, "ip", "addr", "flush", "dev", "eth0")
    problems = machine.api.post("/kedge/v1/system/check")["Problems"]
    assert len(problems) == 1 and problems[0].startswith(f'container {identity[:12]}: interface "eth0": plugin "bridge": '), problems
    machine.api.post(f"/containers/{identity}/stop?t=0")
    kedge.wait_for(machine.nothing_is_left, 20)


def test_a_container_ends_while_kedged_is_dead(machine):
    machine.network("edge", ipMasq=False)
    identity = start(machine)
    pid = machine.inspect(identity)["State"]["Pid"]
    machine.kill()
    subprocess.run(["kill", "-9", str(pid)], check=True)
    kedge.wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists())
    assert machine.leased() and machine.records()
    machine.start()
    kedge.wait_for(machine.nothing_is_left, 20)
    machine.start_container(identity)
    assert len(machine.leased()) == 1


def test_a_container_ends_just_before_its_shim_tells_the_next_kedged(machine):
    machine.network("edge", ipMasq=False)
    identity = start(machine)
    pid = machine.inspect(identity)["State"]["Pid"]
    state_and_parent = lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    shim = int(state_and_parent()[1])
    machine.kill()
    os.kill(shim, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    kedge.wait_for(lambda: state_and_parent()[0] == "Z")
    machine.start()
    os.kill(shim, signal.SIGCONT)
    kedge.wait_for(lambda: not machine.inspect(identity)["State"]["Running"])
    kedge.wait_for(machine.nothing_is_left, 20)


@pytest.mark.parametrize("point", ["cni.record.write:1", "cni.add.recorded:1", "cni.add.plugin:1", "cni.record.write:2", "cni.add.plugin:2",
                                   "engine.launch.spawn:1"])
def test_kedged_is_killed_in_a_start(point):
    """Nothing is left when the next one has looked, and the container starts."""
    machine = Machine()
    try:
        machine.network("edge", FIREWALL)
        machine.environment["KEDGE_FAULT"] = f"{point}:kill"
        machine.start().load_busybox()
        identity = machine.create(["sleep", "1000"], host={"NetworkMode": "edge"})
        with pytest.raises((OSError, AssertionError, ValueError)):
            machine.api.post(f"/containers/{identity}/start")
        machine.process.wait(30)
        machine.process = None
        del machine.environment["KEDGE_FAULT"]
        machine.start()
        kedge.wait_for(lambda: machine.nothing_is_left() or machine.inspect(identity)["State"]["Running"])
        if not machine.inspect(identity)["State"]["Running"]:
            machine.start_container(identity)
        assert len(machine.leased()) == 1
    finally:
        machine.close()


@pytest.mark.parametrize("verb, point", [("connect", "cni.record.write:1"), ("connect", "cni.add.recorded:1"), ("connect", "cni.add.plugin:1"),
                                         ("connect", "cni.record.write:2"), ("connect", "engine.network.connect:1"),
                                         ("disconnect", "engine.network.disconnect:1"), ("disconnect", "cni.record.remove:1")])
def test_kedged_is_killed_while_it_connects(verb, point):
    """The container goes on, and what it has is what its record says."""
    machine = Machine()
    try:
        machine.network("edge", ipMasq=False)
        machine.environment["KEDGE_FAULT"] = f"{point}:kill"
        machine.start().load_busybox()
        identity = start(machine, network="bridge")
        with pytest.raises((OSError, AssertionError, ValueError)):
            for each in ("connect", "disconnect"):
                machine.api.post(f"/networks/edge/{each}", {"Container": identity})
        machine.process.wait(30)
        machine.process = None
        del machine.environment["KEDGE_FAULT"]
        machine.start()
        assert machine.inspect(identity)["State"]["Running"]
        is_connected = "edge" in machine.inspect(identity)["NetworkSettings"]["Networks"]
        assert is_connected == (verb == "disconnect" and "network.disconnect" in point)
        if not is_connected:
            kedge.wait_for(lambda: not machine.records() and not machine.leased(), 20)
            kedge.wait_for(lambda: "eth1" not in machine.docker("exec", identity, "ip", "link").out, 20)
            machine.api.post("/networks/edge/connect", {"Container": identity})
        assert len(machine.leased()) == 1 and "eth1" in machine.docker("exec", identity, "ip", "link").out
        machine.api.post("/networks/edge/disconnect", {"Container": identity})
        assert not machine.leased() and not machine.records()
    finally:
        machine.close()
