# SPDX-License-Identifier: Apache-2.0
"""PWR: the machine goes down, so containers are stopped in order; restart policies start them with the next kedged."""
import signal
import time

import kedge

TRAPS = 'trap "echo TERM; exit 0" TERM; trap "echo USR1; exit 6" USR1; echo up; while :; do sleep 0.1; done'


def policy(name):
    return {"RestartPolicy": {"Name": name}}


def trapping(daemon, name, script=TRAPS, **settings):
    identity = daemon.run_container(["sh", "-c", script], name=name, **settings)
    kedge.wait_for(lambda: "up\n" in daemon.log_text(identity))
    return identity


def status(daemon, name):
    return daemon.inspect(name)["State"]["Status"]


def test_containers_are_stopped_in_order_and_come_back(daemon):
    for name in ("always", "unless-stopped"):
        trapping(daemon, name, host=policy(name))
    trapping(daemon, "failing", host=policy("on-failure"), StopSignal="USR1")
    trapping(daemon, "succeeding", host=policy("on-failure"))
    trapping(daemon, "never", StopSignal="USR1")
    trapping(daemon, "by-hand", host=policy("unless-stopped"))
    trapping(daemon, "vanishing", host={"AutoRemove": True})
    daemon.api.post("/containers/by-hand/stop")
    assert daemon.stop(signal.SIGPWR) == 0
    daemon.start()
    back = ("always", "unless-stopped", "failing")
    for name in back:
        kedge.wait_for(lambda: status(daemon, name) == "running" and daemon.log_text(name).count("up\n") == 2)
    for name in ("succeeding", "never", "by-hand"):
        assert status(daemon, name) == "exited" and daemon.log_text(name).count("up\n") == 1
    assert daemon.inspect("never")["State"]["ExitCode"] == 6
    assert daemon.log_text("failing").startswith("up\nUSR1\n") and daemon.log_text("always").startswith("up\nTERM\n")
    names = {name for container in daemon.api.get("/containers/json?all=1") for name in container["Names"]}
    assert "/vanishing" not in names


def test_a_deaf_one_is_killed_when_its_time_is_over(daemon):
    identity = trapping(daemon, "deaf", 'trap "" TERM; echo up; while :; do sleep 0.1; done', StopTimeout=1)
    begin = time.monotonic()
    assert daemon.stop(signal.SIGPWR) == 0
    assert time.monotonic() - begin >= 1
    daemon.start()
    state = daemon.inspect(identity)["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 137, False)


def test_what_waits_for_its_next_try_waits_on(daemon):
    identity = daemon.run_container(["sh", "-c", "echo run; exit 1"], host=policy("always"))
    kedge.wait_for(lambda: daemon.inspect(identity)["RestartCount"] >= 3)
    assert daemon.stop(signal.SIGPWR) == 0
    runs = (daemon.store / "containers" / identity / "container.log").read_text().count("run")
    time.sleep(1)
    assert (daemon.store / "containers" / identity / "container.log").read_text().count("run") == runs
    daemon.start()
    kedge.wait_for(lambda: daemon.log_text(identity).count("run\n") > runs)


def test_nothing_is_begun_and_term_does_not_cut_it_short(daemon):
    trapping(daemon, "slow", 'trap "sleep 2; exit 3" TERM; echo up; while :; do sleep 0.1; done')
    other = daemon.create(["true"])
    daemon.process.send_signal(signal.SIGPWR)
    kedge.wait_for(lambda: daemon.api.raw("POST", f"/containers/{other}/start")[0] == 503)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    daemon.start()
    assert daemon.inspect("slow")["State"]["ExitCode"] == 3


def test_term_that_comes_close_behind_does_not_cut_it_short(daemon):
    """A kedged that was busy meanwhile finds both, the lower number first."""
    trapping(daemon, "it")
    for number in (signal.SIGSTOP, signal.SIGPWR, signal.SIGTERM, signal.SIGCONT):
        daemon.process.send_signal(number)
    assert daemon.process.wait(30) == 0
    daemon.start()
    state = daemon.inspect("it")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
