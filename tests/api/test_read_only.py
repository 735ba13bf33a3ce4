# SPDX-License-Identifier: Apache-2.0
"""The socket for monitors: what can be looked at, and nothing else."""
import grp
import json
import os
import signal
import stat

import pytest

import kedge
from streams import opened

FOR_MONITORS = ["/_ping", "/version", "/info", "/containers/json?all=1&size=1", "/containers/{id}/json", "/containers/{id}/json?size=1",
                "/containers/{id}/stats?stream=0", "/images/json", "/images/busybox:test/json", "/networks", "/networks/host", "/volumes",
                "/system/df", "/events?until=1", "/v1.24/containers/json"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ro")
    path = directory / "monitor.sock"
    daemon = kedge.Daemon(options=["--read-only-socket", path, "--read-only-group", "daemon"])
    daemon.options = [str(option) for option in daemon.options]
    daemon.start()
    daemon.load_busybox()
    daemon.monitor = kedge.Api(path)
    daemon.monitor.socket = path
    daemon.id = daemon.run_container(["sleep", "1000"], Env=["PASSWORD=secret-word", "EMPTY=", "PLAIN=a=b"], name="seen")
    yield daemon
    daemon.close()


def test_who_may_use_it(watched):
    status = os.stat(watched.monitor.path)
    assert (stat.S_IMODE(status.st_mode), status.st_uid, grp.getgrgid(status.st_gid).gr_name) == (0o660, 0, "daemon")
    assert grp.getgrgid(os.stat(watched.socket).st_gid).gr_name == "root"


@pytest.mark.parametrize("target", FOR_MONITORS)
def test_what_monitors_need(watched, target):
    target = target.format(id=watched.id)
    status, body = watched.monitor.raw("GET", target)
    assert status == 200, body
    assert watched.monitor.raw("HEAD", target) == (200, b"")
    if "/events" not in target and target != "/_ping":
        assert type(json.loads(body)) is type(watched.api.get(target))


def test_events_are_followed(watched):
    with opened(watched.monitor, "GET", "/events") as answer:
        watched.api.post(f"/containers/{watched.id}/rename?name=other")
        assert json.loads(answer.readline())["Action"] == "rename"
    watched.api.post(f"/containers/{watched.id}/rename?name=seen")


def test_values_of_environments_are_hidden(watched):
    shown = watched.monitor.get(f"/containers/{watched.id}/json")
    assert {"PASSWORD=***", "EMPTY=***", "PLAIN=***"} <= set(shown["Config"]["Env"])
    assert "secret-word" not in json.dumps(shown)
    whole = watched.inspect(watched.id)
    assert {"PASSWORD=secret-word", "EMPTY=", "PLAIN=a=b"} <= set(whole["Config"]["Env"])
    for document in (shown, whole):
        document["Config"].pop("Env")
        document.pop("State")
    assert shown == whole


REFUSED_READING = ["/containers/{id}/logs?stdout=1", "/containers/{id}/export", "/containers/{id}/archive?path=/", "/containers/{id}/top",
                   "/containers/{id}/changes", "/containers/{id}/attach/ws", "/images/busybox:test/get", "/images/get?names=busybox:test",
                   "/images/busybox:test/history", "/nope", "/", "/exec/1/json"]
REFUSED = [("GET", target) for target in REFUSED_READING] + [("HEAD", "/containers/{id}/archive?path=/")] + [
    ("POST", "/containers/create"), ("POST", "/containers/{id}/stop"), ("POST", "/containers/{id}/attach"), ("DELETE", "/containers/{id}"),
    ("POST", "/containers/{id}/exec"), ("POST", "/kedge/v1/system/check"), ("PUT", "/containers/{id}/archive?path=/"), ("POST", "/images/load"),
    ("POST", "/containers/{id}/json"), ("POST", "/_ping"), ("DELETE", "/images/busybox:test"), ("POST", "/images/create?fromImage=x"),
    ("POST", "/auth"), ("PATCH", "/info"), ("get", "/info"), ("POST", "/v1.43/containers/prune"), ("OPTIONS", "/info")]


@pytest.mark.parametrize("method,target", REFUSED)
def test_all_else_is_refused(watched, method, target):
    target = target.format(id=watched.id)
    path = target.split("?")[0]
    status, body = watched.monitor.raw(method, target, b"{}" if method == "POST" else None)
    assert status == 403
    if method != "HEAD":
        assert json.loads(body) == {"message": f"{method} {path} is not allowed on the read-only socket"}
    assert watched.inspect(watched.id)["State"]["Running"]


def test_routes_by_another_spelling(watched):
    """Escapes and dots make no other path of one that is refused."""
    for target in (f"/containers/{watched.id}%2Flogs", f"/containers/{watched.id}/json/../logs?stdout=1", "//containers/create",
                   f"/containers/{watched.id}/json%00/../../stop", "/images/../containers/json"):
        for method in ("GET", "POST"):
            status, body = watched.monitor.raw(method, target)
            assert status in (400, 403, 404) and b"secret-word" not in body, (method, target, status)


def test_a_long_body_is_not_read(watched):
    status, body = watched.monitor.raw("POST", "/images/load", b"x" * (1 << 20))
    assert status == 403 and b"not allowed" in body


def test_docker_looks_and_changes_nothing(watched):
    host = f"unix://{watched.monitor.path}"
    assert "seen" in watched.run("docker", "-H", host, "ps").out
    assert watched.id[:12] in watched.run("docker", "-H", host, "stats", "--no-stream").out
    done = watched.run("docker", "-H", host, "stop", "seen", check=False)
    assert done.returncode == 1 and "not allowed on the read-only socket" in done.err


def listening(path):
    """The kernel's number of the socket that listens at path."""
    with open("/proc/net/unix") as table:
        found = [line.split() for line in table if line.rstrip().endswith(" " + str(path))]
    return [line[6] for line in found if line[3] == "00010000"]  # __SO_ACCEPTCON


def test_an_upgrade_keeps_both_sockets(watched):
    before = listening(watched.monitor.path), listening(watched.socket)
    lines = watched.log().count("listens on")
    watched.process.send_signal(signal.SIGHUP)

    def answers_after_it():
        assert watched.monitor.raw("GET", "/_ping") == (200, b"OK")
        return watched.log().count("listens on") == lines + 2
    kedge.wait_for(answers_after_it, every=0)
    assert (listening(watched.monitor.path), listening(watched.socket)) == before
    assert watched.monitor.raw("POST", f"/containers/{watched.id}/stop")[0] == 403


def test_a_restart_after_a_kill_makes_it_anew(watched):
    watched.restart()
    assert watched.monitor.get("/info")["ContainersRunning"] == 1
    assert listening(watched.monitor.path)
