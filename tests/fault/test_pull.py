# SPDX-License-Identifier: Apache-2.0
"""Pulls that go wrong: registries that break and lie, kedged killed in the middle, damaged leftovers."""
import json
import os
import shutil
import threading
import time

import pytest

import kedge
import registries
from registries import digest
from streams import Background

SIZE = 3 << 20


@pytest.fixture
def image(fake):
    return fake.add(registries.Unpackable([{"file": os.urandom(SIZE)}]), "1")


@pytest.fixture
def blob(image):
    return digest(image.layers[0])


def pull(daemon, fake):
    """Gives the error, None when it went well."""
    _, body = daemon.api.raw("POST", f"/images/create?fromImage={fake.host}/a&tag=1")
    return json.loads(body.splitlines()[-1]).get("error")


def staged(daemon):
    return sorted(path.name for path in (daemon.store / "staging").iterdir())


def is_whole(daemon, fake):
    found = daemon.api.get(f"/images/{fake.host}/a:1/json")
    return found["RepoTags"] == [f"{fake.host}/a:1"] and not staged(daemon)


def test_killed_in_the_middle_goes_on(empty, fake, image, blob):
    half = len(image.layers[0]) // 2
    stall = [True]

    @fake.rule(blob)
    def slow(handler, request):
        if not stall:
            return False
        handler.reply(200, image.layers[0][:half], length=len(image.layers[0]))
        handler.wfile.flush()
        time.sleep(10)
    part = empty.store / "staging" / f"{blob}.part"
    with kedge.socket.socket(kedge.socket.AF_UNIX) as client:
        client.connect(str(empty.socket))
        client.sendall(f"POST /images/create?fromImage={fake.host}/a&tag=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        kedge.wait_for(lambda: part.exists() and part.stat().st_size == half)
        empty.kill()
    stall.clear()
    empty.start()
    assert pull(empty, fake) is None
    assert [request.headers["Range"] for request in fake.asked(blob)] == [None, f"bytes={half}-"]
    assert is_whole(empty, fake)


def test_after_a_power_cut_the_sound_beginning_is_used(empty, fake, image, blob):
    """The run directory is gone and nobody remembers the pull; what is staged is hashed again and the rest fetched."""
    half = len(image.layers[0]) // 2
    empty.kill()
    shutil.rmtree(empty.run_directory)
    (empty.store / "staging" / f"{blob}.part").write_bytes(image.layers[0][:half])
    empty.start()
    assert staged(empty) == [f"{blob}.part"]
    assert pull(empty, fake) is None
    assert [request.headers["Range"] for request in fake.asked(blob)] == [f"bytes={half}-"]
    assert is_whole(empty, fake)


def test_after_a_power_cut_a_torn_end_is_noticed(empty, fake, image, blob):
    """File systems may give back zeros for what was not synced: the pieces do not fit, and it is fetched in one."""
    half = len(image.layers[0]) // 2
    empty.kill()
    shutil.rmtree(empty.run_directory)
    (empty.store / "staging" / f"{blob}.part").write_bytes(image.layers[0][:half - 5000] + bytes(5000))
    empty.start()
    assert pull(empty, fake) is None
    assert [request.headers["Range"] for request in fake.asked(blob)] == [f"bytes={half}-", None]
    assert is_whole(empty, fake)


@pytest.mark.parametrize("length", [1000, SIZE // 2, 10 * SIZE])
def test_a_damaged_leftover(empty, fake, image, blob, length):
    (empty.store / "staging" / f"{blob}.part").write_bytes(bytes(length))
    assert pull(empty, fake) is None
    assert is_whole(empty, fake)


@pytest.mark.parametrize("lie", [
    lambda handler, data: handler.reply(200, data[:-1] + b"\xff"),
    lambda handler, data: handler.reply(200, data[:-1]),
    lambda handler, data: handler.reply(200, data + b"x", length=""),
    lambda handler, data: handler.reply(307, b"", {"Location": handler.path}),
    lambda handler, data: handler.reply(200, bytes(len(data))),
], ids=["digest", "length", "endless", "redirects", "zeros"])
def test_a_lie_leaves_no_trace(empty, fake, image, blob, lie):
    fake.rule(blob)(lambda handler, _: lie(handler, image.layers[0]))
    assert pull(empty, fake).startswith(f'could not pull "{fake.host}/a:1": ')
    assert empty.api.get("/images/json") == [] and not staged(empty)
    fake.rules.clear()
    assert pull(empty, fake) is None
    assert is_whole(empty, fake)


@pytest.mark.parametrize("length", [SIZE // 2, None], ids=["shorter", "same length"])
def test_a_liar_cannot_write_into_what_another_pull_fetches(empty, fake, image, blob, length):
    """Two registries offer a blob of one digest: the honest one's is kept, whatever the other sends meanwhile."""
    liar, gate = registries.FakeRegistry(), threading.Event()
    lie = bytes(length or len(image.layers[0]))
    other = registries.Image([lie], "linux/" + kedge.mkimage.ARCHITECTURES[os.uname().machine])
    other.config = image.config
    other.manifest = image.manifest.replace(f'"size": {len(image.layers[0])}'.encode(), f'"size": {len(lie)}'.encode())
    other.blobs = {digest(image.config): image.config, blob: lie}
    other.digest = digest(other.manifest)
    liar.add(other, "1")
    half = len(image.layers[0]) // 2

    @fake.rule(blob)
    def slow(handler, _):
        handler.reply(200, image.layers[0][:half], length=len(image.layers[0]))
        handler.wfile.flush()
        gate.wait(30)
        handler.wfile.write(image.layers[0][half:])
    honest = Background(pull, empty, fake)
    part = empty.store / "staging" / f"{blob}.part"
    kedge.wait_for(lambda: part.exists() and part.stat().st_size > half - 600_000)
    assert "digest" in pull(empty, liar)
    assert image.layers[0].startswith(part.read_bytes())
    assert [name for name in staged(empty) if name.endswith(".part")] == [part.name]
    gate.set()
    assert honest.result(60) is None and is_whole(empty, fake)
    assert (empty.store / "blobs" / blob.replace(":", "/")).read_bytes() == image.layers[0]
    liar.close()


def test_answers_while_a_registry_stalls(empty, fake, image, blob):
    gate, left = threading.Event(), []
    fake.rule(blob)(lambda handler, _: left.append(gate.wait(60)))
    with kedge.socket.socket(kedge.socket.AF_UNIX) as client:
        client.connect(str(empty.socket))
        client.sendall(f"POST /images/create?fromImage={fake.host}/a&tag=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        kedge.wait_for(lambda: fake.asked(blob))
        for _ in range(20):
            empty.api.get("/containers/json")
        assert not left  # it stalls all the time
        gate.set()
