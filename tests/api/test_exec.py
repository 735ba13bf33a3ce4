# SPDX-License-Identifier: Apache-2.0
"""Commands in running containers: what they are given, what they say, how they end, and what becomes of them when something else does."""
import contextlib
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import struct

import execs
import kedge
import movable
import pytest
import streams


@pytest.fixture
def sleeper(box):
    return box.run_container(["sleep", "1000"], name="sleeper", Env=["PATH=/bin", "OF=container", "GONE=x"], Labels={"a": "b"}, WorkingDir="/tmp")


def failure(call, *arguments, **options):
    with pytest.raises(kedge.ApiError) as caught:
        call(*arguments, **options)
    return caught.value.status, caught.value.message


def shims(daemon):
    """Process ids of the kedge-shims of commands."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"kedge-shim" and any(word.startswith(b"--exec=") for word in words) and str(daemon.directory).encode() in b" ".join(words):
            found.append(int(process.name))
    return found


def actions(events):
    return [event["Action"] for event in list(events.all)]


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# ---- create and inspect ---------------------------------------------------------------------------------------------------------

def test_a_command_is_inspected_field_by_field(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sh", "-c", "exit 3"], AttachStdout=True, User="web", Privileged=True)
    expected = {"ID": exec_id, "Running": False, "ExitCode": None,
                "ProcessConfig": {"tty": False, "entrypoint": "sh", "arguments": ["-c", "exit 3"], "privileged": True, "user": "web"},
                "OpenStdin": False, "OpenStderr": False, "OpenStdout": True, "CanRemove": False, "ContainerID": sleeper, "DetachKeys": "", "Pid": 0}
    assert execs.inspect(box, exec_id) == expected
    assert box.inspect(sleeper)["ExecIDs"] == [exec_id]
    execs.read_all(execs.start(box, exec_id)[0])
    after = execs.inspect(box, exec_id)
    assert after.pop("Pid") > 1
    expected.pop("Pid")
    assert after == {**expected, "ExitCode": 3}
    assert box.inspect(sleeper)["ExecIDs"] is None


def test_what_cannot_be_created(box, sleeper):
    def create(name="sleeper", **config):
        return failure(box.api.post, f"/containers/{name}/exec", config)
    assert create() == (400, "No exec command specified")
    assert create(Cmd=[]) == (400, "No exec command specified")
    assert create("nobody", Cmd=["true"]) == (404, "No such container: nobody")
    idle = box.create(["true"], name="idle")
    assert create("idle", Cmd=["true"]) == (409, f"Container {idle} is not running")
    waiting = execs.create(box, "sleeper", ["true"])
    box.api.post("/containers/sleeper/pause")
    paused = f"Container {sleeper} is paused, unpause the container before exec"
    assert create(Cmd=["true"]) == (409, paused)
    assert failure(box.api.post, f"/exec/{waiting}/start", {"Detach": True}) == (409, paused)
    box.api.post("/containers/sleeper/unpause")
    box.api.post(f"/exec/{waiting}/start", {"Detach": True})
    for path in ("/exec/nobody/json", "/exec/nobody/start"):
        method = box.api.get if path.endswith("json") else box.api.post
        assert failure(method, path) == (404, "No such exec instance: nobody")


def test_a_command_starts_once(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sleep", "1000"])
    box.api.post(f"/exec/{exec_id}/start", {"Detach": True})
    assert failure(box.api.post, f"/exec/{exec_id}/start", {"Detach": True}) == (409, f"Error: Exec command {exec_id} is already running")
    os.kill(execs.inspect(box, exec_id)["Pid"], signal.SIGTERM)
    kedge.wait_for(lambda: execs.inspect(box, exec_id)["ExitCode"] == 143)
    told = execs.read_all(*execs.start(box, exec_id)[::2])
    assert kedge.demultiplex(told) == [(1, f"Error: Exec command {exec_id} has already run\r\n".encode())]


# ---- output ---------------------------------------------------------------------------------------------------------------------

def test_output_is_framed_and_whole(box, sleeper):
    parts, code = execs.output(box, "sleeper", ["sh", "-c", "echo out; echo err >&2; exit 5"])
    assert sorted(parts) == [(1, b"out\n"), (2, b"err\n")] and code == 5
    parts, code = execs.output(box, "sleeper", ["sh", "-c", "seq 100000; seq 100000 >&2"])
    wanted = "".join(f"{i}\n" for i in range(1, 100001)).encode()
    for stream in (1, 2):
        assert b"".join(part for which, part in parts if which == stream) == wanted


@pytest.mark.parametrize("wanted,streams_seen", [("AttachStdout", [1]), ("AttachStderr", [2])])
def test_only_what_is_attached_comes(box, sleeper, wanted, streams_seen):
    parts, _ = execs.output(box, "sleeper", ["sh", "-c", "echo out; echo err >&2"], **{"AttachStdout": False, "AttachStderr": False, wanted: True})
    assert [stream for stream, _ in parts] == streams_seen


def test_nothing_attached_ends_at_once(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sleep", "1000"])
    client, status, rest = execs.start(box, exec_id)
    assert (status, execs.read_all(client, rest)) == (101, b"")
    assert execs.inspect(box, exec_id)["Running"]


def test_without_upgrade_the_output_is_a_plain_answer(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sh", "-c", "echo out; echo err >&2"], **execs.BOTH)
    connection = kedge.UnixConnection(box.socket)
    connection.request("POST", f"/exec/{exec_id}/start", "{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert sorted(kedge.demultiplex(answer.read())) == [(1, b"out\n"), (2, b"err\n")]
    connection.close()


def test_a_second_start_takes_nothing_from_the_first(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sh", "-c", "trap 'echo two; exit' TERM; echo one; while :; do usleep 10000; done"], **execs.BOTH)
    client, status, data = execs.start(box, exec_id, upgrade=False)
    assert status == 200
    while b"one\n" not in data:
        data += client.recv(65536)
    second = execs.start(box, exec_id, upgrade=False)
    assert f"{exec_id} is already running".encode() in execs.read_all(second[0], second[2])
    os.kill(execs.inspect(box, exec_id)["Pid"], signal.SIGTERM)
    data = execs.read_all(client, data)
    assert b"two\n" in data and data.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("version,kind", [("/v1.41", "raw"), ("/v1.43", "multiplexed")])
def test_the_type_of_the_answer_follows_the_version(box, sleeper, version, kind):
    exec_id = execs.create(box, "sleeper", ["true"], **execs.BOTH)
    connection = kedge.UnixConnection(box.socket)
    connection.request("POST", f"{version}/exec/{exec_id}/start", "{}")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == f"application/vnd.docker.{kind}-stream"
    answer.read()
    connection.close()


# ---- what a command is given ----------------------------------------------------------------------------------------------------

def test_environment_is_the_containers_and_ones_own(box, sleeper):
    said, _ = execs.text(box, "sleeper", ["env"], Env=["MINE=1", "OF=exec", "GONE"])
    env = dict(line.split("=", 1) for line in said.splitlines())
    assert env == {"PATH": "/bin", "HOSTNAME": sleeper[:12], "HOME": "/root", "OF": "exec", "MINE": "1"}


def test_user_directory_and_groups(box, sleeper):
    assert execs.text(box, "sleeper", ["pwd"])[0] == "/tmp\n"
    assert execs.text(box, "sleeper", ["pwd"], WorkingDir="/etc")[0] == "/etc\n"
    assert execs.text(box, "sleeper", ["sh", "-c", "id; echo $HOME"], User="web")[0] == \
        "uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)\n/\n"
    assert execs.text(box, "sleeper", ["id"], User="5:6")[0] == "uid=5 gid=6 groups=6\n"
    execs.text(box, "sleeper", ["sh", "-c", "echo new:x:77:77::/home/new:/bin/sh >> /etc/passwd"])
    assert execs.text(box, "sleeper", ["id", "-u"], User="new")[0] == "77\n"  # the container's own passwd, as it is now


def status_of(daemon, container, **config):
    said, _ = execs.text(daemon, container, ["cat", "/proc/self/status"], **config)
    return {line.split(":")[0]: line.split(":", 1)[1].strip() for line in said.splitlines()}


def test_rights_are_the_containers(box):
    box.run_container(["sleep", "1000"], name="tight", host={"CapDrop": ["ALL"], "CapAdd": ["CHOWN"], "SecurityOpt": ["no-new-privileges"],
                                                            "Ulimits": [{"Name": "nofile", "Soft": 77, "Hard": 88}]})
    status = status_of(box, "tight")
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]) == (1, 1, "1", "2")
    assert execs.text(box, "tight", ["sh", "-c", "ulimit -n; ulimit -Hn"])[0] == "77\n88\n"
    every = status_of(box, "tight", Privileged=True)
    own = pathlib.Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0]
    assert every["CapEff"] == every["CapBnd"] == own and every["Seccomp"] == "2"


def test_it_is_in_the_containers_control_groups(box, sleeper):
    inside, _ = execs.text(box, "sleeper", ["sh", "-c", "cat /proc/self/cgroup /proc/1/cgroup | sort | uniq -c | sort"])
    assert {line.split()[0] for line in inside.splitlines()} == {"2"}, inside


# ---- input and terminals --------------------------------------------------------------------------------------------------------

INTERACTIVE = {"AttachStdin": True, **execs.BOTH}


def until(client, wanted, data=b""):
    """What came until then, the wanted bytes included."""
    while wanted not in data:
        piece = client.recv(65536)
        assert piece, data
        data += piece
    return data


def terminal(daemon, container, command, **config):
    exec_id = execs.create(daemon, container, command, Tty=True, **INTERACTIVE, **config)
    client, status, rest = execs.start(daemon, exec_id, Tty=True)
    assert status == 101
    return exec_id, client, rest


def test_input_reaches_the_command_and_its_end_too(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sh", "-c", "cat; echo end"], **INTERACTIVE)
    client, _, rest = execs.start(box, exec_id)
    client.sendall(b"hello\n")
    data = until(client, b"hello\n", rest)
    client.shutdown(socket.SHUT_WR)
    assert streams.joined(kedge.demultiplex(execs.read_all(client, data))) == b"hello\nend\n"
    assert execs.inspect(box, exec_id)["ExitCode"] == 0 and execs.inspect(box, exec_id)["OpenStdin"]


def test_megabytes_through_a_command(box, sleeper):
    data = random.Random(1).randbytes(8 << 20)
    exec_id = execs.create(box, "sleeper", ["cat"], **INTERACTIVE)
    client, _, rest = execs.start(box, exec_id)

    def send():
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
    sender = streams.Background(send)
    assert streams.joined(kedge.demultiplex(execs.read_all(client, rest))) == data
    sender.result()


def test_without_stdin_there_is_none(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sh", "-c", "cat; readlink /proc/self/fd/0"], **execs.BOTH)
    client, _, rest = execs.start(box, exec_id)
    client.sendall(b"nobody reads this")
    assert streams.joined(kedge.demultiplex(execs.read_all(client, rest))) == b"/dev/null\n"


def test_a_client_that_leaves_ends_the_input(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sh", "-c", "cat > /dev/null; exit 3"], **INTERACTIVE)
    client, _, _ = execs.start(box, exec_id)
    client.close()
    assert kedge.wait_for(lambda: execs.inspect(box, exec_id)["ExitCode"]) == 3


def test_a_terminal(box, sleeper):
    exec_id, client, rest = terminal(box, "sleeper", ["sh", "-c", "test -t 0 && test -t 1 && echo $TERM; read x; echo got $x; exit 4"])
    data = until(client, b"xterm\r\n", rest)
    client.sendall(b"word\n")
    assert b"got word\r\n" in execs.read_all(client, data)
    after = execs.inspect(box, exec_id)
    assert after["ExitCode"] == 4 and after["ProcessConfig"]["tty"]


def test_control_c_reaches_the_command(box, sleeper):
    exec_id, client, rest = terminal(box, "sleeper", ["sh", "-c", "trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.05; done"])
    until(client, b"up\r\n", rest)
    client.sendall(b"\x03")
    assert b"caught" in execs.read_all(client)
    assert execs.inspect(box, exec_id)["ExitCode"] == 9


SIZES = ["sh", "-c", "trap 'busybox stty size' WINCH; busybox stty size; while :; do sleep 0.05; done"]


def test_the_size_of_a_terminal(box, sleeper):
    exec_id = execs.create(box, "sleeper", SIZES, Tty=True, ConsoleSize=[20, 30], **INTERACTIVE)
    client, _, rest = execs.start(box, exec_id, Tty=True, ConsoleSize=[22, 33])
    until(client, b"22 33\r\n", rest)
    box.api.post(f"/exec/{exec_id}/resize?h=44&w=55")
    until(client, b"44 55\r\n")
    client.close()
    exec_id = execs.create(box, "sleeper", SIZES, Tty=True, ConsoleSize=[20, 30], **execs.BOTH)
    client, _, rest = execs.start(box, exec_id, Tty=True)
    until(client, b"20 30\r\n", rest)
    client.close()


def test_sizes_that_are_none(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["true"], Tty=True, **execs.BOTH)
    assert failure(box.api.post, f"/exec/{exec_id}/resize?h=x&w=3")[0] == 400
    assert failure(box.api.post, f"/exec/{exec_id}/resize?h=3&w=3")[0] == 409
    assert failure(box.api.post, "/exec/nobody/resize?h=3&w=3") == (404, "No such exec instance: nobody")
    for size in ([1], [1, "x"], [-1, 3], [70000, 3]):
        assert failure(execs.create, box, "sleeper", ["true"], ConsoleSize=size)[0] == 400
    execs.read_all(execs.start(box, exec_id, Tty=True)[0])
    assert failure(box.api.post, f"/exec/{exec_id}/resize?h=3&w=3")[0] == 404


def test_detach_keys_leave_the_command_running(box, sleeper):
    assert failure(execs.create, box, "sleeper", ["true"], DetachKeys="foo-bar") == (400, "Invalid escape keys (foo-bar) provided")
    with contextlib.closing(streams.Events(box)) as events:
        exec_id, client, rest = terminal(box, "sleeper", ["sh", "-c", "echo up; exec sleep 1000"], DetachKeys="ctrl-a,x")
        until(client, b"up\r\n", rest)
        client.sendall(b"\x01x")
        execs.read_all(client)
        kedge.wait_for(lambda: "exec_detach" in actions(events))
    after = execs.inspect(box, exec_id)
    assert after["Running"] and after["DetachKeys"] == "ctrl-a,x"
    exec_id, client, rest = terminal(box, "sleeper", ["sh", "-c", "echo up; exec sleep 1000"])
    until(client, b"up\r\n", rest)
    client.sendall(b"\x10\x11")  # ctrl-p,ctrl-q
    execs.read_all(client)
    assert execs.inspect(box, exec_id)["Running"]


# ---- failures to start ----------------------------------------------------------------------------------------------------------

BEFORE = "OCI runtime exec failed: exec failed: unable to start container process: exec: "


@pytest.mark.parametrize("command,reason", [("nosuch", '"nosuch": executable file not found in $PATH: unknown'),
                                            ("/nosuch", '"/nosuch": stat /nosuch: no such file or directory: unknown'),
                                            ("/etc/passwd", '"/etc/passwd": permission denied: unknown'),
                                            ("/etc", '"/etc": permission denied: unknown')])
def test_what_cannot_be_executed(box, sleeper, command, reason):
    assert execs.output(box, "sleeper", [command, "x"]) == ([(1, f"{BEFORE}{reason}\r\n".encode())], 126)
    exec_id = execs.create(box, "sleeper", [command])
    assert failure(box.api.post, f"/exec/{exec_id}/start", {"Detach": True}) == (400, BEFORE + reason)
    assert execs.inspect(box, exec_id)["ExitCode"] == 126
    done = box.docker("exec", "sleeper", command, check=False)
    assert done.returncode in (126, 127) and reason in done.out + done.err


def test_users_and_directories_that_are_not_there(box, sleeper):
    said, code = execs.text(box, "sleeper", ["true"], User="nobody9")
    assert "nobody9" in said and "passwd" in said and code == 126
    said, code = execs.text(box, "sleeper", ["true"], WorkingDir="/no/where")
    assert "/no/where" in said and code == 126
    assert box.inspect(sleeper)["ExecIDs"] is None


# ---- ends -----------------------------------------------------------------------------------------------------------------------

def test_the_end_of_the_container_is_its_end(box):
    identity = box.run_container(["sleep", "1000"], name="short")
    exec_id = execs.create(box, "short", ["sleep", "1000"], **execs.BOTH)
    unused = execs.create(box, "short", ["true"])
    client, _, rest = execs.start(box, exec_id)
    pid = kedge.wait_for(lambda: execs.inspect(box, exec_id)["Pid"])
    box.api.post("/containers/short/kill")
    assert execs.read_all(client, rest) == b""
    after = execs.inspect(box, exec_id)
    assert (after["Running"], after["ExitCode"]) == (False, 137) and not is_alive(pid)
    box.wait(identity)
    assert failure(box.api.get, f"/exec/{unused}/json")[0] == 404
    box.start_container("short")
    assert box.inspect(identity)["ExecIDs"] is None
    box.api.delete("/containers/short?force=1")
    assert failure(box.api.get, f"/exec/{exec_id}/json") == (404, f"No such exec instance: {exec_id}")
    kedge.wait_for(lambda: not shims(box))


def test_what_a_command_leaves_running_is_the_containers(box, sleeper):
    _, code = execs.output(box, "sleeper", ["sh", "-c", "sleep 1234 > /dev/null 2>&1 & exit 0"])
    kedge.wait_for(lambda: not shims(box))
    assert code == 0 and "sleep 1234" in box.docker("top", "sleeper").out


def test_a_killed_shim_is_told(box, sleeper):
    exec_id = execs.create(box, "sleeper", ["sleep", "1000"], **execs.BOTH)
    client, _, rest = execs.start(box, exec_id)
    pid = kedge.wait_for(lambda: execs.inspect(box, exec_id)["Pid"])
    with contextlib.closing(streams.Events(box)) as events:
        [shim] = shims(box)
        os.kill(shim, signal.SIGKILL)
        assert execs.read_all(client, rest) == b""
        kedge.wait_for(lambda: not is_alive(pid))
        assert kedge.wait_for(lambda: not execs.inspect(box, exec_id)["Running"]) and execs.inspect(box, exec_id)["ExitCode"] == 137
        kedge.wait_for(lambda: "exec_die" in actions(events))
    assert exec_id[:12] in box.log_tail() and box.inspect(sleeper)["State"]["Running"]


def test_events(box, sleeper):
    with contextlib.closing(streams.Events(box)) as events:
        exec_id = execs.create(box, "sleeper", ["sh", "-c", "exit 7"], **execs.BOTH)
        execs.read_all(execs.start(box, exec_id)[0])
        kedge.wait_for(lambda: "exec_die" in actions(events))
        execs.output(box, "sleeper", ["true"])
        seen = [event for event in events.all if "exec" in event["Action"]]
    attributes = {"a": "b", "execID": exec_id, "image": "busybox:test", "name": "sleeper"}
    assert [event["Action"] for event in seen[:3]] == ["exec_create: sh -c exit 7", "exec_start: sh -c exit 7", "exec_die"]
    assert [event["Actor"]["Attributes"] for event in seen[:3]] == [attributes, attributes, {**attributes, "exitCode": "7"}]
    assert seen[3]["Action"] == "exec_create: true "


# ---- runtimes -------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_a_runtime_that_was_named(box, runtime):
    """Those that name none are entered by the shim itself."""
    if not shutil.which(runtime):
        pytest.skip(f"no {runtime}")
    box.run_container(["sleep", "1000"], name="named", Env=["PATH=/bin"], host={"Runtime": runtime, "CapDrop": ["CHOWN"]})
    assert execs.output(box, "named", ["sh", "-c", "id -u; echo err >&2; exit 3"], User="web") == ([(1, b"1000\n"), (2, b"err\n")], 3)
    status = status_of(box, "named")
    assert status["Seccomp"] == "2" and not int(status["CapEff"], 16) & 1
    said, code = execs.text(box, "named", ["nosuch"])
    assert (said, code) == (f'{BEFORE}"nosuch": executable file not found in $PATH: unknown\r\n', 126)
    exec_id, client, rest = terminal(box, "named", ["sh", "-c", "test -t 1 && read x; echo got $x; exit 4"])
    client.sendall(b"word\n")
    assert b"got word\r\n" in execs.read_all(client, rest)
    assert execs.inspect(box, exec_id)["ExitCode"] == 4


def test_a_start_that_fails_in_kedged(tmp_path):
    it = kedge.Daemon(environment={"KEDGE_FAULT": "engine.exec.spawn:1:fail"}).start()
    try:
        it.load_busybox()
        it.run_container(["sleep", "1000"], name="one")
        said, code = execs.text(it, "one", ["true"])
        assert "engine.exec.spawn" in said and code == 126
        assert it.inspect("one")["ExecIDs"] is None and not list((it.run_directory / "containers").glob("*/execs/*"))
        assert execs.text(it, "one", ["echo", "again"]) == ("again\n", 0)
    finally:
        it.close()


# ---- kedged ends ----------------------------------------------------------------------------------------------------------------

def test_a_command_goes_on_when_kedged_ends(daemon):
    daemon.run_container(["sleep", "1000"], name="one")
    running, unused = execs.create(daemon, "one", ["sleep", "1000"]), execs.create(daemon, "one", ["sh", "-c", "exit 4"], User="web", **execs.BOTH)
    daemon.api.post(f"/exec/{running}/start", {"Detach": True})
    ended = execs.create(daemon, "one", ["sh", "-c", "exit 9"], **execs.BOTH)
    execs.read_all(execs.start(daemon, ended)[0])
    before = execs.inspect(daemon, running)
    daemon.kill()
    assert is_alive(before["Pid"])
    daemon.start()
    assert kedge.wait_for(lambda: execs.inspect(daemon, running)["Pid"]) and execs.inspect(daemon, running) == before
    assert execs.inspect(daemon, ended)["ExitCode"] == 9
    execs.read_all(execs.start(daemon, unused)[0])
    assert (execs.inspect(daemon, unused)["ExitCode"], execs.inspect(daemon, unused)["ProcessConfig"]["user"]) == (4, "web")
    assert execs.text(daemon, "one", ["echo", "new"]) == ("new\n", 0)  # a new one in a container that was adopted
    daemon.kill()
    os.kill(before["Pid"], signal.SIGTERM)
    kedge.wait_for(lambda: not shims(daemon))
    daemon.start()
    assert execs.inspect(daemon, running)["ExitCode"] == 143


@pytest.fixture
def moved():
    """A kedged whose program can be replaced."""
    it = movable.Movable().start()
    it.load_busybox()
    yield it
    it.close()


@pytest.mark.parametrize("how", ["killed", "upgraded"])
def test_a_session_goes_on_when_kedged_is(moved, how):
    daemon = moved
    daemon.run_container(["sleep", "1000"], name="one")
    for with_terminal in (False, True):
        exec_id = execs.create(daemon, "one", ["sh", "-c", "echo up; read x; echo got $x; exit 5"], Tty=with_terminal, **INTERACTIVE)
        client, _, rest = execs.start(daemon, exec_id, Tty=with_terminal)
        until(client, b"up", rest)
        if how == "killed":
            daemon.kill()
        else:
            daemon.upgrade()
        client.sendall(b"word\n")
        assert b"got word" in execs.read_all(client)
        if how == "killed":
            daemon.start()
        assert execs.inspect(daemon, exec_id)["ExitCode"] == 5


def test_output_in_chunks_goes_on_over_an_upgrade(moved):
    moved.run_container(["sleep", "1000"], name="one")
    for with_terminal in (False, True):
        exec_id = execs.create(moved, "one", ["sh", "-c", "echo up; while ! rm /go; do sleep 0.02; done 2> /dev/null; seq 20000; exit 5"],
                               Tty=with_terminal, **execs.BOTH)
        connection = kedge.UnixConnection(moved.socket)
        connection.request("POST", f"/exec/{exec_id}/start", json.dumps({"Tty": with_terminal}))
        answer = connection.getresponse()
        data = answer.read1(100)
        moved.upgrade()
        execs.output(moved, "one", ["touch", "/go"])
        data += answer.read()
        connection.close()
        text = data if with_terminal else streams.joined(kedge.demultiplex(data))
        assert text.split() == [b"up"] + [b"%d" % number for number in range(1, 20001)]
        assert execs.inspect(moved, exec_id)["ExitCode"] == 5


def test_an_exec_whose_shim_died_with_kedged_has_ended(daemon):
    daemon.run_container(["sleep", "1000"], name="one")
    exec_id = execs.create(daemon, "one", ["sleep", "1000"])
    daemon.api.post(f"/exec/{exec_id}/start", {"Detach": True})
    daemon.kill()
    for pid in shims(daemon):
        os.kill(pid, signal.SIGKILL)
    daemon.start()
    after = execs.inspect(daemon, exec_id)
    assert (after["Running"], after["ExitCode"]) == (False, 137)


def leave_in_place_of_its_shim(daemon, directory, is_accepted):
    """A kedged is started that meets, instead of a command's shim, one that leaves without a word."""
    (directory / "shim.sock").unlink()
    place = os.open(directory, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.settimeout(30)
        listener.bind(f"/proc/self/fd/{place}/shim.sock")
        listener.listen()
        daemon.spawn()
        if is_accepted:
            listener.accept()[0].close()
        else:
            assert select.select([listener], [], [], 30)[0]
    os.close(place)
    kedge.wait_for(daemon.answers)


@pytest.mark.parametrize("is_accepted", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize("has_ended,code", [(True, 5), (False, 137)], ids=["ended", "killed"])
def test_a_shim_that_leaves_as_kedged_comes(daemon, has_ended, code, is_accepted):
    """What it has written before counts. Where it has written nothing, it was killed."""
    identity = daemon.run_container(["sleep", "1000"], name="one")
    ended, running = execs.create(daemon, "one", ["sh", "-c", "exit 5"], **execs.BOTH), execs.create(daemon, "one", ["sleep", "1000"])
    execs.read_all(execs.start(daemon, ended)[0])
    daemon.api.post(f"/exec/{running}/start", {"Detach": True})
    [shim] = kedge.wait_for(lambda: len(shims(daemon)) == 1 and shims(daemon))
    daemon.kill()
    os.kill(shim, signal.SIGKILL)
    kedge.wait_for(lambda: not shims(daemon))
    directory = daemon.run_directory / "containers" / identity / "execs"
    if has_ended:
        shutil.copy(directory / ended / "exit", directory / running / "exit")
    leave_in_place_of_its_shim(daemon, directory / running, is_accepted)
    kedge.wait_for(lambda: not execs.inspect(daemon, running)["Running"])
    assert execs.inspect(daemon, running)["ExitCode"] == code


# ---- many, and those who leave --------------------------------------------------------------------------------------------------

def held(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_many_at_once(daemon):
    count = 500 if kedge.SOAK else 60
    daemon.run_container(["sleep", "1000"], name="one")
    execs.output(daemon, "one", ["true"])
    before = held(daemon)
    sessions = []
    for i in range(count):
        exec_id = execs.create(daemon, "one", ["sh", "-c", f"read x; echo {i} $x; exit {i % 200}"], **INTERACTIVE)
        sessions.append((exec_id, *execs.start(daemon, exec_id)[::2]))
    kedge.wait_for(lambda: len(shims(daemon)) == count == len(daemon.inspect("one")["ExecIDs"]))
    for _, client, _ in sessions:
        client.sendall(b"go\n")
    for i, (exec_id, client, rest) in enumerate(sessions):
        assert streams.joined(kedge.demultiplex(execs.read_all(client, rest))) == f"{i} go\n".encode()
        assert execs.inspect(daemon, exec_id)["ExitCode"] == i % 200
    kedge.wait_for(lambda: not shims(daemon) and held(daemon) <= before)


def ask_for_one(connection, container="one"):
    """Over a kept connection: (status, id or message)."""
    connection.request("POST", f"/containers/{container}/exec", '{"Cmd":["true"]}', {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    return answer.status, body.get("Id") or body["message"]


def test_what_has_ended_gives_way_and_nothing_else(daemon):
    """A container has 1024 at a time, all together 4096."""
    identity = daemon.run_container(["sleep", "1000"], name="one")
    kept = kedge.UnixConnection(daemon.socket)
    running, ended = execs.create(daemon, "one", ["sleep", "1000"]), execs.create(daemon, "one", ["sh", "-c", "exit 3"], **execs.BOTH)
    daemon.api.post(f"/exec/{running}/start", {"Detach": True})
    execs.read_all(execs.start(daemon, ended)[0])
    unused = [ask_for_one(kept)[1] for _ in range(1022)]
    assert execs.inspect(daemon, ended)["ExitCode"] == 3
    unused.append(ask_for_one(kept)[1])  # in place of the one that has ended
    full = (409, 'container "one" has 1024 commands that have not ended')
    assert failure(execs.inspect, daemon, ended)[0] == 404 and ask_for_one(kept) == full
    assert daemon.inspect("one")["ExecIDs"] == [running, *unused]
    if kedge.SOAK:
        others = [f"other{number}" for number in range(4)]
        for name in others:
            daemon.run_container(["sleep", "1000"], name=name)
        for name in others[:3]:
            assert {ask_for_one(kept, name)[0] for _ in range(1024)} == {201}
        assert ask_for_one(kept, others[3]) == (409, "all containers together have 4096 commands that have not ended")
    daemon.api.post(f"/exec/{unused[0]}/start", {"Detach": True})
    kedge.wait_for(lambda: execs.inspect(daemon, unused[0])["ExitCode"] == 0)
    if kedge.SOAK:
        assert ask_for_one(kept, others[3])[0] == 201  # in place of another container's
        daemon.api.delete(f"/containers/{others[3]}?force=1")
    assert ask_for_one(kept)[0] == 201
    assert failure(execs.inspect, daemon, unused[0])[0] == 404 and execs.inspect(daemon, running)["Running"] and ask_for_one(kept) == full
    daemon.api.post("/containers/one/kill")
    daemon.wait("one")
    assert failure(execs.inspect, daemon, unused[1])[0] == 404 and not list((daemon.run_directory / "containers").glob(f"{identity}/execs/*/exec.json"))
    kept.close()


@pytest.mark.skipif("sanitize" in str(kedge.BUILD), reason="a sanitizer wants to be loaded first")
def test_an_end_is_remembered_for_five_minutes(tmp_path):
    later = tmp_path / "later"

    def it_is(seconds):
        (tmp_path / "next").write_text(str(seconds))
        (tmp_path / "next").rename(later)  # it never goes back
    it = kedge.Daemon(environment={"LD_PRELOAD": str(kedge.BUILD / "tests" / "system" / "liblater_clock.so"), "LATER_CLOCK": str(later)}).start()
    try:
        it.load_busybox()
        it.run_container(["sleep", "1000"], name="one")
        running, unused = execs.create(it, "one", ["sleep", "1000"]), execs.create(it, "one", ["true"])
        ended = execs.create(it, "one", ["sh", "-c", "exit 3"], **execs.BOTH)
        it.api.post(f"/exec/{running}/start", {"Detach": True})
        execs.read_all(execs.start(it, ended)[0])
        assert execs.inspect(it, ended)["ExitCode"] == 3
        it_is(280)
        kedge.wait_for(lambda: it.answers() and not list((it.run_directory / "containers").glob(f"*/execs/{ended}")))  # it has looked
        assert execs.inspect(it, ended)["ExitCode"] == 3
        it_is(310)
        kedge.wait_for(lambda: it.api.raw("GET", f"/exec/{ended}/json")[0] == 404)
        assert execs.inspect(it, running)["Running"] and it.inspect("one")["ExecIDs"] == [running, unused]
    finally:
        it.close()


def test_clients_that_vanish(daemon):
    daemon.run_container(["sleep", "1000"], name="one")
    execs.output(daemon, "one", ["true"])
    before = held(daemon)
    for i in range(60 if kedge.SOAK else 12):
        exec_id = execs.create(daemon, "one", ["sh", "-c", "cat > /dev/null; exit 3"], Tty=i % 2 == 1, **INTERACTIVE)
        client, _, _ = execs.start(daemon, exec_id, Tty=i % 2 == 1)
        if i % 3 == 0:
            client.sendall(b"half a li")
        if i % 3 == 1:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        if i % 2 == 0:
            kedge.wait_for(lambda: execs.inspect(daemon, exec_id)["ExitCode"] == 3)
    running = daemon.inspect("one")["ExecIDs"]
    assert len(running) == i // 2 + 1  # a terminal's command does not end with who has looked at it
    for exec_id in running:
        os.kill(kedge.wait_for(lambda: execs.inspect(daemon, exec_id)["Pid"]), signal.SIGKILL)
    kedge.wait_for(lambda: not shims(daemon) and held(daemon) <= before)


def test_a_reader_that_never_reads_ends_with_the_container(daemon):
    daemon.run_container(["sleep", "1000"], name="one")
    exec_id = execs.create(daemon, "one", ["yes"], **execs.BOTH)
    client, _, _ = execs.start(daemon, exec_id)
    kedge.wait_for(lambda: execs.inspect(daemon, exec_id)["Pid"])
    [shim] = shims(daemon)
    memory = int(pathlib.Path(f"/proc/{shim}/smaps_rollup").read_text().split("Private_Dirty:")[1].split()[0])
    assert memory < 8192, memory  # a kedge-shim has some hundred kB; with a sanitizer, more
    daemon.api.delete("/containers/one?force=1")
    client.close()
    kedge.wait_for(lambda: not shims(daemon))
