# SPDX-License-Identifier: Apache-2.0
"""kedged in a chroot, whose containers would have the host's root above theirs."""
import subprocess

import pytest

import kedge


@pytest.fixture
def root(tmp_path):
    """The host's root again, as one that is changed to by chroot(2)."""
    root = tmp_path / "root"
    root.mkdir()
    made = []
    try:
        for source, target in (("/", root), ("/proc", root / "proc")):
            subprocess.run(["mount", "--bind", source, target], check=True)
            made.append(target)
        yield root
    finally:
        for target in reversed(made):
            subprocess.run(["umount", target], check=True)


def test_it_does_not_start(root, tmp_path):
    daemon = kedge.Daemon(tmp_path / "device")
    done = subprocess.run(["chroot", str(root), *daemon.command()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 1 and "kedged runs in a chroot, which containers could leave" in done.stdout
    assert "hint: give it a mount namespace with a root of its own" in done.stdout
    assert not daemon.store.exists()
