# SPDX-License-Identifier: Apache-2.0
"""Clients that leave, stop sending, or never read: each is noticed at once, and leaves no descriptor, process or memory behind."""
import contextlib
import io
import json
import os
import pathlib
import socket
import struct
import tarfile
import time

import pytest

import execs
import kedge
import registries

ROUNDS = 100 if kedge.SOAK else 4

def connect(daemon):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(daemon.socket))
    return connection


def ask(daemon, request, body=b"", headers=""):
    connection = connect(daemon)
    length = f"Content-Length: {len(body)}\r\n" if body or request.startswith("POST") else ""
    connection.sendall(f"{request} HTTP/1.1\r\nHost: x\r\n{length}{headers}\r\n".encode() + body)
    return connection


def sockets(daemon):
    found = set()
    for entry in pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:
            continue  # closed meanwhile
    return {link for link in found if link.startswith("socket:")}


def children(daemon):
    return set(pathlib.Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split())


class Counted:
    """The sockets and processes that kedged has got since then; all() waits for so many, gone() for none of them."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.before = self.look()
        self.new = set()

    def look(self):
        return sockets(self.daemon) | children(self.daemon)

    def all(self, count):
        def are_there():
            self.new |= self.look() - self.before
            return len(self.new) >= count
        kedge.wait_for(are_there)
        return self

    def gone(self):
        """In milliseconds, and within a second where the machine has time (it is printed)."""
        self.new |= self.look() - self.before
        begin = time.monotonic()
        kedge.wait_for(lambda: not self.new & self.look(), every=0.005)
        print(f"noticed after {time.monotonic() - begin:.3f} s")


WAITING = ["POST /containers/{id}/wait", "POST /containers/{id}/wait?condition=removed", "POST /containers/{id}/wait?condition=next-exit", "GET /events",
           "GET /containers/{id}/logs?follow=1&stdout=1", "GET /containers/{id}/stats", "POST /containers/{id}/attach?stream=1&stdout=1",
           "POST /containers/{id}/attach?stream=1&stdout=1&logs=1", "POST /containers/{id}/stop?t=60"]


@pytest.mark.parametrize("request_line", WAITING)
def test_who_leaves_a_waiting_request(box, request_line):
    identity = box.run_container(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done"])
    kedge.wait_for(lambda: "up" in box.log_text(identity))
    counted = Counted(box)
    connections = [ask(box, request_line.format(id=identity)) for _ in range(5)]
    counted.all(5)
    time.sleep(0.05)  # some have been answered with a head by now, some are still read: both must be noticed
    for connection in connections:
        connection.close()
    counted.gone()
    assert box.inspect(identity)["State"]["Running"]


@pytest.mark.parametrize("request_line,contains", [("GET /version", b"ApiVersion"), ("GET /containers/json", b"[]"), ("GET /nope", b"page not found"),
                                                   ("GET /system/df", b"LayersSize"), ("GET /events?until=1", b"HTTP/1.1 200"),
                                                   ("GET /images/busybox:test/get", b"manifest.json")])
def test_who_stops_sending_gets_the_answer(box, request_line, contains):
    """What `nc -N` and some libraries do after their request."""
    counted = Counted(box)
    with ask(box, request_line) as connection:
        connection.shutdown(socket.SHUT_WR)
        data = b""
        while part := connection.recv(65536):
            data += part
    assert contains in data
    counted.gone()


def test_who_stops_sending_waits_on(box):
    """The end of a container is told to who has shut down its sending, and to who has not."""
    identity = box.run_container(["sleep", "1000"])
    counted = Counted(box)
    with ask(box, f"POST /containers/{identity}/wait") as connection:
        connection.shutdown(socket.SHUT_WR)
        counted.all(1)
        box.api.post(f"/containers/{identity}/kill")
        data = b""
        while b"StatusCode" not in data:
            part = connection.recv(65536)
            assert part, data
            data += part
    assert b"137" in data


def test_a_request_that_is_cut_in_the_middle(box):
    counted = Counted(box)
    for text in (b"GE", b"GET /version HTTP/1.1\r\nHo", b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{\"Image\":",
                 b"POST /images/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200\r\nabc"):
        for _ in range(3):
            with connect(box) as connection:
                connection.sendall(text)
    counted.gone()


def memory(daemon):
    words = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1])


def test_followers_of_events_that_never_read(box):
    """They are dropped once they are a megabyte behind; who reads gets every event."""
    identity = box.create(["true"], Labels={"long": "x" * 60000})
    counted, start = Counted(box), memory(box)
    deaf = [ask(box, "GET /events") for _ in range(5)]
    counted.all(5)
    names = 0
    while counted.new & counted.look() and names < 200:
        names += 1
        box.api.post(f"/containers/{identity}/rename?name=n{names}")
    assert 10 < names < 200
    if "sanitize" not in str(kedge.BUILD):
        assert memory(box) - start < 16 << 10  # kilobytes
    for connection in deaf:
        connection.close()
    assert box.inspect(identity)["Name"] == f"/n{names}"


def test_a_pull_that_nobody_waits_for(box):
    """The registry does not answer; its client leaves; the process that asked for it ends."""
    with socket.socket() as registry:
        registry.bind(("127.0.0.1", 0))
        registry.listen()
        counted = Counted(box)
        connection = ask(box, f"POST /images/create?fromImage=127.0.0.1:{registry.getsockname()[1]}/a&tag=b")
        counted.all(3)  # the client's, and that of the process that asks
        connection.close()
        counted.gone()


def test_a_load_that_breaks_off(box):
    data = (box.directory / "busybox.tar").read_bytes()
    counted = Counted(box)
    for part in (1, len(data) // 2, len(data) - 1):
        connection = connect(box)
        connection.sendall(f"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:part])
        connection.close()
    counted.gone()
    assert json.loads(box.api.raw("GET", "/images/json")[1])


# ---- all of them, again and again ----

UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


def half(daemon, request, data):
    """A client that has sent half of what it is about to send."""
    connection = connect(daemon)
    connection.sendall(f"{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:len(data) // 2])
    return connection


def begun(connection, sign):
    data = b""
    while sign not in data:
        piece = connection.recv(4096)
        assert piece, data
        data += piece
    return connection


def tree():
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            member = tarfile.TarInfo("tmp/it")
            member.size = 4 << 20
            archive.addfile(member, io.BytesIO(bytes(4 << 20)))
        return file.getvalue()


def commands(daemon, identity):
    both = {"AttachStdin": True, **execs.BOTH}
    for terminal in (False, True):
        exec_id = execs.create(daemon, identity, ["sh", "-c", "echo up; read -t 1 x; exit 3"], Tty=terminal, **both)
        yield begun(ask(daemon, f"POST /exec/{exec_id}/start", b'{"Tty":%s}' % (b"true" if terminal else b"false"), UPGRADE), b"up")
    exec_id = execs.create(daemon, identity, ["sh", "-c", "yes | head -c 1000000; echo; echo up"], **execs.BOTH)
    yield begun(ask(daemon, f"POST /exec/{exec_id}/start", b"{}"), b"200 OK")


def readers(daemon, identity):
    for query, headers in (("stdin=1&stdout=1&logs=1", UPGRADE), ("stdout=1&logs=1", "")):
        yield begun(ask(daemon, f"POST /containers/{identity}/attach?stream=1&{query}", headers=headers), b"y\n")
    for target, sign in ((f"/containers/{identity}/logs?stdout=1&follow=1", b"y"), ("/events", b"200 OK"), (f"/containers/{identity}/stats", b"cpu_stats"),
                         (f"/containers/{identity}/archive?path=/bin", b"200 OK"), (f"/containers/{identity}/export", b"200 OK"),
                         ("/images/busybox:test/get", b"200 OK")):
        yield begun(ask(daemon, "GET " + target), sign)
    yield begun(ask(daemon, f"POST /containers/{identity}/wait"), b"200 OK")


def writers(daemon, identity):
    yield half(daemon, "POST /images/load", (daemon.directory / "busybox.tar").read_bytes())
    yield half(daemon, f"PUT /containers/{identity}/archive?path=/", tree())
    yield half(daemon, "POST /images/create?fromSrc=-&repo=other&tag=1", tree())


@pytest.fixture
def stalling(fake):
    """A registry that gives half of an image, and then nothing."""
    image = fake.add(registries.Unpackable([{"file": os.urandom(300000)}]), "1")
    blob, is_over = image.layers[0], []

    @fake.rule(registries.digest(blob))
    def half_of_it(handler, _):
        handler.reply(200, blob[:len(blob) // 2], length=len(blob))
        handler.wfile.flush()
        with contextlib.suppress(AssertionError):
            kedge.wait_for(lambda: is_over, 120)
    yield fake
    is_over.append(True)


def test_nothing_is_left_of_those_who_vanish(daemon, stalling):
    """Every kind of client in the middle of its work, all at a time: no descriptor, process, file or memory stays of them."""
    identity = daemon.run_container(["sh", "-c", "yes | head -c 300000; cat"], OpenStdin=True)
    kedge.wait_for(lambda: len(daemon.log_text(identity)) == 300000)
    staging = daemon.store / "staging"

    def all_vanish(number):
        clients = [*commands(daemon, identity), *readers(daemon, identity), *writers(daemon, identity)]
        clients.append(begun(ask(daemon, f"POST /images/create?fromImage={stalling.host}/a&tag=1"), b"Pulling fs layer"))
        assert len(sockets(daemon)) > len(clients) and children(daemon)
        for place, client in enumerate(clients):
            if (place + number) % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

    def held():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    def is_quiet():
        return not daemon.inspect(identity)["ExecIDs"] and not [it for it in children(daemon) if not is_shim(it)]
    before = held()
    for number in range(ROUNDS):
        all_vanish(number)
        kedge.wait_for(is_quiet, 30)
        if number == 1:
            settled = memory(daemon)
    kedge.wait_for(lambda: held() <= before)
    assert daemon.inspect(identity)["State"]["Running"] and len(children(daemon)) == 1
    kedge.wait_for(lambda: {path.suffix for path in staging.iterdir()} <= {".part"})  # what a pull goes on with
    if "sanitize" not in str(kedge.BUILD):
        kedge.wait_for(lambda: memory(daemon) - settled < 1 << 10)  # kilobytes; when it rests, it gives back


def is_shim(pid):
    try:
        return b"kedge-shim" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
