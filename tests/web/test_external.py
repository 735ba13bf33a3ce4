# SPDX-License-Identifier: Apache-2.0
"""Containers of another engine in the dashboard: Debian's dockerd, and podman's service, beside kedged."""
import shutil
import socket

import pytest

import dockerd
import engines
import kedge

SERVICE = "/kedge/v1/service"
UNKNOWN = "What would be removed or stopped of the other engine is not known."


class Engine:
    """Another engine, as these tests want it. Its containers end at once."""

    def __init__(self, real):
        self.real, self.kind, self.url = real, real.kind, f"unix://{real.socket}"
        self.allowed, self.denied = f"{self.kind}\nallowed", f"{self.kind}\nnot allowed"

    def run(self, name, image=engines.GOOD):
        self.real.run(name, image, options=["--stop-signal", "KILL"])

    def create(self, name, *options):
        self.real.create(name, options=options)

    def inspect(self, name):
        return kedge.Api(self.real.socket).get(f"/containers/{name}/json")

    def state(self, name):
        return self.inspect(name)["State"]["Status"] if name in self.real.names() else None


def started(kind, is_installed):
    if not is_installed:
        pytest.skip("it is not installed")
    kedge.prepare_cgroups()
    real = kind()
    try:
        yield Engine(real)
    finally:
        real.close()


@pytest.fixture(scope="module")
def docker():
    yield from started(engines.Docker, dockerd.is_installed())


@pytest.fixture(scope="module")
def podman():
    yield from started(engines.Podman, shutil.which("podman"))


def connect(box, url):
    box.api.call("PATCH", SERVICE, {"engine": {"url": url}})


def connected(box, other):
    connect(box, other.url)
    kedge.wait_for(lambda: box.api.get("/kedge/v1/engine")["state"] == "connected", 60)
    yield other
    box.api.call("PUT", SERVICE, {"enforcement": {"enabled": False}})
    other.real.remove_all()


@pytest.fixture
def engine(box, docker):
    """Connected to this test's kedged; nothing of either stays."""
    yield from connected(box, docker)


@pytest.fixture(params=["docker", "podman"])
def either(box, request):
    yield from connected(box, request.getfixturevalue(request.param))


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


def test_its_containers_stand_beside_kedges(box, either, page):
    either.run("web")
    box.run_container(["sleep", "1000"], name="web", StopSignal="KILL")
    row = page.row(Name="web", Managed_by=either.allowed, State="running")
    assert row["Image"].endswith("busybox") and row["Tag"] == "test"
    digests = {digest.split("sha256:")[1][:12] for digest in either.real.image(engines.GOOD)["RepoDigests"]}
    assert row["Digest"] in digests
    assert page.js("return page.getByText(args[0], {exact: true}).getAttribute('title')", either.kind) == either.url
    assert page.row(Name="web", Managed_by="nobody")["Actions"] == row["Actions"]
    page.shot(f"external-{either.kind}")
    assert page.js("return page.getByRole('link', {name: 'web', exact: true}).count()") == 1  # of the one that has a log, a terminal and charts here
    page.fill("Filter containers", either.kind)
    kedge.wait_for(lambda: [one["Managed by"] for one in page.rows()] == [either.allowed])


def test_they_are_started_stopped_restarted_and_deleted(either, page):
    job = f"job of {either.kind}"
    either.create("job", "--stop-signal", "KILL")
    page.row(Name="job", State="created")
    page.click("button", f"Start {job}")
    page.row(Name="job", State="running")
    page.sees(f"{job} was started")
    began = either.inspect("job")["State"]["StartedAt"]
    page.click("button", f"Restart {job}")
    page.sees(f"{job} was restarted")
    assert either.inspect("job")["State"]["StartedAt"] != began
    page.click("button", f"Delete {job}")
    page.sees("the container runs, and is killed")
    page.sees(f"Its volumes stay with {either.kind}.")
    page.shot(f"external-{either.kind}-delete")
    keyboard(page, "Escape")
    page.misses("This is lost for good:")
    assert either.state("job") == "running"
    page.click("button", f"Stop {job}")
    page.row(Name="job", State="exited")
    page.click("button", f"Delete {job}")
    page.sees("This is lost for good:")
    assert page.js("return page.getByText('the container runs, and is killed').count()") == 0
    page.click("button", "Delete")
    page.sees("No container is on this device yet.")
    assert either.state("job") is None


def test_what_docker_does_by_itself_is_seen(engine, page):
    page.sees("No container is on this device yet.")
    engine.run("web")
    page.row(Name="web", State="running")
    engine.real.call("pause", "web")
    assert page.row(Name="web", State="paused")["Actions"].split() == ["Stop", "Delete"]
    engine.real.call("unpause", "web")
    engine.real.call("rename", "web", "other")
    page.row(Name="other", State="running")
    engine.real.call("rm", "-f", "other")
    page.sees("No container is on this device yet.")


def test_docker_ends_and_comes_again(box, engine, page):
    """What kedge has stays to be seen and used."""
    engine.run("web")
    box.create(["true"], name="own")
    page.row(Name="web", State="running")
    engine.real.kill()
    try:
        page.sees(f"The engine at {engine.url} cannot be reached: ")
        kedge.wait_for(lambda: [row["Name"] for row in page.rows()] == ["own"])
    finally:
        engine.real.start()
    page.row(Name="web", Managed_by=engine.allowed)
    page.misses("cannot be reached")


@pytest.fixture
def denied(box, engine):
    """One that is not allowed any more: a rule denies it, which deletes nothing."""
    engine.create("root", "--privileged")
    kedge.wait_for(lambda: [one["allowed"] for one in box.api.get("/kedge/v1/engine/containers")["containers"]] == [True])
    box.api.call("PATCH", SERVICE, {"enforcement": {"rules": {"privileged": {"mode": "deny"}}}})
    return "root"


def test_one_that_is_not_allowed_says_why(engine, denied, page):
    page.row(Name=denied, Managed_by=engine.denied)
    tab_to(page, "not allowed")
    keyboard(page, "Enter")
    reason = 'is refused by the rule "privileged": it is privileged'
    page.sees(reason)
    page.shot("external-not-allowed")
    page.click("button", "Start root of docker")
    page.js("await page.locator('.note.bad').waitFor()")
    assert reason in page.js("return page.locator('.note.bad').innerText()") and engine.state(denied) != "running"


def test_an_engine_that_cannot_be_reached(box, docker, page):
    box.create(["true"], name="web")
    connect(box, f"unix://{docker.real.socket}-none")
    page.sees(f"The engine at unix://{docker.real.socket}-none cannot be reached: ")
    assert "No such file or directory" in page.js("return page.getByRole('alert').innerText()")
    page.row(Name="web", State="created")
    page.shot("external-away")
    docker.run("back")
    connect(box, docker.url)
    page.row(Name="back", Managed_by=docker.allowed)
    page.misses("cannot be reached")
    box.api.call("PUT", SERVICE, {"enforcement": {"enabled": False}})
    kedge.wait_for(lambda: [row["Name"] for row in page.rows()] == ["web"])
    docker.real.remove_all()


def test_its_state_stands_beside_its_field(docker, page):
    page.click("link", "Settings")
    page.fill("Engine's host", f"unix://{docker.real.socket}-none")
    page.click("button", "Apply…")
    page.click("button", "Apply")
    page.sees("not connected")
    page.sees("No such file or directory")
    page.fill("Engine's host", docker.url)
    page.click("button", "Apply…")
    page.click("button", "Apply")
    version = "docker " + docker.real.call("version", "--format", "{{.Server.Version}}").strip()
    page.sees(version)
    assert "connected" in page.js("return page.getByRole('status').filter({hasText: args[0]}).innerText()", docker.url)
    page.shot("external-settings")
    page.fill("Engine's host", "")
    page.click("button", "Apply…")
    page.click("button", "Apply")
    page.misses(version)


def test_a_preview_names_what_would_be_removed_of_it(box, engine, page):
    engine.run("kept")
    engine.run("bad", engines.EVIL)
    page.click("link", "Settings")
    page.js("await page.getByLabel('Only images on the list may run').check()")
    page.fill("Allow-list", engine.real.image(engines.GOOD)["Id"])
    page.sees("With these options 1 container would be removed:")
    row = page.row(Name="bad", Engine="docker")
    assert row["Image"] == engines.EVIL and "is not allowed" in row["Why"]
    page.js("await page.getByRole('table').scrollIntoViewIfNeeded()")
    page.shot("external-preview")
    page.click("button", "Apply…")
    page.sees("1 container would be stopped and deleted")
    page.click("button", "Apply")
    page.sees("The options were changed")
    page.click("link", "Allow-list")
    kedge.wait_for(lambda: page.row(Name="bad", Engine="docker").get("Removed"))
    assert engine.state("bad") is None and engine.state("kept") == "running"
    page.click("link", "Containers")
    page.row(Name="kept", Managed_by=engine.allowed)


def test_a_preview_names_what_a_rule_would_stop_there(box, engine, page):
    engine.run("kept")
    engine.real.run("admin", options=["--cap-add", "SYS_ADMIN", "--stop-signal", "KILL"])
    engine.create("rests", "--cap-add", "SYS_ADMIN")
    page.click("link", "Settings")
    page.js("await page.getByRole('group', {name: 'Capabilities'}).getByRole('combobox').selectOption('deny')")
    page.sees("1 container of the other engine would be stopped, and kept:")
    assert "SYS_ADMIN" in page.row(Name="admin", Engine="docker")["Why"]
    page.click("button", "Apply…")
    assert "1 container of the other engine would be stopped" in page.js("const told = page.getByRole('dialog'); await told.getByText('No container is removed.').waitFor(); return told.innerText()")
    page.click("button", "Apply")
    page.sees("The options were changed")
    kedge.wait_for(lambda: engine.state("admin") == "exited", 30)
    assert engine.state("kept") == "running" and engine.state("rests") == "created"


def test_a_preview_of_an_engine_that_nobody_has_asked_says_so(box, docker, page):
    connect(box, f"unix://{docker.real.socket}-none")
    page.click("link", "Settings")
    page.sees("With these options no container would be removed.")
    page.js("await page.getByLabel('Only images on the list may run').check()")
    page.sees("With these options no container of kedge's would be removed.")
    page.sees(UNKNOWN)
    page.click("button", "Apply…")
    page.sees("No container of kedge's is removed.")
    keyboard(page, "Escape")
    box.api.call("PUT", SERVICE, {"enforcement": {"enabled": False}})


def set_rule(page, mode):
    page.js("await page.getByRole('group', {name: 'Privileged'}).getByRole('combobox').selectOption(args[0])", mode)


def question(page):
    """What is asked before a change is made, and how its button looks."""
    page.click("button", "Apply…")
    page.sees("No container of kedge's is removed.")
    return page.js("const told = page.getByRole('dialog'); return [await told.innerText(), await told.getByRole('button', {name: 'Apply'}).getAttribute('class')]")


def test_a_preview_of_a_rule_says_that_its_stops_are_not_known(box, docker, page):
    """The list is off: a rule removes nothing, but stops what runs there."""
    connect(box, f"unix://{docker.real.socket}-none")
    page.click("link", "Settings")
    page.sees("With these options no container would be removed.")
    set_rule(page, "deny")
    page.sees("With these options no container of kedge's would be removed.")
    page.sees(UNKNOWN)
    set_rule(page, "warn")
    page.misses(UNKNOWN)
    set_rule(page, "deny")
    page.sees(UNKNOWN)
    text, looks = question(page)
    assert UNKNOWN in text and "danger" in looks
    page.click("button", "Apply")
    page.sees("The options were changed")
    page.click("link", "Allow-list")
    page.sees(UNKNOWN)
    page.click("button", "Apply…")  # the list stays off, and the rule goes on
    page.js("await page.getByRole('dialog').getByText(args[0]).waitFor()", UNKNOWN)
    keyboard(page, "Escape")
    box.api.call("PUT", SERVICE, {"enforcement": {"enabled": False}})


def test_a_preview_of_an_engine_that_does_not_answer_yet_says_so(box, page, tmp_path):
    """No problem of it is known either."""
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        connect(box, f"unix://{tmp_path}/mute")
        page.click("link", "Settings")
        page.js("await page.getByLabel('Only images on the list may run').check()")
        page.sees(UNKNOWN)
        box.api.call("PUT", SERVICE, {"enforcement": {"enabled": False}})


def test_by_keyboard_alone(engine, page):
    engine.run("web")
    page.row(Name="web", State="running")
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
    engine.run(long)
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
