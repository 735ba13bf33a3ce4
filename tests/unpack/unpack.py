# SPDX-License-Identifier: Apache-2.0
"""What tests of kedge-unpack stand on: archives made by hand, the program run by hand, and its connection as kedged speaks it."""
import array
import gzip
import io
import os
import pathlib
import socket
import stat
import struct
import subprocess
import tarfile

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("KEDGE_BUILD", TOP / "build")) / "src" / "main" / "kedge-unpack"


class Result:
    """What `kedge-unpack` printed."""

    def __init__(self, done):
        self.status = done.returncode
        self.error = done.stderr.decode("utf-8", "replace").strip()
        lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
        self.diff_id = lines[0] if lines else None
        words = [line.split(" ", 1) for line in lines[1:]]
        self.entries = next((int(w[1]) for w in words if w[0] == "entries"), None)
        self.bytes = next((int(w[1]) for w in words if w[0] == "bytes"), None)
        self.opaque = sorted(w[1] for w in words if w[0] == "opaque")
        self.digests = {w[1].split(" ", 1)[1]: w[1].split(" ", 1)[0] for w in words if w[0] == "digest"}


def run(data, target, mode="--layer", *options):
    """Unpacks data (bytes, or a path) below target."""
    path = data
    if isinstance(data, bytes):
        path = str(target) + ".archive"
        pathlib.Path(path).write_bytes(data)
    target.mkdir(exist_ok=True)
    return Result(subprocess.run([PROGRAM, mode, *options, path, target], capture_output=True, timeout=120))


class Archive:
    """A tar archive by tarfile: what it can say, it says as asked, however hostile."""

    def __init__(self, format=tarfile.PAX_FORMAT):
        self.raw = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.raw, mode="w", format=format, encoding="utf-8", errors="surrogateescape")

    def add(self, name, type=tarfile.REGTYPE, data=b"", **fields):
        info = tarfile.TarInfo(name)
        info.type = type
        info.mode = fields.pop("mode", 0o755 if type == tarfile.DIRTYPE else 0o644)
        info.mtime = 1_600_000_000
        info.size = len(data)
        for key, value in fields.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def file(self, name, data=b"x", **fields):
        return self.add(name, tarfile.REGTYPE, data, **fields)

    def dir(self, name, **fields):
        return self.add(name, tarfile.DIRTYPE, **fields)

    def symlink(self, name, to, **fields):
        return self.add(name, tarfile.SYMTYPE, linkname=to, **fields)

    def link(self, name, to):
        return self.add(name, tarfile.LNKTYPE, linkname=to)

    def bytes(self):
        self.tar.close()
        return self.raw.getvalue()

    def gzip(self):
        return gzip.compress(self.bytes(), 6)


def header(name=b"f", size=0, type=b"0", mode=0o644, link=b"", magic=b"ustar\x0000", **at):
    """A header byte by byte, for what tarfile refuses to write. at: _OFFSET=bytes overwrites there."""
    block = bytearray(512)

    def put(offset, data):
        block[offset:offset + len(data)] = data

    put(0, name[:100])
    put(100, b"%07o\0" % mode)
    put(108, b"0000000\0")
    put(116, b"0000000\0")
    put(124, size if isinstance(size, bytes) else b"%011o\0" % size)
    put(136, b"%011o\0" % 1_600_000_000)
    put(156, type)
    put(157, link[:100])
    put(257, magic)
    for key, data in at.items():
        put(int(key[1:]), data)
    put(148, b"        ")
    put(148, b"%06o\0 " % sum(block))
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


END = bytes(1024)


def tree(root):
    """What lies below root: path -> what can be seen of it."""
    found = {}
    root = os.fsencode(root)
    inodes = {}
    for directory, names, files in os.walk(root):
        for name in [b"."] if directory == root else []:
            found["."] = describe(root, inodes, ".")
        for name in names + files:
            path = os.path.join(directory, name)
            shown = os.fsdecode(os.path.relpath(path, root))
            found[shown] = describe(path, inodes, shown)
    return found


def describe(path, inodes, shown):
    status = os.lstat(path)
    mode = status.st_mode
    about = {"mode": mode, "owner": (status.st_uid, status.st_gid), "mtime": status.st_mtime_ns}
    if stat.S_ISREG(mode):
        about["data"] = open(path, "rb").read()
        about["same"] = inodes.setdefault((status.st_dev, status.st_ino), shown)
    elif stat.S_ISLNK(mode):
        about["link"] = os.readlink(path)
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        about["device"] = (os.major(status.st_rdev), os.minor(status.st_rdev))
    if not stat.S_ISLNK(mode):
        about["xattrs"] = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
    return about


def is_whiteout(path):
    status = os.lstat(path)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


# ---- the connection (src/fetch/unpack_wire.h, src/fetch/channel.h) ----

DIRECTORY, START, INPUT, PROGRESS, OPAQUE, DIGEST, FAILED, DONE = range(8)
NUMBERS = struct.Struct("=19q")


class Session:
    """kedge-unpack --serve, spoken to as kedged does."""

    def __init__(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket = ours
        self.socket.settimeout(30)
        self.process = subprocess.Popen([PROGRAM, "--serve"], preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False,
                                        stderr=subprocess.PIPE)
        theirs.close()
        self.pid = self.process.pid
        self.received = b""

    def send_raw(self, text, payload=b"\0\0", fd=None):
        data = struct.pack("<II", len(text), len(payload)) + text + payload
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        self.socket.sendmsg([data], ancillary)

    def send(self, word, fd=None, mode=0, max_bytes=0, max_entries=0, max_depth=0, sync=0, available=0, complete=0, version=1):
        numbers = (version, word, mode, max_bytes, max_entries, max_depth, sync, available, complete, *[0] * 10)
        self.send_raw(NUMBERS.pack(*numbers), fd=fd)

    def start(self, path, target, **fields):
        target.mkdir(exist_ok=True)
        directory, data = os.open(target, os.O_RDONLY), os.open(path, os.O_RDONLY)
        self.send(DIRECTORY, fd=directory)
        self.send(START, fd=data, **fields)
        os.close(directory)
        os.close(data)

    def receive(self):
        """(word, numbers, first, second), None at the end."""
        while len(self.received) < 8 or len(self.received) < 8 + sum(struct.unpack_from("<II", self.received)):
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.received += more
        text, payload = struct.unpack_from("<II", self.received)
        numbers = NUMBERS.unpack(self.received[8:8 + text])
        first, second = self.received[8 + text:8 + text + payload].split(b"\0")[:2]
        self.received = self.received[8 + text + payload:]
        return numbers[1], numbers, first.decode("utf-8", "surrogateescape"), second.decode()

    def finish(self):
        """Everything until DONE or FAILED."""
        messages = []
        while not messages or messages[-1][0] not in (DONE, FAILED):
            message = self.receive()
            assert message, f"the connection ended: {self.end()}"
            messages.append(message)
        return messages

    def end(self):
        self.socket.close()
        _, error = self.process.communicate(timeout=30)
        return self.process.returncode, error.decode()
