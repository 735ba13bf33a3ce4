# SPDX-License-Identifier: Apache-2.0
"""The store as seen by its own consistency check, and what must not be in it."""
import subprocess

import kedge


def problems(root):
    """What store_check() says of a root that no kedged uses."""
    done = subprocess.run([kedge.BUILD / "tests" / "system" / "check_store", root], stdout=subprocess.PIPE, text=True)
    assert bool(done.stdout.strip()) == bool(done.returncode), done
    return done.stdout.splitlines()


def end_clean(daemon):
    """Removes every container, stops kedged, and finds nothing left of them anywhere."""
    daemon.remove_all()
    kedge.wait_for(lambda: not daemon.leftovers(), 15)
    kedge.wait_for(lambda: not list((daemon.store / "containers").iterdir()), 15)
    kedge.wait_for(lambda: not list((daemon.store / "staging").iterdir()), 15)
    assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
    daemon.stop()
    assert problems(daemon.store) == []
    daemon.start()
