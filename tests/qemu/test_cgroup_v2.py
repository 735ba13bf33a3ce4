# SPDX-License-Identifier: Apache-2.0
"""Containers on a machine whose control groups are version 2 alone, with both OCI runtimes: the results of cgroup_v2.sh in a guest."""
import pathlib
import re
import shutil

import pytest

import guest
import kedge

SCRIPT = pathlib.Path(__file__).with_name("cgroup_v2.sh")
TESTS = re.findall(r"^(test_\w+)\(\)", SCRIPT.read_text(), re.M)
RUNTIMES = ("crun", "runc")


class Run:
    """results: {test: (ok or failed, what it said)}"""

    def __init__(self, said):
        self.said = said
        parts = re.split(r"^RESULT (\S+) (ok|failed) \d+$", said, flags=re.M)
        self.results = {name: (result, said.split("\nLOG ")[0].strip())
                        for name, result, said in zip(parts[1::3], parts[2::3], parts[3::3])}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    machine = guest.Guest(tmp_path_factory.mktemp("guest")).add_kedge()
    kedge.busybox_archive(machine.root / "busybox.tar", "box:latest")
    said, booted, ended = machine.boot(SCRIPT, 400)
    print(f"up after {booted:.1f} s, off after {ended:.1f} s" if booted else "did not come up", said, sep="\n")
    shutil.rmtree(machine.directory)
    assert booted, said[-4000:]
    return Run(said)


@pytest.mark.parametrize("name", [f"{test}-{runtime}" for runtime in RUNTIMES for test in TESTS])
def test_guest(run, name):
    assert name in run.results, f"no result; the guest's last words:\n{run.said[-4000:]}"
    result, said = run.results[name]
    assert result == "ok", said


def test_guest_ended(run):
    assert "GUEST DOWN" in run.said.splitlines()
