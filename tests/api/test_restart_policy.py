# SPDX-License-Identifier: Apache-2.0
"""Restart policies, with counts and delays."""
import time

import pytest

import kedge


def policy(name, count=0):
    return {"RestartPolicy": {"Name": name, "MaximumRetryCount": count}}


def runs(box, identity):
    return box.log_text(identity).count("run\n")


def test_no(box):
    identity = box.run_container(["sh", "-c", "echo run; exit 1"], host=policy("no"))
    box.wait(identity)
    time.sleep(0.5)
    assert runs(box, identity) == 1 and box.inspect(identity)["State"]["Status"] == "exited"


def test_on_failure_counts(box):
    identity = box.run_container(["sh", "-c", "echo run; exit 3"], host=policy("on-failure", 3))
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == "exited" and runs(box, identity) == 4)
    after = box.inspect(identity)
    assert (after["RestartCount"], after["State"]["ExitCode"]) == (3, 3)
    time.sleep(1)
    assert runs(box, identity) == 4


def test_on_failure_leaves_success_alone(box):
    identity = box.run_container(["sh", "-c", "echo run"], host=policy("on-failure"))
    box.wait(identity)
    time.sleep(0.5)
    assert runs(box, identity) == 1 and box.inspect(identity)["State"]["Status"] == "exited"


@pytest.mark.parametrize("name", ["always", "unless-stopped"])
def test_always_until_stopped(box, name):
    identity = box.run_container(["sh", "-c", "echo run; sleep 0.1"], host=policy(name))
    kedge.wait_for(lambda: runs(box, identity) >= 3)
    assert box.inspect(identity)["RestartCount"] >= 2
    box.api.post(f"/containers/{identity}/stop?t=2")
    count = runs(box, identity)
    assert box.inspect(identity)["State"]["Status"] == "exited"
    time.sleep(1.5)
    assert runs(box, identity) == count


def test_delay_grows(box):
    begin = time.monotonic()
    identity = box.run_container(["sh", "-c", "echo run; exit 1"], host=policy("always"))
    kedge.wait_for(lambda: runs(box, identity) >= 5, 30)
    assert time.monotonic() - begin > 1.5  # at 0, 0.1, 0.3, 0.7, 1.5 seconds
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == "restarting")
    assert box.inspect(identity)["State"]["Restarting"]


def test_a_kill_is_a_stop(box):
    identity = box.run_container(["sh", "-c", "echo run; sleep 60"], host=policy("always"))
    kedge.wait_for(lambda: runs(box, identity) == 1)
    box.api.post(f"/containers/{identity}/kill")
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == "exited")
    time.sleep(1)
    assert runs(box, identity) == 1


def test_death_from_inside_is_no_stop(box):
    identity = box.run_container(["sh", "-c", "echo run; sleep 0.2; exit 137"], host=policy("always"))
    kedge.wait_for(lambda: runs(box, identity) >= 2)


def test_stop_and_start_between_two_tries(box):
    identity = box.run_container(["sh", "-c", "echo run; exit 1"], host=policy("always"))
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == "restarting" and runs(box, identity) >= 4)
    box.api.post(f"/containers/{identity}/stop")
    count = runs(box, identity)
    time.sleep(1.2)
    assert runs(box, identity) == count and box.inspect(identity)["State"]["Status"] == "exited"
    box.start_container(identity)
    kedge.wait_for(lambda: runs(box, identity) >= count + 2)


def test_remove_between_two_tries(box):
    identity = box.run_container(["sh", "-c", "exit 1"], host=policy("always"))
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == "restarting")
    box.api.delete(f"/containers/{identity}?force=1")
    assert box.api.get("/containers/json?all=1") == []


def test_an_unknown_policy(box):
    for host in (policy("sometimes"), policy("always", 3), policy("on-failure", -1), {**policy("always"), "AutoRemove": True}):
        with pytest.raises(kedge.ApiError) as problem:
            box.create(["true"], host=host)
        assert problem.value.status == 400


def test_policies_survive_a_killed_kedged(daemon):
    always = daemon.run_container(["sh", "-c", "echo run; sleep 0.3; exit 1"], host=policy("always"))
    stopped = daemon.run_container(["sh", "-c", "echo run; sleep 60"], host=policy("always"))
    killed = daemon.run_container(["sh", "-c", "echo run; sleep 60"], host=policy("unless-stopped"))
    kedge.wait_for(lambda: runs(daemon, stopped) == runs(daemon, killed) == 1)
    daemon.api.post(f"/containers/{stopped}/stop?t=0")
    daemon.api.post(f"/containers/{killed}/kill")
    for _ in range(3):
        before = runs(daemon, always)
        daemon.restart()
        kedge.wait_for(lambda: runs(daemon, always) > before + 1)
    time.sleep(1)
    assert runs(daemon, stopped) == 1 and daemon.inspect(stopped)["State"]["Status"] == "exited"
    assert runs(daemon, killed) == 1 and daemon.inspect(killed)["State"]["Status"] == "exited"


def test_killed_in_the_middle_of_a_restart_delay(daemon):
    identity = daemon.run_container(["sh", "-c", "echo run; exit 1"], host=policy("always"))
    kedge.wait_for(lambda: runs(daemon, identity) >= 4)
    for pause in (0, 0.05, 0.1, 0.2, 0.4):
        time.sleep(pause)
        count = runs(daemon, identity)
        daemon.restart()
        kedge.wait_for(lambda: runs(daemon, identity) > count)
