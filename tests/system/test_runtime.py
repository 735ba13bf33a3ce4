# SPDX-License-Identifier: Apache-2.0
"""Bundles given to real runtimes, without a kedged: what a container sees, and what it may do."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import uuid

import pytest

import kedge

MAKE_BUNDLE = kedge.BUILD / "tests" / "system" / "make_bundle"
PROBER = kedge.BUILD / "tests" / "system" / "seccomp_prober"
CGROUPS = pathlib.Path("/sys/fs/cgroup")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="runs containers"),
    pytest.mark.skipif(not shutil.which("crun"), reason="crun is not installed"),
]


class Bench:
    """A root with busybox in a directory of its own, and runs of it."""

    def __init__(self):
        kedge.prepare_cgroups()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="kedge-runtime-"))
        self.root = kedge.busybox_directory(self.work / "root")
        self.parent = f"/kedge-test-{uuid.uuid4().hex[:12]}"
        shutil.copy(PROBER, self.root / "bin" / "prober")

    def close(self):
        for path in kedge.cgroup_directories(self.parent):
            for child in [*path.glob("*/"), path]:
                if child.is_dir():
                    child.rmdir()
        shutil.rmtree(self.work)

    def bundle(self, spec, as_json=False):
        """A bundle's directory, and the id it is for."""
        name = uuid.uuid4().hex[:12]
        directory = self.work / name
        directory.mkdir()
        spec = {"image": "test", "networkMode": "none", **spec}
        command = [MAKE_BUNDLE, "--id", name, "--rootfs", self.root, "--cgroup", f"{self.parent}/{name}",
                   "--cache", self.work / "seccomp"] + (["--json"] if as_json else [])
        made = subprocess.run(command, input=json.dumps(spec), text=True, capture_output=True)
        assert made.returncode == 0, made.stderr
        (directory / "config.json").write_text(made.stdout)
        return directory, name

    def run(self, script, runtime="crun", as_json=False, status=0, **spec):
        """What the shell script prints (both streams) in a container of the spec."""
        spec.setdefault("command", ["sh", "-c", script])
        directory, name = self.bundle(spec, as_json)
        done = subprocess.run([runtime, "--root", self.work / runtime, "run", "--bundle", directory, name], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        assert status is None or done.returncode == status, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def bench():
    it = Bench()
    yield it
    it.close()


def read_status(text):
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.M))


def limit_file(v1, v2):
    """The path in a container of a limit in its control group."""
    return "/sys/fs/cgroup/" + (v2 if (CGROUPS / "cgroup.controllers").exists() else v1)


def read_limit(bench, v1, v2, **spec):
    return bench.run(f"cat {limit_file(v1, v2)}", **spec).strip()


# ---- the seccomp filter -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("as_json", [False, True])
def test_a_filter_is_installed(bench, as_json):
    status = read_status(bench.run("cat /proc/self/status", as_json=as_json))
    assert status["Seccomp"] == "2"
    assert status["Seccomp_filters"] == "1"


@pytest.mark.parametrize("spec", [{"securityOptions": ["seccomp=unconfined"]}, {"privileged": True}])
def test_no_filter_when_asked_for_none(bench, spec):
    assert read_status(bench.run("cat /proc/self/status", **spec))["Seccomp"] == "0"


def probe(bench, **options):
    rows = [line.split() for line in bench.run(None, command=["/bin/prober"], pidsLimit=64, **options).splitlines()]
    return {(door, int(number, 0)): verdict for door, number, verdict in rows}


def test_verdicts_that_matter(bench):
    verdicts = probe(bench)
    refused = {"mount": 165, "umount2": 166, "unshare": 272, "setns": 308, "bpf": 321, "keyctl": 250, "add_key": 248,
               "init_module": 175, "kexec_load": 246, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425,
               "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "reboot by pid 1's child": 169}
    for name, number in refused.items():
        assert verdicts.get(("x86_64", number), "EPERM") == "EPERM", name
    assert verdicts["x86_64", 435] == "ENOSYS"  # clone3
    assert verdicts["x86_64", 599] == "ENOSYS"
    assert verdicts["i386", 21] == "EPERM"  # mount
    assert verdicts["socket", 38] == verdicts["socket", 40] == "EPERM"  # ALG, VSOCK
    assert verdicts["socket", 1] == verdicts["socket", 2] == "allowed"
    assert verdicts["clone", 0x10000000] == "EPERM"  # CLONE_NEWUSER
    assert verdicts["clone", 0x10000] == "allowed"


# ---- who it is ------------------------------------------------------------------------------------------------------------------

def test_root_has_docker_s_capabilities(bench):
    status = read_status(bench.run("cat /proc/self/status"))
    assert status["CapEff"] == status["CapPrm"] == status["CapBnd"] == "00000000a80425fb"
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"] == "0"


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_another_user_has_none(bench, runtime):
    if not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    text = bench.run("id; cat /proc/self/status; echo $HOME", user="web", runtime=runtime, as_json=runtime == "runc")
    assert text.startswith("uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)")
    status = read_status(text)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["CapBnd"] == "00000000a80425fb"
    assert text.endswith("\n/\n")


def test_numbers_that_nobody_has(bench):
    assert bench.run("id -u; id -g; id -G", user="4321:8765", groups=["99"]) == "4321\n8765\n8765 99\n"


def test_no_new_privileges(bench):
    assert read_status(bench.run("cat /proc/self/status", securityOptions=["no-new-privileges"]))["NoNewPrivs"] == "1"


def test_privileged(bench):
    text = bench.run("cat /proc/self/status; ls /dev; cat /proc/self/mounts", privileged=True)
    own = read_status(pathlib.Path("/proc/self/status").read_text())
    assert int(read_status(text)["CapEff"], 16) == int(own["CapBnd"], 16)
    assert "/sys/firmware" not in text
    assert re.search(r"^sysfs /sys sysfs rw", text, re.M)


def test_environment_and_directory(bench):
    text = bench.run("env; pwd", env=["A=b c", "PATH=/bin"], workdir="/made/for/it", hostname="edge")
    lines = text.splitlines()
    assert {"A=b c", "PATH=/bin", "HOSTNAME=edge", "HOME=/root"} <= set(lines)
    assert lines[-1] == "/made/for/it"
    shutil.rmtree(bench.root / "made")


def test_init_is_pid_1(bench):
    if not os.path.exists("/usr/bin/tini-static"):
        pytest.skip("tini is not installed")
    text = bench.run("cat /proc/1/comm; echo $$", init=True)
    first, own = text.split()
    assert first == "docker-init" and own != "1"
    shutil.rmtree(bench.root / "sbin", ignore_errors=True)


# ---- what it sees ---------------------------------------------------------------------------------------------------------------

def test_private_namespaces(bench):
    text = bench.run("for n in pid ipc uts net mnt cgroup; do echo $n $(ls -l /proc/self/ns/$n | sed 's/.*-> //'); done")
    for line in text.splitlines():
        name, link = line.split()
        assert link != os.readlink(f"/proc/self/ns/{name}"), name
    assert len(text.splitlines()) == 6


def test_host_namespaces(bench):
    modes = {"networkMode": "host", "pidMode": "host", "ipcMode": "host", "utsMode": "host", "cgroupnsMode": "host"}
    text = bench.run("for n in pid ipc uts net cgroup; do echo $n $(ls -l /proc/self/ns/$n | sed 's/.*-> //'); done", **modes)
    for line in text.splitlines():
        name, link = line.split()
        assert link == os.readlink(f"/proc/self/ns/{name}"), name


def test_only_loopback(bench):
    for mode in "none", "bridge", "default":
        assert bench.run("ls /sys/class/net", networkMode=mode).split() == ["lo"]


def test_names(bench):
    text = bench.run("hostname; cat /proc/sys/kernel/domainname", hostname="edge-1", domainname="example.org")
    assert text.split() == ["edge-1", "example.org"]


def test_masked_and_read_only_paths(bench):
    masked = [p for p in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts") if os.path.exists(p)]
    assert masked
    for path in masked:
        assert bench.run(f"cat {path} | wc -c").strip() == "0", path
    assert bench.run("ls /sys/firmware; ls /proc/acpi 2>/dev/null; true") == ""
    assert "Read-only file system" in bench.run("echo 1 > /proc/sys/kernel/panic", status=1)
    assert "Read-only file system" in bench.run("echo x > /sys/power/state", status=1)
    own = limit_file("memory/", "")  # crun leaves the tmpfs above the hierarchies of version 1 writable
    assert "Read-only file system" in bench.run(f"mkdir {own}x", status=1)


def test_read_only_root(bench):
    text = bench.run("touch /x; touch /tmp/x && echo made; touch /dev/shm/y && echo made", readOnlyRoot=True,
                     mounts=[{"kind": "tmpfs", "target": "/tmp", "options": "size=1m"}])
    assert "touch: /x: Read-only file system" in text
    assert text.count("made") == 2
    assert not (bench.root / "x").exists()


def test_binds(bench):
    source = bench.work / "shared"
    source.mkdir()
    (source / "file").write_text("from the host")
    text = bench.run("cat /data/file; touch /data/new && echo written; touch /fixed/new",
                     binds=[f"{source}:/data", f"{source}:/fixed:ro"], status=1)
    assert "from the host" in text and "written" in text
    assert "touch: /fixed/new: Read-only file system" in text
    assert (source / "new").exists()
    for name in "data", "fixed":
        (bench.root / name).rmdir()


def test_nested_binds_in_any_order(bench):
    for name in "outer", "inner":
        (bench.work / name).mkdir()
        (bench.work / name / "name").write_text(name)
    text = bench.run("cat /a/name /a/b/name", binds=[f"{bench.work}/inner:/a/b", f"{bench.work}/outer:/a"])
    assert text == "outerinner"
    (bench.root / "a").rmdir()


# ---- what it may do -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_limits_are_read_back(bench, runtime):
    if not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    how = {"runtime": runtime, "as_json": runtime == "runc"}
    assert read_limit(bench, "memory/memory.limit_in_bytes", "memory.max", memory=64 << 20, **how) == str(64 << 20)
    assert read_limit(bench, "pids/pids.max", "pids.max", pidsLimit=17, **how) == "17"
    quota = read_limit(bench, "cpu/cpu.cfs_quota_us", "cpu.max", nanoCpus=500_000_000, **how)
    assert quota in ("50000", "50000 100000")


def test_pids_limit_is_felt(bench):
    text = bench.run("for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait", pidsLimit=5, status=None)
    assert "can't fork" in text


def test_memory_limit_is_felt(bench):
    text = bench.run("head -c 67108864 /dev/zero | tail -c 67108864 | wc -c; echo ended", memory=16 << 20, status=None)
    assert "67108864" not in text.split()


def test_ulimits(bench):
    assert bench.run("ulimit -n; ulimit -Hn", ulimits=[{"name": "nofile", "soft": 100, "hard": 200}]).split() == ["100", "200"]


def test_sysctls(bench):
    text = bench.run("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax",
                     sysctls={"kernel.msgmax": "4096"})
    assert text.split() == ["0", "4096"]


# kmsg is none of the devices that runtimes allow by themselves; opening it for writing does nothing yet.
KMSG = {"hostPath": "/dev/kmsg", "containerPath": "/dev/mine"}


def test_devices(bench):
    assert "Operation not permitted" in bench.run("mknod /dev/x b 7 0; cat /dev/x", status=1)
    assert "Operation not permitted" in bench.run("mknod /dev/x c 1 11; exec 3> /dev/x", status=1)
    assert bench.run("exec 3> /dev/mine; echo opened", devices=[{**KMSG, "permissions": "rw"}]) == "opened\n"


def test_rules_of_devices_say_how(bench):
    assert "Operation not permitted" in bench.run("exec 3> /dev/mine", status=1, devices=[{**KMSG, "permissions": "r"}])
