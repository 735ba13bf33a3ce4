# SPDX-License-Identifier: Apache-2.0
"""Containers that the shim starts by itself, beside the same ones started by crun: what they are must be the same, or stricter."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import kedge

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="runs containers"),
    pytest.mark.skipif(not shutil.which("crun"), reason="crun is not installed"),
    pytest.mark.skipif(pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists(), reason="crun starts all on control groups of version 2"),
]

LOOK = r"""
for applet in sed awk sort readlink; do eval "$applet() { busybox $applet \"\$@\"; }"; done
grep -E '^(Umask|Uid|Gid|Groups|NSpgid|NSsid|Cap|NoNewPrivs|Seccomp|SigBlk|SigIgn|SigCgt|Cpus_allowed_list)' /proc/self/status
for n in ipc mnt net pid uts cgroup; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] && echo $n; done
cat /proc/self/limits /proc/self/cgroup /proc/self/oom_score_adj
echo; id; pwd; env | sort; hostname; cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ping_group_range
cat /proc/sys/net/ipv4/ip_unprivileged_port_start /sys/class/net/lo/flags; ls /sys/class/net
ls -lan /dev /dev/pts | sed 's/[A-Z][a-z][a-z] .*:[0-9][0-9] //; /^total/d; s/ [0-9]* \(root\|0 \)/ \1/'
ls -ld / /proc /sys /dev/shm /dev/mqueue /tmp | cut -c1-10; ls /proc/self/fd | wc -l
readlink /proc/self/fd/0; [ -p /dev/stdout ] && echo pipe; stat -c '%u:%g' -L /proc/self/fd/1
for f in memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us \
    cpuset/cpuset.cpus cpuset/cpuset.mems pids/pids.max devices/devices.list memory/memory.memsw.limit_in_bytes; do
    echo $f $(cat /sys/fs/cgroup/$f 2>/dev/null); done
for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do [ ! -e $f ] || wc -c < $f; done
ls /sys/firmware /proc/acpi 2>/dev/null
for f in /proc/sys/kernel/panic /proc/sysrq-trigger /sys/power/state /etc/new /sys/fs/cgroup/memory/tasks; do
    ( : >> $f ) 2>&1 | sed 's/.*: //'; done
umask; ls -la /data /fixed /scratch 2>/dev/null | wc -l; touch /fixed/x 2>&1 | sed 's/.*: //'; df -k /scratch /dev/shm 2>/dev/null | awk '{print $2}'
"""

SPECS = {
    "default": {},
    "user": {"User": "web"},
    "numbers": {"User": "4321:8765", "host": {"GroupAdd": ["99"]}},
    "read-only": {"host": {"ReadonlyRootfs": True, "Tmpfs": {"/scratch": "size=1m,mode=1777"}}},
    "tmpfs": {"host": {"Tmpfs": {"/scratch": "size=2m,mode=700,uid=5"}, "ShmSize": 1 << 20}},
    "binds": {"host": {"Binds": ["WORK/data:/data", "WORK/data:/fixed:ro", "WORK/data/file:/etc/one:ro"]}},
    "volumes": {"host": {"Binds": ["named:/data", "named:/fixed:ro"]}, "Volumes": {"/anonymous": {}}},
    "ulimits": {"host": {"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}, {"Name": "core", "Soft": 0, "Hard": 0}]}},
    "limits": {"host": {"Memory": 64 << 20, "MemorySwap": 128 << 20, "MemoryReservation": 32 << 20, "NanoCpus": 500_000_000,
                        "CpuShares": 300, "CpusetCpus": "0", "CpusetMems": "0", "PidsLimit": 33}},
    "capabilities": {"host": {"CapAdd": ["SYS_TIME", "SYS_ADMIN"], "CapDrop": ["CHOWN"]}},
    "none": {"host": {"CapDrop": ["ALL"]}},
    "no-new-privileges": {"User": "web", "host": {"SecurityOpt": ["no-new-privileges"]}},
    "unconfined": {"host": {"SecurityOpt": ["seccomp=unconfined"]}},
    "sysctls": {"host": {"Sysctls": {"kernel.msgmax": "4096", "net.ipv4.ip_unprivileged_port_start": "80"}}},
    "names": {"Hostname": "edge-1", "Domainname": "example.org", "WorkingDir": "/made/for/it", "Env": ["A=b c", "EMPTY="]},
    "init": {"host": {"Init": True}},
    "host network": {"host": {"NetworkMode": "host"}},
    "oom": {"host": {"OomScoreAdj": 500}},
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    work = tmp_path_factory.mktemp("layer")
    for name, target in {"etc/resolv.conf": "../run/nowhere/resolv.conf", "away": "/../../../../../../../tmp/kedge-escape"}.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).symlink_to(target)
    (work / "etc" / "plain").write_text("not a program")
    (work / "etc" / "bad").write_text("no interpreter is named here")
    (work / "etc" / "bad").chmod(0o755)
    it = kedge.Daemon().start()
    it.load_busybox(layers=[work])
    (it.directory / "data").mkdir()
    (it.directory / "data" / "file").write_text("one\n")
    yield it
    it.close()


def body(daemon, spec, **host):
    text = json.dumps({**{key: value for key, value in spec.items() if key != "host"}, "host": {**spec.get("host", {}), **host}})
    return json.loads(text.replace("WORK", str(daemon.directory)))


def is_planned(daemon, identity):
    """Whether the shim was told to start it by itself."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"--id={identity}".encode() in words:
            return b"--planned" in words
    raise AssertionError("no shim")


def look(daemon, spec, planned, **host):
    """What the script sees, once it is known who started it."""
    script = f"{LOOK}\ncat /proc/self/mountinfo >&2; echo END; echo END >&2; exec sleep 1000"
    identity = daemon.run_container(["sh", "-c", script], name=None, **body(daemon, spec, **host))
    try:
        kedge.wait_for(lambda: daemon.log_text(identity).count("END\n") == 2)
        assert is_planned(daemon, identity) == planned
        parts = daemon.logs(identity)
        text, mounts = (b"".join(part for stream, part in parts if stream == number).decode() for number in (1, 2))
        text = re.sub("Read-only file system|Permission denied", "refused", text)  # which is looked at first differs
        text = re.sub("crw-rw-rw- .* null\n", "", text)  # crun gives it to the user, Docker does not
        return text.replace(identity[:12], "ID").replace(identity, "ID"), mounts.replace(identity, "ID")
    finally:
        daemon.api.delete(f"/containers/{identity}?force=1")


def pid_of(daemon, identity):
    return daemon.inspect(identity)["State"]["Pid"]


def read_mounts(text):
    """{mount point: (type, set of options)}"""
    found = {}
    for line in text.splitlines()[:-1]:
        left, right = line.split(" - ")
        fields = left.split()
        found[fields[4]] = (right.split()[0], set(fields[5].split(",")), fields[6:])
    return found


STRICT = {"ro", "nosuid", "nodev", "noexec"}


@pytest.mark.parametrize("name", SPECS)
def test_a_container_is_as_crun_makes_it(daemon, name):
    ours, our_mounts = look(daemon, SPECS[name], True)
    theirs, their_mounts = look(daemon, SPECS[name], False, Runtime="crun")
    assert set(ours.splitlines()) ^ set(theirs.splitlines()) == set() and ours == theirs
    ours, theirs = read_mounts(our_mounts), read_mounts(their_mounts)
    assert ours.keys() == theirs.keys()
    for path, (kind, options, propagation) in theirs.items():
        assert ours[path][0] == kind or "/dev/null" in kind or kind == "devtmpfs", path
        assert ours[path][1] & STRICT >= options & STRICT, path
        assert not ours[path][2] and not propagation, path


@pytest.mark.parametrize("host", [{"Devices": [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/mine", "CgroupPermissions": "r"}]},
                                  {"Privileged": True}, {"PidMode": "host"}, {"CgroupnsMode": "host"},
                                  {"Mounts": [{"Type": "bind", "Source": "WORK/data", "Target": "/data", "ReadOnly": True, "BindOptions": {"ReadOnlyForceRecursive": True}}]}, {"Runtime": "crun"}])
def test_what_is_not_ordinary_is_cruns(daemon, host):
    identity = daemon.run_container(["sleep", "1000"], **body(daemon, {}, **host))
    assert not is_planned(daemon, identity)
    daemon.api.delete(f"/containers/{identity}?force=1")


def test_crun_by_name_of_the_configuration():
    daemon = kedge.Daemon(options=["--runtime", "crun"]).start()
    try:
        daemon.load_busybox()
        assert not is_planned(daemon, daemon.run_container(["sleep", "1000"]))
    finally:
        daemon.close()


BAD = [["/nope"], ["nope"], ["/etc"], ["/etc/plain"], ["./nope"], ["etc/plain"], ["/etc/plain/below"]]


@pytest.mark.parametrize("command", BAD, ids=" ".join)
def test_failures_have_cruns_words(daemon, command):
    answers = []
    for host in ({}, {"Runtime": "crun"}):
        identity = daemon.create(command, host=host, name="bad")
        status, text = daemon.api.raw("POST", f"/containers/{identity}/start")
        answers.append((status, text.replace(identity.encode(), b""), daemon.inspect(identity)["State"]["ExitCode"]))
        daemon.api.delete(f"/containers/{identity}?force=1")
    assert answers[0] == answers[1]
    assert answers[0][0] >= 400


def test_what_is_no_program_fails_to_start(daemon):
    """As in Docker; crun says that it has started."""
    identity = daemon.create(["/etc/bad"])
    status, text = daemon.api.raw("POST", f"/containers/{identity}/start")
    assert status == 400 and b"Exec format error" in text
    assert daemon.inspect(identity)["State"]["ExitCode"] == 126
    daemon.api.delete(f"/containers/{identity}?force=1")


def test_the_last_word_about_a_tmpfs_wins(daemon):
    identity = daemon.run_container(["grep", " /scratch ", "/proc/mounts"], host={"Tmpfs": {"/scratch": "exec,size=1m"}})
    assert daemon.wait(identity) == 0
    words = daemon.log_text(identity).split()[3].split(",")
    assert "noexec" not in words and "nosuid" in words
    daemon.api.delete(f"/containers/{identity}?force=1")


def test_crun_goes_on_with_it(daemon):
    """Its record is there: list, state, pause and exec work, and what is executed has the filter and the groups."""
    identity = daemon.run_container(["sleep", "1000"])
    crun = ["crun", "--root", str(daemon.run_directory / "runtime")]
    assert is_planned(daemon, identity)

    def run(*words):
        done = subprocess.run([*crun, *words], text=True, capture_output=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout
    state = json.loads(run("state", identity))
    assert state["status"] == "running" and state["pid"] == pid_of(daemon, identity)
    text = run("exec", identity, "cat", "/proc/self/status", "/proc/self/cgroup")
    assert re.search(r"^Seccomp:\s2$", text, re.M) and "00000000a80425fb" in text
    assert set(re.findall(r"^\d+:[^:]*:(.*)$", text, re.M)) == {"/"}  # its own are the roots that it sees
    run("pause", identity)
    assert json.loads(run("state", identity))["status"] == "paused"
    run("resume", identity)
    daemon.api.delete(f"/containers/{identity}?force=1")
    assert not (daemon.run_directory / "runtime" / identity).exists()


def test_health_checks_have_the_filter(daemon):
    identity = daemon.run_container(["sleep", "1000"], Healthcheck={
        "Test": ["CMD-SHELL", "grep -E '^(Seccomp|CapEff)' /proc/self/status"], "Interval": 100_000_000})
    assert is_planned(daemon, identity)
    log = kedge.wait_for(lambda: daemon.inspect(identity)["State"]["Health"]["Log"])
    assert log[0]["ExitCode"] == 0 and "Seccomp:\t2" in log[0]["Output"] and "a80425fb" in log[0]["Output"]
    daemon.api.delete(f"/containers/{identity}?force=1")


def test_the_program_that_started_it_cannot_be_changed(daemon):
    """A container finds the shim as /proc/self/exe for a moment: it lies in sealed memory."""
    identity = daemon.run_container(["/proc/self/exe", "--version"])
    assert daemon.wait(identity) == 0 and daemon.log_text(identity).startswith("kedge-shim ")
    sleeper = daemon.run_container(["sleep", "1000"])
    shim = re.search(r"PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid_of(daemon, sleeper)}/status").read_text())[1]
    assert os.readlink(f"/proc/{shim}/exe").startswith("/memfd:")
    for one in identity, sleeper:
        daemon.api.delete(f"/containers/{one}?force=1")


def test_links_of_the_image_lead_nowhere_outside(daemon):
    outside = pathlib.Path("/tmp/kedge-escape")
    assert not outside.exists()
    identity = daemon.run_container(["sh", "-c", "cat /run/nowhere/resolv.conf; cat /tmp/kedge-escape/file"],
                                    **body(daemon, {}, Binds=["WORK/data:/away"]))
    assert daemon.wait(identity) == 0
    assert daemon.log_text(identity).endswith("one\n") and "nameserver" in daemon.log_text(identity)
    assert not outside.exists()
    daemon.api.delete(f"/containers/{identity}?force=1")


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_proc_and_sys_are_no_links(daemon, tmp_path, name):
    archive = tmp_path / "image.tar"
    root = kedge.busybox_directory(tmp_path / "root")
    (root / name).rmdir()
    (root / name).symlink_to("tmp")
    kedge.mkimage.write_archive(str(archive), kedge.mkimage.image_layout(f"bad-{name}:1", [kedge.mkimage.layer_tar(str(root), {})], {}, "gzip"))
    daemon.api.call("POST", "/images/load", archive.read_bytes(), {"Content-Type": "application/x-tar"})
    identity = daemon.create(["true"], image=f"bad-{name}:1")
    status, _ = daemon.api.raw("POST", f"/containers/{identity}/start")
    assert status >= 400
    daemon.api.delete(f"/containers/{identity}?force=1")


@pytest.mark.parametrize("through", ["directory", "link"])
def test_no_directory_of_the_host_is_among_its_descriptors(daemon, tmp_path, through):
    """/proc/self/fd/N would lead to it, and from there to the host's root, while the image's paths are looked up."""
    root = kedge.busybox_directory(tmp_path / "root")
    for number in range(3, 24):
        (root / f"door{number}").symlink_to(f"/proc/self/fd/{number}")
    archive = tmp_path / "image.tar"
    kedge.mkimage.write_archive(str(archive), kedge.mkimage.image_layout("doors:1", [kedge.mkimage.layer_tar(str(root), {})], {}, "gzip"))
    daemon.api.call("POST", "/images/load", archive.read_bytes(), {"Content-Type": "application/x-tar"})
    for number in range(3, 24):
        place = f"/proc/self/fd/{number}" if through == "directory" else f"/door{number}"
        identity = daemon.create(["sleep", "1000"], image="doors:1", WorkingDir=place)
        status, text = daemon.api.raw("POST", f"/containers/{identity}/start")
        daemon.api.delete(f"/containers/{identity}?force=1")
        assert status >= 400 and b"directory" in text, place
