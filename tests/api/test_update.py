# SPDX-License-Identifier: Apache-2.0
"""Limits that are changed while a container runs: read back, felt, kept; what is refused leaves everything as it was."""
import time

import pytest

import kedge
from streams import Events
from test_limits import group_file

MEBI = 1 << 20


def update(daemon, identity, **body):
    return daemon.api.post(f"/containers/{identity}/update", body)


def refused(daemon, identity, **body):
    with pytest.raises(kedge.ApiError) as problem:
        update(daemon, identity, **body)
    return problem.value.status, problem.value.message


def host_config(daemon, identity):
    return daemon.inspect(identity)["HostConfig"]


def memory_and_sum(daemon, identity):
    memory = int(group_file(daemon, identity, "memory.max", "memory.limit_in_bytes"))
    version2 = group_file_or_none(daemon, identity, "memory.swap.max")
    return memory, memory + int(version2) if version2 else int(group_file(daemon, identity, "memory.memsw.limit_in_bytes"))


def group_file_or_none(daemon, identity, name):
    try:
        return group_file(daemon, identity, name)
    except AssertionError:
        return None


def test_every_limit(daemon):
    events = Events(daemon)
    identity = daemon.run_container(["sleep", "60"])
    answer = update(daemon, identity, Memory=64 * MEBI, MemorySwap=96 * MEBI, MemoryReservation=32 * MEBI, CpuShares=512, CpuPeriod=50000,
                    CpuQuota=25000, CpusetCpus="0", CpusetMems="0", PidsLimit=20, BlkioWeight=300,
                    RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 4})
    assert answer == {"Warnings": []}

    def check():
        assert memory_and_sum(daemon, identity) == (64 * MEBI, 96 * MEBI)
        assert group_file(daemon, identity, "memory.low", "memory.soft_limit_in_bytes") == str(32 * MEBI)
        assert group_file(daemon, identity, "cpu.shares", "cpu.weight") in ("512", "20")
        assert group_file(daemon, identity, "cpu.max", "cpu.cfs_quota_us") in ("25000 50000", "25000")
        assert group_file(daemon, identity, "cpu.max", "cpu.cfs_period_us") in ("25000 50000", "50000")
        assert group_file(daemon, identity, "cpuset.cpus") == "0" and group_file(daemon, identity, "cpuset.mems") == "0"
        assert group_file(daemon, identity, "pids.max") == "20"
        assert "300" in group_file(daemon, identity, "blkio.weight", "blkio.bfq.weight", "io.bfq.weight", "io.weight")
        config = host_config(daemon, identity)
        assert (config["Memory"], config["MemorySwap"], config["MemoryReservation"]) == (64 * MEBI, 96 * MEBI, 32 * MEBI)
        assert (config["CpuShares"], config["CpuPeriod"], config["CpuQuota"], config["CpusetCpus"]) == (512, 50000, 25000, "0")
        assert (config["PidsLimit"], config["BlkioWeight"]) == (20, 300)
        assert config["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 4}
    check()
    kedge.wait_for(lambda: events.of(identity) == ["create", "start", "update"])
    daemon.restart()
    check()
    daemon.api.post(f"/containers/{identity}/restart?t=0")  # the next start has them, too
    check()
    events.close()


def test_memory_in_both_directions(box):
    """On version 1 memory must never be more than memory and swap together, not even between two writes."""
    identity = box.run_container(["sleep", "60"], host={"Memory": 64 * MEBI, "MemorySwap": 64 * MEBI})
    for memory, both in ((128, 128), (256, 512), (32, 40), (300, 300), (16, 600), (16, 16)):
        update(box, identity, Memory=memory * MEBI, MemorySwap=both * MEBI)
        assert memory_and_sum(box, identity) == (memory * MEBI, both * MEBI)
    update(box, identity, MemorySwap=-1)
    assert host_config(box, identity)["MemorySwap"] == -1
    update(box, identity, Memory=MEBI * 1000)  # any memory fits below no limit
    assert group_file(box, identity, "memory.max", "memory.limit_in_bytes") == str(1000 * MEBI)
    update(box, identity, MemorySwap=2000 * MEBI)
    assert memory_and_sum(box, identity) == (1000 * MEBI, 2000 * MEBI)


def test_cpus_are_felt(box):
    identity = box.run_container(["sh", "-c", "while :; do :; done"])
    update(box, identity, NanoCpus=100000000)
    assert group_file(box, identity, "cpu.max", "cpu.cfs_quota_us") in ("10000 100000", "10000")

    def used():
        return box.api.get(f"/containers/{identity}/stats?stream=0&one-shot=1")["cpu_stats"]["cpu_usage"]["total_usage"]
    before, begin = used(), time.monotonic_ns()
    time.sleep(2)
    assert (used() - before) / (time.monotonic_ns() - begin) < 0.2


def test_a_lower_memory_limit_is_felt(box):
    script = "echo up; while [ ! -e /go ]; do usleep 20000; done; tail -c 60m /dev/zero; echo got $?; sleep 60"
    identity = box.run_container(["sh", "-c", script], host={"Memory": 256 * MEBI, "MemorySwap": 256 * MEBI})
    kedge.wait_for(lambda: "up" in box.log_text(identity))
    update(box, identity, Memory=16 * MEBI, MemorySwap=16 * MEBI)
    open(f"/proc/{box.inspect(identity)['State']['Pid']}/root/go", "w").close()
    kedge.wait_for(lambda: "got 137" in box.log_text(identity))


def test_pids_are_felt_and_freed_again(box):
    identity = box.run_container(["sh", "-c", "while :; do /bin/true && echo fine || echo none; usleep 50000; done"])
    kedge.wait_for(lambda: "fine" in box.log_text(identity))
    update(box, identity, PidsLimit=1)
    kedge.wait_for(lambda: "fork" in box.log_text(identity) or "none" in box.log_text(identity))
    identity = box.run_container(["sleep", "60"], host={"PidsLimit": 5})
    update(box, identity, PidsLimit=-1)
    assert group_file(box, identity, "pids.max") == "max"
    update(box, identity, CpuShares=100)  # what is not named stays
    assert host_config(box, identity)["PidsLimit"] == -1


def test_a_stopped_and_a_paused_one(box):
    made = box.create(["sleep", "60"])
    update(box, made, Memory=48 * MEBI)
    box.start_container(made)
    assert group_file(box, made, "memory.max", "memory.limit_in_bytes") == str(48 * MEBI)
    box.api.post(f"/containers/{made}/pause")
    update(box, made, Memory=40 * MEBI)
    assert group_file(box, made, "memory.max", "memory.limit_in_bytes") == str(40 * MEBI)
    assert box.inspect(made)["State"]["Paused"]


def test_the_policy_acts(box):
    identity = box.run_container(["sh", "-c", "echo run; sleep 0.5; exit 1"])
    update(box, identity, RestartPolicy={"Name": "always"})
    kedge.wait_for(lambda: box.log_text(identity).count("run") >= 2)
    update(box, identity, RestartPolicy={"Name": "no"})
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == "exited")


def test_what_is_refused(box):
    identity = box.run_container(["sleep", "60"], host={"Memory": 64 * MEBI})
    before = host_config(box, identity)
    assert before["MemorySwap"] == 128 * MEBI  # as Docker: as much swap again
    status, message = refused(box, identity, Memory=256 * MEBI)
    assert status == 409 and message == (f"Cannot update container {identity}: Memory limit should be smaller than already set memoryswap "
                                         "limit, update the memoryswap at the same time")
    assert refused(box, identity, Memory=1000)[0] == 400
    assert refused(box, identity, CpusetCpus="0-999")[0] == 400
    assert refused(box, identity, RestartPolicy={"Name": "sometimes"})[0] == 400
    assert refused(box, identity, PidsLimit="many")[0] == 400
    assert refused(box, identity, KernelMemory=64 * MEBI)[0] == 501
    assert refused(box, identity, Memory="x")[0] == 400
    assert host_config(box, identity) == before
    quota = box.create(["true"], host={"CpuQuota": 20000})
    assert refused(box, quota, NanoCpus=10 ** 8)[1].endswith("Nano CPUs cannot be updated as CPU Quota has already been set")
    cpus = box.create(["true"], host={"NanoCpus": 10 ** 8})
    assert refused(box, cpus, CpuPeriod=20000)[1].endswith("CPU Period cannot be updated as NanoCPUs has already been set")
    going = box.create(["true"], host={"AutoRemove": True})
    assert refused(box, going, RestartPolicy={"Name": "always"})[0] == 409
    with pytest.raises(kedge.ApiError) as problem:
        update(box, "nobody", Memory=64 * MEBI)
    assert problem.value.status == 404


def test_what_the_kernel_refuses_undoes_the_rest(box):
    identity = box.run_container(["sh", "-c", "mkdir -p /dev/shm; head -c 40m /dev/zero > /dev/shm/x; echo full; sleep 60"],
                                 host={"Memory": 200 * MEBI, "MemorySwap": 200 * MEBI, "CpuShares": 300, "Tmpfs": {"/dev/shm": "size=64m"}})
    kedge.wait_for(lambda: "full" in box.log_text(identity))
    if group_file_or_none(box, identity, "memory.max"):
        pytest.skip("version 2 kills instead of refusing")
    status, message = refused(box, identity, Memory=8 * MEBI, MemorySwap=8 * MEBI, CpuShares=700)
    assert status >= 400 and "memory" in message
    assert memory_and_sum(box, identity) == (200 * MEBI, 200 * MEBI)
    assert group_file(box, identity, "cpu.shares", "cpu.weight") == "300"
    assert (host_config(box, identity)["Memory"], host_config(box, identity)["CpuShares"]) == (200 * MEBI, 300)


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_by_the_command_lines(box, program):
    client = getattr(box, program)
    one = box.run_container(["sleep", "60"], name="one")
    box.create(["true"], name="two")
    words = ["--memory", "65536k", "--memory-swap", "1g", "--cpus", "0.5", "--cpu-shares", "200", "--pids-limit", "30",
             "--restart", "on-failure:3", "--cpuset-cpus", "0", "--memory-reservation", "33554432b", "--blkio-weight", "200"]
    assert client("update", *words, "one", "two").out == "one\ntwo\n"
    for name in ("one", "two"):
        config = host_config(box, name)
        assert (config["Memory"], config["MemorySwap"], config["MemoryReservation"]) == (64 * MEBI, 1024 * MEBI, 32 * MEBI)
        assert (config["NanoCpus"], config["CpuShares"], config["PidsLimit"], config["CpusetCpus"]) == (500000000, 200, 30, "0")
        assert config["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert memory_and_sum(box, one) == (64 * MEBI, 1024 * MEBI)
    done = client("container", "update", "--memory", "2g", "one", check=False)
    assert done.returncode == 1 and "update the memoryswap at the same time" in done.err
