# SPDX-License-Identifier: Apache-2.0
"""The Docker Engine API as clients see it on the wire: statuses, texts, headers, streams. What the engine does behind it is tested elsewhere."""
import http.client
import json
import os
import re
import socket
import struct
import subprocess
import time

import pytest

import kedge


@pytest.fixture
def api(shared_daemon):
    yield shared_daemon.api
    shared_daemon.remove_all()


@pytest.fixture
def daemon(shared_daemon, api):
    return shared_daemon


class Raw:
    """One connection, byte by byte."""

    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(daemon.socket))
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, method, path, body=b"", headers=()):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError
        self.pending += data

    def headers(self):
        while b"\r\n\r\n" not in self.pending:
            self.more()
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        first, *rest = head.decode().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}

    def take(self, count):
        while len(self.pending) < count:
            self.more()
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def chunk(self):
        while b"\r\n" not in self.pending:
            self.more()
        size, self.pending = self.pending.split(b"\r\n", 1)
        data = self.take(int(size, 16))
        assert self.take(2) == b"\r\n"
        return data

    def frame(self):
        stream, size = struct.unpack(">BxxxL", self.take(8))
        return stream, self.take(size)

    def objects(self, count):
        """So many JSON lines of a chunked answer: several may come in one chunk, none in two."""
        found = []
        while len(found) < count:
            found += [json.loads(line) for line in self.chunk().splitlines()]
        return found

    def at_end(self):
        return self.pending == b"" and self.socket.recv(1) == b""


def failure(api, method, target, body=None):
    with pytest.raises(kedge.ApiError) as caught:
        api.call(method, target, body)
    return caught.value.status, caught.value.message


def wait_running(daemon, identity):
    kedge.wait_for(lambda: daemon.inspect(identity)["State"]["Running"])


# ---- versions, ping, info ----

def test_ping(daemon):
    for method, body in (("GET", b"OK"), ("HEAD", b"")):
        with Raw(daemon) as raw:
            status, headers = raw.ask(method, "/_ping").headers()
            assert status == 200
            assert (headers["api-version"], headers["ostype"], headers["docker-experimental"]) == ("1.43", "linux", "false")
            assert headers["builder-version"] == "1" and headers["cache-control"] == "no-cache, no-store, must-revalidate"
            assert raw.take(len(body)) == body


@pytest.mark.parametrize("version", ["", "/v1.12", "/v1.24", "/v1.43"])
def test_versions_that_are_spoken(api, version):
    assert api.get(version + "/version")["ApiVersion"] == "1.43"


def test_versions_that_are_not(api):
    assert failure(api, "GET", "/v1.44/version") == (400, "client version 1.44 is too new. Maximum supported API version is 1.43")
    assert failure(api, "GET", "/v1.11/version") == (
        400, "client version 1.11 is too old. Minimum supported API version is 1.12, please upgrade your client to a newer version")
    assert failure(api, "GET", "/v1/version")[0] == 400 and failure(api, "GET", "/v0.99/version")[0] == 400
    assert failure(api, "GET", "/version1.2/info") == (404, "page not found")
    assert failure(api, "GET", "/v2.0/version")[0] == 400


@pytest.mark.parametrize("target", ["/nothing", "/v1.43/nothing", "/containers", "/containers/a/b/c", "/images"])
def test_unknown_pages(api, target):
    assert failure(api, "GET", target) == (404, "page not found")


def test_info_is_what_monitors_read(api):
    info = api.get("/info")
    for name in ("Name", "ServerVersion", "KernelVersion", "OperatingSystem", "Architecture", "DockerRootDir", "Driver", "ID"):
        assert isinstance(info[name], str) and info[name], name
    for name in ("NCPU", "MemTotal", "Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images", "NFd"):
        assert isinstance(info[name], int), name
    assert info["Swarm"]["LocalNodeState"] == "inactive" and info["DefaultRuntime"] in info["Runtimes"]


def test_what_is_not_there_says_so(api):
    assert failure(api, "GET", "/swarm")[0] == 503
    assert "not a swarm manager" in failure(api, "GET", "/nodes")[1]
    assert api.get("/plugins") == [] and api.get("/volumes")["Volumes"] == []
    assert failure(api, "GET", "/volumes/x") == (404, "get x: no such volume")
    assert failure(api, "GET", "/networks/x") == (404, "network x not found")
    assert failure(api, "GET", "/exec/x/json") == (404, "No such exec instance: x")
    assert failure(api, "POST", "/containers/x/exec", {}) == (404, "No such container: x")


def test_networks(api):
    networks = {network["Name"]: network for network in api.get("/networks")}
    assert sorted(networks) == ["bridge", "host", "none"]
    host = api.get("/networks/host")
    assert host["Id"] == networks["host"]["Id"] == api.get("/networks/" + host["Id"][:12])["Id"] != networks["none"]["Id"]
    assert [n["Name"] for n in api.get('/networks?filters={"driver":["null"]}')] == ["none"]
    assert failure(api, "DELETE", "/networks/none")[0] == 403


# ---- create ----

def test_create_refuses_by_name(api):
    def refused(body):
        return failure(api, "POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["true"], **body})
    assert refused({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "x"}]}}}) == (400, 'invalid port specification: "x"')
    assert refused({"Env": {"A": "B"}}) == (400, 'field "Env" must be an array of strings, not an object')
    assert refused({"HostConfig": {"Memory": "64m"}}) == (400, 'HostConfig: field "Memory" must be a number, not a string')
    assert refused({"HostConfig": {"NetworkMode": "mine"}})[0] == 400
    assert refused({"Image": "nothing:here"}) == (404, "No such image: nothing:here")


@pytest.mark.parametrize("body, message", [
    (b"{", "request body"), (b"[]", "request body must be an object, not array"), (b'{"Image":"a\xff"}', "request body"),
    (b'{"Image":"x","Image":"y"}', "request body"), (b"[" * 100, "request body"), (b"", 'field "Image" is missing'),
    (b'{"Image":"' + b"x" * (2 << 20) + b'"}', 'field "Image" is longer than'),
])
def test_create_with_bodies_that_are_none(api, body, message):
    status, answer = api.raw("POST", "/containers/create", body, {"Content-Type": "application/json"})
    assert status == 400 and json.loads(answer)["message"].startswith(message)


def test_create_with_too_large_a_body(api):
    status, answer = api.raw("POST", "/containers/create", b" " * (5 << 20), {"Content-Type": "application/json"})
    assert (status, json.loads(answer)["message"]) == (413, "request body is larger than 4194304 bytes")


def test_name_conflict_in_docker_s_words(daemon, api):
    identity = daemon.create(["true"], name="taken")
    assert failure(api, "POST", "/containers/create?name=taken", {"Image": "busybox:test"}) == (
        409, f'Conflict. The container name "/taken" is already in use by container "{identity}". You have to remove (or rename) that '
             "container to be able to reuse that name.")


def test_inspect_shows_what_create_was_given(daemon, api):
    config = {"Env": ["A=B", "C="], "Labels": {"l": "v", "": "empty"}, "WorkingDir": "/tmp", "User": "web", "Hostname": "box",
              "StopSignal": "INT", "StopTimeout": 3, "ExposedPorts": {"80/tcp": {}}, "Healthcheck": {"Test": ["NONE"]}}
    host = {"Binds": ["/tmp:/mnt:ro"], "Memory": 64 << 20, "NanoCpus": 500_000_000, "PidsLimit": 20, "CapDrop": ["ALL"],
            "CapAdd": ["CAP_CHOWN"], "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}, "Tmpfs": {"/t": "size=1m"},
            "ReadonlyRootfs": True, "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
            "Ulimits": [{"Name": "nofile", "Hard": 20, "Soft": 10}], "ExtraHosts": ["a:1.2.3.4"]}
    seen = daemon.inspect(daemon.create(["sleep", "1"], name="shown", host=host, **config))
    assert seen["Name"] == "/shown" and (seen["Path"], seen["Args"]) == ("sleep", ["1"])
    for name in set(config) - {"Env"}:
        assert seen["Config"][name] == config[name], name
    assert seen["Config"]["Env"] == config["Env"] + ["PATH=/bin"]
    for name in host:
        assert seen["HostConfig"][name] == host[name], name
    assert seen["State"]["Status"] == "created" and seen["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    assert seen["Mounts"] == [{"Type": "bind", "Source": "/tmp", "Destination": "/mnt", "Mode": "ro", "RW": False,
                               "Propagation": "rprivate"}]
    assert list(seen["NetworkSettings"]["Networks"]) == ["none"]
    again = api.post("/containers/create", {**seen["Config"], "HostConfig": seen["HostConfig"]})  # as Watchtower does
    copy = daemon.inspect(again["Id"])
    assert copy["HostConfig"] == seen["HostConfig"] and copy["Config"] == seen["Config"]


# ---- life ----

def test_statuses_of_a_life(daemon, api):
    identity = daemon.create(["sleep", "100"], name="life")
    assert api.raw("POST", f"/containers/{identity}/stop")[0] == 304
    assert failure(api, "POST", f"/containers/{identity}/kill") == (
        409, f"Cannot kill container: {identity}: Container {identity} is not running")
    assert api.raw("POST", f"/containers/{identity}/start")[0] == 204
    assert api.raw("POST", f"/containers/{identity}/start")[0] == 304
    assert failure(api, "DELETE", "/containers/life")[0] == 409
    assert failure(api, "POST", "/containers/life/kill?signal=NOPE")[0] == 400
    assert api.raw("POST", "/containers/life/restart?t=0")[0] == 204
    assert api.raw("POST", "/containers/life/stop?t=0")[0] == 204
    assert daemon.inspect("life")["State"]["ExitCode"] == 137
    assert api.raw("DELETE", f"/containers/{identity[:12]}")[0] == 204
    assert failure(api, "GET", "/containers/life/json") == (404, "No such container: life")


def test_wait_sends_its_headers_before_the_start(daemon, api):
    identity = daemon.create(["sh", "-c", "exit 3"])
    with Raw(daemon) as raw:
        status, headers = raw.ask("POST", f"/containers/{identity}/wait?condition=next-exit").headers()
        assert status == 200 and headers["content-type"] == "application/json"
        daemon.start_container(identity)
        assert json.loads(raw.chunk()) == {"StatusCode": 3}
        assert raw.chunk() == b""
    assert daemon.wait(identity) == 3
    assert failure(api, "POST", f"/containers/{identity}/wait?condition=never") == (400, 'invalid condition: "never"')


def test_wait_for_removal(daemon, api):
    identity = daemon.create(["true"], host={"AutoRemove": True})
    with Raw(daemon) as raw:
        assert raw.ask("POST", f"/containers/{identity}/wait?condition=removed").headers()[0] == 200
        daemon.start_container(identity)
        assert json.loads(raw.chunk())["StatusCode"] == 0
    assert failure(api, "GET", f"/containers/{identity}/json")[0] == 404


def test_prune(daemon, api):
    kept = daemon.run_container(["sleep", "100"])
    gone = [daemon.create(["true"]) for _ in range(3)]
    labelled = daemon.create(["true"], Labels={"keep": "me"})
    answer = api.post('/containers/prune?filters={"label!":["keep"]}')
    assert sorted(answer["ContainersDeleted"]) == sorted(gone)
    assert {c["Id"] for c in api.get("/containers/json?all=1")} == {kept, labelled}


# ---- list ----

def names(api, query="", **filters):
    text = ("&" if query else "") + "filters=" + json.dumps(filters).replace("+", "%2B").replace("#", "%23").replace(" ", "%20")
    return [c["Names"][0][1:] for c in api.get("/containers/json?" + query + (text if filters else ""))]


def test_list_and_its_filters(daemon, api):
    first = daemon.run_container(["sleep", "100"], name="first", Labels={"a": "1", "b": "2"})
    second = daemon.create(["true"], name="second", host={"Binds": ["/tmp:/data"]}, ExposedPorts={"80/tcp": {}})
    third = daemon.run_container(["sh", "-c", "exit 4"], name="third", Labels={"a": "2"})
    daemon.wait(third)
    assert names(api) == ["first"] and names(api, "all=1") == ["third", "second", "first"]
    assert names(api, "limit=2") == ["third", "second"] and names(api, "limit=-1&size=0&trunc_cmd=0") == ["first"]
    assert names(api, "all=1", label=["a"]) == ["third", "first"] and names(api, "all=1", label=["a=1", "b"]) == ["first"]
    assert names(api, "all=1", name=["^/fir"]) == ["first"] and names(api, "all=1", name=["ir"]) == ["third", "first"]
    assert names(api, "all=1", id=[second[:8]]) == ["second"] and names(api, "all=1", id=[second, first[:12], "none"]) == ["second", "first"]
    for nobody in (second[3:20], second[:8] + ".*", "^" + second[:8], second + "0", "second", ""):
        assert names(api, "all=1", id=[nobody]) == [], nobody
    assert names(api, status=["created"]) == ["second"] and names(api, status=["exited", "running"]) == ["third", "first"]
    assert names(api, exited=["4"]) == ["third"] and names(api, exited=["0"]) == []
    assert names(api, "all=1", ancestor=["busybox:test"]) == ["third", "second", "first"] and names(api, ancestor=["other"]) == []
    assert names(api, "all=1", volume=["/data"]) == ["second"] and names(api, "all=1", expose=["80"]) == ["second"]
    assert names(api, "all=1", network=["none"]) == ["third", "second", "first"] and names(api, network=["host"]) == []
    assert names(api, since=["first"]) == ["third", "second"] and names(api, before=["second"]) == ["first"]
    assert names(api, health=["none"]) == ["first"] and names(api, publish=["80"]) == []
    for wanted, found in (("80/tcp", ["second"]), ("79-81", ["second"]), ("80/udp", []), ("81-90/tcp", []), ("80-80/tcp", ["second"])):
        assert names(api, "all=1", expose=[wanted]) == found, wanted
    assert names(api, **{"is-task": ["false"]}) == ["first"] and names(api, **{"is-task": ["true"]}) == []
    for bad in ('{"status":["asleep"]}', '{"colour":["red"]}', '{"exited":["x"]}', '{"is-task":["x"]}', '{"expose":["x"]}', '{"publish":["80-70"]}', "[]", "{", '{"label":[1]}'):
        assert failure(api, "GET", "/containers/json?filters=" + bad)[0] == 400
    entry = api.get("/containers/json")[0]
    assert entry["Id"] == first and entry["State"] == "running" and entry["Status"].startswith("Up ")
    assert entry["Image"] == "busybox:test" and entry["Command"] == "sleep 100" and entry["HostConfig"] == {"NetworkMode": "none"}


# ---- logs ----

TALK = ["sh", "-c", "for i in 1 2 3; do echo out$i; echo err$i >&2; sleep 0.05; done"]


def test_logs(daemon, api):
    identity = daemon.run_container(TALK)
    daemon.wait(identity)
    assert sorted(daemon.logs(identity)) == sorted([(1, b"out%d\n" % i) for i in (1, 2, 3)] + [(2, b"err%d\n" % i) for i in (1, 2, 3)])
    assert daemon.logs(identity, "stdout=1") == [(1, b"out1\n"), (1, b"out2\n"), (1, b"out3\n")]
    assert daemon.logs(identity, "stderr=1&tail=all")[-1] == (2, b"err3\n")
    assert len(daemon.logs(identity, "stdout=1&stderr=1&tail=2")) == 2 and daemon.logs(identity, "stdout=1&tail=0") == []
    stamped = daemon.logs(identity, "stdout=1&timestamps=1")
    times = [line.split(b" ")[0].decode() for _, line in stamped]
    assert [line.split(b" ")[1] for _, line in stamped] == [b"out1\n", b"out2\n", b"out3\n"] and times == sorted(times)
    assert len(daemon.logs(identity, f"stdout=1&since={times[1]}")) == 2
    assert len(daemon.logs(identity, f"stdout=1&until={times[1]}")) == 2
    assert daemon.logs(identity, f"stdout=1&since={int(time.time()) + 100}") == []
    assert failure(api, "GET", f"/containers/{identity}/logs") == (400, "Bad parameters: you must choose at least one stream")
    assert failure(api, "GET", f"/containers/{identity}/logs?stdout=1&since=yesterday")[0] == 400
    assert failure(api, "GET", f"/containers/{identity}/logs?stdout=1&tail=few")[0] == 400


def test_logs_followed_to_the_end(daemon):
    identity = daemon.run_container(["sh", "-c", "echo one; sleep 0.5; echo two"])
    assert daemon.logs(identity, "stdout=1&follow=1") == [(1, b"one\n"), (1, b"two\n")]


def test_logs_of_no_log(daemon, api):
    identity = daemon.create(["true"], host={"LogConfig": {"Type": "none"}})
    assert failure(api, "GET", f"/containers/{identity}/logs?stdout=1") == (
        501, "configured logging driver does not support reading")


def test_follower_that_leaves(daemon):
    identity = daemon.run_container(["sh", "-c", "while :; do echo x; sleep 0.01; done"])
    for _ in range(20):
        with Raw(daemon) as raw:
            assert raw.ask("GET", f"/containers/{identity}/logs?stdout=1&follow=1").headers()[0] == 200
            raw.more()
    assert daemon.api.raw("GET", "/_ping")[0] == 200


def test_follower_that_does_not_read_costs_little(daemon):
    identity = daemon.run_container(["sh", "-c", "yes 0123456789 | head -c 29997000; sleep 100"], host={
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "100m"}}})
    with Raw(daemon) as raw:
        raw.ask("GET", f"/containers/{identity}/logs?stdout=1&follow=1").headers()
        time.sleep(2)
        with open(f"/proc/{daemon.process.pid}/status") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert resident < 40_000 or "libasan" in open(f"/proc/{daemon.process.pid}/maps").read()
        data = bytearray()
        while len(data) < 29_997_000 // 11 * 19:
            data += raw.chunk()
        frames = kedge.demultiplex(bytes(data))
        assert set(frames) == {(1, b"0123456789\n")} and len(frames) == 29_997_000 // 11


# ---- attach ----

UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")


def attach(daemon, identity, query="stream=1&stdout=1&stderr=1", version=""):
    raw = Raw(daemon)
    status, headers = raw.ask("POST", f"{version}/containers/{identity}/attach?{query}", headers=UPGRADE).headers()
    assert status == 101 and headers["upgrade"] == "tcp"
    return raw, headers["content-type"]


def test_attach_before_the_start_misses_nothing(daemon):
    identity = daemon.create(TALK)
    raw, kind = attach(daemon, identity)
    assert kind == "application/vnd.docker.multiplexed-stream"
    daemon.start_container(identity)
    frames = [raw.frame() for _ in range(6)]
    assert sorted(frames) == sorted([(1, b"out%d\n" % i) for i in (1, 2, 3)] + [(2, b"err%d\n" % i) for i in (1, 2, 3)])
    assert raw.at_end()


def test_attach_to_one_stream_with_an_old_version(daemon):
    identity = daemon.create(TALK)
    raw, kind = attach(daemon, identity, "stream=1&stderr=1", "/v1.41")
    assert kind == "application/vnd.docker.raw-stream"
    daemon.start_container(identity)
    assert [raw.frame() for _ in range(3)] == [(2, b"err1\n"), (2, b"err2\n"), (2, b"err3\n")]
    assert raw.at_end()


def test_attach_with_what_was_written_before(daemon):
    identity = daemon.run_container(["sh", "-c", "echo before; sleep 1; echo after"])
    kedge.wait_for(lambda: daemon.log_text(identity) == "before\n")
    raw, _ = attach(daemon, identity, "logs=1&stream=1&stdout=1")
    assert [raw.frame(), raw.frame()] == [(1, b"before\n"), (1, b"after\n")] and raw.at_end()
    raw, _ = attach(daemon, identity, "logs=1&stdout=1")
    assert [raw.frame(), raw.frame()] == [(1, b"before\n"), (1, b"after\n")] and raw.at_end()


def test_attached_client_that_ended_its_sending_gets_all(daemon):
    identity = daemon.create(["sh", "-c", "sleep 0.5; echo late"])
    raw, _ = attach(daemon, identity)
    raw.socket.shutdown(socket.SHUT_WR)
    daemon.start_container(identity)
    assert raw.frame() == (1, b"late\n") and raw.at_end()


def test_attached_client_that_leaves(daemon):
    identity = daemon.run_container(["sleep", "100"])
    files = daemon.api.get("/info")["NFd"]
    for half in (True, False) * 10:
        raw, _ = attach(daemon, identity)
        if half:
            raw.socket.shutdown(socket.SHUT_WR)
            time.sleep(0.02)
        raw.socket.close()
    kedge.wait_for(lambda: daemon.api.get("/info")["NFd"] <= files)


def test_attach_without_upgrade_is_a_chunked_answer(daemon):
    identity = daemon.create(["echo", "hello"])
    with Raw(daemon) as raw:
        assert raw.ask("POST", f"/containers/{identity}/attach?stream=1&stdout=1").headers()[0] == 200
        daemon.start_container(identity)
        assert raw.chunk() == b"\x01\0\0\0\0\0\0\x06hello\n" and raw.chunk() == b""


def test_attach_that_asks_for_nothing(daemon, api):
    identity = daemon.create(["true"])
    assert failure(api, "POST", f"/containers/{identity}/attach") == (400, "Either the stream or logs parameter must be true")
    assert failure(api, "POST", "/containers/none/attach?stream=1") == (404, "No such container: none")


# ---- statistics, top ----

def test_stats(daemon, api):
    identity = daemon.run_container(["sh", "-c", "while :; do :; done"], host={"Memory": 64 << 20, "PidsLimit": 50})
    once = api.get(f"/containers/{identity}/stats?stream=0&one-shot=1")
    assert once["id"] == identity and once["cpu_stats"]["system_cpu_usage"] > 0 and "system_cpu_usage" not in once["precpu_stats"]
    start = time.monotonic()
    both = api.get(f"/containers/{identity}/stats?stream=false")
    assert time.monotonic() - start > 0.9
    assert both["cpu_stats"]["cpu_usage"]["total_usage"] > both["precpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert both["memory_stats"]["limit"] == 64 << 20 and both["pids_stats"]["limit"] == 50 and both["pids_stats"]["current"] >= 1
    with Raw(daemon) as raw:
        assert raw.ask("GET", f"/containers/{identity}/stats").headers()[0] == 200
        first, second = json.loads(raw.chunk()), json.loads(raw.chunk())
        assert second["preread"] == first["read"]


def test_stats_of_one_that_does_not_run(daemon, api):
    stats = api.get(f"/containers/{daemon.create(['true'])}/stats?stream=0")
    assert stats["pids_stats"] == {} and stats["memory_stats"] == {} and stats["cpu_stats"]["cpu_usage"]["total_usage"] == 0


def test_top(daemon, api):
    identity = daemon.run_container(["sh", "-c", "sleep 100 & sleep 200"])

    def commands():
        top = api.get(f"/containers/{identity}/top?ps_args=-ef")
        return [row[top["Titles"].index("CMD")] for row in top["Processes"]]
    kedge.wait_for(lambda: {"sleep 100", "sleep 200"} <= set(commands()))
    top = api.get(f"/containers/{identity}/top")
    assert all(row[0] == "root" for row in top["Processes"])
    assert failure(api, "GET", f"/containers/{daemon.create(['true'])}/top")[0] == 409


# with and without a dash, what ps itself says of the same processes: columns whose figures may change meanwhile are left out
PS_ARGUMENTS = ["", "-ef", "-eF", "aux", "auxw", "ax", "-e", "-o pid,ppid,user,args", "axo pid,comm,stat,nlwp,ni,pgid,sid", "-eo pid=PID,uid=NUMBER,vsz,rss",
                "--format=pid,tty,state,pri,psr", "-eo pid,lstart,cmd", "-o pid -o uname"]
CHANGING = {"%CPU", "%MEM", "C", "RSS", "VSZ", "SZ", "TIME", "PSR", "STAT", "S", "PRI"}
STARTS = {"STIME", "START"}  # ps takes it from whole seconds: at the turn of a minute it may be the one before


@pytest.mark.parametrize("arguments", PS_ARGUMENTS)
def test_top_is_what_ps_says(daemon, api, arguments):
    identity = daemon.run_container(["sleep", "100"])
    kedge.wait_for(lambda: daemon.inspect(identity)["State"]["Running"])
    top = api.get(f"/containers/{identity}/top?ps_args={arguments.replace(' ', '%20')}")
    pid = str(daemon.inspect(identity)["State"]["Pid"])
    ps = subprocess.run(["ps", *(arguments.split() or ["-ef"])], stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "COLUMNS": "500"}).stdout
    titles, *lines = [line.split(None, len(top["Titles"]) - 1 + 4 * ("lstart" in arguments)) for line in ps.splitlines()]
    assert top["Titles"] == titles
    ours = [row for row in top["Processes"] if row[titles.index("PID")] == pid]
    theirs = [line for line in lines if len(line) > titles.index("PID") and line[titles.index("PID")] == pid]
    assert len(top["Processes"]) == len(ours) == 1
    if theirs and "lstart" not in arguments:  # without -e or x, ps itself shows those of a terminal alone
        assert {title: cell for title, cell in zip(titles, ours[0]) if title not in CHANGING | STARTS} == {
            title: cell.strip() for title, cell in zip(titles, theirs[0]) if title not in CHANGING | STARTS}
    assert all(re.fullmatch(r"\d\d:\d\d", cell) for title, cell in zip(titles, ours[0]) if title in STARTS)


@pytest.mark.parametrize("arguments,message", [
    ("-o comm", "Couldn't find PID field in ps output"), ("-o nothing", 'there is no column "nothing"'), ("--bad", 'option "--bad" of ps is not known here'),
    ("-ej", 'option "-ej" of ps is not known here'), ("-o " + "pid," * 65, "more than 64 columns"), ("-", 'option "-" of ps is not known here')])
def test_top_with_arguments_that_are_none(daemon, api, arguments, message):
    identity = daemon.run_container(["sleep", "100"])
    status, said = failure(api, "GET", f"/containers/{identity}/top?ps_args={arguments.replace(' ', '%20')}")
    assert status == 400 and said.endswith(message)


# ---- events ----

def test_events(daemon, api):
    with Raw(daemon) as raw:
        assert raw.ask("GET", '/events?filters={"type":["container"],"label":["mine"]}').headers()[0] == 200
        daemon.run_container(["true"], name="quiet")
        identity = daemon.run_container(["sh", "-c", "exit 2"], name="loud", Labels={"mine": "yes"})
        events = raw.objects(3)
    assert [event["Action"] for event in events] == ["create", "start", "die"]
    die = events[2]
    assert die["Actor"]["ID"] == die["id"] == identity and die["status"] == "die" and die["from"] == "busybox:test"
    assert die["Actor"]["Attributes"]["exitCode"] == "2" and die["Actor"]["Attributes"]["name"] == "loud"
    assert die["scope"] == "local" and die["timeNano"] // 10**9 == die["time"]


def test_events_of_the_past(daemon, api):
    start = time.time()
    daemon.wait(daemon.run_container(["true"], name="past"))
    status, data = api.raw("GET", f'/events?since={start:.9f}&until={time.time():.9f}&filters={{"container":["past"]}}')
    assert status == 200 and [json.loads(line)["Action"] for line in data.splitlines()] == ["create", "start", "die"]
    status, data = api.raw("GET", f'/events?since={start:.9f}&until={time.time():.9f}&filters={{"event":["die"]}}')
    assert len(data.splitlines()) == 1
    assert failure(api, "GET", "/events?since=never")[0] == 400
    assert failure(api, "GET", '/events?filters={"x":["y"]}') == (400, "invalid filter 'x'")


# ---- images ----

def test_images(daemon, api):
    image = api.get("/images/busybox:test/json")
    assert image["RepoTags"] == ["busybox:test"] and image["Config"]["Env"] == ["PATH=/bin"] and image["Os"] == "linux"
    assert api.post("/images/busybox:test/tag?repo=localhost:5000/some/where&tag=1") is None
    listed = api.get("/images/json")
    assert [i["Id"] for i in listed] == [image["Id"]]
    assert sorted(listed[0]["RepoTags"]) == ["busybox:test", "localhost:5000/some/where:1"]
    assert api.get('/images/json?filters={"reference":["busybox"]}')[0]["RepoTags"] == ["busybox:test"]
    assert api.get('/images/json?filters={"reference":["*/some/where"]}')[0]["RepoTags"] == ["localhost:5000/some/where:1"]
    assert api.get('/images/json?filters={"reference":["nothing"]}') == [] == api.get('/images/json?filters={"dangling":["true"]}')
    assert api.get("/v1.40/images/json?filter=busybox") and api.get("/v1.40/images/json?filter=nothing") == []
    assert api.get("/v1.41/images/json?filter=nothing")
    assert api.get("/images/localhost:5000/some/where:1/json")["Id"] == image["Id"]
    history = api.get("/images/" + image["Id"] + "/history")
    assert history[0]["Id"] == image["Id"] and sum(entry["Size"] for entry in history) == image["Size"]
    assert api.delete("/images/localhost:5000/some/where:1") == [{"Untagged": "localhost:5000/some/where:1"}]
    assert failure(api, "GET", "/images/nothing/json") == (404, "No such image: nothing:latest")
    assert failure(api, "DELETE", "/images/nothing") == (404, "No such image: nothing:latest")
    assert failure(api, "POST", "/images/busybox:test/tag?repo=UPPER")[0] == 400
    assert failure(api, "POST", "/images/busybox:test/tag")[0] == 400
    assert failure(api, "GET", '/images/json?filters={"colour":["red"]}') == (400, "invalid filter 'colour'")


def test_disk_usage(daemon, api):
    daemon.create(["true"])
    usage = api.get("/system/df")
    assert usage["LayersSize"] == usage["Images"][0]["Size"] > 0 and usage["Images"][0]["Containers"] == 1
    assert len(usage["Containers"]) == 1 and usage["Volumes"] == [] == usage["BuildCache"]


def lines(data):
    return [json.loads(line) for line in data.splitlines() if line.strip()]


def test_pull_in_docker_s_words(daemon, api, registry):
    archive = kedge.busybox_archive(daemon.directory / "pulled.tar", "pulled:1")
    name = registry.copy_from(archive, "some/pulled:1")
    status, data = api.raw("POST", f"/images/create?fromImage={name.rsplit(':', 1)[0]}&tag=1")
    said = lines(data)
    assert status == 200 and said[0] == {"status": "Pulling from some/pulled", "id": "1"}
    assert said[-2]["status"].startswith("Digest: sha256:")
    assert said[-1] == {"status": f"Status: Downloaded newer image for {name}"}
    status, data = api.raw("POST", f"/images/create?fromImage={name}")
    assert lines(data)[-1] == {"status": f"Status: Image is up to date for {name}"}
    api.delete("/images/" + name)


def test_pull_of_what_is_not_there_is_an_http_error(api, registry):
    assert failure(api, "POST", f"/images/create?fromImage={registry.host}/some/nothing&tag=1")[0] == 404
    assert failure(api, "POST", "/images/create?fromImage=UPPER")[0] == 400
    assert failure(api, "POST", "/images/create")[0] == 400
    assert failure(api, "POST", "/images/create?fromSrc=-")[0] == 400  # no archive follows


def test_bad_credentials_header(api, registry):
    with pytest.raises(kedge.ApiError) as caught:
        api.call("POST", f"/images/create?fromImage={registry.host}/x&tag=1", None, {"X-Registry-Auth": "!!!"})
    assert (caught.value.status, caught.value.message) == (400, 'header "X-Registry-Auth": invalid base64')


def test_login_push_and_pull_with_credentials(daemon, api):
    registry = kedge.Registry(users={"user": "secret"}).start()
    try:
        good = {"username": "user", "password": "secret", "serveraddress": registry.host}
        assert api.post("/auth", good)["Status"] == "Login Succeeded"
        assert failure(api, "POST", "/auth", {**good, "password": "wrong"})[0] == 401
        name = f"{registry.host}/mine"
        api.post(f"/images/busybox:test/tag?repo={name}&tag=2")
        header = {"X-Registry-Auth": kedge.registry_auth("user", "secret")}
        status, data = api.raw("POST", f"/images/{name}/push?tag=2", None, header)
        said = lines(data)
        assert status == 200 and said[0] == {"status": f"The push refers to repository [{name}]"}
        assert said[-2]["status"].startswith("2: digest: sha256:") and said[-1]["aux"]["Tag"] == "2"
        assert {"Preparing", "Pushed"} <= {line.get("status") for line in said}
        api.delete(f"/images/{name}:2")
        status, data = api.raw("POST", f"/images/create?fromImage={name}&tag=2")
        assert status == 404 and b"secret" not in data
        status, data = api.raw("POST", f"/images/create?fromImage={name}&tag=2", None, header)
        assert status == 200 and lines(data)[-1]["status"] == f"Status: Downloaded newer image for {name}:2"
        assert said[-1]["aux"]["Digest"] in api.get(f"/images/{name}:2/json")["RepoDigests"][0]
        api.delete(f"/images/{name}:2")
    finally:
        registry.close()


def test_load_of_garbage(api):
    status, data = api.raw("POST", "/images/load", b"garbage" * 1000, {"Content-Type": "application/x-tar"})
    assert status >= 400 or "errorDetail" in lines(data)[-1]


def test_load_that_is_broken_off(daemon, api):
    with Raw(daemon) as raw:
        raw.socket.sendall(b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 5000)
        time.sleep(0.1)
    assert api.raw("GET", "/_ping")[0] == 200


# ---- a client library ----

def test_python_docker(daemon):
    docker = pytest.importorskip("docker")
    client = docker.DockerClient(base_url=f"unix://{daemon.socket}")
    assert client.ping() and client.version()["ApiVersion"] == "1.43"
    assert client.containers.run("busybox:test", ["echo", "hi"], network_mode="none", remove=True) == b"hi\n"
    container = client.containers.run("busybox:test", ["sh", "-c", "echo a; sleep 100"], network_mode="none", detach=True, labels={"x": "y"})
    assert [c.id for c in client.containers.list(filters={"label": "x=y"})] == [container.id]
    kedge.wait_for(lambda: container.logs() == b"a\n")
    assert container.top()["Titles"][-1] == "CMD" and container.stats(stream=False)["id"] == container.id
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.remove()
    with pytest.raises(docker.errors.ContainerError) as caught:
        client.containers.run("busybox:test", ["sh", "-c", "echo bad >&2; exit 9"], network_mode="none", remove=True)
    assert caught.value.exit_status == 9
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("nothing")


def test_2000_idle_connections(daemon):
    clients = [Raw(daemon) for _ in range(2000)]
    for client in clients:
        assert client.ask("GET", "/_ping").headers()[0] == 200
        client.take(2)
    for _ in range(100):
        assert daemon.api.raw("GET", "/containers/json")[0] == 200
    for client in clients:
        client.socket.close()


def test_keep_alive(daemon):
    connection = kedge.UnixConnection(daemon.socket)
    for path in ("/_ping", "/version", "/nothing", "/info", "/containers/json") * 20:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert isinstance(answer, http.client.HTTPResponse)
    connection.close()
