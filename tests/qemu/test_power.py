# SPDX-License-Identifier: Apache-2.0
"""Power cuts, each with the loss of what the disk had not been told to keep, during pulls, applies, deletes and boots of declared containers: what
kedge had said was done is found, whole, without a network. See docs/durability.md.

One boot a cut: it is judged, works, and is cut in its turn. A store that skips its syncs fails the same judgement.
"""
import copy
import os
import random

import pytest

import kedge
import power

FEW = 10
CUTS = int(os.environ.get("KEDGE_POWER_CUTS") or (50 if kedge.SOAK else FEW))
SEED = int(os.environ.get("KEDGE_SEED") or (random.SystemRandom().randrange(1 << 32) if CUTS > FEW else 15))  # a few are the same each time


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    device = power.Device(tmp_path_factory.mktemp("power") / "guest")
    yield device
    device.close()


def test_what_was_said_is_there_when_all_that_was_not_flushed_is_lost(device):
    assert device.first_problems == []


@pytest.fixture
def spare(device):
    """The device, to be damaged: it is as before afterwards."""
    known, disk = copy.deepcopy(device.known), device.spare()
    yield device
    if device.boot:
        device.cut()
    disk.rename(device.disk)
    device.known = known


def test_a_store_without_syncs_fails(spare):
    """The control: a cut right after kedge's word, and files whose bytes change. No container stops meanwhile: that unmounts an overlay, with
    which the kernel syncs all of the file system below."""
    assert spare.judge(spare.begin(["apply log 4"], power.Moment("word", 2), more="WITHOUT_SYNCS=1")) == []
    spare.work()
    problems = spare.judge(spare.begin(["damage 'layers/*/power/large'", "report"], power.Moment("word", 1)))
    assert "the file of log has version None, not one of {'4'}" in problems and "image 4 is lost" in problems
    assert [words for words in spare.judge(spare.next_report()) if words.endswith("are damaged")]


@pytest.mark.parametrize("number", range(CUTS))
def test_cut(device, number):
    print(f"KEDGE_SEED={SEED}")
    chance = random.Random(f"{SEED} {number}")
    if not device.boot:  # a cut leaves it at its work
        assert device.judge(device.begin_surely(chance)) == []
    device.work()
    device.spare()
    problems = device.judge(device.begin_surely(chance))
    assert problems == [], f"{device.keep(f'{SEED}-{number}')} is the disk after the cut"
