# SPDX-License-Identifier: Apache-2.0
"""Where a run of the benchmark keeps what it makes, and how all of it goes away again, also after a run that was killed.

Everything has one name in it, kedge-bench-PID: the directory in /tmp, and the control groups. What bears the name of a process that is
gone was left by a run that could not clean up; the next run does.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

HOME = pathlib.Path("/tmp")
NAME = re.compile(r"kedge-bench-(\d+)(?!\d)")


def processes_with(needle):
    """Pids whose command line holds the needle: every process of an engine names its root."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if needle.encode() in words and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def below(group, name="*"):
    """Paths below a group, which may be about to go."""
    for _ in range(100):
        try:
            return list(group.rglob(name))
        except FileNotFoundError:
            pass
    return []


def group_processes(group):
    pids = []
    for path in below(group, "cgroup.procs"):
        try:
            pids += map(int, path.read_text().split())
        except OSError:
            pass
    return pids


def groups_of(name):
    """The control group of that name in each hierarchy."""
    base, name = pathlib.Path("/sys/fs/cgroup"), name.lstrip("/")
    return [path for pattern in (name, "*/" + name) for path in base.glob(pattern)]


class Account:
    """A control group that counts the processor time of the processes that are put into it and of all that they start, ended or not."""

    def __init__(self, name):
        self.name = name
        base = pathlib.Path("/sys/fs/cgroup")
        self.path = (base / "cpuacct" if (base / "cpuacct").is_dir() else base) / name.lstrip("/")
        self.path.mkdir()

    def add(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def seconds(self):
        return group_seconds(self.name)

    def close(self):
        """Helpers that end only when nobody has needed them for a while are ended."""
        remove_groups(self.name)


def group_seconds(name):
    """Of the processor, for all that has run in that control group and in those below it."""
    for path in groups_of(name):
        if (path / "cpuacct.usage").exists():
            return int((path / "cpuacct.usage").read_text()) / 1e9
    for path in groups_of(name):
        for line in (path / "cpu.stat").read_text().splitlines() if (path / "cpu.stat").exists() else []:
            key, value = line.split()
            if key == "usage_usec":
                return int(value) / 1e6
    raise RuntimeError(f"nothing counts the processor time of {name}")


def remove_groups(name):
    """With whatever runs in them."""
    groups = groups_of(name)
    end = time.monotonic() + 10
    for group in groups:
        while pids := group_processes(group):
            kill_all(pids)
            if time.monotonic() > end:
                break
            time.sleep(0.01)
        for directory in [*sorted((path for path in below(group) if path.is_dir()), reverse=True), group]:
            try:
                directory.rmdir()
            except OSError:
                pass


def unmount_below(directory):
    mounts = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if f"{mount}/".startswith(f"{directory}/")]):
        subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)


def detach_loops(directory):
    listing = subprocess.run(["losetup", "-n", "-O", "NAME,BACK-FILE"], stdout=subprocess.PIPE, text=True).stdout
    for line in listing.splitlines():
        device, _, file = line.partition(" ")
        if file.strip().startswith(f"{directory}/"):
            subprocess.run(["losetup", "-d", device], stderr=subprocess.DEVNULL)


def sweep(directory, owner):
    """Ends and removes whatever bears the name of the run."""
    kill_all(processes_with(f"{directory}/"))
    remove_groups(f"kedge-bench-{owner}-*")
    kill_all(processes_with(f"{directory}/"))
    for namespace in pathlib.Path("/run/netns").glob(f"kn{owner}-*"):
        subprocess.run(["ip", "netns", "del", namespace.name], stderr=subprocess.DEVNULL)
    unmount_below(directory)
    detach_loops(directory)
    shutil.rmtree(directory, ignore_errors=True)


def is_alive(pid):
    try:
        return b"bench" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def sweep_old():
    """What earlier runs left that were killed."""
    for path in HOME.glob("kedge-bench-*"):
        owner = int(NAME.match(path.name).group(1)) if NAME.match(path.name) else None
        if owner and owner != os.getpid() and not is_alive(owner):
            print(f"cleaning up after the run {owner}, which was killed")
            sweep(path, owner)


class FileSystem:
    """An ext4 of its own on a loop device, made without work left for later."""

    def __init__(self, directory, name, megabytes):
        self.image, self.path = directory / f"{name}.ext4", directory / name
        self.megabytes, self.device = megabytes, None
        self.path.mkdir()

    def make(self):
        """A fresh one, in place of what there was. The file is another one, too: a mount namespace that somebody made meanwhile may
        hold on to the old one."""
        self.unmount()
        self.image.unlink(missing_ok=True)
        with open(self.image, "wb") as image:
            image.truncate(self.megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image], check=True)
        self.device = subprocess.run(["losetup", "--show", "-f", self.image], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        subprocess.run(["mount", self.device, self.path], check=True)
        return self

    def sectors_written(self):
        subprocess.run(["sync", "-f", self.path], check=True)
        return int(pathlib.Path(f"/sys/block/{self.device.removeprefix('/dev/')}/stat").read_text().split()[6])

    def unmount(self):
        if self.device:
            subprocess.run(["umount", self.path], check=True)
            subprocess.run(["losetup", "-d", self.device], check=True)
            self.device = None

    def close(self):
        self.unmount()
        self.image.unlink(missing_ok=True)
        self.path.rmdir()


class Workplace:
    """directory is on the disk; run, in memory, is where the engines have what they keep in /run on a device."""

    def __init__(self):
        self.owner = os.getpid()
        self.directory = HOME / f"kedge-bench-{self.owner}"
        self.run = self.directory / "run"
        self.run.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "kedge-bench", self.run], check=True)
        self.podman_lock = pathlib.Path("/dev/shm/libpod_lock")
        self.had_podman_lock = self.podman_lock.exists()

    def group(self, name):
        """A control group of this run."""
        return f"/kedge-bench-{self.owner}-{name}"

    def file_system(self, name, megabytes):
        return FileSystem(self.directory, name, megabytes)

    def clear(self, keep):
        """After a row that failed in the middle: what it left running and mounted goes, but for the directory to keep."""
        for path in [*self.directory.iterdir(), *self.run.iterdir()]:
            if path != self.run and path.name != keep and path.is_dir():
                sweep(path, self.owner)
        detach_loops(self.directory)

    def close(self):
        sweep(self.directory, self.owner)
        if not self.had_podman_lock:
            self.podman_lock.unlink(missing_ok=True)
