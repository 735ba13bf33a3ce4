# SPDX-License-Identifier: Apache-2.0
"""The shim of a container is killed: the container is ended, reported dead with the reason, and its restart policy acts."""
import contextlib
import os
import pathlib
import signal
import time

import kedge
import store
from streams import Attached, Background, Events, joined, opened


def shim_of(identity):
    """The pid of the container's shim."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if words.split(b"\0")[0].endswith(b"kedge-shim") and identity.encode() in words:
            return int(process.name)
    return None


def kill_shim(identity):
    os.kill(kedge.wait_for(lambda: shim_of(identity)), signal.SIGKILL)


def state(daemon, identity):
    return daemon.inspect(identity)["State"]


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
    except OSError:
        return True


def test_reported_dead(daemon):
    events = Events(daemon)
    identity = daemon.run_container(["sh", "-c", "echo before; sleep 100"])
    kedge.wait_for(lambda: "before" in daemon.log_text(identity))
    pid = state(daemon, identity)["Pid"]
    kill_shim(identity)
    assert daemon.wait(identity) == 137
    after = state(daemon, identity)
    assert (after["Status"], after["Dead"], after["ExitCode"]) == ("dead", True, 137) and "shim" in after["Error"], after
    kedge.wait_for(lambda: is_gone(pid))
    kedge.wait_for(lambda: "die" in events.of(identity))
    kedge.wait_for(lambda: not daemon.leftovers())
    assert daemon.log_text(identity) == "before\n"
    events.close()
    daemon.start_container(identity)
    assert state(daemon, identity)["Running"]
    store.end_clean(daemon)


def test_restart_policy_acts(daemon):
    identity = daemon.run_container(["sh", "-c", "echo run; sleep 100"], host={"RestartPolicy": {"Name": "always"}})
    for number in range(3):
        kedge.wait_for(lambda: daemon.log_text(identity).count("run") == number + 1)
        kill_shim(identity)
    kedge.wait_for(lambda: state(daemon, identity)["Running"] and daemon.log_text(identity).count("run") == 4)
    assert daemon.inspect(identity)["RestartCount"] == 3
    store.end_clean(daemon)


def test_while_kedged_is_away(daemon):
    plain = daemon.run_container(["sleep", "100"])
    always = daemon.run_container(["sh", "-c", "echo run; sleep 100"], host={"RestartPolicy": {"Name": "always"}})
    removed = daemon.run_container(["sleep", "100"], host={"AutoRemove": True})
    pids = [state(daemon, identity)["Pid"] for identity in (plain, always, removed)]
    daemon.kill()
    for identity in (plain, always, removed):
        kill_shim(identity)
    daemon.start()
    assert state(daemon, plain)["Status"] == "dead" and "shim" in state(daemon, plain)["Error"]
    kedge.wait_for(lambda: all(is_gone(pid) for pid in pids))
    kedge.wait_for(lambda: state(daemon, always)["Running"] and daemon.log_text(always).count("run") == 2)
    kedge.wait_for(lambda: daemon.api.raw("GET", f"/containers/{removed}/json")[0] == 404)
    daemon.api.delete(f"/containers/{plain}")
    store.end_clean(daemon)


def test_waiters_and_readers_are_told(daemon):
    identity = daemon.create(["sh", "-c", "echo x; sleep 100"])
    attached = Attached(daemon, identity)
    daemon.start_container(identity)

    def follow():
        with opened(daemon, "GET", f"/containers/{identity}/logs?stdout=1&follow=1") as answer:
            return joined(kedge.demultiplex(answer.read()))
    waiting, following, reading = Background(daemon.wait, identity), Background(follow), Background(attached.read_all)
    stopping = Background(daemon.api.raw, "POST", f"/containers/{identity}/stop?t=60")
    time.sleep(0.3)
    kill_shim(identity)
    assert waiting.result() == 137 and following.result() == b"x\n" and joined(reading.result()) == b"x\n"
    assert stopping.result()[0] in (204, 304)
    store.end_clean(daemon)


def test_during_the_start(daemon):
    """Whatever the moment: the start is answered, and the container can be started and removed afterwards."""
    for moment in range(0, 40, 2 if kedge.SOAK else 5):
        identity = daemon.create(["sleep", "100"])
        starting = Background(daemon.api.raw, "POST", f"/containers/{identity}/start")
        time.sleep(moment / 1000)
        pid = shim_of(identity)
        if pid:
            os.kill(pid, signal.SIGKILL)
        assert starting.result()[0] in (204, 500)
        if pid:
            kedge.wait_for(lambda: not state(daemon, identity)["Running"])
        assert daemon.api.raw("POST", f"/containers/{identity}/start")[0] in (204, 304)
        assert state(daemon, identity)["Running"]
        daemon.api.delete(f"/containers/{identity}?force=1")
        kedge.wait_for(lambda: not daemon.leftovers())
    store.end_clean(daemon)


def test_during_a_forced_removal(daemon):
    for _ in range(8):
        identity = daemon.run_container(["sleep", "100"])
        pid = shim_of(identity)
        removing = Background(daemon.api.raw, "DELETE", f"/containers/{identity}?force=1")
        with contextlib.suppress(ProcessLookupError):  # the removal may have been faster
            os.kill(pid, signal.SIGKILL)
        assert removing.result()[0] == 204
        assert daemon.api.raw("GET", f"/containers/{identity}/json")[0] == 404
    store.end_clean(daemon)
