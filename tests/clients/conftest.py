# SPDX-License-Identifier: Apache-2.0
import pytest

import kedge


@pytest.fixture
def box(shared_daemon):
    """The module's daemon; the containers that the test makes are removed after it, and nothing of them may be left."""
    yield shared_daemon
    shared_daemon.remove_all()
    kedge.wait_for(lambda: not shared_daemon.leftovers(), 15)
