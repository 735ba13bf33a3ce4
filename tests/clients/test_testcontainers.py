# SPDX-License-Identifier: Apache-2.0
"""Testcontainers for Node: ports that the kernel picks, its ways of waiting, networks with aliases. In make soak dockerd is asked the
same, in a network namespace of its own as well, and answers the same."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import dockerd
import kedge
import namespaces
from network import Net

SCRIPT = pathlib.Path(__file__).parent / "node" / "testcontainers.js"
pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


@contextlib.contextmanager
def kedge_with(archive):
    """Its socket, and what runs a program where its ports are."""
    with Net() as net:
        daemon = net.daemon().start()
        daemon.api.call("POST", "/images/load", archive.read_bytes(), {"Content-Type": "application/x-tar"})
        yield daemon.socket, lambda *words, **options: net.run("host", *words, **options).out


@contextlib.contextmanager
def dockerd_with(archive):
    if not dockerd.is_installed():
        pytest.skip("dockerd is not installed")
    namespace = namespaces.Namespace()
    daemon = dockerd.Dockerd(namespace)
    try:
        daemon.start()
        target = archive.with_suffix(".docker")
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci-archive:{archive}", f"docker-archive:{target}:busybox:test"], check=True)
        daemon.docker("load", "-i", target)
        yield daemon.socket, namespace.run
    finally:
        daemon.close()
        namespace.close()


ENGINES = [kedge_with, dockerd_with] if kedge.SOAK else [kedge_with]  # dockerd takes twenty seconds


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.__name__.removesuffix("_with"))
def told(request, modules, tmp_path_factory):
    """What the script says of an engine."""
    layer = tmp_path_factory.mktemp("layer")
    (layer / "bin").mkdir()
    (layer / "bin" / "awk").symlink_to("busybox")  # by which it looks for what listens inside
    archive = kedge.busybox_archive(tmp_path_factory.mktemp("image") / "busybox.tar", layers=[layer])
    with request.param(archive) as (socket, run):
        environment = {**os.environ, "NODE_PATH": str(modules), "DOCKER_HOST": f"unix://{socket}", "TESTCONTAINERS_RYUK_DISABLED": "true",
                       "TESTCONTAINERS_HOST_OVERRIDE": "localhost", "HOME": str(tmp_path_factory.mktemp("home"))}
        yield json.loads(run("node", SCRIPT, env=environment, timeout=120))


def test_ports(told):
    assert told["ports"] == {"host": "localhost", "name": "/tc-one", "first": True, "differ": True, "served": [True, True], "again": True,
                             "unknown": told["ports"]["unknown"]}
    assert "9" in told["ports"]["unknown"]


def test_ways_of_waiting(told):
    assert told["waits"] == {"log": 0, "http": "late\n", "health": "late\n", "shell": "late\n", "shot": 64, "all": 0,
                             "failed": told["waits"]["failed"], "ended": "refused"}
    assert "never" in told["waits"]["failed"]


def test_networks(told):
    assert told["networks"] == {"found": [["up\n", 0]] * 4, "lost": True, "outside": "up\n", "names": ["bridge", "own"], "itself": "up\n"}


def test_uses(told):
    assert told["uses"] == {"facts": "red\n1000\n/tmp\ncopied\n200\ntested\n1\n1\n", "labels": "tested",
                            "error": {"output": "no\n", "stdout": "", "stderr": "no\n", "exitCode": 3}, "log": ["err", "out"]}
