# SPDX-License-Identifier: Apache-2.0
"""Upgrade in place: on HUP a new program takes over from the old one. No connection is refused or broken, no container is touched."""
import array
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import kedge
import store
from movable import Hammer, Keeper
from streams import Background, opened

UPGRADES = 10
CLIENTS = 4
LOST = (OSError, http.client.HTTPException)


def test_ten_times_under_load(movable):
    lines = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; usleep 5000; done"]
    running = [movable.run_container(lines) for _ in range(4)]
    states = [movable.inspect(identity)["State"] for identity in running]

    def all_run(body):
        return sorted(it["Id"] for it in json.loads(body) if it["State"] == "running") == sorted(running)
    hammers = [Hammer(movable, "/_ping", lambda body: body == b"OK") for _ in range(CLIENTS)]
    hammers += [Hammer(movable, "/containers/json", all_run) for _ in range(CLIENTS)]
    hammers.append(Keeper(movable, "/containers/json", all_run))
    pid = movable.process.pid
    for _ in range(UPGRADES):
        answered = [hammer.answers for hammer in hammers]
        movable.upgrade()
        kedge.wait_for(lambda: all(hammer.answers > before + 20 or hammer.job.is_done() for hammer, before in zip(hammers, answered)), 30)
    counts = [hammer.stop() for hammer in hammers]
    print(f"{counts} answers, the longest took {max(hammer.longest for hammer in hammers):.3f} s")
    assert movable.process.poll() is None and movable.process.pid == pid
    for identity, state in zip(running, states):
        now = movable.inspect(identity)["State"]
        assert (now["Pid"], now["StartedAt"], now["Running"]) == (state["Pid"], state["StartedAt"], True)
        numbers = [int(line) for line in movable.log_text(identity).split("\n")[:-1]]
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > UPGRADES
    # the shims that the first program started are children of this one: their ends leave no zombies
    movable.remove_all()
    kedge.wait_for(lambda: not zombies(pid))
    store.end_clean(movable)


def zombies(parent):
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def test_what_was_asked_is_answered(movable):
    """A connection that was accepted, a request of which half was sent, a start and a long answer that run: all come to their end."""
    identity = movable.run_container(["sh", "-c", "yes 0123456789012345678901234567890123456789 | head -n 200000; echo end"])
    movable.wait(identity)
    silent, half = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    for client in (silent, half):
        client.settimeout(20)
        client.connect(str(movable.socket))
    half.sendall(b"GET /_ping HTTP/1.1\r\nHo")
    slow = movable.create(["true"])
    starting = Background(movable.api.raw, "POST", f"/containers/{slow}/start")
    with opened(movable, "GET", f"/containers/{identity}/logs?stdout=1") as answer:
        answer.read(1000)
        movable.replace_program()
        movable.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        for client in (silent, half):
            client.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n" if client is silent else b"st: x\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
            client.close()
        assert answer.read().endswith(b"end\n")
    assert starting.result()[0] == 204
    kedge.wait_for(lambda: movable.runs() == os.stat(movable.program).st_ino)
    assert "not all requests were answered" not in movable.log()
    assert movable.wait(slow) == 0
    store.end_clean(movable)


def test_a_request_that_takes_too_long(movable):
    """A stop that waits for a container that will not end is left behind when the time is over, and can be asked for again."""
    movable.configure(upgradeTimeout="100ms")
    identity = movable.run_container(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    stopping = Background(movable.api.raw, "POST", f"/containers/{identity}/stop?t=60")
    time.sleep(0.2)
    movable.upgrade()
    with pytest.raises(LOST):
        stopping.result()
    assert "not all requests were answered" in movable.log()
    assert movable.inspect(identity)["State"]["Running"]
    movable.api.post(f"/containers/{identity}/stop?t=0")
    assert movable.inspect(identity)["State"]["ExitCode"] == 137


@pytest.mark.parametrize("kind", ["no program", "one that fails", "one that is gone", "bad configuration"])
def test_a_program_that_will_not_do(movable, kind, tmp_path):
    """The old one goes on, says why, and takes the next one that is good."""
    identity = movable.run_container(["sleep", "1000"])
    old = movable.runs()
    if kind == "bad configuration":
        config = tmp_path / "kedged.yaml"
        config.write_text("{}")
        movable.stop()
        movable.options = ["--config", str(config)]
        movable.start()
        old = movable.runs()
        config.write_text("engine: {unheardOf: 1}\n")
    elif kind == "one that is gone":
        os.unlink(movable.program)
    else:
        bad = tmp_path / "bad"
        bad.write_text("nothing that runs" if kind == "no program" else "#!/bin/sh\nexit 3\n")
        bad.chmod(0o755)
        movable.replace_program(bad)
    movable.process.send_signal(signal.SIGHUP)
    kedge.wait_for(lambda: "not upgraded" in movable.log())
    assert movable.runs() == old and movable.inspect(identity)["State"]["Running"]
    if kind == "bad configuration":
        assert "unheardOf" in movable.log()
        config.write_text("engine: {stopTimeout: 1s}\n")
    movable.upgrade()
    kedge.wait_for(movable.answers)
    assert movable.inspect(identity)["State"]["Running"]


def test_configuration_is_read_again(movable, tmp_path):
    config = tmp_path / "kedged.yaml"
    config.write_text("{}")
    movable.stop()
    movable.options = ["--config", str(config)]
    movable.start()
    with pytest.raises(kedge.ApiError):
        movable.create(["true"], host={"Runtime": "mine"})
    config.write_text(json.dumps({"engine": {"runtimes": {"mine": shutil.which("crun")}}}))
    movable.upgrade()
    assert movable.wait(movable.run_container(["true"], host={"Runtime": "mine"})) == 0


class Manager:
    """The part of systemd that keeps a descriptor for a service, and hands it to the next start."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.path, self.kept, self.said = path, None, []

    def take(self):
        self.socket.settimeout(10)
        text, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4))
        self.said += text.decode().split("\n")
        for level, kind, data in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                if self.kept is not None:
                    os.close(self.kept)
                self.kept = array.array("i", data)[0]

    def close(self):
        self.socket.close()
        if self.kept is not None:
            os.close(self.kept)


def test_restart_by_a_service_manager(movable, tmp_path):
    """The socket is kept by the manager meanwhile: who connects between the two waits, and is answered by the second."""
    manager = Manager(tmp_path / "notify")
    movable.stop()
    movable.environment = {"NOTIFY_SOCKET": str(manager.path)}
    movable.start()
    while manager.kept is None or "READY=1" not in manager.said:
        manager.take()
    assert "FDSTORE=1" in manager.said
    movable.stop()
    asking = Background(movable.api.raw, "GET", "/_ping")
    time.sleep(0.2)
    assert not asking.is_done()

    words = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@" 3<&0 </dev/null', "sh", *movable.command()]
    with open(movable.log_path, "ab") as log:
        movable.process = subprocess.Popen(words, stdin=manager.kept, stdout=log, stderr=log,
                                           env={**os.environ, **movable.environment, "LISTEN_FDS": "1"})
    assert asking.result()[0] == 200
    identity = movable.run_container(["env"])
    movable.wait(identity)
    assert "LISTEN" not in movable.log_text(identity) and "NOTIFY" not in movable.log_text(identity)
    manager.close()


def test_a_socket_that_is_not_wanted_any_more(movable, tmp_path):
    """Its path goes with it, and nothing else at that place does."""
    monitor, other = movable.run_directory / "monitor.sock", movable.run_directory / "other.sock"
    movable.configure(readOnlySocket=str(monitor), readOnlySocketGroup="root")
    assert kedge.Api(monitor).raw("GET", "/_ping")[0] == 200
    path = movable.directory / "kedged.yaml"
    path.write_text(json.dumps({"readOnlySocket": str(other), "readOnlySocketGroup": "root"}))
    movable.upgrade()
    kedge.wait_for(movable.answers)
    assert not monitor.exists() and kedge.Api(other).raw("GET", "/_ping")[0] == 200
    os.unlink(other)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(other))
        stranger.listen()
        path.write_text("{}")
        movable.upgrade()
        kedge.wait_for(movable.answers)
        assert other.exists()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(other))
