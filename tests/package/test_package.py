# SPDX-License-Identifier: Apache-2.0
"""The Debian package builds from a clean clone, holds what it should, and what it holds works; under `make soak` in a clean Debian root."""
import gzip
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import debian_package
import kedge
from debian_package import run

HERE = pathlib.Path(__file__).parent
EXPECTED = """usr/bin/kedge usr/sbin/kedged usr/libexec/kedge/kedge-shim usr/libexec/kedge/kedge-fetch usr/libexec/kedge/kedge-unpack
usr/libexec/kedge/kedge-pack usr/libexec/kedge/kedge-tls usr/libexec/kedge/kedge-ws usr/libexec/kedge/kedge-dns usr/libexec/kedge/kedge-log usr/share/man/man8/kedge-log.8.gz usr/share/man/man8/kedge-pack.8.gz
usr/share/man/man8/kedge-tls.8.gz usr/share/man/man8/kedge-ws.8.gz usr/share/man/man8/kedge-dns.8.gz
lib/systemd/system/kedged.service usr/share/bash-completion/completions/kedge usr/share/man/man1/kedge.1.gz
usr/share/man/man1/kedge-run.1.gz usr/share/man/man5/kedged.yaml.5.gz usr/share/man/man8/kedged.8.gz usr/share/man/man8/kedge-shim.8.gz
usr/share/man/man8/kedge-fetch.8.gz usr/share/man/man8/kedge-unpack.8.gz usr/share/doc/kedge/README.md.gz
usr/share/doc/kedge/containers.md.gz usr/share/doc/kedge/enforcement.md.gz etc/kedge/registries.d""".split()


@pytest.fixture(scope="module")
def package():
    return debian_package.package()


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    directory = tmp_path_factory.mktemp("root")
    run("dpkg", "-x", package, directory)
    return directory


def test_holds_what_it_should(unpacked):
    assert [path for path in EXPECTED if not (unpacked / path).exists()] == []


def test_documents_that_man_pages_name_are_there(unpacked):
    pages = [gzip.decompress(page.read_bytes()).decode() for page in (unpacked / "usr/share/man").rglob("*.gz")]
    named = {path for page in pages for path in re.findall(r"usr/share/doc/kedge/[\w.-]+\w", page.replace("\\&", ""))}
    assert len(named) >= 2 and [path for path in named if not (unpacked / path).exists()] == []


def test_shim_is_static(unpacked):
    assert "statically linked" in run("file", "-b", unpacked / "usr/libexec/kedge/kedge-shim") or \
        "not a dynamic executable" in subprocess.run(["ldd", str(unpacked / "usr/libexec/kedge/kedge-shim")], stdout=subprocess.PIPE,
                                                     stderr=subprocess.STDOUT, text=True).stdout


def test_unit_is_as_it_must_be(unpacked):
    unit = (unpacked / "lib/systemd/system/kedged.service").read_text()
    for line in ("Type=notify", "Delegate=yes", "KillMode=process", "WatchdogSec=60", "ExecStart=/usr/sbin/kedged"):
        assert line in unit.splitlines(), line


def test_package_enables_the_unit_and_makes_the_group(package, tmp_path):
    run("dpkg", "-e", package, tmp_path)
    script = (tmp_path / "postinst").read_text()
    assert "for group in kedge kedge-monitor;" in script and 'addgroup --system --quiet "$group"' in script
    assert "kedged.service" in script


def test_packaged_programs_run_a_container(unpacked, monkeypatch, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for path in ("usr/bin/kedge", "usr/sbin/kedged", "usr/libexec/kedge/kedge-shim", "usr/libexec/kedge/kedge-fetch",
                 "usr/libexec/kedge/kedge-unpack", "usr/libexec/kedge/kedge-pack"):
        shutil.copy(unpacked / path, programs)
    monkeypatch.setattr(kedge, "BIN", programs)
    daemon = kedge.Daemon().start()
    try:
        daemon.load_busybox()
        assert daemon.kedge("run", "--rm", "--network", "none", "busybox:test", "echo", "from the package").out == "from the package\n"
        assert daemon.kedge("save", "busybox:test").stdout
    finally:
        daemon.close()


def test_completion_is_valid_bash(unpacked):
    completion = unpacked / "usr/share/bash-completion/completions/kedge"
    run("bash", "-n", completion)
    assert "restart" in completion.read_text()


def test_install_honours_destdir(tmp_path):
    run("make", "--no-print-directory", "install", f"DESTDIR={tmp_path}", cwd=kedge.TOP, env={**os.environ, "BUILD": str(kedge.BUILD)})
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"kedge", "kedged", "kedge-shim", "kedge-fetch", "kedge-unpack", "kedge-pack", "kedge-tls", "kedge-ws", "kedge-dns", "kedge-log", "kedged.service"} <= names


@pytest.mark.skipif(not kedge.SOAK, reason="takes minutes: make soak")
def test_demo_in_a_clean_debian_root(tmp_path):
    out = run(HERE / "clean-root", tmp_path / "debian", "sh", "-c", "make demo && make demo-stop", timeout=1800)
    assert "its log has the request that kedged was not there for" in out
