# SPDX-License-Identifier: Apache-2.0
"""Health checks: states, streaks, time limits, what an unhealthy container gets."""
import time

import pytest

import kedge
from streams import Events

SECOND = 10 ** 9


def check(*test, interval=0.2, timeout=1, retries=2, start=0):
    return {"Test": list(test), "Interval": int(interval * SECOND), "Timeout": int(timeout * SECOND), "Retries": retries,
            "StartPeriod": int(start * SECOND)}


def health(box, identity):
    return box.inspect(identity)["State"].get("Health")


def becomes(box, identity, status, seconds=15):
    kedge.wait_for(lambda: health(box, identity)["Status"] == status, seconds)
    return health(box, identity)


def test_healthy_and_back(box):
    events = Events(box)
    identity = box.run_container(["sleep", "60"], Healthcheck=check("CMD-SHELL", "echo looked; test ! -e /sick"))
    assert health(box, identity)["Status"] == "starting"
    now = becomes(box, identity, "healthy")
    assert now["FailingStreak"] == 0 and now["Log"][-1]["ExitCode"] == 0 and now["Log"][-1]["Output"] == "looked\n"
    assert now["Log"][-1]["Start"] <= now["Log"][-1]["End"]
    sick(box, identity, True)
    now = becomes(box, identity, "unhealthy")
    assert now["FailingStreak"] >= 2 and now["Log"][-1]["ExitCode"] == 1
    sick(box, identity, False)
    becomes(box, identity, "healthy")
    kedge.wait_for(lambda: events.of(identity).count("health_status: healthy") == 2)
    assert "health_status: unhealthy" in events.of(identity)
    assert "(healthy)" in [c for c in box.api.get("/containers/json") if c["Id"] == identity][0]["Status"]
    kedge.wait_for(lambda: len(health(box, identity)["Log"]) == 5)
    events.close()


def sick(box, identity, is_sick):
    path = f"/proc/{box.inspect(identity)['State']['Pid']}/root/sick"
    if is_sick:
        open(path, "w").close()
    else:
        import os
        os.unlink(path)


def test_a_command_without_shell(box):
    identity = box.run_container(["sleep", "60"], Healthcheck=check("CMD", "echo", "$HOME"))
    assert becomes(box, identity, "healthy")["Log"][-1]["Output"] == "$HOME\n"


def test_environment_user_and_directory_are_the_containers(box):
    identity = box.run_container(["sleep", "60"], User="web", Env=["MARK=here"], WorkingDir="/etc",
                                 Healthcheck=check("CMD-SHELL", "echo $(id -u) $MARK $(pwd)"))
    assert becomes(box, identity, "healthy")["Log"][-1]["Output"] == "1000 here /etc\n"


def test_time_limit(box):
    identity = box.run_container(["sleep", "60"], Healthcheck=check("CMD", "sleep", "30", timeout=0.3))
    now = becomes(box, identity, "unhealthy")
    assert now["Log"][-1]["ExitCode"] == -1 and "exceeded timeout" in now["Log"][-1]["Output"]
    kedge.wait_for(lambda: len(processes(box, identity)) <= 2)  # the hung checks are gone


def processes(box, identity):
    for base in kedge.cgroup_directories(box.cgroup_parent):
        path = base / identity / "cgroup.procs"
        if path.exists():
            return path.read_text().split()
    return []


def test_a_check_that_cannot_run(box):
    identity = box.run_container(["sleep", "60"], Healthcheck=check("CMD", "/no/such/check"))
    now = becomes(box, identity, "unhealthy")
    assert now["Log"][-1]["ExitCode"] != 0 and now["Log"][-1]["Output"]


def test_much_output_is_bounded(box):
    identity = box.run_container(["sleep", "60"], Healthcheck=check("CMD-SHELL", "head -c 100000 /dev/zero | tr '\\0' x"))
    assert 1000 < len(becomes(box, identity, "healthy")["Log"][-1]["Output"]) <= 4096 + 100


def test_start_period(box):
    identity = box.run_container(["sleep", "60"], Healthcheck=check("CMD", "false", start=5, retries=1))
    kedge.wait_for(lambda: health(box, identity)["Log"], every=0.01)
    now = health(box, identity)
    assert now["Status"] == "starting" and now["FailingStreak"] == 0
    becomes(box, identity, "unhealthy")


def test_of_the_image_and_switched_off(box):
    image = box.load_busybox("healthy:test", config={"Healthcheck": {"Test": ["CMD", "true"], "Interval": 200000000}})
    assert becomes(box, box.run_container(["sleep", "60"], image=image), "healthy")
    assert not health(box, box.run_container(["sleep", "60"], image=image, Healthcheck={"Test": ["NONE"]}))
    assert not health(box, box.run_container(["sleep", "60"]))
    identity = box.run_container(["sleep", "60"], image=image, Healthcheck={"Interval": 300000000})  # the test is inherited
    assert becomes(box, identity, "healthy")


def test_checks_go_on_after_kedged_is_killed(daemon):
    identity = daemon.run_container(["sleep", "60"], Healthcheck=check("CMD-SHELL", "test ! -e /sick"))
    becomes(daemon, identity, "healthy")
    daemon.restart()
    becomes(daemon, identity, "healthy")
    sick(daemon, identity, True)
    becomes(daemon, identity, "unhealthy")


def with_action(box, action, **settings):
    """Docker has no word for it: HealthOnFailure is kedge's own field."""
    return box.run_container(["sh", "-c", "echo run; exec sleep 60"], StopSignal="KILL",
                             Healthcheck=check("CMD", "false", retries=1), HealthOnFailure=action, **settings)


@pytest.mark.parametrize("action,ended", [("kill", 137), ("stop", 137)])
def test_on_failure_ends_it(box, action, ended):
    identity = with_action(box, action)
    assert box.wait(identity) == ended


def test_on_failure_restarts_it(box):
    identity = with_action(box, "restart")
    kedge.wait_for(lambda: box.log_text(identity).count("run") >= 2)
    assert box.inspect(identity)["State"]["Running"]


def test_on_failure_kill_and_restart_policy(box):
    identity = with_action(box, "kill", host={"RestartPolicy": {"Name": "always"}})
    kedge.wait_for(lambda: box.log_text(identity).count("run") >= 2)


def test_senseless_checks(box):
    for bad in ({"Test": ["CMD"]}, {"Test": ["WHAT", "x"]}, {"Test": ["CMD", "true"], "Interval": -1},
                {"Test": ["CMD", "true"], "Retries": -1}, {"Test": ["CMD", "true"], "Interval": 5}, {"Test": "true"}):
        with pytest.raises(kedge.ApiError) as problem:
            box.create(["true"], Healthcheck=bad)
        assert problem.value.status == 400, bad


@pytest.mark.parametrize("action,status", [("none", "running"), ("kill", "exited"), ("stop", "exited"), ("restart", "running")])
def test_on_failure_by_the_command_line(box, action, status):
    box.kedge("run", "-d", "--name", "web", "--network", "none", "--stop-signal", "KILL", "--health-cmd", "false", "--health-interval", "200ms",
              "--health-retries", "1", "--health-on-failure", action, "busybox:test", "sh", "-c", "echo run; exec sleep 60")
    identity = box.inspect("web")["Id"]
    assert box.inspect("web")["Config"]["HealthOnFailure"] == action
    if action == "none":
        becomes(box, identity, "unhealthy")
        assert "(unhealthy)" in box.kedge("ps", "--filter", "health=unhealthy", "--format", "{{.Status}}").out
    if action == "restart":
        kedge.wait_for(lambda: box.log_text(identity).count("run") >= 2)
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == status)


def test_an_unknown_action(box):
    done = box.kedge("create", "--health-on-failure", "shrug", "busybox:test", "true", check=False)
    assert done.returncode == 1 and "shrug" in done.err


def test_a_stop_on_failure_is_final(box):
    """The policy does not undo what the health check was told to do."""
    identity = with_action(box, "stop", host={"RestartPolicy": {"Name": "always"}})
    kedge.wait_for(lambda: box.inspect(identity)["State"]["Status"] == "exited")
    time.sleep(0.5)
    assert box.log_text(identity).count("run") == 1


def test_more_often_in_the_start_period(box):
    often = {**check("CMD-SHELL", "test -e /well", interval=30, start=20), "StartInterval": 200000000}
    identity = box.run_container(["sleep", "60"], Healthcheck=often)
    kedge.wait_for(lambda: len(health(box, identity)["Log"]) >= 2, 8)
    assert health(box, identity)["Status"] == "starting" and health(box, identity)["FailingStreak"] == 0
    open(f"/proc/{box.inspect(identity)['State']['Pid']}/root/well", "w").close()
    becomes(box, identity, "healthy", 8)
    seen = health(box, identity)["Log"][-1]["Start"]
    time.sleep(0.7)  # healthy now: the ordinary interval
    assert health(box, identity)["Log"][-1]["Start"] == seen
