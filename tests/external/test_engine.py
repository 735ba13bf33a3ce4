# SPDX-License-Identifier: Apache-2.0
"""A real dockerd, and podman's service, beside kedged: shown, steered and held to the allow-list."""
import json
import os
import socket
import socketserver
import threading

import pytest

import kedge
from engines import EVIL, GOOD, freeze, thaw

LOOP = ("sh", "-c", "trap exit TERM; while true; do sleep 1; done")
LIMITS = [{"Name": name, "Soft": 1024, "Hard": 1024} for name in ("nofile", "nproc")]  # podman's own are more than this machine allows


def manifest(engine, name):
    """The digest under which the registry has it."""
    return engine.image(name)["RepoDigests"][0].split("@")[1]


def identity(engine, name):
    return "sha256:" + engine.image(name)["Id"].removeprefix("sha256:")


def run_evil(engine, name):
    """Where kedge is as quick as it may be, it is gone before its start."""
    engine.create(name, EVIL)
    engine.call("start", name, check=False)


def test_containers_are_listed(gateway, engine):
    engine.run("runs")
    engine.create("made", EVIL)
    state = gateway.use(engine)
    assert state["engine"] == engine.kind and state["problem"] is None and state["version"]
    shown = gateway.list()
    assert set(shown) == {"runs", "made"}
    one = shown["runs"]
    assert one["state"] == "running" and one["status"].startswith("Up") and one["allowed"] and one["reason"] is None and one["health"] is None
    assert one["imageId"] == identity(engine, GOOD) and manifest(engine, GOOD) in one["digests"] and one["ports"] == [] and one["created"] > 1e9
    assert shown["made"]["state"] == "created"
    assert gateway.api.get("/containers/json?all=1") == []  # they are not kedge's own
    table = gateway.kedge("external", "ls").out.splitlines()
    assert table[0].split()[:2] == ["CONTAINER", "ID"] and {line.split()[-1] for line in table[1:]} == {"runs", "made"}
    assert json.loads(gateway.kedge("external", "ls", "--format", "json").out.splitlines()[0])["Allowed"] == "yes"
    assert set(gateway.kedge("external", "ls", "-q", "--no-trunc").out.split()) == {one["id"] for one in shown.values()}


def test_started_stopped_deleted(gateway, engine):
    engine.create("web", GOOD, *LOOP)
    gateway.use(engine)
    assert gateway.act("web", "start") == (204, "") and engine.state("web") == "running"
    assert gateway.act("web", "start")[0] == 304
    assert gateway.list()["web"]["state"] == "running"
    status, words = gateway.delete("web")
    assert status >= 400 and "message" in json.loads(words) and "web" in engine.names()  # the engine's own words
    assert gateway.act("web", "restart")[0] == 204 and engine.state("web") == "running"
    assert gateway.act("web", "stop")[0] == 204 and engine.state("web") == "exited"
    assert gateway.act("web", "stop")[0] == 304
    assert gateway.kedge("external", "start", "web").out == "web\n" and engine.state("web") == "running"
    assert gateway.delete("web", "?force=true") == (204, "") and "web" not in engine.names()
    assert gateway.act("web", "start")[0] == 404 and gateway.delete("web")[0] == 404
    assert gateway.act("..%2Finfo", "start")[0] == 404
    assert "web" not in gateway.list()


def test_what_is_not_allowed_is_removed(gateway, engine):
    """Running, made, paused and ended ones; what is allowed stays."""
    kept = engine.run("good")
    engine.run("runs", EVIL, *LOOP)
    engine.create("made", EVIL)
    engine.run("still", EVIL, *LOOP)
    engine.call("pause", "still")
    engine.run("ended", EVIL, "true")
    kedge.wait_for(lambda: engine.state("ended") == "exited")
    gateway.use(engine)
    plan = gateway.api.post("/kedge/v1/enforcement/dry-run", {"allowlist": [manifest(engine, GOOD)]})
    assert {one["name"]: one["engine"] for one in plan["removals"]} == dict.fromkeys(["runs", "made", "still", "ended"], engine.kind)
    assert plan["engine"]["state"] == "connected" and engine.names() == {"good", "runs", "made", "still", "ended"}
    gateway.enforce(manifest(engine, GOOD))
    for name in ("runs", "made", "still", "ended"):
        record = gateway.removed(name)
        assert record["engine"] == engine.kind and manifest(engine, EVIL) in record["digests"] and "not allowed" in record["reason"]
    assert engine.names() == {"good"} and engine.state("good") == "running" and gateway.list()["good"]["id"] == kept
    lines = [(line["decision"], line["name"]) for line in gateway.audit() if line.get("engine") == engine.kind]
    assert lines.count(("remove", "runs")) == 1 and lines.count(("removed", "runs")) == 1 and ("admit", "good") in lines


def test_one_that_cannot_be_read_hides_no_other(gateway, engine):
    """A NUL in a label makes that container's documents no JSON that is taken; those of the others stay what they are."""
    gateway.use(engine)
    gateway.enforce(identity(engine, GOOD))
    engine.run("good")
    body = {"Image": EVIL, "Cmd": ["sleep", "1000"], "Labels": {"note": "a\0b"}, "HostConfig": {"NetworkMode": "none", "Ulimits": LIMITS}}
    poisoned = kedge.Api(engine.socket).post("/containers/create?name=poisoned", body)["Id"]
    engine.call("start", poisoned, check=False)
    run_evil(engine, "evil")
    gateway.removed("evil")
    kedge.wait_for(lambda: engine.names() == {"good"}, 30)
    record = kedge.wait_for(lambda: next((one for one in gateway.removals() if one["id"] == poisoned and "removed" in one), None))
    assert "cannot be judged" in record["reason"] and engine.state("good") == "running"


def test_restarting_one_is_removed(gateway, docker):
    docker.run("again", EVIL, "false", options=["--restart", "always"])
    kedge.wait_for(lambda: docker.state("again") == "restarting")
    gateway.use(docker)
    gateway.enforce(manifest(docker, GOOD))
    gateway.removed("again")
    assert "again" not in docker.names()


def test_started_later_is_removed(gateway, engine):
    gateway.use(engine)
    gateway.enforce(identity(engine, GOOD))  # the image's id does, too
    run_evil(engine, "late")
    engine.run("fine")
    gateway.removed("late")
    assert engine.names() == {"fine"} and engine.state("fine") == "running"


def test_images_without_digests(gateway, docker):
    """What was committed came from no registry: its id alone allows it."""
    docker.run("base")
    docker.call("commit", "base", "own:1")
    assert not docker.image("own:1")["RepoDigests"]
    docker.run("own", "own:1", *LOOP)
    gateway.use(docker)
    gateway.enforce(identity(docker, GOOD), identity(docker, "own:1"))
    shown = gateway.list()
    assert shown["own"]["allowed"] and shown["own"]["digests"] == [identity(docker, "own:1")]
    gateway.enforce(identity(docker, GOOD))
    gateway.removed("own")
    assert docker.names() == {"base"} and docker.state("base") == "running"
    docker.call("rmi", "own:1")


def test_policy_changes(gateway, engine):
    engine.run("one", GOOD, *LOOP)
    engine.run("two", EVIL, *LOOP)
    gateway.use(engine)
    gateway.enforce(identity(engine, GOOD), identity(engine, EVIL))
    assert all(one["allowed"] for one in gateway.list().values())
    gateway.enforce(identity(engine, EVIL))
    assert gateway.removed("one")["state"] == "running"
    assert engine.names() == {"two"} and engine.state("two") == "running"


def stops(gateway, name):
    return [(line["rule"], line["engine"], line["door"]) for line in gateway.audit() if line["decision"] == "stop" and line["name"] == name]


def stopped(gateway, engine, name, count=1):
    """By kedge, so many times: it is there, and does not run. "stopped" is what podman makes of a paused one."""
    kedge.wait_for(lambda: len(stops(gateway, name)) == count and engine.state(name) in ("exited", "stopped"), 60)


def test_rules(gateway, docker):
    """What one denies is stopped where it runs, and nothing is deleted."""
    docker.create("strong", options=["--privileged"])  # which not every machine can start
    docker.create("admin", options=["--cap-add", "SYS_ADMIN"])
    docker.call("run", "-d", "--net", "host", "--name", "host", GOOD, *LOOP)
    docker.call("run", "-d", "--net", "container:host", "--name", "guest", GOOD, *LOOP)
    docker.run("plain")
    docker.run("still", GOOD, *LOOP)
    everything = docker.names()
    gateway.use(docker)
    rules = {"privileged": {"mode": "warn"}, "hostNetwork": {}, "capabilities": {"allowed": ["ALL"]}}
    plan = gateway.api.post("/kedge/v1/enforcement/dry-run", {"enabled": False, "rules": rules})
    assert plan["removals"] == [] and {one["name"]: one["engine"] for one in plan["stops"]} == {"host": "docker", "guest": "docker"}
    manual = (kedge.TOP / "man" / "kedge-enforcement-dry-run.1.scd").read_text().partition("# FORMAT")[2]
    assert [field for field in {*plan, *plan["engine"], *plan["stops"][0]} if f"*{field}*" not in manual] == []
    told = gateway.kedge("service", "set", "--dry-run", "enforcement.rules.hostNetwork.mode=deny").out
    assert {line.split()[0] for line in told.split("left there:\n")[1].splitlines()[1:]} == {"host", "guest"}
    gateway.api.call("PUT", "/kedge/v1/enforcement", {"enabled": False, "rules": rules})
    for name in ("host", "guest"):
        stopped(gateway, docker, name)
        assert stops(gateway, name) == [("hostNetwork", "docker", "pass")] and "host's network" in gateway.list()[name]["reason"]
    assert docker.state("plain") == docker.state("still") == "running"
    assert [line["rule"] for line in gateway.audit() if line["decision"] == "warn" and line["name"] == "strong"] == ["privileged"]
    gateway.api.call("PATCH", "/kedge/v1/enforcement", {"rules": {"capabilities": {"allowed": []}}})
    kedge.wait_for(lambda: {name for name, one in gateway.list().items() if not one["allowed"]} == {"strong", "admin", "host", "guest"})
    docker.call("start", "admin")
    stopped(gateway, docker, "admin")
    assert "SYS_ADMIN" in gateway.list()["admin"]["reason"]
    assert docker.names() == everything and docker.state("strong") == "created" and gateway.removals() == []
    assert stops(gateway, "strong") == []


def test_namespace_of_the_host(gateway, podman):
    """A path to it is as good as its name."""
    podman.call("run", "-d", *podman.limits, "--net", f"ns:/proc/{os.getpid()}/ns/net", "--name", "path", GOOD, *LOOP)
    podman.run("plain")
    gateway.use(podman)
    gateway.api.call("PUT", "/kedge/v1/enforcement", {"enabled": False, "rules": {"hostNetwork": {}}})
    stopped(gateway, podman, "path")
    assert stops(gateway, "path") == [("hostNetwork", "podman", "pass")] and podman.state("plain") == "running"


@pytest.fixture
def by_rule(gateway, engine):
    """A rule refuses what may administrate; nothing else is on."""
    gateway.use(engine)

    def apply(**more):
        gateway.api.call("PUT", "/kedge/v1/enforcement", {"enabled": False, "rules": {"capabilities": {"allowed": []}}, **more})
    return apply


ADMIN = ["--cap-add", "SYS_ADMIN"]


def test_rule_stops_what_starts_again(gateway, engine, by_rule):
    """One that ran has its time to stop; started again, also by its restart policy, it is stopped again, and never deleted."""
    engine.run("again", GOOD, "sh", "-c", "trap 'exit 7' TERM; while true; do sleep 0.1; done", options=[*ADMIN, "--restart", "always"])
    kedge.wait_for(lambda: "again" in gateway.list())
    by_rule()
    stopped(gateway, engine, "again")
    assert json.loads(engine.call("inspect", "again"))[0]["State"]["ExitCode"] == 7
    assert gateway.act("again", "start")[0] == 403
    engine.call("start", "again")
    stopped(gateway, engine, "again", 2)
    engine.run("late", options=[*ADMIN, "--restart", "always"])
    stopped(gateway, engine, "late")
    engine.kill()
    kedge.wait_for(lambda: gateway.engine()["state"] == "connecting")
    engine.start()
    gateway.connected()
    if engine.kind == "docker":  # which starts them with itself
        stopped(gateway, engine, "late", 2)
    gateway.list()
    assert engine.names() == {"again", "late"} and {engine.state(name) for name in engine.names()} == {"exited"} and gateway.removals() == []


def test_rule_stops_a_paused_one(gateway, engine, by_rule):
    engine.run("paused", options=ADMIN)
    engine.call("pause", "paused")
    kedge.wait_for(lambda: gateway.list()["paused"]["state"] == "paused")
    by_rule()
    stopped(gateway, engine, "paused")
    assert gateway.removals() == []


def test_rule_stops_a_restarting_one(gateway, docker):
    docker.run("fails", GOOD, "false", options=[*ADMIN, "--restart", "always"])
    kedge.wait_for(lambda: docker.state("fails") == "restarting")
    gateway.use(docker)
    gateway.api.call("PUT", "/kedge/v1/enforcement", {"enabled": False, "rules": {"capabilities": {"allowed": []}}})
    kedge.wait_for(lambda: docker.state("fails") == "exited" and stops(gateway, "fails"))
    restarts = json.loads(docker.call("inspect", "fails"))[0]["RestartCount"]
    gateway.enforce(identity(docker, EVIL), rules={})  # the list removes what the rule has left
    assert gateway.removed("fails")["state"] == "exited" and restarts >= 1 and docker.names() == set()


def test_list_comes_before_rules(gateway, engine, by_rule):
    """What both deny is removed; what was about to be removed, and is denied by a rule alone by now, stays."""
    engine.create("both", EVIL, options=ADMIN)
    engine.create("rule", GOOD, options=ADMIN)
    kedge.wait_for(lambda: set(gateway.list()) == {"both", "rule"})
    by_rule(enabled=True, allowlist=[identity(engine, GOOD)])
    assert "is not allowed" in gateway.removed("both")["reason"]
    assert engine.names() == {"rule"} and not gateway.list()["rule"]["allowed"]


def test_allowed_while_it_is_stopped(gateway, docker):
    """One that is allowed again while a rule has it stopped is started again; what was stopped before stays so."""
    wait = "trap 'touch /told' TERM; while true; do sleep 0.1; done"
    docker.run("stubborn", GOOD, "sh", "-c", wait, options=ADMIN)
    docker.run("ended", GOOD, *LOOP, options=ADMIN)
    docker.call("stop", "ended")
    gateway.use(docker)
    gateway.api.call("PUT", "/kedge/v1/enforcement", {"enabled": False, "rules": {"capabilities": {"allowed": ["ALL"]}}})
    kedge.wait_for(lambda: all(one["allowed"] for one in gateway.list().values()))
    before = json.loads(docker.call("inspect", "stubborn"))[0]["State"]["StartedAt"]
    gateway.api.call("PATCH", "/kedge/v1/enforcement", {"rules": {"capabilities": {"allowed": []}}})
    kedge.wait_for(lambda: "/told" in docker.call("diff", "stubborn"))
    gateway.api.call("PATCH", "/kedge/v1/enforcement", {"rules": {"capabilities": {"allowed": ["ALL"]}}})
    kedge.wait_for(lambda: json.loads(docker.call("inspect", "stubborn"))[0]["State"]["StartedAt"] != before, 60)
    assert docker.state("stubborn") == "running" and docker.state("ended") == "exited"
    assert len(stops(gateway, "stubborn")) == 1 and stops(gateway, "ended") == []


def test_engine_is_killed(gateway, podman):
    """What is started while its socket is dead is found when it comes back."""
    gateway.use(podman)
    gateway.enforce(identity(podman, GOOD))
    podman.kill()
    lost = kedge.wait_for(lambda: gateway.engine()["state"] == "connecting" and gateway.engine())
    assert lost["problem"]
    podman.run("meanwhile", EVIL)
    assert gateway.api.get("/kedge/v1/engine/containers")["containers"] == []
    assert gateway.act("meanwhile", "stop")[0] == 503
    assert "cannot be asked" in gateway.kedge("external", "ls", check=False).err
    podman.start()
    gateway.removed("meanwhile")
    assert podman.names() == set()
    assert gateway.connected()["problem"] is None


def test_dockerd_is_killed(gateway, docker):
    """It starts by itself what is to be started again."""
    docker.run("good", options=["--restart", "always"])
    gateway.use(docker)
    allowed = identity(docker, GOOD)
    docker.run("evil", EVIL, options=["--restart", "always"])
    docker.kill()
    try:
        kedge.wait_for(lambda: gateway.engine()["state"] == "connecting")
        gateway.enforce(allowed)
    finally:
        docker.start()
    gateway.removed("evil")
    gateway.connected()
    assert docker.names() == {"good"}


def test_engine_is_frozen(gateway, podman):
    podman.run("good")
    gateway.use(podman)
    gateway.enforce(identity(podman, GOOD))
    kedge.wait_for(lambda: ("admit", "good") in [(line["decision"], line["name"]) for line in gateway.audit()])
    freeze(podman)
    starting = threading.Thread(target=podman.run, args=("meanwhile", EVIL))
    try:
        starting.start()
        starting.join(10)  # the frozen service may hold a lock that this needs: then it starts when that goes on
    finally:
        thaw(podman)
    starting.join()
    gateway.removed("meanwhile")
    assert podman.names() == {"good"} and podman.state("good") == "running"


def test_engine_comes_later(gateway, podman):
    podman.run("evil", EVIL)
    podman.kill()
    gateway.api.call("PATCH", "/kedge/v1/service", {"engine": {"url": f"unix://{podman.socket}"}})
    gateway.enforce(identity(podman, GOOD))
    kedge.wait_for(lambda: gateway.engine()["problem"])
    plan = gateway.api.post("/kedge/v1/enforcement/dry-run", {})
    assert plan["removals"] == [] and plan["engine"]["state"] == "connecting" and plan["engine"]["problem"]
    assert "what else is removed or stopped of the other engine" in gateway.kedge("enforcement", "dry-run").err
    podman.start()
    gateway.removed("evil")


def test_kedged_is_killed(gateway, engine):
    engine.run("good")
    gateway.use(engine)
    gateway.enforce(identity(engine, GOOD))
    gateway.kill()
    engine.run("meanwhile", EVIL)
    gateway.start()
    gateway.removed("meanwhile")
    assert engine.names() == {"good"} and engine.state("good") == "running"


def test_previews_of_the_service(gateway, docker):
    docker.run("evil", EVIL)
    assert gateway.engine() == {"url": None, "state": "none", "problem": None, "engine": None, "version": None}
    url = f"unix://{docker.socket}"
    before = gateway.api.call("PATCH", "/kedge/v1/service?dry-run=1", {"engine": {"url": url}, "enforcement": {"enabled": True}})
    assert before["removals"] == [] and before["engine"]["url"] == url and "not known" in before["engine"]["problem"]
    gateway.use(docker)
    after = gateway.api.call("PATCH", "/kedge/v1/service?dry-run=1", {"enforcement": {"enabled": True}})
    assert [one["name"] for one in after["removals"]] == ["evil"] and docker.names() == {"evil"}
    gateway.api.call("PATCH", "/kedge/v1/service", {"engine": {"url": ""}})
    assert gateway.engine()["state"] == "none" and gateway.api.get("/kedge/v1/engine/containers")["containers"] == []
    assert gateway.act("evil", "stop")[0] == 404


@pytest.mark.parametrize("url, why", [("unix://{own}", "kedge's own socket"), ("unix://{link}", "kedge's own socket"), ("tcp://192.0.2.1:2375", "not on this device"),
                                      ("tcp://localhost:2375", "not on this device"), ("tcp://127.0.0.1:x", "port"), ("unix:///" + 120 * "x", "longer")])
def test_urls_that_are_refused(gateway, url, why):
    link = gateway.directory / "link"
    link.symlink_to(gateway.socket)
    with pytest.raises(kedge.ApiError) as refused:
        gateway.api.call("PATCH", "/kedge/v1/service", {"engine": {"url": url.format(own=gateway.socket, link=link)}})
    assert refused.value.status == 400 and "engine.url" in refused.value.message and why in refused.value.message
    gateway.service.write_text(json.dumps({"engine": {"url": url.format(own=gateway.socket, link=link)}}))
    told = kedge.wait_for(lambda: gateway.engine()["problem"])
    assert why in told and "engine.url" in told and gateway.engine()["state"] == "none"


def test_kedge_behind_another_socket(gateway):
    """Who relays kedged's own socket is found by the device's id."""
    class Relay(socketserver.StreamRequestHandler):
        def handle(self):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self.rfile.readline()
            with socket.socket(socket.AF_UNIX) as kedged:
                kedged.connect(str(gateway.socket))
                kedged.sendall(head)
                while data := kedged.recv(65536):
                    self.wfile.write(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        gateway.api.call("PATCH", "/kedge/v1/service", {"engine": {"url": f"tcp://127.0.0.1:{relay.server_address[1]}"}})
        kedge.wait_for(lambda: "kedge itself" in (gateway.engine()["problem"] or ""))
        assert gateway.engine()["state"] == "none"
        relay.shutdown()
