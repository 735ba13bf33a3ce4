# SPDX-License-Identifier: Apache-2.0
"""A socket with fixed answers, and terminals of any size.

Only for what a real daemon cannot be made to say: rates of a slow pull, odd answers, a daemon that breaks off. All else runs against kedged.
"""
import fcntl
import os
import pty
import pathlib
import re
import select
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

import kedge

KEDGE = str(kedge.BIN / "kedge")


class Served:
    """answers: {"GET /path": bytes of a whole HTTP response, or a list of pieces with floats (seconds) between}."""

    def __init__(self, answers):
        self.directory = tempfile.TemporaryDirectory(prefix="ks", dir="/tmp")
        self.socket = pathlib.Path(self.directory.name) / "s"
        self.answers = answers
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.directory.cleanup()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def read_request(self, connection, data):
        while b"\r\n\r\n" not in data:
            try:
                more = connection.recv(65536)
            except ConnectionError:  # the client left with bytes of ours unread
                more = b""
            if not more:
                return None, b""
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        length = int((re.search(rb"(?i)content-length: (\d+)", head) or [0, 0])[1])
        while len(body) < length:
            body += connection.recv(65536)
        return (head.decode(), body[:length]), body[length:]

    def serve(self, connection):
        left = b""
        with connection:
            while True:
                request, left = self.read_request(connection, left)
                if not request:
                    return
                self.requests.append(request)
                method, target, _ = request[0].split("\r\n")[0].split(" ")
                answer = self.answers.get(f"{method} {target.split('?')[0]}", response(404, b'{"message":"page not found"}'))
                try:
                    self.send(connection, answer if isinstance(answer, list) else [answer])
                except OSError:
                    return  # the client had enough
                if isinstance(answer, list):
                    return

    def send(self, connection, pieces):
        for piece in pieces:
            if isinstance(piece, float):
                time.sleep(piece)
            else:
                connection.sendall(piece)

    def run(self, *arguments, **options):
        return run(*arguments, host=self.socket, **options)


def response(status, body, extra=b""):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), extra, body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def environment(host, **more):
    kept = {name: value for name, value in os.environ.items() if name not in ("KEDGE_HOST", "DOCKER_HOST", "COLUMNS", "LINES", "NO_COLOR")}
    return {**kept, "KEDGE_HOST": f"unix://{host}", "DOCKER_CONFIG": "/nonexistent", "TZ": "UTC", **more}


def run(*arguments, host="/nonexistent/s", input=None, **more):
    done = subprocess.run([KEDGE, *map(str, arguments)], env=environment(host, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=input,
                          stdin=subprocess.DEVNULL if input is None else None, timeout=60)
    done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    return done


def on_terminal(*arguments, host, columns=80, lines=24, seconds=30, **more):
    """Runs kedge on a terminal of that size: (exit status, all that it wrote)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen([KEDGE, *map(str, arguments)], env=environment(host, TERM="xterm", **more), stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    output, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        readable, _, _ = select.select([master], [], [], 0.1)
        try:
            data = os.read(master, 65536) if readable else None
        except OSError:
            break
        if data == b"":
            break
        output += data or b""
    os.close(master)
    return process.wait(5), output.decode(errors="replace").replace("\r\n", "\n")


ESCAPE = re.compile(r"\033\[[0-9;]*[A-Za-z]")


class Screen:
    """What a terminal shows after such output: enough of ECMA-48 for what kedge writes. Fails when a line would wrap."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column = columns, [""], 0, 0
        self.tallest = 1

    def put(self, text):
        position = 0
        while position < len(text):
            escape = ESCAPE.match(text, position)
            if escape:
                self.escape(escape.group())
                position = escape.end()
                continue
            self.character(text[position])
            position += 1
        return self

    def character(self, character):
        if character == "\n":
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.rows):
                self.rows.append("")
        elif character == "\r":
            self.column = 0
        else:
            assert self.column < self.columns, f"line wraps: {self.rows[self.row]!r}"
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[:self.column] + character + line[self.column + 1:]
            self.column += 1

    def escape(self, text):
        count = int(text[2:-1]) if text[2:-1].isdigit() else 1
        if text[-1] == "A":
            self.tallest = max(self.tallest, count)
            assert count <= self.row, "the cursor leaves the screen at the top"
            self.row -= count
        elif text[-1] == "K":
            self.rows[self.row] = self.rows[self.row][:self.column]
        elif text[-1] == "J":
            self.rows[self.row:] = [self.rows[self.row][:self.column]]

    def text(self):
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")
