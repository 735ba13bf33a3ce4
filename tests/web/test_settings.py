# SPDX-License-Identifier: Apache-2.0
"""The service's settings: on and off, another engine, enforcement with its list and rules; what a change removes is shown before it is made."""
import pytest

import kedge

SERVICE = "/kedge/v1/service"
WEB = {"image": "busybox:test", "command": ["sleep", "1000"], "networkMode": "none", "stopSignal": "KILL", "probation": "100ms"}


@pytest.fixture
def settings(box, page):
    page.click("link", "Settings")
    page.sees("With these options no container would be removed.")
    yield page
    box.api.call("PUT", SERVICE, {"enforcement": {"enabled": False}})
    for one in box.api.get("/kedge/v1/containers")["containers"]:
        box.api.delete(f"/kedge/v1/containers/{one['name']}")
    kedge.wait_for(lambda: box.api.raw("GET", "/containers/web/json")[0] == 404, 30)


def tick(page, label, on):
    page.js("await page.getByLabel(args[0]).setChecked(args[1])", label, on)


def rule(page, name, mode, allowed=None):
    page.js("await page.getByRole('group', {name: args[0]}).getByRole('combobox').selectOption(args[1])", name, mode)
    if allowed is not None:
        page.js("await page.getByRole('group', {name: args[0]}).getByLabel('Allowed').fill(args[1])", name, allowed)


def declare_web(box):
    box.api.call("PUT", "/kedge/v1/containers/web", WEB)
    kedge.wait_for(lambda: box.api.get("/kedge/v1/containers/web").get("asDeclared"))


def apply(page):
    """The question, without its answer."""
    page.click("button", "Apply…")
    page.js("await page.getByRole('dialog').getByText(/removed[.]|would be stopped/).waitFor()")
    return page.js("return page.getByRole('dialog').innerText()")


def test_the_service_is_switched_off_and_on(box, settings):
    declare_web(box)
    box.run_container(["sleep", "1000"], name="plain", StopSignal="KILL")
    tick(settings, "Keep what is declared", False)
    settings.sees("With these options 1 container would be removed:")
    assert settings.row(Name="web")["Why"] == "it is a declared container, and the service is switched off"
    told = apply(settings)
    assert "1 container would be stopped and deleted" in told and "web" in told and "plain" not in told
    settings.shot("settings-off")
    settings.js("await page.keyboard.press('Escape')")
    assert box.inspect("web")["State"]["Running"] and box.api.get(SERVICE)["enabled"]
    apply(settings)
    settings.click("button", "Apply")
    settings.sees("The options were changed")
    kedge.wait_for(lambda: [one["Names"] for one in box.api.get("/containers/json?all=1")] == [["/plain"]], 30)
    assert not box.api.get(SERVICE)["enabled"] and "web" in [one["name"] for one in box.api.get("/kedge/v1/containers")["containers"]]
    tick(settings, "Keep what is declared", True)
    assert "No container is removed." in apply(settings)
    settings.click("button", "Apply")
    kedge.wait_for(lambda: box.api.get("/kedge/v1/containers/web").get("asDeclared"), 30)


def test_another_engine_is_stored_and_checked(box, settings):
    settings.fill("Engine's host", "http://elsewhere")
    settings.sees("is neither unix:///PATH nor tcp://HOST:PORT")  # as it is typed, in kedged's own words
    assert settings.js("return page.getByRole('button', {name: 'Apply…'}).isDisabled()")
    settings.fill("Engine's host", "tcp://127.0.0.1:1")
    settings.misses("is neither unix:///PATH nor tcp://HOST:PORT")
    apply(settings)
    settings.click("button", "Apply")
    kedge.wait_for(lambda: box.api.get(SERVICE)["engine"]["url"] == "tcp://127.0.0.1:1")
    assert "url: tcp://127.0.0.1:1\n" in box.service.read_text()


def test_enforcement_its_list_and_its_rules(box, settings):
    declare_web(box)
    rule(settings, "The tag latest", "warn")
    rule(settings, "Registries", "deny", "local, registry.example:5000")
    rule(settings, "Privileged", "deny")
    tick(settings, "Only images on the list may run", True)
    settings.fill("Allow-list", "sha256:" + "0" * 64)
    settings.sees("With these options 1 container would be removed:")
    digest = box.api.get("/images/busybox:test/json")["Id"]
    settings.fill("Allow-list", f"busybox@{digest}")
    settings.sees("With these options no container would be removed.")
    apply(settings)
    settings.click("button", "Apply")
    settings.sees("The options were changed")
    rules = {"latest": {"mode": "warn"}, "registries": {"mode": "deny", "allowed": ["local", "registry.example:5000"]}, "privileged": {"mode": "deny"}}
    assert box.api.get(SERVICE)["enforcement"] == {"enabled": True, "allowlist": [f"busybox@{digest}"], "rules": rules}
    assert box.inspect("web")["State"]["Running"]
    rule(settings, "Privileged", "")
    rule(settings, "The tag latest", "off")
    apply(settings)
    settings.click("button", "Apply")
    kedge.wait_for(lambda: "privileged" not in box.api.get(SERVICE)["enforcement"]["rules"])
    assert box.api.get(SERVICE)["enforcement"]["rules"]["latest"] == {"mode": "off"}


def test_somebody_else_was_faster(box, settings):
    """What was typed stays; nothing is overwritten; who wants to see the others' change does."""
    settings.fill("Engine's host", "tcp://127.0.0.1:1")
    box.api.call("PATCH", SERVICE, {"engine": {"url": "tcp://127.0.0.1:2"}})
    settings.sees("The options are others by now.")
    assert settings.js("return page.getByLabel(\"Engine's host\").inputValue()") == "tcp://127.0.0.1:1"
    apply(settings)
    settings.click("button", "Apply")
    settings.sees("Somebody else has changed the options meanwhile")
    assert box.api.get(SERVICE)["engine"]["url"] == "tcp://127.0.0.1:2"
    settings.click("button", "Show them")
    kedge.wait_for(lambda: settings.js("return page.getByLabel(\"Engine's host\").inputValue()") == "tcp://127.0.0.1:2")


def test_a_damaged_file_is_told(box, settings):
    box.service.write_text("enabled: [")
    kedge.wait_for(lambda: box.api.get(SERVICE)["status"]["problem"])
    settings.click("link", "Device")
    settings.click("link", "Settings")
    settings.sees("does not say what holds")
    apply(settings)  # which writes it anew
    settings.click("button", "Apply")
    settings.misses("does not say what holds")
    assert box.api.get(SERVICE)["status"]["problem"] is None and box.service.read_text().startswith("enabled: true\n")
