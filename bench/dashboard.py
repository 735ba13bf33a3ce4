# SPDX-License-Identifier: Apache-2.0
"""Rows: how much a browser has to load before the dashboard is there."""
import gzip
import re

from measure import Target

REFERENCES = {".html": r'(?:src|href)="/([^"]+)"', ".js": r'(?:from|import)\s*"\./([^"]+)"', ".css": r'url\(/([^)]+)\)'}


def sent(engine, path):
    """All bytes of the answer as they come, head and all, and the file in them."""
    client = engine.client()
    client.send("GET", path, headers="Accept-Encoding: gzip\r\nConnection: close\r\n")
    data = b"".join(iter(lambda: client.socket.recv(1 << 18), b""))
    client.close()
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{path}: {head.splitlines()[0].decode()}")
    return len(data), gzip.decompress(body).decode()


def neighbours(path, text):
    """What a browser loads on its own account when it has this file; not what a later page asks for."""
    kind = next((ending for ending in REFERENCES if path.endswith(ending)), ".html")
    folder = path.rpartition("/")[0]
    return [f"{folder}/{name}" if kind == ".js" else f"/{name}" for name in re.findall(REFERENCES[kind], text)]


def first_load(engine):
    """The bytes of each file."""
    sizes, wanted = {}, ["/"]
    while wanted:
        path = wanted.pop()
        if path not in sizes:
            sizes[path], text = sent(engine, path)
            wanted += neighbours(path, text)
    return sizes


def dashboard_bytes(bench):
    sizes = first_load(bench.kedge)
    bench.row("dashboard_bytes", "kB", [sum(sizes.values()) / 1000], [], "", Target(250, unit="kB"), files=sizes)


ROWS = [dashboard_bytes]
