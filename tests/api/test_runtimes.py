# SPDX-License-Identifier: Apache-2.0
"""OCI runtimes by name, with options of their own; the small init in front of a container's command."""
import json
import os
import pathlib
import shutil

import pytest

import kedge


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """"noting" writes down what it is called with, and is crun otherwise."""
    directory = tmp_path_factory.mktemp("runtimes")
    script = directory / "noting"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo "$@" >> {directory}/calls\nexec {shutil.which("crun")} "$@"\n')
    script.chmod(0o755)
    config = directory / "kedged.yaml"
    config.write_text(json.dumps({"engine": {"runtimes": {"noting": f"{script} --debug", "plain": str(script),
                                                          "direct": f"{shutil.which('crun')} --debug"}}}))
    daemon = kedge.Daemon(options=["--config", str(config)]).start()
    daemon.calls = directory / "calls"
    daemon.script = str(script)
    daemon.load_busybox()
    yield daemon
    daemon.close()


def calls(daemon):
    text = daemon.calls.read_text() if daemon.calls.exists() else ""
    daemon.calls.unlink(missing_ok=True)
    return text.splitlines()


def test_options_go_in_front_of_every_command(named):
    calls(named)
    identity = named.run_container(["true"], host={"Runtime": "noting"},
                                   Healthcheck={"Test": ["CMD", "true"], "Interval": 10 ** 9})
    assert named.wait(identity) == 0
    kedge.wait_for(lambda: not named.leftovers())
    seen = calls(named)
    assert seen and all(line.startswith("--debug --root ") for line in seen)
    assert any(" run " in line for line in seen)
    assert named.wait(named.run_container(["true"], host={"Runtime": "plain"})) == 0
    assert all(line.startswith("--root ") for line in calls(named))
    assert named.wait(named.run_container(["true"], host={"Runtime": "direct"})) == 0  # a program: from sealed memory


def test_info_lists_them(named):
    shown = named.api.get("/info")["Runtimes"]
    assert shown["noting"] == {"path": named.script, "runtimeArgs": ["--debug"]}
    assert shown["plain"] == {"path": named.script}
    assert {name: shown[name]["path"] for name in ("crun", "runc")} == {name: shutil.which(name) for name in ("crun", "runc")}
    assert "noting" in json.loads(named.docker("info", "--format", "{{json .Runtimes}}").out)


def test_inspect_shows_the_name(named):
    assert named.inspect(named.create(["true"], host={"Runtime": "noting"}))["HostConfig"]["Runtime"] == "noting"
    assert named.inspect(named.create(["true"]))["HostConfig"]["Runtime"] == named.api.get("/info")["DefaultRuntime"]


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_an_unknown_one_is_refused_at_create(named, program):
    done = getattr(named, program)("create", "--network", "none", "--runtime", "nonesuch", "busybox:test", "true", check=False)
    assert done.returncode == 1
    assert 'unknown runtime "nonesuch"' in done.err


@pytest.mark.parametrize("value,message", [("bin/crun", "is not absolute"), ("", "is not absolute")])
def test_a_bad_configuration_is_named(named, tmp_path, value, message):
    config = tmp_path / "kedged.yaml"
    config.write_text(json.dumps({"engine": {"runtimes": {"mine": value}}}))
    done = named.run(str(kedge.BIN / "kedged"), "--config", str(config), "--check-config", check=False)
    assert done.returncode == 1
    assert message in done.err and "mine" in done.err


# ---- init ----

def children(pid):
    """{pid: state} of a process's children."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[1] == str(pid):
            found[int(process.name)] = fields[0]
    return found


ORPHAN = ["sh", "-c", "(sh -c 'sleep 0.1; echo last words' &); exec sleep 1000"]


def orphan_ended(box, identity):
    """The pid of the container's first process once the orphan has nothing left to do but to end."""
    kedge.wait_for(lambda: box.log_text(identity) == "last words\n")
    return box.inspect(identity)["State"]["Pid"]


def test_init_reaps_what_nobody_waits_for(box):
    without = orphan_ended(box, box.run_container(ORPHAN))
    kedge.wait_for(lambda: list(children(without).values()) == ["Z"])  # as it is without one
    reaping = orphan_ended(box, box.run_container(ORPHAN, host={"Init": True}))
    assert os.readlink(f"/proc/{reaping}/root/proc/1/exe").endswith("docker-init")
    kedge.wait_for(lambda: list(children(reaping).values()) == ["S"])
    assert list(children(without).values()) == ["Z"]


def test_init_passes_signals_and_the_exit_status_on(box):
    identity = box.run_container(["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"], host={"Init": True})
    kedge.wait_for(lambda: box.log_text(identity) == "ready\n")
    box.api.post(f"/containers/{identity}/stop?t=20")
    assert box.wait(identity) == 7
