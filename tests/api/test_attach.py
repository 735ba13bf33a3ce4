# SPDX-License-Identifier: Apache-2.0
"""Attached output: frames, every byte from the first on, slow readers, and the docker CLI on top of it."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import struct
import termios
import time

import pytest

import kedge
from movable import Movable
from streams import Attached, Background, Events, joined, opened

BOTH_WAYS = "stream=1&stdin=1&stdout=1&stderr=1"


def test_attach_before_start_sees_the_first_byte(box):
    identity = box.create(["sh", "-c", "echo out; echo err >&2; exit 3"])
    attached = Attached(box, identity)
    assert attached.status == 101 and "Upgrade: tcp" in attached.head
    box.start_container(identity)
    parts = attached.read_all()
    assert joined(parts, 1) == b"out\n" and joined(parts, 2) == b"err\n"


def test_one_stream(box):
    identity = box.create(["sh", "-c", "echo out; echo err >&2"])
    attached = Attached(box, identity, "stream=1&stderr=1")
    box.start_container(identity)
    assert attached.read_all() == [(2, b"err\n")]


def test_several_readers_get_the_same(box):
    identity = box.create(["seq", "1", "50000"])
    readers = [Background(Attached(box, identity).read_all) for _ in range(5)]
    box.start_container(identity)
    expected = b"".join(b"%d\n" % n for n in range(1, 50001))
    for reader in readers:
        assert joined(reader.result()) == expected


def test_attach_to_a_running_container_begins_now(box):
    identity = box.run_container(["sh", "-c", "echo early; sleep 0.7; echo late"])
    kedge.wait_for(lambda: "early" in box.log_text(identity))
    assert joined(Attached(box, identity).read_all()) == b"late\n"


def test_logs_and_attach(box):
    identity = box.run_container(["sh", "-c", "echo early; sleep 0.7; echo late"])
    kedge.wait_for(lambda: "early" in box.log_text(identity))
    assert joined(Attached(box, identity, "stream=1&logs=1&stdout=1").read_all()) == b"early\nlate\n"


LINES = 20000
WRITE_LINES = f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); printf $i; echo; done; sleep 1000"  # a line in two pieces


def plain_attach(box, identity, query):
    """Without a connection of its own: the answer lasts."""
    with opened(box, "POST", f"/containers/{identity}/attach?{query}") as answer:
        return answer.read()


@pytest.mark.parametrize("terminal", [False, True])
def test_the_stream_goes_on_exactly_where_the_log_ends(box, terminal):
    """Whoever comes while lines are written gets each of them once."""
    identity = box.run_container(["sh", "-c", WRITE_LINES], Tty=terminal)
    query = "stream=1&logs=1&stdout=1&stderr=1"
    text = box.terminal_log if terminal else box.log_text
    expected = counted(1, LINES).replace(b"\n", b"\r\n" if terminal else b"\n")
    readers = []
    for number in range(5):
        kedge.wait_for(lambda: len(text(identity)) >= number * len(expected) // 10, every=0.001)
        readers.append(Background(Attached(box, identity, query).read_raw))
        readers.append(Background(plain_attach, box, identity, query))
    kedge.wait_for(lambda: len(text(identity)) == len(expected))
    box.api.post(f"/containers/{identity}/kill")
    for reader in readers:
        data = reader.result()
        assert (data if terminal else joined(kedge.demultiplex(data))) == expected


def test_the_beginning_of_a_line_is_no_part_of_the_log(box):
    """But of what was written before a client came, which may go on typing in it."""
    identity = box.run_container(["sh", "-c", "echo first; printf 'name? '; printf 'err ' >&2; read name; echo hello $name"], OpenStdin=True)
    kedge.wait_for(lambda: "first" in box.log_text(identity))
    attached = Attached(box, identity, BOTH_WAYS + "&logs=1", early=b"you\n")
    parts = attached.read_all()
    assert joined(parts, 1) == b"first\nname? hello you\n" and joined(parts, 2) == b"err "


def test_who_does_not_read_the_log_holds_nothing(box):
    """A client that asks for a log and reads none of it, and one that leaves: the container writes on, and what they read is whole."""
    command = "head -c 8000000 /dev/zero | tr '\\0' x; echo; read line; echo $line; sleep 1000"
    identity = box.run_container(["sh", "-c", command], OpenStdin=True)
    kedge.wait_for(lambda: box.log_text(identity).endswith("x\n"))
    leaving, *slow = [Attached(box, identity, "stream=1&logs=1&stdout=1&stderr=1") for _ in range(3)]
    leaving.close()
    typing = Attached(box, identity, BOTH_WAYS)
    typing.send(b"go on\n")
    typing.read_until(b"go on\n")
    assert box.log_text(identity).endswith("go on\n")
    box.api.post(f"/containers/{identity}/kill")
    for client in slow:
        assert joined(client.read_all()) == b"x" * 8000000 + b"\ngo on\n"


def test_who_cannot_hold_the_container_is_attached_nevertheless(box):
    """More followers than a shim has places for leave none for the hold."""
    identity = box.run_container(["sh", "-c", "echo ready; cat"], OpenStdin=True)
    kedge.wait_for(lambda: "ready" in box.log_text(identity))
    with contextlib.ExitStack() as followers:
        for _ in range(40):
            followers.enter_context(opened(box, "POST", f"/containers/{identity}/attach?stream=1&stdout=1"))
        attached = Attached(box, identity, BOTH_WAYS + "&logs=1")
        attached.read_until(b"ready\n")
        attached.send(b"hello\n")
        attached.read_until(b"hello\n")
        assert box.inspect(identity)["State"]["Running"]
        attached.close()


def test_who_never_catches_up_with_the_log_is_attached_nevertheless(box):
    identity = box.run_container(["sh", "-c", f"yes {'x' * 1000} & read line; kill $!; exit 7"], OpenStdin=True)
    attached = Attached(box, identity, BOTH_WAYS + "&logs=1", early=b"enough\n")
    attached.read_raw()
    kedge.wait_for(lambda: not box.inspect(identity)["State"]["Running"])
    assert box.inspect(identity)["State"]["ExitCode"] == 7


def test_a_slow_reader_loses_nothing(box):
    identity = box.create(["sh", "-c", "head -c 8000000 /dev/zero | tr '\\0' x"])
    attached = Attached(box, identity)
    before = private_kib(box.process.pid)
    box.start_container(identity)
    time.sleep(1.5)
    assert box.api.raw("GET", "/_ping")[0] == 200  # nothing is read meanwhile
    if "sanitize" not in str(kedge.BUILD):  # what waits is in the pipe and in the socket
        assert private_kib(shim_of(box, identity)) < 1024 and private_kib(box.process.pid) - before < 1024
    assert joined(attached.read_all()) == b"x" * 8000000


def test_a_reader_that_leaves_harms_nobody(box):
    identity = box.create(["sh", "-c", "seq 1 100000; sleep 0.3; echo end"])
    leaver, stayer = Attached(box, identity), Attached(box, identity)
    box.start_container(identity)
    time.sleep(0.02)
    leaver.close()
    assert joined(stayer.read_all()).endswith(b"100000\nend\n")
    assert box.wait(identity) == 0


def test_attach_survives_nothing_but_the_container(box):
    identity = box.create(["true"])
    attached = Attached(box, identity)
    box.api.delete(f"/containers/{identity}")
    assert attached.read_all() == []


def counted(first, last):
    return b"".join(b"%d\n" % number for number in range(first, last + 1))


def test_an_attach_survives_a_killed_kedged(daemon):
    identity = daemon.create(["cat"], OpenStdin=True, StdinOnce=True)
    attached = Attached(daemon, identity, BOTH_WAYS)
    daemon.start_container(identity)
    attached.send(counted(1, 1000))
    reader = Background(attached.read_all)
    daemon.kill()
    attached.send(counted(1001, 2000))
    daemon.start()
    attached.send(counted(2001, 3000))
    attached.end_input()
    assert joined(reader.result()) == counted(1, 3000)
    assert daemon.wait(identity) == 0


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_run_by_the_command_line_is_byte_exact(box, program):
    run = getattr(box, program)
    script = "i=0; while [ $i -lt 200 ]; do cat /bin/busybox; i=$((i+1)); done | head -c 30000000; cat /bin/busybox >&2"
    done = run("run", "--rm", "--network", "none", "busybox:test", "sh", "-c", script)
    busybox = (kedge.pathlib.Path(kedge.shutil.which("busybox"))).read_bytes()
    expected = (busybox * (30000000 // len(busybox) + 1))[:30000000]
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(expected).digest(), len(done.stdout)
    assert done.stderr == busybox
    assert box.api.get("/containers/json?all=1") == []


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_short_runs_lose_nothing(box, program):
    for number in range(15):
        done = getattr(box, program)("run", "--rm", "--network", "none", "busybox:test", "sh", "-c", f"echo {number}; exit {number}",
                                     check=False)
        assert (done.out, done.returncode) == (f"{number}\n", number)


def test_an_attach_survives_an_upgrade():
    daemon = Movable().start()
    try:
        daemon.load_busybox()
        terminal = Attached(daemon, daemon.run_container(["cat"], Tty=True, OpenStdin=True), BOTH_WAYS)
        identity = daemon.create(["cat"], OpenStdin=True, StdinOnce=True)
        attached = Attached(daemon, identity, BOTH_WAYS)
        daemon.start_container(identity)
        reader = Background(attached.read_all)
        for first in 1, 1001:
            attached.send(counted(first, first + 999))
            daemon.upgrade()
            terminal.send(b"word%d\n" % first)
            terminal.read_until(b"word%d\r\nword%d\r\n" % (first, first))
        attached.end_input()
        assert joined(reader.result()) == counted(1, 2000)
        terminal.close()
    finally:
        daemon.close()


# ---- standard input ----

def test_input_goes_through_and_its_end_arrives(box):
    identity = box.create(["sh", "-c", "cat; echo end >&2"], OpenStdin=True, StdinOnce=True)
    attached = Attached(box, identity, BOTH_WAYS)
    box.start_container(identity)
    sent = hashlib.sha512(b"x").digest() * (2 << 14)
    reader = Background(attached.read_all)
    attached.send(sent)
    attached.end_input()
    parts = reader.result()
    assert joined(parts, 1) == sent and joined(parts, 2) == b"end\n"


def test_input_that_comes_with_the_request_or_before_the_start(box):
    identity = box.create(["cat"], OpenStdin=True, StdinOnce=True)
    attached = Attached(box, identity, BOTH_WAYS, early=b"\0with the request\n")
    attached.send(b"before the start\n")
    attached.end_input()
    box.start_container(identity)
    assert joined(attached.read_all()) == b"\0with the request\nbefore the start\n"


def test_a_container_without_open_input_reads_nothing(box):
    identity = box.create(["sh", "-c", "cat; echo end"])
    attached = Attached(box, identity, BOTH_WAYS)
    attached.send(b"for nobody\n")
    box.start_container(identity)
    assert joined(attached.read_all()) == b"end\n"


def test_input_stays_open_for_the_next_client(box):
    identity = box.run_container(["sh", "-c", "read a; read b; echo $a $b"], OpenStdin=True)
    first = Attached(box, identity, BOTH_WAYS)
    first.send(b"one\n")
    first.end_input()
    assert first.read_all() == []  # as Docker has it, the end of its sending is its own end
    second = Attached(box, identity, BOTH_WAYS)
    second.send(b"two\n")
    assert joined(second.read_all()) == b"one two\n"


def test_input_once_ends_when_its_client_leaves(box):
    identity = box.create(["sh", "-c", "cat >/dev/null; echo end"], OpenStdin=True, StdinOnce=True)
    attached = Attached(box, identity, "stream=1&stdin=1")
    box.start_container(identity)
    attached.send(b"some\n")
    attached.close()
    assert box.wait(identity) == 0 and "end" in box.log_text(identity)


def test_a_container_that_does_not_read_holds_its_client_back(box):
    identity = box.create(["sh", "-c", "read line; wc -c"], OpenStdin=True, StdinOnce=True)
    attached = Attached(box, identity, BOTH_WAYS)
    attached.socket.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):
        while True:
            sent += attached.socket.send(b"x" * 65536)
    assert sent < 1 << 20
    box.start_container(identity)
    attached.socket.settimeout(60)
    attached.send(b"\n1234567")
    attached.end_input()
    assert joined(attached.read_all()).strip() == b"7"


def test_two_clients_input_is_one_behind_the_other(box):
    """What a newcomer sends with its request does not take the place of what another's container has not read yet."""
    identity = box.run_container(["sh", "-c", "until [ -e /go ]; do sleep 0.02; done; head -c 106001"], OpenStdin=True)
    first = Attached(box, identity, BOTH_WAYS)
    first.send(b"a" * 106000)
    kedge.wait_for(lambda: not struct.unpack("i", fcntl.ioctl(first.socket, termios.TIOCOUTQ, bytes(4)))[0])  # all of it was read
    second = Attached(box, identity, BOTH_WAYS, early=b"b")
    pathlib.Path(f"/proc/{box.inspect(identity)['State']['Pid']}/root/go").touch()
    said = joined(first.read_all())
    assert said.count(b"a") == 106000 and said.count(b"b") == 1
    assert joined(second.read_all()).count(b"b") == 1


def test_no_more_clients_wait_for_a_start_than_are_served(box):
    identity = box.create(["echo", "hello"])
    descriptors = len(os.listdir(f"/proc/{box.process.pid}/fd"))
    clients = [Attached(box, identity) for _ in range(70)]
    kedge.wait_for(lambda: len(os.listdir(f"/proc/{box.process.pid}/fd")) <= descriptors + 2 * 64)
    assert all(client.read_all() == [] for client in clients[64:])  # closed at once
    box.start_container(identity)
    assert all(joined(client.read_all()) == b"hello\n" for client in clients[:64])


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_run_with_input_by_the_command_line(box, program):
    data = hashlib.sha512(program.encode()).digest() * (4 << 14)
    done = getattr(box, program)("run", "--rm", "-i", "--network", "none", "busybox:test", "sh", "-c", "cat; exit 7", input=data,
                                 check=False)
    assert done.stdout == data and done.returncode == 7


def test_run_with_nothing_but_input(box):
    """Who is attached to neither output gets the id when all was handed over, and does not wait for the end."""
    done = box.kedge("run", "-i", "-a", "stdin", "--network", "none", "busybox:test", "sh", "-c",
                     "wc -c; until [ -e /go ]; do sleep 0.02; done; exit 3", input=b"x" * 200000)
    identity = done.out.strip()
    state, config = box.inspect(identity)["State"], box.inspect(identity)["Config"]
    assert state["Running"] and (len(identity), done.err) == (64, "")
    assert (config["AttachStdin"], config["AttachStdout"], config["AttachStderr"]) == (True, False, False)
    pathlib.Path(f"/proc/{state['Pid']}/root/go").touch()
    assert box.wait(identity) == 3 and box.log_text(identity).strip() == "200000"


def test_run_with_nothing_but_input_by_docker(box):
    """20.10 gives the id, newer ones wait for the end and say nothing."""
    done = box.docker("run", "-i", "-a", "stdin", "--network", "none", "--name", "taker", "busybox:test", "sh", "-c", "wc -c; exit 3",
                      input=b"x" * 200000, check=False)
    assert box.wait("taker") == 3 and box.log_text("taker").strip() == "200000"
    assert (done.out.strip(), done.returncode) in ((box.inspect("taker")["Id"], 0), ("", 3)) and done.err == ""


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_attach_keeps_its_input(box, program):
    events = Events(box)
    identity = box.run_container(["sh", "-c", "cat; exit 4"], OpenStdin=True, StdinOnce=True)
    ours = Background(lambda: getattr(box, program)("attach", "--no-stdin", identity, input=b"ours\n", check=False))
    kedge.wait_for(lambda: "attach" in events.of(identity))
    other = Attached(box, identity, BOTH_WAYS)
    other.send(b"the other's\n")
    other.read_until(b"the other's\n")
    other.end_input()
    done = ours.result()
    assert (done.out, done.returncode) == ("the other's\n", 4)
    assert box.log_text(identity) == "the other's\n"
    events.close()


# ---- terminals ----

def test_a_terminal(box):
    identity = box.create(["sh", "-c", "tty; stty size; read line; echo \"<$line>\"; echo err >&2; exit 4"], Tty=True, OpenStdin=True,
                          StdinOnce=True, HostConfig={"ConsoleSize": [31, 97], "NetworkMode": "none"})
    attached = Attached(box, identity, BOTH_WAYS)
    box.start_container(identity)
    text = attached.read_until(b"31 97\r\n")
    assert text == b"/dev/pts/0\r\n31 97\r\n"
    attached.send(b"word\n")
    assert attached.read_raw() == b"word\r\n<word>\r\nerr\r\n"
    assert box.wait(identity) == 4
    assert box.inspect(identity)["HostConfig"]["ConsoleSize"] == [31, 97]
    assert box.terminal_log(identity) == b"/dev/pts/0\r\n31 97\r\nword\r\n<word>\r\nerr\r\n"


def test_the_environment_of_a_terminal(box):
    for config, expected in ({"Tty": True}, b"xterm"), ({"Tty": True, "Env": ["TERM=vt100"]}, b"vt100"), ({}, b"none"):
        identity = box.run_container(["sh", "-c", "echo ${TERM-none}"], **config)
        box.wait(identity)
        assert expected in box.terminal_log(identity)


def test_a_resized_terminal_tells_its_program(box):
    identity = box.run_container(["sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do read x; done"], Tty=True, OpenStdin=True)
    attached = Attached(box, identity, BOTH_WAYS + "&logs=1")
    attached.read_until(b"ready")
    ear = Events(box)
    box.api.post(f"/containers/{identity}/resize?h=40&w=120")
    event = kedge.wait_for(lambda: [event for event in ear.all if event["Action"] == "resize"])[0]
    ear.close()
    assert event["Actor"]["ID"] == identity and {"height": "40", "width": "120"}.items() <= event["Actor"]["Attributes"].items()
    attached.send(b"\n")
    attached.read_until(b"40 120")
    assert box.api.raw("POST", f"/containers/{identity}/resize?h=x&w=1")[0] == 400
    assert box.api.raw("POST", f"/containers/{identity}/resize?h=-1&w=1")[0] == 400
    assert box.api.raw("POST", f"/containers/{identity}/resize?w=1")[0] == 400
    box.api.post(f"/containers/{identity}/kill")
    box.wait(identity)
    assert box.api.raw("POST", f"/containers/{identity}/resize?h=1&w=1")[0] == 409


@pytest.mark.parametrize("asked, sent", [("", b"\x10\x11"), ("&detachKeys=ctrl-x,q", b"\x18q"), ("&detachKeys=ctrl-],DEL", b"\x1d\x7f")])
def test_detach_keys_leave_the_container_running(box, asked, sent):
    events = Events(box)
    identity = box.run_container(["cat"], Tty=True, OpenStdin=True)
    attached = Attached(box, identity, BOTH_WAYS + asked)
    attached.send(b"before" + sent[:1])
    attached.read_until(b"before")
    attached.send(sent[1:] + b"after")
    attached.read_raw()
    assert box.inspect(identity)["State"]["Running"]
    kedge.wait_for(lambda: "detach" in events.of(identity))
    assert events.of(identity).count("attach") == 1
    again = Attached(box, identity, BOTH_WAYS)
    again.send(sent[:1] + b"no\n\x04")
    assert b"no\r\n" in again.read_raw()  # what only looked like it was passed on
    events.close()


def test_wrong_detach_keys(box):
    identity = box.create(["cat"], Tty=True, OpenStdin=True)
    status, body = box.api.raw("POST", f"/containers/{identity}/attach?stream=1&stdin=1&detachKeys=ctrl-9")[:2]
    assert status == 400 and b"Invalid detach keys (ctrl-9) provided" in body


def test_a_terminal_without_readers_goes_on(box):
    identity = box.run_container(["sh", "-c", "seq 1 100000; echo end"], Tty=True)
    assert box.wait(identity) == 0
    assert box.terminal_log(identity).endswith(b"100000\r\nend\r\n")


def test_a_command_that_is_not_there_on_a_terminal(box):
    identity = box.create(["/no/such/command"], Tty=True, OpenStdin=True)
    attached = Attached(box, identity, BOTH_WAYS)
    status, body = box.api.raw("POST", f"/containers/{identity}/start")[:2]
    assert status == 400 and b"executable file not found" in body
    assert attached.read_raw() == b""


# ---- what is left behind ----

def descriptors(daemon, pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def private_kib(pid):
    return int(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().split("Private_Dirty:")[1].split()[0])


def shim_of(box, identity):
    pid = box.inspect(identity)["State"]["Pid"]
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_many_clients_leave_no_descriptor(box):
    identity = box.run_container(["cat"], OpenStdin=True)
    pids = [box.process.pid, shim_of(box, identity)]
    before = descriptors(box, pids)
    clients = [Attached(box, identity, BOTH_WAYS) for _ in range(32)]
    clients[0].send(b"all\n")
    for client in clients:
        assert client.read_until(b"all\n") == b"\1\0\0\0\0\0\0\4all\n"
    for number, client in enumerate(clients):
        client.close() if number % 2 else client.end_input()
    kedge.wait_for(lambda: descriptors(box, pids) <= before)
    assert box.inspect(identity)["State"]["Running"]


def test_clients_of_a_container_that_ends_at_that_moment(box):
    box.wait(box.run_container(["true"]))  # what the first start opens stays
    before = descriptors(box, [box.process.pid])
    for _ in range(int(os.environ.get("KEDGE_ATTACH_ROUNDS", "10"))):
        identity = box.run_container(["true"])
        attached = Attached(box, identity, BOTH_WAYS)
        box.wait(identity)
        box.api.delete(f"/containers/{identity}?force=1")
        attached.read_all()
    kedge.wait_for(lambda: descriptors(box, [box.process.pid]) <= before)


@pytest.mark.skipif(not kedge.SOAK, reason="takes ten seconds: make soak (tests/unit/shim/clients.c has the rule)")
def test_a_client_that_never_reads_is_dropped(box):
    identity = box.create(["sh", "-c", "yes | head -c 8000000; echo end >&2"])
    attached = Attached(box, identity, "stream=1&stdout=1")
    box.start_container(identity)
    kedge.wait_for(lambda: "end" in box.log_text(identity), 30)
    assert 0 < len(attached.read_raw()) < 8000000
