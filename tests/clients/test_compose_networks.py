# SPDX-License-Identifier: Apache-2.0
"""docker-compose 1.29 brings up an application on two networks whose parts find each other by name, and scales it: what is told of it, and from
inside it, is what dockerd's gives."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import dockerd
import kedge
import sides
from streams import Background
from test_compose import redis_layer

pytestmark = pytest.mark.skipif(not all(shutil.which(program) for program in ("docker-compose", "redis-server", "curl")) or not dockerd.is_installed(),
                                reason="docker-compose, redis-server, curl or dockerd is not installed")
PROJECT = "networked"


class Side:
    def __init__(self, socket, place, directory):
        self.place, self.directory, self.api = place, directory, kedge.Api(socket)
        (directory / "www").mkdir(parents=True)
        (directory / "www" / "index.html").write_text("counted here\n")
        shutil.copy(pathlib.Path(__file__).parent / "compose-networks.yml", directory / "docker-compose.yml")
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}", "COMPOSE_PROJECT_NAME": PROJECT, "DOCKER_CONFIG": str(directory / "config")}

    def run(self, *words, check=True):
        done = subprocess.run(words, cwd=self.directory, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              text=True, timeout=120)
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout if check else done.returncode

    def compose(self, *words):
        return self.run("docker-compose", "--ansi", "never", *words)

    def inside(self, service, *words, check=True):
        return self.run("docker", "exec", f"{PROJECT}_{service}_1", *words, check=check)

    def addresses(self, service, name):
        told = self.inside(service, "busybox", "nslookup", "-type=a", name, "127.0.0.11")
        return set(re.findall(r"^Address: *([0-9.]+)$", told.partition("Name:")[2], re.M))

    def networks(self):
        return sorted((network["Name"], network["Internal"], network["Labels"].get("org.example.side"), len(network["Containers"])) for network in
                      (self.api.get(f"/networks/{one['Id']}") for one in self.api.get("/networks")) if network["Name"].startswith(PROJECT))

    def joined(self, service):
        shown = self.api.get(f"/containers/{PROJECT}_{service}_1/json")["NetworkSettings"]
        return {name: (sorted(alias for alias in network["Aliases"] if not re.fullmatch("[0-9a-f]{12}", alias)), network["IPAMConfig"] or {})
                for name, network in shown["Networks"].items()}, sorted(shown["Ports"])

    def told(self):
        """All that is compared."""
        self.compose("up", "-d")
        facts = {"networks": self.networks(), "joined": [self.joined(service) for service in ("store", "worker", "web", "both")],
                 "page": self.inside("both", "wget", "-qO-", "http://web/"), "counter": self.inside("both", "redis-cli", "-h", "counter", "ping"),
                 "beats": kedge.wait_for(lambda: int(self.inside("both", "redis-cli", "-h", "store", "get", "beats") or 0) > 2),
                 "foreign": self.inside("web", "timeout", "1", "redis-cli", "-h", "10.79.0.9", "ping", check=False) == 0, "store": self.addresses("both", "store")}
        port = self.compose("port", "web", "80").strip().rpartition(":")[2]
        facts["outside"] = self.place.run("curl", "-s", "--max-time", "10", f"http://127.0.0.1:{port}/")
        self.compose("up", "-d", "--no-recreate", "--scale", "web=3")
        facts["scaled"] = len(self.addresses("both", "web")), len(self.addresses("both", f"{PROJECT}_web_3")), self.networks()
        self.compose("up", "-d", "--no-recreate", "--scale", "web=1")
        facts["one again"] = len(self.addresses("both", "web"))
        self.compose("down", "-v", "-t", "1")
        facts["left"] = self.networks(), [one["Names"] for one in self.api.get("/containers/json?all=1")]
        return facts


@pytest.fixture
def both():
    with sides.engines() as (docker, daemon, directory):
        daemon.load_busybox("redis:test", layers=[redis_layer(directory / "layer")])
        archive = daemon.api.raw("GET", "/images/redis:test/get")[1]
        kedge.Api(docker.socket).call("POST", "/images/load", archive, {"Content-Type": "application/x-tar"})
        yield Side(docker.socket, docker.namespace, directory / "docker"), Side(daemon.socket, daemon.namespace, directory / "kedge")


def test_two_networks_and_scale(both):
    theirs, ours = [told.result(200) for told in [Background(side.told) for side in both]]
    assert ours == theirs
    assert ours["page"] == ours["outside"] == "counted here\n" and ours["scaled"][0] == 3 and not ours["foreign"]
