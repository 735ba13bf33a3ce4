# SPDX-License-Identifier: Apache-2.0
"""Rows: bridges, published ports and names. Each engine has a world of namespaces of its own (tests/lib/network.py): the "host" that it
runs in, and a client beside it. Traffic is iperf3's and dnsperf's, Debian's programs, mounted into the containers."""
import json
import os
import re
import socket
import statistics
import subprocess
import time

import peers
from many import in_parallel
from measure import Target, alone, paired
from peers import kedge
from starts import run_true

HOST = "192.0.2.1"  # from the client
PROGRAMS = ["/usr:/usr:ro", "/usr/lib:/lib:ro", "/usr/lib64:/lib64:ro"]
SECONDS = 5 if os.environ.get("KEDGE_SOAK") else 3
IPERF = 5201


def engines(bench):
    return bench.in_net(peers.Kedge, "kedge-net"), bench.in_net(peers.Docker, "docker-net")


# ---- starts and ends -------------------------------------------------------------------------------------------------------------

def start_bridge(bench):
    ours, theirs = engines(bench)
    published, client = ours.bridged(["/bin/true"], [(8080, 80, "tcp")]), ours.client()
    docker = run_true(theirs, theirs.client(), theirs.bridged(["/bin/true"], [(8080, 80, "tcp")]))
    samples = paired(run_true(ours, client, published), docker, bench.pairs, bench.warm_up)
    bench.row("start_bridge_port_vs_docker", "ms", *samples, "docker", Target(ratio=0.07))
    samples = paired(run_true(ours, client, published), run_true(ours, client), 2 * bench.pairs, bench.warm_up)
    bench.row("start_bridge_vs_none", "ms", *samples, "kedge, no network", Target(ratio=1.25))


def settled(look):
    """What it shows when it has stayed so for a second: the end of an earlier row's containers is not this one's."""
    seen, since = look(), time.monotonic()
    while time.monotonic() < since + 1:
        time.sleep(0.05)
        now = look()
        if now != seen:
            seen, since = now, time.monotonic()
    return seen


def rm_bridge(bench):
    """What is left is looked for in links of the host and elements of the firewall."""
    engine = engines(bench)[0]
    client, gone = engine.client(), []

    def there():
        return engine.net.link_names(), engine.net.elements()

    def once():
        identity = engine.run_body(client, engine.bridged(["sleep", "1000"], [(8080, 80, "tcp")]))
        elapsed = client.timed("DELETE", f"/containers/{identity}?force=1")[0]
        begin = time.monotonic()
        kedge.wait_for(lambda: there() == before, 10)
        gone.append(time.monotonic() - begin)
        return elapsed * 1000
    engine.remove(client, [engine.run_body(client, engine.bridged(["true"]))])  # what lasts is there from now on
    before = settled(there)
    bench.row("rm_bridge", "ms", alone(once, bench.pairs, bench.warm_up), [], "", Target(5, unit="ms"))
    bench.row("rm_bridge_leftovers_gone", "s", gone, [], "", Target(2, unit="s"))
    client.close()


# ---- many ports ------------------------------------------------------------------------------------------------------------------

class ManyPorts:
    """An engine with so many containers of so many single ports each."""

    def __init__(self, bench, quick):
        self.engine = bench.in_net(peers.Kedge, "kedge-many", options=["--log-level", "debug"])
        self.client, self.containers, self.ports = self.engine.client(), 50, 20 if quick else 100
        self.made = 0

    def add(self, containers, ports):
        for number in range(self.made, self.made + containers):
            first = 10000 + 100 * number
            self.engine.run_body(self.client, self.engine.bridged(["sleep", "100000"], [(first + i, 80 + i, "tcp") for i in range(ports)]))
        self.made += containers

    def publish_one(self):
        """Milliseconds of the transaction, and of the first connection through the new port."""
        at = len(self.engine.daemon.log())
        identity = self.engine.run_body(self.client, self.engine.bridged(["httpd", "-f", "-p", "80"], [(9000, 80, "tcp")]))
        found = re.findall(r"ports published in (\d+) us", self.engine.daemon.log()[at:])
        elapsed = first_connection(self.engine.net, 9000)
        self.engine.remove(self.client, [identity])
        return int(found[0]) / 1000, elapsed

    def measure(self, bench):
        samples = alone(self.publish_one, bench.pairs, bench.warm_up)
        return [one for one, _ in samples], [other for _, other in samples], self.engine.net.rules()


def first_connection(net, port):
    """Milliseconds of a handshake from the client, as soon as somebody listens."""
    end = time.monotonic() + 10
    with net.inside("client"):
        while time.monotonic() < end:
            with socket.socket() as one:
                begin = time.monotonic()
                if one.connect_ex((HOST, port)) == 0:
                    return (time.monotonic() - begin) * 1000
            time.sleep(0.001)
    raise RuntimeError("nobody listens")


def many_ports(bench):
    """A world with 5000 ports, when a row first asks for it."""
    if not hasattr(bench, "many_ports") or "kedge-many" not in bench.engines:
        bench.many_ports = ManyPorts(bench, bench.quick)
    return bench.many_ports


def publish_flat(bench):
    many = many_ports(bench)
    many.add(10, 1)
    few, few_connections, few_rules = many.measure(bench)
    many.add(many.containers, many.ports)
    lots, connections, rules = many.measure(bench)
    bench.row("publish_flat", "ms", lots, few, "10 ports", Target(0.5, 1.5, unit="ms"), ports=many.containers * many.ports)
    bench.row("publish_flat_connection", "ms", connections, few_connections, "10 ports", Target(ratio=1.5))
    bench.row("publish_flat_rules", "rules", [rules], [few_rules], "10 ports", Target(ratio=1))


# ---- traffic ---------------------------------------------------------------------------------------------------------------------

class Traffic:
    """A server of iperf3 behind a published port."""

    def __init__(self, engine):
        self.engine, self.client = engine, engine.client()
        body = engine.bridged(["/usr/bin/iperf3", "-s"], [(IPERF, IPERF, "tcp"), (IPERF, IPERF, "udp")])
        body["HostConfig"]["Binds"] = PROGRAMS
        self.identity = engine.run_body(self.client, body)
        first_connection(engine.net, IPERF)

    def run(self, side, address, *words):
        done = self.engine.net.run(side, "iperf3", "-J", "-c", address, "-p", IPERF, "-t", SECONDS, *words, check=False)
        answer = json.loads(done.out)
        if "error" in answer:
            raise RuntimeError(f"{self.engine.name}: iperf3: {answer['error']}")
        return answer["end"]

    def tcp(self, side, address):
        """Gbit/s that arrived."""
        return self.run(side, address)["sum_received"]["bits_per_second"] / 1e9

    def udp(self, side, address):
        """Thousands of packets of 64 bytes a second that arrived."""
        end = self.run(side, address, "-u", "-b", "0", "-l", "64")["sum"]
        return (end["packets"] - end["lost_packets"]) / end["seconds"] / 1000

    def close(self):
        self.engine.remove(self.client, [self.identity])
        self.client.close()


KINDS = (("tcp", "Gb/s"), ("udp", "kp/s"))


def rounds(functions, count):
    """As paired(), with any number: each begins in turn."""
    samples = [[] for _ in functions]
    for turn in range(count):
        for i in range(len(functions)):
            which = (turn + i) % len(functions)
            samples[which].append(functions[which]())
    return samples


def throughput_port_vs_docker(bench):
    """Docker with one port is the peer of 5000 as well: it takes it minutes to publish so many."""
    many = many_ports(bench)
    if many.made < many.containers:
        many.add(many.containers, many.ports)
    servers = [Traffic(engine) for engine in (*engines(bench), many.engine)]
    for kind, unit in KINDS:
        ours, theirs, crowded = rounds([lambda server=server: getattr(server, kind)("client", HOST) for server in servers], bench.pairs // 2)
        bench.row(f"throughput_{kind}_vs_docker", unit, ours, theirs, "docker", Target(ratio=0.97, at_least=True))
        bench.row(f"throughput_{kind}_5000_ports", unit, crowded, theirs, "docker, one port", Target(ratio=0.97, at_least=True))
    for server in servers:
        server.close()


class Bare:
    """The same on the loopback interface with no engine: more than the machine gives cannot be had through one."""

    def __init__(self, net):
        self.net, self.server = net, net.start("host", "iperf3", "-s", "-p", str(IPERF + 1), stdout=subprocess.DEVNULL)

    def tcp(self):
        done = self.net.run("host", "iperf3", "-J", "-c", "127.0.0.1", "-p", str(IPERF + 1), "-t", str(SECONDS))
        return json.loads(done.out)["end"]["sum_received"]["bits_per_second"] / 1e9

    def close(self):
        self.server.kill()
        self.server.wait()


def loopback_port_vs_docker(bench):
    servers = [Traffic(engine) for engine in engines(bench)]
    bare = Bare(servers[0].engine.net)
    ours, theirs, none = rounds([*[lambda server=server: server.tcp("host", "127.0.0.1") for server in servers], bare.tcp], bench.few)
    bench.row("loopback_tcp_vs_docker", "Gb/s", ours, theirs, "docker's proxy", Target(ratio=2, at_least=True))
    bench.row("loopback_tcp_vs_bare", "Gb/s", ours, none, "no engine at all")
    samples = rounds([lambda server=server: server.udp("host", "127.0.0.1") for server in servers], bench.few)
    bench.row("loopback_udp_vs_docker", "kp/s", *samples, "docker's proxy", Target(ratio=2, at_least=True))
    bare.close()
    for server in servers:
        server.close()


# ---- names -----------------------------------------------------------------------------------------------------------------------

class Names:
    """A network of 20 containers with names; their addresses are asked for in the namespace of one more."""

    def __init__(self, bench, engine):
        self.engine, self.client = engine, engine.client()
        self.seconds = 2 if bench.quick else 10
        self.network = self.client.call("POST", "/networks/create", {"Name": "names"})["Id"]
        self.identities = []
        for name in ["asker", *[f"n{number}" for number in range(20)]]:
            body = engine.body(["sleep", "100000"])
            body["HostConfig"]["NetworkMode"] = "names"
            self.identities.append(engine.run_body(self.client, body, name))
        pid = self.client.call("GET", "/containers/asker/json")["State"]["Pid"]
        self.questions = bench.place.run / "questions"
        self.questions.write_text("".join(f"n{number} {kind}\n" for number in range(20) for kind in ("A", "AAAA")))
        self.words = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", "dnsperf", "-s", "127.0.0.11", "-d", str(self.questions)]

    def ask(self, *words):
        done = subprocess.run([*self.words, *map(str, words)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
        lost = float(re.search(r"Queries completed:\s+\d+ \(([\d.]+)%\)", done.stdout)[1])
        codes = re.search(r"Response codes:\s+(.*)", done.stdout)[1]
        if lost < 99 or not codes.startswith("NOERROR"):
            raise RuntimeError(f"{self.engine.name}: {done.stdout}")
        return done.stdout

    def rate(self):
        """Thousands of answers a second."""
        return float(re.search(r"Queries per second:\s+([\d.]+)", self.ask("-l", self.seconds))[1]) / 1000

    def slow(self):
        """Milliseconds that 99 of 100 do not take, at 2000 a second."""
        times = re.findall(r"^> \S+ \S+ \S+ ([\d.]+)$", self.ask("-v", "-Q", 2000, "-l", 1), re.M)
        return statistics.quantiles(map(float, times), n=100)[98] * 1000

    def close(self):
        self.engine.remove(self.client, self.identities)
        self.client.call("DELETE", f"/networks/{self.network}")
        self.client.close()


def dns_vs_docker(bench):
    names = [Names(bench, engine) for engine in engines(bench)]
    bench.row("dns_vs_docker", "k/s", *paired(names[0].rate, names[1].rate, 3, 0), "docker", Target(ratio=2, at_least=True))
    bench.row("dns_p99_vs_docker", "ms", *paired(names[0].slow, names[1].slow, bench.few, 1), "docker", Target(ratio=1))
    for one in names:
        one.close()


# ---- many containers -------------------------------------------------------------------------------------------------------------

def memory_available():
    with open("/proc/meminfo") as file:
        return int(re.search(r"MemAvailable:\s+(\d+)", file.read())[1])


def answers(net, port):
    """Whether a web server answers the client."""
    with net.inside("client"):
        one = socket.socket()
    with one:
        one.settimeout(5)
        try:
            one.connect((HOST, port))
            one.sendall(b"GET /none HTTP/1.0\r\n\r\n")
            return one.recv(12) == b"HTTP/1.1 404"
        except OSError:
            return False


class Bridged:
    """So many web servers come up, each behind a port, and all have answered."""

    def __init__(self, engine, count):
        before, begin = memory_available(), time.monotonic()

        def work(client, number):
            identity = engine.run_body(client, engine.bridged(["httpd", "-f", "-p", "80"], [(20000 + number, 80, "tcp")]))
            while not answers(engine.net, 20000 + number):
                if time.monotonic() - begin > 120:
                    raise RuntimeError(f"{engine.name}: port {20000 + number} does not answer")
            return identity
        identities = in_parallel(engine, range(count), work)
        self.seconds = time.monotonic() - begin
        self.lost = (before - memory_available()) / count
        in_parallel(engine, identities, lambda client, identity: engine.remove(client, [identity]))


def density_bridge_500(bench):
    ours, theirs = engines(bench)
    count, docker_count = (50, 5) if bench.quick else (500, 50)
    crowds = alone(lambda: Bridged(ours, count), 1 if bench.quick else 3, 0)
    docker = Bridged(theirs, docker_count)
    bench.row("density_bridge_500", "s", [crowd.seconds for crowd in crowds], [docker.seconds], f"docker, {docker_count}", Target(15, unit="s"))
    bench.row("density_bridge_500_lost", "kB", [crowd.lost for crowd in crowds], [docker.lost], f"docker, {docker_count}")


ROWS = [start_bridge, rm_bridge, publish_flat, throughput_port_vs_docker, loopback_port_vs_docker, dns_vs_docker, density_bridge_500]
