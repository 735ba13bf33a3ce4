# SPDX-License-Identifier: Apache-2.0
"""Enforcement's options in the service's file: written by whom they may be, kept through damage, and resumed after a death at any step."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

import kedge
import registries

SLEEP = ["sleep", "600"]


def is_on(device):
    return device.enforcement()["enabled"]


def test_a_hand_edit_is_heard(device):
    identity = device.run_container(SLEEP, image="evil:1")
    device.service.write_text(f"# by hand\nenforcement:\n  enabled: true\n  allowlist: |\n    {device.good}\n")
    device.gone(identity)
    assert device.enforcement()["allowlist"] == [device.good] and device.enforcement()["status"]["allowed"] == 1
    device.service.write_text("{}\n")
    kedge.wait_for(lambda: not is_on(device))


def test_kuras_own_words(device):
    device.service.write_text(json.dumps({"enabled": True, "enforcement.enabled": True, "enforcement.allowlist": f"{device.good}\n"}))
    kedge.wait_for(lambda: is_on(device))
    assert device.enforcement()["allowlist"] == [device.good]


@pytest.mark.parametrize("text", ["enforcement: {enabled: true, allowlist: [nonsense]}\n", "enforcement: [\n", "enforcment: {}\n", "\0\0\0\0", ""])
def test_damage_changes_nothing(device, text):
    device.enforce(device.good)
    kept = device.run_container(SLEEP)
    device.service.write_text(text)
    problem = kedge.wait_for(lambda: device.enforcement()["status"]["problem"])
    assert is_on(device) and str(problem)
    device.restart()
    assert is_on(device) and device.enforcement()["status"]["problem"]
    device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": ["true"]})
    assert device.inspect(kept)["State"]["Running"]
    assert "the file does not say so" in device.kedge("enforcement", "show").out
    device.enforce(device.good)
    assert device.enforcement()["status"]["problem"] is None


def test_a_file_that_was_taken_away_changes_nothing(device):
    device.enforce(device.good)
    device.service.unlink()
    kedge.wait_for(lambda: device.enforcement()["status"]["problem"] == "it is not there")
    device.restart()
    assert is_on(device) and "the file does not say so: it is not there" in device.kedge("enforcement", "show").out
    device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": ["true"]})
    document = device.enforcement("POST", {"add": [device.evil]}, "/allowlist")  # what it says is known: it is written anew
    assert set(document["allowlist"]) == {device.good, device.evil} and document["status"]["problem"] is None and device.service.exists()


def test_a_change_in_part_overwrites_no_file_that_cannot_be_read(device):
    device.enforce(device.good)
    device.service.write_text("enforcement: {enabled: true, allowlist: [\n")
    changes = [("PATCH", "/kedge/v1/enforcement", {"enabled": False}), ("POST", "/kedge/v1/enforcement/allowlist", {"add": [device.evil]}),
               ("PATCH", "/kedge/v1/service", {"enabled": True}), ("POST", "/kedge/v1/service/fields", {"enabled": "true"})]
    for method, path, body in changes:
        with pytest.raises(kedge.ApiError) as refused:
            device.api.call(method, path, body)
        assert refused.value.status == 409 and "cannot be changed in part" in refused.value.message
    refused = device.kedge("enforcement", "off", check=False)
    assert refused.returncode and "mend the file" in refused.err
    assert is_on(device) and "[\n" in device.service.read_text()


@pytest.mark.parametrize("body", [{"enforcement.enabled": {"type": "BOOLEAN", "value": None}}, {"enforcement.enabled": {}},
                                  {"properties": {"enforcement.enabled": {"value": None}}}])
def test_a_null_of_kuras_does_not_switch_it_off(device, body):
    device.enforce(device.good)
    with pytest.raises(kedge.ApiError) as refused:
        device.api.call("PUT", "/kedge/v1/service", body)
    assert refused.value.status == 400 and 'field "enforcement.enabled" is missing' in refused.value.message and is_on(device)


def test_kuras_switch_stands_among_its_properties(device):
    """Beside them it would not count, and all declared containers would go."""
    with pytest.raises(kedge.ApiError) as refused:
        device.api.call("PUT", "/kedge/v1/service", {"enabled": True, "properties": {"enforcement.enabled": True}})
    assert refused.value.status == 400 and 'field "enabled" stands beside' in refused.value.message


@pytest.mark.parametrize("options", [{"container.engine.host": ""}, {"properties": {"enforcement.allowlist": ""}}])
def test_a_document_in_two_forms_changes_nothing(device, options):
    """Kura's properties would take the place of what stands beside them."""
    device.enforce(device.good)
    mixture = {"enabled": True, "enforcement": {"enabled": True, "allowlist": [device.good, device.evil]}, **options}
    device.service.write_text(json.dumps(mixture))
    assert 'field "enforcement"' in kedge.wait_for(lambda: device.enforcement()["status"]["problem"])
    assert is_on(device) and device.enforcement()["allowlist"] == [device.good]
    with pytest.raises(kedge.ApiError) as refused:
        device.api.call("PUT", "/kedge/v1/service", mixture)
    assert refused.value.status == 400 and 'field "enforcement"' in refused.value.message


@pytest.fixture
def with_directory(device):
    """All that /etc/kedge has in a directory of its own."""
    device.stop()
    service, options, directory = device.service, device.options, device.directory / "etc"
    device.service, device.options = directory / "service.yaml", [*options, "--seal-key", directory / "seal.key", "--containers-dir", directory / "containers.d"]
    directory.mkdir()
    device.start()
    yield device
    device.stop()
    shutil.rmtree(directory, ignore_errors=True)
    device.service, device.options = service, options
    device.start()


def test_without_its_directory_what_was_in_force_stays(with_directory):
    device, directory = with_directory, with_directory.service.parent
    device.enforce(device.good)
    device.stop()
    directory.rename(device.directory / "aside")
    device.start()
    assert is_on(device) and device.enforcement()["status"]["problem"] == "it is not there"
    kedge.wait_for((directory / "seal.key").exists)  # as kedged makes it anew itself
    device.restart()
    assert is_on(device) and device.enforcement()["status"]["problem"] == "it is not there"
    shutil.rmtree(directory)
    (device.directory / "aside").rename(directory)
    kedge.wait_for(lambda: device.enforcement()["status"]["problem"] is None)
    assert is_on(device)


def test_a_file_system_that_is_mounted_late_is_heard(with_directory):
    """It makes no event in the directory that it hides."""
    device = with_directory
    device.enforce(device.good)
    device.stop()
    text = device.service.read_text()
    device.service.unlink()
    device.start()
    assert is_on(device) and device.enforcement()["status"]["problem"]
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", device.service.parent], check=True)
    try:
        device.service.write_text(text.replace(device.good, device.evil))
        kedge.wait_for(lambda: device.enforcement()["status"]["problem"] is None)
        assert device.enforcement()["allowlist"] == [device.evil]
    finally:
        device.stop()
        subprocess.run(["umount", device.service.parent], check=True)
        device.start()


@pytest.mark.parametrize("is_there", [True, False])
def test_the_first_start_ever_without_a_file_enforces_nothing(with_directory, is_there):
    device = with_directory
    device.remove_all()
    device.stop()
    shutil.rmtree(device.store / "declared")
    if not is_there:
        shutil.rmtree(device.service.parent)
    device.start()
    assert not is_on(device) and device.enforcement()["status"]["problem"] is None
    assert device.run_container(SLEEP)


def test_a_file_that_was_never_good_is_no_first_start_once_it_is_gone(with_directory):
    device = with_directory
    device.remove_all()
    device.stop()
    shutil.rmtree(device.store / "declared")
    device.service.write_text("enforcement: [\n")
    device.start()
    for _ in range(2):
        device.refused("POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["true"]})
        device.service.unlink(missing_ok=True)
        device.restart()
    assert "so that nothing may start" in device.enforcement()["status"]["problem"]


@pytest.mark.parametrize("change", [("PATCH", {"rules": {"privileged": {"mode": "deny"}}}, ""), ("POST", {"add": ["sha256:" + "a" * 64]}, "/allowlist")])
def test_a_change_over_the_api_begins_with_the_file_as_it_is(device, change):
    method, body, path = change
    device.enforce(device.good)
    device.service.write_text(json.dumps({"enforcement": {"enabled": True, "allowlist": [device.good, device.evil], "rules": {"latest": {"mode": "deny"}}}}))
    document = device.enforcement(method, body, path)
    assert {device.good, device.evil} <= set(document["allowlist"]) and document["rules"]["latest"] == {"mode": "deny"}


def test_the_options_beside_enforcement_are_those_of_the_file(device):
    device.relax()
    device.service.write_text(json.dumps({"engine": {"url": "unix:///run/nobody.sock"}}))
    device.enforce(device.good)
    assert device.api.get("/kedge/v1/service")["engine"] == {"url": "unix:///run/nobody.sock"}


def test_a_patch_with_nulls(device):
    """It takes away what it names, but not whether it is on."""
    device.enforce(device.good, rules={"latest": {"mode": "deny"}, "privileged": {"mode": "warn"}})
    assert list(device.enforcement("PATCH", {"rules": {"latest": None}})["rules"]) == ["privileged"]
    for path, body in (("enforcement", {"enabled": None}), ("service", {"enforcement": None}), ("service", {"enforcement": {"enabled": None}})):
        with pytest.raises(kedge.ApiError) as refused:
            device.api.call("PATCH", f"/kedge/v1/{path}", body)
        assert refused.value.status == 400 and "is missing" in refused.value.message
    assert is_on(device) and device.enforcement()["allowlist"] == [device.good]


def newest_snapshot(device):
    return device.api.get(f"/kedge/v1/snapshots/{device.api.get('/kedge/v1/snapshots')['snapshots'][0]['number']}")


def damage_both(device):
    """The file and its kept copy, while kedged is away."""
    device.stop()
    device.service.write_text("enforcement: [\n")
    (device.store / "declared" / "service.json").write_bytes(b"\0" * 100)


def test_a_snapshot_stands_in_for_a_file_and_a_copy_that_are_damaged(device):
    device.enforce(device.good)
    kept = device.run_container(SLEEP)
    damage_both(device)
    device.start()
    problem = device.enforcement()["status"]["problem"]
    assert is_on(device) and device.enforcement()["allowlist"] == [device.good] and "what snapshot " in problem
    assert f"the file does not say so: {problem}" in device.kedge("service", "show").out
    assert device.api.get("/kedge/v1/service")["status"]["problem"] == problem and problem in device.log()
    device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": ["true"]})
    assert device.inspect(kept)["State"]["Running"] and device.run_container(SLEEP)
    device.relax()
    assert device.enforcement()["status"]["problem"] is None and device.run_container(SLEEP, image="evil:1")


def test_an_older_snapshot_does_not_stand_in_for_a_damaged_one(device):
    device.relax()
    device.enforce(device.good)
    damage_both(device)
    snapshots = device.store / "declared" / "snapshots"
    newest = max(snapshots.glob("*.json"), key=lambda path: int(path.stem))
    newest.write_bytes(b"\0" * 100)
    device.start()
    assert "so that nothing may start" in device.enforcement()["status"]["problem"]
    device.refused("POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["true"]})
    device.relax()


def test_where_nobody_knows_what_is_enforced_nothing_starts_and_nothing_goes(device):
    device.enforce(device.good)
    kept, created = device.run_container(SLEEP), device.create(SLEEP)
    damage_both(device)
    aside = device.directory / "snapshots"
    (device.store / "declared" / "snapshots").rename(aside)
    device.start()
    try:
        problem = device.enforcement()["status"]["problem"]
        assert "so that nothing may start" in problem and f"the file does not say so: {problem}" in device.kedge("service", "show").out
        for image in ("evil:1", "busybox:test"):
            device.refused("POST", "/containers/create", {"Image": image, "Cmd": ["true"]})
        device.refused("POST", f"/containers/{created}/start")
        assert device.inspect(kept)["State"]["Running"] and device.exists(created)
        assert not {kept, created} & {one["id"] for one in device.removals()}
        snapshots = [device.api.get(f"/kedge/v1/snapshots/{one['number']}") for one in device.api.get("/kedge/v1/snapshots")["snapshots"]]
        assert not [one for one in snapshots if "service" in one["content"]]
        device.restart()
        device.refused("POST", f"/containers/{created}/start")
        for method, path, body, status in (("PATCH", "enforcement", {"enabled": False}, 409), ("PUT", "service", {}, 400)):
            assert device.api.raw(method, f"/kedge/v1/{path}", json.dumps(body))[0] == status
        device.service.write_text(f"enforcement: {{enabled: true, allowlist: [{device.good}]}}\n")
        kedge.wait_for(lambda: not device.enforcement()["status"]["problem"])
        assert newest_snapshot(device)["content"]["service"]["enforcement"]["enabled"]
        device.start_container(created)
        device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": ["true"]})
    finally:
        shutil.rmtree(aside)


def test_a_file_that_is_being_written_changes_nothing(device):
    """An editor that writes in place empties it first, and something else is changed beside it."""
    device.enforce(device.good)
    with open(device.service, "w") as file:
        (device.service.parent / "beside").write_text("")
        assert "being written" in kedge.wait_for(lambda: device.enforcement()["status"]["problem"])
        device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": ["true"]})
        file.write(f"enforcement: {{enabled: true, allowlist: [{device.good}, {device.evil}]}}\n")
    kedge.wait_for(lambda: not device.enforcement()["status"]["problem"])
    assert is_on(device) and len(device.enforcement()["allowlist"]) == 2


def test_who_has_seen_less_changes_nothing(device):
    device.enforce(device.good)
    status, body = device.api.raw("GET", "/kedge/v1/enforcement")
    connection = kedge.UnixConnection(device.socket)
    connection.request("GET", "/kedge/v1/enforcement")
    answer = connection.getresponse()
    tag, document = answer.getheader("ETag"), json.loads(answer.read())
    connection.close()
    assert status == 200 and json.loads(body) == document
    device.enforcement("PUT", {**document, "enabled": False}, **{"If-Match": tag})
    with pytest.raises(kedge.ApiError) as refused:
        device.enforcement("PUT", document, **{"If-Match": tag})
    assert refused.value.status == 412 and "changed meanwhile" in refused.value.message and not is_on(device)
    device.enforcement("PATCH", {"enabled": True}, **{"If-Match": "*"})
    assert is_on(device) and device.enforcement()["allowlist"] == [device.good]


@pytest.mark.parametrize("body,message", [
    ({"allowlist": ["nonsense"]}, 'entry "nonsense"'), ({"enable": True}, '"enable"'), ({"enabled": "yes"}, "must be a boolean"),
    ({"rules": {"latest": {"mode": "loud"}}}, "rules.latest.mode"), ({"rules": {"registries": {"allowed": ["a/b"]}}}, '"a/b" is no registry')])
def test_bad_values_are_named(device, body, message):
    before = device.enforcement()
    with pytest.raises(kedge.ApiError) as refused:
        device.enforcement("PUT", {"enabled": False, **body})
    assert refused.value.status == 400 and message in refused.value.message
    assert device.enforcement() == before


@pytest.mark.parametrize("body", [{}, {"enabled": None}, {"allowlist": []}])
def test_a_document_that_does_not_say_whether_it_is_on_changes_nothing(device, body):
    device.enforce(device.good)
    with pytest.raises(kedge.ApiError) as refused:
        device.enforcement("PUT", body)
    assert refused.value.status == 400 and 'field "enabled" is missing' in refused.value.message
    assert is_on(device) and device.enforcement()["allowlist"] == [device.good]


@pytest.mark.parametrize("body", [{}, {"enabled": True}, {"enforcement": {}}, {"enforcement": {"enabled": None}}, {"container.engine.host": ""}])
def test_options_that_do_not_say_whether_it_is_on_do_not_switch_it_off(device, body):
    device.enforce(device.good)
    with pytest.raises(kedge.ApiError) as refused:
        device.api.call("PUT", "/kedge/v1/service", body)
    assert refused.value.status == 400 and 'field "enforcement.enabled" is missing' in refused.value.message
    assert is_on(device) and device.enforcement()["allowlist"] == [device.good]


@pytest.mark.parametrize("field", ["enforcement.enabled", "enforcement"])
def test_a_field_without_a_value_does_not_switch_it_off(device, field):
    """As the manual says."""
    device.enforce(device.good)
    assert 'field "enforcement.enabled" is missing' in device.kedge("service", "set", f"{field}=", check=False).err
    assert is_on(device) and device.enforcement()["allowlist"] == [device.good]
    assert f"*{field}=*" in (kedge.TOP / "man" / "kedge-service-set.1.scd").read_text()


@pytest.mark.parametrize("body", [{"enforcement": {"enabled": False}}, {"enabled": True, "enforcement.enabled": False}])
def test_options_that_say_that_it_is_off_switch_it_off(device, body):
    device.enforce(device.good)
    device.api.call("PUT", "/kedge/v1/service", body)
    assert not is_on(device)


def test_a_directory_that_cannot_be_written(device):
    """Is the writer's error; what holds goes on."""
    device.stop()
    device.options = ["--service-file", "/proc/no/service.yaml"]
    device.start()
    try:
        with pytest.raises(kedge.ApiError) as refused:
            device.enforce(device.good)
        assert "could not write the service's options" in refused.value.message and not is_on(device)
    finally:
        device.stop()
        device.options = []
        device.start()


def test_dry_run(device):
    kept, bad = device.run_container(SLEEP), device.create(SLEEP, image="evil:1", name="bad")
    device.enforcement("PUT", {"enabled": False, "allowlist": [device.good]})
    would = device.enforcement("POST", {}, "/dry-run")["removals"]
    assert [(one["id"], one["name"], one["state"]) for one in would] == [(bad, "bad", "created")] and "not allowed" in would[0]["reason"]
    both = device.enforcement("POST", {"allowlist": []}, "/dry-run")["removals"]
    assert {one["id"] for one in both} == {kept, bad}
    assert device.enforcement("POST", {"enabled": False}, "/dry-run")["removals"] == []
    assert device.exists(bad) and device.exists(kept) and not is_on(device)
    assert bad not in [one["id"] for one in device.removals()]


def test_command_line(device):
    run = lambda *words: device.kedge("enforcement", *words).out  # noqa: E731
    bad = device.create(SLEEP, image="evil:1", name="bad")
    assert run("show") == "enforcement is off: 0 digests are allowed\n"
    assert run("allow", f"busybox@{device.good}", device.evil) == "enforcement is off: 2 digests are allowed\n"
    assert run("disallow", device.evil) == "enforcement is off: 1 digest is allowed\n"
    assert "bad" in run("dry-run") and "not allowed" in run("dry-run")
    assert run("dry-run", "--format", "{{len .removals}}") == "1\n"
    assert run("on") == "enforcement is on: 1 digest is allowed\n"
    device.gone(bad)
    assert "bad" in run("removed").splitlines()[-1]
    assert run("show") == f"enforcement is on: 1 digest is allowed\nbusybox@{device.good}\n"
    assert run("off") == "enforcement is off: 1 digest is allowed\n"
    assert device.kedge("enforcement", "allow", "x", check=False).returncode != 0
    device.rule("latest", mode="warn")
    assert "rule latest: warn" in run("show")


def test_a_reprieve(device):
    """Allowed again while it is being stopped: it is started again."""
    identity = device.marked(["sh", "-c", "trap '' TERM; echo >> /mark/up; while true; do sleep 0.1; done"], StopTimeout=2)
    device.start_container(identity)
    kedge.wait_for((device.marks / "up").exists)
    device.enforce(device.good)
    kedge.wait_for(lambda: [one for one in device.removals() if one["id"] == identity])
    device.enforce(device.good, device.evil)
    kedge.wait_for(lambda: (device.marks / "up").stat().st_size == 2)
    kedge.wait_for(lambda: identity not in [one["id"] for one in device.removals()])
    assert device.inspect(identity)["State"]["Running"]


def test_what_is_allowed_again_while_kedged_was_away_is_not_about_to_be_removed(device):
    identity = device.marked(["sh", "-c", "trap '' TERM; echo >> /mark/up; while true; do sleep 0.1; done"], StopTimeout=5)
    device.start_container(identity)
    kedge.wait_for((device.marks / "up").exists)
    device.enforce(device.good)
    kedge.wait_for(lambda: [one for one in device.removals() if one["id"] == identity])
    device.kill()
    device.service.write_text("enforcement: {enabled: false}\n")
    device.start()
    kedge.wait_for(lambda: identity not in [one["id"] for one in device.removals()])
    assert device.exists(identity)


@pytest.mark.parametrize("ends", [False, True])
def test_what_was_stopped_and_is_allowed_again_while_kedged_was_away_runs_again(device, ends):
    """Whether it has ended by then, or is still being stopped."""
    identity = device.marked(["sh", "-c", "trap '' TERM; echo >> /mark/up; while true; do sleep 0.1; done"], StopTimeout=600)
    device.start_container(identity)
    kedge.wait_for((device.marks / "up").exists)
    pid = device.inspect(identity)["State"]["Pid"]
    device.enforce(device.good)
    kedge.wait_for(lambda: [one for one in device.removals() if one["id"] == identity])
    device.kill()
    device.service.write_text(f"enforcement: {{enabled: true, allowlist: [{device.good}, {device.evil}]}}\n")
    if not ends:
        device.start()
    os.kill(pid, signal.SIGKILL)
    kedge.wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    if ends:
        device.start()
    kedge.wait_for(lambda: (device.marks / "up").stat().st_size == 2)
    kedge.wait_for(lambda: identity not in [one["id"] for one in device.removals()])
    assert device.inspect(identity)["State"]["Running"]


@pytest.mark.parametrize("ran", [False, True])
def test_one_that_could_not_be_removed_and_is_allowed_again_is_as_it_was(device, ran):
    identity = device.run_container(SLEEP, image="evil:1")
    if not ran:
        device.api.post(f"/containers/{identity}/stop")
    device.stop()
    device.environment = {"KEDGE_FAULT": "engine.remove.record:1:fail"}
    device.start()
    device.environment = {}
    device.enforce(device.good)
    kedge.wait_for(lambda: [one for one in device.removals() if one["id"] == identity and "error" in one])
    device.relax()
    kedge.wait_for(lambda: identity not in [one["id"] for one in device.removals()])
    assert device.inspect(identity)["State"]["Running"] == ran


# ---- deaths ----------------------------------------------------------------------------------------------------------------------

POINTS = ["engine.enforcement.record", "engine.audit.write", "engine.remove.record", "engine.remove.files", "store.record.delete",
          "device.service.keep"]


def is_dead(device):
    return device.process.poll() is not None


def is_done(device, identities):
    try:
        return not any(device.exists(one) for one in identities)
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_a_death_in_the_middle_of_a_pass(device, point, count):
    """The next kedged ends what this one began; each removal is told of once."""
    made = [device.run_container(SLEEP, image="evil:1"), device.create(SLEEP, image="evil:1"), device.run_container(SLEEP)]
    device.stop()
    device.service.write_text(f"enforcement: {{enabled: true, allowlist: [{device.good}]}}\n")
    device.environment = {"KEDGE_FAULT": f"{point}:{count}:kill"}
    device.spawn()
    device.environment = {}
    kedge.wait_for(lambda: is_dead(device) or is_done(device, made[:2]))
    device.restart()
    for identity in made[:2]:
        device.gone(identity)
    kedge.wait_for(lambda: all("removed" in one for one in device.removals() if one["id"] in made))
    assert sorted(one["id"] for one in device.removals() if one["id"] in made) == sorted(made[:2])
    assert device.inspect(made[2])["State"]["Running"]
    assert device.api.post("/kedge/v1/system/check") == {"Problems": []}


@pytest.mark.parametrize("how", ["fail", "kill"])
def test_a_death_while_it_is_written(device, how):
    device.enforce(device.good)
    device.stop()
    device.environment = {"KEDGE_FAULT": f"device.service.write:1:{how}"}
    device.start()
    device.environment = {}
    try:
        with pytest.raises((kedge.ApiError, OSError, http.client.HTTPException)):
            device.relax()
    finally:
        device.restart()
    assert is_on(device)


def test_a_removal_that_fails_is_tried_again_and_said(device):
    identity = device.create(SLEEP, image="evil:1")
    device.stop()
    device.environment = {"KEDGE_FAULT": "engine.remove.record:1:fail"}
    device.start()
    device.environment = {}
    device.enforce(device.good)
    one = kedge.wait_for(lambda: [one for one in device.removals() if one["id"] == identity and "error" in one])[0]
    assert "removed" not in one and device.exists(identity)
    device.restart()  # or in half a minute
    device.gone(identity)
    assert [("removed" in one, "error" in one) for one in device.removals() if one["id"] == identity] == [(True, False)]


# ---- digests ---------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def pulled(device):
    """An image that came by an index: its name, and its digests by what they are of."""
    registry = registries.FakeRegistry()
    image = registries.Unpackable([{"x": b"no program"}])
    index = registry.add_index("1", [image])
    name = f"{registry.host}/web:1"
    device.api.post(f"/images/create?fromImage={registry.host}/web&tag=1")
    yield name, {"index": index, "manifest": image.digest, "configuration": device.api.get(f"/images/{name}/json")["Id"]}
    registry.close()


@pytest.mark.parametrize("which", ["index", "manifest", "configuration"])
def test_each_digest_of_an_image_will_do(device, pulled, which):
    name, digests = pulled
    assert len(set(digests.values())) == 3
    device.enforce(digests[which])
    identity = device.create(["x"], image=name)
    device.enforce(*[digest for other, digest in digests.items() if other != which])
    device.create(["x"], image=name)
    device.enforce(device.good)
    message = device.refused("POST", "/containers/create", {"Image": name, "Cmd": ["x"]})
    assert all(digest in message for digest in digests.values())
    device.gone(identity)


def test_an_image_may_lose_its_names(device, pulled):
    """What was known of it when the container was made counts."""
    name, digests = pulled
    device.enforce(digests["index"])
    identity = device.create(["x"], image=name)
    device.api.delete(f"/images/{name}?force=1")
    assert device.api.raw("POST", f"/containers/{identity}/start")[0] != 403  # it has no program
    device.restart()
    assert device.api.raw("POST", f"/containers/{identity}/start")[0] != 403 and device.exists(identity)


def test_registries_that_are_allowed(device, pulled):
    name, _ = pulled
    host = name.split("/")[0]
    device.rule("registries", allowed=[host])
    device.create(["x"], image=name)
    device.rule("registries", allowed=["other.example"])
    assert f'it came as "{host}/web@sha256:' in device.refused("POST", "/containers/create", {"Image": name, "Cmd": ["x"]})


def test_ten_thousand_digests(device):
    """As one text, and as a list."""
    many = [f"sha256:{number:064x}" for number in range(9999)] + [device.good]
    device.enforcement("PUT", {"enabled": True, "allowlist": "\n".join(many)})
    assert device.enforcement()["status"]["allowed"] == 10000
    device.create(["true"])
    assert "the 10000 of the allow-list" in device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": ["true"]})
    device.restart()
    assert device.enforcement()["status"] == {**device.enforcement()["status"], "allowed": 10000, "problem": None}


def test_a_long_list_is_edited_at_once(device):
    """Other requests wait meanwhile: ten thousand entries take hardly longer than one."""
    many = [f"sha256:{number:064x}" for number in range(20000)]
    device.enforcement("PUT", {"enabled": False, "allowlist": many[:10000]})
    begun = time.monotonic()
    assert device.enforcement("POST", {"add": many[10000:]}, "/allowlist")["allowlist"] == many
    assert device.enforcement("POST", {"remove": many[5000:]}, "/allowlist")["allowlist"] == many[:5000]
    assert time.monotonic() - begun < 30
