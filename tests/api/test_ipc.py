# SPDX-License-Identifier: Apache-2.0
"""Two containers that talk: System V and POSIX shared memory, semaphores and message queues (tests/probe/ipc.c) in each of --ipc's modes,
named pipes and sockets in what both have mounted."""
import os
import shutil
import subprocess

import pytest

import kedge

PROBE = kedge.BUILD / "tests" / "probe" / "ipc"
MEANS = ["System V memory", "POSIX memory", "System V messages", "POSIX messages", "System V semaphore", "POSIX semaphore"]
KEY, NAME = str(0x6b000000 + os.getpid()), f"/kedge-test-{os.getpid()}"  # also in the host's namespace


@pytest.fixture(scope="module", autouse=True)
def image(shared_daemon, tmp_path_factory):
    layer = tmp_path_factory.mktemp("layer")
    shutil.copy(PROBE, layer / "ipc")
    return shared_daemon.load_busybox("ipc:test", layers=[layer])


def drop_hosts():
    subprocess.run([PROBE, "drop", KEY, NAME], check=True)


@pytest.fixture
def talk(box):
    """Starts an owner and a peer; gives what the peer, and what the owner says, the latter unless it waits for ever."""
    def run(owner_mode, peer_mode):
        owner = box.run_container(["/ipc", "owner", KEY, NAME], image="ipc:test", name="owner", host={"IpcMode": owner_mode})
        kedge.wait_for(lambda: "ready" in box.log_text(owner) or not box.inspect(owner)["State"]["Running"])
        peer = box.run_container(["/ipc", "peer", KEY, NAME], image="ipc:test", host={"IpcMode": peer_mode})
        assert box.wait(peer) == 0
        return lines(box, peer), lambda: (box.wait(owner), lines(box, owner))[1]
    drop_hosts()
    yield run
    drop_hosts()


def lines(box, identity):
    return dict(line.split(": ") for line in box.log_text(identity).splitlines() if ": " in line)


def expected(memory, other="from the peer"):
    return {name: memory if "memory" in name else "passed" if "semaphore" in name else other for name in MEANS}


@pytest.mark.parametrize("modes", [("shareable", "container:owner"), ("host", "host"), ("host", "container:owner")], ids=" ".join)
def test_everything_passes(talk, modes):
    peer, owner = talk(*modes)
    assert peer == expected("from the owner")
    assert owner() == expected("from the peer")


@pytest.mark.parametrize("modes", [("shareable", "private"), ("shareable", "shareable"), ("private", "private"), ("private", "host"), ("host", "private"),
                                   ("host", "shareable")], ids=" ".join)
def test_nothing_passes(talk, box, modes):
    peer, _ = talk(*modes)
    assert peer == dict.fromkeys(MEANS, "ENOENT")
    assert box.inspect("owner")["State"]["Running"]  # it waits still


def test_without_shared_memory_of_its_own(talk):
    """"none": there is no /dev/shm, and what is of the kernel alone is the container's own."""
    peer, _ = talk("shareable", "none")
    assert {name for name in MEANS if peer[name] == "ENOENT"} == set(MEANS)


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_by_the_command_line(box, program):
    if program == "docker" and not kedge.docker_major():
        pytest.skip("docker is not installed")
    run = getattr(box, program)
    owner = run("run", "-d", "--network", "none", "--ipc", "shareable", "--name", "it", "ipc:test", "/ipc", "owner", KEY, NAME).out.strip()
    kedge.wait_for(lambda: "ready" in box.log_text(owner))
    said = run("run", "--rm", "--network", "none", "--ipc", "container:it", "ipc:test", "/ipc", "peer", KEY, NAME).out
    assert dict(line.split(": ") for line in said.splitlines()) == expected("from the owner")
    assert box.wait(owner) == 0


# ---- files that are no files ----

PLACES = {"bind": lambda directory: {"Binds": [f"{directory}:/meet"]}, "volume": lambda directory: {"Binds": ["meet:/meet"]},
          "mounted volume": lambda directory: {"Mounts": [{"Type": "volume", "Source": "held", "Target": "/meet", "VolumeOptions": {
              "DriverConfig": {"Options": {"type": "tmpfs", "device": "tmpfs"}}}}]},
          "part of a volume": lambda directory: {"Mounts": [{"Type": "volume", "Source": "meet", "Target": "/meet", "VolumeOptions": {"Subpath": "in/it"}}]}}


@pytest.fixture(params=PLACES)
def place(request, box, tmp_path):
    box.api.post("/volumes/create", {"Name": "meet"})
    (box.store / "volumes" / "meet" / "_data" / "in" / "it").mkdir(parents=True)
    yield PLACES[request.param](tmp_path)
    box.remove_all()
    for volume in box.api.get("/volumes")["Volumes"]:
        box.api.delete("/volumes/" + volume["Name"])


def test_named_pipes(box, place):
    """One makes two pipes and reads a question, the other answers it: each blocks in open(2) until the other is there."""
    asked = box.run_container(["sh", "-c", "busybox mkfifo /meet/q /meet/a && echo made > /meet/made; read x < /meet/q; echo \"$x indeed\" > /meet/a"], host=place)
    asks = box.run_container(["sh", "-c", "until test -e /meet/made; do usleep 10000; done; echo is it > /meet/q; cat /meet/a"], host=place)
    assert box.wait(asks) == 0 == box.wait(asked)
    assert box.log_text(asks) == "is it indeed\n"


def test_sockets(box, place):
    listener = box.run_container(["/ipc", "listen", KEY, "/meet/socket"], image="ipc:test", host=place)
    kedge.wait_for(lambda: "ready" in box.log_text(listener))
    caller = box.run_container(["/ipc", "call", KEY, "/meet/socket"], image="ipc:test", host=place)
    assert box.wait(caller) == 0 == box.wait(listener)
    assert lines(box, caller) == {"socket": "from the owner"} and lines(box, listener) == {"socket": "from the peer"}
