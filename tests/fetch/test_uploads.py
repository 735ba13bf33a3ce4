# SPDX-License-Identifier: Apache-2.0
"""Pushes: skipped, mounted from another repository, whole, in pieces, and what comes of pieces that break off."""
import os

import pytest

from registries import Image, digest

CHUNK = 8 << 20


@pytest.fixture
def image():
    return Image([os.urandom(100_000)])


@pytest.fixture(scope="module")
def large():
    return Image([os.urandom(4 * CHUNK + 5_000)])


def push(fetch, fake, image, tmp_path, name="a", **options):
    return fetch("push", f"{fake.host}/{name}:1", image.save(tmp_path / "in"), **options)


def pieces(fake):
    return [request.headers["Content-Range"] for request in fake.asked("/uploads/", "PATCH")]


def kept(fake, image):
    return all(fake.blobs[name] == data for name, data in image.blobs.items()) and fake.manifests["1"][1] == image.manifest


def test_small_blobs_go_in_one(fetch, fake, image, tmp_path):
    assert push(fetch, fake, image, tmp_path).status == 0
    assert kept(fake, image) and not pieces(fake)
    assert len(fake.asked("/uploads/", "POST")) == len(fake.asked("/uploads/", "PUT")) == 2


def test_what_is_there_is_skipped(fetch, fake, image, tmp_path):
    fake.blobs[digest(image.layers[0])] = image.layers[0]
    result = push(fetch, fake, image, tmp_path)
    assert result.status == 0 and kept(fake, image)
    assert [(event["digest"], event["from"]) for event in result.all("blob-skipped")] == [(digest(image.layers[0]), None)]
    assert len(fake.asked("/uploads/", "POST")) == 1


def test_mounted_from_another_repository(fetch, fake, image, tmp_path):
    fake.elsewhere = {("base/it", name): data for name, data in image.blobs.items()}
    result = push(fetch, fake, image, tmp_path, mount_from="base/it")
    assert result.status == 0 and kept(fake, image)
    assert {event["from"] for event in result.all("blob-skipped")} == {"base/it"}
    assert not fake.asked("/uploads/", "PUT") and not fake.asked("/uploads/", "PATCH")


@pytest.mark.parametrize("refusal", [None, 403, 404, 400])
def test_not_mountable_is_sent(fetch, fake, image, tmp_path, refusal):
    if refusal:
        fake.rule("/uploads/")(lambda handler, request: handler.refuse(refusal, "DENIED", "no") if "mount" in request.query else False)
    result = push(fetch, fake, image, tmp_path, mount_from="base/it")
    assert result.status == 0 and kept(fake, image) and not result.all("retrying")
    assert len(fake.asked("/uploads/", "PUT")) == 2


def test_large_blobs_go_in_pieces(fetch, fake, large, tmp_path):
    assert push(fetch, fake, large, tmp_path).status == 0
    size = len(large.layers[0])
    assert pieces(fake) == [f"{at}-{min(at + CHUNK, size) - 1}" for at in range(0, size, CHUNK)]
    assert kept(fake, large)


def test_the_registry_wants_pieces(fetch, fake, tmp_path):
    image = Image([os.urandom(20 << 20)])
    fake.chunk_min = 9 << 20
    assert push(fetch, fake, image, tmp_path).status == 0
    assert pieces(fake) == [f"0-{(9 << 20) - 1}", f"{9 << 20}-{(18 << 20) - 1}", f"{18 << 20}-{(20 << 20) - 1}"]
    assert kept(fake, image)


@pytest.mark.parametrize("wish", ["nonsense", "-1", "0", str(1 << 40)])
def test_wishes_that_are_none(fetch, fake, image, tmp_path, wish):
    fake.chunk_min = wish
    assert push(fetch, fake, image, tmp_path).status == 0 and kept(fake, image) and not pieces(fake)


def test_a_piece_that_breaks_off_goes_on_from_there(fetch, fake, large, tmp_path):
    breaks = ["second", "third"]

    @fake.rule("/uploads/")
    def broken(handler, request):
        if request.method != "PATCH" or len(pieces(fake)) != 2 or not breaks:
            return False
        breaks.pop(0)
        name = request.path.rpartition("/")[2]
        fake.uploads[name] += request.body[:1000]  # arrived, but nobody hears of it
        handler.close_connection = True
    result = push(fetch, fake, large, tmp_path)
    assert result.status == 0 and kept(fake, large)
    assert pieces(fake)[:3] == [f"0-{CHUNK - 1}", f"{CHUNK}-{2 * CHUNK - 1}", f"{CHUNK + 1000}-{2 * CHUNK + 999}"]
    assert len(fake.asked("/uploads/", "POST")) == 2, "one for the layer, one for the configuration"
    assert len(result.all("retrying")) == 1


@pytest.mark.parametrize("said", ["0-0", None])
def test_a_first_piece_that_breaks_off_goes_on_from_the_start(fetch, fake, large, tmp_path, said):
    """Registries that have nothing yet say "0-0"."""
    @fake.rule("/uploads/")
    def broken(handler, request):
        if request.method == "GET":
            return handler.reply(204, b"", {"Location": request.path, **({"Range": said} if said else {})})
        if request.method != "PATCH" or len(pieces(fake)) != 1:
            return False
        handler.close_connection = True
    result = push(fetch, fake, large, tmp_path)
    assert result.status == 0 and kept(fake, large)
    assert pieces(fake)[:3] == [f"0-{CHUNK - 1}", f"0-{CHUNK - 1}", f"{CHUNK}-{2 * CHUNK - 1}"]


def test_a_forgotten_upload_begins_again(fetch, fake, large, tmp_path):
    left = [1]

    @fake.rule("/uploads/")
    def forgetful(handler, request):
        if request.method != "PATCH" or len(pieces(fake)) != 3 or not left:
            return False
        left.pop()
        fake.uploads.clear()
        return False
    result = push(fetch, fake, large, tmp_path)
    assert result.status == 0 and kept(fake, large)
    assert result.all("retrying")[0]["reason"] == "the registry has forgotten the upload"


def test_a_registry_that_takes_no_pieces(fetch, fake, large, tmp_path):
    fake.rule("/uploads/")(lambda handler, request: handler.reply(405) if request.method == "PATCH" else False)
    result = push(fetch, fake, large, tmp_path)
    assert result.status == 0 and kept(fake, large) and len(pieces(fake)) == 1
    assert result.all("retrying")[0]["reason"] == "the registry does not take the blob in pieces"


@pytest.mark.parametrize("said", ["0-99999999999", "0-5", "nonsense", "bytes=7-9"])
def test_lies_about_what_arrived(fetch, fake, large, tmp_path, said):
    fake.rule("/uploads/")(lambda handler, request: handler.reply(202, b"", {"Location": request.path, "Range": said})
                           if request.method == "PATCH" and len(pieces(fake)) >= 2 else False)
    result = push(fetch, fake, large, tmp_path, retries=1)
    assert result.status == 1 and "of the blob" in [event for event in result.events if "message" in event][0]["message"]
    assert len(pieces(fake)) < 10


@pytest.mark.parametrize("status", [202, 416])
def test_a_registry_that_stands_still(fetch, fake, large, tmp_path, status):
    """It takes the first piece, and none of the next ones, for ever."""
    stands = {"Range": f"0-{CHUNK - 1}"}

    @fake.rule("/uploads/")
    def still(handler, request):
        if request.method == "PATCH" and len(pieces(fake)) >= 2:
            return handler.reply(status, b"", {"Location": request.path, **stands})
        return False
    result = push(fetch, fake, large, tmp_path, retries=2)
    assert result.status == 1 and "of the blob" in [event for event in result.events if "message" in event][0]["message"]
    assert len(pieces(fake)) < 10


def test_real_registry_takes_pieces_and_mounts(real, fetch, large, tmp_path):
    registry = real()
    assert fetch("push", f"{registry.host}/a:1", large.save(tmp_path / "in")).status == 0
    result = fetch("push", f"{registry.host}/b:1", tmp_path / "in", mount_from="a")
    assert result.status == 0 and {event["from"] for event in result.all("blob-skipped")} == {"a"}
    assert fetch("pull", f"{registry.host}/b:1").status == 0
    large.check(fetch.out)


def test_mounting_with_tokens(real, authority, fetch, image, tmp_path):
    """The token for a mount allows to read the other repository."""
    import registries
    tokens = registries.TokenServer(authority, users={"tom": "secret"})
    registry = real({"auth": tokens.settings()})
    who = {"username": "tom", "password": "secret"}
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in"), **who).status == 0
    result = fetch("push", f"{registry.host}/b/c:1", tmp_path / "in", mount_from="a", **who)
    assert result.status == 0 and {event["from"] for event in result.all("blob-skipped")} == {"a"}
    assert tokens.requests[-1].query["scope"] == ["repository:b/c:pull,push", "repository:a:pull"]
    tokens.close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_server_that_refuses_the_other_repository(real, authority, fetch, image, tmp_path, status):
    """It is the mount that does not work then, not the push."""
    import registries

    class Strict(registries.TokenServer):
        def answer(self, handler, request):
            if "repository:a:pull" in request.query.get("scope", []):
                handler.refuse(status, "DENIED", "not for you")
            else:
                super().answer(handler, request)
    tokens = Strict(authority, users={"tom": "secret"})
    registry = real({"auth": tokens.settings()})
    result = fetch("push", f"{registry.host}/b:1", image.save(tmp_path / "in"), username="tom", password="secret", mount_from="a")
    assert result.status == 0 and not result.all("blob-skipped") and not result.all("retrying")
    assert any("repository:a:pull" in request.query["scope"] for request in tokens.requests)
    tokens.close()


def test_a_registry_that_is_not_there_is_told_at_once(fetch, image, tmp_path):
    result = fetch("push", "localhost:1/a:1", image.save(tmp_path / "in"), interval=1000)
    reasons = [event["message"] for event in result.events if "message" in event]
    assert result.status == 1 and "could not connect: Connection refused" in reasons[0]
    assert not result.all("retrying")
