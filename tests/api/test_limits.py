# SPDX-License-Identifier: Apache-2.0
"""Limits, read back from the control groups and felt in the container."""
import pathlib
import time

import pytest

import kedge


def group_file(daemon, identity, *names):
    """The content of the first of these files in any of the container's control groups."""
    for name in names:
        for base in kedge.cgroup_directories(daemon.cgroup_parent):
            path = base / identity / name
            if path.exists():
                return path.read_text().strip()
    raise AssertionError(f"no {names} for {identity} below {daemon.cgroup_parent}")


def inside(daemon, identity, name):
    """The same as the container itself sees it, by its own mount of /sys/fs/cgroup."""
    pid = daemon.inspect(identity)["State"]["Pid"]
    root = pathlib.Path(f"/proc/{pid}/root/sys/fs/cgroup")
    for path in (root / name, *root.glob("*/" + name)):
        if path.exists():
            return path.read_text().strip()
    raise AssertionError(f"no {name} in {list(root.iterdir())}")


def test_memory_is_set_and_seen(box):
    identity = box.run_container(["sleep", "60"], host={"Memory": 64 << 20, "MemoryReservation": 32 << 20})
    assert group_file(box, identity, "memory.max", "memory.limit_in_bytes") == str(64 << 20)
    assert group_file(box, identity, "memory.low", "memory.soft_limit_in_bytes") == str(32 << 20)
    names = {"memory.max", "memory.limit_in_bytes"}
    assert any(value == str(64 << 20) for name in names for value in [try_inside(box, identity, name)])


def try_inside(daemon, identity, name):
    try:
        return inside(daemon, identity, name)
    except AssertionError:
        return None


def test_memory_is_felt(box):
    identity = box.run_container(["sh", "-c", "head -c 200m /dev/zero | tail -c 150m > /dev/null; echo done"],
                                 host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    box.wait(identity)
    kedge.wait_for(lambda: box.inspect(identity)["State"]["OOMKilled"])
    # a program that is its container's init itself dies with 137
    identity = box.run_container(["tail", "-c", "150m", "/dev/zero"], host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    assert box.wait(identity) == 137
    after = box.inspect(identity)["State"]
    assert after["OOMKilled"] and after["ExitCode"] == 137


def test_other_kills_are_no_oom(box):
    identity = box.run_container(["sleep", "60"], host={"Memory": 16 << 20})
    box.api.post(f"/containers/{identity}/kill")
    assert box.wait(identity) == 137
    assert not box.inspect(identity)["State"]["OOMKilled"]


def test_cpus_are_set_and_felt(box):
    identity = box.run_container(["sh", "-c", "while :; do :; done"], host={"NanoCpus": 200000000})
    maximum = group_file(box, identity, "cpu.max", "cpu.cfs_quota_us")
    assert maximum in ("20000 100000", "20000")
    time.sleep(0.5)

    def used():
        return box.api.get(f"/containers/{identity}/stats?stream=0&one-shot=1")["cpu_stats"]["cpu_usage"]["total_usage"]
    before, begin = used(), time.monotonic_ns()
    time.sleep(2)
    share = (used() - before) / (time.monotonic_ns() - begin)
    assert 0.02 < share < 0.32, share


def test_pids_are_set_and_felt(box):
    identity = box.run_container(["sh", "-c", "(for i in 1 2 3 4 5 6 7 8 9; do sleep 30 & done); exec sleep 60"], host={"PidsLimit": 5})
    assert group_file(box, identity, "pids.max") == "5"
    kedge.wait_for(lambda: "fork" in box.log_text(identity))


def test_weights_and_sets(box):
    identity = box.run_container(["sleep", "60"], host={"CpuShares": 512, "CpusetCpus": "0"})
    assert group_file(box, identity, "cpu.shares", "cpu.weight") in ("512", "20")
    assert group_file(box, identity, "cpuset.cpus") == "0"


def test_period_and_quota(box):
    identity = box.run_container(["sleep", "60"], host={"CpuPeriod": 50000, "CpuQuota": 25000})
    assert group_file(box, identity, "cpu.max", "cpu.cfs_quota_us") in ("25000 50000", "25000")


def test_ulimits_and_oom_score(box):
    identity = box.run_container(["sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; sleep 60"],
                                 host={"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "OomScoreAdj": 321})
    kedge.wait_for(lambda: box.log_text(identity).split() == ["100", "200", "321"])


@pytest.mark.parametrize("limits", [
    {"Memory": 1000}, {"Memory": -5}, {"NanoCpus": 10 ** 15}, {"CpuShares": 1}, {"CpuShares": -1}, {"CpusetCpus": "0-999"},
    {"CpusetCpus": "x"}, {"PidsLimit": -2}, {"CpuQuota": 10}, {"CpuPeriod": 1}, {"NanoCpus": 10 ** 9, "CpuQuota": 5000},
    {"Memory": 32 << 20, "MemoryReservation": 64 << 20}, {"MemorySwap": 64 << 20}, {"OomScoreAdj": 1001}, {"BlkioWeight": 5}])
def test_senseless_limits(box, limits):
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host=limits)
    assert problem.value.status == 400
    name = list(limits)[-1] if len(limits) == 1 else None
    assert not name or name.lower() in problem.value.message.lower()
