# SPDX-License-Identifier: Apache-2.0
"""kedge's table beside dockerd and podman in one host, each with a container that has a port: all of them are reached."""
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import pytest

import dockerd
import host
import kedge
from test_foreign import works


@pytest.fixture
def shop(ready):
    for protocol in ("tcp", "udp"):
        ready.publish(protocol, 8080, "a")
    ready.publish("tcp", 7070, "c")
    ready.host.ip(f"route add default via {host.CLIENT4}", f"route add default via {host.CLIENT6}")
    return ready


COMMAND = ("httpd", "-f", "-p", "80", "-h", "/www")


@pytest.fixture
def root(tmp_path):
    """A file system with a web server, as a tar archive."""
    page = kedge.busybox_directory(tmp_path / "root") / "www"
    page.mkdir()
    (page / "index.html").write_text("another")
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        archive.add(tmp_path / "root", ".")
    return tmp_path / "root.tar"


def page(place, name, address, port):
    """Fetched with busybox's wget from there, once somebody listens; "" where nobody can be reached."""
    def fetch():
        return place.space(name).run("curl", "-s", "-m", "2", f"http://{address}:{port}/", check=False).stdout
    return kedge.wait_for(fetch, 30)


def is_unreached(place, name, address, port):
    return place.blocked((name, "tcp", address, port))


@pytest.mark.skipif(not dockerd.is_installed(), reason="no dockerd")
def test_dockerd(shop, root):
    """Its FORWARD chain drops what is not its own; DOCKER-USER is where it wants exceptions. It puts its rules back when it starts again."""
    shop.driver.order("watch")
    shop.driver.order("open")
    shop.host.sysctl("net.ipv4.ip_forward", 0)  # who switches it on sets the policy
    docker = dockerd.Dockerd(shop.host)
    try:
        docker.start()
        docker.docker("import", root, "page:1")
        docker.docker("run", "-d", "--name", "other", "-p", "9090:80", "page:1", *COMMAND)
        kedge.wait_for(lambda: shop.driver.order("look") and "KEDGE-FORWARD" in shop.host.run("iptables", "-S", "DOCKER-USER"))
        works(shop)
        assert page(shop, "client", host.HOST4, 9090) == page(shop, "a", host.HOST4, 9090) == page(shop, "host", "127.0.0.1", 9090) == "another"
        # neither undoes what keeps the other's containers apart
        inside = docker.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "other").strip()
        assert page(shop, "host", inside, 80) == "another"
        assert is_unreached(shop, "a", inside, 80)
        pid = docker.docker("inspect", "-f", "{{.State.Pid}}", "other").strip()
        assert subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "curl", "-s", "-m", "0.5",
                               f"http://{host.ADDRESSES['a'][0]}/"], stdout=subprocess.DEVNULL).returncode == 28  # no answer in time
        # its rules are flushed and made again
        shop.host.run("iptables", "-F", "DOCKER-USER")
        shop.host.run("iptables", "-A", "DOCKER-USER", "-j", "RETURN")
        kedge.wait_for(lambda: shop.driver.order("look") and "KEDGE-FORWARD" in shop.host.run("iptables", "-S", "DOCKER-USER"))
        works(shop)
        shop.driver.order("withdraw")
        shop.driver.await_event("withdrawn")
        assert "KEDGE" not in shop.host.run("iptables-save")
        assert page(shop, "client", host.HOST4, 9090) == "another"
        docker.docker("rm", "-f", "other")
    finally:
        docker.close()


@pytest.mark.skipif(not shutil.which("podman"), reason="no podman")
def test_podman(shop, root):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kp", dir="/tmp"))

    def podman(*words):
        return shop.host.run("podman", "--root", directory / "root", "--runroot", directory / "run", "--tmpdir", directory / "tmp",
                             "--network-config-dir", directory / "net", "--cgroup-manager", "cgroupfs", "--storage-driver", "overlay", *words)
    opened_before = shop.driver.order("foreign")
    try:
        podman("import", "-q", root, "page:1")
        podman("run", "-d", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--name", "other", "-p", "9191:80", "page:1", *COMMAND)
        works(shop)
        assert page(shop, "client", host.HOST4, 9191) == "another"
        assert page(shop, "a", host.HOST4, 9191) == "another"
        assert shop.driver.order("foreign") == opened_before == [""]
        podman("rm", "-f", "-t", "0", "other")
        works(shop)
    finally:
        subprocess.run(shop.host.entering("podman", "--root", directory / "root", "--runroot", directory / "run", "--tmpdir", directory / "tmp",
                                          "--cgroup-manager", "cgroupfs", "rm", "-fa", "-t", "0"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "-l", directory / "root" / "overlay"], stderr=subprocess.DEVNULL)
        shutil.rmtree(directory, ignore_errors=True)
