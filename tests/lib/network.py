# SPDX-License-Identifier: Apache-2.0
"""A small world of network namespaces: the "host" that kedged runs in, and three neighbours, each joined to it by a cable (veth).

    client  192.0.2.2      ---  192.0.2.1      host    asks for published ports
    lan     198.51.100.2   ---  198.51.100.1   host    another of the host's networks
    uplink  203.0.113.1    ---  203.0.113.2    host    the host's default route; behind it "the internet", 198.18.0.9

and the same with IPv6: 2001:db8:1::2 --- 2001:db8:1::1 and so on, 2001:db8:ffff::9. Every neighbour has its default route over the host, so
that it can try what it should not reach. Nothing in it touches the machine's own network: names of bridges, tables and ports are free.

    with Net() as net:
        daemon = net.daemon().start()
        ...
        assert net.ask("client", "192.0.2.1", 8080).peer == "192.0.2.2"
"""
import collections
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import kedge

PEER = kedge.BUILD / "tests" / "probe" / "peer"
OUTSIDE, OUTSIDE6 = "198.18.0.9", "2001:db8:ffff::9"
SIDES = ("client", "lan", "uplink")
# of the host's end, of the neighbour's, with prefix; the same in IPv6
CABLES = {"client": ("192.0.2.1", "192.0.2.2", "2001:db8:1::1", "2001:db8:1::2"),
          "lan": ("198.51.100.1", "198.51.100.2", "2001:db8:2::1", "2001:db8:2::2"),
          "uplink": ("203.0.113.2", "203.0.113.1", "2001:db8:3::2", "2001:db8:3::1")}
CLONE_NEWNET = 0x40000000

Answer = collections.namedtuple("Answer", "name peer port local")  # who answered; who asked, as seen there; the address that was asked

libc = ctypes.CDLL(None, use_errno=True)


def enter(descriptor):
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Net:
    count = 0

    def __init__(self):
        Net.count += 1
        self.prefix = f"kn{os.getpid()}-{Net.count}-"
        self.started = []
        self.daemons = []
        self.names = []
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    # -- how it is made --

    def name(self, side):
        return self.prefix + side

    def build(self):
        for side in ("host", *SIDES):
            subprocess.run(["ip", "netns", "add", self.name(side)], check=True)
            self.names.append(self.name(side))
        for side in SIDES:
            subprocess.run(["ip", "-n", self.name("host"), "link", "add", side, "type", "veth", "peer", "name", "host", "netns",
                            self.name(side)], check=True)
        self.batch("host", ["link set lo up", *[line for side in SIDES for line in self.end_of(side, CABLES[side][0::2])],
                            *self.default_routes(CABLES["uplink"][1::2], "uplink")])
        for side in SIDES:
            self.batch(side, ["link set lo up", *self.end_of("host", CABLES[side][1::2]),
                              *self.default_routes(CABLES[side][0::2], "host")])
        self.sysctl("host", "net.ipv4.ip_forward", 0)  # as a device is found: kedge switches on what it needs
        self.batch("uplink", [f"addr add {OUTSIDE}/32 dev lo", f"addr add {OUTSIDE6}/128 dev lo nodad"])

    @staticmethod
    def end_of(link, addresses):
        four, six = addresses
        return [f"addr add {four}/24 dev {link}", f"addr add {six}/64 dev {link} nodad", f"link set {link} up"]

    @staticmethod
    def default_routes(addresses, link):
        return [f"route add default via {address} dev {link}" for address in addresses]

    def batch(self, side, lines):
        """Lines for ip(8), on one side."""
        subprocess.run(["ip", "-n", self.name(side), "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)

    # -- being somewhere --

    def path(self, side):
        """Of a side's namespace; a path (namespace_of() a container) is itself."""
        return side if side.startswith("/") else f"/run/netns/{self.name(side)}"

    @contextlib.contextmanager
    def inside(self, side):
        """This thread is there meanwhile: sockets that it opens and programs that it starts stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self.path(side), os.O_RDONLY)
        try:
            enter(there)
            yield
        finally:
            enter(home)
            os.close(there)
            os.close(home)

    def run(self, side, *command, check=True, timeout=60, **options):
        """A command there; text with .out and .err."""
        done = subprocess.run(["nsenter", f"--net={self.path(side)}", "--", *map(str, command)], timeout=timeout, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, **options)
        done.out, done.err = done.stdout, done.stderr
        assert not check or done.returncode == 0, f"{side}: {' '.join(map(str, command))}: status {done.returncode}\n{done.out}{done.err}"
        return done

    def start(self, side, *command, **options):
        """A program that goes on there until close()."""
        with self.inside(side):
            process = subprocess.Popen([str(word) for word in command], **options)
        self.started.append(process)
        return process

    def sysctl(self, side, name, value=None):
        """Reads, or sets, one of net.*: "net.ipv4.ip_forward"."""
        path = pathlib.Path("/proc/sys") / name.replace(".", "/")
        with self.inside(side):
            if value is not None:
                path.write_text(str(value))
            return path.read_text().strip()

    # -- traffic --

    def serve(self, side, port, name=None):
        """A server (tests/probe/peer.c) on TCP and UDP there, that tells who asked."""
        process = self.start(side, PEER, port, name or side, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        return process

    def ask(self, side, address, port, protocol="tcp", timeout=5, source_port=0):
        """Asks a peer from there, once: an Answer, or an OSError (ConnectionRefusedError, TimeoutError)."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with self.inside(side):
            asking = socket.socket(family, kind)
        with asking:
            asking.settimeout(timeout)
            if source_port:
                asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                asking.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source_port))
            asking.connect((address, port))
            asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b""
            while not data.endswith(b"\n") or data.endswith(b"\r\n"):
                part = asking.recv(4096)
                if not part:
                    raise ConnectionResetError(f"{address} port {port}: ended after {data!r}")
                data += part
        name, peer, seen_port, local = data.decode().splitlines()[-1].split()
        return Answer(name, peer, int(seen_port), local)

    def ask_until(self, side, address, port, protocol="tcp", seconds=15, **options):
        """Asks until somebody answers: for a server that is about to listen."""
        def answer():
            try:
                return self.ask(side, address, port, protocol, timeout=1, **options)
            except OSError:
                return None
        answer.__name__ = f"an answer of {address} port {port}/{protocol}"
        return kedge.wait_for(answer, seconds)

    def reaches(self, side, address, port, protocol="tcp", timeout=1):
        """Whether somebody answers; a refusal and silence are both no."""
        try:
            return bool(self.ask(side, address, port, protocol, timeout))
        except OSError:
            return False

    # -- kedged and other servers on the host --

    def daemon(self, *arguments, kind=kedge.Daemon, **options):
        """A kedge.Daemon (or what is built on it) whose kedged runs on the host; to be started by the caller, closed with the Net."""
        it = on_host(kind)(*arguments, net=self, **options)
        self.daemons.append(it)
        return it

    # -- what is there --

    def links(self, side="host"):
        return json.loads(self.run(side, "ip", "-j", "-d", "link").out)

    def link_names(self, side="host"):
        return {link["ifname"] for link in self.links(side)}

    def elements(self, side="host"):
        """Elements of all sets and maps of nf_tables there, as sorted lines: "TABLE SET ELEMENT"."""
        ruleset = json.loads(self.run(side, "nft", "-j", "list", "ruleset").out or "{}")
        found = []
        for item in ruleset.get("nftables", []):
            for kind in ("set", "map"):
                for element in item.get(kind, {}).get("elem", []):
                    found.append(f"{item[kind]['table']} {item[kind]['name']} {json.dumps(element, sort_keys=True)}")
        return sorted(found)

    def rules(self, side="host"):
        return sum("rule" in item for item in json.loads(self.run(side, "nft", "-j", "list", "ruleset").out or "{}").get("nftables", []))

    def close(self):
        try:
            for daemon in list(self.daemons):  # each takes itself out
                daemon.close()
        finally:
            for process in self.started:
                process.kill()
                process.wait()
                if process.stdout:
                    process.stdout.close()
            for name in self.names:
                subprocess.run(["ip", "netns", "del", name], check=False)
            self.daemons, self.started, self.names = [], [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def on_host(kind):
    """The class whose kedged runs in net's host."""
    class OnHost(kind):
        def __init__(self, *arguments, net, **options):
            super().__init__(*arguments, **options)
            self.net = net

        def command(self):
            return ["nsenter", f"--net={self.net.path('host')}", "--", *super().command()]

        def close(self):
            if self in self.net.daemons:
                self.net.daemons.remove(self)
            super().close()
    return OnHost


def namespace_of(daemon, container):
    """The path of a running container's network namespace, to be a side with."""
    return f"/proc/{daemon.inspect(container)['State']['Pid']}/ns/net"


def load_peer(daemon, name="peer:test"):
    """An image like busybox:test with /bin/peer, which listens at port 80 (`peer PORT` as command: elsewhere)."""
    with tempfile.TemporaryDirectory() as work:
        layer = pathlib.Path(work) / "layer"
        (layer / "bin").mkdir(parents=True)
        shutil.copy(PEER, layer / "bin" / "peer")
        archive = kedge.busybox_archive(pathlib.Path(work) / "peer.tar", name, layers=[layer], how=None,
                                        config={"Cmd": ["peer", "80"]})
        daemon.api.call("POST", "/images/load", archive.read_bytes(), {"Content-Type": "application/x-tar"})
    return name


# ---- what must not be left --------------------------------------------------------------------------------------------------------

def processes_of(daemon):
    """Numbers and command lines of kedged and all that belongs to it: by its directory or by its control group."""
    found = {}
    marks = [str(daemon.directory).encode(), daemon.cgroup_parent.encode()]
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if any(mark in words + (process / "cgroup").read_bytes() for mark in marks) and int(process.name) != os.getpid():
                found[int(process.name)] = words.replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it has ended
    return found


def namespaces_of(numbers):
    """Network namespaces that these processes are in, or hold by a descriptor."""
    found = set()
    for number in numbers:
        for path in (pathlib.Path(f"/proc/{number}/ns/net"), *descriptors(number)):
            try:
                target = os.readlink(path)
            except OSError:
                continue
            if target.startswith("net:["):
                found.add(target)
    return found


def descriptors(number):
    try:
        return list(pathlib.Path(f"/proc/{number}/fd").iterdir())
    except OSError:
        return []


def census(daemon):
    """What is there on account of a daemon of a Net: links, namespaces, mounts, elements of the firewall, processes, as sorted lists."""
    processes = processes_of(daemon)
    mounts = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if str(daemon.directory) in line]
    return {"links": sorted(daemon.net.link_names()), "namespaces": sorted(namespaces_of(processes)), "mounts": sorted(mounts),
            "elements": daemon.net.elements(), "processes": sorted(processes.values()),
            "descriptors": len(descriptors(daemon_process(daemon)))}


def daemon_process(daemon):
    return daemon.process.pid if daemon.process else 0


class Leaks:
    """`with Leaks(daemon): ...` fails with what is there more than before, still so many seconds after it.

    What lasts as long as kedged (its bridge, its table's own elements, kedge-dns) is there before, when something was on a network once."""

    def __init__(self, daemon, seconds=15):
        self.daemon, self.seconds = daemon, seconds

    def __enter__(self):
        self.before = census(self.daemon)
        return self

    def more(self):
        """What was on its way out at the beginning is gone now, and concerns nobody."""
        found = {}
        for what, after in census(self.daemon).items():
            before = self.before[what]
            if what == "descriptors":
                extra = max(0, after - before)
            else:
                extra = list((collections.Counter(after) - collections.Counter(before)).elements())
            if extra:
                found[what] = extra
        return found

    def __exit__(self, kind, *_):
        if kind:
            return
        end = time.monotonic() + self.seconds
        while (more := self.more()) and time.monotonic() < end:
            time.sleep(0.05)
        assert not more, f"left behind: {more}"
