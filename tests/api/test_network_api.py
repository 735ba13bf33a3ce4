# SPDX-License-Identifier: Apache-2.0
"""Networks and ports through python3-docker and plain requests: what was asked is there in the container and at the host. That statuses and
messages are Docker's is compared in tests/system/test_networks_like_docker.py."""
import json

import docker
import pytest

import kedge
import namespaces

SERVE = ["sh", "-c", "echo served > /tmp/index.html; httpd -p 80 -h /tmp; echo up; while :; do usleep 50000; done"]


@pytest.fixture(scope="module")
def place():
    it = namespaces.Namespace()
    yield it
    it.close()


@pytest.fixture(scope="module")
def engine(place):
    it = kedge.Daemon(namespace=place).start()
    it.load_busybox()
    yield it
    it.close()


@pytest.fixture
def client(engine):
    it = docker.DockerClient(base_url=f"unix://{engine.socket}", version="1.43")
    yield it
    it.close()
    engine.remove_all()
    engine.api.post("/networks/prune")


def fetch(place, port, address="127.0.0.1"):
    return place.run("curl", "-s", "--max-time", "10", f"http://{address}:{port}/")


def test_a_session(engine, client, place):
    pool = docker.types.IPAMPool(subnet="10.81.0.0/24", gateway="10.81.0.1", aux_addresses={"printer": "10.81.0.2"})
    plant = client.networks.create("plant", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={"a": "b"}, check_duplicate=True)
    assert plant.attrs["IPAM"]["Config"] == [{"Subnet": "10.81.0.0/24", "Gateway": "10.81.0.1", "AuxiliaryAddresses": {"printer": "10.81.0.2"}}]
    web = client.containers.run("busybox:test", SERVE, name="web", network="plant", ports={"80/tcp": None, "81/udp": ("127.0.0.1", 0)}, detach=True)
    kedge.wait_for(lambda: b"up" in web.logs())
    web.reload()
    assert fetch(place, web.ports["80/tcp"][0]["HostPort"]) == "served\n"
    assert [binding["HostIp"] for binding in web.ports["80/tcp"]] == ["0.0.0.0", "::"] and web.ports["81/udp"][0]["HostIp"] == "127.0.0.1"
    store = client.networks.create("store", internal=True)
    store.connect(web, aliases=["shelf"])
    assert web.exec_run("ls /sys/class/net").output.split() == [b"eth0", b"eth1", b"lo"]
    assert sorted(container.name for container in client.networks.get("store").containers) == ["web"]
    with pytest.raises(docker.errors.APIError) as used:
        store.remove()
    assert used.value.status_code == 403
    store.disconnect(web)
    assert web.exec_run("ls /sys/class/net").output.split() == [b"eth0", b"lo"]
    store.remove()
    with pytest.raises(docker.errors.NotFound):
        client.networks.get("store")
    assert [network.name for network in client.networks.list(filters={"label": "a=b"})] == ["plant"]
    web.remove(force=True)
    assert client.networks.prune()["NetworksDeleted"] == ["plant"]


def test_all_that_an_endpoint_has(engine, client):
    """Several networks from the beginning, each with addresses, names and hardware addresses of its own."""
    for name, subnet, subnet6 in (("one", "10.82.0.0/24", "fd00:82::/64"), ("two", "10.83.0.0/24", None)):
        config = [{"Subnet": subnet}] + ([{"Subnet": subnet6}] if subnet6 else [])
        engine.api.post("/networks/create", {"Name": name, "EnableIPv6": bool(subnet6), "IPAM": {"Config": config}})
    endpoints = {"one": {"IPAMConfig": {"IPv4Address": "10.82.0.9", "IPv6Address": "fd00:82::9", "LinkLocalIPs": ["169.254.7.9"]}, "Aliases": ["al"]},
                 "two": {"IPAMConfig": {"IPv4Address": "10.83.0.9"}, "MacAddress": "02:42:00:00:00:83", "GwPriority": 5}}
    engine.run_container(["sleep", "1000"], name="both", host={"NetworkMode": "one"}, NetworkingConfig={"EndpointsConfig": endpoints},
                         MacAddress="02:42:00:00:00:82")
    inside = engine.docker("exec", "both", "ip", "addr").out
    for word in ("10.82.0.9/24", "fd00:82::9/64", "169.254.7.9", "10.83.0.9/24", "02:42:00:00:00:82", "02:42:00:00:00:83"):
        assert word in inside, word
    assert "default via 10.83.0.1" in engine.docker("exec", "both", "ip", "route").out  # the higher priority
    shown = engine.inspect("both")["NetworkSettings"]["Networks"]
    assert shown["two"]["GwPriority"] == 5 and shown["one"]["IPAMConfig"]["LinkLocalIPs"] == ["169.254.7.9"] and "al" in shown["one"]["Aliases"]


def test_create_disconnect_connect(engine, client):
    """As docker-compose does it: the aliases are those of the second connect, and the container starts with them."""
    network = client.networks.create("composed")
    container = client.containers.create("busybox:test", ["sleep", "1000"], network="composed", name="later")
    network.disconnect(container)
    assert engine.inspect("later")["NetworkSettings"]["Networks"] == {}
    network.connect(container, aliases=["service", "other"])
    container.start()
    shown = engine.inspect("later")["NetworkSettings"]["Networks"]["composed"]
    assert {"service", "other"} <= set(shown["Aliases"]) and shown["IPAddress"]


def test_ports_beyond_four_thousand_are_there_after_a_restart(engine, client):
    """More of them than other lists may have: the next kedged reads what was taken."""
    bindings = {f"{port}/tcp": [{"HostIp": "", "HostPort": str(port)}] for port in range(1, 5001)}
    identity = engine.create(["true"], host={"NetworkMode": "bridge", "PortBindings": bindings})
    engine.restart()
    assert engine.inspect(identity)["HostConfig"]["PortBindings"] == bindings


def test_a_port_that_is_given_by_two_names_is_shown_once(engine, client):
    identity = engine.create(["true"], host={"NetworkMode": "bridge", "PortBindings": {
        "80": [{"HostPort": "8080"}], "81/tcp": [{"HostPort": "8081"}], "80/tcp": [{"HostPort": "8082"}]}})
    assert engine.inspect(identity)["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": "8082"}], "81/tcp": [{"HostIp": "", "HostPort": "8081"}]}


def test_refused_by_name(engine, client):
    def refused(body):
        status, data = engine.api.raw("POST", "/networks/create", json.dumps({"Name": "n", **body}), {"Content-Type": "application/json"})
        return status, data.decode()
    for body, status, word in (({"ConfigOnly": True}, 501, "ConfigOnly"), ({"ConfigFrom": {"Network": "x"}}, 501, "ConfigFrom"), ({"Scope": "swarm"}, 501, "Scope"),
                               ({"EnableIPv4": False}, 501, "EnableIPv4"), ({"Driver": "overlay"}, 501, "overlay"), ({"Driver": "cni"}, 400, "cni"),
                               ({"IPAM": {"Driver": "mine"}}, 404, "mine"), ({"Ingress": True}, 403, "Ingress"), ({"Labels": {"a": 1}}, 400, "Labels"),
                               ({"IPAM": {"Config": [{"Subnet": "x"}]}}, 400, "IPAM.Config[0]")):
        told = refused(body)
        assert told[0] == status and word in told[1], told
