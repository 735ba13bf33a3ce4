# SPDX-License-Identifier: Apache-2.0
"""What lasts goes on over an upgrade: followed logs, events, waits, statistics, and connections on which nothing is asked."""
import http.client
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import tarfile
import threading
import time

import pytest

import kedge
import registries
import store
from movable import Hammer, Keeper
from streams import Attached, Background, opened

UPGRADES = 10
COUNT = "i=0; while :; do i=$((i+1)); echo $i; echo e$i >&2; usleep 2000; done"


class Follower:
    """Reads an answer that lasts in a thread of its own; end() closes nothing, the answer has to end by itself."""

    def __init__(self, daemon, method, target):
        self.connection = kedge.UnixConnection(daemon.socket, 60)
        self.connection.request(method, target)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.data = b""
        self.job = Background(self.read)

    def read(self):
        while True:
            piece = self.answer.read1(1 << 16)
            if not piece:
                return self.data
            self.data += piece

    def end(self):
        return self.job.result(60)

    def lines(self):
        return [json.loads(line) for line in self.data.split(b"\n")[:-1] if line.strip()]


def numbers(frames, stream, prefix=""):
    text = b"".join(data for number, data in frames if number == stream).decode()
    return [int(line.removeprefix(prefix)) for line in text.splitlines()]


def count_descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_ten_upgrades(movable):
    """Nothing is lost or told twice, and neither a kept connection nor a new one ever breaks."""
    counting = movable.run_container(["sh", "-c", COUNT])
    logs = [Follower(movable, "GET", f"/containers/{counting}/logs?stdout=1&stderr=1&follow=1") for _ in range(2)]
    tail = Follower(movable, "GET", f"/v1.41/containers/{counting}/logs?stdout=1&follow=1&tail=3&timestamps=1")
    events = [Follower(movable, "GET", target) for target in ("/events", "/events?filters=%7B%22event%22%3A%5B%22die%22%5D%7D")]
    stats = Follower(movable, "GET", f"/containers/{counting}/stats")
    waiting = Follower(movable, "POST", f"/containers/{counting}/wait")
    attached = Follower(movable, "POST", f"/containers/{counting}/attach?stdout=1&stderr=1&stream=1")
    programs = {program: subprocess.Popen([program, "logs", "-f", counting], env=movable.client_environment(), stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL) for program in (str(kedge.BIN / "kedge"), "docker")}
    outputs = [Background(program.stdout.read) for program in programs.values()]
    pings = [Hammer(movable, "/_ping", lambda body: body == b"OK"), Keeper(movable, "/_ping", lambda body: body == b"OK")]
    ended = []
    for number in range(UPGRADES):
        identity = movable.create(["sh", "-c", f"exit {number}"])
        waits = [Follower(movable, "POST", f"/containers/{identity}/wait?condition=next-exit") for _ in range(2)]
        starting = Background(movable.start_container, identity)
        movable.upgrade()
        starting.result()
        kedge.wait_for(movable.answers)
        for wait in waits:
            assert json.loads(wait.end())["StatusCode"] == number
        ended.append(identity)
    samples = kedge.wait_for(lambda: len(stats.lines()) > 1 and stats.lines())
    assert all(sample["precpu_stats"]["cpu_usage"]["total_usage"] for sample in samples[1:])
    movable.api.post(f"/containers/{counting}/kill")
    assert json.loads(waiting.end())["StatusCode"] == 137
    written = kedge.demultiplex(movable.api.raw("GET", f"/containers/{counting}/logs?stdout=1&stderr=1")[1])
    for follower in logs:
        frames = kedge.demultiplex(follower.end())
        assert numbers(frames, 1) == numbers(written, 1) and numbers(frames, 2, "e") == numbers(written, 2, "e")
    frames = kedge.demultiplex(attached.end())
    first = numbers(frames, 1)[0], numbers(frames, 2, "e")[0]
    assert numbers(frames, 1) == numbers(written, 1)[first[0] - 1:] and numbers(frames, 2, "e") == numbers(written, 2, "e")[first[1] - 1:]
    for output in outputs:
        assert [int(line) for line in output.result().splitlines()] == numbers(written, 1)
    assert [program.wait(10) for program in programs.values()] == [0, 0]
    last = [line.split()[1] for line in b"".join(data for _, data in kedge.demultiplex(tail.end())).splitlines()]
    assert last == [str(number).encode() for number in range(int(last[0]), numbers(written, 1)[-1] + 1)]
    kedge.wait_for(lambda: any(event["Actor"]["ID"] == counting for event in events[1].lines()))
    died = [event["Actor"]["ID"] for event in events[1].lines()]
    assert died == [*ended, counting]
    told = [(event["Action"], event["Actor"]["ID"]) for event in events[0].lines()]
    for identity in ended:
        assert [action for action, whose in told if whose == identity] == ["create", "start", "die"]
    print([ping.stop() for ping in pings], [ping.longest for ping in pings])
    store.end_clean(movable)


def between(movable, words):
    """An upgrade to a program that does something before it becomes kedged."""
    script = movable.directory / "script"
    real = movable.directory / "real"
    movable.replace_program()
    os.rename(movable.program, real)
    script.write_text(f'#!/bin/sh\ncase "$*" in *--check-config*) exit 0 ;; esac\n{words}\nexec {real} "$@"\n')
    script.chmod(0o755)
    movable.replace_program(script)
    movable.process.send_signal(signal.SIGHUP)
    kedge.wait_for(lambda: movable.runs() == os.stat(real).st_ino, every=0.005)
    kedge.wait_for(movable.answers)


@pytest.mark.parametrize("removes_itself", [False, True])
def test_an_end_between_the_programs(movable, removes_itself):
    """Its waits, its log's followers and the events tell of it, and the connections are good for more."""
    identity = movable.run_container(["sh", "-c", "trap 'echo last; exit 7' TERM; echo first; while :; do usleep 10000; done"],
                                     host={"AutoRemove": removes_itself})
    conditions = ["", "?condition=not-running", "?condition=next-exit"] + (["?condition=removed"] if removes_itself else [])
    waits = [Follower(movable, "POST", f"/containers/{identity}/wait{condition}") for condition in conditions]
    logs = Follower(movable, "GET", f"/containers/{identity}/logs?stdout=1&follow=1")
    events = Follower(movable, "GET", "/events")
    kedge.wait_for(lambda: b"first" in logs.data)
    pid = movable.inspect(identity)["State"]["Pid"]
    shim = movable.run_directory / "containers" / identity / "shim.sock"
    between(movable, f"kill -TERM {pid}; while [ -e {shim} ] || [ -d /proc/{pid} ]; do sleep 0.01; done")
    for wait in waits:
        assert json.loads(wait.end())["StatusCode"] == 7
        wait.connection.request("GET", "/_ping")
        assert wait.connection.getresponse().read() == b"OK"
    if not removes_itself:
        assert b"".join(data for _, data in kedge.demultiplex(logs.end())) == b"first\nlast\n"
    else:
        logs.end()
    actions = ["die"] + (["destroy"] if removes_itself else [])
    kedge.wait_for(lambda: [event["Action"] for event in events.lines() if event["Actor"]["ID"] == identity] == actions)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_reader_that_stands_still(movable, version):
    """What it has not read yet goes to the next program: nothing is waited for, and not a byte is lost."""
    identity = movable.run_container(["sh", "-c", "seq 1 300000; sleep 1000"])
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(movable.socket))
        client.sendall(f"GET /containers/{identity}/logs?stdout=1&follow=1 HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        kedge.wait_for(lambda: movable.log_text(identity).endswith("300000\n"))
        for _ in range(3):
            movable.upgrade()
            kedge.wait_for(movable.answers)
        assert "not all requests" not in movable.log()
        movable.api.post(f"/containers/{identity}/kill")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        frames = kedge.demultiplex(answer.read())
    assert numbers(frames, 1) == list(range(1, 300001))


class Teller:
    """A client that says a request in pieces."""

    def __init__(self, daemon, words=b""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(daemon.socket))
        self.say(words)

    def say(self, words):
        self.socket.sendall(words)
        return self

    def hear(self):
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        return answer.status, answer.read()


PING = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /containers/none/kill HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


def test_half_a_request(movable):
    """What the program before has read of it is waited for, on new connections and on those that were used before."""
    tellers = [Teller(movable), Teller(movable, PING), Teller(movable, PING), Teller(movable, CHUNKED)]
    statuses = [teller.hear()[0] for teller in tellers[1:]]
    assert statuses == [200, 200, 404]
    for half, teller in zip((10, 1, 30, 10), tellers):
        teller.say(PING[:half])
    behind = Teller(movable, PING + PING[:20])  # sent at once
    assert behind.hear() == (200, b"OK")
    silent = [Teller(movable), Teller(movable, PING)]
    assert silent[1].hear() == (200, b"OK")
    for _ in range(3):
        movable.answers()  # what was sent before has been read
    movable.replace_program()
    before, after = movable.runs(), os.stat(movable.program).st_ino
    movable.process.send_signal(signal.SIGHUP)
    kedge.wait_for(lambda: "handing over" in movable.log())
    for half, teller in zip((10, 1, 30, 10, 20), [*tellers, behind]):
        assert movable.runs() == before
        assert teller.say(PING[half:]).hear() == (200, b"OK")
    kedge.wait_for(lambda: movable.runs() == after)
    kedge.wait_for(movable.answers)
    assert "not all requests" not in movable.log()
    for teller in [*tellers, behind, *silent]:
        assert teller.say(PING).hear() == (200, b"OK")
        teller.socket.close()


def test_a_request_that_is_never_whole(movable):
    """Its client sees an end, and nothing else; nobody else sees any."""
    tellers = [Teller(movable), Teller(movable, PING)]
    assert tellers[1].hear() == (200, b"OK")
    for teller in tellers:
        teller.say(PING[:20])
    pings = [Hammer(movable, "/_ping", lambda body: body == b"OK"), Keeper(movable, "/_ping", lambda body: body == b"OK")]
    kedge.wait_for(lambda: all(ping.answers > 10 for ping in pings))
    movable.upgrade()
    kedge.wait_for(movable.answers)
    for teller in tellers:
        assert teller.socket.recv(100) == b""
        teller.socket.close()
    assert all([ping.stop() for ping in pings])


def test_followers_that_leave(movable):
    """Two hundred go on over an upgrade and are forgotten when they close: no descriptor stays."""
    identity = movable.run_container(["sleep", "1000"])
    movable.upgrade()
    kedge.wait_for(movable.answers)
    before = count_descriptors(movable)
    clients = [kedge.UnixConnection(movable.socket) for _ in range(200)]
    for number, client in enumerate(clients):
        client.request("POST" if number % 2 else "GET", f"/containers/{identity}/wait" if number % 2 else "/events")
        client.getresponse()
    movable.upgrade()
    kedge.wait_for(movable.answers)
    assert count_descriptors(movable) >= len(clients)
    for client in clients:
        client.close()
    kedge.wait_for(lambda: count_descriptors(movable) <= before + 3)  # kedged's own come and go


def test_parameters_without_a_name(movable):
    """They are no end of the query: neither its client nor those behind it are cut."""
    identity = movable.run_container(["sleep", "1000"])
    followers = [Follower(movable, "POST", f"/containers/{identity}/wait?{query}condition=next-exit") for query in ("=x&", "&", "")]
    movable.upgrade()
    kedge.wait_for(movable.answers)
    movable.api.post(f"/containers/{identity}/kill")
    assert [json.loads(follower.end())["StatusCode"] for follower in followers] == [137, 137, 137]
    assert "are cut" not in movable.log()


class Command(Follower):
    """A command in a container, its output as an answer that lasts."""

    def __init__(self, daemon, identity, command):
        body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
        self.identity = daemon.api.post(f"/containers/{identity}/exec", body)["Id"]
        super().__init__(daemon, "POST", f"/exec/{self.identity}/start")


def test_commands(movable):
    """What a command writes reaches its client whole, over its own connection to the shim or by ours."""
    identity = movable.run_container(["sleep", "1000"])
    command = Command(movable, identity, ["sh", "-c", "for i in $(seq 1500); do echo $i; echo e$i >&2; usleep 1000; done; exit 3"])
    program = subprocess.Popen(["docker", "exec", "-i", identity, "cat"], env=movable.client_environment(), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    for number in range(4):
        program.stdin.write(b"%d\n" % number)
        program.stdin.flush()
        assert program.stdout.readline() == b"%d\n" % number
        movable.upgrade()
        kedge.wait_for(movable.answers)
    assert program.communicate(timeout=20)[0] == b"" and program.returncode == 0
    frames = kedge.demultiplex(command.end())
    assert numbers(frames, 1) == list(range(1, 1501)) == numbers(frames, 2, "e")
    assert movable.api.get(f"/exec/{command.identity}/json")["ExitCode"] == 3
    store.end_clean(movable)


def test_attached_before_the_start(movable):
    """A client that waits for the start keeps its connection, and what it has typed already; one that leaves is forgotten."""
    identity = movable.create(["cat"], OpenStdin=True, StdinOnce=True, AttachStdin=True)
    client = Attached(movable, identity, "stream=1&stdin=1&stdout=1", early=b"early\n")
    leaving = Attached(movable, identity)
    movable.upgrade()
    kedge.wait_for(movable.answers)
    leaving.close()
    movable.upgrade()
    kedge.wait_for(movable.answers)
    movable.start_container(identity)
    client.send(b"more\n")
    for number in range(3):
        movable.upgrade()
        client.send(f"{number}\n".encode())
    client.end_input()
    assert b"".join(data for _, data in client.read_all()) == b"early\nmore\n0\n1\n2\n"
    assert movable.wait(identity) == 0
    store.end_clean(movable)


def test_run_over_an_upgrade(movable):
    """docker's and kedge's `run` in a loop while kedged is replaced: each prints what its container wrote."""
    end = threading.Event()

    def runs(program):
        count = 0
        while not end.is_set():
            done = movable.run(program, "run", "--rm", "--network", "none", "busybox:test", "echo", f"word{count}")
            assert done.out == f"word{count}\n", (count, done.out, done.err)
            count += 1
        return count
    loops = [Background(runs, program) for program in (str(kedge.BIN / "kedge"), "docker")]
    for _ in range(UPGRADES):
        movable.upgrade()
        kedge.wait_for(movable.answers)
        time.sleep(0.1)
    end.set()
    print([loop.result() for loop in loops])
    store.end_clean(movable)


def test_a_read_only_connection_stays_so(movable):
    """Each connection goes to the socket that it came from."""
    monitor = movable.run_directory / "monitor.sock"
    movable.configure(readOnlySocket=str(monitor), readOnlySocketGroup="root")
    identity = movable.run_container(["sleep", "1000"])
    kept, follower, free = kedge.UnixConnection(monitor), kedge.UnixConnection(monitor), kedge.UnixConnection(movable.socket)
    for connection in (kept, free):
        connection.request("GET", "/_ping")
        assert connection.getresponse().read() == b"OK"
    follower.request("GET", "/events")
    events = follower.getresponse()
    for _ in range(2):
        movable.upgrade()
        kedge.wait_for(movable.answers)
    for connection, status in ((kept, 403), (free, 204)):
        connection.auto_open = 0
        connection.request("POST", f"/containers/{identity}/kill")
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, status == 403)
    assert json.loads(events.readline())["Action"] == "kill"


def begin_upgrade(movable):
    """Asks for one that has to wait: everybody is served meanwhile, by the old program."""
    old = movable.runs()
    movable.replace_program()
    movable.process.send_signal(signal.SIGHUP)
    for _ in range(20):
        assert movable.answers()
        time.sleep(0.01)
    assert movable.runs() == old


def end_upgrade(movable):
    kedge.wait_for(lambda: movable.runs() == os.stat(movable.program).st_ino)
    kedge.wait_for(movable.answers)
    assert "not all requests" not in movable.log()


@pytest.mark.parametrize("what", ["load", "import", "cp"])
def test_what_is_sent_is_waited_for(movable, what):
    """The upgrade comes when it is done."""
    identity = movable.run_container(["sleep", "1000"])
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            member = tarfile.TarInfo("it")
            member.size = 4 << 20
            archive.addfile(member, io.BytesIO(bytes(4 << 20)))
        tree = file.getvalue()
    request, data, sign = {
        "load": ("POST /images/load", kedge.busybox_archive(movable.directory / "other.tar", "other:1").read_bytes(), b"Loaded image: other:1"),
        "import": ("POST /images/create?fromSrc=-&repo=other&tag=1", tree, b"sha256:"),
        "cp": (f"PUT /containers/{identity}/archive?path=/tmp", tree, b""),
    }[what]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(movable.socket))
        client.sendall(f"{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:5000])
        begin_upgrade(movable)
        client.sendall(data[5000:])
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 200 and sign in answer.read()
    end_upgrade(movable)
    if what == "cp":
        assert pathlib.Path(f"/proc/{movable.inspect(identity)['State']['Pid']}/root/tmp/it").stat().st_size == 4 << 20
    else:
        assert movable.api.get("/images/other:1/json")
    store.end_clean(movable)


@pytest.mark.parametrize("target", ["/containers/{id}/archive?path=/big", "/containers/{id}/export", "/images/large:1/get"])
def test_what_is_read_is_waited_for(movable, tmp_path, target):
    """Not a byte is missing; the upgrade comes when it is done."""
    if "large" in target:
        (tmp_path / "noise").write_bytes(os.urandom(16 << 20))
        movable.load_busybox("large:1", layers=[tmp_path])
    identity = movable.run_container(["sh", "-c", "yes 0123456789 | head -c 30000000 > /big; echo up; sleep 1000"])
    kedge.wait_for(lambda: "up" in movable.log_text(identity))
    with opened(movable, "GET", target.format(id=identity)) as answer:
        data = answer.read(1000)
        begin_upgrade(movable)
        data += answer.read()
    end_upgrade(movable)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert sum(member.size for member in archive) > 16 << 20
    store.end_clean(movable)


def test_a_pull_is_waited_for(movable, fake):
    image = fake.add(registries.Unpackable([{"file": os.urandom(200000)}]), "1")
    blob, stalls = image.layers[0], [True]

    @fake.rule(registries.digest(blob))
    def half(handler, _):
        handler.reply(200, blob[:100000], length=len(blob))
        handler.wfile.flush()
        kedge.wait_for(lambda: not stalls, 30)
        handler.wfile.write(blob[100000:])
    with opened(movable, "POST", f"/images/create?fromImage={fake.host}/a&tag=1") as answer:
        assert b"Pulling" in answer.readline()
        begin_upgrade(movable)
        stalls.clear()
        lines = [json.loads(line) for line in answer.read().splitlines()]
    assert "Downloaded newer image" in lines[-1]["status"]
    end_upgrade(movable)
    store.end_clean(movable)


def test_a_transfer_that_takes_too_long(movable, fake):
    """Its client reads why it ends; asked for again, it goes on with what is there."""
    movable.configure(upgradeTimeout="200ms")
    with_half = [True]
    image = fake.add(registries.Unpackable([{"file": os.urandom(200000)}]), "1")
    blob = image.layers[0]

    @fake.rule(registries.digest(blob))
    def slow(handler, _):
        if not with_half:
            return False
        handler.reply(200, blob[:100000], length=len(blob))
        handler.wfile.flush()
        time.sleep(5)
    with opened(movable, "POST", f"/images/create?fromImage={fake.host}/a&tag=1") as answer:
        movable.replace_program()
        movable.process.send_signal(signal.SIGHUP)
        lines = [json.loads(line) for line in answer.read().splitlines()]
    assert "upgraded" in lines[-1]["error"]
    kedge.wait_for(lambda: movable.runs() == os.stat(movable.program).st_ino)
    kedge.wait_for(movable.answers)
    assert "does not wait any longer" in movable.log()
    with_half.clear()
    assert b"error" not in movable.api.raw("POST", f"/images/create?fromImage={fake.host}/a&tag=1")[1]
    store.end_clean(movable)
