# SPDX-License-Identifier: Apache-2.0
"""Pulls that go wrong: registries that break and lie, kedged killed in the middle, damaged leftovers."""
import gzip
import io
import json
import os
import tarfile
import time

import pytest

import kedge
import registries
from registries import digest

SIZE = 3 << 20


class UnpackableImage(registries.Image):
    """One layer with a file of random bytes, and what runs it on this machine."""

    def __init__(self):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            info = tarfile.TarInfo("file")
            info.size = SIZE
            archive.addfile(info, io.BytesIO(os.urandom(SIZE)))
        super().__init__([gzip.compress(tar.getvalue(), 1)], "linux/" + kedge.mkimage.ARCHITECTURES[os.uname().machine])
        old, self.config = self.config, self.config.replace(digest(self.layers[0]).encode(), digest(tar.getvalue()).encode())
        self.manifest = self.manifest.replace(digest(old).encode(), digest(self.config).encode())
        self.digest = digest(self.manifest)
        self.blobs = {digest(data): data for data in [self.config, *self.layers]}


@pytest.fixture
def empty():
    it = kedge.Daemon().start()
    yield it
    it.close()


@pytest.fixture
def fake():
    it = registries.FakeRegistry()
    yield it
    it.close()


@pytest.fixture
def image(fake):
    return fake.add(UnpackableImage(), "1")


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


def test_answers_while_a_registry_stalls(empty, fake, image, blob):
    fake.rule(blob)(lambda handler, _: time.sleep(5))
    with kedge.socket.socket(kedge.socket.AF_UNIX) as client:
        client.connect(str(empty.socket))
        client.sendall(f"POST /images/create?fromImage={fake.host}/a&tag=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        kedge.wait_for(lambda: fake.asked(blob))
        begin = time.monotonic()
        for _ in range(20):
            empty.api.get("/containers/json")
        assert time.monotonic() - begin < 0.5
