# SPDX-License-Identifier: Apache-2.0
"""The life of a declared container: Eclipse Kura's results (its ContainerInstance), and what goes beyond them."""
import json

import kedge


def test_a_file_becomes_a_container_is_replaced_and_goes(device):
    device.declare("web")
    first = device.wait_kept("web")
    assert first["State"]["Running"] and first["Config"]["Cmd"] == ["sleep", "1000"]
    assert first["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    device.declare("web", command=["sleep", "2000"])
    second = kedge.wait_for(lambda: (device.container("web") or {"Id": first["Id"]})["Id"] != first["Id"] and device.wait_kept("web"))
    assert second["Config"]["Cmd"] == ["sleep", "2000"] and second["State"]["Running"]
    assert list(device.names()) == ["web"]
    device.withdraw("web")
    device.wait_gone("web")
    assert device.kept() == []


def test_one_that_runs_and_matches_is_adopted(device):
    made = device.run_container(["sleep", "1000"], name="web", host={"NetworkMode": "bridge", "RestartPolicy": {"Name": "unless-stopped"}},
                                StopSignal="KILL")
    device.declare("web")
    assert device.wait_kept("web")["Id"] == made
    device.withdraw("web")
    device.wait_gone("web")


def test_one_that_runs_and_differs_is_recreated(device):
    made = device.run_container(["sleep", "7"], name="web", StopSignal="KILL")
    device.declare("web")
    kept = kedge.wait_for(lambda: (device.container("web") or {"Id": made})["Id"] != made and device.wait_kept("web"))
    assert kept["Config"]["Cmd"] == ["sleep", "1000"]
    assert not device.container(made)


def test_one_that_differs_goes_with_the_declaration_that_replaces_it(device):
    device.run_container(["sleep", "7"], name="web", StopSignal="KILL")
    device.declare("web", probation="10m")
    kedge.wait_for(lambda: device.container("web.kedge-old"))
    device.withdraw("web")
    device.wait_gone("web.kedge-old")
    device.wait_gone("web")


def test_one_that_is_only_named_like_a_part_of_a_replacement_is_left_alone(device):
    made = [device.create(["sleep", "1000"], name=f"backup.kedge-{part}") for part in ("old", "next")]
    device.declare("web")
    device.wait_kept("web")
    assert all(device.container(one) for one in made) and not [one for one in device.kept() if one["name"] == "backup"]


def test_one_that_is_stopped_is_recreated(device):
    made = device.create(["sleep", "1000"], name="web")
    device.declare("web")
    kept = kedge.wait_for(lambda: (device.container("web") or {"Id": made})["Id"] != made and device.wait_kept("web"))
    assert kept["State"]["Running"]


def test_disabled_means_stopped_and_deleted_while_the_declaration_stays(device):
    device.declare("web")
    device.wait_kept("web")
    device.declare("web", enabled=False)
    device.wait_gone("web")
    kept = device.kept("web")
    assert not kept["enabled"] and (device.containers / "web.yaml").exists()
    device.declare("web", enabled=True)
    device.wait_kept("web")


def test_disabled_removes_one_of_that_name_as_kura_does(device):
    device.run_container(["sleep", "1000"], name="web", StopSignal="KILL")
    device.declare("web", enabled=False)
    device.wait_gone("web")


def test_limits_and_restart_policy_are_changed_in_place(device):
    device.declare("web", memory="32m")
    first = device.wait_kept("web")
    device.declare("web", memory="64m", restart="always")
    kedge.wait_for(lambda: device.container("web")["HostConfig"]["Memory"] == 64 << 20)
    second = device.wait_kept("web")
    assert second["Id"] == first["Id"] and second["State"]["Pid"] == first["State"]["Pid"]
    assert second["HostConfig"]["RestartPolicy"]["Name"] == "always"
    device.declare("web", memory="48m", restart="always", pidsLimit=100)
    third = kedge.wait_for(lambda: device.container("web")["HostConfig"]["PidsLimit"] == 100 and device.wait_kept("web"))
    assert third["Id"] == first["Id"] and third["HostConfig"]["Memory"] == 48 << 20


def test_one_that_somebody_removes_is_made_again(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.api.delete("/containers/web?force=1")
    assert kedge.wait_for(lambda: device.container("web") and device.wait_kept("web"))["Id"] != first["Id"]


def test_one_that_a_user_stops_stays_stopped_and_says_so(device):
    device.declare("web")
    device.wait_kept("web")
    device.api.post("/containers/web/stop?t=0")
    device.wait_reason("web", "it was stopped by a user")
    assert not device.container("web")["State"]["Running"]
    device.api.post("/containers/web/start")
    device.wait_kept("web")


def test_one_that_its_health_check_has_stopped_says_so(device):
    check = {"test": "! test -e /bad", "interval": "1s", "retries": 1, "onFailure": "stop"}
    device.declare("web", command=["sh", "-c", "touch /bad; sleep 1000"], restart="unless-stopped", healthcheck=check)
    device.wait_reason("web", "it was stopped: its health check fails")
    device.restart()
    device.wait_reason("web", "it was stopped: its health check fails")
    device.declare("web", command=["sleep", "1000"])
    device.wait_kept("web")
    device.api.post("/containers/web/stop")
    device.wait_reason("web", "it was stopped by a user")


def test_one_that_ends_is_judged_by_its_restart_policy(device):
    device.declare("job", command=["true"], restart="no")
    assert device.wait_kept("job")["State"]["ExitCode"] == 0
    device.declare("bad", command=["sh", "-c", "exit 3"], restart="no")
    device.wait_reason("bad", "it ended with status 3, and is not to be started again")


def test_a_replacement_that_does_not_come_up_is_taken_back(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.declare("web", command=["sh", "-c", "exit 5"])
    kept = device.wait_reason("web", "did not come up")
    assert "during its probation" in kept["reason"] and not kept["asDeclared"]
    kedge.wait_for(lambda: list(device.names()) == ["web"])
    again = device.container("web")
    assert again["Id"] == first["Id"] and again["State"]["Running"]
    # what is declared next is another try
    device.declare("web", command=["sleep", "3000"])
    kedge.wait_for(lambda: device.cmd_of("web") == ["sleep", "3000"])
    device.wait_kept("web")


def test_a_replacement_that_cannot_be_started_is_taken_back(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.declare("web", command=["/no/such/program"])
    kept = device.wait_reason("web", "did not come up")
    assert "/no/such/program" in kept["reason"]
    assert kedge.wait_for(lambda: device.container("web"))["Id"] == first["Id"]


def test_a_replacement_that_is_not_healthy_is_taken_back(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.declare("web", healthcheck={"test": ["CMD", "false"], "interval": "100ms", "retries": 2}, probation="10s")
    device.wait_reason("web", "it was not healthy during its probation")
    assert kedge.wait_for(lambda: device.container("web"))["Id"] == first["Id"]


def test_without_its_image_the_old_one_goes_on(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.declare("web", image="busybox:missing", pull="never")
    device.wait_reason("web", "its image is not there, and is never to be pulled")
    assert device.container("web")["Id"] == first["Id"] and device.container("web")["State"]["Running"]
    device.api.post("/images/busybox:test/tag?repo=busybox&tag=missing")
    kedge.wait_for(lambda: (device.container("web") or {"Config": {"Image": None}})["Config"]["Image"] == "busybox:missing")
    device.wait_kept("web")
    device.withdraw("web")
    device.wait_gone("web")
    device.api.delete("/images/busybox:missing")


def test_what_cannot_be_made_leaves_the_old_one_and_is_said(device):
    device.declare("web")
    first = device.wait_kept("web")
    device.declare("web", volumes=["/no/such/directory-of-kedge:/x"], runtime="no-such-runtime")
    kept = device.wait_reason("web", "no-such-runtime")
    assert device.container("web")["Id"] == first["Id"] and device.container("web")["State"]["Running"]
    assert not kept["asDeclared"]


def test_events_tell_of_changes(device):
    begin = device.api.get("/info")["SystemTime"]
    device.declare("web")
    device.wait_kept("web")
    device.declare("web", command=["sh", "-c", "exit 5"])
    device.wait_reason("web", "did not come up")
    device.withdraw("web")
    device.wait_gone("web")
    status, body = device.api.raw("GET", f"/events?since={begin}&until={device.api.get('/info')['SystemTime']}")
    events = [json.loads(line) for line in body.decode().splitlines()]
    told = [(one["Action"], one["Actor"]["ID"]) for one in events if one["Type"] == "declaration"]
    assert told == [("create", "web"), ("update", "web"), ("take-back", "web"), ("delete", "web")]
