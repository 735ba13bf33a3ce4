# SPDX-License-Identifier: Apache-2.0
"""The service's own options beside what is declared: its switch, what declarations pin, and both in snapshots."""
import json
import time

import pytest

import kedge

SERVICE = "/kedge/v1/service"
NOTHING = {"enabled": True, "engine": {"url": ""}, "enforcement": {"enabled": False, "allowlist": [], "rules": {}}}


def options(device):
    return {key: value for key, value in device.api.get(SERVICE).items() if key != "status"}


def service(device, **options):
    beside = device.directory / "service.new"
    beside.write_text(json.dumps(options))
    beside.rename(device.service)


@pytest.fixture
def served(device):
    yield device
    device.service.write_text("{}")
    kedge.wait_for(lambda: options(device) == NOTHING)


def test_off_removes_all_that_is_managed_and_on_makes_it_again(served):
    plain = served.run_container(["sleep", "1000"], name="plain", StopSignal="KILL")
    for name in ("web", "db"):
        served.declare(name)
        served.wait_kept(name)
    service(served, enabled=False)
    served.wait_gone("web")
    served.wait_gone("db")
    assert served.inspect(plain)["State"]["Running"]
    assert sorted(path.name for path in served.containers.iterdir()) == ["db.yaml", "web.yaml"]
    served.declare("late")
    kedge.wait_for(lambda: served.kept("late"))
    service(served, enabled=True)
    for name in ("web", "db", "late"):
        served.wait_kept(name)


def test_off_is_so_after_a_restart_as_well(own):
    own.declare("web")
    own.wait_kept("web")
    own.kill()
    service(own, enabled=False)
    own.start()
    own.wait_gone("web")


def test_a_pinned_digest_allows_a_container_and_its_withdrawal_removes_it(served):
    digest = served.api.get("/images/busybox:test/json")["Id"]
    service(served, enforcement={"enabled": True, "allowlist": []})
    kedge.wait_for(lambda: served.api.get("/kedge/v1/enforcement")["enabled"])
    served.declare("web")
    served.wait_reason("web", "busybox:test")  # declared, and not allowed by that
    assert not served.container("web")
    served.declare("web", signature={"enforcementDigest": digest})
    served.wait_kept("web")
    served.declare("web")
    served.wait_gone("web")
    served.wait_reason("web", "busybox:test")


def test_one_that_is_refused_is_tried_again_when_something_changes_and_not_before(served):
    """Each refusal is on the disk: a device that is left alone writes nothing."""
    digest = served.api.get("/images/busybox:test/json")["Id"]
    service(served, enforcement={"enabled": True, "allowlist": []})
    kedge.wait_for(lambda: served.api.get("/kedge/v1/enforcement")["enabled"])
    served.declare("web")
    served.wait_reason("web", "busybox:test")

    def denials():
        return len([one for one in served.api.get("/kedge/v1/audit?tail=100")["entries"] if one["name"] == "web" and one["decision"] == "deny"])
    before = denials()
    time.sleep(3)
    assert denials() == before
    done = served.kedge("apply", "--wait", "-f", served.containers / "web.yaml", check=False)
    assert done.returncode == 1 and "is not allowed" in done.err
    service(served, enforcement={"enabled": True, "allowlist": [digest]})
    served.wait_kept("web")


def test_the_options_are_part_of_snapshots_and_come_back(served):
    def newest():
        return served.api.get("/kedge/v1/containers")["snapshot"]
    served.declare("web")
    served.wait_kept("web")
    before = newest()
    service(served, enabled=False)
    served.wait_gone("web")
    kedge.wait_for(lambda: newest() == before + 1)
    assert "service.enabled" in served.kedge("snapshots", "diff", before, check=False).out
    served.kedge("snapshots", "rollback", before)
    served.wait_kept("web")
    assert served.service.read_text().startswith("enabled: true\n")


def test_damaged_options_change_nothing(served):
    served.declare("web")
    first = served.wait_kept("web")
    served.service.write_text("enabled: [")
    served.declare("other")
    served.wait_kept("other")
    assert served.wait_kept("web")["Id"] == first["Id"]


# ---- over the API, and by the command line ----

def test_options_are_shown_changed_and_written(served):
    assert options(served) == NOTHING
    first = served.api.get(SERVICE)["status"]
    assert first["file"] == str(served.service) and first["problem"] is None
    rules = {"latest": {"mode": "warn"}, "registries": {"mode": "deny", "allowed": ["local"]}}
    said = served.api.call("PATCH", SERVICE, {"engine": {"url": "unix:///run/other.sock"}, "enforcement": {"rules": rules}})
    assert said["engine"]["url"] == "unix:///run/other.sock" and said["enforcement"]["rules"] == rules and said["enabled"]
    assert "url: unix:///run/other.sock\n" in served.service.read_text()
    assert served.api.get(SERVICE)["status"]["revision"] != first["revision"]
    said = served.api.call("PATCH", SERVICE, {"enforcement": {"rules": {"latest": None}}})
    assert list(said["enforcement"]["rules"]) == ["registries"] and said["engine"]["url"]
    served.api.call("PUT", SERVICE, said)  # with its status
    assert options(served) == {key: value for key, value in said.items() if key != "status"}
    served.api.call("PUT", SERVICE, {})
    assert options(served) == NOTHING


def test_who_has_seen_less_changes_nothing(served):
    tag = f'"{served.api.get(SERVICE)["status"]["revision"]}"'
    served.api.call("PATCH", SERVICE, {"engine": {"url": "tcp://127.0.0.1:1"}}, {"If-Match": tag})
    for method, path in (("PATCH", SERVICE), ("PUT", SERVICE), ("POST", SERVICE + "/fields")):
        with pytest.raises(kedge.ApiError) as refused:
            served.api.call(method, path, {}, {"If-Match": tag})
        assert refused.value.status == 412 and "changed meanwhile" in refused.value.message
    assert options(served)["engine"]["url"] == "tcp://127.0.0.1:1"


@pytest.mark.parametrize("body, words", [
    ({"enabled": "no"}, 'field "enabled" must be a boolean'), ({"engin": {}}, '"engin"'), ({"engine": {"url": "http://x"}}, 'neither unix:///PATH nor tcp://HOST:PORT'),
    ({"engine": {"url": "unix://relative"}}, "engine.url"), ({"enforcement": {"allowlist": ["nonsense"]}}, 'entry "nonsense"'),
    ({"enforcement": {"rules": {"latest": {"mode": "loud"}}}}, "enforcement.rules.latest.mode"), ([], "object")])
def test_bad_options_are_named_and_change_nothing(served, body, words):
    for method in ("PATCH", "PUT"):
        with pytest.raises(kedge.ApiError) as refused:
            served.api.call(method, SERVICE, body)
        assert refused.value.status == 400 and words in refused.value.message
    assert options(served) == NOTHING


def test_a_change_with_a_property_of_kura_s_is_refused(served):
    """It would take the place of all options."""
    with pytest.raises(kedge.ApiError) as refused:
        served.api.call("PATCH", SERVICE, {"enforcement.enabled": True})
    assert refused.value.status == 400 and 'field "enforcement.enabled" is unknown' in refused.value.message
    assert options(served) == NOTHING


def test_a_dry_run_tells_what_would_go_and_changes_nothing(served):
    plain = served.run_container(["sleep", "1000"], name="plain", StopSignal="KILL")
    served.declare("web")
    web = served.wait_kept("web")["Id"]

    def would_go(**change):
        return {one["id"]: one["reason"] for one in served.api.call("PATCH", SERVICE + "?dry-run=1", change)["removals"]}

    assert would_go() == {} and would_go(enforcement={"allowlist": []}) == {}
    assert would_go(enabled=False) == {web: "it is a declared container, and the service is switched off"}
    denied = would_go(enforcement={"enabled": True})
    assert set(denied) == {plain, web} and all("not allowed" in reason for reason in denied.values())
    assert would_go(enabled=False, enforcement={"enabled": True}) == denied  # each of them once
    digest = served.api.get("/images/busybox:test/json")["Id"]
    assert would_go(enforcement={"enabled": True, "allowlist": [digest]}) == {}
    with pytest.raises(kedge.ApiError):
        would_go(enforcement={"enabled": True, "allowlist": ["nonsense"]})
    assert options(served) == NOTHING and served.wait_kept("web")["Id"] == web


def test_a_change_is_an_event(served):
    since = served.api.get("/info")["SystemTime"]
    served.api.call("PATCH", SERVICE, {"engine": {"url": "tcp://127.0.0.1:1"}})
    found = served.kedge("events", "--since", since, "--until", "0s", "--filter", "type=daemon").out
    assert "daemon reload kedged" in found


def test_by_the_command_line(served):
    def run(*words):
        return served.kedge("service", *words).out
    served.declare("web")
    served.wait_kept("web")
    assert run("show") == "declared containers are kept\nanother engine: none\nenforcement is off\n"
    would = run("off", "--dry-run").splitlines()
    assert would[0].split()[0] == "NAME" and would[1].startswith("web ") and "the service is switched off" in would[1]
    served.wait_kept("web")
    assert run("off").startswith("declared containers are removed\n")
    served.wait_gone("web")
    assert run("on").startswith("declared containers are kept\n")
    served.wait_kept("web")
    assert "web" in run("set", "--dry-run", "enforcement.enabled=true")
    shown = run("set", "engine.url=unix:///run/other.sock", "enforcement.rules.latest.mode=warn", "enforcement.rules.registries={allowed: [local]}")
    assert shown == "declared containers are kept\nanother engine: unix:///run/other.sock\nenforcement is off\nrule registries: deny; allowed: local\nrule latest: warn\n"
    assert run("show", "--format", "{{.engine.url}}") == "unix:///run/other.sock\n"
    assert "another engine: none\n" in run("set", "engine.url=", "enforcement.rules=")
    assert served.kedge("service", "set", "enabled", check=False).err == 'kedge: "enabled" is not of the form FIELD=VALUE\n'
    assert "kedge is no cluster" in served.kedge("service", "ls", check=False).err


def test_a_list_of_full_length(served):
    many = [f"registry.example.com:5000/a/rather/long/name/of/an/image@sha256:{number:064x}" for number in range(12000)]
    for body in ({"enforcement": {"allowlist": many}}, {"enforcement": {"allowlist": "\n".join(many[:6000])}}):
        said = served.api.call("PATCH", SERVICE, body)
        assert said["status"]["allowed"] == len(said["enforcement"]["allowlist"]) in (12000, 6000)
    assert served.api.call("PATCH", SERVICE + "?dry-run=1", {"enforcement": {"enabled": True, "allowlist": many}})["removals"] == []
