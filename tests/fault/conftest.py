# SPDX-License-Identifier: Apache-2.0
import os
import random

import pytest

from movable import Movable


@pytest.fixture
def chance():
    """Random numbers of a seed that is printed when the test fails: KEDGE_SEED=N repeats a run's choices."""
    seed = int(os.environ.get("KEDGE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"KEDGE_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def movable():
    it = Movable().start()
    it.load_busybox()
    yield it
    it.close()
