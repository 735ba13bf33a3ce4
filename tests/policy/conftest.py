# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "lib")]

import pytest  # noqa: E402

import kedge  # noqa: E402
from enforced import EVIL, GOOD, Device  # noqa: E402


@pytest.fixture(scope="module")
def shared_device():
    it = Device().start().load()
    yield it
    it.close()


@pytest.fixture
def device(shared_device):
    """The module's device, with nothing enforced and no containers."""
    it = shared_device
    for file in it.marks.iterdir():
        file.unlink()
    yield it
    it.relax()
    it.remove_all()
    kedge.wait_for(lambda: not it.leftovers(), 15)
    for name in [tag for image in it.api.get("/images/json") for tag in image["RepoTags"] if tag not in (GOOD, EVIL)]:
        it.api.raw("DELETE", f"/images/{name}?force=1")
