# SPDX-License-Identifier: Apache-2.0
"""
Ports that kedge-shim relays, between real namespaces: a client on a LAN, the host with the shim's sockets, and the container's,
where this test serves. The container itself only sleeps.
"""
import contextlib
import hashlib
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import threading

import pytest

import kedge
import namespaces
import shim

GATEWAY, INSIDE, LAN_HOST, LAN_CLIENT = "172.30.0.1", "172.30.0.2", "fd00:1e::1", "fd00:1e::2"
CONNECTIONS = 40  # at a time


def address(space, link, *words):
    space.run("ip", "addr", "add", *words, "dev", link)


@pytest.fixture(scope="module")
def net():
    """client -- host -- inside"""
    it = type("Net", (), {name: namespaces.Namespace() for name in ("client", "host", "inside")})
    it.host.link("bridge0", it.inside, "eth0")
    it.host.link("lan0", it.client, "eth0")
    address(it.host, "bridge0", f"{GATEWAY}/24")
    address(it.inside, "eth0", f"{INSIDE}/24")
    address(it.host, "lan0", f"{LAN_HOST}/64", "nodad")
    address(it.host, "lan0", "fd00:1e::3/64", "nodad")
    address(it.client, "eth0", f"{LAN_CLIENT}/64", "nodad")
    yield it
    for name in ("client", "host", "inside"):
        getattr(it, name).close()


class Relayed:
    """A sleeping container whose shim holds sockets, and relays some."""

    def __init__(self, net, idle_ms=60000, prefix=()):
        self.net = net
        self.container = shim.Container("sleep", "1000")
        self.held, self.words = [], []
        it = self.container
        it.config["linux"]["namespaces"] = [one for one in it.config["linux"]["namespaces"] if one["type"] != "network"]
        it.config["process"].pop("rlimits", None)
        it.prefix = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{net.host.fd}", *prefix]
        it.handed.append(net.inside.fd)
        it.options.update({"netns-fd": 4, "relay-to": INSIDE, "relay-idle-ms": idle_ms})

    def hold(self, kind=socket.SOCK_STREAM, where="::", to=None):
        """Binds a port of the host's; gives its number."""
        held = self.net.host.socket(kind)
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if to and kind == socket.SOCK_STREAM:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((where, 0))
        if to:
            self.words.append(f"--relay-port={len(self.held)}:{to}")
        self.held.append(held)
        return held.getsockname()[1]

    def start(self):
        it = self.container
        it.options.update({"held-fd": 4 + len(it.handed), "held-count": len(self.held)})
        it.handed += [one.fileno() for one in self.held]
        it.switches = self.words
        it.start()
        for one in self.held:
            one.close()
        it.started()
        return self

    def relays(self):
        """Processes of it."""
        path = pathlib.Path(f"/proc/{self.container.process.pid}/task/{self.container.process.pid}/children")
        found = []
        for pid in path.read_text().split():
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--relay" in words:
                found.append(int(pid))
        return found


@pytest.fixture
def relayed(net):
    made = []

    def make(**options):
        made.append(Relayed(net, **options))
        return made[-1]

    yield make
    for it in made:
        it.container.close()


class Server:
    """Serves each connection to the container's port with a function, in a thread of its own."""

    def __init__(self, net, serve, kind=socket.SOCK_STREAM, at=(INSIDE, 0)):
        self.socket = net.inside.socket(kind, socket.AF_INET)
        self.socket.bind(at)
        self.port = self.socket.getsockname()[1]
        if kind == socket.SOCK_STREAM:
            self.socket.listen(100)
        self.serve, self.kind = serve, kind
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while self.kind == socket.SOCK_STREAM:
                one, peer = self.socket.accept()
                threading.Thread(target=self.one, args=(one, peer), daemon=True).start()
            while True:
                data, peer = self.socket.recvfrom(65536)
                if not peer:
                    return  # close() below
                self.socket.sendto(self.serve(data, peer), peer)

    def one(self, connection, peer):
        with connection, contextlib.suppress(OSError):
            self.serve(connection, peer)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


@pytest.fixture
def server(net):
    made = []

    def make(serve, **options):
        made.append(Server(net, serve, **options))
        return made[-1]

    yield make
    for it in made:
        it.close()


def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def echo(connection, peer):
    while data := connection.recv(65536):
        connection.sendall(data)


def reverse(connection, peer):
    connection.sendall(read_all(connection)[::-1])


def connect(space, port, where="::1", kind=socket.SOCK_STREAM):
    it = space.socket(kind)
    it.settimeout(20)
    it.connect((where, port))
    return it


def ask(space, port, data=b"hello", **options):
    with connect(space, port, **options) as it:
        if it.type == socket.SOCK_DGRAM:
            it.send(data)
            return it.recv(65536)
        it.sendall(data)
        it.shutdown(socket.SHUT_WR)
        return read_all(it)


# ---- connections -----------------------------------------------------------------------------------------------------------------

def test_from_the_host_and_from_the_lan(net, relayed, server):
    """The container sees the host; nothing runs before the first connection, and one relay serves all ports."""
    serve = server(lambda connection, peer: connection.sendall(read_all(connection) + peer[0].encode()))
    it = relayed()
    everywhere, loopback, idle = it.hold(to=serve.port), it.hold(where="::1", to=serve.port), it.hold()
    it.start()
    assert it.relays() == []
    assert ask(net.host, everywhere) == b"hello" + GATEWAY.encode()
    first = it.relays()
    assert len(first) == 1
    assert ask(net.client, everywhere, where=LAN_HOST) == b"hello" + GATEWAY.encode()
    assert ask(net.host, loopback) == b"hello" + GATEWAY.encode()
    assert it.relays() == first
    for space, port, where in ((net.client, loopback, LAN_HOST), (net.host, idle, "::1")):
        with pytest.raises(ConnectionRefusedError):
            connect(space, port, where)


def test_a_row_of_ports(net, relayed, server):
    """Neighbours in one word: each to the port of its own."""
    first = next(port for port in range(20000, 30000, 8) if all(is_free(net, port + i) for i in range(3)))
    servers = [net.inside.socket(family=socket.AF_INET) for _ in range(3)]
    it = relayed()
    for i, one in enumerate(servers):
        one.bind((INSIDE, first + i))
        one.listen(1)
    it.hold()
    ports = [it.hold() for _ in servers]
    it.words = [f"--relay-port=1-3:{first}"]
    it.start()
    for i in (2, 0, 1):
        with connect(net.host, ports[i]) as client:
            servers[i].settimeout(20)
            accepted, _ = servers[i].accept()
            with accepted:
                accepted.sendall(b"%d" % i)
            assert read_all(client) == b"%d" % i
    for one in servers:
        one.close()


def is_free(net, port):
    with net.inside.socket(family=socket.AF_INET) as probe:
        with contextlib.suppress(OSError):
            probe.bind((INSIDE, port))
            return True
        return False


def test_either_side_may_end_first(net, relayed, server):
    def speak_first(connection, peer):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))
        done.set()
    heard, done = [], threading.Event()
    first, last = server(speak_first), server(reverse)
    it = relayed()
    to_first, to_last = it.hold(to=first.port), it.hold(to=last.port)
    it.start()
    assert ask(net.host, to_last, b"0123456789") == b"9876543210"
    with connect(net.host, to_first) as client:
        assert read_all(client) == b"bye"
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        assert done.wait(20)
    assert heard == [b"still here"]


def test_much_both_ways_at_once(net, relayed, server):
    serve = server(echo)
    it = relayed()
    port = it.hold(to=serve.port)
    it.start()
    chunk, count = os.urandom(1 << 20), 48
    with connect(net.host, port) as client:
        def send():
            for _ in range(count):
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        digest, length = hashlib.sha256(), 0
        while data := client.recv(1 << 18):
            digest.update(data)
            length += len(data)
        sender.join()
    assert length == count << 20
    assert digest.digest() == hashlib.sha256(chunk * count).digest()


def test_who_does_not_read_holds_up_only_himself(net, relayed, server):
    """And what waits for him waits at its sender, not in the relay."""
    sent = []

    def flood(connection, peer):
        connection.setblocking(False)
        while True:
            try:
                sent.append(connection.send(bytes(1 << 16)))
            except BlockingIOError:
                if not select.select([], [connection], [], 0.5)[1]:
                    full.set()
                    break
        connection.setblocking(True)
        read_all(connection)
    full = threading.Event()
    slow, quick = server(flood), server(echo)
    it = relayed()
    to_slow, to_quick = it.hold(to=slow.port), it.hold(to=quick.port)
    it.start()
    assert ask(net.host, to_quick, b"x" * 100000) == b"x" * 100000
    before = private_kb(it.relays()[0])
    with connect(net.host, to_slow) as client:
        assert full.wait(30)
        assert ask(net.host, to_quick, b"x" * 100000) == b"x" * 100000
        assert private_kb(it.relays()[0]) < before + 500
        client.shutdown(socket.SHUT_WR)
        assert len(read_all(client)) == sum(sent)


def private_kb(pid):
    return sum(map(int, re.findall(r"^Private_\w+:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)))


def test_nobody_listens_in_the_container(net, relayed):
    it = relayed()
    port = it.hold(to=1)
    it.start()
    for _ in range(3):
        with pytest.raises(ConnectionResetError), connect(net.host, port) as client:
            client.recv(1)


def test_a_reset_is_passed_on(net, relayed, server):
    def reset(connection, peer):
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def wait(connection, peer):
        connection.sendall(b"ready")
        try:
            connection.recv(1)
        except ConnectionResetError:
            was_reset.set()
    was_reset = threading.Event()
    by_server, by_client = server(reset), server(wait)
    it = relayed()
    one, other = it.hold(to=by_server.port), it.hold(to=by_client.port)
    it.start()
    with connect(net.host, one) as client, pytest.raises(ConnectionResetError):
        client.sendall(b"x")
        read_all(client)
    client = connect(net.host, other)
    assert client.recv(5) == b"ready"
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert was_reset.wait(20)


def test_more_connections_than_there_is_room_for_wait_their_turn(net, relayed, server):
    serve = server(echo)
    it = relayed(prefix=["prlimit", "--nofile=100:100"])
    port = it.hold(to=serve.port)
    it.start()
    clients = [connect(net.host, port) for _ in range(CONNECTIONS)]
    for client in clients:
        client.sendall(b"x")
    waiting, served = list(clients), 0
    kedge.wait_for(lambda: select.select(waiting, [], [], 0)[0])
    while waiting:
        ready, _, _ = select.select(waiting, [], [], 20)
        assert ready, f"{len(waiting)} were never served"
        assert len(os.listdir(f"/proc/{it.relays()[0]}/fd")) <= 100
        for client in ready:
            assert client.recv(1) == b"x"
            waiting.remove(client)
            client.close()
            served += 1
    assert served == CONNECTIONS


# ---- datagrams -------------------------------------------------------------------------------------------------------------------

def test_datagrams_come_back_from_where_they_were_sent_to(net, relayed, server):
    serve = server(lambda data, peer: data + peer[0].encode(), kind=socket.SOCK_DGRAM)
    it = relayed()
    port = it.hold(socket.SOCK_DGRAM, to=serve.port)
    it.start()
    expected = b"hello" + GATEWAY.encode()
    for space, where in ((net.host, "::1"), (net.client, LAN_HOST), (net.client, "fd00:1e::3"), (net.host, LAN_HOST)):
        assert ask(space, port, where=where, kind=socket.SOCK_DGRAM) == expected
    assert len(it.relays()) == 1
    large = os.urandom(40000)
    assert ask(net.host, port, large, kind=socket.SOCK_DGRAM) == large + GATEWAY.encode()
    assert ask(net.host, port, b"", kind=socket.SOCK_DGRAM) == GATEWAY.encode()


def test_each_client_gets_its_own_answers(net, relayed, server):
    """More of them than there is room for: the longest silent ones make place."""
    serve = server(lambda data, peer: data, kind=socket.SOCK_DGRAM)
    it = relayed(prefix=["prlimit", "--nofile=100:100"])
    port = it.hold(socket.SOCK_DGRAM, to=serve.port)
    it.start()
    clients = [connect(net.host, port, kind=socket.SOCK_DGRAM) for _ in range(150)]
    for _ in range(2):
        for number, client in enumerate(clients):
            client.send(b"%d" % number)
            assert client.recv(100) == b"%d" % number
    assert len(os.listdir(f"/proc/{it.relays()[0]}/fd")) < 100
    for client in clients:
        client.close()


def test_a_datagram_to_nobody_does_not_spoil_the_next(net, relayed):
    it = relayed()
    late = net.inside.socket(socket.SOCK_DGRAM, socket.AF_INET)
    late.bind((INSIDE, 0))
    inside = late.getsockname()[1]
    late.close()
    port = it.hold(socket.SOCK_DGRAM, to=inside)
    it.start()
    with connect(net.host, port, kind=socket.SOCK_DGRAM) as client:
        client.send(b"lost")
        kedge.wait_for(lambda: net.host.run("ss", "-Hun", "dst", INSIDE))
        late = net.inside.socket(socket.SOCK_DGRAM, socket.AF_INET)
        late.settimeout(20)
        late.bind((INSIDE, inside))
        client.send(b"found")
        while late.recv(100) != b"found":
            pass
        late.close()


# ---- the relay's life ------------------------------------------------------------------------------------------------------------

def test_it_ends_when_idle_and_comes_again(net, relayed, server):
    streams, datagrams = server(echo), server(lambda data, peer: data, kind=socket.SOCK_DGRAM)
    it = relayed(idle_ms=200)
    tcp, udp = it.hold(to=streams.port), it.hold(socket.SOCK_DGRAM, to=datagrams.port)
    it.start()
    with connect(net.host, tcp) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        relay = it.relays()
        assert not kedge_waits(lambda: it.relays() != relay, 0.8), "it ended while a connection was open"
        client.sendall(b"y")
        assert client.recv(1) == b"y"
    kedge.wait_for(lambda: not it.relays())
    assert ask(net.host, udp, kind=socket.SOCK_DGRAM) == b"hello"
    kedge.wait_for(lambda: not it.relays())
    assert ask(net.host, tcp) == b"hello"


def kedge_waits(what, seconds):
    try:
        return kedge.wait_for(what, seconds)
    except AssertionError:
        return False


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_one_that_is_killed_is_followed_by_another(net, relayed, server, kind):
    serve = server(echo if kind == socket.SOCK_STREAM else lambda data, peer: data, kind=kind)
    it = relayed()
    port = it.hold(kind, to=serve.port)
    it.start()
    for _ in range(3):
        assert ask(net.host, port, kind=kind) == b"hello"
        os.kill(it.relays()[0], signal.SIGKILL)
    assert ask(net.host, port, kind=kind) == b"hello"


# ---- the container's address ---------------------------------------------------------------------------------------------------

OTHER = "172.30.0.3"


def saying(name, kind):
    """Serves the name, whatever is asked."""
    if kind == socket.SOCK_DGRAM:
        return lambda data, peer: name
    return lambda connection, peer: (read_all(connection), connection.sendall(name))


def two_places(net, server, kind):
    """A port of the container that answers differently at its two addresses."""
    address(net.inside, "eth0", f"{OTHER}/24")
    first = server(saying(b"first", kind), kind=kind)
    server(saying(b"second", kind), kind=kind, at=(OTHER, first.port))
    return first.port


@pytest.fixture
def another_address(net):
    yield
    net.inside.run("ip", "addr", "del", f"{OTHER}/24", "dev", "eth0")


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_it_follows_the_containers_address(net, relayed, server, another_address, kind):
    it = relayed()
    port = it.hold(kind, to=two_places(net, server, kind))
    it.start()
    connection = it.container.connect()  # as a later kedged's
    assert ask(net.host, port, kind=kind) == b"first"
    for to, answer in [(OTHER, b"second"), (INSIDE, b"first"), (OTHER, b"second")]:
        relay = it.relays()
        connection.relay(to)
        kedge.wait_for(lambda: not set(relay) & set(it.relays()))
        assert ask(net.host, port, kind=kind) == answer
    os.kill(it.relays()[0], signal.SIGKILL)
    assert ask(net.host, port, kind=kind) == b"second"
    connection.close()


def test_who_is_served_at_an_address_that_is_gone_is_sent_away(net, relayed, server):
    it = relayed()
    port = it.hold(to=server(echo).port)
    it.start()
    with connect(net.host, port) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        it.container.connection.relay(OTHER)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_the_same_address_again_disturbs_nobody(net, relayed, server):
    it = relayed()
    port = it.hold(to=server(echo).port)
    it.start()
    with connect(net.host, port) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        it.container.connection.relay(INSIDE)
        it.container.connection.exec(1, it.container.process_file("true"))
        it.container.connection.exec_result()
        client.sendall(b"y")
        assert client.recv(1) == b"y"


def test_nobody_is_relayed_to_a_container_without_an_address(net, relayed, server):
    it = relayed()
    port = it.hold(to=server(echo).port)
    it.start()
    assert ask(net.host, port) == b"hello"
    relay = it.relays()[0]
    it.container.connection.relay("")
    kedge.wait_for(lambda: relay not in it.relays())
    for _ in range(3):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            assert ask(net.host, port) == b""
    relay = kedge.wait_for(it.relays)[0]
    it.container.connection.relay(INSIDE)
    kedge.wait_for(lambda: relay not in it.relays())
    assert ask(net.host, port) == b"hello"


# ---- its end -------------------------------------------------------------------------------------------------------------------

def test_it_goes_with_the_container(net, relayed, server):
    serve = server(echo)
    it = relayed()
    port = it.hold(to=serve.port)
    it.start()
    with connect(net.host, port) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        relay = it.relays()[0]
        it.container.connection.signal(signal.SIGKILL)
        it.container.exited()
        it.container.wait()
        assert not pathlib.Path(f"/proc/{relay}").exists()
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(net.host, port)
    with net.host.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("::", port))


def test_it_goes_with_a_shim_that_is_killed(net, relayed, server):
    serve = server(echo)
    it = relayed()
    port = it.hold(to=serve.port)
    it.start()
    assert ask(net.host, port) == b"hello"
    relay = it.relays()[0]
    it.container.process.kill()
    kedge.wait_for(lambda: not pathlib.Path(f"/proc/{relay}").exists())
    os.kill(int((it.container.bundle / "pid").read_text()), signal.SIGKILL)
    it.container.wait()
    clean_up(it.container)


def clean_up(container):
    """In place of a shim that cannot any more."""
    subprocess.run(["crun", "--root", str(container.top / "runtime"), "delete", "--force", container.id], capture_output=True)
    container.connection.close()


def test_it_has_no_rights(net, relayed, server):
    serve = server(echo)
    it = relayed()
    port, unrelayed = it.hold(to=serve.port), it.hold()
    it.start()
    assert ask(net.host, port) == b"hello"
    relay = it.relays()[0]
    status = pathlib.Path(f"/proc/{relay}/status").read_text()
    assert re.search(r"^Uid:(\s65534){4}$", status, re.M) and re.search(r"^Gid:(\s65534){4}$", status, re.M)
    assert set(re.findall(r"^Cap\w+:\s(\w+)$", status, re.M)) == {"0" * 16}
    assert re.search(r"^NoNewPrivs:\s1$", status, re.M) and re.search(r"^Groups:\s*$", status, re.M)
    assert os.stat(f"/proc/{relay}/ns/net").st_ino == net.host.inode
    assert pathlib.Path(f"/proc/{relay}/oom_score_adj").read_text() == "0\n"
    assert os.stat(f"/proc/{it.container.process.pid}/ns/net").st_ino == net.inside.inode


@pytest.mark.parametrize("words, reason", [
    (["--relay-port=1:80"], '--relay-port "1:80"'), (["--relay-port=0:0"], '--relay-port "0:0"'),
    (["--relay-port=0"], "FIRST[-LAST]:PORT"), (["--relay-port=0-0:65536"], '"0-0:65536"'),
    (["--relay-to=", "--relay-port=0:80"], None)])
def test_wrong_words(net, relayed, words, reason):
    done = subprocess.run([str(shim.PROGRAM), "--held-fd=3", "--held-count=1", "--relay-to=1.2.3.4", *words],
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert reason is None or reason in done.stderr
