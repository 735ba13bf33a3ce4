# SPDX-License-Identifier: Apache-2.0
"""A kedge-shim driven over its own protocol (src/shim/protocol.h), with a real runtime and a busybox root, without any kedged."""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import uuid

import kedge

PROGRAM = pathlib.Path(os.environ.get("KEDGE_SHIM", kedge.BIN / "kedge-shim"))
SIGNAL, ATTACH, EXEC, FORGET, RELAY = 1, 2, 3, 4, 8
STATUS, STARTED, FAILED, EXITED, OUTPUT, EXEC_EXITED = 64, 65, 66, 67, 68, 69
STARTING, RUNNING, ENDED, START_FAILED = range(4)
EXEC_OUTPUT_MAX = 4096
STALL_SECONDS = 10

STATUS_LAYOUT = struct.Struct("=IIQiiIIqqqq256sI7I")
EXEC_EXIT_LAYOUT = struct.Struct("=QiI")


class Status:
    def __init__(self, data):
        fields = STATUS_LAYOUT.unpack(data[:STATUS_LAYOUT.size])
        (self.protocol, self.state, self.run, self.pid, self.exit_code, self.exit_signal, self.oom_killed, self.started_wall,
         self.finished_wall, self.started, self.finished, error, self.not_found) = fields[:13]
        self.error = error.split(b"\0")[0].decode()
        self.text = data[STATUS_LAYOUT.size:].decode()


class Connection:
    """One end of a connection to a shim; messages come as (number, payload)."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = []

    def send(self, message, payload=b""):
        self.sock.send(struct.pack("=II", message, len(payload)) + payload)

    def signal(self, number):
        self.send(SIGNAL, struct.pack("=iI", number, 0))

    def attach(self, stdout=True, stderr=True):
        self.send(ATTACH, struct.pack("=4I", stdout, stderr, 0, 0))

    def relay(self, to):
        self.send(RELAY, struct.pack("=64s4I", to.encode(), 0, 0, 0, 0))

    def exec(self, number, path, timeout_ms=0):
        self.send(EXEC, struct.pack("=Qq", number, timeout_ms) + str(path).encode() + b"\0")

    def receive(self, timeout=20):
        """The next message; None when the shim has closed the connection."""
        self.sock.settimeout(timeout)
        try:
            packet = self.sock.recv(64 * 1024)
        except ConnectionResetError:
            return None
        if not packet:
            return None
        message, length = struct.unpack("=II", packet[:8])
        assert length == len(packet) - 8
        return message, packet[8:]

    def expect(self, *wanted, timeout=20):
        """Skips messages up to one of the wanted ones; those of other kinds stay in self.pending."""
        while True:
            got = self.receive(timeout)
            assert got, f"the connection ended before message {wanted}, after {self.pending}"
            if got[0] in wanted:
                return Status(got[1]) if got[0] in (STATUS, STARTED, FAILED, EXITED) else got[1]
            self.pending.append(got)

    def exec_result(self, timeout=20):
        data = self.expect(EXEC_EXITED, timeout=timeout)
        number, code, timed_out = EXEC_EXIT_LAYOUT.unpack(data[:EXEC_EXIT_LAYOUT.size])
        return number, code, bool(timed_out), data[EXEC_EXIT_LAYOUT.size:]

    def output(self):
        """Everything up to the end of both streams: (stdout, stderr)."""
        streams, open_streams = {1: b"", 2: b""}, {1, 2}
        while open_streams:
            data = self.expect(OUTPUT)
            if len(data) == 1:
                open_streams.discard(data[0])
            streams[data[0]] += data[1:]
        return streams[1], streams[2]

    def closed(self, timeout=20):
        """Waits for the end of the connection, gives the messages before it."""
        messages = []
        while True:
            got = self.receive(timeout)
            if not got:
                return messages
            messages.append(got)

    def close(self):
        self.sock.close()


class Container:
    """Bundle, state directory and shim of one container; close() checks that nothing is left of it."""

    def __init__(self, *command, runtime="crun", directory=None):
        kedge.prepare_cgroups()
        self.id = uuid.uuid4().hex
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="kedge-shim-", dir=directory))
        self.bundle, self.state, self.layers = self.top / "bundle", self.top / "state", self.top / "layers"
        self.parent = f"/kedge-test-{self.id[:8]}"
        self.cgroup = f"{self.parent}/{self.id}"
        self.runtime = pathlib.Path(shutil.which(runtime))
        self.is_crun = runtime == "crun"
        self.process = None
        self.connection = None
        self.options = {"log-driver": "json-file"}
        self.switches = []
        self.prefix = []  # a command that executes the shim in its place
        self.handed = []  # descriptors that the shim gets as 4, 5, ...
        for path in (self.bundle, self.state / "upper", self.state / "work", self.top / "runtime"):
            path.mkdir(parents=True)
        kedge.busybox_directory(self.layers / "1")
        self.lower = "1"
        self.config = self.make_config(list(command))

    def make_config(self, command):
        subprocess.run(["crun", "spec"], cwd=self.bundle, check=True)
        config = json.loads((self.bundle / "config.json").read_text())
        config["process"].update(args=command, terminal=False, env=["PATH=/bin"])
        config["root"] = {"path": str(self.bundle / "rootfs"), "readonly": False}
        config["linux"]["cgroupsPath"] = self.cgroup
        return config

    def limit_memory(self, limit):
        self.config["linux"].setdefault("resources", {})["memory"] = {"limit": limit, "swap": limit}
        memory = pathlib.Path("/sys/fs/cgroup/memory")
        file = memory / self.cgroup[1:] / "memory.oom_control" if memory.is_dir() else \
            pathlib.Path("/sys/fs/cgroup") / self.cgroup[1:] / "memory.events"
        self.options["oom-file"] = file

    def command(self):
        options = {
            "id": self.id, "run": 7, "bundle": self.bundle, "state": self.state, "layers": self.layers, "lower": self.lower,
            "upper": self.state / "upper", "work": self.state / "work", "runtime": self.runtime,
            "runtime-root": self.top / "runtime", "cgroup": self.cgroup, **self.options}
        words = [f"--{name}={value}" for name, value in options.items() if value is not None]
        return [*self.prefix, str(PROGRAM), *words, *(["--crun"] if self.is_crun else []), *self.switches]

    def start(self, attach=None):
        """attach: (stdout, stderr), asked for before the shim runs."""
        (self.bundle / "config.json").write_text(json.dumps(self.config))
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        first = len(self.handed) + 8
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first) for fd in (its.fileno(), *self.handed)]

        def place():
            for number, fd in enumerate(moved, 3):
                os.dup2(fd, number, inheritable=True)

        self.connection = Connection(ours)
        if attach:
            self.connection.attach(*attach)
        self.process = subprocess.Popen(self.command(), preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL)
        its.close()
        for fd in moved:
            os.close(fd)
        status = self.connection.expect(STATUS)
        assert (status.protocol, status.run) == (1, 7)
        return self

    def connect(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        directory = os.open(self.bundle, os.O_PATH)
        try:
            sock.connect(f"/proc/self/fd/{directory}/shim.sock")
        finally:
            os.close(directory)
        return Connection(sock)

    def started(self):
        return self.connection.expect(STARTED)

    def exited(self, timeout=30):
        return self.connection.expect(EXITED, timeout=timeout)

    def exit_record(self):
        path = self.state / "exit"
        return Status(path.read_bytes()) if path.exists() else None

    def process_file(self, *command):
        path = self.top / f"process-{uuid.uuid4().hex}"
        process = dict(self.config["process"], args=list(command))
        path.write_text(json.dumps(process))
        return path

    # ---- the log ----

    def log_files(self):
        """From the oldest to the newest."""
        files = [self.state / "container.log"]
        number = 1
        while (self.state / f"container.log.{number}").exists():
            files.insert(0, self.state / f"container.log.{number}")
            number += 1
        return [file for file in files if file.exists()]

    def log_entries(self):
        return [json.loads(line) for file in self.log_files() for line in file.read_bytes().splitlines()]

    def logged(self, stream="stdout"):
        return "".join(entry["log"] for entry in self.log_entries() if entry["stream"] == stream)

    # ---- the end ----

    def remains(self):
        """What a container must not leave behind once its shim has gone."""
        mounts = [line for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if str(self.top) in line]
        groups = kedge.cgroup_directories(self.cgroup)
        records = list((self.top / "runtime").iterdir())
        return [*mounts, *groups, *records]

    def wait(self, timeout=30):
        self.process.wait(timeout)

    def kill(self):
        for record in (self.connection,):
            if record:
                record.close()
        if self.process and self.process.poll() is None:
            pid_file = self.bundle / "pid"
            try:
                self.connect().signal(signal.SIGKILL)
            except OSError:
                pass  # it is ending already
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                if pid_file.exists():
                    try:
                        os.kill(int(pid_file.read_text()), signal.SIGKILL)
                    except (OSError, ValueError):
                        pass

    def close(self, clean=True):
        self.kill()
        remains = self.remains()
        for group in kedge.cgroup_directories(self.cgroup) + kedge.cgroup_directories(self.parent):
            for _ in range(50):
                try:
                    group.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)
        shutil.rmtree(self.top, ignore_errors=True)
        if clean:
            assert not remains, f"left behind: {remains}"
