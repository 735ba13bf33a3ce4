# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest

import browser
import kedge


def pytest_collection_modifyitems(items):
    reason = "chromium and npm are not installed" if not shutil.which("chromium") or not shutil.which("npm") else \
        "kedged was built without the dashboard" if not browser.has_dashboard() else None
    for item in items:
        if reason and "web" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def box(shared_daemon):
    """The module's daemon; what the test leaves is removed after it."""
    yield shared_daemon
    shared_daemon.remove_all()
    kedge.wait_for(lambda: not shared_daemon.leftovers(), 15)


@pytest.fixture
def relay(box, chromium):
    it = browser.Relay(chromium, box.socket)
    yield it
    it.close()


@pytest.fixture(scope="module")
def chromium():
    it = browser.Browser()
    yield it
    it.close()


@pytest.fixture
def page(chromium, relay):
    """A page of the daemon's; it may have complained of nothing at the end."""
    chromium.renew(relay.address)
    yield chromium.go()
    assert chromium.complaints() == []
