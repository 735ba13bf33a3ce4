# SPDX-License-Identifier: Apache-2.0
"""Attached output: frames, every byte from the first on, slow readers, and the docker CLI on top of it."""
import hashlib
import time

import pytest

import kedge
from streams import Attached, Background, joined


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


def test_a_slow_reader_loses_nothing(box):
    identity = box.create(["sh", "-c", "head -c 8000000 /dev/zero | tr '\\0' x"])
    attached = Attached(box, identity)
    box.start_container(identity)
    time.sleep(1.5)
    begin = time.monotonic()
    assert box.api.raw("GET", "/_ping")[0] == 200 and time.monotonic() - begin < 0.5
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


def test_a_reader_of_a_killed_kedged_is_told(daemon):
    identity = daemon.run_container(["sh", "-c", "while :; do echo x; sleep 0.05; done"])
    reader = Background(Attached(daemon, identity).read_all)
    time.sleep(0.3)
    daemon.kill()
    assert joined(reader.result()).startswith(b"x\n")
    daemon.start()
    assert daemon.inspect(identity)["State"]["Running"]


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
