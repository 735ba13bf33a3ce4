# SPDX-License-Identifier: Apache-2.0
"""skopeo copies images out of a device and into it, as docker-daemon:."""
import json
import shutil

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


def test_out_and_in_again(box, tmp_path):
    host = f"unix://{box.socket}"
    box.run("skopeo", "--insecure-policy", "copy", "--src-daemon-host", host, "docker-daemon:busybox:test", f"oci:{tmp_path}/out:1")
    box.run("skopeo", "--insecure-policy", "copy", "--dest-daemon-host", host, f"oci:{tmp_path}/out:1", "docker-daemon:copied:2")
    copied = box.api.get("/images/copied:2/json")
    assert copied["RootFS"] == box.api.get("/images/busybox:test/json")["RootFS"]
    identity = box.run_container(["echo", "works"], image="copied:2")
    box.wait(identity)
    assert box.log_text(identity) == "works\n"
    box.api.delete(f"/containers/{identity}")
    box.api.delete("/images/copied:2")


def test_inspect(box):
    done = box.run("skopeo", "inspect", "--daemon-host", f"unix://{box.socket}", "docker-daemon:busybox:test")
    assert json.loads(done.out)["Env"] == ["PATH=/bin"]
