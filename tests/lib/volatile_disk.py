# SPDX-License-Identifier: Apache-2.0
"""A disk with a volatile write cache, as a plugin of nbdkit: what is written stays in the process until the client flushes it, or forces it
through, and is lost with the process. Killed at once all of it is; a power cut that was ordered takes a random part, in any order.

    nbdkit python volatile_disk.py file=IMAGE arm=PATH

A file that is renamed to PATH orders the cut: {"event": "write"|"flush", "count": N, "kept": share of the unflushed blocks that reach the
disk, "seed": M}. It happens instead of the N-th such event from then on, which is not answered; PATH, ending in .done, says what was lost.
"""
import json
import os
import pathlib
import random
import signal

import nbdkit

API_VERSION = 2
BLOCK = 4096
settings = {}


class Cut:
    """An ordered power cut, once there is an order."""

    def __init__(self, path):
        self.path, self.order = pathlib.Path(path), None

    def is_due(self, event):
        if self.order is None and self.path.exists():
            self.order = json.loads(self.path.read_text())
        if self.order is None or self.order["event"] != event:
            return False
        self.order["count"] -= 1
        return self.order["count"] <= 0


class Disk:
    """cache: from the number of a block to what was written there since the last flush, oldest first. A real cache may write any of it at any
    time, so each block finds itself old or in one of these states after a cut."""

    def __init__(self):
        self.fd = os.open(settings["file"], os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.cache = {}
        self.cut = Cut(settings["arm"])

    def block(self, number):
        return self.cache[number][-1] if number in self.cache else os.pread(self.fd, BLOCK, number * BLOCK)

    def read(self, offset, length):
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        if not self.cache or not any(number in self.cache for number in range(first, last + 1)):
            return os.pread(self.fd, length, offset)
        data = b"".join(self.block(number) for number in range(first, last + 1))
        return data[offset - first * BLOCK:][:length]

    def write(self, data, offset):
        """The numbers of the blocks that it changed."""
        first, last = offset // BLOCK, (offset + len(data) - 1) // BLOCK
        whole = bytearray(b"".join(self.block(number) for number in (first, last))) if offset % BLOCK or len(data) % BLOCK else bytearray()
        before, behind = whole[:offset % BLOCK], whole[len(whole) - -(offset + len(data)) % BLOCK:]
        data = bytes(before) + data + bytes(behind)
        for number in range(first, last + 1):
            self.cache.setdefault(number, []).append(data[(number - first) * BLOCK:][:BLOCK])
        return range(first, last + 1)

    def flush(self, numbers):
        for number in numbers:
            os.pwrite(self.fd, self.cache.pop(number)[-1], number * BLOCK)

    def power_off(self):
        order = self.cut.order
        chance, kept = random.Random(order["seed"]), 0
        for number, versions in sorted(self.cache.items()):
            if chance.random() < order["kept"]:
                os.pwrite(self.fd, chance.choice(versions), number * BLOCK)
                kept += 1
        self.cut.path.with_suffix(".done").write_text(json.dumps({"unflushed": len(self.cache), "kept": kept}))
        os.kill(os.getpid(), signal.SIGKILL)


# ---- what nbdkit calls ----

def config(key, value):
    settings[key] = value


def open(readonly):
    return Disk()


def get_size(disk):
    return disk.size


def can_flush(disk):
    return True


def can_fua(disk):
    return nbdkit.FUA_NATIVE


def pread(disk, buffer, offset, flags):
    buffer[:] = disk.read(offset, len(buffer))


def pwrite(disk, buffer, offset, flags):
    numbers = disk.write(bytes(buffer), offset)
    if disk.cut.is_due("write"):
        disk.power_off()
    if flags & nbdkit.FLAG_FUA:
        disk.flush(numbers)


def flush(disk, flags):
    if disk.cut.is_due("flush"):
        disk.power_off()
    disk.flush(sorted(disk.cache))
