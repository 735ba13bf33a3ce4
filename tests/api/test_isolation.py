# SPDX-License-Identifier: Apache-2.0
"""Safe defaults: namespaces, capabilities, seccomp, hidden paths, networks."""
import json
import os
import pathlib

import pytest

import kedge

# CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP
DOCKER_CAPABILITIES = 0x00000000a80425fb
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def status_of(box, **settings):
    identity = box.run_container(["cat", "/proc/self/status"], **settings)
    assert box.wait(identity) == 0
    lines = (line.split(":", 1) for line in box.log_text(identity).splitlines())
    return {name: value.strip() for name, value in lines}


def test_capabilities(box):
    assert bin(DOCKER_CAPABILITIES).count("1") == 14
    status = status_of(box)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == DOCKER_CAPABILITIES
    assert int(status["CapInh"], 16) == 0 and int(status["CapAmb"], 16) == 0
    as_user = status_of(box, User="web")
    assert int(as_user["CapEff"], 16) == 0 and int(as_user["CapBnd"], 16) == DOCKER_CAPABILITIES


def test_capabilities_added_and_dropped(box):
    changed = int(status_of(box, host={"CapAdd": ["SYS_TIME"], "CapDrop": ["CAP_CHOWN"]})["CapEff"], 16)
    assert changed == (DOCKER_CAPABILITIES | 1 << 25) & ~1
    assert int(status_of(box, host={"CapDrop": ["ALL"]})["CapEff"], 16) == 0
    assert int(status_of(box, host={"CapDrop": ["all"], "CapAdd": ["KILL"]})["CapEff"], 16) == 1 << 5
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={"CapAdd": ["NONSENSE"]})
    assert problem.value.status == 400 and "NONSENSE" in problem.value.message


def test_seccomp(box):
    assert status_of(box)["Seccomp"] == "2"
    assert status_of(box, User="web")["Seccomp"] == "2"
    assert status_of(box, host={"SecurityOpt": ["seccomp=unconfined"]})["Seccomp"] == "0"


def test_no_new_privileges(box):
    assert status_of(box)["NoNewPrivs"] == "0"
    assert status_of(box, host={"SecurityOpt": ["no-new-privileges"]})["NoNewPrivs"] == "1"


def test_a_mount_is_refused(box):
    identity = box.run_container(["mount", "-t", "tmpfs", "x", "/tmp"])
    assert box.wait(identity) != 0


def namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES}


def test_nothing_is_shared(box):
    pids = [box.inspect(box.run_container(["sleep", "60"]))["State"]["Pid"] for _ in range(2)]
    ours, first, second = namespaces("self"), namespaces(pids[0]), namespaces(pids[1])
    for name in NAMESPACES:
        if name == "cgroup" and ours[name] == first[name] == second[name]:
            assert kedge.cgroup_directories("/unified"), "private cgroup namespaces are for cgroup v2"
            continue
        assert len({ours[name], first[name], second[name]}) == 3, name


@pytest.mark.parametrize("mode,name", [("PidMode", "pid"), ("IpcMode", "ipc"), ("UTSMode", "uts"), ("NetworkMode", "net")])
def test_shared_with_the_host_when_asked(box, mode, name):
    pid = box.inspect(box.run_container(["sleep", "60"], host={mode: "host"}))["State"]["Pid"]
    assert namespaces(pid)[name] == namespaces("self")[name]
    assert namespaces(pid)["mnt"] != namespaces("self")["mnt"]


def test_hidden_and_read_only_paths(box):
    script = ("cat /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug 2>/dev/null | wc -c; ls /sys/firmware /proc/scsi 2>/dev/null "
              "| grep -v : | wc -w; for f in /proc/sys/kernel/domainname /proc/sysrq-trigger /proc/irq/default_smp_affinity; do "
              "(echo 1 > $f) 2>/dev/null && echo wrote $f; done; (echo 1 > /sys/kernel/profiling) 2>/dev/null && echo wrote sys; echo end")
    identity = box.run_container(["sh", "-c", script])
    assert box.wait(identity) == 0
    assert box.log_text(identity).split() == ["0", "0", "end"]


def test_devices(box):
    identity = box.run_container(["sh", "-c", "ls /dev; mknod_test=$(head -c 1 /dev/zero | wc -c); echo n=$mknod_test"])
    assert box.wait(identity) == 0
    names = box.log_text(identity).split()
    assert {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "fd", "stdin", "stdout", "stderr"} <= set(names)
    assert not {"sda", "vda", "mem", "kmsg", "loop0"} & set(names)
    assert "n=1" in names


def test_processes_of_others_are_not_seen(box):
    identity = box.run_container(["sh", "-c", "echo /proc/[0-9]*"])
    box.wait(identity)
    assert box.log_text(identity).split() == ["/proc/1"]


def test_privileged(box):
    status = status_of(box, host={"Privileged": True})
    assert status["Seccomp"] == "0"
    assert int(status["CapEff"], 16) == int(pathlib.Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0], 16)


# ---- networks ----

@pytest.mark.parametrize("mode, interfaces", [("none", set()), ("default", {"eth0"}), ("bridge", {"eth0"}), ("", {"eth0"})])
def test_networks_by_mode(box, mode, interfaces):
    body = {"Image": "busybox:test", "Cmd": ["cat", "/proc/net/dev"], "HostConfig": {"NetworkMode": mode}}
    created = box.api.post("/containers/create", body)
    assert created["Warnings"] == []
    box.start_container(created["Id"])
    assert box.wait(created["Id"]) == 0
    names = {line.split(":")[0].strip() for line in box.log_text(created["Id"]).splitlines()[2:]}
    assert "lo" in names and {name for name in names if name.startswith("eth")} == interfaces


def test_no_mode_at_all_is_private(box):
    created = box.api.post("/containers/create", {"Image": "busybox:test", "Cmd": ["sleep", "60"]})
    box.start_container(created["Id"])
    assert namespaces(box.inspect(created["Id"])["State"]["Pid"])["net"] != namespaces("self")["net"]


def test_loopback_is_up(box):
    identity = box.run_container(["sh", "-c", "mkdir /w; echo hello > /w/index.html; httpd -p 127.0.0.1:80 -h /w; "
                                  "wget -q -O - http://127.0.0.1/"])
    box.wait(identity)
    assert box.log_text(identity) == "hello\n"


def test_host_network(box):
    body = {"Image": "busybox:test", "Cmd": ["cat", "/proc/net/dev"], "HostConfig": {"NetworkMode": "host"}}
    created = box.api.post("/containers/create", body)
    assert not created["Warnings"]
    box.start_container(created["Id"])
    box.wait(created["Id"])
    ours = pathlib.Path("/proc/net/dev").read_text()
    names = [{line.split(":")[0].strip() for line in text.splitlines()[2:]} for text in (ours, box.log_text(created["Id"]))]
    assert names[0] == names[1]


@pytest.mark.parametrize("host,word", [
    ({"NetworkMode": "mynet"}, "mynet"), ({"NetworkMode": "container:x"}, "No such container: x"), ({"Links": ["a:b"]}, "No such container: a"),
    ({"UsernsMode": "private"}, "UsernsMode"), ({"StorageOpt": {"size": "1G"}}, "StorageOpt")])
def test_what_is_not_there_is_refused_by_name(box, host, word):
    body = {"Image": "busybox:test", "Cmd": ["true"], "HostConfig": host}
    status, answer = box.api.raw("POST", "/containers/create", json.dumps(body), {"Content-Type": "application/json"})
    assert status in (400, 404, 501), (status, answer)
    assert word in answer.decode()
    assert box.api.get("/containers/json?all=1") == []
