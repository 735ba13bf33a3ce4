# SPDX-License-Identifier: Apache-2.0
"""The dashboard over TLS: a login for who has no certificate, and what is refused without one."""
import fcntl
import http.client
import json
import os
import pathlib
import signal
import stat
import subprocess

import pytest

import browser
import kedge
from tls import Authority, TlsDaemon


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca")).issue("server", "serverAuth").issue("client").issue("expired", begin="20200101000000Z", end="20210101000000Z")


@pytest.fixture
def guarded(authority):
    it = TlsDaemon(authority)
    it.passwords = it.directory / "passwords"
    it.configure(passwords=str(it.passwords))
    set_password(it, "admin", "right one")
    it.start()
    it.load_busybox()
    yield it
    it.close()


def set_password(daemon, name, password, *options):
    return daemon.kedge("passwd", "--file", daemon.passwords, "--password-stdin", *options, name, input=password.encode())


def waits_for_lock(process):
    """The kernel tells of those that wait with "->"."""
    return any(f" {process.pid} " in line and "->" in line for line in pathlib.Path("/proc/locks").read_text().splitlines())


def test_two_passwords_at_once_are_both_kept(tmp_path):
    path = tmp_path / "passwords"
    words = [str(kedge.BIN / "kedge"), "passwd", "--file", str(path), "--password-stdin"]
    directory = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    both = [subprocess.Popen([*words, name], stdin=subprocess.PIPE) for name in ("one", "two")]
    try:
        for process in both:
            process.stdin.write(b"secret")
            process.stdin.close()
        kedge.wait_for(lambda: all(waits_for_lock(process) for process in both), 30)
        assert not path.exists()
    finally:
        os.close(directory)
        assert [process.wait() for process in both] == [0, 0]
    assert sorted(line.split(":")[0] for line in path.read_text().splitlines()) == ["one", "two"]


def test_passwords_that_cannot_be_read_are_not_replaced(tmp_path):
    (tmp_path / "passwords").symlink_to(tmp_path / "passwords")
    done = subprocess.run([kedge.BIN / "kedge", "passwd", "--file", tmp_path / "passwords", "--password-stdin", "one"], input=b"secret",
                          stderr=subprocess.PIPE)
    assert done.returncode != 0 and (tmp_path / "passwords").is_symlink()


class Guest:
    """A client without a certificate, with what a browser would keep."""

    def __init__(self, daemon):
        self.daemon, self.cookie, self.guard = daemon, None, None

    def ask(self, method, target, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            headers.setdefault("Cookie", self.cookie)
        connection = http.client.HTTPSConnection("localhost", self.daemon.port, timeout=20, context=self.daemon.context(None))
        try:
            connection.request(method, target, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def answers(self, target):
        """The status; None where nobody answers at this moment."""
        try:
            return self.ask("GET", target)[0]
        except OSError:
            return None

    def log_in(self, user="admin", password="right one"):
        status, headers, body = self.ask("POST", "/kedge/v1/login", {"User": user, "Password": password})
        if status == 200:
            self.cookie, self.guard = headers["Set-Cookie"].split(";")[0], json.loads(body)["Guard"]
        return status, headers, json.loads(body)


def test_without_a_login_nothing_is_shown(guarded):
    guest = Guest(guarded)
    for method, target in (("GET", "/_ping"), ("GET", "/containers/json"), ("GET", "/kedge/v1/session"), ("POST", "/containers/prune"), ("GET", "/nothing"),
                           ("HEAD", "/_ping"), ("GET", "/v1.43/info"), ("GET", "/metrics"), ("POST", "/kedge/v1/logout")):
        status, _, body = guest.ask(method, target)
        assert status == 401 and (method == "HEAD" or json.loads(body)["message"] == "log in first"), (method, target)
    assert guest.ask("GET", "/", Accept_Encoding="gzip")[0] == 200


def test_a_cookie_alone_changes_nothing(guarded):
    guest = Guest(guarded)
    status, headers, said = guest.log_in()
    assert status == 200 and said["User"] == "admin"
    words = headers["Set-Cookie"].split("; ")
    assert words[0].startswith("__Host-kedge=") and {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(words)
    assert guest.ask("GET", "/containers/json")[0] == 200
    assert guest.ask("POST", "/containers/prune")[0] == 403
    assert guest.ask("POST", "/containers/prune", Kedge_Guard="0" * 64)[0] == 403
    assert guest.ask("POST", "/containers/prune", Kedge_Guard=guest.guard)[0] == 200
    assert guest.ask("GET", "/containers/json", Cookie="__Host-kedge=" + "0" * 64)[0] == 401
    assert guest.ask("POST", "/kedge/v1/logout", Kedge_Guard=guest.guard)[0] == 204
    assert guest.ask("GET", "/containers/json")[0] == 401


@pytest.mark.parametrize("headers", [{"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}])
def test_what_another_site_asks_is_refused(guarded, headers):
    guest = Guest(guarded)
    assert guest.log_in()[0] == 200
    assert guest.ask("POST", "/containers/prune", Kedge_Guard=guest.guard, **headers)[0] == 403
    assert guest.ask("GET", "/containers/json", **headers)[0] == 403
    assert guest.ask("GET", "/containers/json", Origin=f"http://localhost:{guarded.port}")[0] == 403
    own = {"Sec_Fetch_Site": "same-origin", "Origin": f"https://localhost:{guarded.port}"}
    assert guest.ask("POST", "/containers/prune", Kedge_Guard=guest.guard, **own)[0] == 200
    connection = http.client.HTTPSConnection("localhost", guarded.port, context=guarded.context("client"))
    connection.request("POST", "/containers/prune", headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert connection.getresponse().status == 403  # a browser would send its certificate along
    connection.close()


def test_wrong_passwords_are_slowed_down(guarded):
    guest = Guest(guarded)
    for user, password in (("admin", "wrong"), ("nobody", "right one"), ("admin", ""), ("ad:min", "right one"), ("admin", "x" * 1025)):
        status, _, said = guest.log_in(user, password)
        assert (status, said["message"]) == (401, "user or password is wrong")
    status, _, said = guest.log_in()
    assert status == 503 and said["message"].startswith("too many wrong passwords: try again in ")
    assert guarded.ask("/_ping")[0] == 200  # who has a certificate does not wait


def test_who_has_a_certificate_needs_no_login(guarded):
    assert guarded.ask("/containers/json") == (200, b"[]\n")
    with pytest.raises(OSError):
        guarded.ask("/", "expired")


def test_without_passwords_nobody_comes_without_a_certificate(authority):
    daemon = TlsDaemon(authority).start()
    try:
        with pytest.raises(OSError):
            Guest(daemon).ask("GET", "/")
        assert daemon.api.raw("POST", "/kedge/v1/login", json.dumps({"User": "a", "Password": "b"}))[0] == 404
    finally:
        daemon.close()


def test_guests_leave_room_for_who_has_a_certificate(guarded):
    guarded.configure(connections=4)
    guarded.restart()
    guests = [guarded.context(None).wrap_socket(guarded.plain(), server_hostname="localhost") for _ in range(2)]
    try:
        kedge.wait_for(lambda: guarded.ask("/_ping")[0] == 200)
        with pytest.raises(OSError):
            Guest(guarded).ask("GET", "/")
        assert guarded.ask("/_ping")[0] == 200
    finally:
        for guest in guests:
            guest.close()


def test_the_file_of_passwords(guarded):
    text = guarded.passwords.read_text()
    assert text.startswith("admin:$argon2id$v=19$m=19456,t=2,p=1$") and stat.S_IMODE(os.stat(guarded.passwords).st_mode) == 0o600
    set_password(guarded, "other", "another one")
    set_password(guarded, "admin", "new one")
    assert [line.split(":")[0] for line in guarded.passwords.read_text().splitlines()] == ["other", "admin"]
    assert Guest(guarded).log_in()[0] == 401 and Guest(guarded).log_in("admin", "new one")[0] == 200  # with the next login
    guarded.kedge("passwd", "--file", guarded.passwords, "--remove", "other")
    assert Guest(guarded).log_in("other", "another one")[0] == 401
    assert "there is no user \"other\"" in guarded.kedge("passwd", "--file", guarded.passwords, "--remove", "other", check=False).err
    assert guarded.kedge("passwd", "--file", guarded.passwords, "a:b", check=False).returncode != 0
    assert guarded.kedge("passwd", "--file", guarded.passwords, "--password-stdin", "x", input=b"", check=False).returncode != 0


def test_who_is_taken_off_the_file_is_logged_out(guarded):
    set_password(guarded, "other", "another one")
    guest = Guest(guarded)
    assert guest.log_in("other", "another one")[0] == 200 and guest.ask("GET", "/containers/json")[0] == 200
    guarded.kedge("passwd", "--file", guarded.passwords, "--remove", "other")
    assert guest.ask("GET", "/containers/json")[0] == 401
    assert guest.log_in()[0] == 200 and guest.ask("GET", "/containers/json")[0] == 200
    set_password(guarded, "admin", "new one")
    assert guest.ask("GET", "/containers/json")[0] == 401
    assert guest.log_in("admin", "new one")[0] == 200
    guarded.passwords.unlink()
    assert guest.ask("GET", "/containers/json")[0] == 401


def test_sessions_go_on_over_an_upgrade(guarded):
    guest = Guest(guarded)
    assert guest.log_in()[0] == 200
    for _ in range(2):
        count = guarded.log().count("listens on")
        guarded.process.send_signal(signal.SIGHUP)
        kedge.wait_for(lambda: guarded.log().count("listens on") > count)
        assert kedge.wait_for(lambda: guest.answers("/containers/json")) == 200
        assert guest.ask("POST", "/containers/prune", Kedge_Guard=guest.guard)[0] == 200
    assert guest.ask("POST", "/kedge/v1/logout", Kedge_Guard=guest.guard)[0] == 204
    assert guest.ask("GET", "/containers/json")[0] == 401


def test_sessions_end_with_kedged_and_the_helper_leaves_nothing(guarded):
    guest = Guest(guarded)
    assert guest.log_in()[0] == 200
    guarded.restart()
    assert kedge.wait_for(lambda: guest.answers("/containers/json")) == 401
    assert guest.log_in()[0] == 200 and guest.ask("GET", "/containers/json")[0] == 200


def test_in_the_browser(guarded, chromium):
    guarded.run_container(["sleep", "1000"], name="web")
    relay = browser.Relay(chromium, port=guarded.port)
    chromium.renew(f"https://localhost:{guarded.port}")
    chromium.go()
    chromium.fill("User", "admin")
    chromium.fill("Password", "wrong one")
    chromium.click("button", "Log in")
    chromium.sees("user or password is wrong")
    chromium.shot("login-refused")
    chromium.fill("Password", "right one")
    chromium.click("button", "Log in")
    chromium.row(Name="web", State="running")
    chromium.click("button", "Stop web")  # a POST, with its guard
    chromium.row(Name="web", State="exited")
    chromium.click("button", "Start web")
    chromium.row(Name="web", State="running")
    chromium.js("await page.getByRole('link', {name: 'web', exact: true}).click()")
    chromium.click("tab", "Terminal")
    chromium.click("button", "Open")
    kedge.wait_for(lambda: "#" in chromium.dom("document.querySelector('.xterm-rows')?.innerText ?? ''"))
    chromium.click("button", "Log out")
    chromium.sees("Password")
    assert chromium.dom("fetch('/containers/json').then(answer => answer.status)") == 401
    assert chromium.complaints() == []
    relay.close()
