# SPDX-License-Identifier: Apache-2.0
import pathlib

import pytest

import kedge
import node

NODE = pathlib.Path(__file__).parent / "node"


@pytest.fixture
def box(shared_daemon):
    """The module's daemon; the containers that the test makes are removed after it, and nothing of them may be left."""
    yield shared_daemon
    shared_daemon.remove_all()
    kedge.wait_for(lambda: not shared_daemon.leftovers(), 15)


@pytest.fixture(scope="module")
def modules():
    """Where the packages are that node/package-lock.json names; installed once a build directory."""
    return node.modules(NODE, "node")
