# SPDX-License-Identifier: Apache-2.0
"""A real browser (Debian's Chromium, driven by playwright-core) before a real kedged."""
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import threading

import kedge
import namespaces
import node

NODE = kedge.TOP / "tests" / "web" / "node"
SHOTS = kedge.TOP / "build" / "screenshots"


def has_dashboard():
    """Whether the kedged of this build was built with it."""
    return (kedge.BUILD / "src" / "api" / "web_files.bin").exists() and (kedge.BUILD / "src" / "api" / "web_files.bin").stat().st_size > 0


class Relay:
    """A TCP port of the browser's loopback that leads to a socket of kedged's, or to the same port here: its namespace has no other."""

    def __init__(self, browser, path=None, port=0):
        self.path, self.port = path, port
        with browser.namespace.inside():
            self.server = socket.create_server(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.open, self.lock = set(), threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        inner = socket.socket(socket.AF_UNIX if self.path else socket.AF_INET)
        try:
            inner.connect(str(self.path) if self.path else ("127.0.0.1", self.port))
        except OSError:
            client.close()
            inner.close()
            return
        with self.lock:
            self.open |= {client, inner}
        back = threading.Thread(target=self.pump, args=(inner, client), daemon=True)
        back.start()
        self.pump(client, inner)
        back.join()
        with self.lock:
            self.open -= {client, inner}
        client.close()
        inner.close()

    @staticmethod
    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        with self.lock:
            for end in self.open:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Browser:
    """js() runs JavaScript with `page`, `context` and `args`, and gives what it returns; dom() what an expression is in the page itself.

    It is in a network namespace of its own: Chromium breaks off what it loads whenever a link or an address of its machine changes."""

    def __init__(self):
        self.namespace = namespaces.Namespace()
        self.process = self.namespace.popen("node", str(NODE / "driver.js"), shutil.which("chromium"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env={**os.environ, "NODE_PATH": str(node.modules(NODE, "node-web"))})
        self.answer(90)

    def renew(self, address, width=1280, height=860, scheme="light"):
        """A page of a browser that has never been anywhere."""
        return self.tell({"renew": {"address": address, "width": width, "height": height, "scheme": scheme}}) or self

    def answer(self, seconds):
        assert select.select([self.process.stdout], [], [], seconds)[0], f"the browser said nothing for {seconds} s"
        said = json.loads(self.process.stdout.readline() or '{"error": "the browser has ended"}')
        if "error" in said:
            raise AssertionError(said["error"])
        return said["value"]

    def tell(self, what, seconds=60):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()
        return self.answer(seconds)

    def js(self, code, *args):
        return self.tell({"code": code, "args": args})

    def dom(self, expression):
        return self.js("return page.evaluate(args[0])", expression)

    # -- what most tests do --

    def go(self, path="/"):
        self.js("await page.goto(args[0])", path)
        return self

    def click(self, role, name, exact=True):
        self.js("await page.getByRole(args[0], {name: args[1], exact: args[2]}).click()", role, name, exact)

    def fill(self, label, text):
        self.js("await page.getByLabel(args[0], {exact: true}).fill(args[1])", label, text)

    def sees(self, text):
        self.js("await page.getByText(args[0]).first().waitFor()", text)

    def misses(self, text):
        self.js("await page.getByText(args[0]).first().waitFor({state: 'detached'})", text)

    def rows(self):
        """Each row of the page's table: {column: text}."""
        return self.js("return page.locator('tbody tr').evaluateAll(rows => rows.map(row => "
                       "Object.fromEntries([...row.querySelectorAll('td')].map(cell => [cell.dataset.label, cell.innerText.trim()]))))")

    def row(self, **wanted):
        """Waits for a row that has these texts in its columns, and gives it."""
        def found():
            return next((row for row in self.rows() if all(row.get(key.replace("_", " ")) == value for key, value in wanted.items())), None)
        found.__name__ = f"a row with {wanted}"
        return kedge.wait_for(found)

    def shot(self, name):
        """Kept below build/screenshots, to be looked at."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.js("await page.screenshot({path: args[0]})", str(SHOTS / f"{name}.png"))

    def complaints(self):
        return self.js("return complaints")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.namespace.close()
