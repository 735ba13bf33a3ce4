# SPDX-License-Identifier: Apache-2.0
"""Somebody at a terminal, by tmux: typing, resizing, detaching, attaching again, Ctrl-C."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid

import pytest

import kedge

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


class Terminal:
    """A shell in a tmux of its own, whose screen can be read."""

    def __init__(self, daemon, columns=90, rows=25):
        self.directory = tempfile.mkdtemp(prefix="ktmux")
        self.socket = os.path.join(self.directory, "s")
        environment = {**daemon.client_environment(), "PATH": f"{kedge.BIN}:{os.environ['PATH']}", "TERM": "xterm", "ENV": ""}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", environment=environment)
        try:
            self.line("PS1='host''> '")
            self.wait_for("host>")
        except BaseException:
            self.close()
            raise

    def tmux(self, *arguments, environment=None):
        return subprocess.run(["tmux", "-S", self.socket, *arguments], check=True, stdout=subprocess.PIPE, env=environment, timeout=30).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p", "-J").decode()

    def line(self, text):
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, text, seconds=30, press=None):
        """press: a key again and again meanwhile."""
        def is_there():
            if press:
                self.keys(press)
            return text in self.screen()
        try:
            kedge.wait_for(is_there, seconds, 0.3 if press else 0.02)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.screen()}") from None

    def prompt(self):
        """The shell of the host answers, in a terminal that echoes and takes lines: nothing of a container's is left."""
        kedge.wait_for(lambda: self.screen().rstrip().endswith("host>"), 30)  # what is typed before is still the container's
        mark = uuid.uuid4().hex[:8]
        self.line(f"echo {mark[:4]}''{mark[4:]} $(stty -a | grep -o -w -e '-icanon' -e '-echo' | wc -l); clear >/dev/null")
        self.wait_for(f"{mark} 0")
        self.line("clear; echo cleared''.")
        self.wait_for("cleared.")

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):  # it ends with its last shell
            self.tmux("kill-server")
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture
def terminal(box):
    terminal = Terminal(box)
    yield terminal
    terminal.close()


@pytest.fixture
def box(shared_daemon):
    yield shared_daemon
    shared_daemon.remove_all()


PROGRAMS = pytest.mark.parametrize("program", ["kedge", "docker"])
SHELL = "run -it --rm --name shell --network none -e PS1='in''side> ' busybox:test sh"


@PROGRAMS
def test_typing_and_the_exit_status(terminal, box, program):
    terminal.line(f"{program} {SHELL}")
    terminal.wait_for("inside>")
    terminal.line("echo a''b; stty size; tty")
    terminal.wait_for("ab\n25 90\n/dev/pts/0")
    terminal.keys("u", "v", "BSpace", "BSpace", "C-d")
    terminal.prompt()
    terminal.line(f"{program} {SHELL} -c 'exit 42'; echo status $?")
    terminal.wait_for("status 42")
    terminal.prompt()


@PROGRAMS
def test_resizing(terminal, box, program):
    box.create(["sh", "-c", "trap 'echo size is $(stty size)' WINCH; echo ready; while [ \"$x\" != q ]; do read x; done; echo over"], name="sizes", Tty=True,
               OpenStdin=True)
    terminal.line(f"{program} start -ai sizes")
    terminal.wait_for("ready")
    terminal.resize(71, 33)
    terminal.wait_for("size is 33 71", press="Enter")
    terminal.resize(64, 20)
    terminal.wait_for("size is 20 64", press="Enter")
    terminal.line("q")
    terminal.wait_for("over")
    terminal.prompt()


@PROGRAMS
def test_detaching_and_attaching_again(terminal, box, program):
    terminal.line(f"{program} {SHELL}")
    terminal.wait_for("inside>")
    terminal.line("kept=va''lue")
    terminal.keys("C-p", "C-q")
    terminal.prompt()
    assert box.inspect("shell")["State"]["Running"]
    terminal.line(f"{program} attach --detach-keys ctrl-x,x shell")
    terminal.wait_for("inside>", press="Enter")
    terminal.line("echo still $kept")
    terminal.wait_for("still value")
    terminal.keys("C-x", "x")
    terminal.prompt()
    terminal.line(f"{program} attach shell")
    terminal.wait_for("inside>", press="Enter")
    terminal.line("exit 3")
    terminal.prompt()


@PROGRAMS
def test_interrupting(terminal, box, program):
    terminal.line(f"{program} {SHELL}")
    terminal.wait_for("inside>")
    terminal.line("echo go''ing; sleep 1000; echo inter''rupted $?")
    terminal.wait_for("going")
    terminal.keys("C-c")
    terminal.line("echo af''ter")
    terminal.wait_for("after")
    terminal.line("exit")
    terminal.prompt()


@PROGRAMS
def test_starting_one_again(terminal, box, program):
    box.create(["sh"], name="shell", Tty=True, OpenStdin=True, Env=["PS1=inside> "])
    terminal.line(f"{program} start -ai shell")
    terminal.wait_for("inside>")
    terminal.line("echo a''b; exit 5")
    terminal.wait_for("ab")
    terminal.prompt()
    assert box.inspect("shell")["State"]["ExitCode"] == 5


def test_stopped_screens_hold_their_own_container_back(terminal, box):
    terminal.line("kedge run -it --rm --name shell --network none busybox:test sh -c 'while :; do echo x; done'")
    terminal.wait_for("x\nx\nx")
    terminal.keys("C-s")
    kedge.wait_for(lambda: stands_still(box, "shell"), 15, 0.2)
    terminal.keys("C-q")
    kedge.wait_for(lambda: not stands_still(box, "shell"), 15, 0.2)
    terminal.keys("C-c")
    terminal.prompt()


def stands_still(box, name):
    sizes = []
    for _ in range(2):
        sizes.append(len(box.terminal_log(name)))
    return sizes[0] == sizes[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_client_that_is_killed_restores_its_terminal(terminal, box, number):
    terminal.line(f"kedge run -it --sig-proxy=false --name shell --network none -e 'PS1=in''side> ' busybox:test sh; echo status $?")
    terminal.wait_for("inside>")
    pane = int(terminal.tmux("list-panes", "-F", "#{pane_pid}"))
    children = open(f"/proc/{pane}/task/{pane}/children").read().split()
    os.kill(int(children[0]), number)
    terminal.wait_for(f"status {128 + number}")
    terminal.prompt()
    assert box.inspect("shell")["State"]["Running"]
