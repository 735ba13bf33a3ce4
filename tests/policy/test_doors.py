# SPDX-License-Identifier: Apache-2.0
"""
No door but the one: whoever asks, a refused container runs no instruction. The first instruction of each touches a file outside. What a
container is refused for must not remove it, where a start is tried: rules refuse, and leave what is there.
"""
import json
import pathlib
import threading

import pytest

import kedge
import streams

TOUCH = ["touch", "/mark/ran"]
LOOP = ["sh", "-c", "while true; do sleep 600; done"]


@pytest.fixture
def ran(device):
    return (device.marks / "ran").exists


def test_create(device, ran):
    device.enforce(device.good)
    message = device.refused("POST", "/containers/create?name=bad", {"Image": "evil:1", "Cmd": TOUCH})
    digests = device.api.get("/images/evil:1/json")
    assert 'image "evil:1"' in message and digests["Id"] in message and "the 1 of the allow-list" in message
    assert device.api.get("/containers/json?all=1") == [] and not ran()
    assert device.api.get("/volumes")["Volumes"] == []


def test_a_refused_create_makes_no_volume(device):
    device.enforce(device.good)
    device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": TOUCH, "HostConfig": {"Binds": ["made:/v"]}})
    assert device.api.get("/volumes")["Volumes"] == []


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_command_lines(device, ran, program):
    device.enforce(device.good)
    done = device.run(program if program == "docker" else str(kedge.BIN / "kedge"), "run", "--rm", "--network", "none", "-v", f"{device.marks}:/mark",
                      "evil:1", *TOUCH, check=False)
    assert done.returncode and 'image "evil:1" is not allowed' in done.err and not ran()
    device.run(program if program == "docker" else str(kedge.BIN / "kedge"), "run", "--rm", "--network", "none", "-v", f"{device.marks}:/mark",
               "busybox:test", *TOUCH)
    assert ran()


def test_an_id_is_no_way_around(device):
    device.enforce(device.good)
    for name in (device.evil, device.evil[7:], device.evil[7:19]):
        device.refused("POST", "/containers/create", {"Image": name, "Cmd": TOUCH})
    device.create(["true"], image=device.good)


def test_a_tag_is_no_way_around(device):
    """Judged by what it was made from: a tag that an allowed image has had does not help, nor one that it has lost hurt."""
    kept = device.marked(TOUCH, image="busybox:test", name="kept")
    device.api.post("/images/evil:1/tag?repo=copy&tag=1")
    device.api.post("/images/busybox:test/tag?repo=moving&tag=1")
    made = device.marked(TOUCH, image="moving:1", name="made")
    device.enforce(device.good)
    device.api.post("/images/evil:1/tag?repo=moving&tag=1")
    for name in ("copy:1", "moving:1"):
        device.refused("POST", "/containers/create", {"Image": name, "Cmd": TOUCH})
    for identity in (kept, made):
        device.start_container(identity)
        assert device.wait(identity) == 0


def test_what_a_container_has_become_is_another_image(device):
    device.enforce(device.good)
    identity = device.run_container(["sh", "-c", "echo new > /new"])
    device.wait(identity)
    device.api.post(f"/commit?container={identity}&repo=changed&tag=1")
    assert "none of which is among the 1 of" in device.refused("POST", "/containers/create", {"Image": "changed:1", "Cmd": TOUCH})


# ---- doors behind create: a rule that came later -----------------------------------------------------------------------------------

def privileged(device, command=TOUCH, **settings):
    return device.marked(command, host={"Privileged": True, **settings.pop("host", {})}, **settings)


def test_start(device, ran):
    identity = privileged(device)
    device.rule("privileged")
    assert 'refused by the rule "privileged": it is privileged' in device.refused("POST", f"/containers/{identity}/start")
    state = device.inspect(identity)["State"]
    assert state["Status"] == "created" and "privileged" in state["Error"] and not ran()
    device.relax()
    device.start_container(identity)
    assert device.wait(identity) == 0 and ran()


def test_restart_leaves_it_running(device):
    identity = device.start_container(privileged(device, LOOP))
    device.rule("privileged")
    device.refused("POST", f"/containers/{identity}/restart?t=0")
    assert device.inspect(identity)["State"]["Running"]


def test_unpause(device):
    identity = device.start_container(privileged(device, ["sh", "-c", "while true; do echo >> /mark/count; done"]))
    kedge.wait_for((device.marks / "count").exists)
    device.api.post(f"/containers/{identity}/pause")
    size = (device.marks / "count").stat().st_size
    device.rule("privileged")
    device.refused("POST", f"/containers/{identity}/unpause")
    assert device.inspect(identity)["State"]["Paused"] and (device.marks / "count").stat().st_size == size
    device.api.post(f"/containers/{identity}/kill")  # it may always end
    device.wait(identity)


def test_restart_policy_waits_for_another_policy(device):
    runs = device.marks / "runs"
    identity = device.start_container(privileged(device, ["sh", "-c", "echo >> /mark/runs; sleep 0.3; exit 1"],
                                                 host={"RestartPolicy": {"Name": "unless-stopped"}}))
    kedge.wait_for(runs.exists)
    events = streams.Events(device)
    device.rule("privileged")
    kedge.wait_for(lambda: "deny" in events.of(identity))
    size = runs.stat().st_size
    state = device.inspect(identity)["State"]
    assert state["Status"] == "restarting" and "privileged" in state["Error"]
    device.restart()
    kedge.wait_for(lambda: "privileged" in device.inspect(identity)["State"]["Error"])
    assert runs.stat().st_size == size and device.inspect(identity)["State"]["Status"] == "restarting"
    device.relax()
    kedge.wait_for(lambda: runs.stat().st_size > size)
    events.close()


def test_health_restart(device):
    """What an unhealthy container would get is refused, and it goes on."""
    runs = device.marks / "runs"
    identity = privileged(device, ["sh", "-c", "echo >> /mark/runs; sleep 600"], Labels={},
                          Healthcheck={"Test": ["CMD", "test", "!", "-e", "/mark/ill"], "Interval": 100_000_000, "Retries": 1},
                          HealthOnFailure="restart")
    device.start_container(identity)
    kedge.wait_for(lambda: device.inspect(identity)["State"]["Health"]["Status"] == "healthy")
    device.rule("privileged")
    events = streams.Events(device)
    (device.marks / "ill").write_text("")
    kedge.wait_for(lambda: "health_status: unhealthy" in events.of(identity))
    kedge.wait_for(lambda: any(entry.get("container") == identity and entry["decision"] == "deny" for entry in device.audit()))
    assert runs.stat().st_size == 1 and device.inspect(identity)["State"]["Running"]
    events.close()


def test_exec(device):
    identity = device.start_container(device.marked(LOOP))
    device.rule("privileged")
    made = device.api.post(f"/containers/{identity}/exec", {"Cmd": ["true"]})["Id"]
    device.api.post(f"/exec/{made}/start", {"Detach": True})
    device.refused("POST", f"/containers/{identity}/exec", {"Cmd": ["touch", "/mark/ran"], "Privileged": True})


def test_a_withdrawn_container_takes_no_commands_and_does_not_come_back(device, ran):
    identity = device.marked(["sh", "-c", "trap '' TERM; echo > /mark/up; while true; do sleep 0.1; done"], StopTimeout=3,
                             host={"RestartPolicy": {"Name": "always"}})
    device.start_container(identity)
    kedge.wait_for((device.marks / "up").exists)
    made = device.api.post(f"/containers/{identity}/exec", {"Cmd": TOUCH})["Id"]
    events = streams.Events(device)
    device.enforce(device.good)
    kedge.wait_for(lambda: "kill" in events.of(identity))
    device.refused("POST", f"/exec/{made}/start", {"Detach": True})
    device.refused("POST", f"/containers/{identity}/exec", {"Cmd": TOUCH})
    device.refused("POST", f"/containers/{identity}/restart?t=0")
    device.gone(identity)
    assert not ran() and "destroy" in kedge.wait_for(lambda: [one for one in events.of(identity) if one == "destroy"])
    events.close()


def test_a_start_that_waits_is_asked_again(device, ran):
    """The last run is still cleaned up, a volume mounted, a plugin at work: the policy of the moment when it goes on decides."""
    identity = privileged(device)
    held = kedge.UnixConnection(device.socket)
    held.putrequest("PUT", f"/containers/{identity}/archive?path=/")
    held.putheader("Transfer-Encoding", "chunked")
    held.endheaders()
    held.send(b"200\r\n" + bytes(512) + b"\r\n")  # half of an archive's end: a copy into the container is under way
    starting = []
    kedge.wait_for(lambda: device.api.raw("GET", f"/containers/{identity}/json")[0] == 200)
    asks = threading.Thread(target=lambda: starting.append(device.api.raw("POST", f"/containers/{identity}/start")))
    asks.start()
    kedge.wait_for(lambda: starting or device.inspect(identity)["State"]["Status"] == "running")
    assert not starting
    device.rule("privileged")
    held.send(b"200\r\n" + bytes(512) + b"\r\n0\r\n\r\n")
    held.getresponse().read()
    asks.join(20)
    assert starting[0][0] == 403 and not ran()
    held.close()


def test_volumes_do_not_fill_the_gap(device, ran):
    """The same where the start waits for its volume's file system."""
    made = device.api.post("/volumes/create", {"Name": "mounted", "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}})
    identity = privileged(device, host={"Binds": [f"{made['Name']}:/v", f"{device.marks}:/mark"]})
    device.rule("privileged")
    device.refused("POST", f"/containers/{identity}/start")
    assert not ran()
    device.relax()
    device.start_container(identity)
    assert device.wait(identity) == 0 and ran()
    device.api.delete(f"/containers/{identity}")
    device.api.delete("/volumes/mounted")


def test_update_undoes_no_rule(device, ran):
    identity = privileged(device)
    device.rule("privileged")
    device.api.post(f"/containers/{identity}/update", {"Memory": 64 << 20, "MemorySwap": 64 << 20, "RestartPolicy": {"Name": "always"}})
    device.refused("POST", f"/containers/{identity}/start")
    assert not ran()


# ---- rules -----------------------------------------------------------------------------------------------------------------------

RULES = [
    ("privileged", {}, {"HostConfig": {"Privileged": True}}, {"HostConfig": {}}),
    ("hostNetwork", {}, {"HostConfig": {"NetworkMode": "host"}}, {"HostConfig": {"NetworkMode": "none"}}),
    ("capabilities", {"allowed": ["NET_ADMIN"]}, {"HostConfig": {"CapAdd": ["SYS_TIME"]}}, {"HostConfig": {"CapAdd": ["CAP_NET_ADMIN"]}}),
    ("capabilities", {}, {"HostConfig": {"Privileged": True}}, {"HostConfig": {"CapDrop": ["CHOWN"]}}),
    ("latest", {}, {"Image": "tagged"}, {"Image": "busybox:test"}),
    ("registries", {"allowed": ["registry.example"]}, {"Image": "busybox:test"}, None),
    ("registries", {"allowed": ["registry.example", "local"]}, None, {"Image": "busybox:test"}),
]


@pytest.mark.parametrize("mode", ["deny", "warn", "off"])
@pytest.mark.parametrize("name,more,bad,good", RULES, ids=[f"{row[0]}-{at}" for at, row in enumerate(RULES)])
def test_rules(device, name, more, bad, good, mode):
    device.api.post("/images/busybox:test/tag?repo=tagged&tag=latest")
    device.rule(name, mode=mode, **more)
    body = {"Image": "busybox:test", "Cmd": ["true"]}
    if good:
        assert device.api.post("/containers/create", {**body, **good})["Warnings"] == []
    if not bad:
        return
    if mode == "deny":
        assert f'refused by the rule "{name}"' in device.refused("POST", "/containers/create", {**body, **bad})
        return
    events = streams.Events(device)
    made = device.api.post("/containers/create", {**body, **bad})
    warned = [f'is against the rule "{name}"' in text for text in made["Warnings"]]
    assert warned == ([True] if mode == "warn" else [])
    if mode == "warn":
        kedge.wait_for(lambda: "create" in events.of(made["Id"]))
        assert "warn" in events.of(made["Id"])
    events.close()


def test_a_name_is_no_id(device):
    """Though every id begins with it."""
    for name in ("s", "sha2", "sha256"):
        device.api.post(f"/images/busybox:test/tag?repo={name}&tag=latest")
    device.rule("latest")
    for name in ("s", "sha2", "sha256"):
        assert "latest" in device.refused("POST", "/containers/create", {"Image": name, "Cmd": ["true"]})
    identity = device.api.get("/images/busybox:test/json")["Id"]
    for name in (identity, identity.removeprefix("sha256:")[:12]):
        device.api.post("/containers/create", {"Image": name, "Cmd": ["true"]})


def test_a_tag_that_looks_like_the_id_is_a_name(device):
    """As much of it as anybody may think of, and the image has another tag."""
    digits = device.api.get("/images/busybox:test/json")["Id"].removeprefix("sha256:")
    names = [digits[:length] for length in (1, 2, 12, 40)]
    for name in names:
        device.api.post(f"/images/busybox:test/tag?repo={name}&tag=latest")
    made = {name: device.create(["true"], image=name) for name in names}
    device.rule("latest")
    for name in names:
        assert "latest" in device.refused("POST", "/containers/create", {"Image": name, "Cmd": ["true"]})
        assert "latest" in device.refused("POST", f"/containers/{made[name]}/start")
    device.create(["true"], image=digits[:13])


def test_a_joined_network_is_its_owners(device):
    owner = device.run_container(LOOP, host={"NetworkMode": "host"})
    device.rule("hostNetwork")
    assert "hostNetwork" in device.refused("POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["true"],
                                                                          "HostConfig": {"NetworkMode": f"container:{owner}"}})


def test_a_name_is_no_origin(device):
    """Whoever likes may tag an image with a registry's name."""
    device.api.post("/images/evil:1/tag?repo=registry.example/web&tag=1")
    device.rule("registries", allowed=["registry.example"])
    assert "it came from no registry" in device.refused("POST", "/containers/create", {"Image": "registry.example/web:1", "Cmd": ["true"]})


# ---- what is told ----------------------------------------------------------------------------------------------------------------

def test_every_decision_is_told(device):
    events = streams.Events(device)
    device.enforce(device.good)
    device.refused("POST", "/containers/create?name=bad", {"Image": "evil:1", "Cmd": TOUCH})
    identity = device.run_container(["true"], name="fine")
    device.wait(identity)
    entries = [(entry["name"], entry["door"], entry["decision"]) for entry in device.audit()][-3:]
    assert entries == [("bad", "create", "deny"), ("fine", "create", "admit"), ("fine", "start", "admit")]
    denied = [entry for entry in device.audit() if entry["name"] == "bad"][-1]
    assert denied["rule"] == "allowlist" and denied["image"] == "evil:1" and device.evil in denied["digests"] and denied["time"]
    told = kedge.wait_for(lambda: [event for event in list(events.all) if event["Action"] == "deny"])[0]["Actor"]["Attributes"]
    assert (told["door"], told["rule"], told["image"], told["name"]) == ("create", "allowlist", "evil:1", "bad")
    assert told["reason"] == denied["reason"]
    events.close()


def test_nothing_is_written_where_nothing_is_decided(device):
    before = device.audit()
    identity = device.run_container(["true"])
    device.wait(identity)
    assert device.audit() == before


def test_audit_is_bounded_and_survives_a_torn_line(device):
    log = device.store / "audit.log"
    device.enforce(device.good)
    device.refused("POST", "/containers/create", {"Image": "evil:1", "Cmd": TOUCH})
    line = log.read_bytes().splitlines(keepends=True)[-1]
    device.stop()
    with open(log, "ab") as file:
        file.write(line * ((1 << 20) // len(line) - log.stat().st_size // len(line)) + line[:20])
    device.start()
    for _ in range(5):
        device.refused("POST", "/containers/create?name=after", {"Image": "evil:1", "Cmd": TOUCH})
    assert log.stat().st_size < 1 << 20 and (device.store / "audit.log.1").stat().st_size <= (1 << 20) + len(line)
    assert [entry["name"] for entry in device.audit()][-5:] == ["after"] * 5
    assert json.loads(pathlib.Path(log).read_text().splitlines()[-1])["name"] == "after"
    device.relax()
    for file in (log, device.store / "audit.log.1"):
        file.unlink()
