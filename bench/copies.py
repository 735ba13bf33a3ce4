# SPDX-License-Identifier: Apache-2.0
"""Rows: archives into a running container and out of it, from and to memory. Throughput is the archive's bytes by time; memory is looked at
in the warm-up runs, which are dropped, so that looking slows no counted run."""
import os
import socket
import tarfile
import time

from measure import Peak, Target, paired

MB, MIB = 1_000_000, 1 << 20
MEMORY_MAX = 16  # MB


def head(name, size, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode = size, kind, 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf()


def large_file(mebibytes):
    """One file, as pieces: the content is one random mebibyte again and again."""
    piece = os.urandom(MIB)
    return [head("data", mebibytes * MIB)] + [piece] * mebibytes + [bytes(1024)]


def small_files(count):
    pieces = [head("data", 0, tarfile.DIRTYPE)]
    pieces += [head(f"data/{number}", 4096) + os.urandom(4096) for number in range(count)]
    return [b"".join([*pieces, bytes(1024)])]


def connected(engine):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(engine.socket))
    return connection


def read_status(connection):
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(1 << 16)
        if not part:
            break
        answer += part
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"archive: {answer[:300]!r}")
    return len(answer)


def put(engine, container, pieces):
    size = sum(map(len, pieces))
    with connected(engine) as connection:
        begin = time.monotonic()
        connection.sendall(f"PUT /containers/{container}/archive?path=/ HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        for piece in pieces:
            connection.sendall(piece)
        read_status(connection)
        return size / MB / (time.monotonic() - begin)


def get(engine, container, pieces):
    """Read to its end into memory that is used again."""
    room, size = bytearray(MIB), sum(map(len, pieces))
    with connected(engine) as connection:
        begin = time.monotonic()
        connection.sendall(f"GET /containers/{container}/archive?path=/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        total = read_status(connection)
        while count := connection.recv_into(room):
            total += count
        elapsed = time.monotonic() - begin
    if total < size * 0.99:
        raise RuntimeError(f"archive: {total} bytes of {size}")
    return size / MB / elapsed


def watched(function, engine, runs, peaks):
    """Memory is looked at in the first runs."""
    left = iter(range(runs))

    def once():
        if next(left, None) is None:
            return function()
        with Peak(engine.pid) as peak:
            value = function()
        peaks.append(peak.kib / 1024)
        return value
    return once


def measure_copy(bench, metric, copy, pieces, containers):
    peaks, watched_runs = [], max(bench.warm_up, 1)
    ours = watched(lambda: copy(bench.kedge, containers[0], pieces), bench.kedge, watched_runs, peaks)
    samples = paired(ours, lambda: copy(bench.docker, containers[1], pieces), bench.few, watched_runs)
    bench.row(f"cp_{metric}_vs_docker", "MB/s", *samples, "docker", Target(ratio=1.5, at_least=True))
    bench.row(f"cp_{metric}_peak", "MB", peaks, [], "", Target(MEMORY_MAX, unit="MB"))


def cp_vs_docker(bench):
    engines = (bench.kedge, bench.docker)
    for kind, pieces in (("1x1G", large_file(128 if bench.quick else 1024)), ("10000x4k", small_files(1000 if bench.quick else 10_000))):
        clients = [engine.client() for engine in engines]
        containers = [engine.run(client, ["sleep", "100000"]) for engine, client in zip(engines, clients)]
        for way in (put, get):
            measure_copy(bench, f"{way.__name__}_{kind}", way, pieces, containers)
        for engine, client, container in zip(engines, clients, containers):
            engine.remove(client, [container])
            client.close()


ROWS = [cp_vs_docker]
