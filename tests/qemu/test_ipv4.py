# SPDX-License-Identifier: Apache-2.0
"""A published port on a machine whose kernel has IPv6 switched off: the results of ipv4.sh in a guest."""
import pathlib
import shutil

import pytest

import guest
import kedge

HERE = pathlib.Path(__file__).parent
SCRIPTS = [HERE / name for name in ("core.sh", "plain.sh", "network.sh", "ipv4.sh")]


class Ipv4Guest(guest.Guest):
    words = f"{guest.Guest.words} ipv6.disable=1"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    machine = Ipv4Guest(tmp_path_factory.mktemp("guest")).add_kedge().add_network()
    machine.add_program(kedge.BIN / "kedge-dns", "usr/libexec/kedge/kedge-dns")
    kedge.busybox_archive(machine.root / "busybox.tar", "box:latest")
    run = machine.boot(SCRIPTS, 600)
    shutil.rmtree(machine.directory)
    return run.checked()


@pytest.mark.parametrize("name", guest.tests_of(SCRIPTS, "ipv4", "crun"))
def test_guest(run, name):
    run.check(name)
