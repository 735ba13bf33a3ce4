# SPDX-License-Identifier: Apache-2.0
"""The engines that are compared, each in a root of its own below one directory, driven by one client over a keep-alive unix socket."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "lib"))
import kedge  # noqa: E402


class Client:
    """HTTP/1.1 with prepared bytes: the same few microseconds of its own on both sides."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(300)
        self.socket.connect(str(path))
        self.rest = b""

    def send(self, method, target, body=b"", headers=""):
        self.socket.sendall(f"{method} {target} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n{headers}"
                            f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise OSError("the connection ended")
        self.rest += data

    def line(self):
        while b"\r\n" not in self.rest:
            self.more()
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def exactly(self, size):
        while len(self.rest) < size:
            self.more()
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def answer(self):
        status = int(self.line().split()[1])
        length, chunked = 0, False
        while line := self.line():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"transfer-encoding":
                chunked = b"chunked" in value
        if not chunked:
            return status, self.exactly(0 if status in (204, 304) else length)
        body = b""
        while size := int(self.line().split(b";")[0], 16):
            body += self.exactly(size)
            self.exactly(2)
        self.line()
        return status, body

    def call(self, method, target, body=None):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send(method, target, data)
        status, answer = self.answer()
        if status >= 400:
            raise RuntimeError(f"{method} {target}: {status} {answer[:500]!r}")
        return json.loads(answer) if answer[:1] in (b"{", b"[") and b"\n{" not in answer else answer


def pss_kib(pids, key="Pss:"):
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            words = line.split()
            if words[0] == key or (key == "Private" and words[0] in ("Private_Clean:", "Private_Dirty:")):
                total += int(words[1])
    return total


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


class Engine:
    image = None

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)

    def client(self):
        return Client(self.socket)

    def pull(self, client, image):
        answer = client.call("POST", f"/images/create?fromImage={image}")
        if b'"error' in (answer if isinstance(answer, bytes) else json.dumps(answer).encode()):
            raise RuntimeError(f"{self.name}: {answer}")

    def body(self, command, network="none"):
        return {"Image": self.image, "Cmd": command, "HostConfig": {"NetworkMode": network, "LogConfig": {
            "Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}}}

    def pss(self, key="Pss:"):
        return pss_kib(self.pids(), key)


class Kedge(Engine):
    name = "kedge"

    def __init__(self, directory):
        super().__init__(directory)
        self.daemon = kedge.Daemon(directory=self.directory)
        self.socket = self.daemon.socket

    def start(self):
        self.daemon.start()
        return self

    def pids(self):
        return processes_with(str(self.directory))

    def version(self):
        return subprocess.run([kedge.BIN / "kedged", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()

    def close(self):
        self.daemon.close()


class Docker(Engine):
    """dockerd with a containerd of its own, Debian's defaults, no bridge of its own making."""
    name = "docker"

    def __init__(self, directory):
        super().__init__(directory)
        self.socket = self.directory / "docker.sock"
        self.containerd_socket = self.directory / "c.sock"
        self.processes = []

    def start(self, *options):
        d = self.directory
        (d / "containerd.toml").write_text(f'version = 2\nroot = "{d}/cr"\nstate = "{d}/cs"\n[grpc]\n  address = "{d}/c.sock"\n'
                                           'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        with open(d / "log", "ab") as log:
            self.processes.append(subprocess.Popen(["containerd", "-c", d / "containerd.toml"], stdout=log, stderr=log))
            kedge.wait_for(self.containerd_socket.exists, 30)
            self.processes.append(subprocess.Popen([
                "dockerd", "--data-root", d / "dr", "--exec-root", d / "de", "-H", f"unix://{self.socket}", "-p", d / "pid",
                "--containerd", self.containerd_socket, "--iptables=false", "--ip6tables=false", "--bridge=none", *options],
                stdout=log, stderr=log))
        kedge.wait_for(self.answers, 60)
        return self

    def answers(self):
        try:
            return self.client().call("GET", "/_ping")
        except (OSError, RuntimeError):
            return False

    def pids(self):
        return processes_with(str(self.directory))

    def version(self):
        answer = self.client().call("GET", "/version")
        containerd = subprocess.run(["containerd", "--version"], stdout=subprocess.PIPE, text=True).stdout.split()
        return f"docker {answer['Version']}, containerd {containerd[2]}"

    def close(self):
        try:
            client = self.client()
            for container in client.call("GET", "/containers/json?all=1"):
                client.call("DELETE", f"/containers/{container['Id']}?force=1")
        except (OSError, RuntimeError):
            pass
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


class Crun:
    """Plain `crun run` of a bundle equal to kedge's, with the seccomp profile as JSON or ready-made."""

    def __init__(self, directory, engine, ready_made=False):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.path = shutil.which("crun")
        kedge.busybox_directory(self.directory / "rootfs")
        config = self.config_of(engine, "crun" if ready_made else "runc")
        config["root"]["path"] = str(self.directory / "rootfs")
        config["process"]["args"] = ["/bin/true"]
        config["mounts"] = [mount for mount in config["mounts"] if "/containers/" not in mount.get("source", "")]
        config["linux"]["cgroupsPath"] = f"/kedge-bench-crun-{os.getpid()}"
        (self.directory / "config.json").write_text(json.dumps(config))
        self.arguments = [self.path, "--root", str(self.directory / "state"), "--cgroup-manager", "cgroupfs", "run", "--bundle",
                          str(self.directory), f"bench-{os.getpid()}"]

    @staticmethod
    def config_of(engine, runtime):
        client = engine.client()
        body = engine.body(["sleep", "1000"])
        body["HostConfig"]["Runtime"] = runtime
        identity = client.call("POST", "/containers/create", body)["Id"]
        client.call("POST", f"/containers/{identity}/start")
        path = engine.daemon.run_directory / "containers" / identity / "config.json"
        config = json.loads(path.read_text())
        client.call("DELETE", f"/containers/{identity}?force=1")
        return config

    def run(self):
        null = os.open("/dev/null", os.O_RDWR)
        begin = time.monotonic()
        pid = os.posix_spawn(self.path, self.arguments, os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)])
        _, status = os.waitpid(pid, 0)
        elapsed = time.monotonic() - begin
        os.close(null)
        if status:
            raise RuntimeError(f"crun run ended with {os.waitstatus_to_exitcode(status)}")
        return elapsed

    def version(self):
        return subprocess.run([self.path, "--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]
