# SPDX-License-Identifier: Apache-2.0
"""Requests that no client should send: each is answered with a 400 that names what is wrong, and the daemon lives."""
import copy
import json
import os
import random
import resource
import socket

import pytest

import kedge

TEXT, INT, BOOL, TEXTS, MAP, OBJECT, ARRAY, WORDS, SET = "text int bool texts map object array words set".split()

# every field of the create body that kedge reads, by path
FIELDS = {
    "Hostname": TEXT, "Domainname": TEXT, "User": TEXT, "Tty": BOOL, "OpenStdin": BOOL, "Env": TEXTS, "Cmd": WORDS, "Entrypoint": WORDS,
    "Image": TEXT, "WorkingDir": TEXT, "Labels": MAP, "StopSignal": TEXT, "StopTimeout": INT, "ExposedPorts": SET, "Volumes": SET,
    "Healthcheck": OBJECT, "Healthcheck.Test": TEXTS, "Healthcheck.Interval": INT, "Healthcheck.Timeout": INT, "Healthcheck.Retries": INT,
    "HostConfig": OBJECT, "HostConfig.Binds": TEXTS, "HostConfig.Memory": INT, "HostConfig.NanoCpus": INT, "HostConfig.PidsLimit": INT,
    "HostConfig.CpuShares": INT, "HostConfig.CpusetCpus": TEXT, "HostConfig.AutoRemove": BOOL, "HostConfig.NetworkMode": TEXT,
    "HostConfig.RestartPolicy": OBJECT, "HostConfig.RestartPolicy.Name": TEXT, "HostConfig.RestartPolicy.MaximumRetryCount": INT,
    "HostConfig.LogConfig": OBJECT, "HostConfig.LogConfig.Type": TEXT, "HostConfig.LogConfig.Config": MAP, "HostConfig.CapAdd": TEXTS,
    "HostConfig.CapDrop": TEXTS, "HostConfig.Privileged": BOOL, "HostConfig.ReadonlyRootfs": BOOL, "HostConfig.SecurityOpt": TEXTS,
    "HostConfig.Sysctls": MAP, "HostConfig.Ulimits": ARRAY, "HostConfig.Devices": ARRAY, "HostConfig.Mounts": ARRAY,
    "HostConfig.Tmpfs": MAP, "HostConfig.ShmSize": INT, "HostConfig.ExtraHosts": TEXTS, "HostConfig.Dns": TEXTS,
    "HostConfig.GroupAdd": TEXTS, "HostConfig.PidMode": TEXT, "HostConfig.IpcMode": TEXT, "HostConfig.Runtime": TEXT,
    "HostConfig.Init": BOOL, "HostConfig.OomScoreAdj": INT, "HostConfig.DeviceCgroupRules": TEXTS, "HostConfig.CgroupParent": TEXT,
    "HostConfig.UsernsMode": TEXT, "HostConfig.CgroupnsMode": TEXT, "HostConfig.UTSMode": TEXT, "HostConfig.MaskedPaths": TEXTS,
    "HostConfig.ReadonlyPaths": TEXTS, "HostConfig.Annotations": MAP, "HostConfig.DnsSearch": TEXTS, "HostConfig.DnsOptions": TEXTS,
    "NetworkDisabled": BOOL, "AttachStdin": BOOL, "AttachStdout": BOOL, "AttachStderr": BOOL, "StdinOnce": BOOL,
}
VALUES = {TEXT: "x", INT: 1, BOOL: True, TEXTS: ["x"], MAP: {"a": "b"}, OBJECT: {}, ARRAY: [{}], WORDS: ["x"], SET: {"a": {}}}
WRONG = {
    TEXT: [17, True, ["x"], {"a": "b"}], INT: ["1", True, [1], {"a": 1}, 1.5], BOOL: ["true", 1, [True], {}],
    TEXTS: ["x", 1, {"a": "b"}, [1], [None], [["x"]]], MAP: ["x", 1, ["x"], {"a": 1}, {"a": ["b"]}], OBJECT: ["x", 1, ["x"], True],
    ARRAY: ["x", 1, {"a": 1}, ["x"], [1]], WORDS: [1, {"a": "b"}, [1], [[]], True], SET: ["x", 1, ["x"]],
}


def body_with(path, value):
    body = {"Image": "busybox:test", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
    place = body
    *parents, last = path.split(".")
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return body


def post(box, body, target="/containers/create"):
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    status, answer = box.api.raw("POST", target, data, {"Content-Type": "application/json"})
    return status, answer.decode(errors="replace")


def is_clean(box):
    assert box.api.raw("GET", "/_ping")[0] == 200
    assert box.api.get("/containers/json?all=1") == []


@pytest.mark.parametrize("path", FIELDS)
def test_wrong_types(box, path):
    for wrong in WRONG[FIELDS[path]]:
        status, answer = post(box, body_with(path, wrong))
        assert status == 400, (wrong, status, answer)
        assert path.split(".")[-1] in json.loads(answer)["message"], (wrong, answer)
    is_clean(box)


@pytest.mark.parametrize("path", [path for path, kind in FIELDS.items() if kind == INT])
def test_huge_numbers(box, path):
    for number in (2 ** 63, -2 ** 63 - 1, 10 ** 30, -1.5, 1e300):
        status, answer = post(box, body_with(path, number))
        assert status == 400 and json.loads(answer)["message"], (number, status, answer)
    for number in (2 ** 63 - 1, -2 ** 63, -7):
        status, answer = post(box, body_with(path, number))
        assert status in (201, 400), (number, answer)
        if status == 201:
            box.api.delete("/containers/" + json.loads(answer)["Id"])
    is_clean(box)


@pytest.mark.parametrize("path", [path for path, kind in FIELDS.items() if kind in (TEXT, TEXTS)])
def test_huge_texts(box, path):
    text = "x" * 3000000
    status, answer = post(box, body_with(path, [text] if FIELDS[path] == TEXTS else text))
    assert status in (201, 400, 404, 413), (status, answer[:500])
    assert len(answer) < 10000
    if status == 201:
        identity = json.loads(answer)["Id"]
        assert box.api.raw("POST", f"/containers/{identity}/start")[0] in (204, 400, 500)
        box.api.delete(f"/containers/{identity}?force=1")
    is_clean(box)


@pytest.mark.parametrize("path", [path for path, kind in FIELDS.items() if kind in (TEXT, TEXTS, WORDS, MAP, SET)])
def test_bad_text(box, path):
    """What is no UTF-8, wherever a text may stand; half a surrogate pair; a NUL, which no C program could see the end behind."""
    for bad in (b"\xff\xfe", b"\xc0\xaf", b"a\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\ud800", b"x\\u0000y"):
        value = {TEXT: b'"%s"', TEXTS: b'["%s"]', WORDS: b'["x","%s"]', MAP: b'{"k":"%s"}', SET: b'{"%s":{}}'}[FIELDS[path]] % bad
        body = json.dumps(body_with(path, "@VALUE@")).encode().replace(b'"@VALUE@"', value)
        status, answer = post(box, body)
        assert status == 400 and json.loads(answer)["message"], (bad, status, answer)
    is_clean(box)


BODIES = {
    "nothing": b"", "null": b"null", "a number": b"17", "a text": b'"x"', "a list": b"[]", "half": b'{"Image": "busy', "two": b"{}{}",
    "a comma": b'{"Image":"x",}', "comments": b'{/* */"Image":"x"}', "single quotes": b"{'Image':'x'}", "NaN": b'{"StopTimeout":NaN}',
    "infinity": b'{"StopTimeout":Infinity}', "bad UTF-8": b'{"Image":"\xff\xfe"}', "bad UTF-8 in a key": b'{"\xc3\x28":"x"}',
    "overlong UTF-8": b'{"Image":"\xc0\xaf"}', "a lone surrogate": b'{"Image":"\\ud800"}', "NUL": b'{"Image":"a\\u0000b"}',
    "a raw NUL": b'{"Image":"a\x00b"}', "a raw newline": b'{"Image":"a\nb"}', "deep lists": b"[" * 100000,
    "deep objects": b'{"a":' * 100000, "deep and closed": b'{"Labels":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "a BOM": b"\xef\xbb\xbf{}", "UTF-16": '{"Image":"x"}'.encode("utf-16"),
}


@pytest.mark.parametrize("what", BODIES)
def test_bad_documents(box, what):
    status, answer = post(box, BODIES[what])
    assert status == 400 and json.loads(answer)["message"], (status, answer)
    is_clean(box)


def test_long_documents(box):
    env = [f"V{n}={n}" for n in range(200000)]
    status, answer = post(box, body_with("Env", env))
    assert status in (201, 400, 413), answer[:300]
    if status == 201:
        box.api.delete("/containers/" + json.loads(answer)["Id"])
    try:
        status, answer = post(box, b'{"Image":"' + b"x" * (80 << 20) + b'"}')
        assert status in (400, 413)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before it was all sent
    is_clean(box)


@pytest.mark.parametrize("path,value", [
    ("Cmd", [""]), ("Env", ["=x"]), ("Env", [""]), ("WorkingDir", "relative"), ("User", "a\nb"), ("Hostname", "-bad host-"),
    ("HostConfig.Binds", ["/a"]), ("HostConfig.Binds", ["/a:relative"]),
    ("HostConfig.Binds", ["/a:/b:what"]), ("HostConfig.Binds", ["/a:/"]), ("HostConfig.Binds", ["/a:/b:ro:ro:ro"]),
    ("HostConfig.Mounts", [{"Type": "what", "Target": "/x"}]), ("HostConfig.Mounts", [{"Type": "bind", "Source": "/", "Target": ""}]),
    ("HostConfig.CapAdd", ["WHAT"]), ("HostConfig.SecurityOpt", ["what=1"]), ("HostConfig.Runtime", "unheard-of"),
    ("HostConfig.Sysctls", {"kernel.panic": "1"}), ("HostConfig.Ulimits", [{"Name": "what", "Soft": 1, "Hard": 1}]),
    ("HostConfig.Ulimits", [{"Name": "nofile", "Soft": 2, "Hard": 1}]), ("HostConfig.ExtraHosts", ["nocolon"]),
    ("HostConfig.PidMode", "what"), ("HostConfig.IpcMode", "what"), ("StopSignal", "SIGWHAT"), ("StopSignal", "99"),
    ("HostConfig.LogConfig", {"Type": "json-file", "Config": {"max-size": "much"}}),
    ("HostConfig.LogConfig", {"Type": "json-file", "Config": {"max-file": "0"}}),
    ("HostConfig.LogConfig", {"Type": "json-file", "Config": {"what": "1"}}), ("HostConfig.Tmpfs", {"relative": ""}),
    ("HostConfig.Tmpfs", {"/t": "what=1"}), ("HostConfig.Devices", [{"PathOnHost": "relative"}]),
    ("HostConfig.Devices", [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rx"}]),
    ("HostConfig.DeviceCgroupRules", ["c 1:2"]), ("HostConfig.DeviceCgroupRules", [""]), ("HostConfig.CgroupParent", "/a/../../b"),
    ("HostConfig.CgroupParent", "a.slice"), ("HostConfig.MaskedPaths", ["proc"]), ("HostConfig.ReadonlyPaths", ["/proc/../x"]),
    ("HostConfig.UsernsMode", "private"), ("HostConfig.UTSMode", "container:x"), ("HostConfig.CgroupnsMode", "what"),
    ("HostConfig.NetworkMode", "container:"), ("HostConfig.NetworkMode", "what"), ("HostConfig.PidMode", "container:nobody"),
    ("HostConfig.Dns", ["what"]), ("HostConfig.DnsSearch", ["two words"]), ("HostConfig.DnsOptions", ["new\nline"]),
    ("HostConfig.ExtraHosts", ["up:host-gateway"]), ("HostConfig.OomScoreAdj", -1001), ("HostConfig.ShmSize", -1), ("StopTimeout", -2),
    ("Domainname", "a b"), ("HostConfig.Sysctls", {"net.ipv4.x\n": "1"}), ("HostConfig.CapDrop", [""])])
def test_senseless_values(box, path, value):
    words = {"Cmd": "command", "Mounts": "mount", "Tmpfs": "mounts", "SecurityOpt": "securityoptions", "LogConfig": "log",
             "WorkingDir": "workdir", "Binds": "bind", "NetworkMode": "network"}
    status, answer = post(box, body_with(path, value))
    assert status in (400, 501), (status, answer)
    last = path.split(".")[-1]
    message = json.loads(answer)["message"].lower()
    assert words.get(last, last).lower() in message or (last == "Binds" and message.startswith("mounts[0]: "))
    is_clean(box)


@pytest.mark.parametrize("path,value,where", [
    ("HostConfig.Mounts", [{"Type": "tmpfs", "Target": "/x"}, {"Type": "bind", "Target": 1}], "Mounts[1]"),
    ("HostConfig.Mounts", [{"Type": "bind", "Target": "/x", "ReadOnly": "yes"}], "ReadOnly"),
    ("HostConfig.Mounts", [{"Type": "bind", "Target": "/x", "BindOptions": {"NonRecursive": 1}}], "NonRecursive"),
    ("HostConfig.Mounts", [{"Type": "bind", "Target": "/x", "BindOptions": "rslave"}], "BindOptions"),
    ("HostConfig.Mounts", [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": "1m"}}], "SizeBytes"),
    ("HostConfig.Mounts", [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"Mode": 0o17777}}], "Mode"),
    ("HostConfig.Mounts", [{"Target": "/x"}], "Type"), ("HostConfig.Mounts", [{"Type": "bind", "Source": "/tmp"}], "Target"),
    ("HostConfig.Devices", [{"PathOnHost": 1}], "Devices[0]"), ("HostConfig.Ulimits", [{"Name": "nofile", "Soft": "1"}], "Ulimits[0]")])
def test_wrong_types_below(box, path, value, where):
    status, answer = post(box, body_with(path, value))
    assert status == 400, (status, answer)
    assert where in json.loads(answer)["message"]
    is_clean(box)


@pytest.mark.parametrize("target", [
    "/containers/json?limit=x", "/containers/json?filters={", "/containers/json?filters=[]",
    "/containers/json?filters={\"status\":[\"what\"]}", "/images/json?filters={\"what\":[\"1\"]}", "/events?since=yesterday",
    "/events?filters=7", "/containers/x/json?%00", "/%", "/containers/%zz/json", "/images/%ff%fe/json", "/containers/a%00b/json"])
def test_bad_queries(box, target):
    status, answer = box.api.raw("GET", target)
    assert status in (400, 404), (status, answer)
    assert json.loads(answer)["message"]


def test_bad_numbers_in_queries(box):
    identity = box.run_container(["sleep", "60"])
    for target in (f"stop?t=x", "stop?t=99999999999999999999", "kill?signal=-1", "kill?signal=65", "kill?signal=0", "restart?t=1e9",
                   "wait?condition=x"):
        status, answer = box.api.raw("POST", f"/containers/{identity}/{target}")
        assert status == 400, (target, status, answer)
    for target in ("logs?stdout=1&tail=x", "logs?stdout=1&since=x", "logs?stdout=1&until=1x"):
        status, answer = box.api.raw("GET", f"/containers/{identity}/{target}")
        assert status in (200, 400), (target, status, answer)
    assert box.inspect(identity)["State"]["Running"]


def test_bad_credentials(box):
    for value in ("!!!", "e30", "bm90IGpzb24=", "W10=", "eyJ1c2VybmFtZSI6MX0=", "A" * 100000):
        try:
            status, answer = box.api.raw("POST", "/images/create?fromImage=localhost:1/x", None, {"X-Registry-Auth": value})
        except (BrokenPipeError, ConnectionResetError):
            continue
        assert status < 600 and answer
    is_clean(box)


def test_wrong_methods(box):
    for method, target in (("DELETE", "/containers/json"), ("PUT", "/version"), ("PATCH", "/containers/create"), ("BREW", "/"),
                           ("GET", "/containers/create")):
        status, answer = box.api.raw(method, target)
        assert status in (400, 404, 405, 501), (method, target, status, answer)


def raw(box, data, seconds=3):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(seconds)
    client.connect(str(box.socket))
    try:
        client.sendall(data)
        return client.recv(65536)
    except (OSError, TimeoutError):
        return b""
    finally:
        client.close()


def test_what_is_no_http(box):
    for data in (b"\r\n\r\n", b"\0" * 1000, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
                 b"GET /" + b"x" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /_ping HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(20000)) + b"\r\n",
                 b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                 b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
                 random.Random(1).randbytes(100000)):
        raw(box, data, 1)
        assert box.api.raw("GET", "/_ping")[0] == 200


class Narrow(kedge.Daemon):
    """A kedged that is started with the usual soft limit of open files, as from a shell."""

    def command(self):
        return ["prlimit", "--nofile=1024:8192", *super().command()]


@pytest.fixture
def narrow():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    it = Narrow().start()
    it.load_busybox()
    yield it
    it.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_slow_half_closed_and_idle_clients(narrow):
    """Two thousand at once: silent ones, ones that stop in the middle of a header or a body, ones that have ended their half."""
    beginnings = [b"", b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Le", b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
                  b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", b"G"]
    clients = []
    for number in range(2000):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(narrow.socket))
        client.sendall(beginnings[number % len(beginnings)])
        if number % len(beginnings) == 2:
            client.shutdown(socket.SHUT_WR)
        clients.append(client)
    for client in clients[2::len(beginnings)]:
        client.settimeout(20)
        assert b"200 OK" in client.recv(4096)
    assert len(os.listdir(f"/proc/{narrow.process.pid}/fd")) > 1500  # none of the silent ones was sent away
    for _ in range(10):
        assert narrow.api.raw("GET", "/containers/json")[0] == 200
    assert narrow.wait(narrow.run_container(["sh", "-c", "exit 3"])) == 3
    # a byte at a time is a request too
    for byte in b"ET /_ping HTTP/1.1\r\nHost: x\r\n\r\n":
        clients[4].sendall(bytes([byte]))
    clients[4].settimeout(20)
    assert b"200 OK" in clients[4].recv(4096)
    for client in clients:
        client.close()
    kedge.wait_for(lambda: len(os.listdir(f"/proc/{narrow.process.pid}/fd")) < 100)


def test_noise_in_create(box):
    """Random documents of known names and random values: never anything but an answer."""
    chance = random.Random(20)
    values = [None, True, 0, -1, 2 ** 40, 0.5, "", "x", "/", "\u0000", [], [""], ["x"], {}, {"": ""}, {"x": "y"}, [[]], [{}], {"x": {}}]
    for _ in range(400):
        body = {}
        for path in chance.sample(list(FIELDS), 4):
            place = body
            *parents, last = path.split(".")
            for name in parents:
                if not isinstance(place.get(name), dict):
                    place[name] = {}
                place = place[name]
            place[last] = copy.deepcopy(chance.choice(values))
        body.setdefault("Image", "busybox:test")
        status, answer = post(box, body)
        assert status in (201, 400, 404, 501), (body, status, answer)
    box.remove_all()
    is_clean(box)


@pytest.mark.parametrize("count, size, header", [(530, 1, 0), (400, 60, 0), (2000, 1, 0), (300, 1, 12000), (350, 60, 12000)])
def test_a_query_that_fills_the_memory_of_its_connection(box, count, size, header):
    """It is answered at once, whatever else the request has; its client does not wait for the idle timeout."""
    query = "&".join(f"a{number}={'x' * size}" for number in range(count))
    status, _ = kedge.Api(box.socket, timeout=10).raw("GET", f"/containers/json?{query}", headers={"X-Filler": "y" * header})
    assert status in (400, 414, 431) or (status, count, size) == (200, 300, 1)
    assert box.api.raw("GET", "/containers/json?all=1")[0] == 200
