# SPDX-License-Identifier: Apache-2.0
"""The cases of Eclipse Kura's EnforcementSecurityTest, by its names, and what the documentation says beside them."""
import time

import pytest

import kedge

SLEEP = ["sleep", "600"]


def test_right_digest_is_kept(device):
    identity = device.run_container(SLEEP)
    device.enforce(device.good)
    again = device.run_container(SLEEP)  # the pass has been over by the time that this is answered
    assert device.inspect(identity)["State"]["Running"] and device.inspect(again)["State"]["Running"]
    assert identity not in [one["id"] for one in device.removals()]


@pytest.mark.parametrize("text", ["  {good}  \n", "\n\n {evil_not} ,\r\n\t{good} \n\n", "sha256: {hex}", "team/busybox@{good},{evil_not}"])
def test_right_digest_with_blanks_is_kept(device, text):
    identity = device.run_container(SLEEP)
    none = "sha256:" + "0" * 64
    device.enforcement("PUT", {"enabled": True, "allowlist": text.format(good=device.good, evil_not=none, hex=device.good[7:])})
    device.run_container(SLEEP)
    assert device.inspect(identity)["State"]["Running"]


def test_empty_allowlist_stops_and_deletes(device):
    identity = device.run_container(SLEEP)
    device.enforce()
    device.gone(identity)
    assert "is not allowed" in device.refused("POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["true"]})


def test_wrong_digest_stops_and_deletes(device):
    kept, identity = device.run_container(SLEEP), device.run_container(SLEEP, image="evil:1")
    device.enforce(device.good)
    device.gone(identity)
    assert device.inspect(kept)["State"]["Running"]


@pytest.mark.parametrize("state", ["running", "paused", "exited", "created", "restarting", "dead"])
def test_start_up_pass(device, state):
    """Those that were there before kedged started with enforcement on: stopped where they run, and deleted."""
    count = device.marks / "count"
    command = {"exited": ["true"], "restarting": ["false"]}.get(state, ["sh", "-c", "while true; do echo >> /mark/count; done"])
    identity = device.marked(command, host={"RestartPolicy": {"Name": "always"}} if state == "restarting" else {})
    if state != "created":
        device.start_container(identity)
    if state == "paused":
        kedge.wait_for(count.exists)
        device.api.post(f"/containers/{identity}/pause")
    elif state == "dead":
        shim = device.inspect(identity)["State"]["Pid"]
        parent = int(open(f"/proc/{shim}/stat").read().rsplit(")", 1)[1].split()[1])
        kedge.os.kill(parent, 9)
    if state not in ("running", "created", "paused"):
        kedge.wait_for(lambda: device.inspect(identity)["State"]["Status"] == state)
    if state == "dead":
        kedge.wait_for(lambda: not device.leftovers())  # its control groups are cleared away
    written = count.stat().st_size if count.exists() else 0
    device.kill()
    device.service.write_text(f"enforcement:\n  enabled: true\n  allowlist: {device.good}\n")
    device.start()
    device.gone(identity)
    one = [one for one in device.removals() if one["id"] == identity]
    assert len(one) == 1 and one[0]["state"] == state and device.evil in one[0]["digests"] and "removed" in one[0]
    if state == "paused":  # it did not run for its end's sake
        assert count.stat().st_size == written


def test_start_up_pass_comes_before_any_start(device):
    """A restart policy and an interrupted restart start nothing that is not allowed."""
    identity = device.marked(["sh", "-c", "echo >> /mark/runs; sleep 1"], host={"RestartPolicy": {"Name": "always"}})
    device.start_container(identity)
    kedge.wait_for((device.marks / "runs").exists)
    device.kill()
    device.service.write_text("enforcement: {enabled: true}\n")
    time.sleep(1.5)  # it ends meanwhile: kedged finds one that is to be restarted
    runs = (device.marks / "runs").stat().st_size
    device.start()
    device.gone(identity)
    assert (device.marks / "runs").stat().st_size == runs


def test_withdrawn_digest_is_checked_again(device):
    device.enforce(device.good, device.evil)
    identity = device.run_container(SLEEP, image="evil:1")
    device.enforcement("POST", {"remove": ["evil@" + device.evil]}, "/allowlist")
    device.gone(identity)
    one = device.removals()[-1]
    assert one["id"] == identity and one["image"] == "evil:1" and "removed" in one
    assert one["reason"] == (f'image "evil:1" is not allowed: its digests are {", ".join(one["digests"])}, none of which is among the 1 of the '
                             'allow-list')


def test_what_is_not_enforced_is_left_alone(device):
    identity = device.run_container(SLEEP, image="evil:1")
    device.enforcement("PUT", {"enabled": False, "allowlist": [device.good]})
    device.run_container(SLEEP, image="evil:1")
    assert device.inspect(identity)["State"]["Running"]
