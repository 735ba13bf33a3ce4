# SPDX-License-Identifier: Apache-2.0
"""Every system call through every door, in containers of kedged (filter ready-made and as JSON) and of dockerd: the same verdicts but
for the lists here. docs/decisions/0006 has the lists in words."""
import re
import shutil
import subprocess
import tempfile
import pathlib

import pytest

import kedge

PROBER = kedge.BUILD / "tests" / "system" / "seccomp_prober"
PROFILE = kedge.TOP / "src" / "runtime" / "seccomp_profile.c"
DOORS = ("x86_64", "i386", "x32")

pytestmark = pytest.mark.skipif(not shutil.which("crun") or not shutil.which("runc"), reason="crun or runc is not installed")

# What moby 20.10 and its libseccomp are too old for. Where kedge allows a call, Docker has come to allow it since, and the kernel checks
# it; where kedge refuses one, Docker has come to refuse it.
#     name: (x86-64, i386, x32 where it differs, kedge's verdict, since when Docker's is the same)
NOT_IN_20_10 = {
    "name_to_handle_at": (303, 341, None, "allowed", "23: the handle opens nothing without DAC_READ_SEARCH"),
    "process_vm_readv": (310, 347, 539, "allowed", "23: the same check as ptrace, allowed since 4.8"),
    "process_vm_writev": (311, 348, 540, "allowed", "23: the same"),
    "pkey_mprotect": (329, 380, None, "allowed", "24: memory protection of the process's own"),
    "pkey_alloc": (330, 381, None, "allowed", "24: the same"),
    "pkey_free": (331, 382, None, "allowed", "24: the same"),
    "clock_settime64": (None, 404, None, "allowed", "23, with SYS_TIME: the 64-bit form of clock_settime"),
    "io_uring_setup": (425, 425, None, "refused", "25: a way around the filter"),
    "io_uring_enter": (426, 426, None, "refused", "25: the same"),
    "io_uring_register": (427, 427, None, "refused", "25: the same"),
    "set_mempolicy_home_node": (450, 450, None, "by capability", "24, with SYS_NICE"),
    "cachestat": (451, 451, None, "allowed", "25: newer than libseccomp 2.5.4"),
    "fchmodat2": (452, 452, None, "allowed", "25: the same"),
    "map_shadow_stack": (453, 453, None, "allowed", "26: the same"),
    "futex_wake": (454, 454, None, "allowed", "26: the same"),
    "futex_wait": (455, 455, None, "allowed", "26: the same"),
    "futex_requeue": (456, 456, None, "allowed", "26: the same"),
}
# Newer than the libseccomp of Debian 12 (and of docker 20.10): JSON has names, which that library has no numbers for.
NOT_IN_LIBSECCOMP = {
    "statmount": 457, "listmount": 458, "mseal": 462, "setxattrat": 463, "getxattrat": 464, "listxattrat": 465, "removexattrat": 466,
    "lsm_get_self_attr": 459, "lsm_set_self_attr": 460, "lsm_list_modules": 461, "map_shadow_stack": 453, "uretprobe": 335,
}
# socket(ALG), socket(VSOCK): refused by Docker since 2026 and 23
SOCKETS = {("socket", 38), ("socket", 40)}
# The program compares the 32 bits that the kernel looks at; libseccomp's all 64, which -1 fills.
WIDE_ARGUMENT = {("x86_64", 135)}
NEWEST = 466  # of the table; what comes later is ENOSYS, so that programs fall back, where runtimes with JSON may say EPERM
UNKNOWN_TO_20_10 = {"BPF", "PERFMON", "CHECKPOINT_RESTORE"}  # capabilities that it refuses by name


def relevant_capabilities():
    """Those that the profile speaks of: a new line in it is proved without one here."""
    return sorted(set(re.findall(r"CAP\((\w+)\)", PROFILE.read_text())) - {"name"})


def held_capabilities():
    """Docker refuses to give what the machine has not."""
    bounding = int(re.search(r"CapBnd:\s*(\w+)", pathlib.Path("/proc/self/status").read_text())[1], 16)
    names = re.findall(r"#define CAP_(\w+)\s+(\d+)$", pathlib.Path("/usr/include/linux/capability.h").read_text(), re.M)
    return [name for name, bit in names if bounding >> int(bit) & 1]


CAPABILITIES = {"default": {}, "none": {"CapDrop": ["ALL"]}, "all": {"CapAdd": held_capabilities()},
                **{name: {"CapAdd": [name]} for name in relevant_capabilities() if name in held_capabilities()}}


def image_archive(directory):
    root = kedge.busybox_directory(directory / "root")
    shutil.copy(PROBER, root / "bin" / "prober")
    subprocess.run(["tar", "-C", root, "-cf", directory / "root.tar", "."], check=True)
    kedge.mkimage.write_archive(str(directory / "image.tar"), kedge.mkimage.image_layout(
        "prober:1", [kedge.mkimage.layer_tar(str(root), {})], {}, "gzip"))
    return directory / "image.tar", directory / "root.tar"


def old_crun(directory):
    """A crun that does not know the annotation: kedged has to notice by trying."""
    script = directory / "old-crun"
    script.write_text(f"""#!/bin/sh
for word; do case $bundle in yes) bundle=$word;; esac; [ "$word" = --bundle ] && bundle=yes; done
[ -z "$bundle" ] || sed -i s/run.oci.seccomp_bpf_data/unknown/ "$bundle/config.json"
exec {shutil.which('crun')} "$@"
""")
    script.chmod(0o755)
    return script


class Side:
    """An engine's API, and the host settings that make one form of the filter."""

    def __init__(self, api, **host):
        self.api, self.host, self.known = api, host, {}

    def run(self, command, host):
        body = {"Image": "prober:1", "Cmd": command, "HostConfig": {"NetworkMode": "none", "PidsLimit": 64, **self.host, **host}}
        identity = self.api.post("/containers/create", body)["Id"]
        try:
            self.api.post(f"/containers/{identity}/start")
            status = self.api.post(f"/containers/{identity}/wait")["StatusCode"]
            parts = kedge.demultiplex(self.api.raw("GET", f"/containers/{identity}/logs?stdout=1&stderr=1")[1])
            text = b"".join(part for _, part in parts).decode()
            assert status == 0, text
            return text
        finally:
            self.api.delete(f"/containers/{identity}?force=1")

    def verdicts(self, capabilities, without=()):
        if capabilities not in self.known:
            host = {key: [name for name in names if name not in without] for key, names in CAPABILITIES[capabilities].items()}
            rows = [line.split() for line in self.run(["/bin/prober"], host).splitlines()]
            self.known[capabilities] = {(door, int(number, 0)): verdict for door, number, verdict in rows}
            assert len(self.known[capabilities]) > 1700
        return self.known[capabilities]


@pytest.fixture(scope="module")
def work():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kc", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def archives(work):
    return image_archive(work)


@pytest.fixture(scope="module")
def daemon(work, archives):
    configuration = work / "kedged.yaml"
    configuration.write_text(f"engine:\n  runtimes:\n    old: {old_crun(work)}\n")
    it = kedge.Daemon(options=["--config", str(configuration)]).start()
    it.api.call("POST", "/images/load", archives[0].read_bytes(), {"Content-Type": "application/x-tar"})
    yield it
    it.close()


@pytest.fixture(scope="module")
def forms(daemon):
    return {"ready-made": Side(daemon.api), "ready-made, crun": Side(daemon.api, Runtime="crun"),
            "JSON, crun": Side(daemon.api, Runtime="old"), "JSON, runc": Side(daemon.api, Runtime="runc")}


def answers(api):
    try:
        return api.raw("GET", "/_ping")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def docker(work, archives):
    if not shutil.which("dockerd") or not shutil.which("containerd"):
        pytest.skip("dockerd is not installed")
    directory, api = work / "docker", kedge.Api(work / "docker.sock")
    with open(work / "dockerd.log", "wb") as log:
        process = subprocess.Popen([
            "dockerd", "--data-root", directory / "root", "--exec-root", directory / "exec", "-p", directory / "pid", "-H", f"unix://{api.path}",
            "--iptables=false", "--ip6tables=false", "--bridge=none"], stdout=log, stderr=log)
    try:
        kedge.wait_for(lambda: answers(api), 120)
        if not api.get("/version")["Version"].startswith("20.10."):
            pytest.skip("the list of differences is that of docker 20.10")
        api.call("POST", "/images/create?fromSrc=-&repo=prober&tag=1", archives[1].read_bytes(), {"Content-Type": "application/x-tar"})
        yield Side(api)
    finally:
        process.terminate()
        process.wait(60)


def listed(numbers):
    return {(door, number) for number in numbers for door in DOORS}


def beyond_the_table(keys):
    return {(door, number) for door, number in keys if door in DOORS and NEWEST < number}


def differences(one, other):
    assert one.keys() == other.keys()
    return {key for key in one if one[key] != other[key]}


def config_of(daemon, **host):
    """What the runtime is given."""
    identity = daemon.run_container(["sleep", "1000"], image="prober:1", host=host)
    text = (daemon.run_directory / "containers" / identity / "config.json").read_text()
    daemon.api.delete(f"/containers/{identity}?force=1")
    return text


def test_each_runtime_gets_the_form_that_it_takes(daemon):
    for host, is_ready in (({}, True), ({"Runtime": "old"}, False), ({"Runtime": "runc"}, False)):
        text = config_of(daemon, **host)
        assert ("run.oci.seccomp_bpf_data" in text) == is_ready, host
        assert ('"seccomp":' in text) != is_ready, host


@pytest.mark.parametrize("capabilities, runtime", [*((name, "JSON, runc") for name in CAPABILITIES),
                                                   *((name, form) for name in ("default", "none", "all") for form in ("ready-made, crun", "JSON, crun"))])
def test_both_forms_have_the_same_verdicts(forms, runtime, capabilities):
    ready, compiled = forms["ready-made"].verdicts(capabilities), forms[runtime].verdicts(capabilities)
    if runtime == "ready-made, crun":
        assert ready == compiled  # the shim installs what crun installs
    different = differences(ready, compiled) - beyond_the_table(ready) - WIDE_ARGUMENT
    assert different <= listed(NOT_IN_LIBSECCOMP.values())
    assert "allowed" not in {compiled[key] for key in differences(ready, compiled)}  # where they differ, JSON has less


@pytest.mark.parametrize("capabilities", [name for name in CAPABILITIES if name not in UNKNOWN_TO_20_10])
def test_the_verdicts_are_dockers(forms, docker, capabilities):
    ready, theirs = forms["ready-made"].verdicts(capabilities), docker.verdicts(capabilities, without=UNKNOWN_TO_20_10)
    of_both = WIDE_ARGUMENT | SOCKETS | listed(NOT_IN_LIBSECCOMP.values()) | beyond_the_table(ready)
    for number, of_i386, of_x32, _, _ in NOT_IN_20_10.values():
        of_both |= {("x86_64", number), ("i386", of_i386), ("x32", of_x32 or number)}
    assert differences(ready, theirs) <= of_both


@pytest.mark.parametrize("capabilities", ["default", "all"])
def test_what_kedge_refuses_and_docker_did_not(forms, capabilities):
    refused = [(number, of_i386) for number, of_i386, _, verdict, _ in NOT_IN_20_10.values() if verdict == "refused"]
    keys = {("x86_64", number) for number, _ in refused} | {("i386", number) for _, number in refused} | SOCKETS
    for name, side in forms.items():
        assert {key: side.verdicts(capabilities)[key] for key in keys} == dict.fromkeys(keys, "EPERM"), name


def test_capabilities_are_dockers(forms, docker):
    wanted = docker.run(["grep", "Cap", "/proc/self/status"], {})
    for side in forms.values():
        assert side.run(["grep", "Cap", "/proc/self/status"], {}) == wanted


def program_files(daemon):
    return sorted((daemon.store / "seccomp").glob("*.bpf"))


def test_programs_are_kept_once_for_each_set(daemon, forms):
    """Compiled once for (profile, capabilities, architecture); what makes no difference is no further set; a damaged one is replaced."""
    def use():
        forms["ready-made"].run(["true"], {})
        forms["ready-made"].run(["true"], {"CapDrop": ["CHOWN"]})

    for path in program_files(daemon):
        path.unlink()
    daemon.restart()
    use()
    [path] = program_files(daemon)
    good, inode = path.read_bytes(), path.stat().st_ino
    daemon.restart()
    use()
    assert program_files(daemon) == [path] and path.stat().st_ino == inode  # read, not written again
    for bad in (good[:-8] + b"\0" * 8, good[:100], b"", b"\0" * len(good)):
        path.write_bytes(bad)
        daemon.restart()
        status = forms["ready-made"].run(["cat", "/proc/self/status"], {})
        assert "Seccomp:\t2" in status
        assert program_files(daemon) == [path] and path.read_bytes() == good


def test_a_runtime_is_tried_once(daemon):
    """What passed is remembered with the program's identity; one that does not pass is tried at each start, and a note that is damaged
    means trying again."""
    note = daemon.store / "seccomp" / "ready-made"
    first = note.read_text()
    assert re.fullmatch(r"\S+ \d+ \S+ /\S*crun\n", first)
    note.write_bytes(b"\0\xff damaged")
    daemon.restart()
    assert note.read_text() == first
    assert "run.oci.seccomp_bpf_data" in config_of(daemon)
    assert not (daemon.run_directory / "probe").exists()
