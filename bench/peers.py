# SPDX-License-Identifier: Apache-2.0
"""The engines that are compared, each in a root of its own below one directory, driven by one client over a keep-alive unix socket."""
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import time

import measure
import workplace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "lib"))
import kedge  # noqa: E402
import network  # noqa: E402
import reboot  # noqa: E402

LOG_LIMITS = {"max-size": "10m", "max-file": "3"}


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
        if len(self.rest) < size:
            data = bytearray(size)
            have = len(self.rest)
            data[:have], self.rest = self.rest, b""
            view = memoryview(data)
            while have < size:
                count = self.socket.recv_into(view[have:])
                if not count:
                    raise OSError("the connection ended")
                have += count
            return bytes(data)
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
        return self.timed(method, target, body)[1]

    def timed(self, method, target, body=None):
        """The seconds from the first byte sent to the last byte of the answer, and the answer."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        begin = time.monotonic()
        self.send(method, target, data)
        status, answer = self.answer()
        elapsed = time.monotonic() - begin
        if status >= 400:
            raise RuntimeError(f"{method} {target}: {status} {answer[:500]!r}")
        return elapsed, json.loads(answer) if answer[:1] in (b"{", b"[") and b"\n{" not in answer else answer

    def take_over(self, method, target, body):
        """The connection is the stream's from the head of the answer on."""
        self.send(method, target, json.dumps(body).encode(), "Connection: Upgrade\r\nUpgrade: tcp\r\n")
        status = int(self.line().split()[1])
        while self.line():
            pass
        if status != 101:
            raise RuntimeError(f"{method} {target}: {status}")

    def read_to_end(self):
        """How many bytes came until the other side closed; closes."""
        count = len(self.rest)
        while data := self.socket.recv(1 << 18):
            count += len(data)
        self.close()
        return count

    def close(self):
        self.socket.close()


class Engine:
    """One engine with a root and a control group of its own; `image` is what its containers are made of."""
    image = None

    def __init__(self, place, title):
        self.directory, self.run_directory = place.directory / title, place.run / title
        self.directory.mkdir()
        self.run_directory.mkdir()
        self.group = place.group(title)

    def client(self):
        return Client(self.socket)

    def answers(self):
        try:
            client = Client(self.socket)
            try:
                return client.call("GET", "/_ping")
            finally:
                client.close()
        except (OSError, RuntimeError):
            return False

    def pull(self, client, image):
        """The seconds from the request to the last line."""
        elapsed, answer = client.timed("POST", f"/images/create?fromImage={image}")
        if b'"error' in (answer if isinstance(answer, bytes) else json.dumps(answer).encode()):
            raise RuntimeError(f"{self.name}: {answer}")
        return elapsed

    def body(self, command, **more):
        return {"Image": self.image, "Cmd": command, **more,
                "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "json-file", "Config": LOG_LIMITS}}}

    def bridged(self, command, ports=(), **more):
        """The same on the default bridge; ports: (host's, container's, protocol)."""
        body = self.body(command, ExposedPorts={f"{inner}/{protocol}": {} for _, inner, protocol in ports}, **more)
        bindings = {}
        for outer, inner, protocol in ports:
            bindings.setdefault(f"{inner}/{protocol}", []).append({"HostPort": str(outer)})
        body["HostConfig"].update(NetworkMode="bridge", PortBindings=bindings)
        return body

    def run_body(self, client, body, name=""):
        identity = client.call("POST", "/containers/create" + (f"?name={name}" if name else ""), body)["Id"]
        client.call("POST", f"/containers/{identity}/start")
        return identity

    def run(self, client, command, **more):
        return self.run_body(client, self.body(command, **more))

    @staticmethod
    def remove(client, identities):
        for identity in identities:
            client.call("DELETE", f"/containers/{identity}?force=1")

    def remove_all(self):
        client = self.client()
        self.remove(client, [container["Id"] for container in client.call("GET", "/containers/json?all=1")])
        client.close()

    def memory(self, keys=("Pss:",)):
        """KiB of all processes of the engine."""
        return sum(measure.memory_kib(pid, keys) for pid in self.pids())

    def switch_off(self):
        """As the machine's power is cut: nothing of it runs, and what was in memory is lost: /run, control groups, links, rules."""
        self.kill()
        while pids := self.pids():
            workplace.kill_all(pids)
        workplace.remove_groups(self.group)
        for directory in (self.directory, self.run_directory):
            workplace.unmount_below(directory)
        shutil.rmtree(self.run_directory)
        self.run_directory.mkdir()
        if self.net:
            self.net.close()
            self.net = network.Net()

    def pids(self):
        return {pid for directory in (self.directory, self.run_directory) for pid in workplace.processes_with(f"{directory}/")}


class Kedge(Engine):
    name = "kedge"

    def __init__(self, place, title="kedge", store=None, net=None, options=()):
        super().__init__(place, title)
        kind, self.net = network.on_host(kedge.Daemon) if net else kedge.Daemon, net
        self.daemon = kind(directory=self.directory, store=store, options=options, **({"net": net} if net else {}))
        if net:
            self.daemon.pool, self.daemon.pool_prefix = "172.16.0.0/12", 16  # as Docker has it
        self.daemon.cgroup_parent, self.daemon.run_directory = self.group, self.run_directory
        self.daemon.socket = self.socket = self.run_directory / "kedge.sock"
        self.daemon.api = kedge.Api(self.socket)

    def start(self):
        self.daemon.start()
        return self

    @property
    def pid(self):
        return self.daemon.process.pid

    def kill(self):
        self.daemon.kill()

    def spawn(self):
        self.daemon.spawn()

    def switch_off(self):
        super().switch_off()
        self.daemon.net = self.net

    def boot(self):
        """On a machine that was switched off; returns when kedged is started."""
        with reboot.Rebooted(self.daemon).next_boot():
            self.spawn()

    @staticmethod
    def version():
        return subprocess.run([kedge.BIN / "kedged", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()

    def close(self):
        self.daemon.close()
        shutil.rmtree(self.run_directory)
        if self.net:
            self.net.close()


class Docker(Engine):
    """dockerd with a containerd of its own, Debian's defaults; without a net no bridge of its own making."""
    name = "docker"

    def __init__(self, place, title="docker", root=None, options=(), net=None):
        super().__init__(place, title)
        self.net = net
        self.root = pathlib.Path(root or self.directory)
        self.socket = self.run_directory / "docker.sock"
        self.containerd_socket = self.run_directory / "c.sock"
        self.options, self.containerd, self.daemon = list(options), None, None

    def start(self):
        settings = self.directory / "containerd.toml"
        settings.write_text(f'version = 2\nroot = "{self.root}/cr"\nstate = "{self.run_directory}/cs"\n'
                            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                            f'[grpc]\n  address = "{self.containerd_socket}"\n')
        self.boot()
        kedge.wait_for(self.answers, 60)
        return self

    @property
    def words(self):
        """Before a command that is to run where its network is."""
        return ["nsenter", f"--net={self.net.path('host')}", "--"] if self.net else []

    def boot(self):
        """Returns when both programs are started."""
        with open(self.directory / "log", "ab") as log:
            self.containerd = subprocess.Popen([*self.words, "containerd", "-c", self.directory / "containerd.toml"], stdout=log, stderr=log)
        kedge.wait_for(self.containerd_socket.exists, 30, 0.001)
        self.spawn()

    def spawn(self):
        run = self.run_directory
        networks = [] if self.net else ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        with open(self.directory / "log", "ab") as log:
            self.daemon = subprocess.Popen([
                *self.words, "dockerd", "--data-root", self.root / "dr", "--exec-root", run / "de", "-H", f"unix://{self.socket}", "-p", run / "pid",
                "--containerd", self.containerd_socket, *networks, f"--cgroup-parent={self.group}", *self.options], stdout=log, stderr=log)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def switch_off(self):
        super().switch_off()
        self.containerd.wait()

    def version(self):
        answer = self.client().call("GET", "/version")
        containerd = subprocess.run(["containerd", "--version"], stdout=subprocess.PIPE, text=True).stdout.split()
        return f"docker {answer['Version']}, containerd {containerd[2]}"

    def stop(self):
        for process in (self.daemon, self.containerd):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self):
        self.remove_all()
        self.stop()
        for directory in (self.directory, self.run_directory):
            workplace.unmount_below(directory)
            shutil.rmtree(directory, ignore_errors=True)
        if self.net:
            self.net.close()


class Podman:
    """podman by its command line, the only way it is used without a daemon."""
    name = "podman"

    def __init__(self, place):
        self.directory = place.directory / "podman"
        self.directory.mkdir()
        self.run_directory = place.run / "podman"
        self.arguments = ["podman", "--root", f"{self.directory}/pr", "--runroot", f"{self.run_directory}/prr", "--tmpdir",
                          f"{self.run_directory}/pt", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        self.group = place.group("podman")

    def call(self, *words):
        done = subprocess.run([*self.arguments, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        if done.returncode:
            raise RuntimeError(f"podman {' '.join(words)}: {done.stdout}")
        return done.stdout

    def pull(self, image):
        self.image = image
        self.call("pull", "-q", "--tls-verify=false", image)

    def run_words(self, *command):
        return [*self.arguments, "run", "--rm", "--network", "none", "--log-driver", "json-file", "--log-opt", "max-size=10m",
                "--cgroup-parent", self.group, *self.limits(), self.image, *command]

    @staticmethod
    def limits():
        """Below our own: by default podman asks for more, which takes a capability that root may lack here."""
        words = []
        for name in ("nofile", "nproc"):
            hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
            limit = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
            words += ["--ulimit", f"{name}={limit}:{limit}"]
        return words

    def version(self):
        return self.call("--version").strip().replace(" version", "")

    def close(self):
        self.call("rm", "-af")
        for directory in (self.directory, self.run_directory):
            workplace.unmount_below(directory)
            shutil.rmtree(directory, ignore_errors=True)


def run_program(words, environment=None):
    """The seconds that a program takes, from its start to its end; its output goes nowhere."""
    null = os.open("/dev/null", os.O_RDWR)
    begin = time.monotonic()
    pid = os.posix_spawnp(words[0], words, environment or os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)])
    _, status = os.waitpid(pid, 0)
    elapsed = time.monotonic() - begin
    os.close(null)
    if status:
        raise RuntimeError(f"{' '.join(words)}: status {os.waitstatus_to_exitcode(status)}")
    return elapsed


class Crun:
    """Plain `crun run` of a bundle equal to kedge's, with the seccomp profile as JSON or ready-made."""

    def __init__(self, place, engine, ready_made=False):
        title = "crun-ready" if ready_made else "crun"
        self.directory = place.directory / title
        kedge.busybox_directory(self.directory / "rootfs")
        config = self.config_of(engine, "crun" if ready_made else "runc")
        config["root"]["path"] = str(self.directory / "rootfs")
        config["process"]["args"] = ["/bin/true"]
        config["mounts"] = [mount for mount in config["mounts"] if "/containers/" not in mount.get("source", "")]
        config["linux"]["cgroupsPath"] = place.group(title)
        (self.directory / "config.json").write_text(json.dumps(config))
        self.words = ["crun", "--root", str(place.run / f"{title}-state"), "--cgroup-manager", "cgroupfs", "run", "--bundle",
                      str(self.directory), f"bench-{place.owner}"]

    @staticmethod
    def config_of(engine, runtime):
        client = engine.client()
        body = engine.body(["sleep", "1000"])
        body["HostConfig"]["Runtime"] = runtime
        identity = client.call("POST", "/containers/create", body)["Id"]
        client.call("POST", f"/containers/{identity}/start")
        path = engine.daemon.run_directory / "containers" / identity / "config.json"
        config = json.loads(path.read_text())
        engine.remove(client, [identity])
        return config

    def run(self):
        return run_program(self.words)

    @staticmethod
    def version():
        return subprocess.run(["crun", "--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0].replace(" version", "")
