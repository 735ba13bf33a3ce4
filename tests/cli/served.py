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
    """answers: {"GET /path": bytes of a whole HTTP response, or a list of pieces with floats (seconds) or calls between}."""

    def __init__(self, answers):
        self.directory = tempfile.TemporaryDirectory(prefix="ks", dir="/tmp")
        self.socket = pathlib.Path(self.directory.name) / "s"
        self.answers = answers
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen(16)
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()  # before the descriptor may become another listener's
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
            elif callable(piece):
                piece()
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


class Terminal:
    """kedge on a terminal of that size, whose own it is: it hears of resizes."""

    def __init__(self, *arguments, host, columns=80, lines=24, **more):
        self.master, slave = pty.openpty()
        self.resize(columns, lines)
        self.process = subprocess.Popen([KEDGE, *map(str, arguments)], env=environment(host, TERM="xterm", **more), stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.output = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def resize(self, columns, lines=24):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self):
        """True: there may be more."""
        readable, _, _ = select.select([self.master], [], [], 0.1)
        try:
            data = os.read(self.master, 65536) if readable else None
        except OSError:
            return False
        self.output += data or b""
        return data != b""

    def text(self):
        return self.output.decode(errors="replace").replace("\r\n", "\n")

    def until(self, wanted, after=0, seconds=30):
        """What has come behind the first so many characters, when that holds."""
        end = time.monotonic() + seconds
        while not wanted(self.text()[after:]):
            assert time.monotonic() < end and self.read(), self.text()
        return self.text()[after:]

    def end(self, seconds=30):
        """(exit status, all that it wrote)"""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read():
            pass
        return self.process.wait(5), self.text()


def on_terminal(*arguments, **options):
    with Terminal(*arguments, **options) as terminal:
        return terminal.end()


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
