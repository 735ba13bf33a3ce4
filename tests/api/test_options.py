# SPDX-License-Identifier: Apache-2.0
"""Every option of create that configures a container, by docker's program and by kedge's: what the container's process finds
(tests/probe), and what inspect shows of it.

KEDGE_PROBE_PEER=unix:///...sock runs the rows with docker's program against that dockerd instead (one without a bridge, see
CONTRIBUTING.md): a row that fails there expects something of kedge that Docker does not do.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import kedge

PEER = os.environ.get("KEDGE_PROBE_PEER")
PROBE = kedge.BUILD / "tests" / "probe" / "probe"
IMAGE = "probe:test"
DEFAULT = 0x00000000a80425fb
BOUNDING = int(pathlib.Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0], 16)
GROUPS = "/sys/fs/cgroup/devices" if os.path.isdir("/sys/fs/cgroup/devices") else "/sys/fs/cgroup"
SYS_TIME, CHOWN, NET_ADMIN = 1 << 25, 1 << 0, 1 << 12
EVERY = (1 << int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1) - 1
OURS = "ours only"  # a mark: dockerd 20.10 does this otherwise


class Facts:
    """What the probe printed. get("env:PATH"), get("mount:/x"), ..."""

    def __init__(self, text):
        self.all = json.loads(text)
        self.mounts = {}
        for line in self.all["mountinfo"].splitlines():
            words = line.split()
            dash = words.index("-")
            self.mounts[words[4]] = {words[dash + 1], *words[5].split(","), *words[dash + 3].split(","),
                                     *(field.split(":")[0] for field in words[6:dash])}

    def get(self, path):
        kind, _, name = path.partition(":")
        if not name:
            return self.all[kind]
        return getattr(self, "get_" + kind)(name)

    def get_env(self, name):
        return dict(line.split("=", 1) for line in self.all["env"]).get(name)

    def get_status(self, name):
        return self.all["status"].split(name + ":")[1].split("\n")[0].strip()

    def get_cap(self, name):
        return int(self.get_status("Cap" + name), 16)

    def get_mount(self, target):
        return self.mounts.get(target, set())

    def get_limit(self, name):
        return self.all["limits"][name]

    def get_device(self, path):
        return self.all["devices"].get(path)

    def get_ns(self, kind):
        return "host" if self.all["namespaces"][kind] == os.readlink(f"/proc/self/ns/{kind}") else "own"


class Not:
    """Of a set: none of these."""

    def __init__(self, *words):
        self.words = set(words)

    def __repr__(self):
        return f"none of {self.words}"


class Has:
    """Of a set or a text: these and maybe more."""

    def __init__(self, *words, without=()):
        self.words, self.without = words, without

    def __repr__(self):
        return f"with {self.words} without {self.without}"


def matches(actual, expected):
    if isinstance(expected, Not):
        return not expected.words & set(actual)
    if isinstance(expected, Has):
        return all(word in actual for word in expected.words) and not any(word in actual for word in expected.without)
    return actual == expected


def dotted(value, path):
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value.get(part)
    return value


def row(words, found=None, shown=None, ask=(), answers=None, ours=False, command=None):
    """words: options; found: facts of the container; shown: of inspect; ask and answers: questions to the probe."""
    found = dict(found or {})
    if answers is not None:
        found["answers"] = answers
    return pytest.param((words.split("|") if words else [], found, shown or {}, list(ask), ours, command), id=words or "nothing")


HC = "HostConfig."
ROWS = [
    # what runs
    row("", {"uid": 0, "gid": 0, "cwd": "/", "argv": Has("/probe"), "env:PATH": "/bin", "env:HOME": "/root", "cap:Eff": DEFAULT,
             "cap:Bnd": DEFAULT, "cap:Prm": DEFAULT, "cap:Inh": 0, "cap:Amb": 0, "status:Seccomp": "2", "status:NoNewPrivs": "0",
             "oom_score_adj": "0\n", "pid": 1, "ns:ipc": "own", "ns:mnt": "own", "ns:net": "own", "ns:pid": "own", "ns:uts": "own",
             "mount:/": Has("overlay", "rw"), "mount:/proc": Has("proc", "nosuid", "nodev", "noexec"), "mount:/sys": Has("sysfs", "ro"),
             "mount:/dev": Has("tmpfs", "nosuid", "mode=755", "size=65536k"), "mount:/dev/shm": Has("tmpfs", "size=65536k", "noexec"),
             "mount:/dev/mqueue": Has("mqueue"), "mount:/dev/pts": Has("devpts"), f"mount:{GROUPS}": Has("ro"),
             "mount:/proc/sys": Has("ro"), "mount:/proc/keys": Has("mode=755"), "mount:/sys/firmware": Has("tmpfs", "ro"),
             "device:/dev/null": "c 1:3 666", "device:/dev/loop-control": None, "device:/dev/net/tun": None},
        {HC + "Privileged": False, HC + "ShmSize": 64 << 20, HC + "IpcMode": "private", HC + "NetworkMode": "none",
         HC + "MaskedPaths": Has("/proc/kcore", "/sys/firmware"), HC + "ReadonlyPaths": Has("/proc/sys"), "Config.Image": IMAGE},
        ask=["open:/dev/loop-control", "node:c:10:237", "write:/proc/irq/default_smp_affinity", "write:/proc/sys/kernel/domainname", "read:/proc/keys",
             "list:/sys/firmware"], answers=["ENOENT", "EPERM", "EROFS", "EROFS", "", []]),
    row("--entrypoint|/probe", {"argv": ["/probe", "a", "b c"]}, {"Config.Entrypoint": ["/probe"], "Config.Cmd": ["a", "b c"]},
        command=["a", "b c"]),
    row("--entrypoint|", {"argv": ["/probe", "x"]}, {"Path": "/probe", "Args": ["x"]}, command=["/probe", "x"]),
    row("-e|A=1|-e|B=two words|-e|EMPTY=|-e|PROBE_OURS|-e|PROBE_ABSENT|-e|PATH=/x:/bin",
        {"env:A": "1", "env:B": "two words", "env:EMPTY": "", "env:PROBE_OURS": "from us", "env:PROBE_ABSENT": None, "env:PATH": "/x:/bin"},
        {"Config.Env": Has("A=1", "PROBE_OURS=from us", "PATH=/x:/bin")}),
    row("--env-file|{dir}/env|-e|TWO=option", {"env:ONE": "file", "env:TWO": "option", "env:PROBE_OURS": "from us", "env:SPACED": " a=b "}),
    row("-w|/tmp", {"cwd": "/tmp"}, {"Config.WorkingDir": "/tmp"}),
    row("-w|/made/for/it", {"cwd": "/made/for/it"}),
    row("-u|web", {"uid": 1000, "gid": 1000, "groups": Has(2000), "cap:Eff": 0, "cap:Bnd": DEFAULT}, {"Config.User": "web"}),
    row("-u|web:extra", {"uid": 1000, "gid": 2000}),
    row("-u|1000", {"uid": 1000, "gid": 1000}),
    row("-u|4242:77", {"uid": 4242, "gid": 77, "env:HOME": "/"}),
    row("-u|0:extra", {"uid": 0, "gid": 2000, "cap:Eff": DEFAULT}),
    row("-u|web|--group-add|extra|--group-add|3333", {"groups": Has(2000, 3333)}, {HC + "GroupAdd": ["extra", "3333"]}),
    row("-h|box", {"hostname": "box"}, {"Config.Hostname": "box"}, ask=["read:/etc/hostname"], answers=["box\n"]),
    row("-h|box|--domainname|example.org", {"hostname": "box", "domainname": "example.org"}, {"Config.Domainname": "example.org"}),
    row("--add-host|one:10.0.0.1|--add-host|six:fe80::1", {"answers": Has()}, {HC + "ExtraHosts": ["one:10.0.0.1", "six:fe80::1"]},
        ask=["read:/etc/hosts"]),
    row("-l|a=1|-l|b|--label-file|{dir}/labels", None, {"Config.Labels": {"a": "1", "b": "", "from": "a file"}}),
    row("--init", {"argv": Has("/probe", without=["--"])}, {HC + "Init": True}, ask=["read:/proc/1/comm"], answers=["docker-init\n"]),
    row("--init|--pid|host", {"argv": ["/probe"], "ns:pid": "host"}),
    row("--stop-signal|USR1|--stop-timeout|3", None, {"Config.StopSignal": "USR1", "Config.StopTimeout": 3}),
    row("--runtime|runc", {"status:Seccomp": "2"}, {HC + "Runtime": "runc"}),
    row("--runtime|crun", {"status:Seccomp": "2"}, {HC + "Runtime": "crun"}, ours=True),
    row("--annotation|org.example/a=b", None, {HC + "Annotations": {"org.example/a": "b"}}, ours=True),

    # storage
    row("--tmpfs|/t:size=1m,mode=700,exec,uid=5", {"mount:/t": Has("tmpfs", "size=1024k", "mode=700", "uid=5", "nosuid", "nodev",
                                                                   without=["noexec"])}, {HC + "Tmpfs": {"/t": "size=1m,mode=700,exec,uid=5"}}),
    row("--tmpfs|/t", {"mount:/t": Has("tmpfs", "rw", "noexec", "nosuid", "nodev")}, {HC + "Tmpfs": {"/t": ""}, "Mounts": []}),
    row("--shm-size|2m", {"mount:/dev/shm": Has("size=2048k")}, {HC + "ShmSize": 2 << 20}),
    row("--read-only", {"mount:/": Has("ro")}, {HC + "ReadonlyRootfs": True},
        ask=["write:/etc/hosts", "write:/etc/passwd", "write:/dev/shm/../null"], answers=["EROFS", "EROFS", "yes"]),
    row("--read-only|--tmpfs|/tmp", {"mount:/": Has("ro"), "mount:/tmp": Has("tmpfs", "rw")}),
    row("-v|{dir}:/b", {"mount:/b": Has("rw", without=["shared", "master"])}, {HC + "Binds": ["{dir}:/b"], "Mounts.0.Type": "bind",
        "Mounts.0.Source": "{dir}", "Mounts.0.Destination": "/b", "Mounts.0.RW": True, "Mounts.0.Propagation": "rprivate"},
        ask=["read:/b/in", "write:/b/in"], answers=["in\n", "yes"]),
    row("-v|{dir}:/b:ro,z", {"mount:/b": Has("ro")}, {"Mounts.0.RW": False, HC + "Binds": ["{dir}:/b:ro,z"]}, ask=["write:/b/in"], answers=["EROFS"]),
    row("-v|{dir}:/b:rslave", {"mount:/b": Has("master", without=["shared"])}, {"Mounts.0.Propagation": "rslave"}),
    row("-v|{dir}:/b:rshared", {"mount:/b": Has("shared")}, {"Mounts.0.Propagation": "rshared"}),
    row("-v|{dir}:/b:nocopy,rprivate", {"mount:/b": Has("rw", without=["shared", "master"])}),
    row("-v|{dir}:/b:Z,private", {"mount:/b": Has("rw", without=["shared", "master"])}, {"Mounts.0.Propagation": "private"}),
    row("-v|{dir}/in:/etc/one:ro", None, ask=["read:/etc/one"], answers=["in\n"]),
    row("-v|{dir}/made/deep:/m", None, ask=["list:/m"], answers=[[]]),
    row("-v|{dir}/sub:/b/sub|-v|{dir}:/b", None, ask=["read:/b/sub/below", "read:/b/in"], answers=["below\n", "in\n"]),
    row("-v|{dir}:/b|--tmpfs|/b/sub", {"mount:/b/sub": Has("tmpfs")}, ask=["list:/b/sub"], answers=[[]]),
    row("--mount|type=bind,src={dir},dst=/b,readonly", {"mount:/b": Has("ro")},
        {HC + "Mounts": [{"Type": "bind", "Source": "{dir}", "Target": "/b", "ReadOnly": True}], "Mounts.0.RW": False}),
    row("--mount|type=bind,source={dir},target=/b,bind-propagation=rslave", {"mount:/b": Has("master")},
        {HC + "Mounts.0.BindOptions": {"Propagation": "rslave"}}),
    row("--mount|type=bind,src={dir},dst=/b", {"mount:/b/mounted": Has("tmpfs")}),
    row("--mount|type=bind,src={dir},dst=/b,bind-recursive=disabled", {"mount:/b/mounted": set(), "mount:/b": Has("rw")},
        {HC + "Mounts.0.BindOptions.NonRecursive": True}, ours=True),
    row("--mount|type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700", {"mount:/t": Has("tmpfs", "size=1024k", "mode=700", "noexec", "nosuid", "nodev")},
        {HC + "Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}}],
         "Mounts.0.Type": "tmpfs", "Mounts.0.Destination": "/t", "Mounts.0.RW": True}),
    row("--mount|type=tmpfs,dst=/t,readonly", {"mount:/t": Has("tmpfs", "ro")}),

    # devices
    row("--device|/dev/fuse", {"device:/dev/fuse": Has("c 10:229")}, {HC + "Devices": [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}]}, ask=["open:/dev/fuse", "node:c:10:229"], answers=["yes", "yes"]),
    row("--device|/dev/loop-control:/dev/lc:r", {"device:/dev/loop-control": None, "device:/dev/lc": Has("c 10:237")},
        ask=["read:/dev/lc", "open:/dev/lc", "node:c:10:237"], answers=["EINVAL", "EPERM", "yes"]),
    row("--device|/dev/net:/dev/wires", {"device:/dev/wires/tun": Has("c 10:200")}, ask=["open:/dev/wires/tun"], answers=["yes"]),
    row("--device-cgroup-rule|c 10:237 rwm", {"device:/dev/loop-control": None}, {HC + "DeviceCgroupRules": ["c 10:237 rwm"]},
        ask=["node:c:10:237", "node:c:10:229"], answers=["yes", "EPERM"]),
    row("--device-cgroup-rule|c 10:* m", None, ask=["node:c:10:237"], answers=["EPERM"]),

    # rights
    row("--cap-add|cap_net_admin|--cap-add|SYS_TIME", {"cap:Eff": DEFAULT | SYS_TIME | NET_ADMIN, "cap:Bnd": DEFAULT | SYS_TIME | NET_ADMIN},
        {HC + "CapAdd": ["CAP_NET_ADMIN", "CAP_SYS_TIME"]}),
    row("--cap-drop|CHOWN", {"cap:Eff": DEFAULT & ~CHOWN}, {HC + "CapDrop": ["CAP_CHOWN"]}),
    row("--cap-drop|ALL", {"cap:Eff": 0, "cap:Bnd": 0}),
    row("--cap-drop|ALL|--cap-add|CHOWN", {"cap:Eff": CHOWN}),
    row("--cap-add|ALL|--cap-drop|CHOWN", {"cap:Eff": BOUNDING & ~CHOWN}, ours=BOUNDING != EVERY),
    row("--cap-add|ALL", {"cap:Eff": BOUNDING, "status:Seccomp": "2"}, ours=BOUNDING != EVERY),  # dockerd asks for what it has not
    row("--privileged", {"cap:Eff": BOUNDING, "status:Seccomp": "0", "mount:/sys": Has("rw"), f"mount:{GROUPS}": Not("ro"), "mount:/proc/keys": set(),
                         "mount:/proc/sys": set(), "device:/dev/loop-control": Has("c 10:237"), "device:/dev/net/tun": Has("c 10:200")},
        {HC + "Privileged": True, HC + "MaskedPaths": [], HC + "ReadonlyPaths": []}, ask=["write:/proc/sys/kernel/domainname", "node:c:10:237"], answers=["yes", "yes"],
        ours=True),  # 20.10 shows null
    row("--security-opt|no-new-privileges", {"status:NoNewPrivs": "1"}, {HC + "SecurityOpt": ["no-new-privileges"]}),
    row("--security-opt|seccomp=unconfined", {"status:Seccomp": "0"}, {HC + "SecurityOpt": ["seccomp=unconfined"]}),
    row("--security-opt|label=disable|--security-opt|label=level:s0:c1", {"status:Seccomp": "2"}),
    row("--security-opt|apparmor=unconfined", {"status:Seccomp": "2"}),
    row("--security-opt|systempaths=unconfined", {"mount:/proc/keys": set(), "mount:/proc/sys": set(), "cap:Eff": DEFAULT},
        {HC + "MaskedPaths": [], HC + "ReadonlyPaths": []}, ask=["write:/proc/sys/net/ipv4/ip_forward"], answers=["yes"]),

    # limits and settings
    row("--ulimit|nofile=100:200|--ulimit|core=0|--ulimit|nproc=50:60", {"limit:nofile": [100, 200], "limit:core": [0, 0], "limit:nproc": [50, 60]},
        {HC + "Ulimits": Has({"Name": "nofile", "Soft": 100, "Hard": 200})}),
    row("--oom-score-adj|321", {"oom_score_adj": "321\n"}, {HC + "OomScoreAdj": 321}),
    row("--sysctl|net.core.somaxconn=77|--sysctl|kernel.msgmax=5000|--sysctl|fs.mqueue.msg_max=9", None,
        {HC + "Sysctls": {"net.core.somaxconn": "77", "kernel.msgmax": "5000", "fs.mqueue.msg_max": "9"}},
        ask=["read:/proc/sys/net/core/somaxconn", "read:/proc/sys/kernel/msgmax", "read:/proc/sys/fs/mqueue/msg_max"], answers=["77\n", "5000\n", "9\n"]),
    row("--sysctl|net.ipv4.ip_unprivileged_port_start=500", None, ask=["read:/proc/sys/net/ipv4/ip_unprivileged_port_start"], answers=["500\n"]),

    # namespaces
    row("--pid|host", {"ns:pid": "host", "ns:ipc": "own"}, {HC + "PidMode": "host"}),
    row("--ipc|host", {"ns:ipc": "host", "ns:pid": "own"}, {HC + "IpcMode": "host"}),
    row("--ipc|none", {"ns:ipc": "own", "mount:/dev/shm": set()}, {HC + "IpcMode": "none"}),
    row("--ipc|private", {"ns:ipc": "own"}, {HC + "IpcMode": "private"}),
    row("--ipc|shareable", {"ns:ipc": "own", "mount:/dev/shm": Has("tmpfs")}, {HC + "IpcMode": "shareable"}),
    row("--uts|host", {"ns:uts": "host", "hostname": os.uname().nodename}, {HC + "UTSMode": "host"}),
    row("--network|host", {"ns:net": "host", "ns:uts": "own", "hostname": os.uname().nodename}, {HC + "NetworkMode": "host"}),
    row("--cgroupns|host", {"ns:cgroup": "host"}, {HC + "CgroupnsMode": "host"}),
    row("--cgroupns|private", {"ns:cgroup": "own"}, {HC + "CgroupnsMode": "private"}),
    row("--userns|host", {"ns:user": "host"}, {HC + "UsernsMode": "host"}),
    row("--cgroupns|host|--cgroup-parent|{group}", {"cgroup": Has("{group}/")}, {HC + "CgroupParent": "{group}"}),
    row("--dns|192.0.2.1|--dns-search|a|--dns-search|b|--dns-option|ndots:3", None,
        {HC + "Dns": ["192.0.2.1"], HC + "DnsSearch": ["a", "b"], HC + "DnsOptions": ["ndots:3"]},
        ask=["read:/etc/resolv.conf"], answers=["search a b\nnameserver 192.0.2.1\noptions ndots:3\n"]),
]


def filled(value, places):
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace("{" + name + "}", text)
    elif isinstance(value, list):
        value = [filled(item, places) for item in value]
    elif isinstance(value, dict):
        value = {key: filled(item, places) for key, item in value.items()}
    elif isinstance(value, Has):
        value = Has(*(filled(word, places) for word in value.words), without=value.without)
    return value


class Peer:
    """A dockerd by hand, as far as these tests need one."""

    def docker(self, *words, check=True):
        done = subprocess.run(["docker", "-H", PEER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        done.out, done.err = done.stdout, done.stderr
        assert not check or done.returncode == 0, done.err
        return done

    def take_image(self, archive):
        target = archive.with_suffix(".docker")
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci-archive:{archive}", f"docker-archive:{target}:{IMAGE}"], check=True)
        self.docker("load", "-i", str(target))


@pytest.fixture(scope="module", params=["crun", "runc"] if kedge.SOAK and not PEER else ["crun"])
def engine(request, tmp_path_factory):
    layer = tmp_path_factory.mktemp("layer")
    shutil.copy(PROBE, layer / "probe")
    archive = kedge.busybox_archive(tmp_path_factory.mktemp("image") / "probe.tar", IMAGE, {"Cmd": ["/probe"]}, [layer])
    if PEER:
        peer = Peer()
        peer.take_image(archive)
        return peer
    daemon = kedge.Daemon(options=["--runtime", request.param]).start()
    request.addfinalizer(daemon.close)
    daemon.api.call("POST", "/images/load", archive.read_bytes(), {"Content-Type": "application/x-tar"})
    return daemon


@pytest.fixture(scope="module")
def places():
    """Files that rows name: {dir} is a shared mount of its own with a file system mounted in it; {group} a control group."""
    group = f"/kedge-probe-{os.getpid()}"
    with kedge_directory() as directory:
        (directory / "sub").mkdir()
        (directory / "in").write_text("in\n")
        (directory / "sub" / "below").write_text("below\n")
        (directory / "env").write_text("# comment\nONE=file\nTWO=file\n\nPROBE_OURS\nSPACED= a=b \n")
        (directory / "labels").write_text("from=a file\n# comment\n")
        os.environ["PROBE_OURS"] = "from us"
        yield {"dir": str(directory), "group": group}
        del os.environ["PROBE_OURS"]
    for path in kedge.cgroup_directories(group):
        path.rmdir()


@contextlib.contextmanager
def kedge_directory():
    directory = pathlib.Path(subprocess.run(["mktemp", "-d"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    mounted = directory / "mounted"
    subprocess.run(["mount", "-t", "tmpfs", "probe", directory], check=True)
    subprocess.run(["mount", "--make-shared", directory], check=True)
    try:
        mounted.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "below", mounted], check=True)
        yield directory
    finally:
        subprocess.run(["umount", "-R", directory], check=False)
        directory.rmdir()


def probe_run(engine, program, words, command):
    run = getattr(engine, program)
    network = [] if "--network" in words else ["--network", "none"]
    identity = run("create", *network, *words, IMAGE, *command).out.strip()
    try:
        done = run("start", "-a", identity, check=False)
        shown = json.loads(run("inspect", identity).out)[0]
        return done, shown
    finally:
        run("rm", "-f", identity)


PROGRAMS = ["docker"] if PEER else ["docker", "kedge"]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("case", ROWS)
def test_option(engine, places, program, case):
    words, found, shown, ask, ours, command = filled(list(case), places)
    if ours and (PEER or program == "docker" and kedge.docker_major() < 25):
        pytest.skip(OURS)
    done, inspected = probe_run(engine, program, words, command if command else ["/probe", *ask])
    assert done.returncode == 0, done.err
    facts = Facts(done.out)
    for path, expected in found.items():
        assert matches(facts.get(path), expected), (path, facts.get(path), expected)
    for path, expected in shown.items():
        assert matches(dotted(inspected, path), expected), (path, dotted(inspected, path), expected)


REFUSED = [
    ("-u|stranger", 'user "stranger" is not in the image\'s /etc/passwd'), ("-u|web:strangers", 'group "strangers" is not in the image\'s /etc/group'),
    ("--group-add|strangers", 'group "strangers" is not in the image\'s /etc/group'), ("-w|relative", '"relative" must be an absolute path'),
    ("-h|a b", "is not a host name"), ("--runtime|nonesuch", 'unknown runtime "nonesuch"'), ("--cap-add|FLY", "FLY"), ("--cap-drop|FLY", "FLY"),
    ("--mount|type=bind,src=/nowhere,dst=/x", "bind source path does not exist: /nowhere"), ("--mount|type=volume,src=v:x,dst=/x", "includes invalid characters for a local volume name"),
    ("-v|/tmp:relative", '"relative" must be an absolute path'), ("-v|/tmp:/x:sideways", "sideways"), ("-v|/tmp:/x|--tmpfs|/x", '"/x" is mounted twice'),
    ("--tmpfs|/x:size=1m,flavour=3", "flavour=3"), ("--device|/dev/nonesuch", "/dev/nonesuch"), ("--device|/etc/passwd", "is not a device"),
    ("--security-opt|magic=1", "magic"), ("--security-opt|apparmor=mine", "AppArmor is not available"), ("--ulimit|nofile=4000000000", "nofile cannot be raised above"),
    ("--network|host|--sysctl|net.core.somaxconn=5", "cannot be set on the host's network"), ("--ipc|host|--sysctl|kernel.msgmax=5", "host's IPC namespace"),
    ("--ipc|sideways", "sideways"), ("--uts|host|-h|x", "utsMode"), ("--cgroup-parent|../x", "is not a plain path"), ("--add-host|a:b", "b"),
    ("--dns|nowhere", "nowhere"), ("-p|80:80|--network|container:nobody", "the container type network mode"), ("--network|mine|-p|80:80", "mine"), ("--link|nobody:x", "No such container: nobody"), ("--network|mine", "mine"), ("--stop-signal|NONESUCH", "NONESUCH"),
    ("--oom-score-adj|-500", "-500 cannot be set without CAP_SYS_RESOURCE"), ("--add-host|up:host-gateway", "no way to the host")]


@pytest.mark.skipif(bool(PEER), reason=OURS)
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("words,message", [pytest.param(words, message, id=words) for words, message in REFUSED])
def test_refusal(engine, places, program, words, message):
    if "CAP_SYS_RESOURCE" in message and BOUNDING & 1 << 24:
        pytest.skip("this machine may do it")
    run = getattr(engine, program)
    network = [] if "--network" in words or "--link" in words else ["--network", "none"]
    try:
        done = run("run", "--rm", *network, *words.split("|"), IMAGE, "true", check=False)
        assert done.returncode == 125, (done.out, done.err)
        assert message in done.err
    finally:
        engine.remove_all()
