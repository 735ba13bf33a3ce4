# SPDX-License-Identifier: Apache-2.0
"""Commands in running containers through the programs that people use: docker's, kedge's, python's, also at a terminal."""
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time

import execs
import kedge
import pytest


@pytest.fixture
def sleeper(box):
    return box.run_container(["sleep", "1000"], name="sleeper", Env=["PATH=/bin"], WorkingDir="/tmp")


def test_docker_exec(box, sleeper):
    done = box.docker("exec", "-e", "A=b", "-w", "/etc", "-u", "web", "sleeper", "sh", "-c", "echo $A; pwd; id -u; echo no >&2; exit 6", check=False)
    assert (done.out, done.err, done.returncode) == ("b\n/etc\n1000\n", "no\n", 6)
    assert box.docker("exec", "-d", "sleeper", "sh", "-c", "echo here > /tmp/it").out == ""
    kedge.wait_for(lambda: box.docker("exec", "sleeper", "cat", "/tmp/it", check=False).out == "here\n")


def test_docker_exec_with_input(box, sleeper):
    assert box.docker("exec", "-i", "sleeper", "sh", "-c", "cat; echo end", input=b"some\ninput\n").out == "some\ninput\nend\n"


def test_kedge_exec(box, sleeper, tmp_path):
    (tmp_path / "env").write_text("FILE=1\n")
    done = box.kedge("exec", "-e", "A=b", "--env-file", tmp_path / "env", "-w", "/etc", "-u", "web", "sleeper", "sh", "-c",
                     "echo $A $FILE; pwd; id -u; echo no >&2; exit 6", check=False)
    assert (done.out, done.err, done.returncode) == ("b 1\n/etc\n1000\n", "no\n", 6)
    assert box.kedge("exec", "-i", "sleeper", "sh", "-c", "cat; echo end", input=b"some\ninput\n").out == "some\ninput\nend\n"
    assert box.kedge("exec", "sleeper", "cat", input=b"nobody reads this").out == ""
    assert "CapEff:" in box.kedge("container", "exec", "--privileged", "sleeper", "grep", "CapEff", "/proc/self/status").out
    assert box.kedge("exec", "-d", "sleeper", "sh", "-c", "echo here > /tmp/it").out == ""
    kedge.wait_for(lambda: box.kedge("exec", "sleeper", "cat", "/tmp/it", check=False).out == "here\n")
    done = box.kedge("exec", "sleeper", "nosuch", check=False)
    assert "executable file not found" in done.out and done.returncode == 126
    box.create(["true"], name="idle")
    for name, words in (("idle", "is not running"), ("nobody", "No such container: nobody")):
        done = box.kedge("exec", name, "true", check=False)
        assert words in done.err and done.returncode == 1
    done = box.kedge("exec", "-it", "sleeper", "true", check=False, stdin=subprocess.DEVNULL)
    assert "the input device is not a TTY" in done.err and done.returncode == 1


class Terminal:
    """A program on a terminal of its own, 24 x 80."""

    def __init__(self, daemon, *words):
        self.master, slave = os.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env={**daemon.client_environment(), "TERM": "xterm"},
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.said = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data):
        os.write(self.master, data)

    def until(self, wanted):
        end = time.monotonic() + 30
        while wanted not in self.said:
            assert select.select([self.master], [], [], max(0, end - time.monotonic()))[0], self.said
            self.said += os.read(self.master, 65536)
        self.said = self.said[self.said.index(wanted) + len(wanted):]

    def end(self):
        status = self.process.wait(30)
        is_restored = termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return status, is_restored


def clients_on_a_terminal(daemon):
    return {"kedge": [str(kedge.BIN / "kedge")], "docker": ["docker"]}


@pytest.mark.parametrize("client", ["kedge", "docker"])
def test_a_person_at_a_terminal(box, sleeper, client):
    program = clients_on_a_terminal(box)[client]
    terminal = Terminal(box, *program, "exec", "-it", "sleeper", "sh")
    terminal.type(b"while test \"$(busybox stty size)\" != \"24 80\"; do sleep 0.02; done; echo is-$TERM\r")
    terminal.until(b"is-xterm\r\n")
    terminal.resize(30, 100)
    terminal.type(b"while test \"$(busybox stty size)\" != \"30 100\"; do sleep 0.02; done; echo wi''der\r")
    terminal.until(b"wider\r\n")
    terminal.type(b"sh -c 'trap \"echo cau\"ght\"; exit\" INT; echo be\"\"gun; while :; do sleep 0.05; done'\r")
    terminal.until(b"begun\r\n")
    terminal.type(b"\x03")
    terminal.until(b"caught\r\n")
    terminal.type(b"exit 7\r")
    assert terminal.end() == (7, True)


def test_a_person_detaches(box, sleeper):
    terminal = Terminal(box, *clients_on_a_terminal(box)["kedge"], "exec", "-it", "--detach-keys", "ctrl-x,q", "sleeper", "sh", "-c",
                        "echo up; exec sleep 1000")
    terminal.until(b"up\r\n")
    terminal.type(b"\x18q")
    assert terminal.end() == (0, True)
    [exec_id] = box.inspect(sleeper)["ExecIDs"]
    assert execs.inspect(box, exec_id)["Running"]


def test_a_terminal_is_restored_when_kedge_is_ended(box, sleeper):
    terminal = Terminal(box, *clients_on_a_terminal(box)["kedge"], "exec", "-it", "sleeper", "sh", "-c", "echo up; exec sleep 1000")
    terminal.until(b"up\r\n")
    terminal.process.terminate()
    assert terminal.end() == (-signal.SIGTERM, True)


def test_python_client(box, sleeper):
    docker = pytest.importorskip("docker")
    client = docker.DockerClient(base_url=f"unix://{box.socket}")
    container = client.containers.get("sleeper")
    done = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 3"], demux=True)
    assert (done.exit_code, done.output) == (3, (b"out\n", b"err\n"))
    assert b"".join(container.exec_run("seq 3", stream=True).output) == b"1\n2\n3\n"
    client.close()
