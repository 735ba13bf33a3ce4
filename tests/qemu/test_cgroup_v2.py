# SPDX-License-Identifier: Apache-2.0
"""Containers on a machine whose control groups are version 2 alone, without systemd, with both OCI runtimes: the results of core.sh; and
published ports, SCTP's among them, with the kernel's own modules: the results of network.sh."""
import pathlib
import shutil

import pytest

import guest
import kedge

HERE = pathlib.Path(__file__).parent
SCRIPTS = [HERE / name for name in ("core.sh", "plain.sh", "network.sh", "cgroup_v2.sh")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    machine = guest.Guest(tmp_path_factory.mktemp("guest")).add_kedge().add_network()
    kedge.busybox_archive(machine.root / "busybox.tar", "box:latest")
    run = machine.boot(SCRIPTS, 900)
    shutil.rmtree(machine.directory)
    return run.checked()


@pytest.mark.parametrize("name", [*guest.tests_of(SCRIPTS, "test", "crun", "runc"), *guest.tests_of(SCRIPTS, "network", "crun")])
def test_guest(run, name):
    run.check(name)


def test_guest_ended(run):
    assert run.is_off and "GUEST DOWN" in run.said.splitlines()
