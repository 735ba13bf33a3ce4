# SPDX-License-Identifier: Apache-2.0
"""Clients that leave, stop sending, or never read: each is noticed at once, and leaves no descriptor, process or memory behind."""
import json
import os
import pathlib
import socket
import time

import pytest

import kedge



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
