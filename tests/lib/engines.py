# SPDX-License-Identifier: Apache-2.0
"""Other engines on this machine, real ones, with the same images: a dockerd, and podman with its service."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import dockerd
import kedge

GOOD, EVIL = "busybox:test", "evil:1"


def pull_images(directory, pull):
    """GOOD and EVIL, from a registry: so that they have digests of it."""
    registry = kedge.Registry().start()
    try:
        for name, settings in ((GOOD, {}), (EVIL, {"config": {"Env": ["PATH=/bin", "EVIL=1"]}})):
            archive = kedge.busybox_archive(directory / "image.tar", name, **settings)
            pull(registry.copy_from(archive, name), name)
    finally:
        registry.close()


class Engine:
    """limits: options of `run` without which the engine's own defaults are more than this machine allows."""
    limits = []

    def image(self, name):
        return json.loads(self.call("image", "inspect", name))[0]

    def make(self, verb, name, image, *words, options=()):
        command = words or ("sleep", "1000")
        return self.call(verb, *(["-d"] if verb == "run" else []), *self.limits, "--net", "none", "--name", name, *options, image, *command).strip()

    def run(self, name, image=GOOD, *words, options=()):
        return self.make("run", name, image, *words, options=options)

    def create(self, name, image=GOOD, *words, options=()):
        return self.make("create", name, image, *words, options=options)

    def names(self):
        return set(self.call("ps", "-a", "--format", "{{.Names}}").split())

    def state(self, name):
        return json.loads(self.call("inspect", name))[0]["State"]["Status"]

    def remove_all(self):
        for name in self.names():
            self.call("rm", "-f", name, check=False)


class Docker(Engine):
    kind = "docker"

    def __init__(self):
        self.daemon = dockerd.Dockerd().start()
        self.socket = self.daemon.socket
        pull_images(self.daemon.directory, self.pull)

    def pull(self, full, name):
        self.call("pull", "-q", full)
        self.call("tag", full, name)

    def call(self, *words, check=True):
        return subprocess.run(["docker", "-H", f"unix://{self.socket}", *map(str, words)], stdout=subprocess.PIPE, check=check, text=True).stdout

    def process(self):
        return self.daemon.processes[-1]

    def kill(self):
        self.process().kill()
        self.daemon.processes.pop().wait()

    def start(self):
        self.daemon.start_dockerd()

    def close(self):
        self.remove_all()
        self.daemon.close()


class Podman(Engine):
    kind = "podman"
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--log-driver", "none"]

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kp", dir="/tmp"))
        (self.directory / "tmp").mkdir()
        self.socket = self.directory / "podman.sock"
        d = self.directory
        self.program = ["podman", "--root", d / "root", "--runroot", d / "run", "--tmpdir", d / "tmp", "--events-backend", "file",
                        "--cgroup-manager", "cgroupfs", "--storage-driver", "vfs"]
        pull_images(self.directory, self.pull)
        self.start()

    def pull(self, full, name):
        self.call("pull", "-q", "--tls-verify=false", full)
        self.call("tag", full, name)

    def call(self, *words, check=True):
        return subprocess.run([*map(str, self.program), *map(str, words)], stdout=subprocess.PIPE, check=check, text=True).stdout

    def start(self):
        with open(self.directory / "log", "ab") as log:
            words = [*map(str, self.program), "system", "service", "--time", "0", f"unix://{self.socket}"]
            self.service = subprocess.Popen(words, stdout=log, stderr=log)
        kedge.wait_for(self.answers, 60)

    def answers(self):
        try:
            return kedge.Api(self.socket).raw("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def process(self):
        return self.service

    def kill(self):
        self.service.kill()
        self.service.wait()

    def remove_all(self):
        self.call("rm", "-a", "-f", "-t", "0", check=False)

    def close(self):
        self.remove_all()
        self.service.send_signal(signal.SIGCONT)
        self.service.terminate()
        self.service.wait()
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            if str(self.directory) in line:
                subprocess.run(["umount", "-l", line.split()[1]], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)


def freeze(engine):
    os.kill(engine.process().pid, signal.SIGSTOP)


def thaw(engine):
    os.kill(engine.process().pid, signal.SIGCONT)
