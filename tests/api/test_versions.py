# SPDX-License-Identifier: Apache-2.0
"""Answers follow the version of the API that is asked, where Docker's history of versions says so."""
import json

import pytest

import kedge


def ask(box, version, method, target, body=None):
    status, data = box.api.raw(method, f"/v1.{version}{target}", json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
    try:
        return status, json.loads(data)
    except ValueError:
        return status, data


def test_every_version_is_spoken(box):
    for version in range(12, 44):
        assert ask(box, version, "GET", "/_ping")[0] == 200
        assert ask(box, version, "GET", "/version")[1]["ApiVersion"] == "1.43"
    for version in (11, 44, 100):
        status, said = ask(box, version, "GET", "/version")
        assert status == 400 and f"client version 1.{version} is too" in said["message"]


def test_inspect(box):
    identity = box.create(["true"], host={"Binds": ["/tmp:/data:ro", "/var/tmp:/more"]})
    found = {version: ask(box, version, "GET", f"/containers/{identity}/json")[1] for version in (19, 20, 21, 41, 42)}
    assert found[19]["Volumes"] == {"/data": "/tmp", "/more": "/var/tmp"} and found[19]["VolumesRW"] == {"/data": False, "/more": True}
    assert "Mounts" not in found[19] and "Volumes" not in found[20]
    assert [mount["Destination"] for mount in found[20]["Mounts"]] == ["/data", "/more"]
    assert [version for version in found if "Networks" in found[version]["NetworkSettings"]] == [21, 41, 42]
    assert [version for version in found if "KernelMemory" in found[version]["HostConfig"]] == [19, 20, 21, 41]


def test_info(box):
    found = {version: ask(box, version, "GET", "/info")[1] for version in (24, 25, 41, 42)}
    assert [version for version in found if "ExecutionDriver" in found[version]] == [24]
    assert [version for version in found if "KernelMemory" in found[version]] == [24, 25, 41]
    assert found[24]["SecurityOptions"][-1] == "seccomp" and found[25]["SecurityOptions"][-1] == "name=seccomp,profile=builtin"


def test_create(box):
    def made(version):
        status, said = ask(box, version, "POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["true"], "HostConfig": {
            "NetworkMode": "none", "AutoRemove": True}})
        assert status == 201, said
        config = box.inspect(said["Id"])["HostConfig"]
        return config["AutoRemove"], config["IpcMode"]
    assert [made(version) for version in (24, 25, 39, 40)] == [(False, "shareable"), (True, "shareable"), (True, "shareable"), (True, "private")]


def test_start_with_a_body(box):
    identity = box.create(["sleep", "60"])
    for version, expected in ((23, 501), (24, 400)):
        status, said = ask(box, version, "POST", f"/containers/{identity}/start", {"Privileged": True})
        assert status == expected and "start" in said["message"]
    assert not box.inspect(identity)["State"]["Running"]
    assert ask(box, 43, "POST", f"/containers/{identity}/start", {})[0] == 204


def test_signal_of_a_stop(box):
    command = ["sh", "-c", "trap 'exit 7' USR1; trap 'exit 8' TERM; echo up; while :; do usleep 10000; done"]
    for version, code in ((41, 8), (42, 7)):
        identity = box.run_container(command)
        kedge.wait_for(lambda identity=identity: "up" in box.log_text(identity))
        assert ask(box, version, "POST", f"/containers/{identity}/stop?signal=USR1&t=20")[0] == 204
        assert box.inspect(identity)["State"]["ExitCode"] == code


def test_wait_before_there_were_conditions(box):
    identity = box.create(["true"])
    assert ask(box, 29, "POST", f"/containers/{identity}/wait?condition=next-exit") == (200, {"StatusCode": 0})
    assert ask(box, 30, "POST", f"/containers/{identity}/wait?condition=odd")[0] == 400


def test_stats(box):
    identity = box.run_container(["sleep", "60"])
    old, new = [ask(box, version, "GET", f"/containers/{identity}/stats?stream=0&one-shot=1")[1] for version in (20, 41)]
    assert old["network"]["rx_bytes"] == 0 and "networks" not in old and "network" not in new
    assert old["precpu_stats"]["cpu_usage"]["total_usage"] > 0, "one-shot came with 1.41: here are two samples"
    assert new["precpu_stats"]["cpu_usage"]["total_usage"] == 0


@pytest.mark.parametrize("version,all_of_it", [(41, True), (42, False)])
def test_disk_usage_and_shared_sizes(box, version, all_of_it):
    usage = ask(box, version, "GET", "/system/df?type=volume")[1]
    assert ("Images" in usage) == ("BuilderSize" in usage) == all_of_it
    shared = ask(box, version, "GET", "/images/json?shared-size=1")[1][0]["SharedSize"]
    assert (shared == -1) == all_of_it


def test_the_old_filter_of_images(box):
    assert [len(ask(box, version, "GET", "/images/json?filter=nothing")[1]) for version in (40, 41)] == [0, 1]
