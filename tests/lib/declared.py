# SPDX-License-Identifier: Apache-2.0
"""A kedged with declared containers: files are written as a person's editor would, and what comes of it is waited for."""
import json
import os

import kedge


class Device(kedge.Daemon):
    def start(self, seconds=30):
        self.containers.mkdir(parents=True, exist_ok=True)
        return super().start(seconds)

    # -- what is declared --

    def declare(self, file, **fields):
        """Atomically, as good editors do; JSON is YAML."""
        document = {"image": "busybox:test", "command": ["sleep", "1000"], "stopSignal": "KILL", "probation": "300ms", **fields}
        self.write(f"{file}.yaml", json.dumps(document))

    def write(self, file, text):
        self.containers.mkdir(parents=True, exist_ok=True)
        beside = self.containers / f".{file}.new"
        beside.write_text(text)
        os.rename(beside, self.containers / file)

    def withdraw(self, name):
        (self.containers / f"{name}.yaml").unlink()

    def withdraw_all(self):
        for path in self.containers.iterdir():
            path.unlink()
        kedge.wait_for(lambda: not self.kept() and not self.names())
        for container in self.api.get("/containers/json?all=1"):
            self.api.delete(f"/containers/{container['Id']}?force=1")

    def close(self):
        """Nothing is kept any more, so that what is removed stays away."""
        for path in self.containers.iterdir() if self.containers.is_dir() else []:
            path.unlink()
        if not self.process or self.process.poll() is None:
            self.process or self.start()
            kedge.wait_for(lambda: not self.kept())
        super().close()

    # -- what is there --

    def names(self):
        """Of containers that are kept, or wait to be: all of them, whatever their state."""
        found = self.api.get("/containers/json?all=1")
        return {one["Names"][0][1:]: one for one in found if "kedge.declared" in one["Labels"]}

    def container(self, name):
        """inspect's answer; None: it is not there. A short name may be the beginning of another one's id."""
        status, body = self.api.raw("GET", f"/containers/{name}/json")
        found = json.loads(body) if status == 200 else None
        return found if found and name in (found["Name"][1:], found["Id"]) else None

    def cmd_of(self, name):
        """None: it is not there, as in the middle of a replacement."""
        return (self.container(name) or {"Config": {"Cmd": None}})["Config"]["Cmd"]

    def kept(self, name=None):
        if name is None:
            answer = self.api.get("/kedge/v1/containers")
            return answer["containers"] + answer["leaving"]
        status, body = self.api.raw("GET", f"/kedge/v1/containers/{name}")
        return json.loads(body) if status == 200 else None

    def problems(self):
        return self.api.get("/kedge/v1/containers")["problems"]

    def wait_kept(self, name, seconds=15):
        """As declared, and with nothing of a replacement left."""
        def is_kept():
            kept = self.kept(name)
            return kept if kept and kept["asDeclared"] and kept["doing"] == "nothing" else None
        try:
            kedge.wait_for(is_kept, seconds)
        except AssertionError:
            raise AssertionError(f"{name}: {self.kept(name)}\n{self.log_tail()}")
        return self.container(name)

    def wait_running(self, name, seconds=15):
        """As declared, while something else may still be tried, such as a pull."""
        kedge.wait_for(lambda: (self.kept(name) or {}).get("asDeclared") and self.container(name), seconds)
        return self.container(name)

    def wait_reason(self, name, words, seconds=15):
        def has_reason():
            kept = self.kept(name)
            return kept if kept and words in kept["reason"] else None
        try:
            return kedge.wait_for(has_reason, seconds)
        except AssertionError:
            raise AssertionError(f"{name}: {self.kept(name)}, not \"{words}\"\n{self.log_tail()}")

    def wait_gone(self, name, seconds=15):
        kedge.wait_for(lambda: not self.container(name), seconds)
