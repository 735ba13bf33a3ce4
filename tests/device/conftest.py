# SPDX-License-Identifier: Apache-2.0
"""A device with an image, and what is declared on it."""
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "lib")]

import pytest  # noqa: E402

import declared  # noqa: E402


@pytest.fixture(scope="module")
def shared():
    """One that lives as long as the module."""
    device = declared.Device().start()
    device.load_busybox()
    yield device
    device.close()


@pytest.fixture
def device(shared):
    """The same, with nothing left of the last test."""
    yield shared
    shared.withdraw_all()


@pytest.fixture
def own():
    """One that a test may kill and restart."""
    device = declared.Device().start()
    device.load_busybox()
    yield device
    device.close()
