# SPDX-License-Identifier: Apache-2.0
"""What goes over containers' interfaces: counted, and limited."""
import re
import time

import pytest

import kedge
import namespaces

MEGABYTE = 1000000
SERVER = f"head -c {MEGABYTE} /dev/zero > /tmp/big; touch /tmp/big.ready; exec httpd -f -p 80 -h /tmp"
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}


@pytest.fixture(scope="module")
def shared_machine():
    namespace = namespaces.Namespace()
    it = kedge.Daemon(namespace=namespace).start()
    it.load_busybox()
    it.api.post("/networks/create", {"Name": "near"})
    it.api.post("/networks/create", {"Name": "far"})
    yield it
    it.close()
    namespace.close()


@pytest.fixture
def machine(shared_machine):
    yield shared_machine
    shared_machine.remove_all()
    kedge.wait_for(lambda: not shared_machine.leftovers(), 15)


def serve(machine, **options):
    identity = run(machine, ["sh", "-c", SERVER], **options)
    address = machine.inspect(identity)["NetworkSettings"]["Networks"]["near"]["IPAddress"]
    return identity, address


def run(machine, command=("sleep", "1000"), network="near", **options):
    return machine.run_container(list(command), host={"NetworkMode": network},
                                 NetworkingConfig={"EndpointsConfig": {network: {"DriverOpts": options or None}}})


def fetch(machine, client, address):
    """Seconds that a megabyte takes, or somewhat more."""
    machine.docker("exec", client, "sh", "-c", f"until wget -q -O /dev/null http://{address}/big.ready; do sleep 0.1; done", timeout=30)
    begin = time.monotonic()
    machine.docker("exec", client, "wget", "-q", "-O", "/dev/null", f"http://{address}/big")
    return time.monotonic() - begin


def counters(machine, identity):
    return machine.api.get(f"/containers/{identity}/stats?stream=0&one-shot=1").get("networks", {})


def in_bytes(text):
    number, unit = re.fullmatch(r"([0-9.]+)(\w+)", text).groups()
    return float(number) * UNITS[unit]


def test_traffic_is_counted(machine):
    server, address = serve(machine)
    client = run(machine)
    machine.api.post("/networks/far/connect", {"Container": client})
    fetch(machine, client, address)
    received, sent = counters(machine, client), counters(machine, server)
    assert set(received) == {"eth0", "eth1"} and set(sent) == {"eth0"}
    assert set(received["eth0"]) == {f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")}
    assert received["eth0"]["rx_bytes"] > MEGABYTE > received["eth0"]["tx_bytes"] > 0
    assert sent["eth0"]["tx_bytes"] > MEGABYTE > sent["eth0"]["rx_bytes"] > 0
    assert received["eth0"]["rx_packets"] > 0 and received["eth1"]["rx_bytes"] < MEGABYTE
    assert received["eth0"]["rx_errors"] == received["eth0"]["rx_dropped"] == 0
    sums = [sum(interface[key] for interface in received.values()) for key in ("rx_bytes", "tx_bytes")]
    for program in (machine.docker, machine.kedge):
        shown = program("stats", "--no-stream", "--format", "{{.NetIO}}", client).out.strip()
        for text, number in zip(shown.split(" / "), sums):
            assert in_bytes(text) == pytest.approx(number, rel=0.2), (shown, sums)


def test_what_has_no_network_counts_nothing(machine):
    for mode in ("none", "host"):
        identity = machine.run_container(["sleep", "1000"], host={"NetworkMode": mode})
        assert counters(machine, identity) == {}


@pytest.mark.parametrize("at_client", [True, False])
def test_bandwidth_is_limited(machine, at_client):
    """Of what comes to the client, or of what the server sends: a megabyte at 8 Mbit/s is a second's, a burst of it goes ahead."""
    _, address = serve(machine, **({} if at_client else {"kedge.bandwidth.egress": "8mbit"}))
    client = run(machine, **({"kedge.bandwidth.ingress": "8mbit"} if at_client else {}))
    assert fetch(machine, client, address) > 0.7


def test_limits_of_a_network_that_is_joined_later(machine):
    """By connect, with the limits shown."""
    _, address = serve(machine)
    client = run(machine, network="far")
    machine.kedge("network", "connect", "--driver-opt", "kedge.bandwidth.ingress=8mbit", "--driver-opt", "kedge.bandwidth.egress=1gbit",
                  "near", client)
    endpoint = machine.inspect(client)["NetworkSettings"]["Networks"]["near"]
    assert endpoint["DriverOpts"] == {"kedge.bandwidth.ingress": "8mbit", "kedge.bandwidth.egress": "1gbit"}
    assert fetch(machine, client, address) > 0.7


def test_limits_go_with_the_container(machine):
    identity = machine.docker("run", "-d", "--network", "name=near,driver-opt=kedge.bandwidth.ingress=1g,driver-opt=kedge.bandwidth.egress=64000",
                              "busybox:test", "sleep", "1000").out.strip()
    shown = machine.namespace.run("tc", "qdisc")
    assert shown.count("tbf") == 1 and "rate 1Gbit" in shown
    pid = machine.inspect(identity)["State"]["Pid"]
    assert "rate 64Kbit" in machine.run("nsenter", "-t", pid, "-n", "tc", "qdisc").out
    machine.api.post(f"/containers/{identity}/restart?t=0")
    kedge.wait_for(lambda: machine.namespace.run("tc", "qdisc").count("tbf") == 1)  # the kernel takes the one before away when its namespace has gone
    machine.api.delete(f"/containers/{identity}?force=1")
    kedge.wait_for(lambda: "tbf" not in machine.namespace.run("tc", "qdisc"), 15)


@pytest.mark.parametrize("option", ["ingress", "egress"])
def test_rates_that_are_none(machine, option):
    body = {"Image": "busybox:test", "HostConfig": {"NetworkMode": "near"},
            "NetworkingConfig": {"EndpointsConfig": {"near": {"DriverOpts": {f"kedge.bandwidth.{option}": "8mbps"}}}}}
    with pytest.raises(kedge.ApiError) as refused:
        machine.api.post("/containers/create", body)
    assert str(refused.value).startswith("400")
    assert f'driver option \\"kedge.bandwidth.{option}\\": \\"8mbps\\" is not a rate in bits per second' in str(refused.value)


def test_what_comes_over_a_macvlan_cannot_be_limited(machine):
    machine.namespace.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "down0")
    machine.api.post("/networks/create", {"Name": "lan", "Driver": "macvlan", "Options": {"parent": "up0"}})
    try:
        for option, status in (("ingress", "400"), ("egress", None)):
            body = {"Image": "busybox:test", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "lan"},
                    "NetworkingConfig": {"EndpointsConfig": {"lan": {"DriverOpts": {f"kedge.bandwidth.{option}": "8mbit"}}}}}
            if status:
                with pytest.raises(kedge.ApiError, match=status):
                    machine.api.post("/containers/create", body)
                continue
            identity = machine.start_container(machine.api.post("/containers/create", body)["Id"])
            pid = machine.inspect(identity)["State"]["Pid"]
            assert "tbf" in machine.run("nsenter", "-t", pid, "-n", "tc", "qdisc").out
    finally:
        machine.remove_all()
        machine.api.delete("/networks/lan")
