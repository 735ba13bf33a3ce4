# SPDX-License-Identifier: Apache-2.0
"""Answers that do not end by themselves: events, followed logs, attached output."""
import contextlib
import json
import socket
import threading

import kedge


@contextlib.contextmanager
def opened(daemon, method, target, timeout=30):
    """The answer to a request, to be read as it comes."""
    connection = kedge.UnixConnection(daemon.socket, timeout)
    try:
        connection.request(method, target)
        yield connection.getresponse()
    finally:
        connection.close()


class Background:
    """Runs a function in a thread; result() gives what it gave, or raises what it raised."""

    def __init__(self, function, *arguments):
        self.value = self.problem = None

        def run():
            try:
                self.value = function(*arguments)
            except BaseException as problem:  # noqa: B902  (told by result())
                self.problem = problem
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def is_done(self):
        return not self.thread.is_alive()

    def result(self, seconds=30):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), f"not done after {seconds} s"
        if self.problem:
            raise self.problem
        return self.value


class Events:
    """Collects the daemon's events from now until close()."""

    def __init__(self, daemon, query=""):
        self.connection = kedge.UnixConnection(daemon.socket, 60)
        self.connection.request("GET", "/events" + query)
        self.answer = self.connection.getresponse()
        self.all = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            for line in self.answer:
                if line.strip():
                    self.all.append(json.loads(line))
        except (OSError, ValueError, AttributeError):
            pass  # closed

    def of(self, identity, kind="container"):
        return [event["Action"] for event in list(self.all) if event["Type"] == kind and event["Actor"]["ID"] == identity]

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Attached:
    """A hijacked attach: read_all() gives [(stream, bytes)] until the container ends. Without a terminal."""

    def __init__(self, daemon, identity, query="stream=1&stdout=1&stderr=1", headers="", early=b""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(daemon.socket))
        self.socket.sendall(f"POST /containers/{identity}/attach?{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                            f"Upgrade: tcp\r\nContent-Length: 0\r\n{headers}\r\n".encode() + early)
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.socket.recv(1)
            assert more, f"attach answered {head!r}"
            head += more
        self.head = head.decode()
        self.status = int(self.head.split()[1])

    def send(self, data):
        self.socket.sendall(data)

    def end_input(self):
        self.socket.shutdown(socket.SHUT_WR)

    def read_until(self, text):
        """Raw bytes up to and with text."""
        data = bytearray()
        while text not in data:
            more = self.socket.recv(1 << 16)
            assert more, f"ended after {bytes(data)!r}"
            data += more
        return bytes(data)

    def read_raw(self):
        """Raw bytes to the end."""
        data = bytearray()
        while more := self.socket.recv(1 << 16):
            data += more
        self.socket.close()
        return bytes(data)

    def read_all(self):
        data = bytearray()
        while True:
            more = self.socket.recv(1 << 16)
            if not more:
                self.socket.close()
                return kedge.demultiplex(bytes(data))
            data += more

    def close(self):
        self.socket.close()


def joined(parts, stream=None):
    return b"".join(data for number, data in parts if stream in (None, number))
