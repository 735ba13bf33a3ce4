# SPDX-License-Identifier: Apache-2.0
"""Statistics, events and what the daemon says of itself."""
import json
import pathlib
import re
import socket
import time
import urllib.parse

import pytest

import kedge
from streams import Events, opened


def test_statistics(box):
    identity = box.run_container(["sh", "-c", "x=$(head -c 8000000 /dev/zero | tr '\\0' x); while :; do :; done"],
                                 host={"Memory": 128 << 20, "PidsLimit": 77})

    def now():
        return box.api.get(f"/containers/{identity}/stats?stream=0&one-shot=1")
    kedge.wait_for(lambda: now()["cpu_stats"]["cpu_usage"]["total_usage"] > 0.2e9)
    one = now()
    assert one["id"] == identity and one["name"] == "/" + box.inspect(identity)["Name"][1:]
    assert one["cpu_stats"]["cpu_usage"]["total_usage"] < 30e9
    assert one["cpu_stats"]["system_cpu_usage"] > 1e9 and one["cpu_stats"]["online_cpus"] >= 1
    assert 7000000 < one["memory_stats"]["usage"] < 64 << 20 and one["memory_stats"]["limit"] == 128 << 20
    assert one["pids_stats"]["current"] == 1 and one["pids_stats"]["limit"] == 77
    assert one["read"].endswith("Z")
    kedge.wait_for(lambda: now()["cpu_stats"]["cpu_usage"]["total_usage"] > one["cpu_stats"]["cpu_usage"]["total_usage"])
    # without one-shot there are two samples, a second apart at most, for a percentage
    pair = box.api.get(f"/containers/{identity}/stats?stream=0")
    assert pair["precpu_stats"]["cpu_usage"]["total_usage"] < pair["cpu_stats"]["cpu_usage"]["total_usage"]


def test_statistics_of_what_does_not_run(box):
    identity = box.create(["true"])
    assert box.api.get(f"/containers/{identity}/stats?stream=0&one-shot=1")["memory_stats"].get("usage", 0) == 0


def test_stats_by_the_command_lines(box):
    identity = box.run_container(["sleep", "60"], name="sleeper")
    for run in (box.docker, box.kedge):
        line = run("stats", "--no-stream", "sleeper").out.splitlines()[-1]
        assert identity[:12] in line and "%" in line and "sleeper" in line


def test_events_of_a_life(box):
    events = Events(box)
    identity = box.run_container(["sh", "-c", "exit 3"], name="evented", Labels={"l": "1"})
    box.wait(identity)
    box.api.delete("/containers/evented")
    kedge.wait_for(lambda: "destroy" in events.of(identity))
    assert events.of(identity) == ["create", "start", "die", "destroy"]
    die = [event for event in events.all if event["Action"] == "die"][0]
    assert die["Actor"]["Attributes"]["exitCode"] == "3" and die["Actor"]["Attributes"]["name"] == "evented"
    assert die["Actor"]["Attributes"]["image"] == "busybox:test" and die["Actor"]["Attributes"]["l"] == "1"
    assert (die["id"], die["status"], die["from"], die["scope"]) == (identity, "die", "busybox:test", "local")
    assert abs(die["time"] - time.time()) < 30 and die["timeNano"] // 10 ** 9 == die["time"]
    events.close()


def test_events_of_stop_and_kill(box):
    events = Events(box)
    identity = box.run_container(["sleep", "60"], StopSignal="KILL")
    box.api.post(f"/containers/{identity}/stop")
    box.start_container(identity)
    box.api.post(f"/containers/{identity}/restart")
    kedge.wait_for(lambda: "restart" in events.of(identity))
    assert events.of(identity) == ["create", "start", "kill", "die", "stop", "start", "kill", "die", "stop", "start", "restart"]
    events.close()


def test_filters_and_since(box):
    begin = time.time()
    identity = box.create(["true"], name="seen")
    box.create(["true"], name="unseen")
    query = f"?since={begin:.3f}&until={time.time():.3f}&filters=%7B%22container%22%3A%5B%22seen%22%5D%7D"
    with opened(box, "GET", "/events" + query) as answer:
        lines = answer.read().splitlines()
    assert len(lines) == 1 and identity.encode() in lines[0]


def test_ping_version_info(box):
    with opened(box, "GET", "/_ping") as answer:
        assert answer.status == 200 and answer.read() == b"OK"
        assert answer.getheader("Api-Version") and answer.getheader("Ostype") == "linux"
    with opened(box, "HEAD", "/_ping") as answer:
        assert answer.status == 200 and answer.read() == b""
    version = box.api.get("/version")
    assert version["ApiVersion"] == "1.43" and version["Os"] == "linux"
    box.run_container(["sleep", "60"])
    box.create(["true"])
    info = box.api.get("/info")
    assert (info["Containers"], info["ContainersRunning"], info["ContainersStopped"]) == (2, 1, 1)
    assert info["Images"] == 1 and info["NCPU"] >= 1 and info["MemTotal"] > 1 << 20 and info["DockerRootDir"] == str(box.store)
    assert info["DefaultRuntime"] in info["Runtimes"] and info["CgroupVersion"] in ("1", "2")


@pytest.mark.parametrize("path,status", [("/v1.24/_ping", 200), ("/v1.43/version", 200), ("/v1.12/containers/json", 200),
                                         ("/v9.99/version", 400), ("/v1.5/version", 400), ("/nonsense", 404), ("/v1.43", 404),
                                         ("/swarm", 503), ("/plugins", 200), ("/networks", 200), ("/volumes", 200)])
def test_versions_and_strangers(box, path, status):
    got, body = box.api.raw("GET", path)
    assert got == status, body


def told(box, filters, begin):
    """What the kept events since then are, with these filters."""
    query = f"?since={begin:.6f}&until={time.time():.6f}&filters={urllib.parse.quote(json.dumps(filters))}"
    with opened(box, "GET", "/events" + query, timeout=10) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def actions(events):
    return [event["Action"] for event in events]


def test_every_filter(box):
    begin = time.time()
    check = {"Test": ["CMD", "true"], "Interval": 200000000}
    web = box.run_container(["sleep", "60"], name="web", Labels={"tier": "front", "x": ""}, Healthcheck=check)
    other = box.create(["true"], name="other", Labels={"tier": "back"})
    kedge.wait_for(lambda: box.inspect(web)["State"]["Health"]["Status"] == "healthy")
    box.api.post("/images/busybox:test/tag?repo=second&tag=2")
    box.api.delete("/images/second:2")
    whole = actions(told(box, {}, begin))
    assert sorted(whole) == sorted(["create", "start", "create", "health_status: healthy", "tag", "untag"])
    for name in ("web", web, web[:12], "/web"[1:]):
        assert actions(told(box, {"container": [name]}, begin)) == ["create", "start", "health_status: healthy"], name
    assert actions(told(box, {"container": ["web", "other"]}, begin)).count("create") == 2
    assert actions(told(box, {"event": ["create", "tag"]}, begin)) == ["create", "create", "tag"]
    assert actions(told(box, {"event": ["health_status"]}, begin)) == ["health_status: healthy"]
    assert actions(told(box, {"event": ["health_status: healthy"]}, begin)) == ["health_status: healthy"]
    assert actions(told(box, {"event": ["health_status: unhealthy"]}, begin)) == []
    assert actions(told(box, {"type": ["image"]}, begin)) == ["tag", "untag"]
    assert set(actions(told(box, {"type": ["container", "image"]}, begin))) == set(whole)
    assert {event["Actor"]["ID"] for event in told(box, {"label": ["tier"]}, begin)} == {web, other}
    assert {event["Actor"]["ID"] for event in told(box, {"label": ["tier=front"]}, begin)} == {web}
    assert told(box, {"label": ["tier=front", "missing"]}, begin) == []
    assert {event["Actor"]["ID"] for event in told(box, {"image": ["busybox:test"], "type": ["container"]}, begin)} == {web, other}
    assert {event["Actor"]["ID"] for event in told(box, {"image": ["busybox"], "type": ["container"]}, begin)} == {web, other}
    assert told(box, {"image": ["nothing"]}, begin) == []
    assert len(told(box, {"scope": ["local"]}, begin)) == len(whole) and told(box, {"scope": ["swarm"]}, begin) == []
    for kind in ("network", "volume", "daemon", "plugin", "service", "node", "secret", "config"):
        assert told(box, {kind: ["x"]}, begin) == [], kind
    with pytest.raises(kedge.ApiError) as problem:
        box.api.get('/events?until=1&filters={"colour":["red"]}')
    assert problem.value.status == 400


def test_the_history_is_bounded(box):
    identity = box.create(["true"])
    begin = time.time()
    for number in range(200):
        box.api.post(f"/containers/{identity}/rename?name=n{number}")
        box.api.post(f"/containers/{identity}/rename?name=m{number}")
    kept = told(box, {}, begin)
    assert 100 < len(kept) <= 256
    assert kept[-1]["Actor"]["Attributes"]["oldName"] == "/n199"


def test_followers_that_never_read_are_let_go(box):
    """What waits for them is bounded, and those that read miss nothing meanwhile."""
    identity = box.create(["true"], Labels={"large": "x" * 60000})
    before = resident_kb(box)
    idle = []
    for _ in range(3):
        it = socket.socket(socket.AF_UNIX)
        it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        it.connect(str(box.socket))
        it.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.append(it)
    kedge.wait_for(lambda: box.api.get("/info")["NEventsListener"] == 3)
    reader = Events(box)
    for number in range(60):
        box.api.post(f"/containers/{identity}/rename?name=n{number}")
    kedge.wait_for(lambda: box.api.get("/info")["NEventsListener"] == 1)
    kedge.wait_for(lambda: len([event for event in list(reader.all) if event["Action"] == "rename"]) == 60)
    assert box.log().count("a client of /events did not read for too long") >= 3
    if "sanitize" not in str(kedge.BUILD):  # which keeps what was freed
        assert resident_kb(box) - before < 12 << 10
    reader.close()
    for it in idle:
        it.close()


def resident_kb(box):
    text = pathlib.Path(f"/proc/{box.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_events_by_the_command_lines(box, program):
    begin = time.time()
    identity = box.run_container(["sh", "-c", "exit 3"], name="seen")
    box.wait(identity)
    client = getattr(box, program)
    kedge.wait_for(lambda: "die" in actions(told(box, {}, begin)))
    words = ["events", "--since", f"{begin:.6f}", "--until", f"{time.time():.6f}", "--filter", "container=seen"]
    assert client(*words, "--format", "{{.Type}} {{.Action}}").out.splitlines() == ["container create", "container start", "container die"]
    assert client(*words, "--filter", "event=die", "--format", "{{.Actor.Attributes.exitCode}}").out == "3\n"
    assert client("events", "--since", "1h", "--until", "30m").out == ""
    if program == "docker" and kedge.docker_major() < 23:
        return  # it has no --format json
    lines = client(*words, "--format", "json").out.splitlines()
    assert [json.loads(line)["Action"] for line in lines] == ["create", "start", "die"]


def test_network_statistics(box):
    own = box.run_container(["sleep", "60"])
    host = box.run_container(["sleep", "60"], host={"NetworkMode": "host"})
    for identity in (own, host):  # loopback alone, and what is not the container's
        assert "networks" not in box.api.get(f"/containers/{identity}/stats?stream=0&one-shot=1")


def test_prunes_are_told(box):
    box.wait(box.run_container(["sh", "-c", "head -c 100000 /dev/zero > /x"]))
    begin = time.time()
    reclaimed = box.api.post("/containers/prune")["SpaceReclaimed"]
    box.api.post("/images/prune")
    events = [event for event in told(box, {"event": ["prune"]}, begin)]
    assert [(event["Type"], event["Actor"]["ID"], event["Actor"]["Attributes"]) for event in events] == [
        ("container", "", {"reclaimed": str(reclaimed)}), ("image", "", {"reclaimed": "0"})]
    assert reclaimed >= 100000
