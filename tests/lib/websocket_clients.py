# SPDX-License-Identifier: Apache-2.0
"""Websocket clients of a container: a real one, and one that may send what it likes."""
import os
import pathlib
import socket
import struct

import websocket

import kedge

ALL = "stream=1&stdin=1&stdout=1&stderr=1"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, section 1.3, with its answer
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def dial(daemon):
    it = socket.socket(socket.AF_UNIX)
    it.settimeout(60)
    it.connect(str(daemon.socket))
    return it


def target(identity, query=ALL, version=""):
    return f"{version}/containers/{identity}/attach/ws?{query}"


class Client:
    """Debian's websocket-client."""

    def __init__(self, daemon, identity, query=ALL, version="", connection=None):
        self.it = websocket.create_connection("ws://localhost" + target(identity, query, version), socket=connection or dial(daemon))
        self.opcodes = set()
        self.code = None

    def send(self, data):
        self.it.send_binary(data)

    def receive(self):
        """The bytes of a message; None when the other side has closed: with self.code."""
        while True:
            opcode, data = self.it.recv_data(control_frame=True)
            if opcode == CLOSE:
                self.code = struct.unpack(">H", data[:2])[0] if data else None
                return None
            if opcode in (TEXT, BINARY):
                self.opcodes.add(opcode)
                return data

    def read_until(self, text):
        data = bytearray()
        while text not in data:
            more = self.receive()
            assert more is not None, f"ended after {bytes(data)!r}"
            data += more
        return bytes(data)

    def read_all(self):
        """To the close frame, and the end of the connection behind it."""
        data = bytearray()
        while (more := self.receive()) is not None:
            data += more
        assert self.it.sock.recv(1) == b""
        self.it.shutdown()
        return bytes(data)

    def close(self):
        """As a browser does when its page is left: with a close frame."""
        self.it.close()

    def vanish(self):
        self.it.shutdown()


def frame(opcode, data=b"", fin=True, mask=b"\x12\x34\x56\x78", rsv=0, length=None):
    """As a client has to send it, unless it is told otherwise. length: what the frame says it has."""
    length = len(data) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    marked = 0x80 if mask else 0
    head += bytes([marked | length]) if length < 126 else \
        struct.pack(">BH", marked | 126, length) if length < 1 << 16 else struct.pack(">BQ", marked | 127, length)
    return head + (mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)) if mask else data)


class Raw:
    """A socket on which a websocket has begun; what is sent is the test's."""

    def __init__(self, daemon, identity, query=ALL, early=b"", version=""):
        self.socket = dial(daemon)
        self.head = self.ask("GET", target(identity, query, version), early)
        assert self.head.startswith("HTTP/1.1 101 "), self.head

    def ask(self, method, where, early):
        self.socket.sendall(f"{method} {where} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode() + early)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = self.socket.recv(1)
            assert more, head
            head += more
        return head.decode()

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def read(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise EOFError(data)
            data += more
        return data

    def receive(self):
        """(opcode, data) of a frame."""
        first, length = self.read(2)
        assert first & 0xf0 == 0x80 and length < 128, "servers send whole messages without a mask here"
        if length >= 126:
            length = int.from_bytes(self.read(2 if length == 126 else 8), "big")
        return first & 0xf, self.read(length)

    def closed(self):
        """The code of the close frame behind all else; the connection ends behind it."""
        opcode, data = self.receive()
        while opcode != CLOSE:
            opcode, data = self.receive()
        assert self.socket.recv(1) == b""
        self.socket.close()
        return int.from_bytes(data[:2], "big") if data else None


def carriers(daemon):
    """The processes of kedge-ws that this kedged has started."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == daemon.process.pid and os.readlink(process / "exe") == str(kedge.BIN / "kedge-ws"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def carrier(daemon):
    """The only one: it is started behind the answer to the handshake."""
    return kedge.wait_for(lambda: len(carriers(daemon)) == 1 and carriers(daemon)[0])
