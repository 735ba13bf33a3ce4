# SPDX-License-Identifier: Apache-2.0
"""INVENTORY-V1, Eclipse Kura's inventory over REST: keys, words for states, codes."""
import json

import pytest

import kedge

BUSYBOX = {"name": "busybox", "version": "test", "type": "CONTAINER_IMAGE"}
BASE = "/services/inventory/v1"


@pytest.fixture
def stock(stock):
    """Names that the test has given go as well."""
    yield stock
    stock.remove_all()
    for image in stock.api.get("/images/json"):
        for name in {*image["RepoTags"], *image["RepoDigests"]} - {"busybox:test"}:
            stock.api.raw("DELETE", f"/images/{name}")


def ask(daemon, method, path, body=None):
    """(status, body); the body as JSON where it is some."""
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    status, data = daemon.api.raw(method, BASE + path, body, {"Content-Type": "application/json"} if body else {})
    return status, json.loads(data) if data else None


def containers(daemon):
    status, answer = ask(daemon, "GET", "/containers")
    assert status == 200 and list(answer) == ["containers"]
    return {entry.pop("name"): entry for entry in answer["containers"]}


def state(daemon, name):
    return containers(daemon)[name]["state"]


def test_nothing(empty):
    assert ask(empty, "GET", "/inventory") == (200, {"inventory": []})
    assert ask(empty, "GET", "/containers") == (200, {"containers": []})
    assert ask(empty, "GET", "/images") == (200, {"images": []})


def test_containers(box):
    box.run_container(["sleep", "1000"], name="c1")
    assert containers(box) == {"c1": {"version": "busybox:test", "type": "DOCKER", "state": "active"}}


def test_images(stock):
    stock.api.post("/images/busybox:test/tag?repo=localhost:5000/a/b&tag=7")
    status, answer = ask(stock, "GET", "/images")
    assert status == 200 and list(answer) == ["images"]
    assert sorted(answer["images"], key=lambda entry: entry["name"]) == [
        {"name": "busybox", "version": "test", "type": "CONTAINER_IMAGE"},
        {"name": "localhost:5000/a/b", "version": "7", "type": "CONTAINER_IMAGE"}]


def test_summary_is_sorted_by_name(box):
    for name in ("zz", "aa", "mm"):
        box.create(["true"], name=name)
    assert ask(box, "GET", "/inventory") == (200, {"inventory": [
        {"name": "aa", "version": "busybox:test", "type": "DOCKER"},
        {"name": "busybox", "version": "test", "type": "CONTAINER_IMAGE"},
        {"name": "mm", "version": "busybox:test", "type": "DOCKER"},
        {"name": "zz", "version": "busybox:test", "type": "DOCKER"}]})


def running(box):
    return box.run_container(["sleep", "1000"], name="it")


def ended(box):
    box.wait(box.run_container(["true"], name="it"))


def made(box):
    box.create(["true"], name="it")


def paused(box):
    box.api.post(f"/containers/{running(box)}/pause")


def restarting(box):
    box.run_container(["false"], name="it", host={"RestartPolicy": {"Name": "always"}})
    kedge.wait_for(lambda: box.inspect("it")["State"]["Status"] == "restarting" and box.inspect("it")["RestartCount"] > 1, every=0.01)


@pytest.mark.parametrize("prepare, word", [(running, "active"), (ended, "uninstalled"), (made, "unknown"), (paused, "uninstalled"),
                                           (restarting, "unknown")])
def test_words_for_states(box, prepare, word):
    prepare(box)
    kedge.wait_for(lambda: state(box, "it") == word)


@pytest.mark.parametrize("image, version", [("busybox:test", "busybox:test"), ("localhost:5000/web:1", "localhost:5000/web:1"),
                                            ("localhost:5000/plain", "localhost:5000/plain:latest"), ("{id}", "none:")])
def test_versions_of_containers(stock, image, version):
    image = image.format(id=stock.api.get("/images/busybox:test/json")["Id"])
    if "localhost" in image:
        name, _, tag = image.partition("/")[2].partition(":")
        stock.api.post(f"/images/busybox:test/tag?repo=localhost:5000/{name}&tag={tag or 'latest'}")
    stock.create(["true"], name="it", image=image)
    assert containers(stock)["it"]["version"] == version


def test_an_image_without_a_tag(stock, registry):
    name = registry.copy_from(kedge.busybox_archive(stock.directory / "plain.tar", "plain:1", {"Env": ["ONE=1"]}), "plain:1")
    stock.api.raw("POST", f"/images/create?fromImage={name}")
    digest = stock.api.get(f"/images/{name}/json")["RepoDigests"][0]
    stock.api.delete(f"/images/{name}")
    stock.api.raw("POST", f"/images/create?fromImage={digest}")
    entry = {"name": digest.split("@")[0], "version": digest.split("@")[1], "type": "CONTAINER_IMAGE"}
    assert entry in ask(stock, "GET", "/images")[1]["images"]
    assert ask(stock, "POST", "/images/_delete", entry) == (200, None)
    assert ask(stock, "GET", "/images")[1]["images"] == [BUSYBOX]


def test_an_image_without_any_name(stock):
    stock.load_busybox("first:1", config={"Env": ["TWO=2"]})
    identity = stock.api.get("/images/first:1/json")["Id"]
    stock.api.post("/images/busybox:test/tag?repo=first&tag=1")
    assert {"name": identity, "version": "", "type": "CONTAINER_IMAGE"} in ask(stock, "GET", "/images")[1]["images"]
    assert ask(stock, "POST", "/images/_delete", {"name": identity, "version": ""}) == (200, None)
    assert {entry["name"] for entry in ask(stock, "GET", "/images")[1]["images"]} == {"busybox", "first"}


# ---- requests -------------------------------------------------------------------------------------------------------------------

def test_start_and_stop(box):
    box.create(["sleep", "1000"], name="c1", StopSignal="KILL")
    named = {"name": "c1", "version": "busybox:test"}
    assert ask(box, "POST", "/containers/_start", named) == (200, None)
    assert state(box, "c1") == "active" and box.inspect("c1")["State"]["Running"]
    assert ask(box, "POST", "/containers/_start", named) == (200, None)  # it is as wanted
    assert ask(box, "POST", "/containers/_stop", named) == (200, None)
    assert state(box, "c1") == "uninstalled" and not box.inspect("c1")["State"]["Running"]
    assert ask(box, "POST", "/containers/_stop", named) == (200, None)


def test_the_version_of_a_container_does_not_matter(box):
    box.create(["sleep", "1000"], name="c1")
    assert ask(box, "POST", "/containers/_start", {"name": "c1", "version": "", "type": "DOCKER", "state": "unknown"}) == (200, None)


BAD = [
    ("", "no body"),
    ("{", "bad JSON"),
    ("[]", "no object"),
    ('"c1"', "no object"),
    ({}, "no name"),
    ({"name": "c1"}, "no version"),
    ({"version": "1"}, "no name"),
    ({"name": 1, "version": "1"}, "a number"),
    ({"name": None, "version": "1"}, "null"),
    ({"name": "other", "version": "1"}, "not there"),
    ({"name": "", "version": ""}, "empty"),
]


@pytest.mark.parametrize("path", ["/containers/_start", "/containers/_stop", "/images/_delete"])
@pytest.mark.parametrize("body, why", BAD)
def test_bad_requests(box, path, body, why):
    box.create(["true"], name="c1")
    status, answer = ask(box, "POST", path, body)
    assert status == 400 and answer["message"], why


def test_an_id_is_no_name(box):
    identity = box.create(["true"], name="c1")
    assert ask(box, "POST", "/containers/_start", {"name": identity, "version": ""})[0] == 400


def test_what_cannot_be_done(box):
    box.create(["/no/such/program"], name="bad")
    status, answer = ask(box, "POST", "/containers/_start", {"name": "bad", "version": "busybox:test"})
    assert status == 500 and "/no/such/program" in answer["message"]
    running(box)
    status, answer = ask(box, "POST", "/images/_delete", {"name": "busybox", "version": "test"})
    assert status == 500 and "busybox:test" in answer["message"]
    assert ask(box, "GET", "/images")[1]["images"] == [BUSYBOX]


def test_delete_an_image(stock):
    stock.api.post("/images/busybox:test/tag?repo=localhost:5000/web&tag=1")
    web = {"name": "localhost:5000/web", "version": "1"}
    assert ask(stock, "POST", "/images/_delete", {**web, "version": "2"})[0] == 400
    assert ask(stock, "POST", "/images/_delete", web) == (200, None)
    assert ask(stock, "POST", "/images/_delete", web)[0] == 400
    assert [entry["name"] for entry in ask(stock, "GET", "/images")[1]["images"]] == ["busybox"]


@pytest.mark.parametrize("method, path", [("DELETE", "/containers"), ("DELETE", "/images"), ("DELETE", "/inventory"), ("GET", "/other"),
                                          ("GET", ""), ("POST", "/containers/_restart"), ("POST", "/inventory"), ("GET", "/containers/_start")])
def test_what_there_is_not(box, method, path):
    assert ask(box, method, path)[0] == 404


def test_monitors_see_it(tmp_path):
    path = tmp_path / "monitor.sock"
    daemon = kedge.Daemon(options=["--read-only-socket", str(path)]).start()
    try:
        for resource in ("inventory", "containers", "images"):
            assert kedge.Api(path).get(f"{BASE}/{resource}") == {resource: []}
        assert kedge.Api(path).raw("POST", BASE + "/containers/_start", '{"name":"a","version":""}')[0] == 403
    finally:
        daemon.close()
