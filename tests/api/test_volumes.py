# SPDX-License-Identifier: Apache-2.0
"""Volumes: named and without a name, of other containers, with an image's files, mounted file systems; who keeps them and who takes them along."""
import json
import re
import urllib.parse

import pytest

import kedge
from streams import Events

ANONYMOUS = "com.docker.volume.anonymous"


@pytest.fixture(autouse=True)
def clean(shared_daemon):
    yield
    shared_daemon.remove_all()
    for volume in volumes(shared_daemon):
        shared_daemon.api.delete(f"/volumes/{volume}")


def volumes(daemon, **filters):
    target = "/volumes" + ("?filters=" + urllib.parse.quote(json.dumps(filters)) if filters else "")
    return sorted(volume["Name"] for volume in daemon.api.get(target)["Volumes"])


def make(daemon, name, **body):
    return daemon.api.post("/volumes/create", {"Name": name, **body})


def data(daemon, name):
    return daemon.store / "volumes" / name / "_data"


def fails(daemon, method, target, body=None):
    with pytest.raises(kedge.ApiError) as failure:
        daemon.api.call(method, target, body)
    return failure.value.status, failure.value.message


def run(daemon, command, **settings):
    identity = daemon.run_container(["sh", "-c", command], **settings)
    assert daemon.wait(identity) == 0, daemon.log_text(identity)
    return daemon.log_text(identity)


def mounts(daemon, identity):
    return {mount["Destination"]: mount for mount in daemon.inspect(identity)["Mounts"]}


# ---- the resource ----

def test_create_and_inspect(shared_daemon):
    made = make(shared_daemon, "web", Labels={"a": "1"}, DriverOpts={})
    assert made == shared_daemon.api.get("/volumes/web")
    assert made.pop("CreatedAt").endswith("Z") and made.pop("Mountpoint") == str(data(shared_daemon, "web"))
    assert made == {"Name": "web", "Driver": "local", "Scope": "local", "Labels": {"a": "1"}, "Options": {}}
    assert data(shared_daemon, "web").is_dir()
    assert make(shared_daemon, "web", Labels={"b": "2"})["Labels"] == {"a": "1"}  # the one that is there
    plain = make(shared_daemon, "plain")
    assert plain["Labels"] is None and plain["Options"] is None
    nameless = make(shared_daemon, "")
    assert re.fullmatch("[0-9a-f]{64}", nameless["Name"]) and nameless["Labels"] == {ANONYMOUS: ""}


@pytest.mark.parametrize("body, status, message", [
    ({"Name": "a"}, 400, "create a: volume name is too short, names should be at least two alphanumeric characters"),
    ({"Name": "a b"}, 400, 'create a b: "a b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. '
     'If you intended to pass a host directory, use absolute path'),
    ({"Name": "../x"}, 400, "includes invalid characters"), ({"Name": "~xx"}, 400, "includes invalid characters"),
    ({"Name": "x" * 255}, 400, "must not be longer than 254 characters"),
    ({"Name": "ef", "Driver": "nope"}, 404, 'create ef: error looking up volume plugin nope: plugin "nope" not found'),
    ({"Name": "gh", "DriverOpts": {"foo": "1"}}, 400, 'create gh: invalid option: "foo"'),
    ({"Name": "gh", "DriverOpts": {"device": "1"}}, 400, 'create gh: missing required option: "type"'),
    ({"Name": "gh", "DriverOpts": {"type": "tmpfs"}}, 400, 'create gh: missing required option: "device"'),
    ({"Name": "gh", "DriverOpts": {"size": "1m"}}, 400, "create gh: quota size requested but no quota support"),
    ({"Name": 5}, 400, '"Name"'), ({"Name": "xy", "Labels": ["a"]}, 400, '"Labels"'),
    ({"Name": "xy", "ClusterVolumeSpec": {"Group": "x"}}, 501, "ClusterVolumeSpec")])
def test_refused(shared_daemon, body, status, message):
    answer = fails(shared_daemon, "POST", "/volumes/create", body)
    assert answer[0] == status and message in answer[1], answer
    assert volumes(shared_daemon) == [] and list((shared_daemon.store / "volumes").iterdir()) == []


def test_list_with_filters(shared_daemon):
    make(shared_daemon, "web-data", Labels={"role": "web", "x": ""})
    make(shared_daemon, "db-data", Labels={"role": "db"})
    shared_daemon.create(["true"], host={"Binds": ["db-data:/data"]})
    assert volumes(shared_daemon) == ["db-data", "web-data"]
    assert volumes(shared_daemon, name=["web"]) == ["web-data"] and volumes(shared_daemon, name=["^data"]) == []
    assert volumes(shared_daemon, label=["role"]) == ["db-data", "web-data"] and volumes(shared_daemon, label=["role=db"]) == ["db-data"]
    assert volumes(shared_daemon, label=["role", "x"]) == ["web-data"]
    assert volumes(shared_daemon, dangling=["true"]) == ["web-data"] and volumes(shared_daemon, dangling=["false"]) == ["db-data"]
    assert volumes(shared_daemon, driver=["local"]) == ["db-data", "web-data"] and volumes(shared_daemon, driver=["other"]) == []
    assert fails(shared_daemon, "GET", "/volumes?filters=" + urllib.parse.quote('{"foo":["x"]}')) == (400, "invalid filter 'foo'")
    assert fails(shared_daemon, "GET", "/volumes?filters=" + urllib.parse.quote('{"dangling":["x"]}'))[0] == 400


def test_remove(shared_daemon):
    make(shared_daemon, "web")
    identity = shared_daemon.create(["true"], host={"Binds": ["web:/a", "web:/b"]})
    in_use = (409, f"remove web: volume is in use - [{identity}]")
    assert fails(shared_daemon, "DELETE", "/volumes/web") == in_use == fails(shared_daemon, "DELETE", "/volumes/web?force=1")
    shared_daemon.api.delete(f"/containers/{identity}?v=1")
    assert volumes(shared_daemon) == ["web"]  # it has a name
    shared_daemon.api.delete("/volumes/web")
    assert not data(shared_daemon, "web").parent.exists()
    assert fails(shared_daemon, "DELETE", "/volumes/web") == (404, "get web: no such volume") == fails(shared_daemon, "GET", "/volumes/web")
    shared_daemon.api.delete("/volumes/web?force=1")


# ---- in containers ----

def test_a_named_volume_outlives_its_containers(shared_daemon):
    run(shared_daemon, "echo one > /data/f; chown 5:6 /data/f", host={"Binds": ["web:/data"]})
    assert (data(shared_daemon, "web") / "f").read_text() == "one\n"
    shared_daemon.remove_all()
    assert run(shared_daemon, "cat /data/f; stat -c %u:%g /data/f", host={"Mounts": [{"Type": "volume", "Source": "web", "Target": "/data"}]}) == "one\n5:6\n"
    shared_daemon.restart()
    assert volumes(shared_daemon) == ["web"]
    assert run(shared_daemon, "cat /data/f; echo no 2>/dev/null > /data/f || echo read-only", host={"Binds": ["web:/data:ro"]}) == "one\nread-only\n"


def test_what_inspect_shows(shared_daemon):
    asked = [{"Type": "volume", "Target": "/v"},
             {"Type": "volume", "Source": "mm", "Target": "/w", "ReadOnly": True,
              "VolumeOptions": {"NoCopy": True, "Labels": {"q": "r"}, "DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}}}]
    identity = shared_daemon.create(["true"], host={"Binds": ["ab:/data:nocopy", "cd:/cd"], "Mounts": asked}, Volumes={"/anon": {}})
    shown = shared_daemon.inspect(identity)
    assert shown["HostConfig"]["Binds"] == ["ab:/data:nocopy", "cd:/cd"] and shown["HostConfig"]["Mounts"] == asked
    assert shown["Config"]["Volumes"] == {"/anon": {}} and shown["HostConfig"]["VolumeDriver"] == ""
    found = mounts(shared_daemon, identity)
    for target, mode, writable in (("/data", "nocopy", True), ("/cd", "z", True), ("/v", "z", True), ("/w", "z", False), ("/anon", "", True)):
        mount = found.pop(target)
        name = mount.pop("Name")
        assert mount == {"Type": "volume", "Source": str(data(shared_daemon, name)), "Destination": target, "Driver": "local", "Mode": mode,
                         "RW": writable, "Propagation": ""}
    assert not found
    made = shared_daemon.api.get("/volumes/mm")
    assert made["Labels"] == {"q": "r"} and made["Options"] == {"type": "tmpfs", "device": "tmpfs"}
    listed = shared_daemon.api.get("/containers/json?all=1&filters=" + urllib.parse.quote('{"volume":["ab"]}'))
    assert [one["Id"] for one in listed] == [identity] and {mount.get("Name") for mount in listed[0]["Mounts"]} >= {"ab", "cd", "mm"}


def test_without_a_name(shared_daemon):
    kept = shared_daemon.create(["true"], Volumes={"/data": {}})
    gone = shared_daemon.create(["true"], host={"Mounts": [{"Type": "volume", "Target": "/data"}]})
    names = [mounts(shared_daemon, identity)["/data"]["Name"] for identity in (kept, gone)]
    assert volumes(shared_daemon) == sorted(names)
    assert [shared_daemon.api.get(f"/volumes/{name}")["Labels"] for name in names] == [{ANONYMOUS: ""}] * 2
    shared_daemon.api.delete(f"/containers/{kept}")
    shared_daemon.api.delete(f"/containers/{gone}?v=1")
    assert volumes(shared_daemon) == [names[0]]


def test_automatic_removal_takes_them_along(shared_daemon):
    identity = shared_daemon.create(["true"], host={"AutoRemove": True, "Binds": ["named:/n"]}, Volumes={"/data": {}})
    assert len(volumes(shared_daemon)) == 2
    shared_daemon.start_container(identity)
    kedge.wait_for(lambda: volumes(shared_daemon) == ["named"])


def test_volumes_from(shared_daemon, tmp_path):
    first = shared_daemon.create(["true"], name="first", host={"Binds": ["named:/n", f"{tmp_path}:/host:ro"], "Tmpfs": {"/t": ""}}, Volumes={"/anon": {}})
    shared_daemon.create(["true"], name="second", host={"Binds": ["other:/n"]})
    both = shared_daemon.create(["true"], host={"VolumesFrom": ["first", "second"]})
    read_only = shared_daemon.create(["true"], host={"VolumesFrom": ["first:ro"], "Binds": ["mine:/anon"]})
    anonymous = mounts(shared_daemon, first)["/anon"]["Name"]
    shown = mounts(shared_daemon, both)
    assert {target: (mount.get("Name"), mount["RW"]) for target, mount in shown.items()} == {
        "/n": ("other", True), "/anon": (anonymous, True), "/host": (None, False)}
    assert shared_daemon.inspect(both)["HostConfig"]["VolumesFrom"] == ["first", "second"] and not shared_daemon.inspect(both)["HostConfig"]["Mounts"]
    assert {target: (mount.get("Name"), mount["RW"]) for target, mount in mounts(shared_daemon, read_only).items()} == {
        "/n": ("named", False), "/anon": ("mine", True), "/host": (None, False)}
    shared_daemon.api.delete(f"/containers/{first}?v=1")
    assert anonymous in volumes(shared_daemon)  # somebody uses it still
    shared_daemon.api.delete(f"/containers/{both}?v=1")
    assert anonymous not in volumes(shared_daemon)


@pytest.mark.parametrize("host, config, message", [
    ({"Binds": ["ab:/data", "cd:/data"]}, {}, "/data"),
    ({"Binds": ["ab:/data"], "Mounts": [{"Type": "volume", "Target": "/data"}]}, {}, "/data"),
    ({"Binds": ["ab:/v:zz"]}, {}, "zz"), ({"Binds": ["ab:/v:rshared"]}, {}, "field BindOptions must not be specified"),
    ({"Binds": ["ab:v"]}, {}, "absolute"), ({"Binds": ["a b:/v"]}, {}, "create a b: \"a b\" includes invalid characters"), ({"Binds": ["ab:/"]}, {}, "/"),
    ({"VolumesFrom": ["nonono"]}, {}, "No such container: nonono"), ({"VolumesFrom": [""]}, {}, "volumes-from specification cannot be an empty string"),
    ({"VolumesFrom": ["nonono:zz"]}, {}, "invalid mode: zz"),
    ({"Mounts": [{"Type": "volume", "Source": "/abs", "Target": "/v"}]}, {}, 'create /abs: "/abs" includes invalid characters'),
    ({"Mounts": [{"Type": "volume", "Source": "bb", "Target": "/v", "BindOptions": {"Propagation": "rshared"}}]}, {}, "field BindOptions must not be specified"),
    ({"Mounts": [{"Type": "tmpfs", "Target": "/v", "VolumeOptions": {"NoCopy": True}}]}, {}, "field VolumeOptions must not be specified"),
    ({}, {"Volumes": {"rel": {}}}, "rel"), ({}, {"Volumes": {"/": {}}}, "/")])
def test_refused_in_containers(shared_daemon, host, config, message):
    status, said = fails(shared_daemon, "POST", "/containers/create", {"Image": "busybox:test", "HostConfig": host, **config})
    assert status == 400 and message in said, said
    assert volumes(shared_daemon) == []


@pytest.mark.parametrize("host, status, message", [
    ({"Binds": ["gh:/v"], "VolumeDriver": "zz"}, 404, 'create gh: error looking up volume plugin zz: plugin "zz" not found'),
    ({"Mounts": [{"Type": "volume", "Source": "bb", "Target": "/v", "VolumeOptions": {"DriverConfig": {"Name": "zz"}}}]}, 404, "plugin"),
    ({"Mounts": [{"Type": "volume", "Source": "bb", "Target": "/v", "VolumeOptions": {"Subpath": "x"}}]}, 501, "Subpath")])
def test_drivers_that_are_not_there(shared_daemon, host, status, message):
    answer = fails(shared_daemon, "POST", "/containers/create", {"Image": "busybox:test", "HostConfig": host})
    assert answer[0] == status and message in answer[1]
    assert volumes(shared_daemon) == [] and shared_daemon.api.get("/containers/json?all=1") == []


def test_volumes_of_a_create_that_fails_go_again(shared_daemon):
    shared_daemon.create(["true"], name="taken")
    body = {"Image": "busybox:test", "Volumes": {"/a": {}}, "HostConfig": {"Binds": ["xx:/b", "x y:/c"]}}
    assert fails(shared_daemon, "POST", "/containers/create", body)[0] == 400
    assert all(re.fullmatch("xx", name) for name in volumes(shared_daemon))
    assert fails(shared_daemon, "POST", "/containers/create?name=taken", {"Image": "busybox:test", "Volumes": {"/a": {}}})[0] == 409
    assert all(re.fullmatch("xx", name) for name in volumes(shared_daemon))


def test_a_start_without_its_volume_says_so(shared_daemon):
    identity = shared_daemon.create(["true"], host={"Binds": ["web:/data"]})
    (data(shared_daemon, "web") / "f").write_text("x")
    shared_daemon.stop()
    import sqlite3
    with sqlite3.connect(shared_daemon.store / "kedge.db") as connection:
        connection.execute("DELETE FROM records WHERE kind = 'volume'")
    connection.close()
    (data(shared_daemon, "web") / "f").unlink()
    shared_daemon.start()
    status, message = fails(shared_daemon, "POST", f"/containers/{identity}/start")
    assert (status, message) == (404, "get web: no such volume")


# ---- what is told ----

def test_events(shared_daemon):
    ear = Events(shared_daemon, "?filters=" + urllib.parse.quote('{"type":["volume"]}'))
    identity = shared_daemon.run_container(["true"], host={"Binds": ["web:/data:ro"]}, Volumes={"/anon": {}})
    shared_daemon.wait(identity)
    anonymous = mounts(shared_daemon, identity)["/anon"]["Name"]
    shared_daemon.api.delete(f"/containers/{identity}?v=1")
    shared_daemon.api.delete("/volumes/web")
    kedge.wait_for(lambda: len(ear.all) == 8)
    ear.close()
    told = sorted((event["Action"], event["Actor"]["ID"], tuple(sorted(event["Actor"]["Attributes"].items()))) for event in ear.all)
    use = {"web": (("destination", "/data"), ("driver", "local"), ("propagation", ""), ("read/write", "false")),
           anonymous: (("destination", "/anon"), ("driver", "local"), ("propagation", ""), ("read/write", "true"))}
    assert told == sorted([
        *((action, name, (("driver", "local"),)) for action in ("create", "destroy") for name in use),
        *(("mount", name, (("container", identity), *attributes)) for name, attributes in use.items()),
        *(("unmount", name, (("container", identity), ("driver", "local"))) for name in use)])


def test_prune(shared_daemon):
    make(shared_daemon, "named", Labels={"keep": ""})
    make(shared_daemon, "optional", DriverOpts={"type": "tmpfs", "device": "tmpfs"})
    (nameless,) = {make(shared_daemon, "")["Name"]}
    used = shared_daemon.create(["true"], Volumes={"/data": {}})
    (data(shared_daemon, nameless) / "f").write_bytes(b"x" * 1000)
    everything = volumes(shared_daemon)
    ear = Events(shared_daemon, "?filters=" + urllib.parse.quote('{"type":["volume"],"event":["prune"]}'))
    assert shared_daemon.api.post("/volumes/prune") == {"VolumesDeleted": [nameless], "SpaceReclaimed": 1000}
    kedge.wait_for(lambda: [event["Actor"]["Attributes"] for event in ear.all] == [{"reclaimed": "1000"}])
    ear.close()
    assert volumes(shared_daemon) == sorted(set(everything) - {nameless})
    keeping = "?filters=" + urllib.parse.quote('{"all":["true"],"label!":["keep"]}')
    assert shared_daemon.api.post("/volumes/prune" + keeping)["VolumesDeleted"] == []
    assert shared_daemon.api.post("/v1.41/volumes/prune")["VolumesDeleted"] == ["named"]
    assert fails(shared_daemon, "POST", "/volumes/prune?filters=" + urllib.parse.quote('{"foo":["x"]}'))[0] == 400
    make(shared_daemon, "named")
    assert shared_daemon.api.post("/volumes/prune?filters=" + urllib.parse.quote('{"all":["true"]}'))["VolumesDeleted"] == ["named"]
    assert set(volumes(shared_daemon)) == {"optional", mounts(shared_daemon, used)["/data"]["Name"]}


def test_sizes(shared_daemon):
    make(shared_daemon, "web")
    (data(shared_daemon, "web") / "f").write_bytes(b"x" * 4321)
    shared_daemon.create(["true"], host={"Binds": ["web:/a", "web:/b"]})
    shared_daemon.create(["true"], host={"Binds": ["web:/a"]})
    make(shared_daemon, "none")
    shown = {volume["Name"]: volume["UsageData"] for volume in shared_daemon.api.get("/system/df?type=volume")["Volumes"]}
    assert shown == {"web": {"Size": 4321, "RefCount": 2}, "none": {"Size": 0, "RefCount": 0}}
    assert "UsageData" not in shared_daemon.api.get("/volumes/web")


def test_the_docker_command(shared_daemon):
    if not kedge.docker_major():
        pytest.skip("docker is not installed")
    assert shared_daemon.docker("volume", "create", "--label", "a=b", "dv").out == "dv\n"
    assert shared_daemon.docker("run", "--rm", "--network", "none", "-v", "dv:/x", "-v", "/anon", "busybox:test", "sh", "-c", "echo hi > /x/f; ls -d /anon").out == "/anon\n"
    assert shared_daemon.docker("volume", "ls", "-q", "--filter", "label=a").out == "dv\n"
    assert json.loads(shared_daemon.docker("volume", "inspect", "dv").out)[0]["Labels"] == {"a": "b"}
    assert shared_daemon.docker("run", "--rm", "--network", "none", "--mount", "source=dv,target=/x,readonly", "busybox:test", "cat", "/x/f").out == "hi\n"
    assert shared_daemon.docker("volume", "rm", "dv").out == "dv\n"
    assert volumes(shared_daemon) == []
