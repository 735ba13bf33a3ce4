# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))

import kedge  # noqa: E402
import registries  # noqa: E402


@pytest.fixture
def daemon():
    """A kedged of this test's own, with busybox:test loaded."""
    it = kedge.Daemon().start()
    it.load_busybox()
    yield it
    it.close()


@pytest.fixture
def empty():
    """A kedged of this test's own, without images."""
    it = kedge.Daemon().start()
    yield it
    it.close()


@pytest.fixture
def fake():
    """A registry on plain HTTP that can be told to lie."""
    it = registries.FakeRegistry()
    yield it
    it.close()


@pytest.fixture(scope="module")
def shared_daemon():
    """A kedged shared by the tests of a module: they clean up what they make."""
    it = kedge.Daemon().start()
    it.load_busybox()
    yield it
    it.close()


@pytest.fixture(scope="module")
def registry():
    it = kedge.Registry().start()
    yield it
    it.close()
