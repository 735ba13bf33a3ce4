# SPDX-License-Identifier: Apache-2.0
"""Pause, unpause and rename: what stands still, what goes on, and what a paused container refuses, by the API and by both command lines."""
import subprocess
import time

import pytest

import kedge
from streams import Background, Events, opened

TICKING = ["sh", "-c", "trap 'echo term; exit 5' TERM; while :; do echo tick; usleep 20000; done"]


def state(daemon, identity):
    return daemon.inspect(identity)["State"]


def refused(status, function, *arguments):
    with pytest.raises(kedge.ApiError) as problem:
        function(*arguments)
    assert problem.value.status == status, problem.value
    return problem.value.message


def ticks(daemon, identity):
    return daemon.log_text(identity).count("tick")


def settled(daemon, identity):
    """Once all is read of what was written before."""
    before, now = -1, ticks(daemon, identity)
    while now != before:
        time.sleep(0.3)
        before, now = now, ticks(daemon, identity)
    return now


def ticking(daemon, **settings):
    identity = daemon.run_container(TICKING, **settings)
    kedge.wait_for(lambda: ticks(daemon, identity) > 1)
    return identity


def paused(daemon, **settings):
    identity = ticking(daemon, **settings)
    daemon.api.post(f"/containers/{identity}/pause")
    return identity


def test_nothing_moves_until_it_is_unpaused(box):
    events = Events(box)
    identity = paused(box, name="frozen")
    before = settled(box, identity)
    now = state(box, identity)
    assert (now["Status"], now["Running"], now["Paused"]) == ("paused", True, True) and now["Pid"] > 0
    time.sleep(0.5)
    assert ticks(box, identity) == before
    entry = box.api.get('/containers/json?filters={"status":["paused"]}')
    assert [(e["Id"], e["State"]) for e in entry] == [(identity, "paused")] and entry[0]["Status"].endswith(" (Paused)")
    assert box.api.get('/containers/json?filters={"status":["running"]}') == []
    info = box.api.get("/info")
    assert (info["ContainersPaused"], info["ContainersRunning"], info["ContainersStopped"]) == (1, 0, 0)
    assert box.api.get(f"/containers/{identity}/stats?stream=0&one-shot=1")["memory_stats"]["usage"] > 0
    box.api.post(f"/containers/{identity}/unpause")
    assert (state(box, identity)["Status"], state(box, identity)["Paused"]) == ("running", False)
    kedge.wait_for(lambda: ticks(box, identity) > before)
    kedge.wait_for(lambda: events.of(identity)[-2:] == ["pause", "unpause"])
    events.close()


def test_what_is_refused(box):
    identity = paused(box, name="frozen")
    assert refused(409, box.api.post, f"/containers/{identity}/pause") == f"Container {identity} is already paused"
    assert refused(409, box.api.post, f"/containers/{identity}/start") == "cannot start a paused container, try unpause instead"
    assert "paused, unpause the container before attach" in refused(409, box.api.post, f"/containers/{identity}/attach?stdout=1&stream=1")
    message = refused(409, box.api.delete, f"/containers/{identity}")
    assert message == (f"You cannot remove a paused container {identity}. Unpause and then stop the container before attempting removal "
                       "or force remove")
    box.api.post(f"/containers/{identity}/unpause")
    assert refused(409, box.api.post, f"/containers/{identity}/unpause") == f"Container {identity} is not paused"
    idle = box.create(["true"], name="idle")
    assert refused(409, box.api.post, f"/containers/{idle}/pause") == f"Container {idle} is not running"
    refused(404, box.api.post, "/containers/nobody/pause")
    refused(404, box.api.post, "/containers/nobody/unpause")


def test_stop_lets_it_end_in_its_own_way(box):
    events = Events(box)
    identity = paused(box)
    box.api.post(f"/containers/{identity}/stop?t=20")
    assert state(box, identity)["ExitCode"] == 5 and box.log_text(identity).endswith("term\n")
    kedge.wait_for(lambda: "stop" in events.of(identity))
    assert events.of(identity)[2:] == ["pause", "kill", "unpause", "die", "stop"]
    events.close()


def test_kill_restart_and_removal(box):
    identity = paused(box)
    box.api.post(f"/containers/{identity}/kill")
    assert box.wait(identity) == 137
    identity = paused(box)
    box.api.post(f"/containers/{identity}/restart?t=20")
    assert state(box, identity)["Status"] == "running"
    before = ticks(box, identity)
    kedge.wait_for(lambda: ticks(box, identity) > before)
    box.api.post(f"/containers/{identity}/pause")
    box.api.delete(f"/containers/{identity}?force=1")
    refused(404, box.inspect, identity)


def test_another_signal_waits_for_the_unpause(box):
    identity = box.run_container(["sh", "-c", "trap 'echo got' HUP; echo up; while :; do usleep 20000; done"])
    kedge.wait_for(lambda: "up" in box.log_text(identity))
    box.api.post(f"/containers/{identity}/pause")
    box.api.post(f"/containers/{identity}/kill?signal=HUP")
    time.sleep(0.3)
    assert state(box, identity)["Paused"] and "got" not in box.log_text(identity)
    box.api.post(f"/containers/{identity}/unpause")
    kedge.wait_for(lambda: "got" in box.log_text(identity))


def test_a_wait_goes_on(box):
    identity = paused(box)
    with opened(box, "POST", f"/containers/{identity}/wait") as answer:
        box.api.post(f"/containers/{identity}/unpause")
        box.api.post(f"/containers/{identity}/stop?t=20")
        assert b'"StatusCode":5' in answer.read().replace(b" ", b"")


def test_it_survives_kedged(daemon):
    identity = paused(daemon)
    pid = state(daemon, identity)["Pid"]
    before = settled(daemon, identity)
    daemon.restart()
    assert (state(daemon, identity)["Status"], state(daemon, identity)["Pid"]) == ("paused", pid)
    time.sleep(0.3)
    assert ticks(daemon, identity) == before
    daemon.api.post(f"/containers/{identity}/unpause")
    daemon.restart()
    assert state(daemon, identity)["Status"] == "running"
    kedge.wait_for(lambda: ticks(daemon, identity) > before)
    daemon.api.post(f"/containers/{identity}/pause")
    daemon.kill()
    daemon.start()
    daemon.api.post(f"/containers/{identity}/stop?t=20")
    assert state(daemon, identity)["ExitCode"] == 5


def test_a_shim_that_is_killed_while_it_is_paused(daemon):
    identity = paused(daemon)
    shim = open(f"/proc/{state(daemon, identity)['Pid']}/stat").read().rsplit(")", 1)[1].split()[1]
    subprocess.run(["kill", "-9", shim], check=True)
    kedge.wait_for(lambda: state(daemon, identity)["Status"] == "dead")
    kedge.wait_for(lambda: not daemon.leftovers())


def test_health_is_not_checked_meanwhile(box):
    identity = box.run_container(["sleep", "60"], Healthcheck={"Test": ["CMD-SHELL", "sleep 0.2"], "Interval": 100000000, "Timeout": 500000000,
                                                                "Retries": 1})
    kedge.wait_for(lambda: state(box, identity)["Health"]["Status"] == "healthy")
    box.api.post(f"/containers/{identity}/pause")
    time.sleep(1.5)  # far longer than a check may take
    assert state(box, identity)["Health"]["Status"] == "healthy"
    box.api.post(f"/containers/{identity}/unpause")
    seen = len(state(box, identity)["Health"]["Log"])
    kedge.wait_for(lambda: seen == 5 or len(state(box, identity)["Health"]["Log"]) > seen)
    assert {probe["ExitCode"] for probe in state(box, identity)["Health"]["Log"]} == {0}


def test_many_processes_that_fork(box):
    identity = box.run_container(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do (while :; do /bin/true; done) & done; echo up; wait"])
    kedge.wait_for(lambda: "up" in box.log_text(identity))
    for _ in range(20 if kedge.SOAK else 4):
        box.api.post(f"/containers/{identity}/pause")
        assert state(box, identity)["Paused"]
        box.api.post(f"/containers/{identity}/unpause")
    jobs = [Background(box.api.raw, "POST", f"/containers/{identity}/pause") for _ in range(4)]
    assert 204 in {job.result()[0] for job in jobs} <= {204, 409}
    assert state(box, identity)["Paused"]


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_by_the_command_lines(box, program):
    client = getattr(box, program)
    ticking(box, name="one")
    ticking(box, name="two")
    assert client("pause", "one", "two").out == "one\ntwo\n"
    assert client("ps", "--filter", "status=paused", "--format", "{{.Names}} {{.State}}").out == "two paused\none paused\n"
    done = client("pause", "one", check=False)
    assert done.returncode == 1 and "is already paused" in done.err
    assert client("unpause", "one", "two").out == "one\ntwo\n"
    assert client("container", "rename", "one", "first").out == ""
    assert client("stop", "first", "two").out == "first\ntwo\n"
    done = client("rename", "first", "two", check=False)
    assert done.returncode == 1 and 'The container name "/two" is already in use' in done.err


# ---- rename ----

def test_rename(daemon):
    events = Events(daemon)
    identity = ticking(daemon, name="before")
    other = daemon.create(["true"], name="other")
    daemon.api.post(f"/containers/{identity}/rename?name=after")
    assert daemon.inspect("after")["Id"] == identity and daemon.inspect(identity)["Name"] == "/after"
    refused(404, daemon.inspect, "before")
    kedge.wait_for(lambda: "rename" in events.of(identity))
    event = [event for event in events.all if event["Action"] == "rename"][0]
    assert event["Actor"]["Attributes"]["oldName"] == "/before" and event["Actor"]["Attributes"]["name"] == "after"
    message = refused(409, daemon.api.post, "/containers/after/rename?name=other")
    assert message.startswith(f'Error when allocating new name: Conflict. The container name "/other" is already in use by container "{other}"')
    assert refused(400, daemon.api.post, "/containers/after/rename?name=after") == (
        "Renaming a container with the same name as its current name")
    assert refused(400, daemon.api.post, "/containers/after/rename?name=") == "Neither old nor new names may be empty"
    refused(400, daemon.api.post, "/containers/after/rename?name=a%20b")
    refused(404, daemon.api.post, "/containers/nobody/rename?name=x1")
    daemon.api.post("/containers/after/rename?name=%2Fbefore")
    daemon.create(["true"], name="after")
    daemon.restart()
    assert daemon.inspect("before")["Id"] == identity and daemon.inspect("after")["Id"] != identity
    events.close()
