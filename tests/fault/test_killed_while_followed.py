# SPDX-License-Identifier: Apache-2.0
"""kedged killed in the middle of what takes its time: each client meets an end at once, and nothing is left half-made."""
import os
import pathlib
import socket
import subprocess
import time

import pytest

import execs
import kedge
import registries
import store
from streams import Attached, Background


def children(pid):
    """Helper programs: what a kedged has beside the shims, which outlive it."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"kedge-shim" not in words:
            found.append(process)
    return found


class Asking:
    """A request on a connection of its own, of which all is read until its end."""

    def __init__(self, daemon, head, body=b""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(daemon.socket))
        self.socket.sendall(head.replace("\n", "\r\n").encode() + body)
        self.data = b""

    def read_until(self, text):
        while text not in self.data:
            piece = self.socket.recv(1 << 16)
            assert piece, self.data
            self.data += piece

    def rest(self):
        try:
            while True:
                piece = self.socket.recv(1 << 16)
                if not piece:
                    return self.data
                self.data += piece
        except ConnectionResetError:  # it had not read all that was sent
            return self.data


@pytest.fixture
def slow(fake):
    """An image of which a registry gives half."""
    image = fake.add(registries.Unpackable([{"file": os.urandom(300000)}]), "1")
    blob = image.layers[0]
    fake.stalls = True

    @fake.rule(registries.digest(blob))
    def half(handler, _):
        if not fake.stalls:
            return False
        handler.reply(200, blob[:len(blob) // 2], length=len(blob))
        handler.wfile.flush()
        kedge.wait_for(lambda: not fake.stalls, 30)
    return fake


def test_killed(daemon, slow):
    identity = daemon.run_container(["sh", "-c", "echo begun; sleep 1000"])
    big = daemon.run_container(["sh", "-c", "yes 0123456789012345678901234567890123456789012345678901234567890 | head -n 100000"])
    daemon.wait(big)
    archive = kedge.busybox_archive(daemon.directory / "other.tar", "other:1").read_bytes()
    command = execs.create(daemon, identity, ["sh", "-c", "echo begun; sleep 1000"], **execs.BOTH)
    lasting = {
        "logs": (f"GET /containers/{identity}/logs?stdout=1&follow=1", b"begun"),
        "attach": (f"POST /containers/{identity}/attach?stdout=1&stream=1&logs=1", b"begun"),
        "exec": (f"POST /exec/{command}/start", b"begun"),
        "wait": (f"POST /containers/{identity}/wait", b"200 OK"),
        "stop": (f"POST /containers/{identity}/stop?t=100&signal=CONT", b""),
        "events": ("GET /events", b"200 OK"),
        "stats": (f"GET /containers/{identity}/stats", b"cpu_stats"),
        "pull": (f"POST /images/create?fromImage={slow.host}/a&tag=1", b"Pulling fs layer"),
        "export": (f"GET /containers/{big}/export", b"200 OK"),
        "save": ("GET /images/busybox:test/get", b"200 OK"),
        "cp": (f"GET /containers/{big}/archive?path=/", b"200 OK"),
        "all logs": (f"GET /containers/{big}/logs?stdout=1", b"0123"),
    }
    clients = {}
    for name, (line, sign) in lasting.items():
        clients[name] = Asking(daemon, f"{line} HTTP/1.1\nHost: x\n\n")
        clients[name].read_until(sign)
    load = f"POST /images/load HTTP/1.1\nHost: x\nContent-Length: {len(archive)}\n\n"
    clients["load"] = Asking(daemon, load, archive[:len(archive) // 2])
    copy = f"PUT /containers/{identity}/archive?path=/tmp HTTP/1.1\nHost: x\nContent-Length: {len(archive)}\n\n"
    clients["cp in"] = Asking(daemon, copy, archive[:len(archive) // 2])
    programs = [subprocess.Popen([program, *words], env=daemon.client_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for program in (str(kedge.BIN / "kedge"), "docker")
                for words in (["logs", "-f", identity], ["wait", identity], ["events", "--since", "1h"])]
    for program in programs:
        if "wait" not in program.args:
            assert program.stdout.read(5)
    helpers = kedge.wait_for(lambda: len(children(daemon.process.pid)) >= 2 and children(daemon.process.pid))
    daemon.kill()
    ends = {name: client.rest() for name, client in clients.items()}
    for name, data in ends.items():
        assert not data.endswith(b"0\r\n\r\n"), f"{name} ends as if all had been said"
    for program in programs:
        words = program.communicate(timeout=10)[1]
        assert program.returncode and words, program.args
    kedge.wait_for(lambda: not [helper for helper in helpers if helper.exists()])
    slow.stalls = False
    daemon.start()
    assert daemon.inspect(identity)["State"]["Running"] and daemon.log_text(identity) == "begun\n"
    assert daemon.inspect(identity)["ExecIDs"] == [command] and kedge.wait_for(lambda: execs.inspect(daemon, command)["Pid"])
    assert [image["RepoTags"] for image in daemon.api.get("/images/json")] == [["busybox:test"]]
    assert b"error" not in daemon.api.raw("POST", f"/images/create?fromImage={slow.host}/a&tag=1")[1]
    store.end_clean(daemon)


def numbers(parts):
    return [int(line) for line in b"".join(data for _, data in parts).split()]


def read_beyond(client, count):
    """The raw beginning, in which there are more lines than that: the size of a frame may look like one."""
    data = b""
    while data.count(b"\n") <= 2 * count:
        piece = client.socket.recv(1 << 16)
        assert piece, data[-100:]
        data += piece
    return data


def test_attached_again_after_each_kill(daemon):
    """Each client has every line: those of the log, those that come, and those that come while there is no kedged."""
    identity = daemon.run_container(["sh", "-c", "i=0; until [ -e /end ]; do i=$((i+1)); echo $i; usleep 500; done"])
    clients = []
    for number in range(4):
        known = len(numbers(daemon.logs(identity)))
        client = Attached(daemon, identity, "stream=1&logs=1&stdout=1")
        beginning = read_beyond(client, known + 10)  # now the container's shim has it
        clients.append((beginning, Background(client.read_raw)))
        daemon.kill()
        time.sleep(number * 0.02)
        daemon.start()
    execs.output(daemon, identity, ["touch", "/end"])
    assert daemon.wait(identity) == 0
    written = numbers(daemon.logs(identity))
    assert written == list(range(1, len(written) + 1))
    for beginning, rest in clients:
        assert numbers(kedge.demultiplex(beginning + rest.result())) == written
