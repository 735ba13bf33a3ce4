# SPDX-License-Identifier: Apache-2.0
"""Images, volumes, networks, events and the device; a connection that is lost; a phone; no mouse."""
import base64
import os
import subprocess
import threading

import pytest

import kedge
import registries


def keyboard(page, *keys):
    for key in keys:
        page.js("await page.keyboard.press(args[0])", key)


class Slow:
    """An image of which a half comes, and the rest when it is told to."""

    def __init__(self, fake):
        self.image = fake.add(registries.Unpackable([{"file": os.urandom(3_000_000)}]), "1")
        self.name, self.goes_on = f"{fake.host}/test:1", threading.Event()
        fake.rule("/blobs/" + registries.digest(self.image.layers[0]))(self.answer)

    def answer(self, handler, _request):
        data = self.image.layers[0]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:len(data) // 2])
        handler.wfile.flush()
        assert self.goes_on.wait(60)
        handler.wfile.write(data[len(data) // 2:])


@pytest.fixture
def slow(fake):
    it = Slow(fake)
    yield it
    it.goes_on.set()


def pull_half(page, name):
    page.click("link", "Images")
    page.click("button", "Pull…")
    page.fill("Image", name)
    page.click("button", "Pull")
    kedge.wait_for(lambda: 0.3 < (page.dom("document.querySelector('progress')?.position") or 0) < 0.7)


def test_an_image_is_pulled_slowly_and_deleted(box, page, slow):
    page.click("link", "Images")
    page.row(Image="busybox", Tag="test", Used_by="nobody")
    pull_half(page, slow.name)
    page.shot("pull-half-way")
    slow.goes_on.set()
    page.sees("Downloaded newer image")
    page.click("button", "Close")
    page.row(Image=slow.name[:-2], Tag="1", Digest=slow.image.digest.split(":")[1][:12])
    page.click("button", f"Delete {slow.name}")
    page.sees("it cannot be had again")
    page.click("button", "Delete")
    page.sees("was deleted")
    assert [one["RepoTags"] for one in box.api.get("/images/json")] == [["busybox:test"]]


def test_a_pull_that_is_given_up(box, page, slow):
    pull_half(page, slow.name)
    page.click("button", "Cancel")
    page.js("await page.getByRole('dialog').waitFor({state: 'detached'})")
    kedge.wait_for(lambda: subprocess.run(["pgrep", "-P", str(box.process.pid), "kedge-fetch"], stdout=subprocess.DEVNULL).returncode == 1)
    slow.goes_on.set()
    page.row(Image="busybox", Tag="test")
    assert [one["RepoTags"] for one in box.api.get("/images/json")] == [["busybox:test"]]


def test_a_pull_that_fails(page, fake):
    page.click("link", "Images")
    page.click("button", "Pull…")
    page.fill("Image", f"{fake.host}/none:1")
    page.click("button", "Pull")
    page.js("await page.getByRole('dialog').getByRole('alert').waitFor()")
    assert "none" in page.js("return page.getByRole('dialog').getByRole('alert').innerText()")
    keyboard(page, "Escape")
    page.js("await page.getByRole('dialog').waitFor({state: 'detached'})")


def test_a_pull_with_a_login(box, page, fake):
    image = fake.add(registries.Unpackable([{"file": b"secret"}]), "1")
    right = "Basic " + base64.b64encode("käthe:pass wörd".encode()).decode()

    @fake.rule("/v2/")
    def ask(handler, request):
        if request.headers.get("Authorization") == right:
            fake.honest(handler, request)
        else:
            handler.reply(401, headers={"WWW-Authenticate": 'Basic realm="test"'})

    page.click("link", "Images")
    page.click("button", "Pull…")
    page.fill("Image", f"{fake.host}/test:1")
    page.click("button", "Pull")
    page.js("await page.getByRole('dialog').getByRole('alert').waitFor()")
    page.js("await page.getByText('The registry asks for a login').click()")
    page.fill("User", "käthe")
    page.fill("Password", "pass wörd")
    page.click("button", "Pull")
    page.sees("Downloaded newer image")
    assert image.digest in str(box.api.get(f"/images/{fake.host}/test:1/json")["RepoDigests"])
    box.api.delete(f"/images/{fake.host}/test:1")


def test_who_uses_an_image(box, page):
    box.run_container(["sleep", "1000"], name="web")
    page.click("link", "Images")
    page.row(Image="busybox", Used_by="web")
    page.click("button", "Delete busybox:test")
    page.sees("It is used by web")
    page.click("button", "Delete")
    page.js("await page.locator('.note.bad').waitFor()")  # kedge's own words
    assert box.api.get("/images/json")


def test_volumes(box, page):
    page.click("link", "Volumes")
    page.click("button", "Make…")
    page.fill("Name", "data")
    page.click("button", "Make")
    page.row(Name="data", Used_by="nobody")
    box.create(["true"], name="web", host={"Binds": ["data:/data"]})
    page.row(Name="data", Used_by="web")
    assert page.js("return page.getByRole('button', {name: 'Delete data'}).isDisabled()")
    box.remove_all()
    page.row(Name="data", Used_by="nobody")
    page.click("button", "Delete data")
    page.sees("All that is in it is lost for good.")
    page.click("button", "Delete")
    page.sees("No volume is on this device yet.")
    assert not box.api.get("/volumes")["Volumes"]


def test_networks(box, page):
    page.click("link", "Networks")
    page.row(Name="bridge", Actions="built in")
    page.click("button", "Make…")
    page.fill("Name", "inner")
    page.js("await page.getByLabel('Internal: no way out of it').check()")
    page.click("button", "Make")
    subnet = page.row(Name="inner", Driver="bridge, internal")["Subnets"]
    assert subnet == box.api.get("/networks/inner")["IPAM"]["Config"][0]["Subnet"]
    box.run_container(["sleep", "1000"], name="web", host={"NetworkMode": "inner"})
    address = box.inspect("web")["NetworkSettings"]["Networks"]["inner"]["IPAddress"]
    page.row(Name="inner", Containers=f"web {address}")
    box.remove_all()
    page.row(Name="inner", Containers="none")
    page.click("button", "Delete inner")
    page.click("button", "Delete")
    page.sees("inner was deleted")
    assert "inner" not in [network["Name"] for network in box.api.get("/networks")]


def test_events_come_as_they_happen(box, page):
    page.click("link", "Events")
    page.row(What="image load")
    box.create(["true"], name="first")
    page.row(What="container create", Which="first")
    page.fill("Filter events", "no such word")
    page.sees("No event is like that.")


def test_the_device(box, page):
    box.run_container(["sleep", "1000"], name="web", ExposedPorts={"80/tcp": {}},
                      host={"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(kedge.free_port())}]}})
    page.click("link", "Device")
    page.sees("are free on the disk with images and containers")
    page.sees(box.api.get("/version")["KernelVersion"])
    page.sees("1, of which 1 run")
    kedge.wait_for(lambda: page.js("return page.locator('.chart').count()") == 4)
    firewall = box.api.get("/kedge/v1/system/firewall")
    for part in firewall["Sets"]:
        if part["Elements"]:
            page.sees(part["Purpose"])


def test_a_lost_connection(box, page):
    box.run_container(["sleep", "1000"], name="web")
    page.row(Name="web", State="running")
    box.kill()
    page.sees("The connection to kedge is lost")
    page.shot("lost")
    assert page.rows()[0]["Name"] == "web"  # what was known stays to be seen
    box.start()
    page.misses("The connection to kedge is lost")
    box.create(["true"], name="second")
    page.row(Name="second", State="created")


def test_an_action_that_is_refused(box, page):
    box.create(["/bin/none"], name="broken")
    page.click("button", "Start broken")
    page.js("await page.locator('.note.bad').waitFor()")
    assert "/bin/none" in page.js("return page.locator('.note.bad').innerText()")


def test_by_keyboard_alone(box, page):
    box.run_container(["sh", "-c", "echo found; sleep 1000"], name="web")
    box.create(["true"], name="job")
    page.row(Name="web")
    keyboard(page, "/")
    page.js("await page.keyboard.type('we')")
    kedge.wait_for(lambda: len(page.rows()) == 1)
    focused = "document.activeElement.textContent"

    def tab_to(name):
        for _ in range(30):
            if page.dom(focused).strip() == name:
                return
            keyboard(page, "Tab")
        raise AssertionError(f"{name} is not reached")

    tab_to("web")
    keyboard(page, "Enter")
    page.sees("Restart policy")
    tab_to("Overview")
    keyboard(page, "ArrowRight")
    page.sees("found")
    keyboard(page, "ArrowRight", "ArrowRight")
    page.js("await page.getByRole('button', {name: 'Open', exact: true}).waitFor()")
    tab_to("Open")
    keyboard(page, "Enter")
    kedge.wait_for(lambda: "#" in page.dom("document.querySelector('.xterm-rows')?.innerText ?? ''"))
    keyboard(page, "F6")
    assert page.dom(focused) == "Terminal"
    keyboard(page, "Shift+Tab")
    assert page.dom(focused) == "Delete"
    keyboard(page, "Enter")
    page.sees("This is lost for good:")
    tab_to("Delete")
    keyboard(page, "Enter")
    page.row(Name="job")
    assert [one["Names"] for one in box.api.get("/containers/json?all=1")] == [["/job"]]


PAGES = ("Containers", "Declared", "Images", "Volumes", "Networks", "Allow-list", "Snapshots", "Events", "Device", "Settings")


@pytest.mark.parametrize("width", [320, 820, 1100])
def test_nothing_is_wider_than_the_screen(box, relay, chromium, width):
    """Whatever stands in it: long names, and several in one place."""
    names = ["a-" + "rather-long-name-" * 3, "b" * 60]
    for name in names:
        box.create(["true"], name=name, host={"Binds": ["data:/data"]})
    chromium.renew(relay.address, width, 700)
    chromium.go()
    for page in PAGES:
        chromium.click("link", page)
        chromium.js("await page.getByRole('heading', {name: args[0], exact: true}).waitFor()", page)
        chromium.misses("Loading…")
        assert chromium.dom("Math.max(document.documentElement.scrollWidth, innerWidth)") <= width, page
    chromium.js("await page.goto('/#/containers/' + args[0])", names[1])
    chromium.sees("Restart policy")
    assert chromium.dom("Math.max(document.documentElement.scrollWidth, innerWidth)") <= width
    assert chromium.complaints() == []
    box.remove_all()
    box.api.delete("/volumes/data")


def test_on_a_phone_in_the_dark(box, relay, chromium):
    box.run_container(["sleep", "1000"], name="web")
    chromium.renew(relay.address, 390, 844, "dark")
    chromium.go()
    chromium.row(Name="web")
    for page in PAGES:
        chromium.click("link", page)
        chromium.js("await page.getByRole('heading', {name: args[0], exact: true}).waitFor()", page)
        assert chromium.dom("document.documentElement.scrollWidth <= innerWidth"), page
        chromium.shot(f"phone-{page.lower()}")
    assert chromium.dom("getComputedStyle(document.body).backgroundColor") == "rgb(17, 23, 28)"
    chromium.click("link", "Containers")
    chromium.click("button", "Stop web")
    chromium.row(Name="web", State="exited")
    assert chromium.complaints() == []
