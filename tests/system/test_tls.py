# SPDX-License-Identifier: Apache-2.0
"""The API over TCP with mutual TLS: who is let in, what is relayed, and what a kedged that dies or is replaced leaves standing."""
import http.client
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

import kedge
from streams import Background
from tls import Authority, TlsDaemon
from websocket_clients import Client

CLIENTS = 200


# ---- certificates ---------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    it = Authority(tmp_path_factory.mktemp("ca"))
    it.issue("server", "serverAuth").issue("client").issue("other", "serverAuth").issue("revoked")
    it.issue("expired", begin="20200101000000Z", end="20210101000000Z").issue("early", begin="20480101000000Z")
    it.revoke("revoked")
    return it


# ---- a kedged with a door -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def box(authority):
    it = TlsDaemon(authority, crl=authority.path("crl")).start()
    it.load_busybox()
    yield it
    it.close()


@pytest.fixture
def daemon(authority):
    it = TlsDaemon(authority).start()
    yield it
    it.close()


def sockets(pid):
    found = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:
            continue  # closed meanwhile
    return {link for link in found if link.startswith("socket:")}


def refused(function, *arguments, **options):
    """The alert, or the end, that somebody gets who is not let in. With TLS 1.3 it comes with the first read."""
    with pytest.raises(OSError) as caught:
        function(*arguments, **options)
    return str(caught.value)


# ---- who is let in --------------------------------------------------------------------------------------------------------------

REFUSED = [(None, "CERTIFICATE_REQUIRED", "did not return a certificate"), ("expired", "CERTIFICATE_EXPIRED", "has expired"),
           ("early", "BAD_CERTIFICATE", "not yet valid"), ("other", "UNSUPPORTED_CERTIFICATE", "unsuitable certificate purpose"), ("revoked", "REVOKED", "revoked")]


@pytest.mark.parametrize("name,alert,reason", REFUSED)
def test_who_is_refused_and_why(box, name, alert, reason):
    assert alert in refused(box.ask, name=name).upper()
    kedge.wait_for(lambda: reason in box.log())
    assert box.ask() == (200, b"OK")


def test_a_certificate_of_another_authority(box, tmp_path):
    other = Authority(tmp_path).issue("client")
    assert "UNKNOWN_CA" in refused(box.ask, authority=other).upper()


def test_there_is_no_plain_text(box):
    with box.plain() as plain:
        plain.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"HTTP/1" not in plain.recv(4096)
        except ConnectionError:
            pass


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version,works", [(ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)])
def test_versions(box, version, works):
    context = box.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version

    def shake():
        with context.wrap_socket(box.plain(), server_hostname="localhost") as connection:
            return connection.version()
    if works:
        assert shake() == version.name.replace("_", ".")
    else:
        refused(shake)


def test_no_renegotiation(box):
    """A client that asks for it is cut off, or stays unheard; nobody else notices."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{box.port}", "-tls1_2", "-CAfile", box.authority.path("ca.crt"), "-cert",
                           box.authority.path("client.crt"), "-key", box.authority.path("client.key")], input=b"R\n", timeout=20,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert b"no renegotiation" in done.stdout, done.stdout[-2000:]
    assert box.ask() == (200, b"OK")


# ---- what is relayed ------------------------------------------------------------------------------------------------------------

def test_large_bodies_both_ways(box):
    archive = (box.directory / "busybox.tar").read_bytes()
    status, answer = box.ask("/images/load", method="POST", body=archive)
    assert status == 200 and b"Loaded" in answer
    status, saved = box.ask("/images/busybox:test/get")
    assert status == 200 and len(saved) > 500000
    assert box.ask("/images/load", method="POST", body=saved)[0] == 200


def hijack(connection, target):
    """The raw stream that follows the 101."""
    connection.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101")


def read_all(connection):
    parts = []
    while True:
        try:
            part = connection.recv(65536)
        except ssl.SSLEOFError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


def test_attached_output_comes_to_its_end(box):
    identity = box.create(["sh", "-c", "seq 1 100000; echo err >&2"])
    with box.dial() as connection:
        hijack(connection, f"/containers/{identity}/attach?stream=1&stdout=1&stderr=1")
        box.start_container(identity)
        parts = kedge.demultiplex(read_all(connection))
    assert b"".join(data for stream, data in parts if stream == 1) == b"".join(b"%d\n" % i for i in range(1, 100001))
    assert b"".join(data for stream, data in parts if stream == 2) == b"err\n"


def test_a_websocket(box):
    identity = box.run_container(["cat"], OpenStdin=True, StdinOnce=True)
    client = Client(box, identity, connection=box.dial())
    client.send(b"over TLS\n")
    assert client.read_until(b"over TLS\n") == b"over TLS\n"
    box.api.post(f"/containers/{identity}/kill")
    assert client.read_all() == b"" and client.code == 1000


def test_docker_works(box):
    environment = {"DOCKER_HOST": f"tcp://localhost:{box.port}", "DOCKER_CONFIG": str(box.directory / "client")}
    tls = ["--tlsverify", "--tlscacert", box.authority.path("ca.crt"), "--tlscert", box.authority.path("client.crt"), "--tlskey",
           box.authority.path("client.key")]

    def docker(*words):
        return subprocess.run(["docker", *tls, *words], env={**os.environ, **environment}, timeout=60, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=True).stdout
    assert docker("run", "--rm", "--network", "none", "busybox:test", "echo", "over TLS") == "over TLS\n"
    assert "busybox" in docker("images")


def test_half_close(box):
    """close_notify ends the client's sending, and the answer still comes."""
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    wire = box.context().wrap_bio(come, go, server_hostname="localhost")
    with box.plain() as plain:
        def step(function, *arguments):
            while True:
                try:
                    result = function(*arguments)
                    plain.sendall(go.read())
                    return result
                except ssl.SSLWantReadError:
                    plain.sendall(go.read())
                    data = plain.recv(65536)
                    come.write(data) if data else come.write_eof()
        step(wire.do_handshake)
        step(wire.write, b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with pytest.raises(ssl.SSLWantReadError):
            wire.unwrap()  # ours is in go, the server's has not come
        plain.sendall(go.read())
        received = b""
        with pytest.raises((ssl.SSLError, OSError, EOFError)):
            while True:
                data = plain.recv(65536)
                received += data
                if not data:
                    raise EOFError
    assert len(received) > 400  # an answer of some size; Python's ssl reads nothing after its own close_notify


# ---- kedge as the client --------------------------------------------------------------------------------------------------------

def kedge_environment(box, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "KEDGE_"))}
    return {**environment, "DOCKER_CONFIG": str(box.directory / "client"), "KEDGE_HOST": f"tcp://localhost:{box.port}", **variables}


def kedge_tls(box, *words, ca="ca.crt", name="client", host=None, stdin=b"", **variables):
    options = ["--tlscacert", box.authority.path(ca)] if ca else []
    options += ["--tlscert", box.authority.path(f"{name}.crt"), "--tlskey", box.authority.path(f"{name}.key")] if name else []
    done = subprocess.run([kedge.BIN / "kedge", *(["-H", host] if host else []), *options, *map(str, words)], timeout=60,
                          env=kedge_environment(box, **variables), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode()


def test_kedge_works(box):
    assert kedge_tls(box, "run", "--rm", "--network", "none", "busybox:test", "sh", "-c", "echo over TLS; exit 7") == (7, "over TLS\n", "")
    status, out, _ = kedge_tls(box, "images", "-q", host=f"tcp://127.0.0.1:{box.port}")
    assert status == 0 and len(out.split()) >= 1
    status, out, _ = kedge_tls(box, "save", "busybox:test")  # megabytes through the pipe
    assert status == 0 and len(out) > 500000


def test_kedge_takes_dockers_variables(box, tmp_path):
    for name, source in (("ca.pem", "ca.crt"), ("cert.pem", "client.crt"), ("key.pem", "client.key")):
        (tmp_path / name).write_bytes(pathlib.Path(box.authority.path(source)).read_bytes())
    variables = {"KEDGE_HOST": "", "DOCKER_HOST": f"tcp://localhost:{box.port}", "DOCKER_CERT_PATH": str(tmp_path), "DOCKER_TLS_VERIFY": "1"}
    assert kedge_tls(box, "ps", ca=None, name=None, **variables)[0] == 0
    variables.pop("DOCKER_TLS_VERIFY")
    assert kedge_tls(box, "--tlsverify", "ps", ca=None, name=None, **variables)[0] == 0


NAME_THE_CA = "name the CA that vouches for kedged: --tlscacert FILE"


@pytest.mark.parametrize("settings,reason,hint", [
    ({"name": None}, "certificate required", "kedged wants to know who asks: --tlscert FILE and --tlskey FILE"), ({"name": "expired"}, "certificate expired", None),
    ({"ca": None}, "certificate", NAME_THE_CA), ({"ca": "other.crt"}, "certificate", NAME_THE_CA), ({"name": "stranger"}, "unknown ca", "kedged does not know the CA of"),
    ({"host": "tcp://127.0.0.2:{port}"}, "Connection refused", None), ({"host": "tcp://127.0.0.1:1"}, "Connection refused", None),
    ({"host": "tcp://no.such.name.invalid:5"}, "could not find", None), ({"ca": "none"}, "No such file", None), ({"ca": "client.key"}, "no list of certificates", None)])
def test_kedge_says_why_it_is_refused(box, tmp_path, settings, reason, hint):
    if settings.get("name") == "stranger":
        stranger = Authority(tmp_path).issue("client")
        for kind in ("crt", "key"):
            shutil.copy(stranger.path(f"client.{kind}"), box.authority.path(f"stranger.{kind}"))
    settings = {name: value and value.format(port=box.port) for name, value in settings.items()}
    status, out, err = kedge_tls(box, "ps", **settings)
    assert (status, out) == (1, "") and 'cannot reach kedged at "tcp://' in err and reason in err, err
    assert f"\nhint: {hint}" in err if hint else "hint" not in err, err


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_kedge_wants_the_hosts_own_certificate(box, host):
    """A server with another name, vouched for by the same authority, is told nothing."""
    box.authority.issue("elsewhere", "serverAuth", names="DNS:elsewhere.example,IP:127.0.0.9")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(box.authority.path("elsewhere.crt"), box.authority.path("elsewhere.key"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with listener.accept()[0] as plain, pytest.raises(OSError), context.wrap_socket(plain, server_side=True) as secure:
                assert secure.recv(1) == b""
                raise OSError
        server = Background(serve)
        err = kedge_tls(box, "ps", host=f"tcp://{host}:{listener.getsockname()[1]}")[2]
        server.result()
    assert f"{'hostname' if host == 'localhost' else 'IP address'} mismatch" in err, err


def test_a_daemon_that_has_lost_its_power_is_noticed(box):
    """Each connection of kedge's to it has the kernel ask whether it is still there."""
    path = box.authority.path
    files = ["--tlscacert", path("ca.crt"), "--tlscert", path("client.crt"), "--tlskey", path("client.key")]
    with subprocess.Popen([kedge.BIN / "kedge", *files, "events"], env=kedge_environment(box), stdout=subprocess.DEVNULL) as events:
        def timers():
            lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
            return {line.split()[5][:2] for line in lines if line.split()[2].endswith(f":{box.port:04X}") and line.split()[3] == "01"}
        try:
            kedge.wait_for(lambda: timers() == {"02"})
        finally:
            events.kill()


def test_kedge_leaves_no_process(box):
    kedge_tls(box, "ps")
    kedge.wait_for(lambda: not [1 for process in pathlib.Path("/proc").glob("[0-9]*") if f"localhost:{box.port}" in command_of(process)])


def command_of(process):
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


# ---- who leaves, who is slow ----------------------------------------------------------------------------------------------------

def leave(connection, how):
    if how == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("target", ["POST /containers/{id}/wait", "GET /events", "GET /containers/{id}/logs?follow=1&stdout=1",
                                    "GET /containers/{id}/stats", "POST /containers/{id}/attach?stream=1&stdout=1"])
def test_a_client_that_leaves_is_noticed(box, target, how):
    identity = box.run_container(["sleep", "1000"])
    method, path = target.format(id=identity).split()
    relay = box.relay()

    before = sockets(box.process.pid), sockets(relay)
    connections = [box.dial() for _ in range(3)]
    for connection in connections:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    new = set(), set()

    def are_there():
        new[0].update(sockets(box.process.pid) - before[0])
        new[1].update(sockets(relay) - before[1])
        return len(new[0]) >= 3 and len(new[1]) >= 6
    kedge.wait_for(are_there)
    begin = time.monotonic()
    for connection in connections:
        leave(connection, how)
    kedge.wait_for(lambda: not new[0] & sockets(box.process.pid) and not new[1] & sockets(relay), every=0.005)
    print(f"noticed after {time.monotonic() - begin:.3f} s")
    box.remove_all()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_while_its_input_is_held(box, how):
    """It has sent more than anybody takes, behind a request that waits."""
    identity = box.run_container(["sleep", "1000"])
    relay = box.relay()
    before = sockets(box.process.pid), sockets(relay)
    connection = box.dial(timeout=1)
    connection.sendall(f"POST /containers/{identity}/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(OSError):
        while True:
            connection.send(bytes(1 << 16))
    assert sockets(box.process.pid) - before[0] and sockets(relay) - before[1]
    leave(connection, how)
    kedge.wait_for(lambda: sockets(box.process.pid) <= before[0] and sockets(relay) <= before[1], every=0.05)
    box.remove_all()


def test_garbage_and_slow_handshakes(box):
    relay = box.relay()
    before = sockets(relay)
    slow = [box.plain() for _ in range(70)]  # more than may shake hands at a time
    for plain in slow[:35]:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
    for data in (b"\0" * 5000, b"\x16\x03\x01\xff\xff" + b"x" * 70000, os.urandom(3000), b"\x80\x2e\x01\0\2", b""):
        with box.plain() as plain:
            try:
                plain.sendall(data)
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(4096):
                    pass
            except OSError:
                pass
    assert box.ask() == (200, b"OK")  # who has a certificate comes through
    for plain in slow:
        plain.close()
    kedge.wait_for(lambda: sockets(relay) <= before)
    assert box.log().count("was not let in by TLS") <= 40  # ten a minute


@pytest.mark.skipif(not kedge.SOAK, reason="takes ten seconds: make soak")
def test_a_handshake_that_never_ends_is_cut(box):
    begin = time.monotonic()
    with box.plain() as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert plain.recv(1) == b""
    assert 9 < time.monotonic() - begin < 19  # the socket's own limit


def test_many_clients_at_once(box):
    relay = box.relay()
    before = sockets(box.process.pid), sockets(relay)
    context = box.context()
    connections = []
    for _ in range(CLIENTS):
        connections.append(context.wrap_socket(box.plain(), server_hostname="localhost"))
    for connection in connections:
        connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
    for connection in connections:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert len(sockets(relay) - before[1]) >= 2 * CLIENTS
    for connection in connections:
        connection.close()
    kedge.wait_for(lambda: sockets(relay) <= before[1] and sockets(box.process.pid) <= before[0])


def test_no_more_clients_than_are_allowed(authority):
    it = TlsDaemon(authority, connections=3).start()
    held = []
    for _ in range(3):
        held.append(it.dial())
        held[-1].sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held[-1].recv(4096).startswith(b"HTTP/1.1 200")
    refused(it.ask)
    assert "there are 3 connections already" in it.log()
    held.pop().close()
    kedge.wait_for(it.is_ready)
    for connection in held:
        connection.close()
    it.close()


def test_who_does_not_read_costs_nothing(box):
    """An answer of megabytes waits in bounded memory, and the rest of the API goes on."""
    relay = box.relay()
    connections = [box.dial() for _ in range(4)]
    for connection in connections:
        connection.sendall(b"GET /images/busybox:test/get HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")

    def memory():
        words = pathlib.Path(f"/proc/{relay}/status").read_text().split()
        return int(words[words.index("VmRSS:") + 1])
    assert box.ask() == (200, b"OK")
    if "sanitize" not in str(kedge.BUILD):
        assert memory() < 24 << 10  # kilobytes
    for connection in connections:
        leave(connection, "reset")


# ---- kedged dies, is replaced, is reconfigured ----------------------------------------------------------------------------------

def test_what_the_relay_may_do(box):
    status = pathlib.Path(f"/proc/{box.relay()}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split()[0] == "65534" and fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "0" * 16
    assert fields["NoNewPrivs"] == "1"
    if "sanitize" not in str(kedge.BUILD):
        assert fields["Seccomp"] == "2"
    assert os.listdir(f"/proc/{box.relay()}/root") == ["kedge.sock"]


def test_only_kedge_tls_reaches_its_socket(box):
    inner = box.run_directory / "tls"
    assert os.stat(inner).st_mode & 0o777 == 0o700
    assert os.stat(inner / "in" / "kedge.sock").st_mode & 0o007 == 0


class Hammer:
    """Asks over a new TLS connection each time; each must be answered."""

    def __init__(self, daemon):
        self.daemon, self.goes_on, self.answers = daemon, True, 0
        self.job = Background(self.run)

    def run(self):
        while self.goes_on:
            assert self.daemon.ask() == (200, b"OK")
            self.answers += 1

    def more(self, count=5):
        before = self.answers
        kedge.wait_for(lambda: self.answers >= before + count or self.job.is_done(), 20)

    def stop(self):
        self.goes_on = False
        self.job.result()


def test_an_upgrade_refuses_nobody(daemon):
    hammer = Hammer(daemon)
    hammer.more()
    for _ in range(2):
        relay = daemon.relay()
        daemon.process.send_signal(signal.SIGHUP)
        kedge.wait_for(lambda: daemon.relays() not in ([relay], []) and relay not in daemon.relays())
        hammer.more()
    hammer.stop()


def test_a_killed_kedged_refuses_nobody(daemon):
    """Connections wait for the next one; an attach that is a shim's goes on."""
    daemon.load_busybox()
    identity = daemon.run_container(["sh", "-c", "while :; do echo tick; usleep 20000; done"])
    hammer = Hammer(daemon)
    hammer.more()
    relay = daemon.relay()
    hammer.goes_on = False
    hammer.stop()
    daemon.kill()
    waiting = Background(daemon.ask)  # nobody is there to answer
    assert daemon.relays() == [relay]
    kedge.Daemon.start(daemon)
    assert waiting.result() == (200, b"OK")
    kedge.wait_for(lambda: len(daemon.relays()) == 1 and daemon.relays() != [relay])
    assert daemon.ask(f"/containers/{identity}/json")[0] == 200


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(1)
        assert part, line
        line += part
    return line


def test_what_lasts_goes_on_over_an_upgrade(daemon):
    """The relay of the connection retires, and stays as long as that does."""
    daemon.load_busybox()
    identity = daemon.run_container(["sh", "-c", "while read line; do echo got $line; done; i=0; while :; do i=$((i+1)); echo $i; usleep 20000; done"])
    relay = daemon.relay()
    with daemon.dial() as events, daemon.dial() as attached:
        events.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        hijack(attached, f"/containers/{identity}/attach?stream=1&stdout=1")
        assert attached.recv(8)
        daemon.process.send_signal(signal.SIGHUP)
        kedge.wait_for(lambda: len(daemon.relays()) == 2)
        assert attached.recv(8)
        daemon.api.post(f"/containers/{identity}/rename?name=after")
        while b"rename" not in read_line(events):
            pass
        assert relay in daemon.relays()
    kedge.wait_for(lambda: len(daemon.relays()) == 1 and relay not in daemon.relays())


def test_a_killed_kedged_ends_what_waits(daemon):
    with daemon.dial() as events:
        events.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert events.recv(12) == b"HTTP/1.1 200"
        daemon.kill()
        while events.recv(65536):  # what is left of the head, then a clean end
            pass
    daemon.start()


def test_a_check_of_the_system_finds_nothing(daemon):
    assert daemon.kedge("system", "check").returncode == 0


def test_a_killed_relay_comes_back(daemon):
    os.kill(daemon.relay(), signal.SIGKILL)
    kedge.wait_for(daemon.is_ready)
    assert "kedge-tls ended: killed by signal 9" in daemon.log()


def test_an_ended_kedged_leaves_nothing(daemon):
    daemon.stop()
    kedge.wait_for(lambda: not daemon.relays())
    with pytest.raises(ConnectionRefusedError):
        daemon.plain()
    daemon.start()


def test_without_tcp_in_the_configuration_it_is_closed(daemon):
    daemon.kill()
    (daemon.directory / "kedged.yaml").write_text("{}")
    kedge.Daemon.start(daemon)
    kedge.wait_for(lambda: not daemon.relays())
    with pytest.raises(ConnectionRefusedError):
        daemon.plain()


def test_an_address_that_is_taken_is_tried_again_and_holds_up_nothing(authority):
    it = TlsDaemon(authority)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", it.port))
        other.listen()
        kedge.Daemon.start(it)
        assert f'nobody can connect by TLS at "127.0.0.1:{it.port}" yet' in kedge.wait_for(it.log)
    kedge.wait_for(it.is_ready, 20)
    it.close()


# ---- new certificates -----------------------------------------------------------------------------------------------------------

def serial(daemon):
    with daemon.dial() as connection:
        return connection.getpeercert()["serialNumber"]


def replace(target, source):
    fresh = pathlib.Path(str(target) + ".new")
    fresh.write_bytes(pathlib.Path(source).read_bytes())
    os.rename(fresh, target)


@pytest.fixture
def renewable(tmp_path):
    authority = Authority(tmp_path / "ca").issue("server", "serverAuth").issue("client").issue("next", "serverAuth")
    it = TlsDaemon(authority).start()
    it.load_busybox()
    yield it
    it.close()


def test_new_certificates_without_a_restart(renewable):
    ca = renewable.authority
    identity = renewable.run_container(["sh", "-c", "sleep 1000"])
    before, relay = serial(renewable), renewable.relay()
    with renewable.dial() as held:
        held.sendall(f"POST /containers/{identity}/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        replace(ca.path("server.key"), ca.path("next.key"))
        replace(ca.path("server.crt"), ca.path("next.crt"))
        kedge.wait_for(lambda: serial(renewable) != before, every=0.1)
        assert renewable.relay() == relay
        renewable.api.post(f"/containers/{identity}/kill")
        data = b""
        while b"StatusCode" not in data:
            data += held.recv(4096)
    assert b"137" in data


def test_a_kedged_that_does_not_answer_is_not_waited_for(daemon):
    """What certificates there are is good enough: the handshake is done, the request waits for kedged."""
    before = serial(daemon)
    time.sleep(1.1)  # then it is asked again
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        with daemon.dial() as connection:
            assert connection.getpeercert()["serialNumber"] == before
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def test_broken_certificates_change_nothing(renewable):
    ca = renewable.authority
    before = serial(renewable)
    for name, text, reason in (("server.key", b"nonsense", "tcp.key"), ("server.crt", b"", "tcp.cert"), ("ca.crt", b"-----BEGIN", "tcp.ca")):
        good = pathlib.Path(ca.path(name)).read_bytes()
        pathlib.Path(ca.path(name + ".good")).write_bytes(good)
        pathlib.Path(ca.path(name)).write_bytes(text)
        marker = f'"{reason}"'

        def told():
            with renewable.plain():
                return any(marker in line and "the old ones stay" in line for line in renewable.log().splitlines())
        kedge.wait_for(told, every=0.1)
        replace(ca.path(name), ca.path(name + ".good"))
        assert serial(renewable) == before
        assert renewable.ask() == (200, b"OK")


def test_no_upgrade_to_certificates_that_are_broken(renewable):
    pathlib.Path(renewable.authority.path("server.key")).write_text("nonsense")
    relay = renewable.relay()
    renewable.process.send_signal(signal.SIGHUP)
    kedge.wait_for(lambda: "not upgraded" in renewable.log())
    assert "server.key" in renewable.log()
    assert renewable.relay() == relay and renewable.ask() == (200, b"OK")


def test_a_new_revocation_list_counts_at_once(tmp_path):
    authority = Authority(tmp_path / "ca").issue("server", "serverAuth").issue("client").issue("bad")
    authority.revoke()
    it = TlsDaemon(authority, crl=authority.path("crl")).start()
    assert it.ask(name="bad") == (200, b"OK")
    authority.revoke("bad")

    def is_refused():
        try:
            return it.ask(name="bad") is None
        except OSError:
            return True
    kedge.wait_for(is_refused, every=0.1)
    assert it.ask() == (200, b"OK")
    it.close()


def is_let_in(daemon, name="client", **options):
    try:
        return daemon.ask(name=name, **options) == (200, b"OK")
    except OSError:
        return False


def test_a_revoked_authority_counts_too(tmp_path):
    """One between the client and the root; as long as there is no list of the root's, nothing is known of it."""
    authority = Authority(tmp_path / "ca").issue("server", "serverAuth").issue("client")
    middle = Authority(tmp_path / "middle", "middle")
    shutil.copy(middle.path("ca.key"), authority.path("middle.key"))
    authority.openssl("req", "-new", "-key", "middle.key", "-subj", "/CN=middle", "-out", "middle.req")
    (authority.directory / "middle.ext").write_text("basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n")
    authority.openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-create_serial", "-rand_serial", "-days", "30",
                      "-extfile", "middle.ext", "-in", "middle.req", "-out", "middle.crt", "-notext")
    shutil.copy(authority.path("middle.crt"), middle.path("ca.crt"))
    middle.issue("below").revoke()
    chain = middle.directory / "below.crt"
    chain.write_text(chain.read_text() + (authority.directory / "middle.crt").read_text())
    crl = tmp_path / "crl"
    authority.revoke()
    lists = [authority.directory / "crl", middle.directory / "crl"]
    crl.write_text(lists[1].read_text())
    it = TlsDaemon(authority, crl=str(crl))
    kedge.Daemon.start(it)
    below = {"name": "below", "authority": middle}
    kedge.wait_for(lambda: is_let_in(it, **below), every=0.1)
    authority.revoke("middle")
    for count in (1, 2):
        crl.write_text("".join(path.read_text() for path in lists[-count:]))
        kedge.wait_for(lambda: is_let_in(it, **below) == (count == 1), every=0.1)
    assert is_let_in(it)
    assert "certificate revoked" in kedge.wait_for(lambda: "revoked" in it.log() and it.log())
    it.close()


def test_certificates_that_could_not_be_sent_are_sent_again(renewable):
    """Without a descriptor left kedged can open none of them: the next client that comes gets them."""
    ca = renewable.authority
    before = serial(renewable)
    pid = renewable.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    for name in ("key", "crt"):
        replace(ca.path(f"server.{name}"), ca.path(f"next.{name}"))

    def told():
        with renewable.plain():
            return "the old ones stay" in renewable.log()
    kedge.wait_for(told, every=0.1)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    kedge.wait_for(renewable.is_ready)
    kedge.wait_for(lambda: serial(renewable) != before, every=0.1)
    assert renewable.log().count("the old ones stay") == 1


def test_a_kedged_without_good_certificates_starts_and_says_so(authority, tmp_path):
    it = TlsDaemon(authority, cert=str(tmp_path / "none.crt"))
    kedge.Daemon.start(it)
    kedge.wait_for(lambda: f'could not open "{tmp_path}/none.crt"' in it.log())
    replace(tmp_path / "none.crt", authority.path("server.crt"))
    kedge.wait_for(it.is_ready, every=0.1)
    it.close()


# ---- the configuration ----------------------------------------------------------------------------------------------------------

BAD = [({"listen": ["localhost:2376"]}, "tcp.listen[0]", "no address before its port"), ({"listen": ["127.0.0.1"]}, "tcp.listen[0]", "ADDRESS:PORT"),
       ({"listen": ["127.0.0.1:0"]}, "tcp.listen[0]", "port"), ({"listen": ["127.0.0.1:99999"]}, "tcp.listen[0]", "port"),
       ({"listen": ["1.1.1.1:5", "1.1.1.1:5"]}, "tcp.listen[1]", "twice"), ({"listen": "x"}, "tcp", "list"), ({"ca": ""}, "tcp.ca", "missing"),
       ({"ca": "here"}, "tcp.ca", "absolute"), ({"key": ""}, "tcp.key", "missing"), ({"cert": ""}, "tcp.cert", "no TCP without TLS"),
       ({"nope": 1}, "nope", "unknown"), ({"connections": 0}, "connections", ""), ({"cert": "/none/cert.pem"}, "tcp.cert", "No such file"),
       ({"key": "OTHER"}, "tcp", "does not belong to the certificate"), ({"ca": "/etc/passwd"}, "tcp", "is no list of certificates"),
       ({"crl": "/etc/passwd"}, "tcp", "is no revocation list"), ({"listen": [f"127.0.0.1:{i}" for i in range(1, 10)]}, "tcp", "")]


@pytest.mark.parametrize("settings,field,reason", BAD)
def test_wrong_settings_are_named(authority, tmp_path, settings, field, reason):
    tcp = {"listen": ["127.0.0.1:2376"], "ca": authority.path("ca.crt"), "cert": authority.path("server.crt"), "key": authority.path("server.key")}
    tcp.update({name: authority.path("client.key") if value == "OTHER" else value for name, value in settings.items()})
    path = tmp_path / "kedged.yaml"
    path.write_text(json.dumps({"tcp": tcp}))
    done = subprocess.run([kedge.BIN / "kedged", "--config", path, "--check-config", "--libexec-dir", kedge.BIN], timeout=20, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == 1 and field in done.stderr and reason in done.stderr, done.stderr


def test_right_settings(authority, tmp_path):
    tcp = {"listen": ["127.0.0.1:2376", "[::1]:2376"], "ca": authority.path("ca.crt"), "cert": authority.path("server.crt"),
           "key": authority.path("server.key"), "crl": authority.path("crl"), "connections": 10}
    path = tmp_path / "kedged.yaml"
    path.write_text(json.dumps({"tcp": tcp}))
    done = subprocess.run([kedge.BIN / "kedged", "--config", path, "--check-config", "--libexec-dir", kedge.BIN], timeout=20, stderr=subprocess.PIPE,
                          text=True)
    assert (done.returncode, done.stderr) == (0, "")
