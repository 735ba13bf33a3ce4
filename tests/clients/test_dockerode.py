# SPDX-License-Identifier: Apache-2.0
"""dockerode, the library of most Node programs that talk to Docker, and ws, that of most Node programs with websockets."""
import json
import os
import pathlib
import shutil

import pytest

HERE = pathlib.Path(__file__).parent / "node"
pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


def test_a_session(box, modules):
    os.environ["NODE_PATH"] = str(modules)
    told = json.loads(box.run("node", HERE / "session.js").out)
    assert told["ping"] == "OK" and told["version"] == box.api.get("/version")["ApiVersion"]
    assert told["containers"] == 0 and "busybox:test" in told["images"]
    assert told["status"] == told["exit"] == 3 and told["output"] == ["out\n", "err\n"] and told["log"] == "out\n"
    assert told["listed"] == ["/node"] and told["name"] == "/renamed"
    assert told["missing"][0] == 404 and told["missing"][1].startswith("No such container: ")
    assert told["echoed"] == ["through the container\n", ""] and told["catStatus"] == 0
    assert told["exec"] == ["in exec\n", ""] and told["execExit"] == 7
    assert told["archiveName"] == "busybox"
    assert told["pids"] == 1 and told["killed"] == 137
    assert [action for action in told["events"] if action != "attach"] == [
        "create", "start", "die", "rename", "destroy", "create", "start", "die", "destroy", "create", "start", "archive-path", "kill", "die", "destroy"]


def test_a_websocket(box, modules):
    os.environ["NODE_PATH"] = str(modules)
    identity = box.create(["sh", "-c", "read line; echo \"<$line>\"; cat"], OpenStdin=True, StdinOnce=True)
    told = json.loads(box.run("node", HERE / "websocket.js", identity).out)
    assert told == {"binary": True, "output": "<typed>\n" + "x" * 300000, "pong": "there?", "code": 1000, "exit": 137}
