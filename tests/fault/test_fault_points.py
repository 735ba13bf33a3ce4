# SPDX-License-Identifier: Apache-2.0
"""
Fails, and then kills, at the k-th fault point of store and engine, for every k, while an image and a container live their whole lives:
load or pull, create, start, exit, remove, remove the image; and volumes with them: made, filled from the image, used, left behind, removed. A failed step is reported and works when it is asked for again; after a kill the
next kedged starts clean and what was acknowledged is there; at the end nothing is left.
"""
import http.client
import json

import pytest

import kedge
import store
from streams import Background

LOST = (OSError, http.client.HTTPException)
VOLUME_SCRIPT = "for in in data nameless; do cat /$in/deep/file /$in/file | grep -c content | grep -q 2 || exit 9; done; echo own > /data/own; echo line; exit 3"


class Life:
    """One life, in which kedged fails or dies once."""

    def __init__(self, daemon, image, bring, setting):
        self.daemon, self.image, self.bring = daemon, image, bring
        self.daemon.environment = {"KEDGE_FAULT": setting} if setting else {}
        self.refused = []
        self.deaths = 0

    def begin(self):
        """The fault may hit the start-up itself."""
        try:
            self.daemon.start()
        except AssertionError:
            self.again()

    def again(self):
        if self.daemon.process:
            self.daemon.process.wait(30)
            self.daemon.process = None
        self.deaths += 1
        self.daemon.environment = {}
        self.daemon.start()

    def step(self, what, done_statuses, call):
        """Asks until it is done: once more after a refusal, once more after a death."""
        for _ in range(4):
            try:
                status, body = call()
            except LOST:
                self.again()
                continue
            if status in done_statuses and b'"error"' not in body:
                return body
            self.refused.append((what, status, body[-300:]))
            assert b"message" in body or b"error" in body, body
        raise AssertionError(f"{what} cannot be done: {self.refused}")

    def ask(self, method, target, body=None):
        return self.daemon.api.raw(method, target, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})

    def state(self):
        return json.loads(self.step("inspect", (200,), lambda: self.ask("GET", "/containers/subject/json")))["State"]

    def ended(self):
        return self.state()["Status"] == "exited"

    def live(self):
        self.begin()
        self.step("bring", (200,), lambda: self.bring(self.daemon))
        self.create("echo line; exit 3")
        self.run()
        self.remove()
        self.step("remove image", (200, 404), lambda: self.ask("DELETE", f"/images/{self.image}"))
        assert json.loads(self.step("list images", (200,), lambda: self.ask("GET", "/images/json"))) == []

    def create(self, script, **host):
        body = {"Image": self.image, "Cmd": ["sh", "-c", script], "HostConfig": {"NetworkMode": "none", **host}}
        self.step("create", (201, 409), lambda: self.ask("POST", "/containers/create?name=subject", body))

    def remove(self, query=""):
        self.step("remove", (204, 404), lambda: self.ask("DELETE", f"/containers/subject{query}"))
        self.step("look for it", (404,), lambda: self.ask("GET", "/containers/subject/json"))

    def run(self):
        self.step("start", (204, 304), lambda: self.ask("POST", "/containers/subject/start"))
        kedge.wait_for(self.ended)
        if self.state()["ExitCode"] != 3:  # a start that was refused, by words or by a death
            assert self.refused or self.deaths, self.state()
            self.step("start again", (204, 304), lambda: self.ask("POST", "/containers/subject/start"))
            kedge.wait_for(self.ended)
        assert self.state()["ExitCode"] == 3, (self.state(), self.refused)
        assert b"line\n" in self.step("logs", (200,), lambda: self.ask("GET", "/containers/subject/logs?stdout=1"))

    def end(self):
        """What a failure has left is found by the next kedged."""
        if not self.daemon.process or self.daemon.process.poll() is not None:
            self.again()
        kedge.wait_for(lambda: not self.daemon.leftovers(), 15)
        self.daemon.environment = {}
        self.daemon.stop()
        self.daemon.start()
        for name in ("staging", "containers", "layers", "blobs/sha256", "volumes"):
            kedge.wait_for(lambda: not list((self.daemon.store / name).iterdir()), 15)
        found = json.loads(self.ask("POST", "/kedge/v1/system/check")[1])
        assert found == {"Problems": []}, found
        self.daemon.stop()
        assert store.problems(self.daemon.store) == []


class ShortLife(Life):
    """Of an image alone."""

    def live(self):
        self.begin()
        self.step("bring", (200,), lambda: self.bring(self.daemon))
        self.step("remove image", (200, 404), lambda: self.ask("DELETE", f"/images/{self.image}"))
        assert json.loads(self.step("list images", (200,), lambda: self.ask("GET", "/images/json"))) == []


class VolumeLife(Life):
    """Of an image that brings files for a volume with a name and for one without: nothing is lost, half-filled or left behind."""

    def volumes(self):
        listed = json.loads(self.step("list volumes", (200,), lambda: self.ask("GET", "/volumes")))["Volumes"]
        return sorted(volume["Name"] for volume in listed)

    def own(self):
        return self.daemon.store / "volumes" / "named" / "_data" / "own"

    def live(self):
        self.begin()
        self.step("bring", (200,), lambda: self.bring(self.daemon))
        self.step("make", (201,), lambda: self.ask("POST", "/volumes/create", {"Name": "named"}))
        self.create(VOLUME_SCRIPT, Binds=["named:/data"])
        self.run()
        assert len(self.volumes()) == 2
        self.remove("?v=1")
        assert self.volumes() == ["named"] and self.own().read_text() == "own\n"
        self.create("cat /data/own; echo line; exit 3", Binds=["named:/data"])
        self.run()
        assert b"own\n" in self.step("logs", (200,), lambda: self.ask("GET", "/containers/subject/logs?stdout=1"))
        self.remove("?v=1")
        self.step("remove volume", (204, 404), lambda: self.ask("DELETE", "/volumes/named"))
        assert self.volumes() == []
        self.step("remove image", (200, 404), lambda: self.ask("DELETE", f"/images/{self.image}"))


class NetworkLife(Life):
    """On two networks, with a published port: connected and disconnected while it runs. Nothing of it is left on the host."""

    def networks(self):
        return json.loads(self.step("inspect", (200,), lambda: self.ask("GET", "/containers/subject/json")))["NetworkSettings"]["Networks"]

    def disconnect(self):
        """Done by a kedged that died before it could say so is done as well."""
        status, body = self.ask("POST", "/networks/two/disconnect", {"Container": "subject", "Force": True})
        return (200, b"") if b"is not connected to network two" in body else (status, body)

    def live(self):
        self.begin()
        self.step("bring", (200,), lambda: self.bring(self.daemon))
        for name in ("one", "two"):
            self.step("make", (201, 409), lambda: self.ask("POST", "/networks/create", {"Name": name}))
        self.create("trap 'exit 3' TERM; echo line; sleep 100 & wait", NetworkMode="one", PortBindings={"80/tcp": [{"HostPort": ""}]})
        self.step("start", (204, 304), lambda: self.ask("POST", "/containers/subject/start"))
        if any(what == "start" for what, _, _ in self.refused):  # one whose record could not be written is about to be ended
            self.step("kill", (204, 409), lambda: self.ask("POST", "/containers/subject/kill"))
            kedge.wait_for(lambda: not self.state()["Running"])
        self.step("start", (204, 304), lambda: self.ask("POST", "/containers/subject/start"))  # one that kedged died in may have come to nothing
        kedge.wait_for(lambda: b"line" in self.step("logs", (200,), lambda: self.ask("GET", "/containers/subject/logs?stdout=1")))
        self.step("connect", (200, 403), lambda: self.ask("POST", "/networks/two/connect", {"Container": "subject"}))
        assert sorted(name for name, one in self.networks().items() if one["IPAddress"]) == ["one", "two"]
        self.step("disconnect", (200,), self.disconnect)
        assert sorted(self.networks()) == ["one"]
        self.step("kill", (204, 409), lambda: self.ask("POST", "/containers/subject/kill?signal=TERM"))
        kedge.wait_for(self.ended)
        self.remove()
        for name in ("one", "two"):
            self.step("remove network", (204, 404), lambda: self.ask("DELETE", f"/networks/{name}"))
        self.step("remove image", (200, 404), lambda: self.ask("DELETE", f"/images/{self.image}"))

    def end(self):
        super().end()
        kedge.wait_for(lambda: not self.daemon.links(), 15)
        assert self.daemon.elements() == []


def count_points(daemon, image, bring, kind):
    life = kind(daemon, image, bring, None)
    counts = daemon.directory / "count"
    daemon.environment = {"KEDGE_FAULT_COUNT": str(counts)}
    life.live()
    daemon.stop()
    return int(counts.read_text())


def one_point(daemon, image, bring, setting, kind):
    life = kind(daemon, image, bring, setting)
    try:
        life.live()
        life.end()
    except Exception as problem:
        raise AssertionError(f"{setting}: refused {life.refused}, deaths {life.deaths}\n{daemon.log_tail(15)}") from problem
    return bool(life.refused or life.deaths)


def each_point(image, bring, action, kind=Life, stride=1):
    """Four daemons share the points: a life is mostly waiting. In a soak there is no stride."""
    stride = 1 if kedge.SOAK else stride
    daemons = [kedge.Daemon() for _ in range(4)]
    try:
        points = count_points(daemons[0], image, bring, kind)
        assert points > (10 if kind is ShortLife else 20)

        def share(number):
            return sum(one_point(daemons[number], image, bring, f"*:{k}:{action}", kind) for k in range(number * stride + 1, points + 1, len(daemons) * stride))
        felt = sum(job.result(500) for job in [Background(share, number) for number in range(len(daemons))])
        print(f"{points} points, {felt} of them were felt")
        assert felt > points // stride // 2
    finally:
        for daemon in daemons:
            daemon.environment = {}
            daemon.close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return kedge.busybox_archive(tmp_path_factory.mktemp("image") / "busybox.tar", "subject:1").read_bytes()


@pytest.mark.parametrize("action", ["fail", "kill"])
def test_load_and_life(archive, action):
    def bring(daemon):
        return daemon.api.raw("POST", "/images/load", archive, {"Content-Type": "application/x-tar"})
    each_point("subject:1", bring, action)


@pytest.mark.parametrize("action", ["fail", "kill"])
def test_volumes_and_life(tmp_path, action):
    for name in ("data", "nameless"):
        (tmp_path / "site" / name / "deep").mkdir(parents=True)
        for file in ("deep/file", "file"):
            (tmp_path / "site" / name / file).write_text("content\n")
    data = kedge.busybox_archive(tmp_path / "image.tar", "subject:1", layers=[tmp_path / "site"], config={"Volumes": {"/nameless": {}}}).read_bytes()

    def bring(daemon):
        return daemon.api.raw("POST", "/images/load", data, {"Content-Type": "application/x-tar"})
    each_point("subject:1", bring, action, VolumeLife, stride=7)


@pytest.mark.parametrize("action", ["fail", "kill"])
def test_networks_and_life(archive, action):
    def bring(daemon):
        return daemon.api.raw("POST", "/images/load", archive, {"Content-Type": "application/x-tar"})
    each_point("subject:1", bring, action, NetworkLife, stride=4)


@pytest.mark.parametrize("action", ["fail", "kill"])
def test_pull_and_life(registry, tmp_path, action):
    name = registry.copy_from(kedge.busybox_archive(tmp_path / "b.tar", "subject:1"), "subject:1")

    def bring(daemon):
        return daemon.api.raw("POST", f"/images/create?fromImage={name.rpartition(':')[0]}&tag=1")
    each_point(name, bring, action)


@pytest.mark.parametrize("action", ["fail", "kill"])
def test_import(tmp_path, action):
    """Done twice, it makes two images, of which the first one loses its name: that goes before the answer."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_text("x" * 1000)  # each piece of the body is a point
    tree = kedge.mkimage.layer_tar(str(tmp_path / "root"), {})

    def bring(daemon):
        answer = daemon.api.raw("POST", "/images/create?fromSrc=-&repo=subject&tag=1", tree, {"Content-Type": "application/x-tar"})
        pruned = daemon.api.raw("POST", "/images/prune")
        return answer if pruned[0] == 200 else pruned
    each_point("subject:1", bring, action, ShortLife)


@pytest.mark.parametrize("action", ["fail", "kill"])
def test_commit(archive, action):
    """As import: done twice it makes two images, of which the first one is pruned. The container goes on, and is not left paused."""
    def ask(daemon, method, target, body=None):
        return daemon.api.raw(method, target, body, {"Content-Type": "application/json"} if body else {})

    def bring(daemon):
        answer = daemon.api.raw("POST", "/images/load", archive, {"Content-Type": "application/x-tar"})
        if answer[0] != 200 or b'"error"' in answer[1]:
            return answer
        body = json.dumps({"Image": "subject:1", "Cmd": ["sh", "-c", "echo x > /x; sleep 100"], "HostConfig": {"NetworkMode": "none"}})
        for method, target, text in (("POST", "/containers/create?name=source", body), ("POST", "/containers/source/start", None),
                                     ("POST", "/commit?container=source&repo=made&tag=1", None)):
            answer = ask(daemon, method, target, text)
            if answer[0] not in (201, 204, 304, 409):
                return answer
        assert json.loads(ask(daemon, "GET", "/containers/source/json")[1])["State"]["Status"] == "running"
        for method, target in (("DELETE", "/containers/source?force=1"), ("DELETE", "/images/made:1"), ("POST", "/images/prune")):
            answer = ask(daemon, method, target)
            if answer[0] not in (200, 204, 404):
                return answer
        return answer if answer[0] != 204 else (200, b"")
    each_point("subject:1", bring, action, ShortLife)
