# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "lib")]

import pytest  # noqa: E402

import engines  # noqa: E402
import kedge  # noqa: E402


class Gateway(kedge.Daemon):
    """A kedged that looks after another engine, or is to."""

    def use(self, engine):
        self.api.call("PATCH", "/kedge/v1/service", {"engine": {"url": f"unix://{engine.socket}"}})
        return self.connected()

    def engine(self):
        return self.api.get("/kedge/v1/engine")

    def connected(self):
        return kedge.wait_for(lambda: self.engine()["state"] == "connected" and self.engine(), 60)

    def list(self):
        answer = self.api.get("/kedge/v1/engine/containers")
        assert answer["engine"]["state"] == "connected", answer
        return {one["name"]: one for one in answer["containers"]}

    def act(self, name, verb):
        status, body = self.api.raw("POST", f"/kedge/v1/engine/containers/{name}/{verb}")
        return status, body.decode()

    def delete(self, name, query=""):
        status, body = self.api.raw("DELETE", f"/kedge/v1/engine/containers/{name}{query}")
        return status, body.decode()

    def enforce(self, *digests, **more):
        self.api.call("PUT", "/kedge/v1/enforcement", {"enabled": True, "allowlist": list(digests), **more})

    def removals(self):
        return self.api.get("/kedge/v1/enforcement/removed")["removals"]

    def removed(self, name):
        """The record of one that was removed."""
        return kedge.wait_for(lambda: next((one for one in self.removals() if one.get("name") == name and "removed" in one), None), 60)

    def audit(self):
        return self.api.get("/kedge/v1/audit?tail=10000")["entries"]


@pytest.fixture(scope="session", params=["docker", "podman"])
def any_engine(request):
    it = request.getfixturevalue(f"{request.param}_engine")
    return it


@pytest.fixture(scope="session")
def docker_engine():
    it = engines.Docker()
    yield it
    it.close()


@pytest.fixture(scope="session")
def podman_engine():
    it = engines.Podman()
    yield it
    it.close()


@pytest.fixture
def gateway():
    it = Gateway().start()
    yield it
    it.close()


@pytest.fixture
def engine(any_engine):
    yield any_engine
    any_engine.remove_all()


@pytest.fixture
def docker(docker_engine):
    yield docker_engine
    docker_engine.remove_all()


@pytest.fixture
def podman(podman_engine):
    yield podman_engine
    podman_engine.remove_all()
