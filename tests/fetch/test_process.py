# SPDX-License-Identifier: Apache-2.0
"""kedge-fetch as a process: its jail, its end, and that of those who started it."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

import kedge
from registries import Image, digest

SIZE = 2 << 20


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def stalled(fake, fetch):
    """A driver whose kedge-fetch hangs in the middle of a blob: (driver, pid of kedge-fetch)."""
    image = fake.add(Image([os.urandom(SIZE)]), "1")
    reached = []

    @fake.rule("/blobs/" + digest(image.layers[0]))
    def stall(handler, _):
        handler.reply(200, image.layers[0][:SIZE // 2], length=SIZE)
        handler.wfile.flush()
        reached.append(True)
        time.sleep(30)
    driver = fetch.start("pull", f"{fake.host}/a:1", stall=60)
    kedge.wait_for(lambda: reached and children(driver.pid))
    time.sleep(0.2)
    pid = children(driver.pid)[0]
    yield driver, pid
    driver.kill()
    driver.wait()


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())


def test_the_jail(stalled):
    _, pid = stalled
    status = status_of(pid)
    assert status["Uid"].split() == ["65534"] * 4 and status["Gid"].split() == ["65534"] * 4 and not status["Groups"].strip()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    if not os.environ.get("KEDGE_SANITIZED"):
        assert status["Seccomp"] == "2"
    for namespace in ("mnt", "ipc", "uts"):
        assert os.readlink(f"/proc/{pid}/ns/{namespace}") != os.readlink(f"/proc/self/ns/{namespace}")
    assert os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")


def test_the_root(stalled):
    _, pid = stalled
    mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    assert len(mounts) == 1
    fields = mounts[0].split()
    assert fields[4] == "/" and {"ro", "nosuid", "nodev", "noexec"} <= set(fields[5].split(","))
    assert sorted(os.listdir(f"/proc/{pid}/root")) == ["etc"]
    there = os.listdir(f"/proc/{pid}/root/etc")
    assert "resolv.conf" in there and set(there) <= {"resolv.conf", "hosts", "gai.conf", "host.conf", "services"}


def test_descriptors(stalled, fetch):
    """Nothing is open that was not handed over, made inside, or read before the jail."""
    _, pid = stalled
    files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    outside = [path for path in files if path.startswith("/") and not path.startswith(str(fetch.out))]
    assert set(outside) <= {"/dev/null", "/etc/ssl/certs/ca-certificates.crt"} | {os.readlink("/proc/self/fd/2")}, files


def test_secrets_are_not_in_the_command_line(fake, fetch):
    fake.add(Image([b"x"]), "1")
    fake.rule("/manifests/")(lambda handler, _: time.sleep(1))
    driver = fetch.start("pull", f"{fake.host}/a:1", username="tom", password="hunter2")
    pid = kedge.wait_for(lambda: children(driver.pid))[0]
    kedge.wait_for(lambda: fake.requests)
    for name in ("cmdline", "environ"):
        assert b"hunter2" not in pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    driver.kill()
    driver.wait()


def test_it_ends_with_who_started_it(stalled):
    driver, pid = stalled
    driver.kill()
    driver.wait()
    kedge.wait_for(lambda: not os.path.exists(f"/proc/{pid}"))


def test_its_end_is_told(stalled):
    driver, pid = stalled
    os.kill(pid, signal.SIGKILL)
    out, _ = driver.communicate(timeout=10)
    assert driver.returncode == 1
    assert "ended early: killed by signal 9 (KILL)" in out.splitlines()[-1]


def test_by_hand(fetch):
    text = subprocess.run([fetch.program, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert text.startswith("Usage: kedge-fetch") and "--user" in text
    assert subprocess.run([fetch.program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.startswith("kedge-fetch ")
    for arguments in ([], ["x"], ["--nonsense"]):
        done = subprocess.run([fetch.program, *arguments], stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and "error: " in done.stderr


def test_a_program_that_is_not_there(fetch):
    fetch.program = "/nonexistent/kedge-fetch"
    assert "could not start" in fetch("pull", "localhost:1/a:1").message
