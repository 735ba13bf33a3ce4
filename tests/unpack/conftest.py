# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest


@pytest.fixture(autouse=True)
def clean(tmp_path):
    """What was unpacked is large, and pytest would keep it."""
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)
