# SPDX-License-Identifier: Apache-2.0
"""A full disk: what is declared stays so, who writes is told, what was half written changes nothing, and it heals when there is room."""
import json
import pathlib
import subprocess
import tempfile

import pytest

import declared
import kedge


@pytest.fixture
def small():
    """A device all of whose files are on a disk of 64 MB."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="kd", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], check=True)
    device = declared.Device(place / "d")
    try:
        (place / "d").mkdir(exist_ok=True)
        device.start().load_busybox()
        yield device
        (place / "filler").unlink(missing_ok=True)
        device.close()
    finally:
        subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


def fill(device):
    """To the last byte."""
    with open(device.directory.parent / "filler", "wb", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            try:
                while filler.write(b"x" * size) == size:
                    pass
            except OSError:
                pass


def make_room(device):
    (device.directory.parent / "filler").unlink()


def test_a_full_disk(small):
    small.declare("web", restart="always")
    small.declare("goes")
    first = small.wait_kept("web")
    small.wait_kept("goes")
    text = (small.containers / "web.yaml").read_text()
    fill(small)
    done = small.kedge("set", "web", "environment.A=1", check=False)  # the writer is told
    assert done.returncode == 1 and "No space left on device" in " ".join(done.err.split()) and "web.yaml" in done.err
    assert (small.containers / "web.yaml").read_text() == text
    assert sorted(path.name for path in small.containers.iterdir()) == ["goes.yaml", "web.yaml"]  # nothing half-made is left
    done = small.kedge("apply", "--file", "-", input=json.dumps({"name": "new", "image": "busybox:test"}).encode(), check=False)
    assert done.returncode == 1 and not small.kept("new")
    with pytest.raises(OSError):  # an editor without care: half a file
        with open(small.containers / "web.yaml", "w") as file:
            file.write('{"image": "busybox:test", "command": ["' + "x" * (1 << 20))
    kedge.wait_for(small.problems)
    small.kedge("get")
    assert small.container("web")["Id"] == first["Id"] and small.container("web")["State"]["Running"]
    small.withdraw("goes")  # it goes on a full disk as well
    small.wait_gone("goes")
    make_room(small)
    small.declare("web", restart="always", environment={"A": "1"})
    kept = kedge.wait_for(lambda: (small.container("web") or first)["Id"] != first["Id"] and small.wait_kept("web"))
    assert "A=1" in kept["Config"]["Env"] and not small.problems()


def test_a_kedged_that_starts_on_a_full_disk(small):
    small.declare("web", restart="always")
    first = small.wait_kept("web")
    fill(small)
    small.kill()
    small.start()
    assert small.wait_kept("web")["Id"] == first["Id"]
    make_room(small)
    small.declare("other")
    small.wait_kept("other")


def test_what_could_not_be_made_is_made_when_there_is_room(small):
    small.declare("web")
    small.wait_kept("web")
    (small.containers / "late.yaml").write_text(json.dumps({"image": "busybox:test", "command": ["sleep", "1000"], "stopSignal": "KILL", "enabled": False}))
    kedge.wait_for(lambda: small.kept("late"))
    beside = small.containers / ".late"
    beside.write_text(json.dumps({"image": "busybox:test", "command": ["sleep", "1000"], "stopSignal": "KILL"}))
    fill(small)
    beside.rename(small.containers / "late.yaml")
    small.wait_reason("late", "No space left on device")
    assert small.container("web")["State"]["Running"]
    make_room(small)
    assert small.wait_kept("late", 60)["State"]["Running"]
