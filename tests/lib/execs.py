# SPDX-License-Identifier: Apache-2.0
"""Commands in running containers over the plain API, as clients other than docker's send them."""
import json
import socket

import kedge

BOTH = {"AttachStdout": True, "AttachStderr": True}


def create(daemon, container, command, **config):
    return daemon.api.post(f"/containers/{container}/exec", {"Cmd": command, **config})["Id"]


def inspect(daemon, exec_id):
    return daemon.api.get(f"/exec/{exec_id}/json")


def start(daemon, exec_id, upgrade=True, version="", **body):
    """The connection that a start became, its head read: (socket, status, what follows the head so far)."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(daemon.socket))
    text = json.dumps(body).encode()
    wanted = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else "Connection: close\r\n"
    client.sendall(f"POST {version}/exec/{exec_id}/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(text)}\r\n{wanted}\r\n".encode() + text)
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(65536)
        assert piece, head
        head += piece
    head, rest = head.split(b"\r\n\r\n", 1)
    return client, int(head.split()[1]), rest


def read_all(client, data=b""):
    while piece := client.recv(65536):
        data += piece
    client.close()
    return data


def output(daemon, container, command, **config):
    """What a command writes, as [(stream, bytes)], and its exit code."""
    exec_id = create(daemon, container, command, **{**BOTH, **config})
    client, status, rest = start(daemon, exec_id)
    assert status == 101
    return kedge.demultiplex(read_all(client, rest)), inspect(daemon, exec_id)["ExitCode"]


def text(daemon, container, command, **config):
    """The same as (text of both streams, exit code)."""
    parts, code = output(daemon, container, command, **config)
    return b"".join(part for _, part in parts).decode(errors="replace"), code
