# SPDX-License-Identifier: Apache-2.0
"""What the disk of the power cuts keeps and loses, without a guest: the plugin, called as nbdkit calls it."""
import importlib.util
import json
import os
import pathlib
import signal
import sys
import types

import pytest

PLUGIN = pathlib.Path(__file__).parents[1] / "lib" / "volatile_disk.py"
BLOCK, BLOCKS, FUA = 4096, 64, 2


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbdkit", types.SimpleNamespace(FUA_NATIVE=2, FLAG_FUA=FUA))
    specification = importlib.util.spec_from_file_location("volatile_disk", PLUGIN)
    plugin = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(plugin)
    (tmp_path / "disk").write_bytes(b"o" * BLOCK * BLOCKS)
    plugin.config("file", str(tmp_path / "disk"))
    plugin.config("arm", str(tmp_path / "arm"))
    return plugin


def run(steps):
    """The steps in a process that the power cut kills."""
    child = os.fork()
    if not child:
        steps()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def cut(plugin, tmp_path, event, count, kept, steps):
    """The disk's blocks, a letter each, and what it counted, after these steps and the cut that was ordered."""
    (tmp_path / "arm").write_text(json.dumps({"event": event, "count": count, "kept": kept, "seed": 1}))
    run(lambda: steps(plugin.open(False)))
    data = (tmp_path / "disk").read_bytes()
    blocks = [data[at:at + BLOCK] for at in range(0, len(data), BLOCK)]
    assert all(len(set(block)) == 1 for block in blocks)
    return "".join(chr(block[0]) for block in blocks), json.loads((tmp_path / "arm.done").read_text())


def write(plugin, disk, letter, first, count=1, flags=0):
    plugin.pwrite(disk, letter.encode() * BLOCK * count, first * BLOCK, flags)


def test_what_is_not_flushed_is_lost(plugin, tmp_path):
    def steps(disk):
        write(plugin, disk, "f", 0, 2)
        plugin.flush(disk, 0)
        write(plugin, disk, "u", 1, 3)
        write(plugin, disk, "t", 8, 1, FUA)
        plugin.flush(disk, 0)
    found, counted = cut(plugin, tmp_path, "flush", 2, 0.0, steps)
    assert found == "ffoooooot".ljust(BLOCKS, "o")
    assert counted == {"unflushed": 3, "kept": 0}


def test_a_random_part_is_kept(plugin, tmp_path):
    def steps(disk):
        write(plugin, disk, "a", 0, BLOCKS)
        write(plugin, disk, "b", 0, BLOCKS)
        write(plugin, disk, "c", 0)
    found, counted = cut(plugin, tmp_path, "write", 3, 0.5, steps)
    assert set(found) - {"c"} == set("oab") and counted["unflushed"] == BLOCKS
    assert counted["kept"] == BLOCKS - found.count("o")


def test_reads_see_what_was_written_last(plugin):
    disk = plugin.open(False)
    write(plugin, disk, "f", 0)
    plugin.flush(disk, 0)
    write(plugin, disk, "u", 1)
    plugin.pwrite(disk, b"x" * 100, BLOCK - 50, 0)  # over the edge of two blocks
    found = bytearray(3 * BLOCK)
    plugin.pread(disk, found, 0, 0)
    assert bytes(found) == b"f" * (BLOCK - 50) + b"x" * 100 + b"u" * (BLOCK - 50) + b"o" * BLOCK
    found = bytearray(100)
    plugin.pread(disk, found, BLOCK - 50, 0)
    assert bytes(found) == b"x" * 100
