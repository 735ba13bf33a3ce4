# SPDX-License-Identifier: Apache-2.0
"""docs/getting-started.md is followed: what it has people click and type is clicked and typed, and its commands are run as they stand there."""
import json
import os
import re
import shutil
import subprocess
import urllib.request

import pytest

import browser
import kedge
import registries

TEXT = (kedge.TOP / "docs" / "getting-started.md").read_text()
SECTIONS = dict(re.findall(r"^## \d\. (.*?)\n(.*?)(?=^## )", TEXT, re.M | re.S))


def image(text):
    """nginx, as far as anybody sees it from outside."""
    program = open(shutil.which("busybox"), "rb").read()
    files = {"bin/busybox": program, "bin/ls": program, "bin/sh": program, "www/index.html": text.encode()}
    return registries.Unpackable([files], config={"Cmd": ["/bin/busybox", "httpd", "-f", "-v", "-p", "80", "-h", "/www"], "StopSignal": "KILL"})


class Place:
    """Where the document says /etc/kedge, port 2376 and port 8080, this says others."""

    def __init__(self, directory):
        self.daemon = kedge.Daemon()
        self.hub = registries.FakeRegistry()
        for tag in ("1.26", "1.28"):
            self.hub.add(image(f"this is {tag}\n"), f"{tag}-alpine")
        (self.daemon.registries / "docker.io.yaml").write_text(f"mirrors: ['{self.hub.host}']\n")
        self.directory, self.port, self.web = directory, kedge.free_port(), kedge.free_port()

    def here(self, text):
        for there, here in (("/etc/kedge", str(self.directory)), ("2376", str(self.port)), ("0.0.0.0", "127.0.0.1"), ("8080", str(self.web))):
            text = text.replace(there, here)
        return text

    def commands(self, section):
        """All of them; each must succeed. Gives what they said together."""
        said = ""
        for line in "\n".join(re.findall(r"^```sh\n(.*?)^```", SECTIONS[section], re.M | re.S)).splitlines():
            line = self.here(line)
            password = "a good one\n" if line.startswith("kedge passwd") else None
            if password:
                line += f" --file {self.directory}/passwords --password-stdin"
            done = subprocess.run(["sh", "-c", line], cwd=self.directory, input=password or "", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                                  env={**self.daemon.client_environment(), "PATH": f"{kedge.BIN}:{os.environ['PATH']}"})
            assert done.returncode == 0, (line, done.stdout)
            said += done.stdout
        return said

    def start(self):
        """With the configuration that the document has."""
        config = self.directory / "kedged.yaml"
        config.write_text(self.here(re.search(r"^```yaml\n(.*?)^```", SECTIONS["Let a browser in"], re.M | re.S)[1]))
        self.daemon.options = ["--config", str(config)]
        self.daemon.start()

    def served(self):
        """What the container's page shows; None: it does not answer at this moment."""
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.web}/index.html", timeout=5).read().decode()
        except OSError:
            return None

    def close(self):
        for one in self.daemon.api.get("/kedge/v1/containers")["containers"] if self.daemon.process else []:
            self.daemon.api.delete(f"/kedge/v1/containers/{one['name']}")
        self.daemon.remove_all()
        self.daemon.close()
        self.hub.close()


class Reader:
    """Somebody who follows a section: what is clicked must stand there in bold letters, what is typed in its own."""

    def __init__(self, browser, place, section):
        self.browser, self.place, self.text = browser, place, SECTIONS[section]

    def says(self, words):
        assert f"**{words}**" in self.text, f"the document does not say {words}"
        return words

    def click(self, role, name):
        self.browser.click(role, self.says(name))

    def click_in_row(self, row, words):
        self.browser.js("await page.locator('tr', {has: page.locator('td.title').getByText(args[0], {exact: true})}).getByText(args[1], {exact: true}).click()", row, self.says(words))

    def type(self, label, text):
        assert f"`{text}`" in self.text, f"the document does not say {text}"
        self.browser.fill(self.says(label), self.place.here(text))

    def sees(self, words):
        self.browser.sees(self.says(words))


@pytest.fixture
def place(tmp_path):
    it = Place(tmp_path)
    yield it
    it.close()


def test_the_document_is_followed(place, chromium):
    place.commands("Let a browser in")
    place.start()
    relay = browser.Relay(chromium, port=place.port)
    chromium.renew(f"https://localhost:{place.port}")
    chromium.go()
    reader = Reader(chromium, place, "Let a browser in")
    reader.type("User", "admin")
    chromium.fill(reader.says("Password"), "a good one")
    reader.click("button", "Log in")

    reader = Reader(chromium, place, "Declare a container")
    reader.click("link", "Declared")
    reader.click("button", "Declare…")
    reader.type("name", "web")
    reader.type("image", "nginx:1.26-alpine")
    reader.type("ports", "8080:80")
    reader.sees("A container is made.")
    reader.click("button", "Declare")
    chromium.row(Name="web", As_declared="yes", State="running")
    chromium.shot("getting-started-declared")
    assert kedge.wait_for(place.served) == "this is 1.26\n"
    assert "web: unchanged" in place.commands("Declare a container")  # they declare the very same

    reader = Reader(chromium, place, "Watch it")
    reader.click("link", "Containers")
    reader.click("link", "web")
    reader.click("tab", "Overview")
    chromium.sees("nginx:1.26-alpine")
    reader.click("tab", "Logs")
    chromium.sees("response:200")  # our look at its page
    reader.click("tab", "Charts")
    kedge.wait_for(lambda: chromium.js("return page.locator('.chart').count()") == 4)
    reader.click("tab", "Terminal")
    reader.click("button", "Open")
    kedge.wait_for(lambda: "#" in chromium.dom("document.querySelector('.xterm-rows')?.innerText ?? ''"))
    for page in ("Device", "Events"):
        reader.click("link", page)
        chromium.js("await page.getByRole('heading', {name: args[0], exact: true}).waitFor()", page)
    said = place.commands("Watch it")
    assert "nginx:1.26-alpine" in said and "response:200" in said and "www" in said

    reader = Reader(chromium, place, "Update it")
    reader.click("link", "Declared")
    reader.click_in_row("web", "Edit")
    reader.type("image", "nginx:1.28-alpine")
    reader.sees("The container is replaced")
    reader.click("button", "Change")
    kedge.wait_for(lambda: place.served() == "this is 1.28\n", 60)
    kedge.wait_for(lambda: chromium.rows() and chromium.rows()[0]["Image"] == "nginx:1.28-alpine" and chromium.rows()[0]["As declared"] == "yes", 60)
    assert "web: unchanged" in place.commands("Update it")

    reader = Reader(chromium, place, "Take it back")
    reader.click("link", "Snapshots")
    reader.click_in_row("1", "Compare…")
    chromium.js("await page.getByRole('dialog').getByRole('row', {name: /image nginx:1.26-alpine nginx:1.28-alpine/}).waitFor()")
    place.hub.requests.clear()
    reader.click("button", "Go back to it")
    kedge.wait_for(lambda: place.served() == "this is 1.26\n", 60)
    assert not place.hub.requests  # nothing had to be pulled
    assert "nginx:1.26-alpine" in json.dumps(place.daemon.api.get("/kedge/v1/containers"))
    assert "apply web" in place.commands("Take it back")
    assert chromium.complaints() == []
    relay.close()


def test_its_words_are_on_the_screen():
    """What it names beside the steps, and where it leads to."""
    shown = "".join(path.read_text() for path in (kedge.TOP / "web" / "src").rglob("*.tsx"))
    fields = json.loads((kedge.TOP / "docs" / "containers.schema.json").read_text())["properties"]
    words = set(re.findall(r"\*\*(.+?)\*\*", TEXT)) - {"bold", "web", "1", "yes"}
    assert len(words) > 25 and [word for word in sorted(words) if word not in shown and word not in fields] == []
    assert [name for name in re.findall(r"\]\((\S+?)\)", TEXT) if not (kedge.TOP / "docs" / name).exists()] == []
    assert "docs/getting-started.md" in (kedge.TOP / "README.md").read_text()
