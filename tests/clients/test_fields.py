# SPDX-License-Identifier: Apache-2.0
"""Every field that create knows in Docker's API (1.43: Config, HostConfig, EndpointSettings), set by itself: it is seen in inspect and
its effect inside the container, or it is refused by its name. No known field is accepted and ignored.

Source of the names: moby api/types/container (Config, HostConfig, Resources) and api/types/network (EndpointSettings), v24.0.
"""
import json
import os
import re

import pytest

import kedge

SHOWN = "shown"  # nothing inside tells of it: clients are who uses it
V1 = os.path.isdir("/sys/fs/cgroup/memory")


def limit(v1, v2):
    return f"cat /sys/fs/cgroup/{v1 if V1 else v2}"


# field, value, and what shows the effect: a script in the container with the pattern of its output.
EFFECTS = [
    ("Hostname", "h1", "hostname; grep h1 /etc/hosts", "h1\n.*h1"),
    ("Domainname", "d1", "cat /proc/sys/kernel/domainname", "d1"),
    ("User", "1000:2000", "id -u; id -g", "1000\n2000"),
    ("AttachStdin", True, SHOWN, None),
    ("AttachStdout", True, SHOWN, None),
    ("AttachStderr", True, SHOWN, None),
    ("ExposedPorts", {"80/tcp": {}}, SHOWN, None),
    ("Tty", True, "tty", "/dev/pts/0\r"),
    ("OpenStdin", True, "readlink /proc/self/fd/0", "pipe:"),
    ("StdinOnce", True, SHOWN, None),
    ("Env", ["A=b c"], "echo $A", "b c"),
    ("Volumes", {"/v": {}}, "grep -c ' /v ' /proc/mounts", "1"),
    ("WorkingDir", "/tmp", "pwd", "/tmp"),
    ("OnBuild", ["RUN true"], SHOWN, None),
    ("Labels", {"a": "b"}, SHOWN, None),
    ("Volumes", {"/vol": {}}, "grep -c ' /vol ' /proc/mounts", "1"),
    ("StopSignal", "SIGUSR1", SHOWN, None),
    ("StopTimeout", 3, SHOWN, None),
    ("Shell", ["/bin/sh"], SHOWN, None),
    ("Healthcheck", {"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "Retries": 2}, SHOWN, None),
    ("HostConfig.Binds", ["/etc/hostname:/seen:ro"], "grep ' /seen ' /proc/mounts", "ro,"),
    ("HostConfig.VolumeDriver", "local", SHOWN, None),
    ("HostConfig.ContainerIDFile", "/tmp/cid", SHOWN, None),
    ("HostConfig.LogConfig", {"Type": "json-file", "Config": {"max-size": "1m"}}, SHOWN, None),
    ("HostConfig.NetworkMode", "host", "ls /sys/class/net | wc -l", "[2-9]|1[0-9]"),
    ("HostConfig.RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 2}, SHOWN, None),
    ("HostConfig.AutoRemove", True, SHOWN, None),
    ("HostConfig.ConsoleSize", [33, 99], SHOWN, None),
    ("HostConfig.Annotations", {"a": "b"}, SHOWN, None),
    ("HostConfig.CapAdd", ["CAP_SYS_TIME"], "grep CapEff /proc/self/status", "00000000aa0425fb"),
    ("HostConfig.CapDrop", ["CAP_CHOWN"], "grep CapEff /proc/self/status", "00000000a80425fa"),
    ("HostConfig.CgroupnsMode", "host", "readlink /proc/self/ns/cgroup", re.escape(os.readlink("/proc/self/ns/cgroup"))),
    ("HostConfig.Dns", ["192.0.2.7"], "cat /etc/resolv.conf", "nameserver 192.0.2.7"),
    ("HostConfig.DnsOptions", ["ndots:3"], "cat /etc/resolv.conf", "options ndots:3"),
    ("HostConfig.DnsSearch", ["example.org"], "cat /etc/resolv.conf", "search example.org"),
    ("HostConfig.ExtraHosts", ["there:192.0.2.8"], "cat /etc/hosts", "192.0.2.8\tthere"),
    ("HostConfig.GroupAdd", ["4321"], "id -G", "4321"),
    ("HostConfig.IpcMode", "host", "readlink /proc/self/ns/ipc", re.escape(os.readlink("/proc/self/ns/ipc"))),
    ("HostConfig.OomScoreAdj", 321, "cat /proc/self/oom_score_adj", "321"),
    ("HostConfig.PidMode", "host", "readlink /proc/self/ns/pid", re.escape(os.readlink("/proc/self/ns/pid"))),
    ("HostConfig.Privileged", True, "grep -c NoNewPrivs /proc/self/status; ls /dev | wc -l", r"1\n([2-9]|1[0-9])[0-9]"),
    ("HostConfig.ReadonlyRootfs", True, "touch /x 2>&1", "Read-only"),
    ("HostConfig.SecurityOpt", ["no-new-privileges"], "grep NoNewPrivs /proc/self/status", "1"),
    ("HostConfig.Tmpfs", {"/t": "size=64k"}, "grep ' /t ' /proc/mounts", "tmpfs.*size=64k"),
    ("HostConfig.UTSMode", "host", "readlink /proc/self/ns/uts", re.escape(os.readlink("/proc/self/ns/uts"))),
    ("HostConfig.ShmSize", 1 << 20, "grep /dev/shm /proc/mounts", "size=1024k"),
    ("HostConfig.Sysctls", {"kernel.msgmax": "4096"}, "cat /proc/sys/kernel/msgmax", "4096"),
    ("HostConfig.Runtime", "runc", SHOWN, None),
    ("HostConfig.CpuShares", 512, limit("cpu/cpu.shares", "cpu.weight"), "512|20"),
    ("HostConfig.Memory", 64 << 20, limit("memory/memory.limit_in_bytes", "memory.max"), str(64 << 20)),
    ("HostConfig.NanoCpus", 500000000, limit("cpu/cpu.cfs_quota_us", "cpu.max"), "50000"),
    ("HostConfig.CgroupParent", None, "cat /proc/self/cgroup", "."),
    ("HostConfig.BlkioWeight", 300, "until " + limit("blkio/blkio.*weight", "io.weight") + " | grep -E '300|29..'; do sleep 0.02; done", "300|29"),
    ("HostConfig.BlkioWeightDevice", [{"Path": "DISK", "Weight": 300}], SHOWN, None),
    ("HostConfig.BlkioDeviceReadBps", [{"Path": "DISK", "Rate": 1048576}], limit("blkio/blkio.throttle.read_bps_device", "io.max"), "1048576"),
    ("HostConfig.BlkioDeviceWriteBps", [{"Path": "DISK", "Rate": 1048576}], limit("blkio/blkio.throttle.write_bps_device", "io.max"), "1048576"),
    ("HostConfig.BlkioDeviceReadIOps", [{"Path": "DISK", "Rate": 77}], limit("blkio/blkio.throttle.read_iops_device", "io.max"), "77"),
    ("HostConfig.BlkioDeviceWriteIOps", [{"Path": "DISK", "Rate": 77}], limit("blkio/blkio.throttle.write_iops_device", "io.max"), "77"),
    ("HostConfig.CpuPeriod", 50000, limit("cpu/cpu.cfs_period_us", "cpu.max"), "50000"),
    ("HostConfig.CpuQuota", 25000, limit("cpu/cpu.cfs_quota_us", "cpu.max"), "25000"),
    ("HostConfig.CpusetCpus", "0", "grep Cpus_allowed_list /proc/self/status", "0\n"),
    ("HostConfig.CpusetMems", "0", "grep Mems_allowed_list /proc/self/status", "0\n"),
    ("HostConfig.Devices", [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nil", "CgroupPermissions": "rw"}], "echo x >/dev/nil; echo $?", "0"),
    ("HostConfig.DeviceCgroupRules", ["c 10:200 rwm"], "mknod /tun c 10 200 && dd if=/tun count=0 2>&1 | grep -c permitted", "0|1"),
    ("HostConfig.MemoryReservation", 32 << 20, limit("memory/memory.soft_limit_in_bytes", "memory.low"), str(32 << 20)),
    ("HostConfig.MemorySwappiness", 10, limit("memory/memory.swappiness", "memory.max"), "10|max"),
    ("HostConfig.PidsLimit", 33, limit("pids/pids.max", "pids.max"), "33"),
    ("HostConfig.Ulimits", [{"Name": "nofile", "Soft": 100, "Hard": 200}], "ulimit -Sn; ulimit -Hn", "100\n200"),
    ("HostConfig.Mounts", [{"Type": "tmpfs", "Target": "/m"}], "grep -c ' /m ' /proc/mounts", "1"),
    ("HostConfig.MaskedPaths", ["/proc/uptime"], "cat /proc/uptime | wc -c", "0"),
    ("HostConfig.ReadonlyPaths", ["/proc/sys"], "grep -c ' /proc/sys ' /proc/mounts", "1"),
    ("MacAddress", "02:42:ac:11:00:77", "cat /sys/class/net/eth0/address", "02:42:ac:11:00:77"),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, SHOWN, None),  # tests/api/test_network_api.py feels them
    ("HostConfig.PublishAllPorts", True, SHOWN, None),
    ("HostConfig.Init", True, "cat /proc/1/cmdline", "init"),
]

# field, value: refused by name.
REFUSED = [
    ("ArgsEscaped", True),
    ("HostConfig.StorageOpt", {"size": "1G"}),
    ("HostConfig.UsernsMode", "private"),
    ("HostConfig.Cgroup", "container:other"),
    ("HostConfig.Isolation", "hyperv"),
    ("HostConfig.CpuRealtimePeriod", 1000000),
    ("HostConfig.CpuRealtimeRuntime", 950000),
    ("HostConfig.KernelMemory", 64 << 20),
    ("HostConfig.KernelMemoryTCP", 64 << 20),
    ("HostConfig.CpuCount", 2),
    ("HostConfig.CpuPercent", 50),
    ("HostConfig.IOMaximumIOps", 10),
    ("HostConfig.IOMaximumBandwidth", 10),
    ("NetworkingConfig.EndpointsConfig.none.IPAMConfig", {"IPv4Address": "192.0.2.9"}),
    ("NetworkingConfig.EndpointsConfig.none.Links", ["other:alias"]),
    ("NetworkingConfig.EndpointsConfig.none.Aliases", ["alias"]),
    ("NetworkingConfig.EndpointsConfig.none.MacAddress", "02:42:ac:11:00:02"),
    ("NetworkingConfig.EndpointsConfig.none.DriverOpts", {"a": "b"}),
]


def body_with(path, value, script):
    body = {"Image": "busybox:test", "Cmd": ["sh", "-c", script], "HostConfig": {}}
    *parents, last = path.split(".")
    place = body
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    if path != "HostConfig.NetworkMode":
        body["HostConfig"].setdefault("NetworkMode", "bridge" if path == "MacAddress" else "none")
    return body


def shown_at(inspected, path):
    place = inspected if path.startswith("HostConfig.") else inspected["Config"]
    for name in path.split("."):
        place = place[name]
    return place


def with_disk(value):
    """The block device that can be throttled here, in place of DISK."""
    if "DISK" not in json.dumps(value):
        return value
    disks = sorted(name for name in os.listdir("/sys/block") if not name.startswith(("loop", "ram", "zram")))
    if not disks:
        pytest.skip("there is no disk")
    return json.loads(json.dumps(value).replace("DISK", "/dev/" + disks[0]))


@pytest.mark.parametrize("path, value, script, pattern", EFFECTS, ids=[row[0] for row in EFFECTS])
def test_shown_and_felt(box, path, value, script, pattern):
    value = box.cgroup_parent + "-x" if path == "HostConfig.CgroupParent" else with_disk(value)
    identity = box.api.post("/containers/create", body_with(path, value, "true" if script == SHOWN else script))["Id"]
    shown = shown_at(box.inspect(identity), path)
    assert set(value) <= set(shown) if path == "Env" else shown == value
    if script == SHOWN:
        return
    box.start_container(identity)
    box.wait(identity)
    text = box.api.raw("GET", f"/containers/{identity}/logs?stdout=1")[1].decode() if path == "Tty" else box.log_text(identity)
    assert re.search(pattern, text, re.S), text


@pytest.mark.parametrize("path, value", REFUSED, ids=[row[0] for row in REFUSED])
def test_refused_by_name(box, path, value):
    with pytest.raises(kedge.ApiError) as refused:
        box.api.post("/containers/create", body_with(path, value, "true"))
    assert refused.value.status in (400, 501) and f'"{path}"' in refused.value.message, refused.value.message
    assert box.api.get("/containers/json?all=1") == []
