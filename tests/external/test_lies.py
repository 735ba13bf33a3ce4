# SPDX-License-Identifier: Apache-2.0
"""An engine that lies, says too much, or nothing: bounded, told, and never a reason to let something run."""
import json
import os
import pathlib
import re
import socketserver
import threading

import pytest

import kedge

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
ID, OTHER, IMAGE = "a" * 64, "b" * 64, "sha256:" + "c" * 64
ENOUGH = 40 << 20  # bytes: more than any document may be long


def answer(document, status="200 OK"):
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def container(identity, **more):
    return {"Id": identity, "Name": "/one", "Image": IMAGE, "State": {"Status": "running"}, "Config": {"Image": "web:1"},
            "HostConfig": {"Privileged": False, "NetworkMode": "default", "CapAdd": None}, **more}


class Liar:
    """An engine that says what it is told to: `says` has bytes, or what makes them, by method and beginning of the path."""

    def __init__(self, directory):
        self.socket = directory / "liar.sock"
        self.asked, self.over = [], threading.Event()
        self.says = {
            "GET /version": answer({"Version": "1", "Components": [{"Name": "Engine"}]}),
            "GET /info": answer({"ID": "liar"}),
            "GET /events": self.silence,
            "GET /containers/json": answer([{"Id": ID, "Names": ["/one"], "Image": "web:1", "ImageID": IMAGE, "State": "running", "Status": "Up",
                                             "Created": 1, "Ports": None}]),
            f"GET /containers/{ID}/json": answer(container(ID)),
            "GET /images/": answer({"Id": IMAGE, "RepoTags": None, "RepoDigests": None}),
            "POST /containers/": b"HTTP/1.1 204 No Content\r\n\r\n",
            "DELETE /containers/": answer({"message": "it is busy"}, "500 Internal Server Error"),
        }

        class Handler(socketserver.StreamRequestHandler):
            def handle(handler):
                line = handler.rfile.readline().decode(errors="replace")
                while handler.rfile.readline() not in (b"\r\n", b""):
                    pass
                self.asked.append(line.strip())
                words = next((text for beginning, text in self.says.items() if line.startswith(beginning)), answer({"message": "no"}, "404 Not Found"))
                try:
                    for piece in (words() if callable(words) else [words]):
                        handler.wfile.write(piece)
                except OSError:
                    pass  # kedged has had enough

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self.server = Server(str(self.socket), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def silence(self):
        yield HEAD
        self.over.wait()

    def event(self, *lines):
        def stream():
            yield HEAD
            for line in lines:
                yield line + b"\n"
            self.over.wait()
        return stream

    def count(self, beginning):
        return sum(line.startswith(beginning) for line in self.asked)

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def liar(gateway):
    it = Liar(gateway.directory)
    yield it
    it.close()


def set_url(gateway, liar):
    gateway.api.call("PATCH", "/kedge/v1/service", {"engine": {"url": f"unix://{liar.socket}"}})


def endless(piece, enough=ENOUGH):
    def stream():
        yield HEAD
        for _ in range(enough // len(piece)):
            yield piece
    return stream


def peak_memory(gateway):
    if os.environ.get("KEDGE_SANITIZED"):
        return 0  # what is freed is kept, to tell who uses it
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()).group(1)) * 1024


DIGEST = "sha256:" + "e" * 64
ILL = answer({"message": "I am ill"}, "500 No")
KEDGE = answer({"Version": "1", "Platform": {"Name": "kedge"}})
NO_ANSWERS = {"garbage": b"\0\xff\x01 garbage\r\n\r\n", "headers": lambda: (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000, ), "nothing": b""}
NO_DOCUMENTS = {"no-json": (HEAD + b"{]", ""), "refusal": (ILL, "I am ill"), "text": (answer("text"), "")}


@pytest.mark.parametrize("what, how, why", [
    *(pytest.param(f"GET /{what}", how, "", id=f"{what}-{name}") for name, how in NO_ANSWERS.items() for what in ("version", "info", "containers/json")),
    *(pytest.param(f"GET /{what}", *how, id=f"{what}-{name}") for name, how in NO_DOCUMENTS.items() for what in ("version", "info")),
    *(pytest.param(f"GET /{what}", endless(b" " * 65536), "larger than", id=f"{what}-endless") for what in ("version", "info"))])
def test_answers_that_are_none(gateway, liar, what, how, why):
    liar.says["GET /version"] = KEDGE
    liar.says[what] = how
    set_url(gateway, liar)
    told = kedge.wait_for(lambda: gateway.engine()["problem"], 30)
    assert why in told and gateway.engine()["state"] == "connecting"
    assert gateway.api.get("/kedge/v1/engine/containers")["containers"] == []
    assert peak_memory(gateway) < 128 << 20


def test_information_is_not_waited_for(gateway, liar):
    """What it has beside its containers may take longer than any answer."""
    liar.says["GET /info"] = liar.silence
    set_url(gateway, liar)
    gateway.enforce()
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}"))


@pytest.mark.parametrize("how, why", [
    *(pytest.param(*how, id=name) for name, how in NO_DOCUMENTS.items()), pytest.param(endless(b" " * 65536, 300 << 20), "larger than", id="endless"),
    pytest.param(HEAD + b'[{"Id":"' + OTHER.encode() + b'","Names":["/other"]},', "breaks off", id="half"), pytest.param(HEAD + b"[]]", "none", id="too-much"),
    pytest.param(HEAD + b"[" + b"{}," * (1 << 20) + b"{}]", "more than 16384 items", id="many")])
def test_lists_that_are_none(gateway, liar, how, why):
    """Told, and asked for again; what events name is looked at all the same, and nobody is taken for gone."""
    liar.says["GET /events"] = liar.event(b'{"Type":"container","Action":"start","Actor":{"ID":"%s"}}' % ID.encode())
    liar.says["GET /containers/json"] = how
    gateway.enforce()
    set_url(gateway, liar)
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}"))
    assert why in gateway.engine()["problem"] and gateway.engine()["state"] == "connected"
    assert [one["id"] for one in gateway.removals() if "removed" not in one and one["id"] == ID] == [ID]
    assert peak_memory(gateway) < 128 << 20
    liar.says["GET /containers/json"] = answer([])
    if why != "I am ill":  # that one is asked again by itself
        gateway.list()
    kedge.wait_for(lambda: gateway.engine()["problem"] is None, 30)
    assert liar.count("GET /version") == 1


def listed(identity, **more):
    return {"Id": identity, "Names": ["/" + identity[:4]], "Image": "web:1", "ImageID": IMAGE, "State": "running", "Status": "Up", "Created": 1, "Ports": None, **more}


@pytest.mark.parametrize("spoilt", [{"Labels": {"a": "\0"}}, {"Labels": {"\0": "a"}}, {"Labels": {"a": "x" * (2 << 20)}}, {"Labels": {"a": "]}\"\\", "b": "\0"}},
                                    {"Ports": [{"PrivatePort": 1 + number, "Type": "tcp"} for number in range(5000)]}],
                         ids=["nul", "nul-key", "long", "brackets", "ports"])
def test_one_container_spoils_no_list(gateway, liar, spoilt):
    """What comes before it in the list, and after it, is known; it is judged by its own document."""
    last = "d" * 64
    liar.says["GET /containers/json"] = HEAD + json.dumps([listed(ID), listed(OTHER, **spoilt), listed(last), {"Names": ["/nobody"]}], separators=(",", ":")).encode()
    for identity in (OTHER, last):
        liar.says[f"GET /containers/{identity}/json"] = answer(container(identity, Name=f"/{identity[:4]}"))
    set_url(gateway, liar)
    gateway.connected()
    shown = {one["id"]: one for one in gateway.list().values()}
    assert set(shown) == {ID, OTHER, last} and shown[OTHER]["name"] == "bbbb" and shown[OTHER]["state"] == "running"
    assert gateway.engine()["problem"].startswith("1 of its containers")
    gateway.enforce(IMAGE)
    assert all(one["allowed"] for one in gateway.list().values())
    liar.says[f"GET /containers/{OTHER}/json"] = answer(container(OTHER, Config={"Image": "web:1", "Labels": {"a": "\0"}}))
    gateway.enforce(IMAGE, "sha256:" + "e" * 64)
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{OTHER}"))
    assert [one["id"] for one in gateway.removals()] == [OTHER] and "cannot be judged" in gateway.removals()[0]["reason"]


@pytest.mark.parametrize("lines", [[b"garbage"], [b"{}"], [b"[" * 5000], [b"x" * (1 << 20)], [b'{"Type":"container","Action":"start","Actor":{"ID":"../../info"}}']],
                         ids=["garbage", "empty", "deep", "long", "path"])
def test_events_that_say_nothing(gateway, liar, lines):
    """All of them are looked at again."""
    liar.says["GET /events"] = liar.event(*lines)
    set_url(gateway, liar)
    gateway.connected()
    kedge.wait_for(lambda: liar.count("GET /containers/json") >= 2)
    assert not any(".." in line for line in liar.asked)
    assert gateway.engine()["state"] == "connected" and gateway.list()["one"]["allowed"]


def test_events_without_end(gateway, liar):
    """Of containers that are not there: kedged answers meanwhile, and keeps none of them."""
    def stream():
        yield HEAD
        for number in range(3000):
            yield b'{"Type":"container","Action":"start","Actor":{"ID":"%064x"}}\n' % number
        self_over.set()
        liar.over.wait()
    self_over = threading.Event()
    liar.says["GET /events"] = stream
    set_url(gateway, liar)
    gateway.connected()
    kedge.wait_for(lambda: self_over.is_set() and set(gateway.list()) == {"one"}, 60)
    assert peak_memory(gateway) < 128 << 20


@pytest.mark.parametrize("document", [b"nonsense", json.dumps({"Id": ID}).encode(), json.dumps(container(OTHER)).encode(), b" " * (5 << 20),
                                      json.dumps(container(ID, HostConfig={"NetworkMode": "default"})).encode()],
                         ids=["nonsense", "holes", "another", "long", "no-privileged"])
def test_documents_that_hide_something(gateway, liar, document):
    """What cannot be judged is not allowed, whatever its image says."""
    liar.says[f"GET /containers/{ID}/json"] = HEAD + document
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce(IMAGE)
    record = kedge.wait_for(lambda: next((one for one in gateway.removals() if one["id"] == ID), None))
    assert "cannot be judged" in record["reason"] and not gateway.list()["one"]["allowed"]
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}"))


def test_silence_condemns_nobody(gateway, liar):
    """No answer at all says nothing of a container."""
    liar.says[f"GET /containers/{ID}/json"] = b""
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce(IMAGE)
    kedge.wait_for(lambda: liar.count(f"GET /containers/{ID}/json") >= 5)
    assert not gateway.list()["one"]["allowed"] and gateway.removals() == [] and not liar.count("DELETE")


def test_silence_saves_nobody_where_nothing_is_allowed(gateway, liar):
    liar.says[f"GET /containers/{ID}/json"] = b""
    gateway.enforce()
    set_url(gateway, liar)
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}"))
    assert "cannot be judged" in gateway.removals()[0]["reason"]


def hanging(liar, begun, given_up):
    """An answer without end, that tells when it is given up."""
    def stream():
        begun.set()
        yield HEAD
        try:
            while not liar.over.wait(0.05):
                yield b" "
        finally:
            given_up.set()
    return stream


def test_nobody_waits_for_the_silent(gateway, liar):
    """A look that is tried again holds up no client."""
    answers, hangs, given_up = [[b""]], threading.Event(), threading.Event()
    hang = hanging(liar, hangs, given_up)
    liar.says["GET /containers/json"] = answer([listed(ID), listed(OTHER)])
    liar.says[f"GET /containers/{ID}/json"] = lambda: answers.pop() if answers else hang()
    liar.says[f"GET /containers/{OTHER}/json"] = answer(container(OTHER, Name="/bbbb"))
    set_url(gateway, liar)
    assert hangs.wait(15)
    assert set(gateway.list()) == {"aaaa", "bbbb"} and not given_up.wait(1)


def test_the_silent_stand_in_nobodys_way(gateway, liar):
    """However many they are: who comes meanwhile is looked at, and judged."""
    silent, guest = ["%064x" % number for number in range(12)], "d" * 64
    hang = threading.Event()

    def hesitation():
        answers = [b""]

        def hesitate():
            if answers:
                yield answers.pop()
                return
            hang.set()
            liar.over.wait()
        return hesitate

    def events():
        yield HEAD
        hang.wait()
        for identity in (OTHER, guest):
            yield b'{"Type":"container","Action":"start","Actor":{"ID":"%s"}}\n' % identity.encode()
        liar.over.wait()
    liar.says["GET /events"] = events
    liar.says["GET /containers/json"] = answer([listed(identity) for identity in silent])
    liar.says.update({f"GET /containers/{identity}/json": hesitation() for identity in silent})
    liar.says[f"GET /containers/{OTHER}/json"] = answer(container(OTHER, Name="/bbbb", HostConfig={"Privileged": True, "NetworkMode": "default", "CapAdd": None}))
    liar.says[f"GET /containers/{guest}/json"] = answer(
        container(guest, Name="/dddd", HostConfig={"Privileged": False, "NetworkMode": f"container:{'e' * 64}", "CapAdd": None}))
    by_rule(gateway, privileged={}, hostNetwork={})
    set_url(gateway, liar)
    assert hang.wait(15)
    kedge.wait_for(lambda: {line["container"] for line in stops(gateway)} == {OTHER, guest})


def guest_of_another(liar):
    """OTHER shares the network of ID, which is known to nobody yet."""
    liar.says["GET /containers/json"] = answer([listed(ID), listed(OTHER)])
    liar.says[f"GET /containers/{OTHER}/json"] = answer(
        container(OTHER, Name="/guest", HostConfig={"Privileged": False, "NetworkMode": f"container:{ID}", "CapAdd": None}))


def decisions(gateway, identity):
    return [line["decision"] for line in gateway.audit() if line.get("container") == identity]


@pytest.mark.parametrize("mode", ["deny", "warn"])
def test_network_of_one_that_hesitates(gateway, liar, mode):
    """It has answered by the third time: that is waited for."""
    answers = [answer(container(ID)), ILL, b""]
    guest_of_another(liar)
    liar.says[f"GET /containers/{ID}/json"] = lambda: [answers.pop() if len(answers) > 1 else answers[0]]
    by_rule(gateway, hostNetwork={"mode": mode})
    set_url(gateway, liar)
    kedge.wait_for(lambda: "admit" in decisions(gateway, OTHER))
    assert decisions(gateway, OTHER) == ["admit"] and not liar.count("POST")


def test_network_of_one_that_never_answers(gateway, liar):
    """It counts as the host's then."""
    guest_of_another(liar)
    liar.says[f"GET /containers/{ID}/json"] = b""
    by_rule(gateway, hostNetwork={})
    set_url(gateway, liar)
    kedge.wait_for(lambda: "stop" in decisions(gateway, OTHER))
    assert liar.count(f"GET /containers/{ID}/json") >= 3 and decisions(gateway, ID) == []


@pytest.mark.parametrize("listing", [{"enabled": True, "allowlist": [DIGEST]}, {"enabled": False}], ids=["allow-list", "rule"])
def test_network_that_does_not_matter(gateway, liar, listing):
    """What is denied anyway is not put off until its network's owner has answered."""
    guest_of_another(liar)
    asked, given_up = threading.Event(), threading.Event()
    liar.says[f"GET /containers/{ID}/json"] = hanging(liar, asked, given_up)
    gateway.api.call("PUT", "/kedge/v1/enforcement", {**listing, "rules": {"registries": {"allowed": ["docker.io"]}, "hostNetwork": {}}})
    set_url(gateway, liar)
    assert asked.wait(15)
    kedge.wait_for(lambda: liar.count(f"POST /containers/{OTHER}/"))
    assert not given_up.wait(1)


def test_errors_count_after_three(gateway, liar):
    liar.says[f"GET /containers/{ID}/json"] = answer({"message": "ill"}, "500 No")
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce(IMAGE)
    record = kedge.wait_for(lambda: next((one for one in gateway.removals() if one["id"] == ID), None))
    assert "ill" in record["reason"] and liar.count(f"GET /containers/{ID}/json") >= 3


def test_image_without_digests(gateway, liar):
    """RepoDigests null, or an image that is not there any more: its id is what is left."""
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce(IMAGE)
    assert gateway.list()["one"]["digests"] == [IMAGE]
    liar.says["GET /images/"] = answer({"message": "no such image"}, "404 Not Found")
    gateway.enforce(IMAGE, "sha256:" + "d" * 64)
    kedge.wait_for(lambda: liar.count("GET /images/") >= 2)
    assert gateway.list()["one"]["allowed"] and gateway.removals() == []


def test_image_that_is_refused(gateway, liar):
    """What was known of it holds on: the container itself is read."""
    liar.says["GET /images/"] = answer({"Id": IMAGE, "RepoTags": ["web:1"], "RepoDigests": [f"web@{DIGEST}"]})
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce(DIGEST, rules={"registries": {"allowed": ["docker.io"]}, "latest": {}})
    kedge.wait_for(lambda: gateway.list()["one"]["digests"] == [IMAGE, DIGEST])
    liar.says["GET /images/"] = ILL
    before = liar.count("GET /images/")
    gateway.enforce(DIGEST, "sha256:" + "f" * 64, rules={"registries": {"allowed": ["docker.io"]}, "latest": {}})
    kedge.wait_for(lambda: liar.count("GET /images/") >= before + 3)
    assert gateway.list()["one"]["allowed"] and gateway.removals() == [] and not liar.count("POST") and not liar.count("DELETE")


def test_image_that_is_refused_after_its_container(gateway, liar):
    """The one counts nothing for the other."""
    documents, images = [answer(container(ID)), ILL, ILL], [answer({"Id": IMAGE, "RepoTags": None, "RepoDigests": [f"web@{DIGEST}"]}), ILL]
    liar.says[f"GET /containers/{ID}/json"] = lambda: [documents.pop() if len(documents) > 1 else documents[0]]
    liar.says["GET /images/"] = lambda: [images.pop() if len(images) > 1 else images[0]]
    gateway.enforce(DIGEST)
    set_url(gateway, liar)
    gateway.connected()
    kedge.wait_for(lambda: gateway.list()["one"].get("digests") == [IMAGE, DIGEST])
    assert gateway.list()["one"]["allowed"] and gateway.removals() == [] and not liar.count("POST") and not liar.count("DELETE")


def test_image_that_was_never_read(gateway, liar):
    """Its id alone allows it, and passes no rule of what is not known."""
    liar.says["GET /images/"] = ILL
    gateway.enforce(IMAGE)
    set_url(gateway, liar)
    gateway.connected()
    kedge.wait_for(lambda: gateway.list()["one"]["allowed"])
    assert gateway.removals() == [] and not liar.count("POST") and liar.count("GET /images/") >= 3
    gateway.enforce(IMAGE, rules={"registries": {"allowed": ["local"]}})
    kedge.wait_for(lambda: stops(gateway))
    assert stops(gateway)[0]["rule"] == "registries" and gateway.removals() == []
    gateway.enforce(IMAGE, rules={"latest": {}})  # it was asked for by another tag
    kedge.wait_for(lambda: gateway.list()["one"]["allowed"])
    gateway.enforce(DIGEST)
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}"))


def test_removals_that_fail(gateway, liar):
    """Tried again, the reason on record; meanwhile nobody starts it through kedge."""
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce()
    record = kedge.wait_for(lambda: next((one for one in gateway.removals() if one.get("error")), None))
    assert record["error"] == "it is busy" and "removed" not in record
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}") >= 3)
    before = liar.count(f"POST /containers/{ID}/start")
    for verb in ("start", "restart"):
        status, words = gateway.act("a" * 64, verb)
        assert status == 403 and json.loads(words)["message"] == record["reason"]
    assert liar.count(f"POST /containers/{ID}/start") == before == 0
    liar.says[f"GET /containers/{ID}/json"] = answer({"message": "gone"}, "404 Not Found")
    liar.says["GET /containers/json"] = answer([])
    assert "error" not in gateway.removed("one")


@pytest.mark.parametrize("moment", ["running", "dead"])
@pytest.mark.parametrize("to", ["podman", "docker", "none"])
def test_removal_at_an_engine_that_is_left(gateway, liar, tmp_path, moment, to):
    """It stays, on no record; that another engine has no such container tells nothing of it."""
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce()
    kedge.wait_for(lambda: any(one.get("error") for one in gateway.removals()))
    other = Liar(tmp_path)
    other.says.update({"GET /containers/json": answer([]), f"GET /containers/{ID}/json": answer({"message": "no"}, "404 Not Found")})
    if to == "podman":
        other.says["GET /version"] = answer({"Components": [{"Name": "Podman Engine"}]})
    url = "" if to == "none" else f"unix://{other.socket}"
    try:
        if moment == "dead":
            gateway.kill()
            options = gateway.service.read_text()
            assert f"unix://{liar.socket}" in options
            gateway.service.write_text(options.replace(f"unix://{liar.socket}", url))
            gateway.start()
        else:
            gateway.api.call("PATCH", "/kedge/v1/service", {"engine": {"url": url}})
        kedge.wait_for(lambda: gateway.engine()["engine"] == (None if to == "none" else to))
        if to != "none":
            gateway.connected()
            assert gateway.list() == {}
        kedge.wait_for(lambda: gateway.removals() == [])
    finally:
        other.close()
    assert [line["decision"] for line in gateway.audit() if line["decision"] in ("remove", "removed", "keep")] == ["remove", "keep"]


@pytest.mark.parametrize("rest", [[{"Id": "%064x" % number} for number in range(4200)] + [listed(ID)], [listed(ID, Id=None)], [listed(OTHER)]],
                         ids=["many", "no-id", "not-listed"])
def test_removals_are_done_when_the_engine_says_so(gateway, liar, rest):
    """Whatever its list leaves out, or leaves no room for."""
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce()
    kedge.wait_for(lambda: any(one.get("error") for one in gateway.removals()))
    gateway.kill()
    liar.says["GET /containers/json"] = answer(rest)
    before = liar.count(f"DELETE /containers/{ID}")
    gateway.start()
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}") >= before + 2, 60)
    assert ["removed" in one for one in gateway.removals() if one["id"] == ID] == [False]
    assert [line["decision"] for line in gateway.audit() if line.get("container") == ID] == ["remove"]
    liar.says[f"GET /containers/{ID}/json"] = answer({"message": "gone"}, "404 Not Found")
    gateway.removed("one")


def test_engine_of_no_known_kind(gateway, liar):
    """Refusals of it are told as another engine's all the same."""
    liar.says["GET /version"] = answer({"Version": "1"})
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce(DIGEST)
    assert gateway.act(ID, "start")[0] == 403
    assert [line["engine"] for line in gateway.audit() if line["decision"] == "deny"] == ["external"]


def by_rule(gateway, **rules):
    gateway.api.call("PUT", "/kedge/v1/enforcement", {"enabled": False, "rules": rules or {"privileged": {}}})


def stops(gateway):
    return [line for line in gateway.audit() if line["decision"] == "stop"]


def test_stops_that_fail(gateway, liar):
    """Tried again while it is alive, one line of the audit log, and nothing is deleted."""
    liar.says[f"GET /containers/{ID}/json"] = answer(container(ID, HostConfig={"Privileged": True, "NetworkMode": "default", "CapAdd": None}))
    liar.says["POST /containers/"] = answer({"message": "it is busy"}, "500 Internal Server Error")
    set_url(gateway, liar)
    gateway.connected()
    by_rule(gateway)
    kedge.wait_for(lambda: liar.count(f"POST /containers/{ID}/kill") >= 2)
    assert "it is privileged" in stops(gateway)[0]["reason"] and len(stops(gateway)) == 1
    liar.says["POST /containers/"] = b"HTTP/1.1 204 No Content\r\n\r\n"  # which is no truth: it runs on
    kedge.wait_for(lambda: len(stops(gateway)) == 2, 30)
    assert gateway.removals() == [] and not liar.count("DELETE")


@pytest.mark.parametrize("name, rule", [("privileged", {}), ("hostNetwork", {}), ("capabilities", {"allowed": []}), ("registries", {"allowed": ["local"]}),
                                        ("registries", {"allowed": ["docker.io"]}), ("latest", {})],
                         ids=["privileged", "host-network", "capabilities", "local", "registries", "latest"])
def test_what_cannot_be_judged_is_stopped_by_rules(gateway, liar, name, rule):
    liar.says[f"GET /containers/{ID}/json"] = HEAD + b"nonsense"
    set_url(gateway, liar)
    gateway.connected()
    by_rule(gateway, **{name: rule})
    kedge.wait_for(lambda: liar.count(f"POST /containers/{ID}/"))
    assert "cannot be judged" in stops(gateway)[0]["reason"]
    assert gateway.removals() == [] and not liar.count("DELETE")
    gateway.enforce(IMAGE, rules={name: rule})
    kedge.wait_for(lambda: liar.count(f"DELETE /containers/{ID}"))
    assert "cannot be judged" in gateway.removals()[0]["reason"]


@pytest.mark.parametrize("name, is_tag, count", [("s", True, 1), ("sha2", True, 1), ("sha256", True, 1), ("c" * 4, True, 1), ("c" * 12, True, 1), (IMAGE, False, 0),
                                                 (IMAGE[:20], False, 0), ("c" * 4, False, 0), ("c" * 12, False, 0)])
def test_names_are_no_ids(gateway, liar, name, is_tag, count):
    """Though every id begins with it."""
    liar.says[f"GET /containers/{ID}/json"] = answer(container(ID, Config={"Image": name}))
    liar.says["GET /images/"] = answer({"Id": IMAGE, "RepoTags": ["web:1", *([f"{name}:latest"] if is_tag else [])], "RepoDigests": None})
    set_url(gateway, liar)
    gateway.connected()
    by_rule(gateway, latest={})
    kedge.wait_for(lambda: {line["decision"] for line in gateway.audit()} & {"stop", "admit"})
    assert len(stops(gateway)) == count


def test_removal_that_the_policy_takes_back(gateway, liar):
    """Denied by a rule alone by now: it is not removed any more, and on no record."""
    liar.says[f"GET /containers/{ID}/json"] = answer(container(ID, HostConfig={"Privileged": True, "NetworkMode": "default", "CapAdd": None}))
    set_url(gateway, liar)
    gateway.connected()
    gateway.enforce()
    kedge.wait_for(lambda: any(one.get("error") for one in gateway.removals()))
    by_rule(gateway)
    kedge.wait_for(lambda: stops(gateway) and gateway.removals() == [])
    assert [line["decision"] for line in gateway.audit() if line["decision"] in ("remove", "removed", "keep")] == ["remove", "keep"]


def test_too_many_containers(gateway, liar):
    liar.says["GET /containers/json"] = answer([{"Id": "%064x" % number, "Names": ["/n%d" % number], "State": "exited"} for number in range(4200)] + [{"Id": "../x"}])
    set_url(gateway, liar)
    gateway.connected()
    kedge.wait_for(lambda: gateway.engine()["problem"])
    assert "4201 containers" in gateway.engine()["problem"]
    assert not any(".." in line for line in liar.asked)


def test_engine_that_hangs(gateway, liar):
    """kedged itself answers at once, and the client that leaves is forgotten."""
    liar.says = {f"POST /containers/{ID}/stop": liar.silence, **liar.says}
    set_url(gateway, liar)
    gateway.connected()
    impatient = kedge.Api(gateway.socket, timeout=1)
    with pytest.raises(OSError):
        impatient.raw("POST", f"/kedge/v1/engine/containers/{ID}/stop")
    assert gateway.engine()["state"] == "connected"
