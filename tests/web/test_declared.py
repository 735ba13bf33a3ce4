# SPDX-License-Identifier: Apache-2.0
"""Declared containers, their snapshots and the allow-list."""
import json

import pytest

import kedge


def fill(page, **fields):
    for name, text in fields.items():
        page.js("await page.getByRole('dialog').getByLabel(args[0], {exact: true}).fill(args[1])", name, text)


@pytest.fixture
def declared(box, page):
    page.click("link", "Declared")
    page.js("await page.getByRole('heading', {name: 'Declared', exact: true}).waitFor()")
    yield page
    for one in box.api.get("/kedge/v1/containers")["containers"]:
        box.api.delete(f"/kedge/v1/containers/{one['name']}")
    kedge.wait_for(lambda: not box.api.get("/containers/json?all=1"), 30)


def declare(page, name="web", **fields):
    page.click("button", "Declare…")
    page.js("await page.getByText('All other options').click()")
    fill(page, name=name, image="busybox:test", command="sleep\n1000", networkMode="none", stopSignal="KILL", probation="300ms", **fields)
    page.sees("A container is made.")
    page.click("button", "Declare")
    return page.row(Name=name, As_declared="yes", State="running")


def test_declare_edit_switch_off_delete(box, declared):
    declare(declared, environment="COLOUR=blue\nSIZE=1", memory="64m")
    identity = box.inspect("web")["Id"]
    assert {"COLOUR=blue", "SIZE=1"} <= set(box.inspect("web")["Config"]["Env"]) and box.inspect("web")["Config"]["Cmd"] == ["sleep", "1000"]
    declared.click("button", "Edit web")
    fill(declared, memory="32m")
    declared.sees("limits change while it runs")
    declared.click("button", "Change")
    kedge.wait_for(lambda: box.inspect("web")["HostConfig"]["Memory"] == 32 << 20)
    assert box.inspect("web")["Id"] == identity
    declared.click("button", "Edit web")
    fill(declared, environment="COLOUR=red")
    declared.sees("The container is replaced")
    declared.click("button", "Change")
    kedge.wait_for(lambda: box.api.raw("GET", "/containers/web/json")[0] == 200 and "COLOUR=red" in box.inspect("web")["Config"]["Env"], 30)
    declared.row(Name="web", As_declared="yes", State="running")
    declared.click("button", "Switch off web")
    kedge.wait_for(lambda: not box.api.get("/containers/json?all=1"), 30)
    declared.row(Name="web", As_declared="off")
    declared.click("button", "Delete web")
    declared.sees("Its container is stopped and deleted")
    declared.click("button", "Delete")
    declared.sees("Nothing is declared yet.")


def test_what_is_typed_is_checked_at_once(box, declared):
    declared.click("button", "Declare…")
    assert declared.js("return page.getByRole('dialog').getByRole('button', {name: 'Declare'}).isDisabled()")
    fill(declared, name="web", image="busybox:test", memory="64x")
    declared.sees('"64x" is not a size')  # kedged's own words, at the field
    assert declared.js("return page.getByLabel('memory', {exact: true}).getAttribute('aria-invalid')") == "true"
    assert declared.js("return page.getByRole('dialog').getByRole('button', {name: 'Declare'}).isDisabled()")
    fill(declared, memory="64m")
    declared.sees("A container is made.")
    declared.js("await page.getByText('All other options').click()")
    fill(declared, pullRetries="some")
    declared.sees("It must be a whole number")
    schema = json.loads((kedge.TOP / "docs" / "containers.schema.json").read_text())
    shown = declared.js("return page.getByRole('dialog').innerText()")
    assert [name for name, field in schema["properties"].items() if name not in shown or field.get("description", "") not in shown] == []
    declared.js("await page.keyboard.press('Escape')")
    assert box.api.get("/kedge/v1/containers")["containers"] == []


def test_why_something_is_not_as_declared(box, declared):
    box.api.call("PUT", "/kedge/v1/containers/web", {"image": "busybox:test", "dependsOn": ["nobody"]})
    assert declared.row(Name="web", As_declared="not yet", State="–", Why='it waits for "nobody", which is neither declared nor there')
    (box.containers / "bad.yaml").write_text("image: [")
    declared.sees('"bad.yaml": ')
    (box.containers / "bad.yaml").unlink()
    declared.misses('"bad.yaml": ')


def test_somebody_else_was_faster(box, declared):
    declare(declared)
    declared.click("button", "Edit web")
    box.api.call("PATCH", "/kedge/v1/containers/web", {"memory": "48m"})
    fill(declared, memory="32m")
    declared.js("await page.getByRole('dialog').getByRole('alert').waitFor()")
    assert declared.js("return page.getByRole('dialog').getByRole('button', {name: 'Change'}).isDisabled()")


def test_snapshots_are_compared_and_gone_back_to(box, declared):
    declare(declared, memory="64m")
    first = box.api.get("/kedge/v1/containers")["snapshot"]
    box.api.call("PATCH", "/kedge/v1/containers/web", {"memory": "32m"})
    declared.click("link", "Snapshots")
    declared.click("button", f"Compare with snapshot {first}")
    declared.js("await page.getByRole('dialog').getByRole('row', {name: /memory 64m 32m/}).waitFor()")
    declared.shot("snapshot")
    declared.click("button", "Go back to it")
    kedge.wait_for(lambda: box.inspect("web")["HostConfig"]["Memory"] == 64 << 20)
    declared.click("button", f"Compare with snapshot {first}")
    declared.sees("It is what is declared now.")
    assert declared.js("return page.getByRole('button', {name: 'Go back to it'}).isDisabled()")


def test_the_allow_list_is_tried_before_it_is_applied(box, page):
    box.run_container(["sleep", "1000"], name="web")
    page.click("link", "Allow-list")
    page.sees("With this list 1 container would be removed.")
    page.fill("Allow-list", "sha256:zz")
    page.js("await page.getByRole('alert').waitFor()")
    page.fill("Allow-list", box.api.get("/images/busybox:test/json")["Id"])
    page.sees("With this list no container would be removed.")
    page.fill("Allow-list", "sha256:" + "0" * 64)
    page.sees("With this list 1 container would be removed.")
    page.js("await page.getByLabel('Only images on the list may run').check()")
    page.click("button", "Apply…")
    page.sees("1 container would be stopped and deleted")
    assert box.inspect("web")["State"]["Running"]
    page.shot("allow-list")
    page.click("button", "Apply")
    kedge.wait_for(lambda: not box.api.get("/containers/json?all=1"), 30)
    page.row(Name="web", Image="busybox:test")  # what was removed
    page.js("await page.getByLabel('Only images on the list may run').uncheck()")
    page.click("button", "Apply…")
    page.sees("Every image may run.")
    page.click("button", "Apply")
    kedge.wait_for(lambda: not box.api.get("/kedge/v1/enforcement")["enabled"])
