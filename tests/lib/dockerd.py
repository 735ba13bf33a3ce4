# SPDX-License-Identifier: Apache-2.0
"""Debian's dockerd with a containerd of its own, on roots of their own: what other engines make of ours, and we of theirs."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import kedge


def is_installed():
    return all(shutil.which(program) for program in ("dockerd", "containerd", "docker"))


class Dockerd:
    """namespace: with networks, of that network namespace (namespaces.Namespace); without one it has none."""

    def __init__(self, namespace=None):
        self.namespace = namespace
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kd", dir="/tmp"))
        self.socket = self.directory / "docker.sock"
        self.processes = []

    def spawn(self, *words):
        command = self.namespace.entering(*words) if self.namespace else [str(word) for word in words]
        with open(self.directory / "log", "ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def start(self):
        d = self.directory
        (d / "containerd.toml").write_text(f'version = 2\nroot = "{d}/cr"\nstate = "{d}/cs"\n[grpc]\n  address = "{d}/c.sock"\n'
                                           'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        self.spawn("containerd", "-c", d / "containerd.toml")
        kedge.wait_for((d / "c.sock").exists, 60)
        return self.start_dockerd()

    def start_dockerd(self):
        """Also after it was killed: its containerd goes on."""
        d = self.directory
        without = [] if self.namespace else ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        self.spawn("dockerd", "--data-root", d / "dr", "--exec-root", d / "de", "-H", f"unix://{self.socket}", "-p", d / "pid", "--containerd",
                   d / "c.sock", *without)
        kedge.wait_for(self.answers, 90)
        return self

    def answers(self):
        try:
            return kedge.Api(self.socket).raw("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def docker(self, *words):
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}"}
        return subprocess.run(["docker", *map(str, words)], env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            if str(self.directory) in line:
                subprocess.run(["umount", "-l", line.split()[1]], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)
