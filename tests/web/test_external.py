# SPDX-License-Identifier: Apache-2.0
"""Containers of another engine in the dashboard: Debian's dockerd beside kedged."""
import contextlib
import subprocess

import pytest

import dockerd
import kedge

SERVICE = "/kedge/v1/service"
ALLOWED = "docker\nallowed"


class Docker(dockerd.Dockerd):
    """With two images, of which a test allows one."""

    def start(self):
        super().start()
        self.api, self.url = kedge.Api(self.socket), f"unix://{self.socket}"
        layer = kedge.mkimage.layer_tar(str(kedge.busybox_directory(self.directory / "busybox")), {})
        for name in ("good", "evil"):
            self.api.post(f"/images/create?fromSrc=-&repo={name}&tag=1", layer, {"Content-Type": "application/x-tar"})
        return self

    def make(self, name, image="good:1", *options, verb="run -d"):
        self.docker(*verb.split(), "--net", "none", "--stop-signal", "KILL", "--name", name, *options, image, "sleep", "1000")

    @contextlib.contextmanager
    def cannot_delete(self, name):
        held = self.directory / "dr" / "containers" / self.api.get(f"/containers/{name}/json")["Id"] / "held"
        held.touch()
        if subprocess.run(["chattr", "+i", held], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("files cannot be made immutable here")
        try:
            yield
        finally:
            subprocess.run(["chattr", "-i", held], check=True)

    def state(self, name):
        status, _ = self.api.raw("GET", f"/containers/{name}/json")
        return self.api.get(f"/containers/{name}/json")["State"]["Status"] if status == 200 else None

    def remove_all(self):
        for container in self.api.get("/containers/json?all=1"):
            self.api.raw("DELETE", f"/containers/{container['Id']}?force=1")


@pytest.fixture(scope="module")
def docker():
    if not dockerd.is_installed():
        pytest.skip("dockerd is not installed")
    kedge.prepare_cgroups()
    it = Docker()
    try:
        yield it.start()
    finally:
        it.close()


def connect(box, url):
    box.api.call("PATCH", SERVICE, {"engine": {"url": url}})


@pytest.fixture
def engine(box, docker):
    """Connected to this test's kedged; nothing of either stays."""
    connect(box, docker.url)
    kedge.wait_for(lambda: box.api.get("/kedge/v1/engine")["state"] == "connected")
    yield docker
    box.api.call("PUT", SERVICE, {})
    docker.remove_all()


def keyboard(page, *keys):
    for key in keys:
        page.js("await page.keyboard.press(args[0])", key)


def tab_to(page, label):
    focused = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    for _ in range(40):
        if page.dom(focused).strip() == label:
            return
        keyboard(page, "Tab")
    raise AssertionError(f"{label} is not reached")


def count_asked(page):
    """From now on, what the page asks of the other engine is noted."""
    page.js("globalThis.asked = []; page.on('request', one => { const path = new URL(one.url()).pathname; path.startsWith('/kedge/v1/engine') && asked.push(path); })")


def test_without_another_engine_it_is_asked_about_once(box, chromium, relay):
    box.create(["true"], name="web")
    chromium.renew(relay.address)
    chromium.js("await page.clock.install()")
    count_asked(chromium)
    chromium.go()
    chromium.row(Name="web", Managed_by="nobody")
    chromium.js("await page.clock.runFor(60_000)")
    box.create(["true"], name="second")
    chromium.js("await page.clock.runFor(1_000)")
    chromium.row(Name="second")
    assert chromium.js("return asked") == ["/kedge/v1/engine"] and chromium.complaints() == []


def test_its_containers_stand_beside_kedges(box, engine, page):
    engine.make("web")
    box.run_container(["sleep", "1000"], name="web", StopSignal="KILL")
    row = page.row(Name="web", Managed_by=ALLOWED)
    assert (row["State"], row["Image"], row["Tag"]) == ("running", "good", "1")
    assert row["Digest"] == engine.api.get("/images/good:1/json")["Id"].split(":")[1][:12]
    assert page.js("return page.getByText('docker', {exact: true}).getAttribute('title')") == engine.url
    own = page.row(Name="web", Managed_by="nobody")
    assert own["Actions"] == row["Actions"]
    page.shot("external")
    assert page.js("return page.getByRole('link', {name: 'web', exact: true}).count()") == 1  # of the one that has a log, a terminal and charts here
    page.fill("Filter containers", "docker")
    kedge.wait_for(lambda: [one["Managed by"] for one in page.rows()] == [ALLOWED])


def test_they_are_started_stopped_restarted_and_deleted(engine, page):
    engine.make("job", verb="create")
    page.row(Name="job", State="created")
    page.click("button", "Start job of docker")
    page.row(Name="job", State="running")
    page.sees("job of docker was started")
    began = engine.api.get("/containers/job/json")["State"]["StartedAt"]
    page.click("button", "Restart job of docker")
    page.sees("job of docker was restarted")
    assert engine.api.get("/containers/job/json")["State"]["StartedAt"] != began
    engine.docker("pause", "job")
    assert page.row(Name="job", State="paused")["Actions"].split() == ["Stop", "Delete"]
    engine.docker("unpause", "job")
    page.row(Name="job", State="running")
    page.click("button", "Delete job of docker")
    page.sees("the container runs, and is killed")
    page.sees("Its volumes stay with docker.")
    page.shot("external-delete")
    keyboard(page, "Escape")
    page.misses("This is lost for good:")
    assert engine.state("job") == "running"
    page.click("button", "Stop job of docker")
    page.row(Name="job", State="exited")
    page.click("button", "Delete job of docker")
    page.sees("This is lost for good:")
    assert page.js("return page.getByText('the container runs, and is killed').count()") == 0
    page.click("button", "Delete")
    page.sees("No container is on this device yet.")
    assert engine.state("job") is None


def test_what_docker_does_by_itself_is_seen(engine, page):
    page.sees("No container is on this device yet.")
    engine.make("web")
    page.row(Name="web", State="running")
    engine.docker("rename", "web", "other")
    page.row(Name="other", State="running")
    engine.docker("rm", "-f", "other")
    page.sees("No container is on this device yet.")


@pytest.fixture
def denied(box, engine):
    """One that is not allowed any more, and that docker cannot delete."""
    engine.make("root", "good:1", "--privileged", verb="create")
    kedge.wait_for(lambda: [one["allowed"] for one in box.api.get("/kedge/v1/engine/containers")["containers"]] == [True])
    with engine.cannot_delete("root"):
        box.api.call("PATCH", SERVICE, {"enforcement": {"rules": {"privileged": {"mode": "deny"}}}})
        yield "root"


def test_one_that_is_not_allowed_says_why(engine, denied, page):
    page.row(Name=denied, Managed_by="docker\nnot allowed")
    page.js("await page.locator('td summary').click()")
    reason = 'image "good:1" is refused by the rule "privileged": it is privileged'
    page.sees(reason)
    page.shot("external-not-allowed")
    page.click("button", "Start root of docker")
    page.js("await page.locator('.note.bad').waitFor()")
    assert reason in page.js("return page.locator('.note.bad').innerText()") and engine.state(denied) != "running"


def test_an_engine_that_cannot_be_reached(box, docker, page):
    box.create(["true"], name="web")
    connect(box, f"unix://{docker.directory}/none.sock")
    page.sees(f"The engine at unix://{docker.directory}/none.sock cannot be reached: ")
    assert "No such file or directory" in page.js("return page.getByRole('alert').innerText()")
    page.row(Name="web", State="created")
    page.shot("external-away")
    docker.make("back")
    connect(box, docker.url)
    page.row(Name="back", Managed_by=ALLOWED)
    page.misses("cannot be reached")
    box.api.call("PUT", SERVICE, {})
    kedge.wait_for(lambda: [row["Name"] for row in page.rows()] == ["web"])
    docker.remove_all()


def test_its_state_stands_beside_its_field(box, docker, page):
    page.click("link", "Settings")
    page.fill("Engine's host", f"unix://{docker.directory}/none.sock")
    page.click("button", "Apply…")
    page.click("button", "Apply")
    page.sees("not connected")
    page.sees("No such file or directory")
    page.fill("Engine's host", docker.url)
    page.click("button", "Apply…")
    page.click("button", "Apply")
    page.sees(f"docker {docker.api.get('/version')['Version']}")
    assert "connected" in page.js("return page.getByRole('status').filter({hasText: args[0]}).innerText()", docker.url)
    page.shot("external-settings")
    page.fill("Engine's host", "")
    page.click("button", "Apply…")
    page.click("button", "Apply")
    page.misses(f"docker {docker.api.get('/version')['Version']}")


def test_a_preview_names_what_would_be_removed_of_it(box, engine, page):
    engine.make("kept")
    engine.make("bad", "evil:1")
    page.click("link", "Settings")
    page.js("await page.getByLabel('Only images on the list may run').check()")
    page.fill("Allow-list", engine.api.get("/images/good:1/json")["Id"])
    page.sees("With these options 1 container would be removed:")
    row = page.row(Name="bad", Engine="docker")
    assert row["Image"] == "evil:1" and "is not allowed" in row["Why"]
    page.shot("external-preview")
    page.click("button", "Apply…")
    page.sees("1 container would be stopped and deleted")
    page.click("button", "Apply")
    page.sees("The options were changed")
    page.click("link", "Allow-list")
    kedge.wait_for(lambda: page.row(Name="bad", Engine="docker")["Removed"])
    assert engine.state("bad") is None and engine.state("kept") == "running"
    page.click("link", "Containers")
    page.row(Name="kept", Managed_by=ALLOWED)


def test_a_preview_of_an_engine_that_nobody_has_asked_says_so(box, docker, page):
    connect(box, f"unix://{docker.directory}/none.sock")
    page.click("link", "Settings")
    page.sees("With these options no container would be removed.")
    page.js("await page.getByLabel('Only images on the list may run').check()")
    page.sees("With these options no container of kedge's would be removed.")
    page.sees("What would be removed of the other engine is not known.")
    page.click("button", "Apply…")
    page.sees("No container of kedge's is removed.")
    keyboard(page, "Escape")
    box.api.call("PUT", SERVICE, {})


def test_by_keyboard_alone(engine, page):
    engine.make("web")
    page.row(Name="web")
    keyboard(page, "/")
    page.js("await page.keyboard.type('docker')")
    tab_to(page, "Stop web of docker")
    keyboard(page, "Enter")
    page.row(Name="web", State="exited")
    keyboard(page, "/")
    tab_to(page, "Start web of docker")
    keyboard(page, "Enter")
    page.row(Name="web", State="running")
    keyboard(page, "/")
    tab_to(page, "Delete web of docker")
    keyboard(page, "Enter")
    page.sees("This is lost for good:")
    tab_to(page, "Delete")
    keyboard(page, "Enter")
    page.sees("No container is on this device yet.")
    assert engine.state("web") is None


@pytest.mark.parametrize("width", [320, 820, 1100, 1280])
def test_nothing_is_wider_than_the_screen(box, engine, denied, relay, chromium, width):
    long = "rather-long-name-" * 4
    engine.make(long)
    box.create(["true"], name="web")
    chromium.renew(relay.address, width, 800, "dark" if width == 320 else "light")
    chromium.go()
    chromium.row(Name=long, State="running")
    chromium.js("await page.locator('td summary').click()")
    chromium.shot(f"external-{width}")
    assert chromium.dom("Math.max(document.documentElement.scrollWidth, innerWidth)") <= width
    chromium.click("button", f"Stop {long} of docker")
    chromium.row(Name=long, State="exited")
    chromium.click("link", "Settings")
    chromium.sees(engine.url)
    assert chromium.dom("Math.max(document.documentElement.scrollWidth, innerWidth)") <= width
    assert chromium.complaints() == []
