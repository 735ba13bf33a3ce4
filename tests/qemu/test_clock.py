# SPDX-License-Identifier: Apache-2.0
"""The clock set forward and back by ten years under a running kedged: the results of clock.sh in a guest with a registry of its own."""
import pathlib
import shutil

import pytest

import guest
import kedge

HERE = pathlib.Path(__file__).parent
SCRIPTS = [HERE / name for name in ("core.sh", "plain.sh", "clock.sh")]


class GuestRegistry(kedge.Registry):
    """Not on loopback: its certificate is looked at."""
    address = "10.9.8.7"


def add_registry(machine):
    """The registry of this directory, at the same path in the guest, with its CA where kedged looks for it."""
    registry = GuestRegistry(tls=True)
    (registry.directory / "config.json").write_text(kedge.json.dumps(registry.configuration()))
    shutil.copytree(registry.directory, machine.root / "opt/registry")
    text = (registry.directory / "config.json").read_text().replace(str(registry.directory), "/opt/registry")
    (machine.root / "opt/registry/config.json").write_text(text)
    host = f"{registry.address}:{registry.port}"
    machine.add(registry.ca_path, f"etc/docker/certs.d/{host}/ca.crt")
    machine.add_program(shutil.which("docker-registry"), "bin/docker-registry")
    (machine.root / "settings").write_text(f"REGISTRY={host}\nREGISTRY_CONFIG=/opt/registry/config.json\n")
    registry.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    machine = guest.Guest(tmp_path_factory.mktemp("guest")).add_kedge()
    kedge.busybox_archive(machine.root / "busybox.tar", "box:latest")
    add_registry(machine)
    run = machine.boot(SCRIPTS, 900)
    shutil.rmtree(machine.directory)
    return run.checked()


@pytest.mark.parametrize("name", guest.names_of([HERE / "clock.sh"], "clock"))
def test_guest(run, name):
    run.check(name)


def test_guest_ended(run):
    assert run.is_off and "GUEST DOWN" in run.said.splitlines()
