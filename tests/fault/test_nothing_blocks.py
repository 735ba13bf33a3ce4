# SPDX-License-Identifier: Apache-2.0
"""A registry, a mount and a runtime that stall (invariant 5): whoever waits for them waits alone, and is told; all others are answered at once."""
import contextlib
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import time

import pytest

import kedge
import registries
import store
from streams import Background

LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def stalled_mount(path):
    """A file system whose server never answers: whoever looks at a path below it waits until this ends. Over a file: whoever opens that."""
    if not path.exists():
        path.mkdir()
    server = os.open("/dev/fuse", os.O_RDWR)
    mode = "40000" if path.is_dir() else "100644"
    options = f"fd={server},rootmode={mode},user_id=0,group_id=0".encode()
    if LIBC.mount(b"stalled", str(path).encode(), b"fuse.stalled", 0, options) < 0:
        os.close(server)
        pytest.skip("no FUSE here: " + os.strerror(ctypes.get_errno()))
    try:
        yield path
    finally:
        os.close(server)  # who waits gets an error
        subprocess.run(["umount", "-l", path], check=True)


def touches(path):
    """Whether a look at it comes back; from a process of its own, which may hang."""
    look = subprocess.Popen(["stat", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        look.wait(0.5)
        return True
    except subprocess.TimeoutExpired:
        look.kill()
        return False


@pytest.fixture
def stalled(tmp_path):
    with stalled_mount(tmp_path / "dead") as mount:
        assert not touches(mount / "x")
        runtime = tmp_path / "hanging"
        runtime.write_text("#!/bin/sh\nexec sleep 1000\n")
        runtime.chmod(0o755)
        config = tmp_path / "kedged.yaml"
        config.write_text(json.dumps({"engine": {"startTimeout": "3s", "runtimes": {"hanging": str(runtime)}}}))
        registry = registries.FakeRegistry()
        registry.add(registries.Image([b"layer"]), "1")
        registry.rule("/manifests/")(lambda handler, request: bool(time.sleep(6)))
        it = kedge.Daemon(options=["--config", str(config)])
        try:
            it.start()
            it.load_busybox()
            it.dead, it.registry = mount, registry
            yield it
            it.close()
        finally:
            it.stop()
            registry.close()


def ask_for_a_while(daemon, jobs, count=100):
    """Times of /containers/json over new connections, in milliseconds, while all the jobs wait."""
    times = []
    for _ in range(count):
        begin = time.monotonic()
        assert daemon.api.raw("GET", "/containers/json?all=1")[0] == 200
        times.append((time.monotonic() - begin) * 1000)
        assert not any(job.is_done() for job in jobs)
        time.sleep(0.01)
    return times


def test_others_are_answered(stalled):
    """Bound directories on the dead mount: one that is to be there, by itself or with what is mounted below, one that is to be made, a file
    system of its own as a runtime's mount."""
    pulling = Background(stalled.api.raw, "POST", f"/images/create?fromImage={stalled.registry.host}/a&tag=1")
    hanging = stalled.create(["true"], host={"Runtime": "hanging"})
    must_be = {"Type": "bind", "Source": str(stalled.dead / "there"), "Target": "/b"}
    flat = {**must_be, "BindOptions": {"NonRecursive": True}}
    bound = [*(stalled.create(["true"], host={"Mounts": [mount]}) for mount in (must_be, flat)),
             stalled.create(["true"], host={"Binds": [f"{stalled.dead}/made/deep:/b"]}),
             stalled.create(["true"], host={"Binds": [f"{stalled.dead}:/b"]})]
    link = stalled.directory / "link"
    link.symlink_to(stalled.dead)
    bound.append(stalled.create(["true"], host={"Binds": [f"{link}/made:/b"]}))
    starts = [Background(stalled.api.raw, "POST", f"/containers/{identity}/start") for identity in [hanging, *bound]]
    kedge.wait_for(lambda: stalled.registry.asked("/manifests/"))
    times = ask_for_a_while(stalled, [pulling, *starts])
    print(f"median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms")
    assert statistics.median(times) < 50 and max(times) < 1000  # a machine that others use too: the bench has the figure
    other = stalled.run_container(["sh", "-c", "exit 4"])
    assert stalled.wait(other) == 4
    for start in starts:
        status, body = start.result()
        assert status == 500 and b"in time" in body, body
    assert b"error" in pulling.result()[1]
    for identity in [hanging, *bound]:
        assert stalled.inspect(identity)["State"]["Status"] == "created"
    kedge.wait_for(lambda: not stalled.leftovers())


def limit_file(daemon, identity):
    for name in ("memory.max", "memory.limit_in_bytes"):
        for directory in kedge.cgroup_directories(f"{daemon.cgroup_parent}/{identity}"):
            if (directory / name).exists():
                return directory / name
    raise AssertionError("no memory group")


def children(daemon):
    return set(pathlib.Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split())


def test_a_limit_that_the_kernel_takes_long_over(daemon):
    """Less memory than is used is reclaimed in write(2), which here is a file that never answers."""
    identity = daemon.run_container(["sleep", "1000"], host={"Memory": 64 << 20})
    file = limit_file(daemon, identity)
    before = children(daemon)
    with stalled_mount(file):
        first = Background(daemon.api.raw, "POST", f"/containers/{identity}/update", b'{"Memory": 33554432}')
        kedge.wait_for(lambda: children(daemon) - before)  # it writes: the other one is second
        second = Background(daemon.api.raw, "POST", f"/containers/{identity}/update", b'{"CpuShares": 300}')
        times = ask_for_a_while(daemon, [first, second], 30)
        assert statistics.median(times) < 50 and max(times) < 1000
        other = daemon.run_container(["sh", "-c", "exit 4"])
        assert daemon.wait(other) == 4 and not first.is_done()
    status, body = first.result()
    assert status >= 400 and file.name.encode() in body, body
    assert second.result() == (200, b'{"Warnings":[]}\n')
    host = daemon.inspect(identity)["HostConfig"]
    assert (host["Memory"], host["CpuShares"]) == (64 << 20, 300)
    assert file.read_text().strip() == str(64 << 20)
    assert daemon.api.post(f"/containers/{identity}/update", {"Memory": 32 << 20}) == {"Warnings": []}
    assert file.read_text().strip() == str(32 << 20)


class Unloaded(kedge.Daemon):
    """A kedged that sees an AppArmor of the test's own: a list of profiles, and a parser that does what the pipe `orders` says."""

    PARSER = """#!/bin/sh
echo called >> {0}/calls
order=load
[ ! -p {0}/orders ] || read order < {0}/orders
[ $order = load ] || {{ echo "AppArmor parser error: $order" >&2; exit 1; }}
echo "kedge-default (enforce)" > {0}/security/apparmor/profiles
"""

    def __init__(self, directory):
        super().__init__(directory, environment={"PATH": f"{directory}/bin:{os.environ['PATH']}"})
        (self.directory / "bin").mkdir()
        (self.directory / "security" / "apparmor").mkdir(parents=True)
        self.profiles, self.orders = self.directory / "security" / "apparmor" / "profiles", self.directory / "orders"
        self.profiles.touch()
        parser = self.directory / "bin" / "apparmor_parser"
        parser.write_text(self.PARSER.format(self.directory))
        parser.chmod(0o755)

    def command(self):
        script = f'mount --bind {self.directory}/security /sys/kernel/security && exec "$@"'
        return ["unshare", "-m", "sh", "-ec", script, "kedged", *super().command()]

    def calls(self):
        return len((self.directory / "calls").read_text().splitlines())


@pytest.fixture
def unloaded(tmp_path):
    it = Unloaded(tmp_path / "k")
    try:
        it.start()
        it.load_busybox()
        assert it.calls() == 1
        it.profiles.write_text("")  # somebody has unloaded it
        os.mkfifo(it.orders)
        yield it
        it.close()
    finally:
        it.stop()


def test_a_profile_that_takes_long_to_load(unloaded):
    first, second = (unloaded.create(["true"], host={"Runtime": "crun"}) for _ in range(2))
    free = unloaded.create(["true"], host={"SecurityOpt": ["apparmor=unconfined"]})
    starts = [Background(unloaded.api.raw, "POST", f"/containers/{identity}/start") for identity in (first, second)]
    times = ask_for_a_while(unloaded, starts, 30)
    assert statistics.median(times) < 50 and max(times) < 1000
    unloaded.api.raw("POST", f"/containers/{free}/start")  # whatever the runtime makes of a kernel without AppArmor
    assert not any(start.is_done() for start in starts)
    unloaded.orders.write_text("syntax\n")
    for start in starts:
        status, body = start.result()
        assert status == 500 and b"AppArmor parser error: syntax" in body, body
    assert unloaded.calls() == 2  # one for both


def test_a_start_goes_on_with_its_profile(unloaded):
    identity = unloaded.create(["true"])
    start = Background(unloaded.api.raw, "POST", f"/containers/{identity}/start")
    unloaded.orders.write_text("load\n")
    status, body = start.result()
    assert unloaded.calls() == 2 and b"profile" not in body, (status, body)


@pytest.mark.parametrize("way", ["directly", "by a link"])
def test_directories_on_other_mounts_are_made(daemon, tmp_path, way):
    """One that a link leads to might stall, for all that kedged knows: it is made by the shim."""
    mount = tmp_path / "far"
    mount.mkdir()
    (tmp_path / "link").symlink_to(mount)
    source = (mount if way == "directly" else tmp_path / "link") / "made" / "deep"
    subprocess.run(["mount", "-t", "tmpfs", "far", mount], check=True)
    try:
        identity = daemon.run_container(["sh", "-c", "echo x > /b/f"], host={"Binds": [f"{source}:/b"]})
        assert daemon.wait(identity) == 0 and (mount / "made" / "deep" / "f").read_text() == "x\n"
        (mount / "file").touch()
        status, body = daemon.api.raw("POST", f"/containers/{daemon.create(['true'], host={'Binds': [f'{source.parent.parent}/file/x:/b']})}/start")
        assert status >= 400 and b"/file" in body, body
        daemon.remove_all()
    finally:
        subprocess.run(["umount", mount], check=True)
    store.end_clean(daemon)
