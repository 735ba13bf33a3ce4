# SPDX-License-Identifier: Apache-2.0
"""Receivers of logs: Debian's rsyslog and systemd-journald, and GELF's and fluentd's, written from the published protocols."""
import gzip
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import zlib

import kedge
import msgpack


JOURNAL_SOCKET = "systemd/journal/socket"


class Places:
    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="kl", dir="/tmp"))
        os.chmod(self.path, 0o755)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


# ---- systemd-journald -----------------------------------------------------------------------------------------------------------

class Journal:
    """systemd-journald started by hand in a mount namespace, where this directory is /run: its socket is JOURNAL_SOCKET in it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.process = None

    def start(self):
        for name in ("systemd/journal", "log/journal"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        script = 'mount --make-rprivate / && mount --bind "$1" /run && exec env -u NOTIFY_SOCKET -u LISTEN_FDS /lib/systemd/systemd-journald'
        with open(self.directory / "journald.log", "ab") as log:
            self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script, "sh", str(self.directory)], stdout=log, stderr=log)
        kedge.wait_for(self.answers)
        return self

    def answers(self):
        assert self.process.poll() is None, (self.directory / "journald.log").read_text()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(str(self.directory / JOURNAL_SOCKET)) == 0

    def entries(self, *matches):
        """What journalctl reads back, oldest first."""
        done = subprocess.run(["journalctl", "-D", str(self.directory / "log" / "journal"), "-o", "json", "--no-pager", "--all", *matches],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


# ---- rsyslog --------------------------------------------------------------------------------------------------------------------

def run_openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(directory):
    """ca.pem, server.pem and server.key of 127.0.0.1."""
    run_openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=kedge test CA", "-keyout", directory / "ca.key",
                "-out", directory / "ca.pem")
    run_openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", directory / "server.key", "-out", directory / "server.csr")
    (directory / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    run_openssl("x509", "-req", "-in", directory / "server.csr", "-CA", directory / "ca.pem", "-CAkey", directory / "ca.key", "-CAcreateserial",
                "-days", "30", "-extfile", directory / "ext", "-out", directory / "server.pem")


class Rsyslog:
    """Debian's rsyslogd with all of its inputs: what it has parsed is JSON lines in .out."""

    TEMPLATE = ('template(name="all" type="list" option.jsonf="on") {\n'
                '  property(outname="facility" name="syslogfacility-text" format="jsonf")\n'
                '  property(outname="severity" name="syslogseverity-text" format="jsonf")\n'
                '  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")\n'
                '  property(outname="host" name="hostname" format="jsonf")\n'
                '  property(outname="tag" name="syslogtag" format="jsonf")\n'
                '  property(outname="message" name="msg" format="jsonf")\n'
                '  property(outname="raw" name="rawmsg" format="jsonf")\n'
                '  property(outname="input" name="inputname" format="jsonf")\n}\n')

    def __init__(self, places, tls=False):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="rs", dir=places.path))
        os.chmod(self.directory, 0o755)
        self.socket = self.directory / "log"
        self.out = self.directory / "out"
        self.udp, self.tcp, self.tls_port = kedge.free_port(), kedge.free_port(), kedge.free_port()
        self.tls = tls
        self.process = None
        if tls:
            make_certificates(self.directory)

    def configuration(self):
        lines = ['global(maxMessageSize="64k" workDirectory="%s")' % self.directory]
        if self.tls:
            lines[0] = ('global(maxMessageSize="64k" workDirectory="{0}" defaultNetstreamDriverCAFile="{0}/ca.pem" '
                        'defaultNetstreamDriverCertFile="{0}/server.pem" defaultNetstreamDriverKeyFile="{0}/server.key")').format(self.directory)
        lines += ['module(load="imuxsock" SysSock.Use="off")', 'module(load="imudp")', 'module(load="imtcp")', self.TEMPLATE,
                  f'input(type="imuxsock" Socket="{self.socket}" CreatePath="on" RateLimit.Interval="0" UseSysTimeStamp="off" UseSpecialParser="off" ParseHostname="on")',
                  f'input(type="imudp" address="127.0.0.1" port="{self.udp}")', f'input(type="imtcp" address="127.0.0.1" port="{self.tcp}")']
        if self.tls:
            lines.append(f'input(type="imtcp" address="127.0.0.1" port="{self.tls_port}" StreamDriver.Name="gtls" StreamDriver.Mode="1" '
                         'StreamDriver.AuthMode="anon")')
        lines.append(f'*.* action(type="omfile" file="{self.out}" template="all" flushOnTXEnd="on")')
        return "\n".join(lines) + "\n"

    def start(self):
        path = self.directory / "rsyslog.conf"
        path.write_text(self.configuration())
        with open(self.directory / "rsyslogd.log", "ab") as log:
            self.process = subprocess.Popen(["rsyslogd", "-n", "-f", str(path), "-i", str(self.directory / "pid")], stdout=log, stderr=log)
        kedge.wait_for(self.listens)
        return self

    def listens(self):
        assert self.process.poll() is None, (self.directory / "rsyslogd.log").read_text()
        for port in [self.tcp] + [self.tls_port] * self.tls:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    return False
        return self.socket.exists()

    def messages(self):
        """Whole lines alone: it may be writing one."""
        if not self.out.exists():
            return []
        return [json.loads(line) for line in self.out.read_text(errors="replace").split("\n")[:-1]]

    def of(self, tag):
        return [it for it in self.messages() if it["tag"].startswith(tag)]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


# ---- what the Python receivers have in common -----------------------------------------------------------------------------------

class Stream:
    """A TCP server on loopback that hands what each connection says to feed(connection, bytes), in a thread."""

    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.is_closed = False
        self.reads = threading.Event()
        self.reads.set()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        state = self.begin()
        while True:
            self.reads.wait()
            try:
                data = connection.recv(65536)
            except OSError:
                return
            if not data or self.is_closed:
                return
            self.feed(connection, state, data)

    def begin(self):
        return bytearray()

    def close(self):
        """As if it were killed: what was not read is lost, and the kernel says so."""
        self.is_closed = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reads.set()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self.thread.join(5)


class Lines(Stream):
    """Syslog over TCP, newlines between messages; those that came whole."""

    def __init__(self, port=0):
        self.lines = []
        super().__init__(port)

    def feed(self, connection, state, data):
        state += data
        *whole, rest = bytes(state).split(b"\n")
        self.lines += whole
        state[:] = rest


# ---- GELF -----------------------------------------------------------------------------------------------------------------------

def gelf_inflate(data):
    """A datagram's bytes, by its first two: gzip, zlib, or JSON itself."""
    if data[:2] == b"\x1f\x8b":
        return "gzip", gzip.decompress(data)
    if data[0] == 0x78:
        return "zlib", zlib.decompress(data)
    return "none", data


class GelfUdp:
    """Puts chunks together: 0x1e 0x0f, eight bytes of an id, sequence number, count."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.messages, self.kinds, self.chunks, self.most_chunks = [], [], {}, 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            if data[:2] == b"\x1e\x0f":
                assert len(data) <= 1420
                data = self.chunk(data[2:10], data[10], data[11], data[12:])
            if data:
                kind, text = gelf_inflate(data)
                self.kinds.append(kind)
                self.messages.append(json.loads(text))

    def chunk(self, identity, number, count, data):
        assert number < count <= 128
        parts = self.chunks.setdefault(identity, {})
        parts[number] = data
        self.most_chunks = max(self.most_chunks, count)
        return b"".join(parts[i] for i in range(count)) if len(parts) == count else None

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(5)
        self.socket.close()


class GelfTcp(Stream):
    def __init__(self, port=0):
        self.messages = []
        super().__init__(port)

    def feed(self, connection, state, data):
        state += data
        *whole, rest = bytes(state).split(b"\0")
        self.messages += [json.loads(text) for text in whole]
        state[:] = rest


# ---- fluentd --------------------------------------------------------------------------------------------------------------------

class Fluentd(Stream):
    """The forward protocol's receiver: message mode and forward mode; a chunk is acknowledged when it is in .records."""

    def __init__(self, port=0, acknowledges=True):
        self.records = []  # (tag, time, record)
        self.chunks = []
        self.raw = b""
        self.acknowledges = acknowledges
        super().__init__(port)

    def begin(self):
        return msgpack.Unpacker(raw=False, timestamp=0, max_buffer_size=1 << 26, unicode_errors="surrogateescape")

    def feed(self, connection, state, data):
        self.raw += data
        state.feed(data)
        for message in state:
            self.take(connection, *message)

    def take(self, connection, tag, entries, *rest):
        option = rest[-1] if rest and isinstance(rest[-1], dict) and isinstance(entries, list) else {}
        if isinstance(entries, list):
            self.records += [(tag, time, record) for time, record in entries]
        else:
            self.records.append((tag, entries, rest[0]))
        if "chunk" in option:
            self.chunks.append(option["chunk"])
        if "chunk" in option and self.acknowledges:
            connection.sendall(msgpack.packb({"ack": option["chunk"]}))
