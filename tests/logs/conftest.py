# SPDX-License-Identifier: Apache-2.0
import pytest

import kedge
import receivers


@pytest.fixture(scope="module")
def places():
    """A directory whose sockets kedge-log, which is nobody, may connect to."""
    it = receivers.Places()
    yield it
    it.close()


@pytest.fixture(scope="module")
def kedged(places):
    """A kedged shared by the tests of a module, whose journal is a socket of theirs."""
    it = kedge.Daemon(options=["--journal-socket", str(places.path / "run" / receivers.JOURNAL_SOCKET)]).start()
    it.load_busybox()
    yield it
    it.close()


@pytest.fixture
def box(kedged):
    yield kedged
    kedged.remove_all()
