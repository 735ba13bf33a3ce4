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
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kd", dir="/tmp"))
        self.socket = self.directory / "docker.sock"
        self.processes = []

    def spawn(self, *words):
        with open(self.directory / "log", "ab") as log:
            self.processes.append(subprocess.Popen([str(word) for word in words], stdout=log, stderr=log))

    def start(self):
        d = self.directory
        (d / "containerd.toml").write_text(f'version = 2\nroot = "{d}/cr"\nstate = "{d}/cs"\n[grpc]\n  address = "{d}/c.sock"\n'
                                           'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        self.spawn("containerd", "-c", d / "containerd.toml")
        kedge.wait_for((d / "c.sock").exists, 60)
        self.spawn("dockerd", "--data-root", d / "dr", "--exec-root", d / "de", "-H", f"unix://{self.socket}", "-p", d / "pid", "--containerd",
                   d / "c.sock", "--iptables=false", "--ip6tables=false", "--bridge=none")
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
