# SPDX-License-Identifier: Apache-2.0
import pytest

import kedge


@pytest.fixture
def box(shared_daemon):
    """The module's daemon; the containers that the test makes are removed after it, and nothing of them may be left."""
    yield shared_daemon
    shared_daemon.remove_all()
    kedge.wait_for(lambda: not shared_daemon.leftovers(), 15)


@pytest.fixture
def stock(box):
    """The shared daemon; images other than busybox:test are removed after the test."""
    yield box
    box.remove_all()
    for image in box.api.get("/images/json?all=1"):
        if "busybox:test" not in image["RepoTags"]:
            box.api.raw("DELETE", f"/images/{image['Id']}?force=1")
