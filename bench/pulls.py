# SPDX-License-Identifier: Apache-2.0
"""Rows: pulls from a registry on loopback whose files are in the page cache. Throughput is uncompressed bytes by time, the medians' ratio
is kedge's by the peer's. The warm-up runs that are dropped are the ones in which memory is sampled, so that sampling slows no counted run.

Each run has a fresh engine on a fresh ext4 on a loop device, on both sides, so that image and blobs are not there. To remove them would
not do: ext4 with a journal does not use an inode again for minutes after its file was removed, and looks at each such inode in turn for
each file it makes, which takes more time than the whole pull and measures the removal of the run before."""
import io
import os
import pathlib
import subprocess
import tarfile

import peers
from measure import Peak, Target, paired

MB = 1_000_000


# ---- contents -------------------------------------------------------------------------------------------------------------------

def library_files(source="/usr/lib"):
    """Regular files of the system's libraries, always in the same order, the same ones never twice."""
    for root, folders, files in os.walk(source):
        folders.sort()
        for name in sorted(files):
            path = pathlib.Path(root) / name
            if not path.is_symlink() and path.is_file() and path.stat().st_nlink == 1:
                yield path


def tar_of(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def libraries(files, megabytes):
    """A layer of so many megabytes; goes on where the last one ended."""
    entries, total = [], 0
    while total < megabytes * MB:
        path = next(files)
        data = path.read_bytes()[:megabytes * MB - total]
        entries.append((str(path.relative_to("/")), data))
        total += len(data)
    return tar_of(entries)


def small_files(count=20_000):
    """1 to 16 kB each, cut out of libraries, 100 in a directory."""
    source = b"".join(path.read_bytes()[:1 << 20] for path, _ in zip(library_files(), range(400)))
    entries, position = [], 0
    for index in range(count):
        size = 1000 + index * 7919 % 15_000
        if position + size > len(source):
            position = 0
        entries.append((f"small/{index // 100:03}/{index:05}", source[position:position + size]))
        position += size
    return tar_of(entries)


def one_layer():
    return [libraries(library_files(), 256)]


def six_layers():
    files = library_files()
    return [libraries(files, 45) for _ in range(6)]


def publish(bench, name, layers):
    """The image's name in the registry, whose files are in the page cache then."""
    image = bench.publish(name, layers)
    subprocess.run(["sh", "-c", f"find {bench.registry.directory}/data -type f -exec cat {{}} + >/dev/null"], check=True)
    return image


# ---- runs -----------------------------------------------------------------------------------------------------------------------

def pull(engine, image, peaks):
    """The seconds of one pull; with a list for peaks, memory is watched meanwhile."""
    client = engine.client()
    try:
        if peaks is None:
            return engine.pull(client, image)
        with Peak(engine.pid) as peak:
            elapsed = engine.pull(client, image)
        peaks.append(peak)
        return elapsed
    finally:
        client.close()


class Fresh:
    """Pulls by an engine that is started on a fresh file system for each run."""

    def __init__(self, place, make, title, image):
        self.make, self.image = make, image
        self.file_system = place.file_system(title, 2048)

    def pull(self, peaks=None):
        engine = self.make(self.file_system.make().path)
        os.sync()
        elapsed = pull(engine, self.image, peaks)
        engine.close()
        self.file_system.unmount()
        return elapsed

    def close(self):
        self.file_system.close()


def fresh(bench, image):
    place = bench.place
    return (Fresh(place, lambda path: peers.Kedge(place, "pull-kedge", store=path / "s").start(), "fs-kedge", image),
            Fresh(place, lambda path: peers.Docker(place, "pull-docker", root=path).start(), "fs-docker", image))


def rates(side, size, watched_runs=0, peaks=None):
    """A function that pulls and gives MB/s; memory is watched in the first runs."""
    runs = iter(range(watched_runs))

    def once():
        return size / MB / side.pull(None if next(runs, None) is None else peaks)
    return once


def measure_pull(bench, metric, layers):
    size, image = sum(map(len, layers)), publish(bench, metric.lower(), layers)
    layers.clear()
    ours, theirs = fresh(bench, image)
    peaks = []
    samples = paired(rates(ours, size, bench.warm_up, peaks), rates(theirs, size), bench.few, bench.warm_up)
    bench.row(f"{metric}_vs_docker", "MB/s", *samples, "docker", Target(ratio=3, at_least=True))
    bench.row(f"{metric}_peak", "MB", [peak.kib / 1024 for peak in peaks], [], "", Target(32, unit="MB"),
              looks=[peak.samples for peak in peaks], longest_gap_ms=max(peak.longest_gap for peak in peaks) * 1000)
    for side in (ours, theirs):
        side.close()


def pull_1x256M_vs_docker(bench):
    measure_pull(bench, "pull_1x256M", one_layer())


def pull_6_layers_vs_docker(bench):
    measure_pull(bench, "pull_6_layers", six_layers())


def pull_small_files_vs_docker(bench):
    measure_pull(bench, "pull_small_files", [small_files()])


ROWS = [pull_1x256M_vs_docker, pull_6_layers_vs_docker, pull_small_files_vs_docker]
