# SPDX-License-Identifier: Apache-2.0
"""A gateway: what Eclipse Kura's usage page of its container orchestration tells its user to do, done with files of Kura's property ids."""
import json
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "lib")]

import pytest  # noqa: E402

import declared  # noqa: E402
import kedge  # noqa: E402

IMAGE, TAG = "kura/app", "1"


class Gateway(declared.Device):
    def load(self, tag=TAG, image=IMAGE, **config):
        """An image that ends at once when it is asked to."""
        self.load_busybox(f"{image}:{tag}", config={"Cmd": ["sleep", "1000"], "StopSignal": "KILL", **config})
        return self

    def apply(self, name="app", **fields):
        """The form of a ContainerInstance, filled in; a field is its property id with _ for the dots."""
        properties = {"kura.service.pid": name, "container.enabled": True, "container.image": IMAGE, "container.image.tag": TAG}
        properties.update({key.replace("_", "."): value for key, value in fields.items()})
        self.write(f"{name}.json", json.dumps(properties))

    def runs(self, name="app", **fields):
        """The container, when it is as it was applied; there was none of that name before."""
        self.apply(name, **fields)
        return kedge.wait_for(lambda: self.container(name) and self.wait_kept(name))

    def anew(self, before, name="app", **fields):
        self.apply(name, **fields)
        return kedge.wait_for(lambda: (self.container(name) or before)["Id"] != before["Id"] and self.wait_running(name))

    def wait_problem(self, words):
        return kedge.wait_for(lambda: [one for one in self.problems() if words in one])

    def serve(self, **fields):
        """The form of the ContainerOrchestrationService."""
        properties = {"enabled": True, **{key.replace("_", "."): value for key, value in fields.items()}}
        beside = self.directory / "service.new"
        beside.write_text(json.dumps(properties))
        beside.rename(self.service)

    def is_enforced(self):
        return self.api.get("/kedge/v1/enforcement")["enabled"]

    def enforce(self, allowlist):
        self.serve(enforcement_enabled=True, enforcement_allowlist=allowlist)
        wanted = sorted(allowlist.replace(",", "\n").split())
        kedge.wait_for(lambda: self.is_enforced() and self.listed() == wanted)

    def listed(self):
        answer = self.api.get("/kedge/v1/enforcement")["allowlist"]
        return sorted(answer.replace(",", "\n").split() if isinstance(answer, str) else answer)


@pytest.fixture(scope="module")
def shared():
    gateway = Gateway().start().load()
    yield gateway
    gateway.close()


@pytest.fixture
def gateway(shared):
    yield shared
    shared.service.write_text("{}")
    kedge.wait_for(lambda: not shared.is_enforced())
    shared.withdraw_all()


@pytest.fixture
def own():
    """One that a test may switch off."""
    gateway = Gateway().start().load()
    yield gateway
    gateway.close()
