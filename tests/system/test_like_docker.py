# SPDX-License-Identifier: Apache-2.0
"""The same requests to kedged and to dockerd: the same statuses, messages, states, events and forms of statistics."""
import json
import re
import time

import pytest

import dockerd
import kedge
from sides import check, events_of, filters, shape, started, together
from streams import Background, Events

pytestmark = pytest.mark.skipif(not dockerd.is_installed(), reason="dockerd is not installed")
POLITE = ["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do usleep 20000; done"]


@pytest.fixture(scope="module")
def sides():
    with started() as both:
        yield both


def test_orders(sides):
    def script(side):
        side.start("web", POLITE, Labels={"a": "1"})
        side.ask("POST", "/containers/web/start")
        side.ask("POST", "/containers/web/pause")
        side.note("web")
        side.ask("POST", "/containers/web/pause")
        side.ask("POST", "/containers/web/start")
        side.ask("DELETE", "/containers/web")
        side.ask("POST", "/containers/web/unpause")
        side.note("web")
        side.ask("POST", "/containers/web/rename?name=other")
        side.ask("POST", "/containers/other/rename?name=other")
        side.ask("POST", "/containers/other/rename?name=web")
        side.ask("POST", "/containers/web/stop?t=20")
        side.note("web")
        side.ask("POST", "/containers/web/stop")
        side.ask("POST", "/containers/web/kill")
        side.ask("POST", "/containers/web/pause")
        side.ask("POST", "/containers/web/restart?t=20")
        side.note("web")
        side.ask("DELETE", "/containers/web")
        side.ask("POST", "/containers/web/kill?signal=HUH")
        side.ask("POST", "/containers/web/kill")
        side.wait("web")
        side.note("web")
        side.ask("DELETE", "/containers/web")
        side.ask("DELETE", "/containers/web")
    check(sides, script)


def test_ends(sides):
    def script(side):
        side.start("fails", ["sh", "-c", "exit 3"], up=False)
        side.wait("fails")
        side.note("fails")
        side.start("gone", ["sh", "-c", "exit 4"], up=False, host={"AutoRemove": True})
        kedge.wait_for(lambda: side.api.raw("GET", "/containers/gone/json")[0] == 404)
        side.start("killed", ["sh", "-c", "echo up; kill -9 -1; sleep 60"])
        side.ask("POST", "/containers/killed/kill?signal=9")
        side.wait("killed")
        side.note("killed")
        side.create("never", ["true"])
        side.wait("never")
        side.note("never")
        side.ask("POST", "/containers/never/stop")
        side.ask("POST", "/containers/nobody/start")
        side.ask("POST", "/containers/never/rename?name=fails")
        side.ask("POST", "/containers/never/rename?name=")
    check(sides, script)


def has_told(side, since, action):
    return f'"Action":"{action}"'.encode() in side.api.raw("GET", f"/events?since={since:.9f}&until={time.time():.9f}")[1]


def die_of_memory(side, name, host):
    """Docker that hears of the end before it hears of the reason never tells the reason: then it is done again."""
    for _ in range(20):
        before = len(side.said)
        side.start(name, ["tail", "-c", "100m", "/dev/zero"], up=False, host=host)
        side.wait(name)
        if side.daemon or side.inspect(name)["State"]["OOMKilled"]:
            return
        del side.said[before:]
        side.api.delete(f"/containers/{name}")


def test_the_oom_killer(sides):
    small = {"Memory": 16 << 20, "MemorySwap": 16 << 20}

    def script(side):
        begin = time.time()
        # Docker begins to listen a while after the start.
        side.start("child", ["sh", "-c", "sleep 1; tail -c 100m /dev/zero; echo up; exec sleep 60"], host=small)
        kedge.wait_for(lambda: has_told(side, begin, "oom"))
        side.ask("POST", "/containers/child/kill")
        side.wait("child")
        side.note("child")
        die_of_memory(side, "init", small)
        kedge.wait_for(lambda: side.inspect("init")["State"]["OOMKilled"])
        side.note("init")
    their_words, our_words, their_events, our_events = together(sides, script)
    assert our_words == their_words

    def actions(side, events):
        """Docker counts notices, of which the kernel may give several for one kill, and may hear of the end first."""
        order = [(name, action) for name, action, _ in events_of(side, events)]
        return sorted(set(order))
    assert actions(sides[1], our_events) == actions(sides[0], their_events)


def test_updates(sides):
    def script(side):
        side.start("one", POLITE, host={"Memory": 64 << 20})
        for body in ({"Memory": 96 << 20}, {"Memory": 256 << 20}, {"Memory": 256 << 20, "MemorySwap": 512 << 20}, {"CpuShares": 300},
                     {"NanoCpus": 500000000}, {"CpuPeriod": 50000, "CpuQuota": 20000}, {"PidsLimit": 40}, {"CpusetCpus": "0"},
                     {"RestartPolicy": {"Name": "always"}}, {"RestartPolicy": {"Name": "no"}}):
            side.ask("POST", "/containers/one/update", body)
            config = side.inspect("one")["HostConfig"]
            side.said.append([config[key] for key in ("Memory", "MemorySwap", "MemoryReservation", "CpuShares", "NanoCpus", "CpuPeriod", "CpuQuota",
                                                      "CpusetCpus")] + [config["PidsLimit"] or 0, config["RestartPolicy"]["Name"] or "no"])
        side.create("two", ["true"], host={"AutoRemove": True})
        side.ask("POST", "/containers/two/update", {"RestartPolicy": {"Name": "always"}})
        side.ask("POST", "/containers/nobody/update", {"Memory": 96 << 20})
    check(sides, script)


def test_health(sides):
    check_of = {"Test": ["CMD-SHELL", "test ! -e /sick"], "Interval": 200000000, "Timeout": 10 ** 9, "Retries": 1}

    def script(side):
        side.start("web", POLITE, Healthcheck=check_of)

        def is_so(status):
            return side.inspect("web")["State"]["Health"]["Status"] == status
        side.said.append(is_so("starting"))
        kedge.wait_for(lambda: is_so("healthy"))
        open(f"/proc/{side.inspect('web')['State']['Pid']}/root/sick", "w").close()
        kedge.wait_for(lambda: is_so("unhealthy"))
        for health in ("healthy", "unhealthy", "none"):
            found = side.api.get('/containers/json?filters={"health":["%s"]}' % health)
            side.said.append([(container["Names"], re.sub(r"Up .* \(", "Up (", container["Status"])) for container in found])
    their_words, our_words, their_events, our_events = together(sides, script)
    assert our_words == their_words

    def changes(side, events):
        return [(name, action) for name, action, _ in events_of(side, events) if not action.startswith("exec_")]
    assert changes(sides[1], our_events) == changes(sides[0], their_events)


def test_attaching(sides):
    def script(side):
        side.create("one", ["sh", "-c", "echo up"])
        Background(side.api.raw, "POST", "/containers/one/attach?stream=1&stdout=1")
        time.sleep(0.3)
        side.ask("POST", "/containers/one/start")
        side.wait("one")
    check(sides, script)


def test_the_form_of_statistics(sides):
    forms = []
    for side in sides:
        side.start("one", ["sh", "-c", "echo up; head -c 3m /dev/zero > /x; sync; sleep 60"], host={"Memory": 64 << 20, "PidsLimit": 50})
        time.sleep(1)
        forms.append(shape(json.loads(side.api.raw("GET", "/v1.41/containers/one/stats?stream=0")[1])))
        side.create("idle", ["true"])
        forms.append(shape(json.loads(side.api.raw("GET", "/v1.41/containers/idle/stats?stream=0&one-shot=1")[1])))
        for name in ("one", "idle"):
            side.api.raw("DELETE", f"/containers/{name}?force=1")
    known = forms[0]["memory_stats"].pop("stats")  # containerd knows some lines of memory.stat; here are all that the kernel has
    assert known.items() <= forms[2]["memory_stats"].pop("stats").items()
    assert forms[2] == forms[0]
    assert forms[3] == forms[1]


def test_images(sides, registry):
    def script(side):
        name = f"{registry.host}/one"
        side.ask("POST", f"/images/busybox:test/tag?repo={name}&tag=1")
        side.api.raw("POST", f"/images/{name}/push?tag=1", headers={"X-Registry-Auth": kedge.registry_auth("", "")})
        side.ask("DELETE", f"/images/{name}:1")
        side.api.raw("POST", f"/images/create?fromImage={name}&tag=1")
        side.api.raw("DELETE", f"/images/{name}:1")
        side.ask("POST", "/images/busybox:test/tag?repo=other&tag=latest")
        side.ask("DELETE", "/images/other")
        side.ask("POST", "/images/nothing/tag?repo=other")
        side.ask("DELETE", "/images/nothing")
    their_words, our_words, their_events, our_events = together(sides, script)
    assert our_words == their_words

    def comparable(side, events):
        return [(event["Action"], side.plain(event["Actor"]["ID"]), {key: side.plain(value) for key, value in event["Actor"]["Attributes"].items()})
                for event in events]
    theirs, ours = comparable(sides[0], their_events), comparable(sides[1], our_events)
    assert ours == theirs


# ---- what is not there, or only as it is ------------------------------------------------------------------------------------------

SWARM = """GET /swarm|GET /swarm/unlockkey|POST /swarm/leave|POST /swarm/update?version=1|POST /swarm/unlock|GET /nodes|GET /nodes/x|DELETE /nodes/x
POST /nodes/x/update?version=1|GET /services|GET /services/x|DELETE /services/x|POST /services/create|POST /services/x/update?version=1
GET /services/x/logs?stdout=1|GET /tasks|GET /tasks/x|GET /tasks/x/logs?stdout=1|GET /secrets|GET /secrets/x|DELETE /secrets/x|POST /secrets/create
POST /secrets/x/update?version=1|GET /configs|GET /configs/x|DELETE /configs/x|POST /configs/create|POST /configs/x/update?version=1
GET /plugins|GET /plugins/x/json|DELETE /plugins/x|POST /plugins/x/enable?timeout=1|POST /plugins/x/disable|POST /plugins/x/push""".replace("\n", "|").split("|")


def test_without_swarms_and_plugins(sides):
    def script(side):
        for line in SWARM:
            method, target = line.split(" ")
            if target != "/swarm/unlock":  # dockerd wants a key in the body first
                side.ask(method, target, {"Spec": {}} if method == "POST" else None)
    their_words, our_words, _, _ = together(sides, script)
    assert our_words == their_words and len(our_words) == len(SWARM) - 1


def test_networks_as_they_are(sides):
    def script(side):
        for name, mode in (("made", "none"), ("up", "none"), ("host-made", "host"), ("host-up", "host"), ("joined", "container:up")):
            side.create(name, POLITE, host={"NetworkMode": mode})
        for name in ("up", "host-up"):
            side.ask("POST", f"/containers/{name}/start")
        side.ask("GET", "/networks/nothing")
        for name in ("host", "none", "nothing"):
            side.ask("DELETE", f"/networks/{name}")
        for body in ({"Name": "host"}, {"Name": "none", "CheckDuplicate": True}, {"Name": "n", "Driver": "null"}, {"Name": "n", "Driver": "host"},
                     {"Name": "n", "Driver": "nothing"}):
            side.ask("POST", "/networks/create", body)
        for container in ("nothing", "up", "host-made", "host-up", "joined", "made"):
            for network in ("host", "none"):
                side.ask("POST", f"/networks/{network}/connect", {"Container": container})
        side.ask("POST", "/networks/nothing/connect", {"Container": "nothing"})
        for container, network in (("nothing", "none"), ("made", "host"), ("made", "none"), ("host-made", "host"), ("host-up", "host"), ("up", "none")):
            side.ask("POST", f"/networks/{network}/disconnect", {"Container": container})
        for name in ("made", "host-made"):  # what its mode names is joined again
            side.ask("POST", f"/containers/{name}/start")
        side.ask("POST", "/networks/prune")
    theirs, ours, _, _ = together(sides, script)
    assert ours == theirs and sum(said[2] == 200 for said in ours if len(said) == 4) >= 4


def names_of(side, target):
    status, text = side.ask("GET", target)
    return sorted(network["Name"] for network in json.loads(text)) if status == 200 else status


def test_lists_of_networks(sides):
    for query, names in (({}, ["bridge", "host", "none"]), ({"driver": ["null"]}, ["none"]), ({"name": ["os"]}, ["host"]), ({"type": ["builtin"]}, ["bridge", "host", "none"]),
                         ({"type": ["custom"]}, []), ({"scope": ["local"]}, ["bridge", "host", "none"]), ({"scope": ["swarm"]}, []), ({"dangling": ["true"]}, []),
                         ({"dangling": ["false"]}, ["bridge", "host", "none"]), ({"label": ["a"]}, []), ({"colour": ["red"]}, 400), ({"dangling": ["x"]}, 400)):
        assert [names_of(side, "/networks" + filters(**query)) for side in sides] == [names, names], query
    forms = [shape(json.loads(side.ask("GET", "/networks/host")[1])) for side in sides]
    assert forms[0] == forms[1]


REFUSED = ["/containers/json" + filters(**{"is-task": ["x"]}), "/containers/json" + filters(health=["x"]), "/containers/json" + filters(status=["x"]),
           "/containers/json" + filters(colour=["x"]), "/images/json" + filters(colour=["x"]), "/images/json" + filters(dangling=["x"]),
           "/events?since=5&until=1", "/networks/prune", "/containers/prune", "/images/prune"]


def test_queries_that_are_refused(sides):
    for target in REFUSED:
        method = "POST" if target.endswith("prune") else "GET"
        target += filters(colour=["x"]) if method == "POST" else ""
        assert [side.ask(method, target)[0] for side in sides] == [400, 400], target
    for target in ("/containers/json" + filters(publish=["x"]), "/containers/json" + filters(expose=["70000"]),  # 500 there
                   "/containers/json" + filters(expose=["90-80"])):
        assert sides[0].ask("GET", target)[0] == 500 and sides[1].ask("GET", target)[0] == 400, target


def test_the_form_of_info_and_version(sides):
    """Keys and kinds, at each version that has another form; a list or an object that is empty on one side says nothing of its members."""
    def same(theirs, ours, path):
        if isinstance(theirs, dict) and isinstance(ours, dict) and not path.endswith(("Runtimes", "IndexConfigs", "Details")):
            assert sorted(theirs) == sorted(set(ours) - {"LogLinesDropped"}), path  # which is kedge's own
            for key in theirs:
                same(theirs[key], ours[key], f"{path}.{key}")
        elif isinstance(theirs, list) and isinstance(ours, list):
            for one, other in zip(theirs[:1], ours[:1]):
                same(one, other, path)
        else:
            assert type(theirs) is type(ours) or None in (theirs, ours), path
    for target in ("/v1.12/info", "/v1.24/info", "/v1.25/info", "/v1.38/info", "/v1.41/info", "/v1.12/version", "/v1.41/version", "/version"):
        theirs, ours = [json.loads(side.api.raw("GET", target)[1]) for side in sides]
        same(theirs, ours, target)
        for info in (theirs, ours):
            assert all(("=" in word) == ("/v1.12" not in target and "/v1.24" not in target) for word in info.get("SecurityOptions", []))
    df = [json.loads(side.api.raw("GET", "/v1.41/system/df")[1]) for side in sides]
    assert sorted(df[0]) == sorted(df[1]) and "BuilderSize" in df[1]
    assert "BuilderSize" not in json.loads(sides[1].api.raw("GET", "/v1.42/system/df")[1])


def test_listeners_are_counted(sides):
    for side in sides:
        ear = Events(side)
        kedge.wait_for(lambda side=side: side.api.get("/info")["NEventsListener"] == 1)
        ear.close()
        kedge.wait_for(lambda side=side: side.api.get("/info")["NEventsListener"] == 0)


def test_headers(sides):
    """Those that clients read, of both forms of a ping and of a refusal."""
    names = ("Api-Version", "Docker-Experimental", "Ostype", "Server", "Builder-Version", "Cache-Control", "Pragma", "Swarm", "Content-Type", "Content-Length")
    own = {"Api-Version": "1.43", "Server": ours_server(), "Swarm": "inactive", "Builder-Version": "1"}
    for method, target in (("GET", "/_ping"), ("HEAD", "/_ping"), ("HEAD", "/v1.12/_ping"), ("GET", "/v1.30/containers/nothing/json"), ("GET", "/v1.41/version")):
        theirs, ours = [headers_of(side, method, target) for side in sides]
        for name in names:
            if name in own and name in ours:
                assert ours[name] == own[name] or name == "Content-Length", (target, name)
            elif not (name == "Content-Length" and target.endswith("version")):
                assert ours.get(name) == theirs.get(name), (method, target, name)
        assert {"Api-Version", "Server", "Ostype", "Docker-Experimental"} <= set(ours)


def ours_server():
    version = kedge.subprocess.run([str(kedge.BIN / "kedged"), "--version"], stdout=kedge.subprocess.PIPE, text=True, check=True).stdout.split()[-1]
    return f"kedge/{version} (linux)"


def headers_of(side, method, target):
    connection = kedge.UnixConnection(side.socket)
    connection.request(method, target)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return dict(answer.getheaders())


def test_volumes(sides):
    def script(side):
        for body in ({"Name": "web", "Labels": {"a": "1"}}, {"Name": "web"}, {"Name": "a"}, {"Name": "a b"}, {"Name": "ef", "Driver": "nope"}, {"Name": "gh", "DriverOpts": {"foo": "1"}},
                     {"Name": "gh", "DriverOpts": {"device": "1"}}, {"Name": "gh", "DriverOpts": {"type": "tmpfs"}}, {"Name": "gh", "DriverOpts": {"size": "1m"}}):
            side.ask("POST", "/volumes/create", body)
        side.create("one", ["sh", "-c", "echo x > /v/f"], {"Binds": ["web:/v"]})
        side.create("two", ["true"], {"VolumesFrom": ["one:ro"]})
        side.create("three", ["true"], {"Binds": ["new:/w:ro"], "Mounts": [{"Type": "volume", "Source": "new", "Target": "/m"}]})
        for name in ("one", "two", "three"):
            shown = sorted((mount["Destination"], mount["Type"], mount["Name"], mount["Driver"], mount["Mode"], mount["RW"], mount["Propagation"])
                           for mount in side.inspect(name)["Mounts"])
            side.said.append((name, shown))
        for name in ("one", "two"):
            side.ask("POST", f"/containers/{name}/start")
            side.wait(name)
        side.ask("DELETE", "/containers/two")
        for target in ("/volumes/web", "/volumes/web?force=1", "/volumes/nope", "/volumes/nope?force=1"):
            side.ask("DELETE", target)
        side.said.append(side.api.raw("GET", "/volumes?filters=%7B%22dangling%22%3A%5B%22x%22%5D%7D")[0])
        side.ask("DELETE", "/containers/one?v=1")
        side.ask("DELETE", "/containers/three?v=1")
        for name in ("new", "web"):
            side.ask("DELETE", f"/volumes/{name}")
        side.said.append(side.ask("GET", "/volumes")[0])
    check(sides, script, ignore=("execDuration", "container"))


def test_lists_by_id(sides):
    """The beginning of one id, and of no other's."""
    def script(side):
        made = [json.loads(side.create(f"id{number}", ["true"]))["Id"] for number in range(17)]  # two of them begin alike
        beginnings = [one[0] for one in made]
        one, alike = made[0], next(digit for digit in beginnings if beginnings.count(digit) > 1)
        for wanted in ([one], [one[:12]], [one[2:20]], [one[:12] + "x"], ["^" + one[:12]], [one[:11] + "."], ["id0"], [""], [alike],
                       [one[:12], made[1][:12]], [one[:12], "zz"]):
            found = side.api.get("/containers/json" + filters(id=wanted) + "&all=1")
            side.said.append(sorted(container["Names"][0] for container in found))
        for number in range(17):
            side.api.delete(f"/containers/id{number}?force=1")
    check(sides, script)
