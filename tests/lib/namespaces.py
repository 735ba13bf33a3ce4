# SPDX-License-Identifier: Apache-2.0
"""A network namespace that has no name: it is there as long as its descriptor, or a process in it."""
import contextlib
import os
import socket
import subprocess

from network import enter


class Namespace:
    def __init__(self):
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; echo; read _"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.readline()
        self.fd = os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.fd).st_ino
        holder.communicate()

    def entering(self, *command):
        """The words of a command that enters by itself: nothing of ours runs between fork and exec."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.fd}", *map(str, command)]

    def popen(self, *command, **options):
        return subprocess.Popen(self.entering(*command), **options)

    def run(self, *command, **options):
        done = subprocess.run(self.entering(*command), text=True, capture_output=True, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def inside(self):
        """This thread is in it meanwhile; sockets that it makes stay in it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        enter(self.fd)
        try:
            yield
        finally:
            enter(home)
            os.close(home)

    def socket(self, kind=socket.SOCK_STREAM, family=socket.AF_INET6):
        with self.inside():
            return socket.socket(family, kind)

    def link(self, name, other, other_name):
        """A virtual cable to another namespace, both ends up."""
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", other_name)
        self.run("ip", "link", "set", other_name, "netns", f"/proc/{os.getpid()}/fd/{other.fd}")
        self.run("ip", "link", "set", name, "up")
        other.run("ip", "link", "set", other_name, "up")

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
