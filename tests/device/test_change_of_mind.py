# SPDX-License-Identifier: Apache-2.0
"""What is wanted again while it is just being stopped to be removed or replaced: it runs, and nobody takes that stop for a person's."""
import json

import pytest

import kedge

SLOW = "trap 'sleep 1; exit 0' TERM; echo up; while true; do sleep 0.05; done"


def declare(device, **fields):
    device.declare("web", command=["sh", "-c", SLOW], stopSignal="TERM", **fields)
    kedge.wait_for(lambda: "up" in device.log_text("web") if device.container("web") else False)
    return device.wait_kept("web")


def wait_going(device):
    """The moment: the stop is under way."""
    kedge.wait_for(lambda: [one for one in device.kept() if one["doing"] == "remove-current"], every=0.005)
    assert device.container("web")["State"]["Running"]


def wait_runs_anew(device, before):
    """Whatever was read of the change by now."""
    kedge.wait_for(lambda: (device.container("web") or before)["State"]["StartedAt"] > before["State"]["StartedAt"])
    assert device.wait_kept("web")["State"]["Running"]


def enable(device, snapshot):
    assert device.kedge("set", "web", "enabled=true").out.startswith("web: changed")


def roll_back(device, snapshot):
    device.kedge("snapshots", "rollback", snapshot)


@pytest.mark.parametrize("policy", ["unless-stopped", "no", "on-failure", "always"])
def test_enabled_again(device, policy):
    before = declare(device, restart=policy)
    device.kedge("set", "web", "enabled=false")
    wait_going(device)
    enable(device, None)
    wait_runs_anew(device, before)


def test_rolled_back(device):
    before = declare(device)
    snapshot = device.api.get("/kedge/v1/containers")["snapshot"]
    device.kedge("delete", "web")
    wait_going(device)
    roll_back(device, snapshot)
    wait_runs_anew(device, before)


def test_declared_again_as_something_else(device):
    before = declare(device)
    device.withdraw("web")
    wait_going(device)
    device.declare("web", command=["sleep", "7"])
    wait_runs_anew(device, before)
    assert device.cmd_of("web") == ["sleep", "7"]


def test_a_service_that_is_switched_on_again(device):
    before = declare(device)
    device.service.write_text(json.dumps({"enabled": False}))
    try:
        wait_going(device)
    finally:
        device.service.write_text("{}")
    wait_runs_anew(device, before)


@pytest.mark.parametrize("again", [enable, roll_back])
def test_kedged_dies_in_between(own, again):
    before = declare(own)
    snapshot = own.api.get("/kedge/v1/containers")["snapshot"]
    own.kedge("set", "web", "enabled=false")
    wait_going(own)
    own.kill()
    kedge.wait_for(lambda: own.start() and own.kept("web"))
    again(own, snapshot)
    wait_runs_anew(own, before)


def test_a_replacement_that_is_just_taken_away(device):
    """Its declaration is changed during its probation, and changed back while it is being stopped."""
    first = declare(device, probation="60s")
    second = {"environment": {"SECOND": "1"}, "probation": "60s", "command": ["sh", "-c", SLOW], "stopSignal": "TERM"}
    device.declare("web", **second)
    device.wait_reason("web", "its replacement is on probation")
    before = kedge.wait_for(lambda: (device.container("web") or first)["Id"] != first["Id"] and device.container("web"))
    device.declare("web", **{**second, "environment": {"THIRD": "1"}})
    wait_going(device)
    device.declare("web", **{**second, "probation": "500ms"})
    wait_runs_anew(device, before)
    assert "SECOND=1" in device.container("web")["Config"]["Env"] and list(device.names()) == ["web"]


def test_a_person_s_stop_stays_a_person_s(device):
    declare(device)
    device.api.post("/containers/web/stop?t=0")
    device.wait_reason("web", "it was stopped by a user")
    device.kedge("set", "web", "pullRetries=7")
    device.wait_reason("web", "it was stopped by a user")
    assert not device.container("web")["State"]["Running"]
