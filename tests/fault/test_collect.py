# SPDX-License-Identifier: Apache-2.0
"""Garbage collection beside everything else: what is in use, or on its way, is never removed."""
import gzip
import json
import os
import random
import tempfile
import threading
import time

import pytest

import kedge
import registries
import store
from registries import Unpackable, digest

ROUNDS = int(os.environ.get("KEDGE_COLLECT_ROUNDS") or (200 if kedge.SOAK else 8))


@pytest.fixture(scope="module")
def base():
    """A layer with busybox, as (tar, blob)."""
    with tempfile.TemporaryDirectory() as work:
        tar = kedge.mkimage.layer_tar(str(kedge.busybox_directory(work)), {})
    return tar, gzip.compress(tar, 1, mtime=0)


def runnable(base, *files):
    """busybox below layers of these files."""
    image = Unpackable([{}, *files])
    return with_base(image, base)


def with_base(image, base):
    tar, blob = base
    config, manifest = json.loads(image.config), json.loads(image.manifest)
    config["rootfs"]["diff_ids"][0] = digest(tar)
    config["config"] = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}
    image.config = json.dumps(config).encode()
    manifest["layers"][0].update(digest=digest(blob), size=len(blob))
    manifest["config"].update(digest=digest(image.config), size=len(image.config))
    image.manifest, image.layers[0] = json.dumps(manifest).encode(), blob
    image.digest = digest(image.manifest)
    image.blobs = {digest(data): data for data in [image.config, *image.layers]}
    return image


def pull(daemon, fake, tag):
    """Gives the error, None when it went well."""
    _, body = daemon.api.raw("POST", f"/images/create?fromImage={fake.host}/a&tag={tag}")
    said = json.loads(body.splitlines()[-1])
    return said.get("error") or said.get("message")


def load_victim(daemon):
    """An image of a layer that no other has."""
    name = f"victim:{random.getrandbits(60)}"
    victim = Unpackable([{"x": os.urandom(16)}])
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', **{f"blobs/sha256/{key[7:]}": data for key, data in victim.blobs.items()}}
    files[f"blobs/sha256/{victim.digest[7:]}"] = victim.manifest
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [
        {**victim.descriptor(), "annotations": {"io.containerd.image.name": "docker.io/library/" + name}}]}).encode()
    status, body = daemon.api.raw("POST", "/images/load", Unpackable.tar(files), {"Content-Type": "application/x-tar"})
    assert status == 200 and b"error" not in body, body
    return name


def collect(daemon):
    """Returns after a collection that began after the call: it takes an image that nobody needs, and its layer."""
    before = set((daemon.store / "layers").iterdir())
    name = load_victim(daemon)
    made = set((daemon.store / "layers").iterdir()) - before
    daemon.api.delete(f"/images/{name}")
    kedge.wait_for(lambda: not any(path.exists() for path in made))


def start_pull(daemon, fake, tag, seen):
    result = []
    thread = threading.Thread(target=lambda: result.append(pull(daemon, fake, tag)))
    thread.start()
    kedge.wait_for(seen)
    return thread, result


def test_layers_of_a_pull_that_is_under_way_stay(empty, fake, base):
    """One that another image brought, one that is fetched, one that is still to come."""
    shared, early, late = {"shared": b"s" * 5000}, {"early": b"e"}, {"late": b"l"}
    fake.add(runnable(base, shared), "old")
    new = fake.add(runnable(base, shared, early, late), "new")
    assert pull(empty, fake, "old") is None
    gate = threading.Event()
    fake.rule(digest(new.layers[3]))(lambda handler, _: not gate.wait(30))
    thread, result = start_pull(empty, fake, "new", lambda: fake.asked(digest(new.layers[3])) and fake.asked(digest(new.layers[2])))
    empty.api.delete(f"/images/{fake.host}/a:old")
    collect(empty)
    gate.set()
    thread.join()
    assert result == [None]
    assert len(fake.asked(digest(base[1]))) == len(fake.asked(digest(new.layers[1]))) == 1, "nothing was fetched twice"
    container = empty.run_container(["cat", "/shared", "/early", "/late"], image=f"{fake.host}/a:new")
    assert empty.wait(container) == 0 and empty.log_text(container) == "s" * 5000 + "el"


def test_a_pull_that_fails_gives_back_what_it_held(empty, fake, base):
    fake.add(runnable(base, {"shared": b"s"}), "old")
    new = fake.add(runnable(base, {"shared": b"s"}, {"late": b"l"}), "new")
    assert pull(empty, fake, "old") is None
    gate = threading.Event()
    fake.rule(digest(new.layers[2]))(lambda handler, _: gate.wait(30) and handler.reply(404))
    thread, result = start_pull(empty, fake, "new", lambda: fake.asked(digest(new.layers[2])))
    empty.api.delete(f"/images/{fake.host}/a:old")
    collect(empty)
    assert len(list((empty.store / "layers").iterdir())) == 2
    gate.set()
    thread.join()
    assert "404" in result[0]
    collect(empty)
    assert not list((empty.store / "layers").iterdir()) and not list((empty.store / "blobs" / "sha256").iterdir())


def test_what_containers_stand_on_stays(empty, fake, base):
    fake.add(runnable(base, {"mine": b"content"}), "1")
    assert pull(empty, fake, "1") is None
    name = f"{fake.host}/a:1"
    stopped = empty.create(["cat", "/mine"], image=name)
    running = empty.run_container(["sh", "-c", "trap 'cat /mine; exit 0' TERM; while :; do usleep 10000; done"], image=name)
    assert empty.api.raw("DELETE", f"/images/{name}")[0] == 409
    empty.api.delete(f"/images/{name}?force=1")
    collect(empty)
    empty.restart()
    collect(empty)
    empty.start_container(stopped)
    assert empty.wait(stopped) == 0 and empty.log_text(stopped) == "content"
    empty.api.post(f"/containers/{running}/stop")
    assert empty.log_text(running) == "content"


def test_an_image_that_is_pushed_may_be_removed(empty, fake, base):
    image = fake.add(runnable(base, {"a": b"a"}), "1")
    assert pull(empty, fake, "1") is None
    other, gate = registries.FakeRegistry(), threading.Event()
    other.rule("/uploads/")(lambda handler, request: request.method == "PUT" and not gate.wait(30))
    empty.api.post(f"/images/{fake.host}/a:1/tag?repo={other.host}/b&tag=1")
    result = []
    thread = threading.Thread(target=lambda: result.append(empty.api.raw(
        "POST", f"/images/{other.host}/b/push?tag=1", None, {"X-Registry-Auth": kedge.registry_auth("x", "x")})[1]))
    thread.start()
    kedge.wait_for(lambda: other.asked("/uploads/", "PUT"))
    for name in (f"{fake.host}/a:1", f"{other.host}/b:1"):
        empty.api.delete(f"/images/{name}")
    collect(empty)
    gate.set()
    thread.join()
    assert b"error" not in result[0], result
    assert other.manifests["1"][1] == image.manifest and other.blobs == image.blobs
    other.close()


def test_many_at_once(empty, fake, base):
    """Pulls, containers, removals and collections of images that share layers; every container sees its files, and nothing is left."""
    pool = [{f"part{number}": os.urandom(20_000)} for number in range(4)]
    tags = {}
    for number in range(6):
        parts = random.sample(range(4), 2)
        fake.add(runnable(base, *[pool[part] for part in parts]), str(number))
        tags[str(number)] = parts
    wrong, stop = [], threading.Event()

    def worker(tag):
        name, parts = f"{fake.host}/a:{tag}", tags[tag]
        command = ["sha256sum", *[f"/part{part}" for part in parts]]
        expected = [digest(pool[part][f"part{part}"])[7:] for part in parts]
        for _ in range(ROUNDS):
            error = pull(empty, fake, tag)
            assert error is None, error
            container = empty.create(command, image=name)
            empty.api.delete(f"/images/{name}?force=1")
            empty.start_container(container)
            assert empty.wait(container) == 0
            assert [line.split()[0] for line in empty.log_text(container).splitlines()] == expected
            empty.api.delete(f"/containers/{container}")

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except BaseException as error:
            wrong.append(error)

    def pruner():
        while not stop.is_set():
            empty.api.delete(f"/images/{load_victim(empty)}")
            empty.api.post("/images/prune")
            time.sleep(0.05)
    workers = [threading.Thread(target=guarded, args=(worker, tag)) for tag in tags]
    collector = threading.Thread(target=guarded, args=(pruner,))
    for thread in [*workers, collector]:
        thread.start()
    for thread in workers:
        thread.join()
    stop.set()
    collector.join()
    assert not wrong, wrong
    empty.api.post("/images/prune")  # a forced removal of an image in use leaves it without names
    assert empty.api.get("/images/json") == []
    kedge.wait_for(lambda: not list((empty.store / "layers").iterdir()) and not list((empty.store / "blobs" / "sha256").iterdir()))
    store.end_clean(empty)
