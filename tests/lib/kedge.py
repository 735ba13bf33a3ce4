# SPDX-License-Identifier: Apache-2.0
"""What black-box tests stand on: whole daemons in directories of their own, real registries, real clients.

Nothing here imitates a part of kedge. Every Daemon has its own root, run directory, control group parent and socket, so that several run
side by side; close() ends what it started and fails when something is left behind.
"""
import base64
import http.client
import importlib.machinery
import importlib.util
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KEDGE_BUILD", TOP / "build")).resolve()
BIN = BUILD / "src" / "main"
SOAK = bool(os.environ.get("KEDGE_SOAK"))


def load_mkimage():
    loader = importlib.machinery.SourceFileLoader("mkimage", str(TOP / "tools" / "mkimage"))
    spec = importlib.util.spec_from_loader("mkimage", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


mkimage = load_mkimage()


def wait_for(what, seconds=15, every=0.02):
    """Calls what() until it gives something true, and gives that; an AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        assert time.monotonic() < end, f"waited {seconds} s in vain for {getattr(what, '__name__', what)}"
        time.sleep(every)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def docker_major():
    """The major version of docker's own program, 0 without it: Debian's is older than what the comparisons are written for."""
    if not shutil.which("docker"):
        return 0
    words = subprocess.run(["docker", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return int(words[2].split(".")[0])


# ---- control groups -------------------------------------------------------------------------------------------------------------

def prepare_cgroups():
    """crun refuses the hybrid layout while hugetlb is on v2: move it, as a host's set-up would."""
    unified = pathlib.Path("/sys/fs/cgroup/unified/cgroup.controllers")
    target = pathlib.Path("/sys/fs/cgroup/hugetlb")
    if unified.exists() and "hugetlb" in unified.read_text().split() and not target.is_mount():
        target.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup", "-o", "hugetlb", "cgroup", str(target)], check=True)


def cgroup_directories(parent):
    name = parent.strip("/")
    base = pathlib.Path("/sys/fs/cgroup")
    return [path for path in [base / name, *base.glob("*/" + name)] if path.is_dir()]


# ---- images ---------------------------------------------------------------------------------------------------------------------

APPLETS = ("sh echo cat ls sleep ps true false id env head tail dd wc grep mount mkdir touch rm kill httpd wget hostname stat "
           "seq printf yes date sync nc ip usleep od sort test cut tr find df ln chmod chown pwd uname sha256sum").split()


def busybox_directory(directory):
    """A root with busybox, a passwd with root and "web" (1000), and /tmp."""
    root = pathlib.Path(directory)
    for name in ("bin", "etc", "tmp", "proc", "dev", "sys", "root"):
        (root / name).mkdir(parents=True, exist_ok=True)
    os.chmod(root / "tmp", 0o1777)
    shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
    for applet in APPLETS:
        link = root / "bin" / applet
        if not link.exists():
            link.symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\nweb:x:1000:\nextra:x:2000:web\n")
    return root


def busybox_archive(path, name="busybox:test", config=None, layers=(), how="gzip"):
    """An image archive with busybox and further layer directories."""
    with tempfile.TemporaryDirectory() as work:
        base = busybox_directory(pathlib.Path(work) / "base")
        tars = [mkimage.layer_tar(str(base), {})] + [mkimage.layer_tar(str(layer), {}) for layer in layers]
        settings = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}
        settings.update(config or {})
        mkimage.write_archive(str(path), mkimage.image_layout(name, tars, settings, how))
    return path


# ---- HTTP over a unix socket ----------------------------------------------------------------------------------------------------

class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class ApiError(AssertionError):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        try:
            self.message = json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            self.message = None


class Api:
    """Plain requests with JSON answers; an ApiError for a status of 400 and more."""

    def __init__(self, path, timeout=60):
        self.path, self.timeout = path, timeout

    def raw(self, method, target, body=None, headers=None):
        connection = UnixConnection(self.path, self.timeout)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, method, target, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        status, data = self.raw(method, target, body, headers)
        if status >= 400:
            raise ApiError(status, data.decode(errors="replace"))
        try:
            return json.loads(data) if data else None
        except ValueError:
            return data

    def get(self, target):
        return self.call("GET", target)

    def post(self, target, body=None, headers=None):
        return self.call("POST", target, body, headers)

    def delete(self, target):
        return self.call("DELETE", target)


# ---- kedged ---------------------------------------------------------------------------------------------------------------------

class Daemon:
    """A kedged of one's own. options: further command line options; environment: added to its environment; namespace: a network namespace
    (namespaces.Namespace) to run in."""

    count = 0

    def __init__(self, directory=None, options=(), environment=None, store=None, namespace=None):
        Daemon.count += 1
        self.namespace = namespace
        prepare_cgroups()
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="kt", dir="/tmp"))
        self.store = pathlib.Path(store) if store else self.directory / "s"
        self.run_directory = self.directory / "r"
        self.certs = self.directory / "certs.d"
        self.registries = self.directory / "registries.d"
        self.containers, self.service, self.seal_key = self.directory / "containers.d", self.directory / "service.yaml", self.directory / "seal.key"
        self.socket = self.run_directory / "kedge.sock"
        self.cgroup_parent = f"/kedge-test-{os.getpid()}-{Daemon.count}"
        # Several share the machine's network: each has its bridge, its rules and addresses of its own, none that a test names itself.
        self.bridge, self.table = f"kt{os.getpid()}-{Daemon.count}", f"kt{os.getpid()}_{Daemon.count}"
        self.pool, self.pool_prefix = f"10.{128 + os.getpid() % 64}.{Daemon.count * 8 % 256}.0/21", 24
        self.log_path = self.directory / "kedged.log"
        self.options, self.environment = list(options), dict(environment or {})
        self.process = None
        self.api = Api(self.socket)
        for path in (self.certs, self.registries):
            path.mkdir(parents=True, exist_ok=True)

    def command(self):
        return [str(BIN / "kedged"), "--root", str(self.store), "--run-dir", str(self.run_directory), "--libexec-dir", str(BIN),
                "--registries-dir", str(self.registries), "--certs-dir", str(self.certs), "--cgroup-parent", self.cgroup_parent,
                "--containers-dir", str(self.containers), "--service-file", str(self.service), "--seal-key", str(self.seal_key),
                "--group", "root", "--bridge", self.bridge, "--firewall-table", self.table, "--address-pool", f"{self.pool} {self.pool_prefix}",
                *self.options]

    def spawn(self):
        command = self.namespace.entering(*self.command()) if self.namespace else self.command()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **self.environment})

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"kedged ended with {self.process.returncode}:\n{self.log_tail()}")
        try:
            return self.api.raw("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def start(self, seconds=30):
        self.spawn()
        wait_for(self.answers, seconds, 0.005)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(30) if self.process else 0
        self.process = None
        return status

    def kill(self):
        return self.stop(signal.SIGKILL)

    def restart(self):
        self.kill()
        return self.start()

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    # -- clients --

    def client_environment(self):
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "KEDGE_HOST": f"unix://{self.socket}",
                "DOCKER_CONFIG": str(self.directory / "client"), "NO_COLOR": "1"}

    def run(self, program, *arguments, check=True, timeout=120, **options):
        done = subprocess.run([program, *map(str, arguments)], env=self.client_environment(), timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode:
            raise AssertionError(f"{program} {' '.join(map(str, arguments))}: status {done.returncode}\n{done.out}{done.err}")
        return done

    def kedge(self, *arguments, **options):
        return self.run(str(BIN / "kedge"), *arguments, **options)

    def docker(self, *arguments, **options):
        return self.run("docker", *arguments, **options)

    # -- common steps --

    def load_busybox(self, name="busybox:test", **settings):
        path = self.directory / "busybox.tar"
        busybox_archive(path, name, **settings)
        with open(path, "rb") as archive:
            self.api.call("POST", "/images/load", archive.read(), {"Content-Type": "application/x-tar"})
        return name

    def create(self, command, image="busybox:test", name=None, host=None, **config):
        body = {"Image": image, "Cmd": command, "HostConfig": {"NetworkMode": "none", **(host or {})}, **config}
        return self.api.post("/containers/create" + (f"?name={name}" if name else ""), body)["Id"]

    def start_container(self, identity):
        self.api.post(f"/containers/{identity}/start")
        return identity

    def run_container(self, command, **settings):
        return self.start_container(self.create(command, **settings))

    def wait(self, identity):
        return self.api.post(f"/containers/{identity}/wait")["StatusCode"]

    def inspect(self, identity):
        return self.api.get(f"/containers/{identity}/json")

    def logs(self, identity, query="stdout=1&stderr=1"):
        """What the container wrote, as [(stream, bytes)] from the multiplexed answer."""
        data = self.api.raw("GET", f"/containers/{identity}/logs?{query}")[1]
        return demultiplex(data)

    def terminal_log(self, identity):
        """What a container wrote that has a terminal: bytes, in no frames."""
        return self.api.raw("GET", f"/containers/{identity}/logs?stdout=1&stderr=1")[1]

    def log_text(self, identity):
        return b"".join(part for _, part in self.logs(identity)).decode(errors="replace")

    # -- the end --

    def remove_all(self):
        for container in self.api.get("/containers/json?all=1"):
            status, body = self.api.raw("DELETE", f"/containers/{container['Id']}?force=1")
            assert status in (204, 404), body  # one that removes itself may be gone already

    def leftovers(self):
        """What a device without containers must not have: processes, mounts, control groups, bundles."""
        found = []
        for directory in cgroup_directories(self.cgroup_parent):
            found += [str(path) for path in directory.iterdir() if path.is_dir()]
        containers = self.run_directory / "containers"
        found += [str(path) for path in containers.iterdir()] if containers.exists() else []
        found += [line for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if str(self.directory) in line]
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if b"kedge-shim" in words and str(self.directory).encode() in words:
                found.append(words.replace(b"\0", b" ").decode())
        return found

    def links(self):
        """Bridges of networks that containers were on, and what is in them: an address out of our pool says whose a bridge is."""
        links = json.loads(subprocess.run(["ip", "-j", "addr"], stdout=subprocess.PIPE, check=True, text=True).stdout)
        pool = ipaddress.ip_network(self.pool)
        own = {link["ifname"] for link in links for at in link["addr_info"] if at["family"] == "inet" and ipaddress.ip_address(at["local"]) in pool}
        return sorted(own - {self.bridge} | {link["ifname"] for link in links if link.get("master") in own | {self.bridge}})

    def elements(self):
        """Ports in our table of the packet filter."""
        listed = subprocess.run(["nft", "-j", "list", "table", "inet", self.table], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        return [item["map"]["elem"] for item in json.loads(listed or "{}").get("nftables", []) if item.get("map", {}).get("elem")]

    def remove_links(self):
        """What outlives kedged on purpose: rules and bridges of networks."""
        subprocess.run(["nft", "delete", "table", "inet", self.table], stderr=subprocess.DEVNULL)
        for network in self.api.get("/networks"):
            if network["Name"] not in ("bridge", "host", "none"):
                self.api.delete(f"/networks/{network['Id']}")
        subprocess.run(["ip", "link", "delete", self.bridge], stderr=subprocess.DEVNULL)

    def close(self):
        died = self.process.poll() if self.process else None  # nobody ended it: what a sanitizer stopped is told, too
        story = self.log_tail(60) if died is not None else ""
        try:
            if not self.process or died is not None:
                self.start()
            self.remove_all()
            wait_for(lambda: not self.leftovers(), 15)
            self.remove_links()
        finally:
            status, log = self.stop(), self.log_tail(60)
            for directory in cgroup_directories(self.cgroup_parent):
                try:
                    directory.rmdir()
                except OSError:
                    pass
            shutil.rmtree(self.directory, ignore_errors=True)
        assert died is None, f"kedged ended with {died}:\n{story}"
        assert status == 0, f"kedged ended with {status}:\n{log}"  # what a sanitizer finds at the end is told here


def demultiplex(data):
    parts, position = [], 0
    while position + 8 <= len(data):
        stream, size = data[position], int.from_bytes(data[position + 4:position + 8], "big")
        parts.append((stream, data[position + 8:position + 8 + size]))
        position += 8 + size
    assert position == len(data), f"{len(data) - position} bytes after the last frame"
    return parts


# ---- registry -------------------------------------------------------------------------------------------------------------------

def registry_auth(user, password):
    """The value of X-Registry-Auth."""
    return base64.urlsafe_b64encode(json.dumps({"username": user, "password": password}).encode()).decode()


class Registry:
    """Debian's docker-registry on loopback. tls: with an own CA in .ca_path; users: {name: password}."""
    address = "127.0.0.1"

    def __init__(self, tls=False, users=None, directory=None):
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="kr", dir="/tmp"))
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        self.tls, self.users = tls, users or {}
        self.ca_path = self.directory / "ca.crt"
        self.process = None
        if tls:
            self.make_certificates()

    def make_certificates(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        (self.directory / "names").write_text(f"subjectAltName=DNS:localhost,IP:{self.address}")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test CA", "-keyout", "ca.key", "-out",
                "ca.crt")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "key", "-out", "request")
        openssl("x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-out", "crt",
                "-extfile", "names")

    def configuration(self):
        http_settings = {"addr": f"{self.address}:{self.port}"}
        if self.tls:
            http_settings["tls"] = {"certificate": str(self.directory / "crt"), "key": str(self.directory / "key")}
        settings = {"version": 0.1, "log": {"level": "warn"}, "http": http_settings,
                    "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}, "delete": {"enabled": True}}}
        if self.users:
            path = self.directory / "users"
            path.unlink(missing_ok=True)
            for name, password in self.users.items():
                subprocess.run(["htpasswd", "-Bb" + ("" if path.exists() else "c"), str(path), name, password], check=True,
                               stderr=subprocess.DEVNULL)
            settings["auth"] = {"htpasswd": {"realm": "test", "path": str(path)}}
        return settings

    def start(self):
        path = self.directory / "config.json"  # JSON is YAML
        path.write_text(json.dumps(self.configuration()))
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(path)], stdout=log, stderr=log)

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for(answers)
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def trust(self, daemon):
        """Gives the daemon this registry's CA, in Docker's layout."""
        directory = daemon.certs / self.host
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.ca_path, directory / "ca.crt")

    def copy_from(self, archive, name):
        """Puts an OCI archive into the registry by skopeo."""
        options = ["--dest-tls-verify=false"]
        if self.users:
            user, password = next(iter(self.users.items()))
            options.append(f"--dest-creds={user}:{password}")
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", *options, f"oci-archive:{archive}", f"docker://{self.host}/{name}"],
                       check=True)
        return f"{self.host}/{name}"
