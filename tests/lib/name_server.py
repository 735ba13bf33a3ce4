# SPDX-License-Identifier: Apache-2.0
"""kedge-dns alone: in a network namespace that plays the host, with upstream servers, and namespaces that play containers.

What kedged says is said here by hand (src/dns/protocol.h).
"""
import array
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KEDGE_BUILD", TOP / "build"))
PROGRAM = BUILD / "src/main/kedge-dns"
LIMIT = 20  # seconds for what takes milliseconds

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def eventually(condition, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {limit} s: {what}"
        time.sleep(0.01)
    return value


class Namespace:
    """A network namespace with its loopback up, by a descriptor alone: nothing is left of it in the end."""

    def __init__(self):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        self.fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.enter(home)
        os.close(home)
        self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def enter(fd):
        assert libc.setns(fd, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def inside(self, function):
        """Calls it there, in this process."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.enter(self.fd)
        try:
            return function()
        finally:
            self.enter(home)
            os.close(home)

    def command(self, *words):
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.fd}", *map(str, words)]

    def run(self, *words, check=True, **more):
        return subprocess.run(self.command(*words), check=check, stdout=subprocess.PIPE, text=True, timeout=60, **more).stdout

    def start(self, *words, **more):
        return subprocess.Popen(self.command(*words), **more)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Asks(Namespace):
    """One in which 127.0.0.11 is asked."""

    def dig(self, *words):
        """What dig prints, in full."""
        return self.run("dig", "@127.0.0.11", "+time=15", "+tries=1", *words)

    def ask(self, *words):
        """(status, [(type, data)...]) of an answer."""
        text = self.dig("+nocookie", *words)
        status = re.search(r"status: (\w+)", text)
        assert status, text
        answers = re.search(r";; ANSWER SECTION:\n(.*?)\n\n", text, re.S)
        lines = answers.group(1).splitlines() if answers else []
        return status.group(1), [(line.split()[3], line.split(None, 4)[4]) for line in lines]

    def addresses(self, *words):
        status, answers = self.ask(*words)
        assert status == "NOERROR", status
        return [data for kind, data in answers if kind in ("A", "AAAA")]


class OfProcess(Asks):
    """A container's, by a process in it."""

    def __init__(self, pid):
        self.fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


RULES = """
table ip kedge {{
	chain out {{
		type filter hook output priority raw
		ip daddr 127.0.0.11 udp dport 53 udp dport set {udp} notrack
		ip daddr 127.0.0.11 tcp dport 53 tcp dport set {tcp} notrack
		ip saddr 127.0.0.11 udp sport {udp} udp sport set 53 notrack
		ip saddr 127.0.0.11 tcp sport {tcp} tcp sport set 53 notrack
	}}
}}
"""


class Container(Asks):
    def __init__(self, name):
        super().__init__()
        self.id = (name + "0" * 64)[:64]

    def sockets(self):
        """Bound to 127.0.0.11 at ports of the kernel's choice, to which the namespace turns port 53."""
        def make():
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind(("127.0.0.11", 0))
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            tcp.bind(("127.0.0.11", 0))
            tcp.listen(16)
            return udp, tcp
        udp, tcp = self.inside(make)
        rules = RULES.format(udp=udp.getsockname()[1], tcp=tcp.getsockname()[1])
        self.run("nft", "delete table ip kedge", check=False, stderr=subprocess.DEVNULL)
        self.run("nft", "-f", "-", input=rules)
        return udp, tcp

    def socket(self, kind=socket.SOCK_DGRAM):
        """One of a client's own, to 127.0.0.11."""
        def make():
            it = socket.socket(socket.AF_INET, kind)
            it.settimeout(LIMIT)
            it.connect(("127.0.0.11", 53))
            return it
        return self.inside(make)


class NameServer:
    """kedge-dns, and kedged's side of it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kedge-dns-"))
        self.directory.chmod(0o755)
        self.host = Namespace()
        self.path = self.directory / "dns.sock"
        self.resolv_conf = self.directory / "resolv.conf"
        self.resolv_conf.write_text("")
        self.log = self.directory / "log"
        self.process = self.connection = None
        self.others = []
        self.containers = []

    def start(self):
        with self.log.open("ab") as log:
            self.process = self.host.start(PROGRAM, "--socket", self.path, "--resolv-conf", self.resolv_conf, stderr=log)
        self.connect()
        return self

    def connect(self):
        def attempt():
            assert self.process.poll() is None, self.log.read_text()
            it = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                it.connect(str(self.path))
            except OSError:
                it.close()
                return None
            return it
        if self.connection:
            self.connection.close()
        self.connection = eventually(attempt, "kedge-dns listens")
        self.connection.settimeout(LIMIT)
        self.held = []
        for words in iter(self.receive, ["ready"]):
            if words[0] == "held":
                self.held += words[1:]
            else:
                assert words[0] == "hello" and words[1].startswith("kedge-dns "), words
        return self

    def receive(self):
        packet = self.connection.recv(1 << 16)
        assert packet.endswith(b"\0"), packet
        return packet[:-1].decode().split("\0")

    def say(self, *words, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.connection.sendmsg(["".join(f"{word}\0" for word in words).encode()], control)

    def names(self, network, container, names, ipv4="", ipv6=""):
        self.say("names", network, container.id, ipv4, ipv6, *names)

    def view(self, container, networks=("net",), forwards=True, links=(), servers=(), sockets=True):
        words = [word for network in networks for word in ("n", network, network)]
        words += [word for link in links for word in ("l", *link)]
        words += [word for server in servers for word in ("s", server)]
        made = container.sockets() if sockets else ()
        self.say("view", container.id, "1" if forwards else "0", *words, fds=[it.fileno() for it in made])
        for it in made:
            it.close()

    def container(self, name):
        it = Container(name)
        self.containers.append(it)
        return it

    def upstream(self, address="127.0.0.1", **more):
        """A dnsmasq in the host's namespace."""
        it = Upstream(self, address, **more)
        self.others.append(it)
        return it

    def set_servers(self, *addresses):
        self.resolv_conf.write_text("".join(f"nameserver {address}\n" for address in addresses))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def private_kb(self):
        text = pathlib.Path(f"/proc/{self.pid()}/smaps_rollup").read_text()
        return sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)))

    def pid(self):
        return self.process.pid  # nsenter has become it

    def status(self, field):
        return re.search(rf"^{field}:[ \t]*(.*?)[ \t]*$", pathlib.Path(f"/proc/{self.pid()}/status").read_text(), re.M).group(1)

    def close(self):
        if self.connection:
            self.connection.close()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
        for it in [*self.others, *self.containers, self.host]:
            it.close()
        text = self.log.read_text() if self.log.exists() else ""
        shutil.rmtree(self.directory)
        assert "Sanitizer" not in text, text


class Upstream:
    """dnsmasq with the records that are given: {"name": "address"}, and any of its options."""

    def __init__(self, server, address, records=(), options=()):
        self.server, self.address = server, address
        words = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
                 "--bind-interfaces", f"--listen-address={address}", "--log-queries", "--log-facility=-", "--local=/#/",
                 *(f"--host-record={name},{value}" for name, value in dict(records).items()), *options]
        self.log = server.directory / f"dnsmasq-{address.replace(':', '_')}-{len(server.others)}"
        with self.log.open("wb") as log:
            self.process = server.host.start(*words, stderr=log)
        eventually(lambda: "started, version" in self.log.read_text() or self.process.poll() is not None, "dnsmasq listens")
        assert self.process.poll() is None, self.log.read_text()

    def asked(self):
        """Names that it was asked for, in their order."""
        return re.findall(r"query\[\w+\] (\S+) from", self.log.read_text())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class FakeUpstream:
    """A name server whose answers a function makes: answer(query, sender) gives messages, sent in their order from its port 53."""

    def __init__(self, server, address, answer, kind=socket.SOCK_DGRAM):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        def make():
            it = socket.socket(family, kind)
            it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            it.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE: none is lost
            it.bind((address, 53))
            return it
        self.answer = answer
        self.queries = []  # (message, sender)
        self.socket = server.host.inside(make)
        self.is_stream = kind == socket.SOCK_STREAM
        if self.is_stream:
            self.socket.listen(16)
        self.thread = threading.Thread(target=self.serve_streams if self.is_stream else self.serve, daemon=True)
        self.thread.start()
        server.others.append(self)

    def serve(self):
        while True:
            try:
                query, sender = self.socket.recvfrom(65536)
            except OSError:
                return
            if not query:
                return
            self.queries.append((query, sender))
            for message in self.answer(query, sender):
                self.socket.sendto(message, sender)

    def serve_streams(self):
        while True:
            try:
                connection, sender = self.socket.accept()
            except OSError:
                return
            with connection:
                length = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
                query = connection.recv(length, socket.MSG_WAITALL)
                self.queries.append((query, sender))
                for message in self.answer(query, sender):
                    connection.sendall(len(message).to_bytes(2, "big") + message)

    def close(self):
        if self.socket.fileno() >= 0:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, although a datagram socket is not connected
            except OSError:
                pass
            self.thread.join(LIMIT)
            self.socket.close()


def reply(query, address="192.0.2.99", code=0, ident=None, more=0):
    """An answer with one A record, or a failure; `more` bytes of TXT besides."""
    question = query[12:query.index(b"\0", 12) + 5]
    records = b"" if code else b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + socket.inet_aton(address)
    count = 0 if code else 1
    while more > 0:
        text = b"x" * min(more, 250)
        records += b"\xc0\x0c\0\x10\0\1\0\0\0\5" + (len(text) + 1).to_bytes(2, "big") + bytes([len(text)]) + text
        count += 1
        more -= 250
    head = (ident if ident is not None else query[:2]) + (0x8180 | code).to_bytes(2, "big")
    return head + b"\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0" + question + records
