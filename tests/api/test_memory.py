# SPDX-License-Identifier: Apache-2.0
"""What kedged needed while it worked is given back when it rests."""
import json
import pathlib
import re

import pytest

import kedge


def heap_kib(daemon):
    """Of the part of the heap that is there in memory."""
    found = re.search(r"\[heap\]\n(?:.*\n)*?Rss: +(\d+) kB", pathlib.Path(f"/proc/{daemon.process.pid}/smaps").read_text())
    return int(found.group(1)) if found else 0


@pytest.mark.skipif("sanitize" in str(kedge.BUILD), reason="a sanitizer has a heap of its own")
def test_memory_of_work_is_given_back(daemon):
    """Nor do the events that are kept for `since` hold more than a bound of their objects' labels."""
    daemon.load_busybox()
    fresh = kedge.wait_for(lambda: heap_kib(daemon))
    many = [daemon.create(["true"], Labels={f"label-{index}": "x" * 1000 for index in range(100)}) for _ in range(20)]
    used = heap_kib(daemon)
    assert used > fresh + 1500
    for identity in many:
        daemon.api.delete(f"/containers/{identity}")
    kedge.wait_for(lambda: heap_kib(daemon) < fresh + 700, 20)
    assert json.loads(daemon.api.raw("GET", "/containers/json?all=1")[1]) == []
