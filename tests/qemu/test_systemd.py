# SPDX-License-Identifier: Apache-2.0
"""kedge's package on a machine with systemd and AppArmor: the unit, profiles, the core of the container tests, and a reboot with containers."""
import pathlib
import shutil

import pytest

import debian_guest
import debian_package
import guest
import kedge

HERE = pathlib.Path(__file__).parent
SCRIPTS = [HERE / "core.sh", HERE / "systemd.sh"]
RUNTIMES = ("crun", "runc")
CORE_RUNTIMES = RUNTIMES if kedge.SOAK else ("crun",)  # runc's have run in the other guest


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    package = debian_package.package()
    machine = debian_guest.DebianGuest(tmp_path_factory.mktemp("guest"), debian_package.needs(package)).add(package, "kedge.deb")
    debian_package.newer(package, machine.root / "newer.deb")
    kedge.busybox_archive(machine.root / "busybox.tar", "box:latest")
    (machine.root / "settings").write_text(f'RUNTIMES="{" ".join(RUNTIMES)}"\nCORE_RUNTIMES="{" ".join(CORE_RUNTIMES)}"\n')
    run = machine.boot(SCRIPTS, 1800)
    shutil.rmtree(machine.directory)
    return run.checked()


@pytest.mark.parametrize("name", [*guest.tests_of(SCRIPTS, "apparmor", *RUNTIMES), *guest.tests_of(SCRIPTS, "unit", "crun"),
                                  *guest.tests_of(SCRIPTS, "test", *CORE_RUNTIMES)])
def test_guest(run, name):
    run.check(name)


@pytest.mark.parametrize("name", guest.names_of(SCRIPTS, "boot"))
def test_after_reboot(run, name):
    run.check(name)


def test_guest_ended(run):
    assert run.is_off
