# SPDX-License-Identifier: Apache-2.0
"""Volumes without a name are a container's own: what is made anew in its place has them, and so has what comes back."""
import os
import pathlib
import signal

import pytest

import kedge

KEEPS = ["sh", "-c", "date >> /data/log; date >> /own/log; exec sleep 1000"]


@pytest.fixture(scope="module", autouse=True)
def image(shared):
    shared.load_busybox("volume:test", config={"Volumes": {"/data/": {}}})


def declare(device, **fields):
    device.declare("web", **{"image": "volume:test", "volumes": ["/own"], "command": KEEPS, **fields})


def volumes(device, name="web"):
    return {mount["Destination"].rstrip("/"): mount["Name"] for mount in device.container(name)["Mounts"]}


def there(device):
    return {volume["Name"] for volume in device.api.get("/volumes")["Volumes"]}


def lines(device, path):
    return len(device.kedge("exec", "web", "cat", path, check=False).out.splitlines())


def wait_other(device, first):
    return kedge.wait_for(lambda: (device.container("web") or first)["Id"] != first["Id"] and device.wait_kept("web"))


def test_a_replacement_has_them(device):
    declare(device)
    first = device.wait_kept("web")
    before = volumes(device)
    assert set(before) == {"/data", "/own"}
    for i in range(2, 4):  # one that was handed on is handed on again
        declare(device, environment={"N": str(i)})
        first = wait_other(device, first)
        kedge.wait_for(lambda i=i: lines(device, "/data/log") == i and lines(device, "/own/log") == i)
        assert volumes(device) == before
    device.withdraw("web")
    device.wait_gone("web")
    kedge.wait_for(lambda: not there(device) & set(before.values()))  # they went with the last of them


def test_a_replacement_that_is_taken_back_has_left_them(device):
    declare(device)
    first = device.wait_kept("web")
    before = volumes(device)
    declare(device, command=["sh", "-c", "echo new > /data/new; exit 5"])
    device.wait_reason("web", "did not come up")
    again = kedge.wait_for(lambda: list(device.names()) == ["web"] and device.container("web"))
    assert again["Id"] == first["Id"] and volumes(device) == before
    assert lines(device, "/data/log") == 2 and lines(device, "/data/new") == 1


def test_what_is_not_declared_any_more_goes(device):
    declare(device)
    first = device.wait_kept("web")
    before = volumes(device)
    declare(device, volumes=["named:/own"])
    wait_other(device, first)
    assert volumes(device) == {"/data": before["/data"], "/own": "named"}
    kedge.wait_for(lambda: before["/own"] not in there(device))
    first = device.container("web")
    declare(device, image="busybox:test", volumes=[], command=["sleep", "1000"])
    wait_other(device, first)
    assert volumes(device) == {}
    kedge.wait_for(lambda: before["/data"] not in there(device))
    assert "named" in there(device)
    device.withdraw("web")
    device.wait_gone("web")
    device.api.delete("/volumes/named")


def test_one_that_somebody_else_has_made_hands_them_on(device):
    device.run_container(KEEPS, name="web", image="volume:test", Volumes={"/own": {}}, StopSignal="KILL")
    before = volumes(device)
    first = device.container("web")
    declare(device)
    wait_other(device, first)
    assert volumes(device) == before
    kedge.wait_for(lambda: lines(device, "/own/log") == 2)


def test_one_that_was_lost_hands_them_on(device):
    """Its shim is killed: the container is as good as dead, its data are not."""
    declare(device, restart="no")
    first = device.wait_kept("web")
    before = volumes(device)
    kedge.wait_for(lambda: lines(device, "/own/log") == 1)
    pid = first["State"]["Pid"]
    os.kill(int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    wait_other(device, first)
    assert volumes(device) == before
    kedge.wait_for(lambda: lines(device, "/data/log") == 2)
