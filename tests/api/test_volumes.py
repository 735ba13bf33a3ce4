# SPDX-License-Identifier: Apache-2.0
"""Volumes: named and without a name, of other containers, with an image's files, mounted file systems; who keeps them and who takes them along."""
import fcntl
import http.client
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import threading
import urllib.parse

import pytest

import kedge
from streams import Background, Events

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
    ({"Mounts": [{"Type": "volume", "Source": "bb", "Target": "/v", "VolumeOptions": {"DriverConfig": {"Name": "zz"}}}]}, 404, "plugin")])
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
    with sqlite3.connect(shared_daemon.store / "kedge.db") as connection:
        connection.execute("DELETE FROM records WHERE kind = 'volume'")
    connection.close()
    (data(shared_daemon, "web") / "f").unlink()
    shared_daemon.start()
    status, message = fails(shared_daemon, "POST", f"/containers/{identity}/start")
    assert (status, message) == (404, "get web: no such volume")


# ---- an image's files ----

def make_layer(layer):
    """A layer with a directory in which there is something of every kind."""
    place = layer / "data"
    (place / "deep" / "er").mkdir(parents=True)
    (place / "f").write_text("content\n")
    (place / "deep" / "er" / "secret").write_text("s")
    os.chmod(place / "deep" / "er" / "secret", 0o4750)
    os.chown(place / "deep" / "er" / "secret", 7, 8)
    os.chown(place / "deep", 5, 6)
    os.chmod(place / "deep", 0o1770)
    os.link(place / "f", place / "deep" / "again")
    (place / "link").symlink_to("/etc/passwd")
    os.lchown(place / "link", 3, 4)
    os.mkfifo(place / "fifo")
    os.mknod(place / "null", 0o020666, os.makedev(1, 3))
    with open(place / "holes", "wb") as file:
        file.truncate(8 << 20)
        file.seek(4 << 20)
        file.write(b"x")
    os.setxattr(place / "f", "user.note", b"kept")
    os.chown(place, 1000, 1000)
    os.chmod(place, 0o750)
    for path in (place / "f", place / "deep" / "er", place / "deep", place):
        os.utime(path, ns=(10**18, 10**18 + 123456789))
    (layer / "afile").write_text("x")
    (layer / "ways").mkdir()
    (layer / "ways" / "in").symlink_to("../data")
    (layer / "ways" / "out").symlink_to("/../../../../../../etc")
    (layer / "hollow").mkdir()
    os.chmod(layer / "hollow", 0o711)
    return layer


@pytest.fixture
def filled_layer(tmp_path):
    return make_layer(tmp_path)


@pytest.fixture(scope="module")
def filled(shared_daemon, tmp_path_factory):
    """An image whose volume /data has such a layer's files."""
    layer = make_layer(tmp_path_factory.mktemp("layer"))
    return shared_daemon.load_busybox("filled:test", layers=[layer], config={"Volumes": {"/data": {}}})


@pytest.fixture
def daemon_with():
    """Starts a kedged of the test's own with a fault."""
    made = []

    def start(fault):
        made.append(kedge.Daemon(environment={"KEDGE_FAULT": fault} if fault else {}).start())
        return made[-1]
    yield start
    for daemon in made:
        daemon.environment = {}
        daemon.close()


def tree(directory):
    """Everything below it, and itself, as lines that are equal only if the trees are."""
    lines, inodes = [], {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else path.read_bytes()[:20] if path.is_file() else ""
        attributes = [] if path.is_symlink() or not (path.is_file() or path.is_dir()) else [(name, os.getxattr(path, name)) for name in os.listxattr(path)]
        inodes.setdefault(status.st_ino, len(inodes))
        lines.append((str(path.relative_to(directory)), oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev, what, attributes,
                      status.st_nlink if path.is_file() else 0, inodes[status.st_ino] if path.is_file() else -1, status.st_size if path.is_file() else 0))
    return lines


def image_tree(daemon, image):
    """Of the image's last layer, as the store has it."""
    layers = [path for path in (daemon.store / "layers").iterdir() if (path / "data" / "holes").exists()]
    assert len(layers) == 1
    subprocess.run(["fallocate", "--dig-holes", str(layers[0] / "data" / "holes")], check=True)
    return tree(layers[0] / "data")


def source_of(daemon, identity, target="/data"):
    return pathlib.Path(mounts(daemon, identity)[target]["Source"])


def test_an_empty_volume_gets_the_image_s_files_at_create(shared_daemon, filled):
    wanted = image_tree(shared_daemon, filled)
    for settings in ({}, {"host": {"Binds": ["named:/data"]}}, {"host": {"Binds": ["read-only:/data:ro"]}}, {"host": {"Mounts": [{"Type": "volume", "Target": "/data"}]}}):
        identity = shared_daemon.create(["true"], image=filled, **settings)
        assert tree(source_of(shared_daemon, identity)) == wanted
        assert sorted(path.name for path in source_of(shared_daemon, identity).parent.iterdir()) == ["_data", "volume.json"]
        assert source_of(shared_daemon, identity).joinpath("holes").stat().st_blocks < 1000  # on a file system that has holes
    assert run(shared_daemon, "cat /data/f", image=filled) == "content\n"
    assert shared_daemon.wait(shared_daemon.start_container(identity)) == 0


def test_what_is_there_stays(shared_daemon, filled):
    make(shared_daemon, "mine")
    (data(shared_daemon, "mine") / "own").write_text("own")
    shared_daemon.create(["true"], image=filled, host={"Binds": ["mine:/data"]})
    assert [path.name for path in data(shared_daemon, "mine").iterdir()] == ["own"]
    for settings in ({"Binds": ["empty:/data:nocopy"]}, {"Mounts": [{"Type": "volume", "Source": "empty", "Target": "/data", "VolumeOptions": {"NoCopy": True}}]}):
        run(shared_daemon, "ls /data", image=filled, host=settings)
        assert list(data(shared_daemon, "empty").iterdir()) == []
    first = shared_daemon.create(["true"], image=filled)
    assert run(shared_daemon, "cat /data/f", host={"VolumesFrom": [first]}) == "content\n"


def test_a_running_container_sees_what_comes(shared_daemon, filled):
    running = shared_daemon.run_container(["sh", "-c", "until test -e /here/f; do usleep 1000; done; cat /here/f"], host={"Binds": ["shared:/here"]})
    shared_daemon.create(["true"], image=filled, host={"Binds": ["shared:/data"]})
    assert shared_daemon.wait(running) == 0 and shared_daemon.log_text(running) == "content\n"


def test_links_lead_where_they_lead_the_container(shared_daemon, filled):
    wanted = image_tree(shared_daemon, filled)
    for target in ("/ways/in", "/ways/../ways/in/."):
        identity = shared_daemon.create(["true"], image=filled, Volumes={target: {}})
        (mount,) = [mount for mount in shared_daemon.inspect(identity)["Mounts"] if mount["Destination"] == "/ways/in"]
        assert tree(pathlib.Path(mount["Source"])) == wanted
    identity = shared_daemon.create(["true"], image=filled, Volumes={"/ways/out": {}})
    assert sorted(path.name for path in source_of(shared_daemon, identity, "/ways/out").iterdir()) == ["group", "passwd"]  # the image's /etc


def test_an_empty_directory_gives_its_owner_and_mode(shared_daemon, filled):
    identity = shared_daemon.create(["true"], image=filled, Volumes={"/hollow": {}, "/absent": {}})
    assert source_of(shared_daemon, identity, "/hollow").stat().st_mode & 0o7777 == 0o711
    assert source_of(shared_daemon, identity, "/absent").stat().st_mode & 0o7777 == 0o755


def test_a_file_of_the_image_is_no_place_for_a_volume(shared_daemon, filled):
    status, message = fails(shared_daemon, "POST", "/containers/create?name=odd", {"Image": filled, "Cmd": ["true"], "Volumes": {"/afile": {}}})
    assert status == 400 and "cannot mount volume over existing file, file exists /afile" in message
    kedge.wait_for(lambda: shared_daemon.api.get("/containers/json?all=1") == [] and volumes(shared_daemon) == [])


def test_many_at_once(shared_daemon, filled):
    """All of them find the volume empty; the image's files come into it once, and whole."""
    wanted = image_tree(shared_daemon, filled)
    makers = [Background(shared_daemon.create, ["true"], filled, None, {"Binds": ["same:/data"]}) for _ in range(8)]
    for maker in makers:
        maker.result()
    assert tree(data(shared_daemon, "same")) == wanted


@pytest.mark.parametrize("point", ["volume.copy", "volume.sync", "volume.rename", "volume.move"])
def test_a_copy_that_breaks_off_is_done_again(daemon_with, filled_layer, point):
    """The child is killed at each step: the create fails, and the next one finds an empty volume, or ends what was begun."""
    daemon = daemon_with(f"{point}:1:kill")
    image = daemon.load_busybox("filled:test", layers=[filled_layer], config={"Volumes": {"/data": {}}})
    make(daemon, "web")
    status, message = fails(daemon, "POST", "/containers/create", {"Image": image, "Cmd": ["true"], "HostConfig": {"Binds": ["web:/data"]}})
    assert status == 500 and "killed by signal 9" in message
    assert not [path for path in data(daemon, "web").iterdir()]
    daemon.environment = {}
    daemon.restart()
    if point == "volume.move":  # it was whole
        assert (data(daemon, "web") / "f").read_text() == "content\n"
    identity = daemon.create(["true"], image=image, host={"Binds": ["web:/data"]})
    assert sorted(path.name for path in data(daemon, "web").iterdir()) == sorted(path.name for path in (filled_layer / "data").iterdir())
    assert sorted(path.name for path in data(daemon, "web").parent.iterdir()) == ["_data", "volume.json"]
    assert daemon.wait(daemon.start_container(identity)) == 0
    assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}


def test_kedged_dies_while_it_copies(daemon_with, filled_layer):
    """The container is on record, and its start does what its creation did not; what had been copied does not count."""
    daemon = daemon_with(None)
    image = daemon.load_busybox("filled:test", layers=[filled_layer], config={"Volumes": {"/data": {}}})
    make(daemon, "web")
    place = data(daemon, "web").parent
    lock = os.open(place, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # the child waits
    body = {"Image": image, "Cmd": ["sh", "-c", "cat /data/f; ls -a /data | grep -c partial"], "HostConfig": {"NetworkMode": "none", "Binds": ["web:/data"]}}
    maker = Background(daemon.api.raw, "POST", "/containers/create?name=cc", json.dumps(body), {"Content-Type": "application/json"})
    kedge.wait_for(lambda: maker.is_done() or daemon.api.raw("GET", "/containers/cc/json")[0] == 200)
    assert not maker.is_done(), maker.result()
    assert not maker.is_done() and daemon.api.raw("GET", "/_ping")[0] == 200  # nobody else waits
    (place / ".kedge-copy").mkdir()
    (place / ".kedge-copy" / "partial").write_text("x")
    daemon.kill()
    with pytest.raises((OSError, http.client.HTTPException)):
        maker.result()
    os.close(lock)
    daemon.start()
    assert not (place / ".kedge-copy").exists()
    daemon.start_container("cc")
    daemon.wait("cc")
    assert daemon.log_text("cc") == "content\n0\n"


def in_threads(count, work):
    """All at once; the answers in order."""
    barrier = threading.Barrier(count)

    def begin(number):
        barrier.wait()
        return work(number)
    jobs = [Background(begin, number) for number in range(count)]
    return [job.result(120) for job in jobs]


MANY = int(os.environ.get("KEDGE_VOLUME_ROUNDS", "40" if kedge.SOAK else "4"))


def test_created_and_removed_by_many_at_once(shared_daemon):
    """Of one name: each create gives it, each removal succeeds or finds none; what is left is a volume with its record and its directory, or neither."""
    def work(number):
        said = []
        for turn in range(MANY):
            if (number + turn) % 2:
                said.append(("create", shared_daemon.api.raw("POST", "/volumes/create", json.dumps({"Name": "one", "Labels": {"by": str(number)}}),
                                                             {"Content-Type": "application/json"})[0]))
            else:
                said.append(("remove", shared_daemon.api.raw("DELETE", "/volumes/one")[0]))
        return said
    answers = [answer for each in in_threads(24, work) for answer in each]
    assert {status for what, status in answers if what == "create"} == {201}
    assert {status for what, status in answers if what == "remove"} <= {204, 404}
    assert volumes(shared_daemon) == [path.name for path in (shared_daemon.store / "volumes").iterdir() if not path.name.startswith("~")]
    assert shared_daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
    shared_daemon.restart()
    assert volumes(shared_daemon) == [path.name for path in (shared_daemon.store / "volumes").iterdir()]


def test_containers_that_come_and_go_with_a_volume(shared_daemon, filled):
    """Each thread makes a container with the same volume, one of its own and one without a name, runs and removes it, and tries to take the volume
    away: nobody loses a volume that a container has, nobody sees a part of the image's files, and nothing is left."""
    def work(number):
        host = {"Binds": ["common:/data", f"own{number}:/own"]}
        script = f"test $(cat /data/f) = content && ls /data/deep/er/secret && echo {number} > /own/n && cat /own/n"
        for _ in range(max(1, MANY // 4)):
            identity = shared_daemon.create(["sh", "-c", script], image=filled, host=host, Volumes={"/anon": {}})
            status, text = shared_daemon.api.raw("DELETE", "/volumes/common")
            assert status == 409 and identity.encode() in text, text
            status = shared_daemon.wait(shared_daemon.start_container(identity))
            assert (status, shared_daemon.log_text(identity)) == (0, f"/data/deep/er/secret\n{number}\n")
            shared_daemon.api.delete(f"/containers/{identity}?v=1")
            shared_daemon.api.raw("DELETE", "/volumes/common")  # the last one succeeds
            shared_daemon.api.delete(f"/volumes/own{number}")
    in_threads(12, work)
    shared_daemon.api.raw("DELETE", "/volumes/common")
    assert volumes(shared_daemon) == [] and list((shared_daemon.store / "volumes").iterdir()) == []
    assert shared_daemon.api.post("/kedge/v1/system/check") == {"Problems": []}


def test_prune_while_others_create(shared_daemon):
    """What a container has got is not pruned from under it."""
    def work(number):
        if number % 3 == 0:
            for _ in range(MANY):
                shared_daemon.api.post("/volumes/prune?filters=" + urllib.parse.quote('{"all":["true"]}'))
            return
        for turn in range(MANY):
            identity = shared_daemon.create(["true"], host={"Binds": [f"p{number}-{turn}:/v"]}, Volumes={"/anon": {}})
            assert all(pathlib.Path(mount["Source"]).is_dir() for mount in mounts(shared_daemon, identity).values())
            assert shared_daemon.api.get(f"/volumes/p{number}-{turn}")["Name"] == f"p{number}-{turn}"
            shared_daemon.api.delete(f"/containers/{identity}?v=1")
    in_threads(9, work)
    shared_daemon.api.post("/volumes/prune?filters=" + urllib.parse.quote('{"all":["true"]}'))
    assert volumes(shared_daemon) == [] and shared_daemon.api.post("/kedge/v1/system/check") == {"Problems": []}


def test_what_waits_for_a_copy(shared_daemon, filled):
    """A start and a removal that come while the creation copies; a client that leaves."""
    make(shared_daemon, "web")
    lock = os.open(data(shared_daemon, "web").parent, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    makers, body = [], {"Image": filled, "Cmd": ["cat", "/data/f"], "HostConfig": {"NetworkMode": "none", "Binds": ["web:/data"]}}
    for name in ("started", "removed", "left"):
        connection = kedge.UnixConnection(shared_daemon.socket)
        connection.request("POST", f"/containers/create?name={name}", json.dumps(body), {"Content-Type": "application/json"})
        makers.append(connection)
        kedge.wait_for(lambda: shared_daemon.api.raw("GET", f"/containers/{name}/json")[0] == 200)
    makers[2].close()
    start = Background(shared_daemon.api.raw, "POST", "/containers/started/start")
    shared_daemon.api.delete("/containers/removed")
    answer = makers[1].getresponse()
    assert answer.status == 409 and b"is being removed" in answer.read()
    assert not start.is_done()
    os.close(lock)
    assert makers[0].getresponse().status == 201 and start.result()[0] == 204
    assert shared_daemon.wait("started") == 0 and shared_daemon.log_text("started") == "content\n"
    assert shared_daemon.wait(shared_daemon.start_container("left")) == 0


# ---- file systems ----

def is_mounted(path):
    return any(line.split()[1] == str(path) for line in pathlib.Path("/proc/self/mounts").read_text().splitlines())


def test_a_file_system_is_mounted_while_it_is_used(shared_daemon):
    make(shared_daemon, "mem", DriverOpts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000,mode=0700,noexec"})
    first = shared_daemon.run_container(["sh", "-c", "echo x > /m/f; grep ' /m ' /proc/mounts; exec sleep 10000"], host={"Binds": ["mem:/m"]})
    kedge.wait_for(lambda: "size=1024k" in shared_daemon.log_text(first))
    assert "noexec" in shared_daemon.log_text(first) and "uid=1000" in shared_daemon.log_text(first)
    assert is_mounted(data(shared_daemon, "mem"))
    assert run(shared_daemon, "cat /m/f", host={"Binds": ["mem:/m:ro"]}) == "x\n"  # the same one
    assert shared_daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
    shared_daemon.restart()
    assert run(shared_daemon, "cat /m/f", host={"Binds": ["mem:/m:ro"]}) == "x\n"
    shared_daemon.api.post(f"/containers/{first}/kill")
    kedge.wait_for(lambda: not is_mounted(data(shared_daemon, "mem")))
    assert run(shared_daemon, "ls /m", host={"Binds": ["mem:/m"]}) == ""
    kedge.wait_for(lambda: not is_mounted(data(shared_daemon, "mem")))


def test_a_directory_of_the_host_as_a_volume(shared_daemon, tmp_path, filled):
    (tmp_path / "there").mkdir()
    make(shared_daemon, "host", DriverOpts={"type": "none", "device": str(tmp_path / "there"), "o": "bind"})
    assert run(shared_daemon, "cat /data/f; echo new > /data/g", image=filled, host={"Binds": ["host:/data"]}) == "content\n"
    assert (tmp_path / "there" / "g").read_text() == "new\n" and not list((tmp_path / "there").glob(".kedge*"))
    kedge.wait_for(lambda: not is_mounted(data(shared_daemon, "host")))
    shared_daemon.remove_all()
    shared_daemon.api.delete("/volumes/host")
    assert (tmp_path / "there" / "g").exists()  # the volume's data was never in the store


def test_a_file_system_that_cannot_be_mounted(shared_daemon, tmp_path):
    make(shared_daemon, "none", DriverOpts={"type": "none", "device": str(tmp_path / "absent"), "o": "bind"})
    make(shared_daemon, "net", DriverOpts={"type": "nfs", "device": ":/x", "o": "addr=127.0.0.1,password=hidden,vers=4"})
    for name in ("none", "net"):
        identity = shared_daemon.create(["true"], host={"Binds": [f"{name}:/v"]})
        status, message = fails(shared_daemon, "POST", f"/containers/{identity}/start")
        assert status >= 400 and "failed to mount local volume" in message and "hidden" not in message, message
        assert shared_daemon.inspect(identity)["State"]["Status"] == "created"
        assert not is_mounted(data(shared_daemon, name))


def test_an_idle_mount_is_found(shared_daemon):
    make(shared_daemon, "mem", DriverOpts={"type": "tmpfs", "device": "tmpfs"})
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(data(shared_daemon, "mem"))], check=True)
    assert any("mem/_data" in problem for problem in shared_daemon.api.post("/kedge/v1/system/check")["Problems"])
    shared_daemon.api.post("/kedge/v1/system/check?repair=1")
    assert not is_mounted(data(shared_daemon, "mem"))


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


# ---- the command line ----

def test_the_kedge_command(shared_daemon):
    kedge_ = shared_daemon.kedge
    assert kedge_("volume", "create", "--label", "a=b", "-o", "type=tmpfs", "-o", "device=tmpfs", "kv").out == "kv\n"
    made = shared_daemon.api.get("/volumes/kv")
    assert made["Labels"] == {"a": "b"} and made["Options"] == {"type": "tmpfs", "device": "tmpfs"}
    nameless = kedge_("volume", "create").out.strip()
    assert volumes(shared_daemon) == sorted(["kv", nameless])
    assert kedge_("volume", "ls").out.split() == ["DRIVER", "VOLUME", "NAME", "local", nameless, "local", "kv"]
    assert kedge_("volume", "ls", "-q", "-f", "label=a").out == "kv\n"
    assert kedge_("volume", "ls", "-f", "name=kv", "--format", '{{.Name}} {{.Label "a"}} {{.Mountpoint}} {{.Size}}').out == f"kv b {data(shared_daemon, 'kv')} N/A\n"
    assert json.loads(kedge_("volume", "inspect", "kv").out) == [made] == json.loads(kedge_("inspect", "kv").out)
    assert kedge_("inspect", "--type", "volume", "-f", "{{.Driver}}", "kv").out == "local\n"
    missing = kedge_("volume", "inspect", "nope", check=False)
    assert (missing.returncode, missing.out, missing.err) == (1, "[]\n", "Error: No such volume: nope\n")
    assert "get nope: no such volume" in kedge_("volume", "rm", "nope", check=False).err
    assert kedge_("volume", "rm", "-f", "nope", "kv").out == "nope\nkv\n"
    kedge_("volume", "create", "keep")
    (data(shared_daemon, nameless) / "f").write_bytes(b"x" * 1000)
    asked = kedge_("volume", "prune", input=b"n\n").out
    assert "anonymous local volumes" in asked and len(volumes(shared_daemon)) == 2
    assert kedge_("volume", "prune", "-f").out == f"Deleted Volumes:\n{nameless}\n\nTotal reclaimed space: 1kB\n"
    assert kedge_("volume", "prune", "-f", "--all").out.startswith("Deleted Volumes:\nkeep\n")
    assert "volumes of a cluster" in kedge_("volume", "create", "--scope", "single", check=False).err


def test_run_s_options(shared_daemon):
    def run_kedge(*words):
        return shared_daemon.kedge("run", "--rm", "--network", "none", *words).out
    assert run_kedge("-v", "one:/x", "-v", "/anon", "busybox:test", "sh", "-c", "echo hi > /x/f; ls -d /anon") == "/anon\n"
    option = "type=volume,source=two,target=/y,volume-label=a=b,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,\"volume-opt=o=size=64k,mode=700\",volume-nocopy"
    assert "size=64k,mode=700" in run_kedge("--mount", option, "busybox:test", "grep", " /y ", "/proc/mounts")
    made = shared_daemon.api.get("/volumes/two")
    assert made["Labels"] == {"a": "b"} and made["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=64k,mode=700"}
    shared_daemon.kedge("create", "--name", "lender", "-v", "one:/x", "busybox:test")
    assert run_kedge("--volumes-from", "lender:ro", "busybox:test", "sh", "-c", "cat /x/f; touch /x/g 2>/dev/null || echo no") == "hi\nno\n"
    assert 'plugin \\"zz\\" not found' in json.dumps(shared_daemon.kedge("run", "--volume-driver", "zz", "-v", "new:/x", "busybox:test", check=False).err)
    for words in ("type=bind,source=/tmp,target=/x,volume-nocopy", "type=volume,target=/x,volume-label="):
        refused = shared_daemon.kedge("run", "--mount", words, "busybox:test", check=False)
        assert refused.returncode == 125 and "--mount" in refused.err, refused.err


def test_disk_usage_and_system_prune(shared_daemon):
    make(shared_daemon, "web")
    (data(shared_daemon, "web") / "f").write_bytes(b"x" * 3000)
    nameless = make(shared_daemon, "")["Name"]
    shared_daemon.create(["true"], name="user", host={"Binds": ["web:/a"]})
    (row,) = [line for line in shared_daemon.kedge("system", "df").out.splitlines() if line.startswith("Local Volumes")]
    assert row.split() == ["Local", "Volumes", "2", "1", "3kB", "0B", "(0%)"]
    listed = shared_daemon.kedge("system", "df", "-v").out.partition("Local Volumes space usage:")[2]
    assert ["web", "1", "3kB"] in [line.split() for line in listed.splitlines()]
    assert "until" in shared_daemon.kedge("system", "prune", "-f", "--volumes", "--filter", "until=1h", check=False).err
    shared_daemon.kedge("system", "prune", "-f")
    assert nameless in volumes(shared_daemon)
    assert f"Deleted Volumes:\n{nameless}\n" in shared_daemon.kedge("system", "prune", "-f", "--volumes").out
    assert volumes(shared_daemon) == ["web"]


def test_what_is_mounted_goes_with_its_volume(shared_daemon):
    mount = {"Type": "volume", "Target": "/m", "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}}}
    for _ in range(40):
        identity = shared_daemon.run_container(["sleep", "1000"], host={"Mounts": [mount]})
        shared_daemon.api.delete(f"/containers/{identity}?force=1&v=1")
    kedge.wait_for(lambda: not volumes(shared_daemon))
    kedge.wait_for(lambda: str(shared_daemon.store) not in pathlib.Path("/proc/self/mounts").read_text())
