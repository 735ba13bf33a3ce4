# SPDX-License-Identifier: Apache-2.0
"""The life of a container through the API: states, answers, exit codes, conflicts."""
import http.client
import os
import re
import threading
import time

import pytest

import kedge
from streams import Background, opened


def refused(status, function, *arguments, **keywords):
    with pytest.raises(kedge.ApiError) as problem:
        function(*arguments, **keywords)
    assert problem.value.status == status, problem.value
    assert problem.value.message, problem.value.body
    return problem.value.message


def state(daemon, identity):
    return daemon.inspect(identity)["State"]


def up(daemon, identity):
    """It has set its traps, and said so."""
    kedge.wait_for(lambda: "up\n" in daemon.log_text(identity))
    return identity


def test_create_start_wait_remove(box):
    identity = box.create(["sh", "-c", "exit 7"], name="one")
    assert re.fullmatch("[0-9a-f]{64}", identity)
    created = box.inspect(identity)
    assert created["Name"] == "/one" and created["State"]["Status"] == "created" and not created["State"]["Running"]
    assert created["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    box.start_container(identity)
    assert box.wait(identity) == 7
    after = state(box, identity)
    assert (after["Status"], after["ExitCode"], after["Running"], after["Pid"]) == ("exited", 7, False, 0)
    assert after["StartedAt"] < after["FinishedAt"]
    box.api.delete(f"/containers/{identity}")
    assert refused(404, box.inspect, identity) == f"No such container: {identity}"


@pytest.mark.parametrize("command,code", [
    (["true"], 0), (["false"], 1), (["sh", "-c", "exit 255"], 255), (["sh", "-c", "kill -9 $$; exit 4"], 4),
    (["sh", "-c", "kill -TERM $$; sleep 1; exit 3"], 3),  # PID 1 is not hit by a signal it does not handle
    (["/no/such/program"], 127), (["/etc/passwd"], 126), (["/tmp"], 126)])
def test_exit_codes(box, command, code):
    identity = box.create(command)
    try:
        box.start_container(identity)
    except kedge.ApiError as problem:
        assert code in (126, 127) and problem.status == 400, problem
        assert state(box, identity)["Error"] or problem.message
    else:
        assert box.wait(identity) == code
    assert state(box, identity)["ExitCode"] == code


def test_start_again_is_not_modified(box):
    identity = box.run_container(["sleep", "60"])
    status, body = box.api.raw("POST", f"/containers/{identity}/start")
    assert (status, body) == (304, b"")
    pid = state(box, identity)["Pid"]
    box.start_container(identity)
    assert state(box, identity)["Pid"] == pid


def test_stop_is_graceful_and_then_not(box):
    polite = up(box, box.run_container(["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"]))
    deaf = up(box, box.run_container(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]))
    box.api.post(f"/containers/{polite}/stop?t=10")
    assert state(box, polite)["ExitCode"] == 5
    begin = time.monotonic()
    box.api.post(f"/containers/{deaf}/stop?t=1")
    assert time.monotonic() - begin > 0.9
    assert state(box, deaf)["ExitCode"] == 137
    assert box.api.raw("POST", f"/containers/{deaf}/stop")[0] == 304


def test_stop_signal_of_the_container(box):
    identity = up(box, box.run_container(["sh", "-c", "trap 'exit 9' USR1; echo up; while :; do sleep 0.05; done"], StopSignal="SIGUSR1"))
    box.api.post(f"/containers/{identity}/stop?t=10")
    assert state(box, identity)["ExitCode"] == 9


def test_kill(box):
    identity = up(box, box.run_container(["sh", "-c", "trap 'echo got' HUP; echo up; while :; do sleep 0.05; done"]))
    box.api.post(f"/containers/{identity}/kill?signal=HUP")
    kedge.wait_for(lambda: "got" in box.log_text(identity))
    assert state(box, identity)["Running"]
    assert "NOPE" in refused(400, box.api.post, f"/containers/{identity}/kill?signal=NOPE")
    box.api.post(f"/containers/{identity}/kill")
    assert box.wait(identity) == 137
    assert "is not running" in refused(409, box.api.post, f"/containers/{identity}/kill")


def test_restart(box):
    identity = box.run_container(["sh", "-c", "echo run; exec sleep 60"], StopSignal="KILL")
    first = state(box, identity)
    kedge.wait_for(lambda: "run" in box.log_text(identity))
    box.api.post(f"/containers/{identity}/restart?t=1")
    second = state(box, identity)
    assert second["Running"] and second["Pid"] != first["Pid"] and second["StartedAt"] > first["StartedAt"]
    assert box.inspect(identity)["RestartCount"] == 0
    kedge.wait_for(lambda: box.log_text(identity).count("run") == 2)
    box.api.post(f"/containers/{identity}/kill")
    box.wait(identity)
    box.api.post(f"/containers/{identity}/restart")
    assert state(box, identity)["Running"]


def test_restart_keeps_a_container_that_goes_at_its_end(box):
    identity = box.run_container(["sh", "-c", "echo run; exec sleep 60"], StopSignal="KILL", host={"AutoRemove": True})
    first = state(box, identity)["Pid"]
    box.api.post(f"/containers/{identity}/restart?t=1")
    second = state(box, identity)
    assert second["Running"] and second["Pid"] != first
    box.api.post(f"/containers/{identity}/kill")
    kedge.wait_for(lambda: identity not in [found["Id"] for found in box.api.get("/containers/json?all=1")])


def test_removal_wins_over_a_restart(box):
    identity = up(box, box.run_container(["sh", "-c", "trap 'echo term' TERM; echo up; while :; do sleep 0.05; done"]))
    restart = Background(box.api.raw, "POST", f"/containers/{identity}/restart?t=60")
    kedge.wait_for(lambda: "term" in box.log_text(identity))
    box.api.delete(f"/containers/{identity}?force=1")
    assert restart.result()[0] == 409
    refused(404, box.inspect, identity)


def test_files_live_as_long_as_the_container(box):
    identity = box.run_container(["sh", "-c", "echo x >> /kept; wc -l < /kept"])
    box.wait(identity)
    box.start_container(identity)
    box.wait(identity)
    assert box.log_text(identity) == "1\n2\n"
    assert box.wait(box.run_container(["ls", "/kept"])) != 0


def test_remove_needs_force_while_it_runs(box):
    identity = box.run_container(["sleep", "60"])
    message = refused(409, box.api.delete, f"/containers/{identity}")
    assert message.startswith(f"You cannot remove a running container {identity}")
    box.api.delete(f"/containers/{identity}?force=1")
    refused(404, box.inspect, identity)
    refused(404, box.api.delete, f"/containers/{identity}")


@pytest.mark.parametrize("method,path", [("GET", "json"), ("POST", "start"), ("POST", "stop"), ("POST", "kill"), ("POST", "wait"),
                                         ("POST", "restart"), ("GET", "logs?stdout=1"), ("GET", "stats?stream=0"),
                                         ("POST", "attach?stdout=1&stream=1")])
def test_not_there(box, method, path):
    assert refused(404, box.api.call, method, f"/containers/nobody/{path}") == "No such container: nobody"


def test_names(box):
    identity = box.create(["true"], name="taken")
    message = refused(409, box.create, ["true"], name="taken")
    assert message.startswith('Conflict. The container name "/taken" is already in use by container "' + identity)
    assert box.inspect("taken")["Id"] == box.inspect("/taken".replace("/", "%2F"))["Id"] == identity
    assert box.inspect(identity[:12])["Id"] == identity
    for bad in ("a%20b", "-x", "%2F", "x" * 300, "a%2Fb", "%C3%A9"):
        refused(400, box.create, ["true"], name=bad)
    unnamed = box.inspect(box.create(["true"]))["Name"]
    assert re.fullmatch("/[a-z]+_[a-z0-9]+", unnamed)
    box.api.delete("/containers/taken")
    box.create(["true"], name="taken")


def test_missing_image(box):
    assert refused(404, box.create, ["true"], image="nothing:here") == "No such image: nothing:here"


def test_list(box):
    running = box.run_container(["sleep", "60"], name="r1", Labels={"a": "1", "b": ""})
    done = box.run_container(["sh", "-c", "exit 3"], name="d1", Labels={"a": "2"})
    box.wait(done)
    new = box.create(["true"], name="n1")

    def ids(query=""):
        return [container["Id"] for container in box.api.get("/containers/json" + query)]
    assert ids() == [running]
    assert ids("?all=1") == [new, done, running]
    assert ids("?limit=2") == [new, done]
    assert ids('?all=1&filters={"status":["exited"]}') == [done]
    assert ids('?all=1&filters={"label":["a"]}') == [done, running]
    assert ids('?all=1&filters={"label":["a=1"]}') == [running]
    assert ids('?all=1&filters={"name":["^/?n1$"]}') == [new]
    assert ids('?all=1&filters={"exited":["3"]}') == [done]
    assert ids('?all=1&filters={"id":["%s"]}' % done[:10]) == [done]
    assert ids('?all=1&filters={"ancestor":["busybox:test"]}') == [new, done, running]
    assert ids('?all=1&filters={"ancestor":["other"]}') == []
    entry = box.api.get("/containers/json")[0]
    assert entry["Names"] == ["/r1"] and entry["Image"] == "busybox:test" and entry["State"] == "running"
    assert entry["Command"] == "sleep 60" and entry["Labels"] == {"a": "1", "b": ""}
    assert entry["Status"].startswith("Up ") and entry["HostConfig"]["NetworkMode"] == "none"
    assert entry["ImageID"].startswith("sha256:") and abs(entry["Created"] - time.time()) < 60
    assert box.api.get('/containers/json?all=1&filters={"status":["exited"]}')[0]["Status"].startswith("Exited (3)")
    refused(400, box.api.get, '/containers/json?filters={"nonsense":["1"]}')
    refused(400, box.api.get, "/containers/json?filters=nonsense")


def test_wait_conditions(box):
    identity = box.create(["sh", "-c", "sleep 0.3; exit 4"])
    assert box.wait(identity) == 0  # not running: at once
    with opened(box, "POST", f"/containers/{identity}/wait?condition=next-exit") as answer:
        assert answer.status == 200  # the headers come before there is an end
        box.start_container(identity)
        assert b'"StatusCode":4' in answer.read().replace(b" ", b"")
    with opened(box, "POST", f"/containers/{identity}/wait?condition=removed") as answer:
        assert answer.status == 200
        box.api.delete(f"/containers/{identity}")
        assert b'"StatusCode":4' in answer.read().replace(b" ", b"")
    other = box.create(["true"])
    refused(400, box.api.post, f"/containers/{other}/wait?condition=never")


def test_auto_remove(box):
    identity = box.create(["sh", "-c", "exit 6"], host={"AutoRemove": True})
    with opened(box, "POST", f"/containers/{identity}/wait?condition=removed") as answer:
        box.start_container(identity)
        assert b'"StatusCode":6' in answer.read().replace(b" ", b"")
    refused(404, box.inspect, identity)


def test_auto_remove_of_what_cannot_start(box):
    identity = box.create(["/no/such/program"], host={"AutoRemove": True})
    refused(400, box.start_container, identity)
    kedge.wait_for(lambda: box.api.raw("GET", f"/containers/{identity}/json")[0] == 404)


def test_many_at_once(box):
    def life(number):
        identity = box.run_container(["sh", "-c", f"echo {number}; exit {number}"])
        assert box.wait(identity) == number
        assert box.log_text(identity) == f"{number}\n"
        box.api.delete(f"/containers/{identity}")
    for job in [Background(life, number) for number in range(24)]:
        job.result(60)
    assert box.api.get("/containers/json?all=1") == []


def test_start_is_shared_by_two_callers(box):
    identity = box.create(["sleep", "60"])
    statuses = [Background(box.api.raw, "POST", f"/containers/{identity}/start") for _ in range(4)]
    assert {job.result()[0] for job in statuses} <= {204, 304}
    assert state(box, identity)["Running"]


def test_stop_while_starting_and_remove_while_stopping(box):
    identity = box.create(["sh", "-c", "trap '' TERM; sleep 60"])
    start = Background(box.api.raw, "POST", f"/containers/{identity}/start")
    time.sleep(0.005)
    stop = Background(box.api.raw, "POST", f"/containers/{identity}/stop?t=3")
    time.sleep(0.05)
    remove = Background(box.api.raw, "DELETE", f"/containers/{identity}?force=1")
    assert start.result()[0] == 204
    assert stop.result()[0] in (204, 304, 404) and remove.result()[0] == 204
    refused(404, box.inspect, identity)


def test_a_shim_that_cannot_be_asked_at_first_is_not_taken_for_gone(daemon):
    identity = up(daemon, daemon.run_container(["sh", "-c", "trap 'exit 6' TERM; echo up; while :; do sleep 0.05; done"]))
    before = state(daemon, identity)
    daemon.kill()
    daemon.environment = {"KEDGE_FAULT": "engine.restore.connect:1:fail"}
    daemon.start()
    daemon.environment = {}
    after = state(daemon, identity)
    assert (after["Running"], after["Pid"]) == (True, before["Pid"])
    time.sleep(0.5)
    daemon.api.post(f"/containers/{identity}/stop?t=20")
    assert state(daemon, identity)["ExitCode"] == 6


def test_kedged_restarts_with_containers_in_every_state(daemon):
    created = daemon.create(["true"], name="created")
    exited = daemon.run_container(["sh", "-c", "exit 3"], name="exited")
    daemon.wait(exited)
    running = daemon.run_container(["sh", "-c", "trap 'exit 8' TERM; while :; do echo tick; sleep 0.05; done"], name="running")
    before = state(daemon, running)
    log = daemon.store / "containers" / running / "container.log"
    daemon.kill()
    written = log.read_text().count("tick")
    kedge.wait_for(lambda: log.read_text().count("tick") > written + 8)
    daemon.start()
    after = state(daemon, running)
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])
    assert state(daemon, created)["Status"] == "created"
    assert (state(daemon, exited)["Status"], state(daemon, exited)["ExitCode"]) == ("exited", 3)
    assert daemon.log_text(running).count("tick") > written + 8
    daemon.api.post("/containers/running/stop")
    assert state(daemon, running)["ExitCode"] == 8


def test_exit_while_kedged_is_away(daemon):
    identity = daemon.run_container(["sh", "-c", "sleep 0.5; echo last words; exit 42"])
    pid = state(daemon, identity)["Pid"]
    daemon.kill()
    kedge.wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    daemon.start()
    kedge.wait_for(lambda: state(daemon, identity)["Status"] == "exited")
    assert state(daemon, identity)["ExitCode"] == 42
    assert daemon.log_text(identity) == "last words\n"
    assert not daemon.leftovers()


def test_kedged_ends_cleanly_while_calls_wait():
    """Status 0 and no leak (the sanitizer build makes that a status), with a stop, a restart, waits and a follower under way."""
    daemon = kedge.Daemon().start()
    try:
        daemon.load_busybox()
        stubborn = daemon.run_container(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
        for method, target in (("POST", f"/containers/{stubborn}/stop?t=60"), ("POST", f"/containers/{stubborn}/restart?t=60"),
                               ("POST", f"/containers/{stubborn}/wait"), ("GET", f"/containers/{stubborn}/logs?follow=1&stdout=1")):
            threading.Thread(target=suppressed, args=(daemon, method, target), daemon=True).start()
            time.sleep(0.2)
        assert daemon.stop() == 0, daemon.log_tail()
        daemon.start()
        assert daemon.inspect(stubborn)["State"]["Running"]
    finally:
        daemon.close()


def suppressed(daemon, method, target):
    try:
        daemon.api.raw(method, target)
    except (OSError, http.client.HTTPException):
        pass  # kedged ends: there is no answer
