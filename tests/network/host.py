# SPDX-License-Identifier: Apache-2.0
"""The host of the firewall's tests: what kedged would have made (bridges, addresses, sysctls) made by hand, and the modules of
src/network driven by firewall-driver in its namespace."""
import concurrent.futures
import socket
import struct
import subprocess

import field
import kedge

DRIVER = kedge.BUILD / "tests" / "network" / "firewall-driver"
SOON = 0.3  # seconds: what is blocked is not waited for any longer; each of these probes has a twin that gets through

HOST4, HOST4_TOO, HOST6 = "192.0.2.1", "192.0.2.7", "2001:db8::1"
CLIENT4, CLIENT6 = "192.0.2.9", "2001:db8::9"
BRIDGES = {  # name: gateways and containers
    "kedge0": (("10.68.0.1/16", "fd00:88::1/64"), ("a", "b")),
    "kedge1": (("10.69.0.1/24", "fd00:89::1/64"), ("c",)),
    "kedge2": (("10.70.0.1/24", "fd00:90::1/64"), ("i",)),
}
ADDRESSES = {"a": ("10.68.0.2", "fd00:88::2"), "b": ("10.68.0.3", "fd00:88::3"), "c": ("10.69.0.2", "fd00:89::2"),
             "i": ("10.70.0.2", "fd00:90::2")}


class Driver:
    """kedged's part: orders to the modules of src/network."""

    def __init__(self, space, *arguments):
        self.process = space.spawn(DRIVER, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = []
        assert self.answer() == ("ok", "")

    def line(self):
        line = self.process.stdout.readline()
        assert line, "the driver has ended"
        return line.rstrip("\n").partition(" ")

    def answer(self):
        while True:
            kind, _, rest = self.line()
            if kind != "event":
                return kind, rest
            self.events.append(rest)

    def order(self, *words):
        """The answer's words; an AssertionError where it is an error."""
        kind, rest = self.try_order(*words)
        assert kind == "ok", rest
        return rest.split(" ")

    def try_order(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def await_event(self, name):
        """Waits for it, and drops those before."""
        while True:
            while self.events:
                if self.events.pop(0).split(" ")[0] == name:
                    return
            kind, _, rest = self.line()
            assert kind == "event", (kind, rest)
            self.events.append(rest)

    def load(self):
        self.order("load")
        self.await_event("loaded")


class Place:
    def __init__(self, call_iptables=0):
        self.host, self.client = field.Space(), field.Space()
        self.containers, self.echoes, self.more = {}, [], []
        self.prepare_host(call_iptables)
        for bridge, (gateways, names) in BRIDGES.items():
            self.add_bridge(bridge, gateways, names)
        self.driver = Driver(self.host)

    def prepare_host(self, call_iptables):
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.host.sysctl(name, 1)
        for name in ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"):  # a refusal is an answer to each
            self.host.sysctl(name, 0)
        field.wire(self.host, "lan0", self.client, "eth0", f"addr add {HOST4}/24 dev lan0", f"addr add {HOST4_TOO}/24 dev lan0",
                   f"addr add {HOST6}/64 dev lan0 nodad")
        self.client.ip(f"addr add {CLIENT4}/24 dev eth0", f"addr add {CLIENT6}/64 dev eth0 nodad",
                       f"route add 10.0.0.0/8 via {HOST4}", f"route add fd00::/16 via {HOST6}")
        self.echoes.append(field.Echo(self.client, "client", 80))
        self.call_iptables(call_iptables)

    def call_iptables(self, value):
        for name in ("iptables", "ip6tables"):
            try:
                self.host.sysctl(f"net.bridge.bridge-nf-call-{name}", value)
            except FileNotFoundError:  # no br_netfilter
                assert not value

    def add_bridge(self, bridge, gateways, names):
        self.host.ip(f"link add {bridge} type bridge", f"link set {bridge} addrgenmode none", f"link set {bridge} up",
                     f"addr add {gateways[0]} dev {bridge}", f"addr add {gateways[1]} dev {bridge} nodad", f"addr add fe80::1/64 dev {bridge} nodad",
                     f"route append local ::1/128 dev {bridge} table local")
        self.host.sysctl(f"net.ipv4.conf.{bridge}.route_localnet", 1)
        for name in names:
            self.add_container(name, bridge, gateways)

    def add_container(self, name, bridge, gateways):
        space = self.containers[name] = field.Space()
        field.wire(self.host, f"vk{name}", space, "eth0", f"link set vk{name} master {bridge}", f"link set vk{name} type bridge_slave hairpin on")
        v4, v6 = ADDRESSES[name]
        space.ip(f"addr add {v4}/{gateways[0].split('/')[1]} dev eth0", f"addr add {v6}/64 dev eth0 nodad",
                 f"route add default via {gateways[0].split('/')[0]}", f"route add default via {gateways[1].split('/')[0]}")
        self.echoes.append(field.Echo(space, name, 80))

    def space(self, name):
        return {"host": self.host, "client": self.client}.get(name) or self.containers[name]

    def load(self):
        self.driver.load()

    def add_networks(self):
        for bridge, (gateways, _) in BRIDGES.items():
            self.add_network(bridge, *(("internal",) if bridge == "kedge2" else ()))

    def network_words(self, bridge, *more):
        (v4, v6), _ = BRIDGES[bridge]
        return f"bridge={bridge}", f"subnet={v4}", f"subnet6={v6}", *more

    def add_network(self, bridge, *more):
        assert self.driver.order("network", *self.network_words(bridge, *more))[0] == "done"

    def publish(self, protocol, port, name, host=None, families=(4, 6), order="publish", more=()):
        """Leads the port to the container's port 80; host: an address, else any."""
        for family in families:
            if host and (":" in host) != (family == 6):
                continue
            words = [order, protocol, f"port={port}", f"to={ADDRESSES[name][family == 6]}", "to-port=80", *more]
            assert self.driver.order(*words, *([f"host={host}"] if host else []))[0] in ("done", "")

    def ask(self, name, protocol, address, port, **options):
        """The name of who answers, or "refused", or None."""
        answer = field.ask(self.space(name), protocol, address, port, **options)
        return answer and answer.split(" ")[0]

    def peer(self, name, protocol, address, port):
        """As whom the one who answers sees us."""
        answer = field.ask(self.space(name), protocol, address, port)
        return answer and answer.split(" ")[-1]

    def blocked(self, *probes):
        """None of these (name, protocol, address, port) is answered; they are made at the same time."""
        with concurrent.futures.ThreadPoolExecutor(len(probes)) as pool:
            answers = list(pool.map(lambda probe: field.ask(self.space(probe[0]), *probe[1:], seconds=SOON), probes))
        return all(answer in (None, "refused") for answer in answers)

    def pings(self, name, address):
        return self.space(name).run("busybox", "ping", "-c1", "-W5", address, check=False).returncode == 0

    def close(self):
        for echo in self.echoes:
            echo.close()
        for space in [self.host, self.client, *self.containers.values(), *self.more]:
            space.close()


# ---- crafted frames

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def datagram(source, destination, port, payload):
    """An IPv4 packet with UDP, as bytes."""
    udp = struct.pack("!HHHH", 4444, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0, socket.inet_aton(source),
                       socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def mac_of(space, link):
    return bytes.fromhex(space.run("ip", "-o", "link", "show", link).split("link/ether ")[1].split()[0].replace(":", ""))


def send_frame(space, link, to_mac, packet):
    with space.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((link, 0))
        raw.send(to_mac + mac_of(space, link) + b"\x08\x00" + packet)
