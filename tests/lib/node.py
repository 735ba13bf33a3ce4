# SPDX-License-Identifier: Apache-2.0
"""Packages of npm that tests use."""
import shutil
import subprocess

import kedge


def modules(source, name):
    """Where the packages are that source/package-lock.json names: build/NAME/node_modules; installed once a build directory."""
    place = kedge.TOP / "build" / name
    lock = (source / "package-lock.json").read_bytes()
    mark = place / "installed.json"
    if not mark.exists() or mark.read_bytes() != lock:
        place.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, place)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, check=True, timeout=300, stdout=subprocess.DEVNULL)
        mark.write_bytes(lock)
    return place / "node_modules"
