# SPDX-License-Identifier: Apache-2.0
"""kedge-shim as kedged sees it: real runtimes, a real overlay, its protocol."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

import kedge
import shim


@pytest.fixture
def container(request):
    made = []

    def make(*command, **options):
        it = shim.Container(*command, **options)
        made.append(it)
        return it

    make.clean = True
    yield make
    problems = []
    for it in made:
        try:
            it.close(make.clean)
        except AssertionError as problem:
            problems.append(problem)
    assert not problems


def sh(container, script, **options):
    return container("sh", "-c", script, **options)


runtimes = pytest.mark.parametrize("runtime", ["crun", "runc"])


# ---- beginning and end -----------------------------------------------------------------------------------------------------------

@runtimes
@pytest.mark.parametrize("script, code, number", [("true", 0, 0), ("exit 3", 3, 0), ("kill -9 $$; exit 1", 1, 0)])
def test_exit_codes(container, runtime, script, code, number):
    it = sh(container, script, runtime=runtime).start()
    assert it.started().state == shim.RUNNING
    status = it.exited()
    assert (status.state, status.exit_code, status.exit_signal, status.oom_killed) == (shim.ENDED, code, number, 0)
    assert status.started <= status.finished
    assert abs(status.finished_wall / 1e9 - time.time()) < 60
    it.wait()
    assert it.remains() == []


@runtimes
def test_signals_reach_init(container, runtime):
    it = sh(container, "trap 'echo got; exit 5' TERM; echo ready; while :; do usleep 10000; done", runtime=runtime).start()
    it.started()
    kedge.wait_for(lambda: "ready" in it.logged())
    it.connection.signal(signal.SIGTERM)
    assert it.exited().exit_code == 5
    assert it.logged() == "ready\ngot\n"


def test_killed_by_signal(container):
    it = container("sleep", "1000").start()
    it.started()
    it.connection.signal(signal.SIGKILL)
    status = it.exited()
    assert (status.exit_code, status.exit_signal) == (137, 9)


def test_a_signal_before_the_start_is_kept(container):
    it = container("sleep", "1000").start()
    it.connection.signal(signal.SIGKILL)
    assert it.exited().exit_code == 137


def test_the_shim_minds_no_signal_but_kill(container):
    it = sh(container, "sleep 0.3; echo done").start()
    it.started()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
        it.process.send_signal(number)
    assert it.exited().exit_code == 0
    assert it.logged() == "done\n"


@runtimes
@pytest.mark.parametrize("command, code, reason", [
    (["nope"], 127, "nope"), (["/nope"], 127, "/nope"), (["/etc/passwd"], 126, "ermission denied"), (["/bin"], 126, "")])
def test_a_command_that_cannot_start(container, runtime, command, code, reason):
    it = container(*command, runtime=runtime).start()
    status = it.connection.expect(shim.FAILED)
    assert (status.state, status.not_found) == (shim.START_FAILED, code)
    assert reason in status.error and status.text == status.error
    assert "{" not in status.error
    it.wait()
    assert it.connection.closed() == []
    assert it.exit_record().state == shim.START_FAILED
    assert it.log_entries() == []
    assert it.remains() == []


@runtimes
@pytest.mark.parametrize("content, code", [("garbage\n", 126), ("#!/nope\n", 127)])
def test_a_command_that_fails_at_exec(container, runtime, content, code):
    """The runtime has reported success by then."""
    it = container("/bin/wrong", runtime=runtime)
    wrong = it.layers / "1" / "bin" / "wrong"
    wrong.write_text(content)
    wrong.chmod(0o755)
    it.start()
    status = it.exited()
    assert status.exit_code == code
    assert status.error and status.error in it.logged("stderr")


def test_a_runtime_that_hangs(container, tmp_path):
    script = tmp_path / "runtime"
    script.write_text("#!/bin/sh\nsleep 1000 & sleep 1000\n")
    script.chmod(0o755)
    it = container("true")
    it.runtime, it.options["start-timeout-ms"] = script, 300
    it.start()
    status = it.connection.expect(shim.FAILED)
    assert "in time" in status.error and status.not_found == 0
    it.wait()
    assert subprocess.run(["pgrep", "-f", str(script)], capture_output=True).stdout == b""


@pytest.mark.parametrize("text, reason", [("echo broken >&2; exit 9", "broken"), ("exit 9", "status 9"), ("kill -9 $$", "signal 9"),
                                          ("exit 0", "no process"), ("echo nonsense > pid", "no process"),
                                          ("echo 4194000 > pid", "no process"), ("echo 1 > pid", "no process"),
                                          ("echo $PPID > pid", "no process")])
def test_a_runtime_that_fails_without_a_log(container, tmp_path, text, reason):
    script = tmp_path / "runtime"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    it = container("true")
    it.runtime = script
    it.start()
    assert reason in it.connection.expect(shim.FAILED).error
    it.wait()


@pytest.mark.parametrize("option, value, reason", [
    ("lower", "1:2", "root file system"), ("runtime", "/nope/crun", "could not start"), ("layers", "/nope", "layers")])
def test_what_the_shim_cannot_do_itself(container, option, value, reason):
    it = container("true")
    it.options[option] = value
    it.start()
    assert reason in it.connection.expect(shim.FAILED).error
    it.wait()
    assert it.remains() == []


def test_an_image_without_layers(container):
    it = container("/busybox", "true")
    it.lower = ""
    shutil.copy(shutil.which("busybox"), it.state / "upper" / "busybox")
    it.start()
    assert it.exited().exit_code == 0


def test_many_layers(container):
    it = sh(container, "cat /made-by-*")
    names = [str(number) for number in range(2, 302)]
    for name in names:
        (it.layers / name).mkdir()
    (it.layers / "301" / "made-by-301").write_text("deep\n")
    it.lower = ":".join([*names, "1"])
    it.start()
    assert it.exited().exit_code == 0
    assert it.logged() == "deep\n"


def test_odd_characters_in_paths(container, tmp_path):
    directory = tmp_path / "a,b:c d\\e"
    directory.mkdir()
    it = sh(container, "echo new > /file", directory=directory)
    it.start()
    assert it.exited().exit_code == 0
    assert (it.state / "upper" / "file").read_text() == "new\n"


def test_a_volatile_root(container):
    it = sh(container, "grep ' / ' /proc/mounts")
    it.switches.append("--volatile")
    it.start()
    it.exited()
    assert "volatile" in it.logged()


def test_the_host_sees_no_mount(container):
    it = container("sleep", "1000").start()
    it.started()
    assert str(it.top) not in pathlib.Path("/proc/self/mounts").read_text()


def test_by_hand(container):
    it = sh(container, "exit 4")
    (it.bundle / "config.json").write_text(json.dumps(it.config))
    assert subprocess.run(it.command(), stdin=subprocess.DEVNULL).returncode == 4
    it.config["process"]["args"] = ["nope"]
    (it.bundle / "config.json").write_text(json.dumps(it.config))
    result = subprocess.run(it.command(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert result.returncode == 127 and "nope" in result.stderr


@pytest.mark.parametrize("words, reason", [
    (["--id=a/b"], "id"), (["--id=.."], "id"), (["--cgroup=/"], "cgroup"), (["--bundle=x"], "absolute"), (["--log-driver=syslog"], "syslog"),
    (["--nope"], "nope"), (["word"], "word")])
def test_bad_options(container, words, reason):
    it = container("true")
    result = subprocess.run([*it.command(), *words], capture_output=True, text=True)
    assert result.returncode == 1 and reason in result.stderr
    assert not (it.state / "exit").exists()


# ---- surviving -------------------------------------------------------------------------------------------------------------------

def test_the_client_dies_and_comes_back(container):
    it = sh(container, "for i in $(seq 1 20); do echo $i; done; until [ -e /go ]; do usleep 20000; done; exit 6").start()
    it.started()
    it.connection.close()
    again = it.connect()
    status = again.expect(shim.STATUS)
    assert status.state == shim.RUNNING and status.pid > 0
    assert again.pending == []
    pathlib.Path(f"/proc/{status.pid}/root/go").touch()
    assert again.expect(shim.EXITED).exit_code == 6
    assert it.logged() == "".join(f"{i}\n" for i in range(1, 21))


def test_the_client_is_away_at_the_end(container):
    it = sh(container, "echo out; exit 6").start()
    it.connection.close()
    it.wait()
    record = it.exit_record()
    assert (record.state, record.run, record.exit_code) == (shim.ENDED, 7, 6)
    assert it.logged() == "out\n"
    assert it.remains() == []
    with pytest.raises(OSError):
        it.connect()


def test_the_client_dies_during_the_start(container, tmp_path):
    script = tmp_path / "runtime"
    script.write_text("#!/bin/sh\nsleep 0.3\nexec crun \"$@\"\n")
    script.chmod(0o755)
    it = sh(container, "sleep 1; exit 2")
    it.runtime = script
    it.start()
    it.connection.close()
    again = it.connect()
    assert again.expect(shim.STATUS).state == shim.STARTING
    assert again.expect(shim.STARTED).state == shim.RUNNING
    assert again.expect(shim.EXITED).exit_code == 2


def test_a_killed_shim_leaves_the_container_to_the_engine(container):
    container.clean = False
    it = container("sleep", "1000").start()
    pid = it.started().pid
    it.process.kill()
    assert it.connection.closed() == []
    assert pathlib.Path(f"/proc/{pid}").exists()
    os.kill(pid, signal.SIGKILL)


def test_exit_file_of_an_earlier_start_is_replaced(container):
    it = sh(container, "exit 1")
    (it.state / "exit").write_bytes(b"old")
    it.start()
    it.exited()
    assert it.exit_record().exit_code == 1


def test_a_signal_from_a_client_that_leaves_without_listening(container):
    it = container("sleep", "1000").start()
    it.started()
    other = it.connect()
    time.sleep(0.2)
    other.signal(signal.SIGKILL)
    other.close()
    assert it.exited().exit_code == 137


def test_nonsense_on_the_connection(container):
    it = container("sleep", "1000").start()
    it.started()
    for packet in (b"x", b"\0" * 7, b"\1\0\0\0\xff\0\0\0", b"\1\0\0\0\xff\xff\xff\xff1234", os.urandom(5000)):
        other = it.connect()
        other.expect(shim.STATUS)
        other.sock.send(packet)
        assert other.closed() == []
    other = it.connect()
    other.expect(shim.STATUS)
    other.send(50, b"of a newer version")
    other.send(shim.SIGNAL, b"")
    other.send(shim.ATTACH, b"1")
    other.signal(0)
    other.signal(-9)
    other.signal(1000)
    other.signal(signal.SIGKILL)
    assert other.expect(shim.EXITED).exit_code == 137


def test_more_connections_than_places(container):
    it = container("sleep", "1000").start()
    it.started()
    others = [it.connect() for _ in range(31)]
    assert all(other.expect(shim.STATUS).state == shim.RUNNING for other in others)
    assert it.connect().closed() == []
    others[0].close()
    kedge.wait_for(lambda: it.connect().receive() is not None)
    it.connection.signal(signal.SIGKILL)
    assert all(other.expect(shim.EXITED).exit_code == 137 for other in others[1:])


# ---- what is left ----------------------------------------------------------------------------------------------------------------

@runtimes
def test_processes_that_outlive_init(container, runtime):
    """In the host's pid namespace nobody kills them with init."""
    it = sh(container, "sleep 1000 & echo started", runtime=runtime)
    it.config["linux"]["namespaces"] = [n for n in it.config["linux"]["namespaces"] if n["type"] != "pid"]
    it.start()
    it.started()
    assert it.exited().exit_code == 0
    it.wait()
    assert it.logged() == "started\n"
    assert it.remains() == []


def test_groups_of_the_containers_own(container):
    """A container that makes groups below its own is left to the runtime."""
    it = container("sleep", "1000").start()
    it.started()
    for group in kedge.cgroup_directories(it.cgroup):
        (group / "below").mkdir()
    it.connection.signal(signal.SIGKILL)
    it.exited()
    it.wait()
    assert it.remains() == []


def test_out_of_memory(container):
    it = sh(container, "x=a; while :; do x=$x$x; done")
    it.limit_memory(16 << 20)
    it.start()
    status = it.exited(60)
    assert status.oom_killed == 1
    assert status.exit_code == 137 or status.exit_code == 1


def test_killed_but_not_by_the_oom_killer(container):
    it = container("sleep", "1000")
    it.limit_memory(16 << 20)
    it.start()
    it.started()
    it.connection.signal(signal.SIGKILL)
    assert it.exited().oom_killed == 0


def may_lower_oom_score():
    effective = re.search(r"CapEff:\t(\w+)", pathlib.Path("/proc/self/status").read_text()).group(1)
    return int(effective, 16) >> 24 & 1


def test_the_shim_is_protected_and_the_container_is_not(container):
    it = container("sleep", "1000")
    it.config["process"].pop("oomScoreAdj", None)
    it.start()
    pid = it.started().pid
    if may_lower_oom_score():
        assert pathlib.Path(f"/proc/{it.process.pid}/oom_score_adj").read_text() == "-999\n"
    assert pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text() == "0\n"


# ---- logs ------------------------------------------------------------------------------------------------------------------------

def docker_log_text(data):
    """How Docker writes a container's bytes into "log"."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    out = json.dumps(text, ensure_ascii=False)[1:-1]
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"),
                              ("\\t", "\\u0009"), ("\\b", "\\u0008"), ("\\f", "\\u000c"), ("\ufffd", "\\ufffd")):
        out = out.replace(character, escape)
    return out


@pytest.mark.parametrize("data", [
    b"plain\n", b"no newline", b"\n\n", b"tab\tquote\"back\\slash/\n", b"<a href=\"x\">&amp;</a>\n", bytes(range(1, 32)) + b"\x7f\n",
    "zażółć 漢字 😀 \u2028\u2029\n".encode(), b"bad \xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80 end\n", b"cut \xe6\xbc\n", b"\0zero\0\n"])
def test_log_bytes(container, data):
    it = container("cat", "/data")
    (it.layers / "1" / "data").write_bytes(data)
    it.start()
    it.exited()
    lines = (it.state / "container.log").read_bytes().decode().splitlines()
    for line, expected in zip(lines, data.split(b"\n")[:-1] if data.endswith(b"\n") else [data], strict=True):
        newline = "\\n" if data.endswith(b"\n") else ""
        # each wrong byte is one U+FFFD, as Go decodes it
        want = "".join(docker_log_text(part) for part in split_wrong(expected)) + newline
        head, time_text = line.split('","stream":"stdout","time":"')
        assert head == '{"log":"' + want
        assert time_text.endswith('Z"}') and not time_text.split(".")[-1].startswith("0Z")


def split_wrong(data):
    """Text as it decodes, and one U+FFFD for each byte that is no part of a character."""
    while data:
        try:
            yield data.decode()
            return
        except UnicodeDecodeError as error:
            yield data[:error.start].decode()
            yield "\ufffd"
            data = data[error.start + 1:]


@pytest.mark.parametrize("size", [16383, 16384, 16385, 32768, 50000, 200000])
def test_long_lines_are_logged_in_pieces(container, size):
    it = container("cat", "/data")
    line = "".join(chr(ord("a") + i % 26) for i in range(size))
    (it.layers / "1" / "data").write_text(line + "\nnext\n")
    it.start()
    it.exited()
    entries = it.log_entries()
    pieces = [entry["log"] for entry in entries[:-1]]
    assert "".join(pieces) == line + "\n"
    assert all(len(piece) == 16384 for piece in pieces[:-1])
    assert len({entry["time"] for entry in entries[:-1]}) == 1
    assert entries[-1]["log"] == "next\n"


def test_pieces_do_not_split_characters(container):
    it = container("cat", "/data")
    line = "漢字x😀" * 10000
    (it.layers / "1" / "data").write_text(line + "\n")
    it.start()
    it.exited()
    assert it.logged() == line + "\n"


@pytest.mark.parametrize("max_size", [0, 100000])
def test_numbered_lines_under_load(container, max_size):
    """Rotation keeps what is last and loses nothing in between; the attached reader gets every byte."""
    count = 100000
    it = container("seq", "1", str(count))
    it.options.update({"log-max-size": max_size, "log-max-files": 50 if max_size else 1})
    it.start(attach=(True, True))
    out, err = it.connection.output()
    it.exited()
    expected = "".join(f"{i}\n" for i in range(1, count + 1))
    assert (out.decode(), err) == (expected, b"")
    logged = it.logged()
    assert logged and expected.endswith(logged)
    if max_size:
        assert len(it.log_files()) == 50
        assert all(max_size <= file.stat().st_size < max_size + 200 for file in it.log_files()[:-1])
    else:
        assert logged == expected
    times = [entry["time"] for entry in it.log_entries()]
    assert len(set(times)) == len(times)


@pytest.mark.parametrize("files", [1, 2, 3])
def test_rotation_keeps_so_many_files(container, files):
    it = container("seq", "1", "3000")
    it.options.update({"log-max-size": 5000, "log-max-files": files})
    it.start()
    it.exited()
    assert len(list(it.state.glob("container.log*"))) == files
    assert "".join(f"{i}\n" for i in range(1, 3001)).endswith(it.logged())


def test_a_second_start_continues_the_log(container):
    it = sh(container, "echo one").start()
    it.exited()
    it.wait()
    with open(it.state / "container.log", "ab") as log:
        log.write(b'{"log":"torn by a power cu')
    it.start()
    it.exited()
    lines = (it.state / "container.log").read_bytes().splitlines()
    assert [json.loads(line)["log"] for line in (lines[0], lines[2])] == ["one\n", "one\n"]


def test_no_log(container):
    it = container("seq", "1", "100000")
    it.options["log-driver"] = "none"
    it.start()
    it.connection.attach()
    out, _ = it.connection.output()
    assert it.exited().exit_code == 0
    assert out.endswith(b"\n100000\n")
    assert not (it.state / "container.log").exists()


def test_an_unprivileged_user_may_reopen_its_output(container):
    it = sh(container, "echo a > /dev/stdout; echo b > /dev/stderr")
    it.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    it.start()
    it.exited()
    assert (it.logged(), it.logged("stderr")) == ("a\n", "b\n")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_full_disk(container, small_disk):
    """The container goes on, the exit status is on record, and what was dropped is said when there is room."""
    it = sh(container, "trap 'go=1' USR1; echo begin; while [ -z $go ]; do usleep 10000; done; seq 1 20000; "
            "while [ $go = 1 ]; do usleep 10000; done; echo end; exit 3")
    it.config["process"]["args"][2] = it.config["process"]["args"][2].replace("go=1' USR1", "go=1' USR1; trap 'go=2' USR2")
    shutil.rmtree(it.state)
    it.state = small_disk / "state"
    it.state.mkdir()
    upper = it.top / "root"
    for name in ("upper", "work"):
        (upper / name).mkdir(parents=True)
    it.options.update(upper=upper / "upper", work=upper / "work")
    it.start()
    it.started()
    kedge.wait_for(lambda: it.logged() == "begin\n")
    ballast = small_disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
        except OSError:
            pass
    it.connection.attach()
    it.connection.signal(signal.SIGUSR1)
    seen = b""
    while not seen.endswith(b"20000\n"):
        seen += it.connection.expect(shim.OUTPUT)[1:]
    assert "20000" not in it.logged()
    ballast.write_bytes(b"")
    it.connection.signal(signal.SIGUSR2)
    assert it.exited().exit_code == 3
    note = it.logged("stderr")
    assert "were not logged" in note and "o space" in note
    lines = it.logged().split()
    kept = [int(line) for line in lines[1:-1]]
    assert kept == list(range(1, len(kept) + 1))
    assert str(20000 - len(kept)) in note
    assert lines[-1] == "end"


def test_disk_full_at_the_end(container, small_disk):
    it = sh(container, "sleep 0.5; exit 9")
    shutil.rmtree(it.state)
    it.state = small_disk / "state"
    it.state.mkdir()
    for name in ("upper", "work"):
        (it.top / name).mkdir()
    it.options.update(upper=it.top / "upper", work=it.top / "work")
    it.start()
    it.started()
    it.connection.close()
    with open(small_disk / "ballast", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    it.wait()
    assert it.exit_record().exit_code == 9


# ---- attached readers ------------------------------------------------------------------------------------------------------------

def test_attach_sees_the_first_byte(container):
    it = sh(container, "echo out; echo err >&2").start(attach=(True, True))
    assert it.connection.output() == (b"out\n", b"err\n")
    assert it.exited().exit_code == 0


def test_attach_to_one_stream(container):
    it = sh(container, "echo out; echo err >&2; sleep 0.1")
    it.start(attach=(False, True))
    messages = [message for message in it.connection.closed() if message[0] == shim.OUTPUT]
    assert b"".join(data[1:] for _, data in messages) == b"err\n"
    assert all(data[0] == 2 for _, data in messages)


def test_attach_after_the_end_of_a_stream(container):
    it = sh(container, "exec >&- 2>&-; sleep 1000").start()
    it.started()
    time.sleep(0.3)
    it.connection.attach()
    assert it.connection.output() == (b"", b"")
    it.connection.signal(signal.SIGKILL)
    it.exited()


def test_a_slow_reader_gets_everything(container):
    """The container waits for it as on a pipe; so does the log."""
    it = container("seq", "1", "300000")
    it.start()
    slow, fast = it.connect(), it.connection
    slow.expect(shim.STATUS)
    slow.attach()
    it.started()
    time.sleep(1)
    assert it.process.poll() is None
    out = b""
    while True:
        data = slow.expect(shim.OUTPUT)
        if data == b"\x01":  # the end of standard output; that of standard error may come before it
            break
        out += data[1:]
        time.sleep(0.002)
    expected = "".join(f"{i}\n" for i in range(1, 300001)).encode()
    assert expected.endswith(out) and len(out) > len(expected) - 200000
    assert fast.expect(shim.EXITED).exit_code == 0
    assert it.logged().encode() == expected


def test_a_reader_that_stalls_is_dropped(container):
    it = container("seq", "1", "300000")
    it.start()
    stalled = it.connect()
    stalled.expect(shim.STATUS)
    stalled.attach()
    begin = time.monotonic()
    assert it.exited(60).exit_code == 0
    assert time.monotonic() - begin > shim.STALL_SECONDS - 1
    assert it.logged() == "".join(f"{i}\n" for i in range(1, 300001))


def test_the_end_is_told_while_a_reader_is_slow(container):
    """What is in the pipe when init is killed still reaches the reader and the log."""
    it = sh(container, "yes & sleep 1; exit 4").start()
    slow = it.connect()
    slow.expect(shim.STATUS)
    slow.attach()
    assert it.exited().exit_code == 4
    time.sleep(0.5)
    out, _ = slow.output()
    assert slow.expect(shim.EXITED).exit_code == 4
    it.wait()
    logged = it.logged()
    assert len(out) > 100000 and logged.endswith(out.decode())
    assert it.remains() == []


# ---- commands in the container ----------------------------------------------------------------------------------------------------

@runtimes
def test_exec(container, runtime):
    it = container("sleep", "1000", runtime=runtime).start()
    it.started()
    for number, (script, code, output) in enumerate([("echo hi; echo oh >&2", 0, b"hi\noh\n"), ("exit 7", 7, b""), ("kill -9 $$", 137, b"")]):
        it.connection.exec(number, it.process_file("sh", "-c", script), 5000)
        assert it.connection.exec_result() == (number, code, False, output)


@runtimes
def test_exec_that_cannot_start(container, runtime):
    it = container("sleep", "1000", runtime=runtime).start()
    it.started()
    it.connection.exec(1, it.process_file("nope"), 5000)
    number, code, timed_out, output = it.connection.exec_result()
    assert (number, code, timed_out) == (1, -1, False) and b"nope" in output
    it.connection.exec(2, "/no/such/file", 5000)
    number, code, timed_out, output = it.connection.exec_result()
    assert (number, code) == (2, -1) and output


def test_exec_times_out(container):
    it = container("sleep", "1000").start()
    it.started()
    begin = time.monotonic()
    it.connection.exec(1, it.process_file("sh", "-c", "echo partial; sleep 1000"), 500)
    assert it.connection.exec_result() == (1, 137, True, b"partial\n")
    assert time.monotonic() - begin > 0.4


def test_exec_output_is_bounded(container):
    it = container("sleep", "1000").start()
    it.started()
    it.connection.exec(1, it.process_file("seq", "1", "100000"), 20000)
    number, code, timed_out, output = it.connection.exec_result()
    assert (code, timed_out) == (0, False)
    assert output == "".join(f"{i}\n" for i in range(1, 100001)).encode()[:shim.EXEC_OUTPUT_MAX]


def test_many_execs_at_a_time(container):
    it = container("sleep", "1000").start()
    it.started()
    for number in range(20):
        it.connection.exec(number, it.process_file("sh", "-c", f"sleep 1; exit {number}"), 30000)
    results = {}
    while len(results) < 20:
        number, code, timed_out, output = it.connection.exec_result()
        results[number] = code
        assert code != -1 or b"too many" in output
    refused = [number for number, code in results.items() if code == -1]
    assert len(refused) == 4
    assert all(code == number for number, code in results.items() if code != -1)


def test_the_container_ends_during_an_exec(container):
    it = container("sleep", "1000").start()
    it.started()
    it.connection.exec(1, it.process_file("sleep", "1000"), 0)
    time.sleep(0.5)
    it.connection.signal(signal.SIGKILL)
    number, code, timed_out, _ = it.connection.exec_result()
    assert number == 1 and code in (137, -1) and not timed_out
    assert it.exited().exit_code == 137


def test_exec_outlives_the_client(container):
    it = container("sleep", "1000").start()
    it.started()
    it.connection.exec(1, it.process_file("sh", "-c", "sleep 0.5; echo done > /file"), 10000)
    it.connection.close()
    kedge.wait_for(lambda: (it.state / "upper" / "file").exists())
    again = it.connect()
    again.expect(shim.STATUS)
    again.exec(2, it.process_file("true"), 5000)
    assert again.exec_result()[:2] == (2, 0)


# ---- size ------------------------------------------------------------------------------------------------------------------------

def private_kb(pid):
    fields = dict(line.split(":") for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty"))


def test_private_memory(container):
    """With 20 beside one another, each having logged a megabyte and answered an exec."""
    many = [sh(container, "yes 0123456789012345678901234567890123456789 | head -c 1000000; sleep 1000").start() for _ in range(20)]
    for it in many:
        it.started()
    kedge.wait_for(lambda: all(sum(file.stat().st_size for file in it.log_files()) > 1000000 for it in many), 60)
    for it in many:
        it.connection.exec(1, it.process_file("true"), 20000)
    for it in many:
        assert it.connection.exec_result()[1] == 0
    time.sleep(1.5)
    sizes = sorted(private_kb(it.process.pid) for it in many)
    print("private kB:", sizes)
    assert sizes[-1] <= 64
