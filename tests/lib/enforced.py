# SPDX-License-Identifier: Apache-2.0
"""A kedged for tests of enforcement."""
import json

import kedge

GOOD, EVIL = "busybox:test", "evil:1"


class Device(kedge.Daemon):
    """A kedged with an image that will be allowed, and one that will not; /mark of its containers is a directory here."""

    def __init__(self):
        super().__init__()
        self.marks = self.directory / "marks"
        self.marks.mkdir()

    def load(self):
        self.load_busybox(GOOD)
        self.load_busybox(EVIL, config={"Env": ["PATH=/bin", "EVIL=1"]})
        self.good, self.evil = (self.api.get(f"/images/{name}/json")["Id"] for name in (GOOD, EVIL))
        return self

    def create(self, command, **settings):
        """Ended at once where the test says nothing else: the first process of a container ignores TERM."""
        return super().create(command, **{"StopTimeout": 0, **settings})

    def enforcement(self, method="GET", body=None, path="", **headers):
        return self.api.call(method, "/kedge/v1/enforcement" + path, body, headers)

    def enforce(self, *digests, **more):
        return self.enforcement("PUT", {"enabled": True, "allowlist": list(digests), **more})

    def rule(self, name, **rule):
        return self.enforcement("PUT", {"enabled": False, "rules": {name: rule}})

    def relax(self):
        return self.enforcement("PUT", {"enabled": False})

    def removals(self):
        return self.enforcement(path="/removed")["removals"]

    def audit(self):
        return self.api.get("/kedge/v1/audit?tail=10000")["entries"]

    def marked(self, command, image=EVIL, **settings):
        """A container that has the directory of marks."""
        host = {"Binds": [f"{self.marks}:/mark"], **settings.pop("host", {})}
        return self.create(command, image=image, host=host, **settings)

    def exists(self, identity):
        return self.api.raw("GET", f"/containers/{identity}/json")[0] == 200

    def gone(self, identity):
        kedge.wait_for(lambda: not self.exists(identity))

    def refused(self, method, target, body=None):
        """The message of a request that is refused."""
        status, answer = self.api.raw(method, target, json.dumps(body or {}), {"Content-Type": "application/json"})
        assert status == 403, (status, answer)
        return json.loads(answer)["message"]
