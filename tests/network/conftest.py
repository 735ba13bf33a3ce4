# SPDX-License-Identifier: Apache-2.0
"""A host with kedge's bridges, containers on them, a neighbour and a client beyond it: see host.py."""
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "lib")]

import pytest  # noqa: E402

import host  # noqa: E402
import network  # noqa: E402


@pytest.fixture
def place():
    """A host with an empty ruleset and nothing loaded."""
    place = host.Place()
    yield place
    place.close()


@pytest.fixture
def ready(place):
    """The same with the table, two networks and an internal one."""
    place.load()
    place.add_networks()
    return place


@pytest.fixture(scope="module")
def net():
    """kedged's host with its neighbours."""
    with network.Net() as net:
        yield net


@pytest.fixture(scope="module")
def device(net):
    """A kedged on it, that lives as long as the module."""
    daemon = net.daemon().start()
    network.load_peer(daemon)
    return daemon


@pytest.fixture
def daemon(device):
    """The same, with nothing left of the last test."""
    yield device
    device.remove_all()
    for one in device.api.get("/networks"):
        if one["Name"] not in ("bridge", "host", "none"):
            device.api.delete(f"/networks/{one['Id']}")
