# SPDX-License-Identifier: Apache-2.0
"""Containers that answer who asked them (tests/probe/peer.c), and questions asked from within others."""
import contextlib
import os
import socket

import kedge
import network


def ports(*published):
    """("8080:80/tcp", "127.0.0.1:53:53/udp") as PortBindings."""
    bindings = {}
    for word in published:
        rest, _, protocol = word.partition("/")
        *host, port = rest.rsplit(":", 2) if rest.count(":") < 3 else (*rest.rsplit(":", 2)[:-1], rest.rsplit(":", 1)[1])
        address = host[0].strip("[]") if len(host) == 2 else ""
        bindings.setdefault(f"{port}/{protocol or 'tcp'}", []).append({"HostIp": address, "HostPort": host[-1] if host else ""})
    return bindings


def run_peer(daemon, name, *published, network=None, port=80, **host):
    """A container that answers who asked it."""
    bindings = ports(*published)
    body = {"Image": "peer:test", "Cmd": ["peer", str(port), name], "ExposedPorts": {key: {} for key in bindings},
            "HostConfig": {"PortBindings": bindings, "NetworkMode": network or "default", **host}}
    identity = daemon.api.post(f"/containers/create?name={name}", body)["Id"]
    daemon.start_container(identity)
    kedge.wait_for(lambda: "ready" in daemon.log_text(identity))
    return identity


def address_of(daemon, identity, network="bridge"):
    return daemon.inspect(identity)["NetworkSettings"]["Networks"][network]["IPAddress"]


@contextlib.contextmanager
def within(daemon, identity):
    """This thread is in a container's network meanwhile."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{daemon.inspect(identity)['State']['Pid']}/ns/net", os.O_RDONLY)
    try:
        network.enter(there)
        yield
    finally:
        network.enter(home)
        os.close(there)
        os.close(home)


def asks(daemon, asker, address, port, protocol="tcp", timeout=2):
    """What a container is answered: asked from its network, as its processes would."""
    with within(daemon, asker):
        asking = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                               socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    with asking:
        asking.settimeout(timeout)
        asking.connect((address, port))
        asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
        data = b""
        while part := asking.recv(4096):
            data += part
            if protocol == "udp":
                break
        name, peer, peer_port, local = data.decode().splitlines()[-1].split()
        return network.Answer(name, peer, int(peer_port), local)


def reaches(daemon, asker, address, port, protocol="tcp"):
    try:
        return bool(asks(daemon, asker, address, port, protocol, timeout=0.4))
    except OSError:
        return False
