# SPDX-License-Identifier: Apache-2.0
"""docker-compose 1.29 brings up three services with a volume, health checks and dependencies, and takes them down again."""
import pathlib
import re
import shutil
import subprocess
import urllib.request

import pytest

import kedge

pytestmark = pytest.mark.skipif(not shutil.which("docker-compose") or not shutil.which("redis-server"),
                                reason="docker-compose or redis-server is not installed")
PROJECT = "counting"


def redis_layer(directory):
    """redis-server and redis-cli of this machine, with the libraries that they ask for."""
    for program in ("redis-server", "redis-cli"):
        path = shutil.which(program)
        libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", path], stdout=subprocess.PIPE, text=True, check=True).stdout)
        (directory / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, directory / "bin" / program)
        for library in libraries:
            target = directory / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    return directory


@pytest.fixture(scope="module")
def compose(tmp_path_factory):
    """The program, as a function, in a project directory of its own; what it made is gone after it."""
    directory = tmp_path_factory.mktemp("project")
    shutil.copy(pathlib.Path(__file__).parent / "compose.yml", directory / "docker-compose.yml")
    (directory / "www").mkdir()
    (directory / "www" / "index.html").write_text("counted here\n")
    daemon = kedge.Daemon().start()
    daemon.load_busybox("redis:test", layers=[redis_layer(directory / "layer")])
    ports = {"STORE_PORT": str(kedge.free_port()), "WEB_PORT": str(kedge.free_port())}
    environment = {**daemon.client_environment(), **ports, "COMPOSE_PROJECT_NAME": PROJECT}

    def run(*arguments):
        done = subprocess.run(["docker-compose", "--ansi", "never", *arguments], cwd=directory, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=120)
        assert done.returncode == 0, done.stdout
        return done.stdout
    run.daemon, run.ports = daemon, ports
    yield run
    daemon.close()


def beats(compose):
    return int(compose("exec", "-T", "store", "redis-cli", "-p", compose.ports["STORE_PORT"], "get", "beats") or 0)


def states(compose):
    return {container["Labels"]["com.docker.compose.service"]: container["State"] for container in compose.daemon.api.get("/containers/json?all=1")}


def test_an_application_lives(compose):
    api = compose.daemon.api
    compose("up", "-d")
    assert states(compose) == {"store": "running", "worker": "running", "web": "running"}
    assert api.get(f"/containers/{PROJECT}_store_1/json")["State"]["Health"]["Status"] == "healthy"  # the worker waited for it
    assert api.get(f"/volumes/{PROJECT}_data")["Labels"]["org.example.keeps"] == "beats"
    with urllib.request.urlopen(f"http://127.0.0.1:{compose.ports['WEB_PORT']}/", timeout=10) as answer:
        assert answer.read() == b"counted here\n"
    shown = compose("ps")
    assert len(re.findall(rf"^{PROJECT}_(store|worker|web)_1 .* Up", shown, re.M)) == 3, shown
    assert "worker_1  | counting" in compose("logs", "worker")

    compose("up", "-d")  # nothing to do: the same containers
    before = kedge.wait_for(lambda: beats(compose))
    compose("restart", "worker")
    kedge.wait_for(lambda: beats(compose) > before + 1)

    compose("stop")
    assert set(states(compose).values()) == {"exited"}
    compose("start")
    assert kedge.wait_for(lambda: beats(compose)) >= before  # the volume kept it
    compose("down", "-v")
    assert states(compose) == {} and api.get("/volumes")["Volumes"] == []


def test_run_and_rm(compose):
    """A service's command is replaced, its dependencies are brought up, and it goes when it has ended."""
    told = compose("run", "--rm", "-T", "web", "sh", "-c", "cat /www/index.html; echo $HOSTNAME")
    assert "counted here" in told
    assert states(compose) == {"store": "running"}
    compose("rm", "--stop", "--force")
    assert states(compose) == {}
    compose("down", "-v")
