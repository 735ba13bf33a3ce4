# SPDX-License-Identifier: Apache-2.0
"""An OCI runtime that is missing, hangs, fails, lies or dies: a clear error, and nothing is left."""
import json
import os
import time

import pytest

import kedge
import store
from streams import Background

SCRIPTS = {
    "hanging": "#!/bin/sh\nexec sleep 1000\n",
    "gated": "#!/bin/sh\nuntil [ -e \"${0%/*}/gate\" ]; do sleep 0.05; done\nexit 1\n",
    "hanging-child": "#!/bin/sh\ncase \"$*\" in *' run '*) sleep 1000 & wait ;; esac\n",
    "hanging-run": "#!/bin/sh\ncase \"$*\" in *' run '*) exec sleep 1000 ;; esac\n",
    "failing": "#!/bin/sh\necho 'cannot, will not' >&2\nexit 1\n",
    "silent": "#!/bin/sh\nexit 7\n",
    "lying": "#!/bin/sh\nexit 0\n",  # says that all is well and starts nothing
    "killed": "#!/bin/sh\nkill -9 $$\n",
    "no-pid": "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && echo nonsense > \"$2\"; shift; done\nexit 0\n",
    "dead-pid": "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && echo 4194000 > \"$2\"; shift; done\nexit 0\n",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    yield from with_runtimes(tmp_path_factory.mktemp("runtimes"), "1s")


@pytest.fixture
def patient(tmp_path):
    """Its runtimes may take as long as a test may."""
    yield from with_runtimes(tmp_path, "2m")


def with_runtimes(directory, start_timeout):
    runtimes = {}
    for name, script in SCRIPTS.items():
        path = directory / name
        path.write_text(script)
        path.chmod(0o755)
        runtimes[name] = str(path)
    config = directory / "kedged.yaml"
    config.write_text(json.dumps({"engine": {"startTimeout": start_timeout, "runtimes": runtimes}}))
    it = kedge.Daemon(options=["--config", str(config)]).start()
    it.paths = runtimes
    it.load_busybox()
    yield it
    it.close()


def none_left(daemon):
    return not daemon.leftovers()


@pytest.mark.parametrize("name,word", [
    ("hanging", "in time"), ("hanging-child", "in time"), ("failing", "cannot, will not"), ("silent", "status 7"), ("lying", "no process"),
    ("killed", "signal 9"), ("no-pid", "no process"), ("dead-pid", "no process")])
def test_start_fails_with_the_reason(broken, name, word):
    identity = broken.create(["true"], host={"Runtime": name})
    status, body = broken.api.raw("POST", f"/containers/{identity}/start")
    assert status == 500 and word in json.loads(body)["message"], body
    assert broken.inspect(identity)["State"]["Error"] and broken.inspect(identity)["State"]["Status"] == "created"
    kedge.wait_for(lambda: none_left(broken))
    assert broken.wait(broken.run_container(["true"])) == 0  # others are not touched
    broken.api.delete(f"/containers/{identity}")


def test_others_go_on_while_one_hangs(patient, tmp_path):
    identity = patient.create(["true"], host={"Runtime": "gated"})
    starting = Background(patient.api.raw, "POST", f"/containers/{identity}/start")
    assert patient.wait(patient.run_container(["sh", "-c", "exit 5"])) == 5
    assert patient.api.raw("GET", "/containers/json?all=1")[0] == 200
    assert not starting.is_done()
    (tmp_path / "gate").touch()
    assert starting.result()[0] == 500


def test_stop_kill_and_remove_of_one_that_hangs(broken):
    for method, target in (("POST", "stop?t=1"), ("POST", "kill"), ("DELETE", "?force=1")):
        identity = broken.create(["true"], host={"Runtime": "hanging-run"})
        starting = Background(broken.api.raw, "POST", f"/containers/{identity}/start")
        time.sleep(0.2)
        status, body = broken.api.raw(method, f"/containers/{identity}/{target}".replace("/?", "?"))
        assert status in (204, 304, 409), (target, status, body)
        assert starting.result()[0] in (204, 500)
        broken.api.raw("DELETE", f"/containers/{identity}?force=1")
    kedge.wait_for(lambda: none_left(broken))
    assert not [it for it in broken.api.get("/containers/json?all=1") if it["State"] == "running"]


def test_a_start_that_a_person_asked_for_is_not_repeated(broken):
    host = {"Runtime": "silent", "RestartPolicy": {"Name": "always"}}
    identity = broken.create(["sleep", "100"], host=host)
    assert broken.api.raw("POST", f"/containers/{identity}/start")[0] == 500
    assert broken.inspect(identity)["State"]["Status"] == "created"
    broken.api.delete(f"/containers/{identity}")


def test_missing(broken):
    with pytest.raises(kedge.ApiError) as problem:
        broken.create(["true"], host={"Runtime": "absent"})
    assert problem.value.status == 400 and "absent" in problem.value.message
    identity = broken.create(["true"], host={"Runtime": "silent"})
    os.rename(broken.paths["silent"], broken.paths["silent"] + ".away")
    try:
        status, body = broken.api.raw("POST", f"/containers/{identity}/start")
        assert status >= 400 and "silent" in json.loads(body)["message"], body
        kedge.wait_for(lambda: none_left(broken))
    finally:
        os.rename(broken.paths["silent"] + ".away", broken.paths["silent"])
    broken.api.delete(f"/containers/{identity}")


def test_a_runtime_that_is_no_longer_configured(daemon, tmp_path):
    path = tmp_path / "gone"
    path.write_text("#!/bin/sh\nexec /usr/bin/crun \"$@\"\n")
    path.chmod(0o755)
    config = tmp_path / "kedged.yaml"
    config.write_text(json.dumps({"engine": {"runtimes": {"gone": str(path)}}}))
    daemon.stop()
    daemon.options = ["--config", str(config)]
    daemon.start()
    identity = daemon.run_container(["sleep", "100"], host={"Runtime": "gone"})
    daemon.kill()
    daemon.options = []
    daemon.start()
    assert daemon.inspect(identity)["State"]["Running"]  # adopted all the same
    daemon.api.post(f"/containers/{identity}/stop?t=0")
    status, body = daemon.api.raw("POST", f"/containers/{identity}/start")
    assert status >= 400 and b"gone" in body
    store.end_clean(daemon)
