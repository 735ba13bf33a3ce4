# SPDX-License-Identifier: Apache-2.0
"""kedge's Debian package, built from a clone of the committed state; kept below build/ until there is another commit."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import kedge

CACHE = kedge.TOP / "build" / "package"


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{words}: status {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


def build(directory):
    """Appears there whole: a second suite may be at it."""
    with tempfile.TemporaryDirectory(prefix="kedge-package-") as work:
        run("git", "clone", "-q", kedge.TOP, f"{work}/kedge")
        run("dpkg-buildpackage", "-b", "-us", "-uc", "-j2", cwd=f"{work}/kedge")
        built = next(pathlib.Path(work).glob("kedge_*.deb"))
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(built, directory / f"{built.name}.{os.getpid()}")
        (directory / f"{built.name}.{os.getpid()}").rename(directory / built.name)


def package():
    """build/package/<commit>/kedge_<version>_<architecture>.deb; of the commits before, none is kept."""
    directory = CACHE / run("git", "rev-parse", "HEAD", cwd=kedge.TOP).strip()
    if not any(directory.glob("kedge_*.deb")):
        for old in CACHE.glob("*"):
            shutil.rmtree(old)
        build(directory)
    return next(directory.glob("kedge_*.deb"))


def version_of(package):
    return run("dpkg-deb", "-f", package, "Version").strip()


def newer(package, target):
    """The same package with a higher version, and programs that are other files."""
    with tempfile.TemporaryDirectory(prefix="kedge-newer-") as work:
        run("dpkg-deb", "-R", package, f"{work}/x")
        control = pathlib.Path(work, "x/DEBIAN/control")
        control.write_text(re.sub(r"^Version: .*", f"Version: {version_of(package)}+newer", control.read_text(), flags=re.M))
        run("dpkg-deb", "-b", "-Zgzip", f"{work}/x", target)
    return target


def needs(package):
    """The packages that it depends on and recommends, of alternatives the first."""
    lists = [run("dpkg-deb", "-f", package, field) for field in ("Depends", "Recommends")]
    return sorted({re.match(r"[a-z0-9.+-]+", word.strip())[0] for text in lists for word in text.split(",") if word.strip()})
