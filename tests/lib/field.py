# SPDX-License-Identifier: Apache-2.0
"""Network namespaces without names, and sockets in them: all in this process, so that a probe costs a millisecond.

A Space lives as long as this process holds its descriptor; nothing is left behind. A socket that is made in a namespace stays in it,
wherever the process is later.
"""
import contextlib
import ctypes
import os
import select
import socket
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PROTOCOLS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def enter(fd):
    if LIBC.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Space:
    """A network namespace."""

    def __init__(self):
        with open("/proc/thread-self/ns/net") as home:
            if LIBC.unshare(CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            enter(home.fileno())
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self.processes = []
        self.ip("link set lo up")

    @contextlib.contextmanager
    def inside(self):
        with open("/proc/thread-self/ns/net") as home:
            enter(self.fd)
            try:
                yield
            finally:
                enter(home.fileno())

    def run(self, *words, text="", check=True):
        """Runs a program there, and gives what it prints."""
        with self.inside():
            done = subprocess.run([str(word) for word in words], input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert not check or done.returncode == 0, (words, done.stderr)
        return done.stdout if check else done

    def ip(self, *lines):
        self.run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def shell(self, script, check=True):
        return self.run("sh", "-ec", script, check=check)

    def spawn(self, *words, **options):
        with self.inside():
            process = subprocess.Popen([str(word) for word in words], **options)
        self.processes.append(process)
        return process

    def entering(self, *words):
        """The words of a command that runs there."""
        return ["nsenter", f"--net={self.path}", "--", *map(str, words)]

    def sysctl(self, name, value=None):
        path = "/proc/sys/" + name.replace(".", "/")
        with self.inside():
            if value is None:
                with open(path) as file:
                    return file.read().strip()
            with open(path, "w") as file:
                file.write(str(value))

    def socket(self, family, kind, protocol=0):
        with self.inside():
            return socket.socket(family, kind, protocol)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        os.close(self.fd)


def wire(one, name, other, other_name, *more):
    """A cable between two spaces."""
    one.ip(f"link add {name} type veth peer name {other_name} netns {other.path}", f"link set {name} up", *more)
    other.ip(f"link set {other_name} up")


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Echo:
    """Answers "NAME PEER" to everybody who asks at its port, tcp and udp, IPv4 and IPv6."""

    def __init__(self, space, name, port):
        self.name = name
        self.sockets = []
        self.ended = os.eventfd(0)
        for kind in PROTOCOLS.values():
            listener = space.socket(socket.AF_INET6, kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                listener.listen(64)
            self.sockets.append(listener)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def answer(self, peer):
        return f"{self.name} {peer[0].removeprefix('::ffff:')}".encode()

    def serve_one(self, ready, clients):
        if ready in clients:
            data = ready.recv(4096)
            if data:
                ready.sendall(self.answer(clients[ready]))
            else:
                clients.pop(ready).count(0)
                ready.close()
        elif ready.type == socket.SOCK_STREAM:
            client, peer = ready.accept()
            clients[client] = peer
        else:
            _, peer = ready.recvfrom(4096)
            ready.sendto(self.answer(peer), peer)

    def serve(self):
        clients = {}
        while True:
            ready = select.select([self.ended, *self.sockets, *clients], [], [])[0]
            if self.ended in ready:
                break
            for one in ready:
                try:
                    self.serve_one(one, clients)
                except OSError:
                    clients.pop(one, None)
        for one in [*clients, *self.sockets]:
            one.close()

    def close(self):
        os.eventfd_write(self.ended, 1)
        self.thread.join()
        os.close(self.ended)


def ask(space, protocol, address, port, seconds=5.0, source=None, bound=None):
    """The answer of whom one reaches there, "refused", or None where nothing comes back in time."""
    family = family_of(address)
    with space.socket(family, PROTOCOLS[protocol]) as client:
        if source or bound:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind((bound or ("::" if family == socket.AF_INET6 else "0.0.0.0"), source or 0))
        client.settimeout(seconds)
        try:
            client.connect((address, port))
            client.sendall(b"who are you?")
            return client.recv(4096).decode()
        except (ConnectionRefusedError, ConnectionResetError):
            return "refused"
        except (socket.timeout, OSError):
            return None
