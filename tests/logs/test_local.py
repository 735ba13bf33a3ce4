# SPDX-License-Identifier: Apache-2.0
"""Log driver local: compressed blocks, lines gathered before they are written; read as any other log, and none is lost by a kill."""
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

import kedge

COUNT = int(os.environ.get("KEDGE_LOG_LINES", "60000" if kedge.SOAK else "6000"))
WAITS = "while [ ! -e /go ]; do usleep 10000; done; "


def local(**options):
    return {"LogConfig": {"Type": "local", "Config": {key.replace("_", "-"): value for key, value in options.items()}}}


def state_of(box, identity):
    return box.store / "containers" / identity


def gathered_of(box, identity):
    return box.run_directory / "containers" / identity / "gathered"


def go(box, identity, name="go"):
    (pathlib.Path(f"/proc/{box.inspect(identity)['State']['Pid']}/root") / name).touch()


def shim_of(box, identity):
    status = pathlib.Path(f"/proc/{box.inspect(identity)['State']['Pid']}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))


def logs(box, identity, *words):
    result = subprocess.run([str(kedge.BIN / "kedge"), "--host", f"unix://{box.socket}", "logs", *words, identity], capture_output=True, check=True)
    return result.stdout.decode(), result.stderr.decode()


# ---- reading ----------------------------------------------------------------------------------------------------------------------

BOTH = ["sh", "-c", "for i in $(seq 900); do echo out $i; [ $((i % 3)) = 0 ] && echo err $i >&2; done; echo -n unfinished"]


@pytest.mark.parametrize("limits", [{}, {"max_size": "8k", "max_file": "3"}, {"max_size": "8k", "max_file": "1"}, {"max_size": "8k", "max_file": "3", "compress": "false"}])
def test_it_reads_as_json_file_does(box, limits):
    """The same lines in both drivers, by the same limits: what is asked for comes out of both alike."""
    of_json = {key.replace("_", "-"): value for key, value in limits.items() if key != "compress"}
    plain = box.run_container(["sh", "-c", "for i in $(seq 900); do echo out $i; done"], host={"LogConfig": {"Type": "json-file", "Config": of_json}})
    blocks = box.run_container(["sh", "-c", "for i in $(seq 900); do echo out $i; done"], host=local(**limits))
    assert box.wait(plain) == box.wait(blocks) == 0
    kept = min(len(logs(box, plain)[0].splitlines()), len(logs(box, blocks)[0].splitlines()))
    assert kept == 900 if not limits else kept < 900
    for tail in (0, 1, 7, kept - 1):
        expected = "".join(f"out {i}\n" for i in range(901 - tail, 901))
        assert logs(box, plain, "--tail", str(tail))[0] == logs(box, blocks, "--tail", str(tail))[0] == expected
    whole = logs(box, blocks)[0].splitlines()
    assert whole == [f"out {i}" for i in range(901 - len(whole), 901)]


def test_streams_times_and_an_unfinished_line(box):
    identity = box.run_container(BOTH, host=local(max_size="20k", max_file="5"))
    box.wait(identity)
    out, err = logs(box, identity)
    assert out == "".join(f"out {i}\n" for i in range(1, 901)) + "unfinished"
    assert err == "".join(f"err {i}\n" for i in range(3, 901, 3))
    stamped = [line.split(" ", 1) for line in logs(box, identity, "--timestamps")[0].splitlines()]
    assert [text for _, text in stamped[:2]] == ["out 1", "out 2"] and [it for it, _ in stamped] == sorted(it for it, _ in stamped)
    middle, last = stamped[400][0], stamped[500][0]
    assert [line for line in logs(box, identity, "--since", middle, "--until", last)[0].splitlines()] == [text for _, text in stamped[400:501]]
    assert box.inspect(identity)["LogPath"] == "" and box.inspect(identity)["HostConfig"]["LogConfig"]["Type"] == "local"


def test_a_follower_sees_lines_that_are_in_no_file_yet(box):
    identity = box.run_container(["sh", "-c", "echo first; " + WAITS + "echo second; " + WAITS.replace("/go", "/on") + "echo third"], host=local())
    log = state_of(box, identity) / "container.log"
    follower = subprocess.Popen([str(kedge.BIN / "kedge"), "--host", f"unix://{box.socket}", "logs", "--follow", identity], stdout=subprocess.PIPE)
    assert follower.stdout.readline() == b"first\n"
    go(box, identity)
    assert follower.stdout.readline() == b"second\n"
    assert log.stat().st_size == 8 and gathered_of(box, identity).stat().st_size > 100  # and it was written for nobody's sake
    go(box, identity, "on")
    assert follower.stdout.read() == b"third\n" and follower.wait() == 0
    assert log.stat().st_size > 8


def test_a_follower_loses_nothing_over_rotations(box):
    identity = box.run_container(["sh", "-c", WAITS + f"for i in $(seq {COUNT}); do echo line $i; done"], host=local(max_size="300k", max_file="20"))
    follower = subprocess.Popen([str(kedge.BIN / "kedge"), "--host", f"unix://{box.socket}", "logs", "--follow", identity], stdout=subprocess.PIPE)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(follower.stdout.read()))
    reader.start()
    go(box, identity)
    box.wait(identity)
    reader.join(60)
    assert heard[0].decode().splitlines() == [f"line {i}" for i in range(1, COUNT + 1)]
    assert len(list(state_of(box, identity).glob("container.log*"))) > 1


def test_attach_with_logs(box):
    identity = box.run_container(["sh", "-c", "echo one; echo two; " + WAITS + "echo three"], host=local())
    kedge.wait_for(lambda: len(box.log_text(identity).splitlines()) == 2, 20)
    answer = []
    client = threading.Thread(target=lambda: answer.append(box.api.raw("POST", f"/containers/{identity}/attach?logs=1&stream=1&stdout=1&stderr=1")[1]))
    client.start()
    go(box, identity)
    client.join(30)
    frames = b"".join(b"\1\0\0\0" + len(text).to_bytes(4, "big") + text for text in (b"one\n", b"two\n", b"three\n"))
    assert answer == [frames]


# ---- what is on the disk ----------------------------------------------------------------------------------------------------------

LINE = "2026-11-23 13:50:00 level=info msg=\\\"request handled\\\" path=/api/v1/things took"


def test_it_is_compressed_and_bounded(box):
    def stored(**options):
        identity = box.run_container(["sh", "-c", f"for i in $(seq {COUNT}); do echo \"{LINE}=$i\"; done"], host=local(**options))
        box.wait(identity)
        assert len(logs(box, identity, "--tail", "10")[0].splitlines()) == 10
        return [it.stat().st_size for it in state_of(box, identity).glob("container.log*")]
    packed, plain = stored(), stored(compress="false")
    assert len(packed) == len(plain) == 1 and packed[0] * 6 < plain[0]
    small = stored(max_size="100k", max_file="2", compress="false")
    assert len(small) == 2 and sum(small) < 2 * 100 * 1024 + 64 * 1024


def test_few_writes(box):
    """Nothing is written before a block is full, or a minute over."""
    identity = box.run_container(["sh", "-c", "for i in $(seq 400); do echo line $i; done; " + WAITS + f"for i in $(seq {COUNT}); do echo line $i; done"], host=local())
    log = state_of(box, identity) / "container.log"
    kedge.wait_for(lambda: len(box.log_text(identity).splitlines()) == 400, 30)
    assert log.stat().st_size == 8 and gathered_of(box, identity).stat().st_size > 400 * 60
    go(box, identity)
    box.wait(identity)
    assert 8 < log.stat().st_size < COUNT * 60 // 5
    assert len(box.log_text(identity).splitlines()) == 400 + COUNT


def private_kb(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))


def test_the_shim_stays_small(box):
    """Also one that has compressed: what it took goes back when it is quiet. Its program is in memory that all shims share."""
    box.run_container(["sleep", "1000"], host=local())
    identity = box.run_container(["sh", "-c", f"for i in $(seq {COUNT}); do echo \"{LINE}=$i\"; done; sleep 1000"], host=local())
    kedge.wait_for(lambda: len(box.log_text(identity).splitlines()) == COUNT, 60)
    assert (state_of(box, identity) / "container.log").stat().st_size > 8
    if not os.environ.get("KEDGE_SANITIZED") and "sanitize" not in str(kedge.BIN):
        kedge.wait_for(lambda: private_kb(shim_of(box, identity)) <= 100, 20)


# ---- kills ------------------------------------------------------------------------------------------------------------------------

def test_a_killed_shim_loses_no_line(box):
    identity = box.run_container(["sh", "-c", f"for i in $(seq {COUNT - 1}); do echo line $i; done; {WAITS} echo line {COUNT}; sleep 1000"], host=local())
    kedge.wait_for(lambda: len(box.log_text(identity).splitlines()) == COUNT - 1, 60)
    go(box, identity)
    kedge.wait_for(lambda: len(box.log_text(identity).splitlines()) == COUNT, 60)
    assert gathered_of(box, identity).exists()
    os.kill(shim_of(box, identity), signal.SIGKILL)
    box.wait(identity)
    kedge.wait_for(lambda: not gathered_of(box, identity).exists(), 20)
    expected = [f"line {i}" for i in range(1, COUNT + 1)]
    assert logs(box, identity)[0].splitlines() == expected
    assert logs(box, identity, "--tail", "3")[0].splitlines() == expected[-3:]
    box.start_container(identity)
    kedge.wait_for(lambda: len(box.log_text(identity).splitlines()) == 2 * COUNT, 60)
    assert logs(box, identity)[0].splitlines() == 2 * expected
    assert not (state_of(box, identity) / "gathered").exists()


def test_a_killed_kedged_loses_no_line(box):
    identity = box.run_container(["sh", "-c", WAITS + f"for i in $(seq {COUNT}); do echo line $i; done"], host=local(max_size="100k", max_file="100"))
    pid = box.inspect(identity)["State"]["Pid"]
    box.kill()
    (pathlib.Path(f"/proc/{pid}/root") / "go").touch()
    box.start()
    box.wait(identity)
    assert logs(box, identity)[0].splitlines() == [f"line {i}" for i in range(1, COUNT + 1)]


def test_damage_is_told_and_nothing_else_is_lost(box):
    identity = box.run_container(["sh", "-c", f"for i in $(seq {COUNT}); do echo line $i; done"], host=local())
    box.wait(identity)
    with open(state_of(box, identity) / "container.log", "r+b") as log:
        log.seek(200)
        log.write(b"damage")
    out, err = logs(box, identity)
    lost = int(err.split("kedge: ")[1].split()[0])
    assert "lines of this log cannot be read: its file is damaged" in err and 0 < lost < COUNT
    assert out.splitlines() == [f"line {i}" for i in range(lost + 1, COUNT + 1)]
    assert logs(box, identity, "--tail", "2") == (f"line {COUNT - 1}\nline {COUNT}\n", "")


# ---- for all containers -----------------------------------------------------------------------------------------------------------

def test_as_the_daemons_driver(tmp_path):
    config = tmp_path / "kedged.yaml"
    config.write_text("engine:\n  logDriver: local\n  logOptions: { max-size: 8k, max-file: \"2\" }\n")
    daemon = kedge.Daemon(options=["--config", str(config)])
    try:
        daemon.start().load_busybox()
        identity = daemon.run_container(["sh", "-c", "for i in $(seq 900); do echo line $i; done"])
        daemon.wait(identity)
        assert daemon.api.get("/info")["LoggingDriver"] == "local"
        assert daemon.inspect(identity)["HostConfig"]["LogConfig"] == {"Type": "local", "Config": {"max-size": "8k", "max-file": "2"}}
        lines = daemon.log_text(identity).splitlines()
        assert lines == [f"line {i}" for i in range(901 - len(lines), 901)] and 100 < len(lines) < 900
    finally:
        daemon.close()
