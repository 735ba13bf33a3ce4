# SPDX-License-Identifier: Apache-2.0
"""How containers end: stops that outlive kedged, reboots from inside, the OOM killer, the machine going down."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import kedge
from reboot import Rebooted
from streams import Background, Events

DEAF = ["sh", "-c", "trap 'echo term' TERM; echo up; while :; do usleep 20000; done"]


def state(daemon, identity):
    return daemon.inspect(identity)["State"]


def up(daemon, identity, count=1):
    kedge.wait_for(lambda: daemon.log_text(identity).count("up\n") >= count)
    return identity


def suppressed(function, *arguments):
    """In the background, for calls whose connection breaks when kedged is killed."""
    def run():
        try:
            return function(*arguments)
        except OSError:
            return None
    return Background(run)


# ---- a stop that kedged died in ----

def asked_then_killed(daemon, identity, call):
    suppressed(daemon.api.raw, "POST", f"/containers/{identity}/{call}")
    kedge.wait_for(lambda: "term" in daemon.log_text(identity))
    daemon.kill()


@pytest.mark.parametrize("policy", ["no", "always"])
def test_a_stop_goes_on_after_kedged_was_killed(daemon, policy):
    identity = up(daemon, daemon.run_container(DEAF, host={"RestartPolicy": {"Name": policy}}))
    begin = time.monotonic()
    asked_then_killed(daemon, identity, "stop?t=3")
    daemon.start()
    running = state(daemon, identity)["Running"]  # it is deaf: as long as its time is not over
    assert running or time.monotonic() - begin > 2.9
    assert daemon.wait(identity) == 137
    assert time.monotonic() - begin > 2.9
    assert state(daemon, identity)["Status"] == "exited"
    assert daemon.log_text(identity).count("up") == 1


def test_a_stop_whose_time_ran_out_meanwhile(daemon):
    identity = up(daemon, daemon.run_container(DEAF))
    asked_then_killed(daemon, identity, "stop?t=1")
    time.sleep(1.2)
    daemon.start()
    assert daemon.wait(identity) == 137


def test_a_stop_that_ended_while_kedged_was_away(daemon):
    script = "trap 'echo term; sleep 0.5; exit 7' TERM; echo up; while :; do usleep 20000; done"
    identity = up(daemon, daemon.run_container(["sh", "-c", script], host={"RestartPolicy": {"Name": "always"}}))
    pid = state(daemon, identity)["Pid"]
    asked_then_killed(daemon, identity, "stop?t=60")
    kedge.wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    daemon.start()
    kedge.wait_for(lambda: state(daemon, identity)["Status"] == "exited")
    assert state(daemon, identity)["ExitCode"] == 7
    time.sleep(0.5)
    assert state(daemon, identity)["Status"] == "exited"


def test_a_restart_goes_on_after_kedged_was_killed(daemon):
    identity = up(daemon, daemon.run_container(DEAF))
    asked_then_killed(daemon, identity, "restart?t=2")
    daemon.start()
    up(daemon, identity, 2)
    assert state(daemon, identity)["Running"]
    daemon.restart()
    assert state(daemon, identity)["Running"]
    time.sleep(0.5)
    assert daemon.log_text(identity).count("up") == 2


def test_a_restart_whose_stop_ended_while_kedged_was_away(daemon):
    script = "trap 'echo term; sleep 0.5; exit 7' TERM; echo up; while :; do usleep 20000; done"
    identity = up(daemon, daemon.run_container(["sh", "-c", script]))
    pid = state(daemon, identity)["Pid"]
    asked_then_killed(daemon, identity, "restart?t=60")
    kedge.wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    daemon.start()
    up(daemon, identity, 2)
    assert state(daemon, identity)["Running"]


def test_a_stop_without_end(box):
    identity = up(box, box.run_container(DEAF, StopTimeout=1))
    stop = suppressed(box.api.raw, "POST", f"/containers/{identity}/stop?t=-1")
    time.sleep(2)
    assert not stop.is_done() and state(box, identity)["Running"]
    box.api.post(f"/containers/{identity}/kill")
    assert stop.result()[0] == 204


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_signal_and_time_by_the_command_lines(box, program):
    if program == "docker" and kedge.docker_major() < 23:
        pytest.skip("this docker has no restart --signal")
    client = getattr(box, program)
    script = "trap 'echo usr; exit 4' USR1; trap 'echo term' TERM; echo up; while :; do usleep 20000; done"
    identity = up(box, box.run_container(["sh", "-c", script], name="web"))
    assert client("restart", "--signal", "SIGUSR1", "--time", "30", "web").out.endswith("web\n")
    up(box, identity, 2)
    assert box.log_text(identity) == "up\nusr\nup\n"
    begin = time.monotonic()
    assert client("restart", "-s", "TERM", "-t", "1", "web").out == "web\n"
    assert time.monotonic() - begin > 0.9
    up(box, identity, 3)
    assert client("stop", "--signal", "USR1", "--timeout", "30", "web").out == "web\n"
    assert state(box, identity)["ExitCode"] == 4
    done = client("restart", "--signal", "NOPE", "web", check=False)
    assert done.returncode == 1 and "NOPE" in done.err


# ---- reboot(2) in the container's own pid namespace ----

REBOOT = r"""
#include <stdio.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	puts("up");
	fflush(stdout);
	if (argc < 2)
		return pause();
	return reboot((int)strtol(argv[1], NULL, 0)) < 0 ? perror("reboot"), 9 : 0;
}
"""
RESTART, HALT, POWER_OFF = "0x1234567", "0xcdef0123", "0x4321fedc"


@pytest.fixture(scope="session")
def rebooter(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reboot")
    (directory / "reboot.c").write_text(REBOOT)
    subprocess.run(["gcc", "-static", "-o", directory / "reboot", directory / "reboot.c"], check=True)
    return directory / "reboot"


def rebooting(box, rebooter, how, policy="no", **host):
    """Its first life reboots, a later one stays."""
    script = f"if [ -e /again ]; then exec /reboot; fi; touch /again; exec /reboot {how}"
    return box.run_container(["sh", "-c", script], host={"CapAdd": ["SYS_BOOT"], "RestartPolicy": {"Name": policy},
                                                          "Binds": [f"{rebooter}:/reboot:ro"], **host})


@pytest.mark.parametrize("policy", ["no", "on-failure", "always"])
def test_a_reboot_starts_it_again(box, rebooter, policy):
    events = Events(box)
    identity = up(box, rebooting(box, rebooter, RESTART, policy), 2)
    kedge.wait_for(lambda: state(box, identity)["Running"])
    kedge.wait_for(lambda: [action for action in events.of(identity) if action != "create"] == ["start", "die", "start"])
    assert [event["Actor"]["Attributes"]["exitCode"] for event in events.all if event["Action"] == "die"] == ["129"]
    box.api.post(f"/containers/{identity}/kill")
    assert box.wait(identity) == 137
    time.sleep(0.5)
    assert state(box, identity)["Status"] == "exited"
    events.close()


@pytest.mark.parametrize("how", [HALT, POWER_OFF])
def test_a_halt_stops_it_whatever_the_policy(box, rebooter, how):
    identity = up(box, rebooting(box, rebooter, how, "always"))
    kedge.wait_for(lambda: state(box, identity)["Status"] == "exited")
    assert state(box, identity)["ExitCode"] == 130
    time.sleep(0.5)
    assert box.log_text(identity).count("up") == 1


def test_one_that_is_removed_at_its_end_reboots_too(box, rebooter):
    script = "exec /reboot " + RESTART
    identity = box.run_container(["sh", "-c", script], host={"CapAdd": ["SYS_BOOT"], "AutoRemove": True,
                                                              "Binds": [f"{rebooter}:/reboot:ro"]})
    up(box, identity, 2)
    box.api.delete(f"/containers/{identity}?force=1")


def test_a_reboot_while_kedged_is_away(daemon, rebooter):
    script = f"if [ -e /again ]; then exec /reboot; fi; touch /again; sleep 0.5; exec /reboot {RESTART}"
    identity = daemon.run_container(["sh", "-c", script], host={"CapAdd": ["SYS_BOOT"], "Binds": [f"{rebooter}:/reboot:ro"]})
    daemon.kill()
    time.sleep(1)
    daemon.start()
    up(daemon, identity, 2)
    kedge.wait_for(lambda: state(daemon, identity)["Running"])


def test_without_the_capability_nothing_reboots(box, rebooter):
    identity = box.run_container(["/reboot", RESTART], host={"Binds": [f"{rebooter}:/reboot:ro"]})
    assert box.wait(identity) == 9


def test_a_hangup_of_a_process_on_the_hosts_pids_is_no_reboot(box):
    identity = box.run_container(["sleep", "60"], host={"PidMode": "host"})
    os.kill(state(box, identity)["Pid"], signal.SIGHUP)
    assert box.wait(identity) == 129
    time.sleep(0.4)
    assert state(box, identity)["Status"] == "exited"


# ---- the OOM killer ----

SMALL = {"Memory": 16 << 20, "MemorySwap": 16 << 20}


def test_a_process_is_killed_and_init_lives_on(daemon):
    events = Events(daemon)
    identity = daemon.run_container(["sh", "-c", "tail -c 100m /dev/zero; echo got $?; exec sleep 60"], host=SMALL)
    kedge.wait_for(lambda: "got 137" in daemon.log_text(identity))
    kedge.wait_for(lambda: state(daemon, identity)["OOMKilled"])
    assert state(daemon, identity)["Running"]
    assert events.of(identity) == ["create", "start", "oom"]
    daemon.restart()
    assert state(daemon, identity)["OOMKilled"] and state(daemon, identity)["Running"]
    events = Events(daemon)
    daemon.api.post(f"/containers/{identity}/kill")
    kedge.wait_for(lambda: "die" in events.of(identity))
    assert events.of(identity) == ["kill", "die"]  # told once
    assert state(daemon, identity)["OOMKilled"]
    daemon.start_container(identity)
    kedge.wait_for(lambda: daemon.log_text(identity).count("got") == 2)
    events.close()


def test_while_kedged_is_away(daemon):
    identity = daemon.run_container(["sh", "-c", "sleep 0.5; tail -c 100m /dev/zero; echo got $?; exec sleep 60"], host=SMALL)
    daemon.kill()
    time.sleep(2)
    daemon.start()
    kedge.wait_for(lambda: "got 137" in daemon.log_text(identity))
    kedge.wait_for(lambda: state(daemon, identity)["OOMKilled"])
    assert state(daemon, identity)["Running"]


def test_of_init_itself(box):
    events = Events(box)
    identity = box.run_container(["tail", "-c", "100m", "/dev/zero"], host=SMALL)
    assert box.wait(identity) == 137
    kedge.wait_for(lambda: "die" in events.of(identity))
    assert events.of(identity) == ["create", "start", "oom", "die"]
    assert state(box, identity)["OOMKilled"]
    events.close()


def test_other_kills_inside_a_small_container(box):
    identity = box.run_container(["sh", "-c", "sleep 60 & kill -9 $!; wait; echo done; exec sleep 60"], host=SMALL)
    kedge.wait_for(lambda: "done" in box.log_text(identity))
    box.api.post(f"/containers/{identity}/kill")
    box.wait(identity)
    assert not state(box, identity)["OOMKilled"]


# ---- automatic removal, and the machine going down ----

def test_automatic_removal_after_kedged_was_killed(daemon):
    away = daemon.run_container(["sh", "-c", "sleep 0.3; exit 3"], host={"AutoRemove": True})
    later = daemon.run_container(["sh", "-c", "echo up; while [ ! -e /go ]; do usleep 20000; done"], host={"AutoRemove": True})
    up(daemon, later)
    daemon.kill()
    time.sleep(1)
    daemon.start()
    kedge.wait_for(lambda: [c["Id"] for c in daemon.api.get("/containers/json?all=1")] == [later])
    assert not any(away in path for path in daemon.leftovers())
    (pathlib.Path(f"/proc/{state(daemon, later)['Pid']}/root/go")).touch()
    kedge.wait_for(lambda: daemon.api.get("/containers/json?all=1") == [])
    assert not [path for path in (daemon.store / "containers").iterdir()]


def test_the_machine_goes_down(daemon):
    def policy(name, **more):
        return {"RestartPolicy": {"Name": name}, **more}
    run = ["sh", "-c", "echo up; exec sleep 60"]
    names = {name: up(daemon, daemon.run_container(run, name=name, host=policy(name))) for name in
             ("no", "on-failure", "always", "unless-stopped")}
    stopped = {name + "-stopped": up(daemon, daemon.run_container(run, name=name + "-stopped", StopSignal="KILL", host=policy(name)))
               for name in ("always", "unless-stopped")}
    for name in stopped:
        daemon.api.post(f"/containers/{name}/stop")
    gone = daemon.run_container(run, name="gone", host={"AutoRemove": True})
    made = daemon.create(["true"], name="made")
    machine = Rebooted(daemon)
    machine.go_down()
    machine.come_up()

    def status(name):
        return state(daemon, name)["Status"]
    for name in ("on-failure", "always", "unless-stopped", "always-stopped"):
        kedge.wait_for(lambda name=name: status(name) == "running")
        kedge.wait_for(lambda name=name: daemon.log_text(name).count("up") == 2)
    time.sleep(0.5)
    assert status("no") == "exited" and status("unless-stopped-stopped") == "exited" and status("made") == "created"
    lost = state(daemon, "no")
    assert lost["ExitCode"] == 255 and "machine went down" in lost["Error"] and lost["Pid"] == 0
    kedge.wait_for(lambda: daemon.api.raw("GET", f"/containers/{gone}/json")[0] == 404)
    assert names["no"] and made
