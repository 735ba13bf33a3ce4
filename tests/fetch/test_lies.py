# SPDX-License-Identifier: Apache-2.0
"""Registries that lie, stumble or stall: a clear error or a retry that gets there, and never more written than the manifest says."""
import json
import os
import time

import pytest

import registries
from registries import Image, digest

SIZE = 2 << 20


@pytest.fixture
def image(fake):
    return fake.add(Image([os.urandom(SIZE)]), "1")


@pytest.fixture
def name(fake):
    return f"{fake.host}/a:1"


@pytest.fixture
def blob(image):
    """The layer's path at the registry."""
    return "/blobs/" + digest(image.layers[0])


@pytest.fixture
def file(fetch, image):
    return fetch.out / digest(image.layers[0]).split(":")[1]


def prefix(name, image):
    return f'could not pull "{name}": blob {digest(image.layers[0])[7:19]}: '


def test_wrong_bytes(fake, fetch, image, name, blob):
    other = os.urandom(SIZE)
    fake.rule(blob)(lambda handler, _: handler.reply(200, other))
    assert fetch("pull", name).message == prefix(name, image) + f"what the registry sent has the digest {digest(other)}"
    assert len(fake.asked(blob)) == 1, "a lie is not worth a retry"


@pytest.mark.parametrize("change, message", [
    (lambda data: data[:-1], "the registry offers 2097151 bytes, the manifest says 2097152"),
    (lambda data: data + b"x", "the registry offers 2097153 bytes, the manifest says 2097152"),
])
def test_wrong_length(fake, fetch, image, name, blob, file, change, message):
    fake.rule(blob)(lambda handler, _: handler.reply(200, change(image.layers[0])))
    assert fetch("pull", name).message == prefix(name, image) + message
    assert file.stat().st_size == 0


def test_endless_body(fake, fetch, image, name, blob, file):
    @fake.rule(blob)
    def endless(handler, _):
        handler.reply(200, image.layers[0], length="")
        for _ in range(1000):
            handler.wfile.write(bytes(1 << 16))
    assert fetch("pull", name).message == prefix(name, image) + "the registry sends more than the 2097152 bytes that the manifest says"
    assert file.stat().st_size <= SIZE


def test_broken_in_the_middle_goes_on_from_there(fake, fetch, image, name, blob):
    sent = []

    @fake.rule(blob)
    def broken(handler, request):
        first = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        sent.append(first)
        if len(sent) > 3:
            return False
        data = image.layers[0][first:]
        if first:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {first}-{SIZE - 1}/{SIZE}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", len(data))
        handler.end_headers()
        handler.wfile.write(data[:500_000])
        handler.close_connection = True
    result = fetch("pull", name)
    assert result.status == 0
    image.check(fetch.out)
    assert sent == [0, 500_000, 1_000_000, 1_500_000]
    assert [event["attempt"] for event in result.all("retrying")] == [1, 2, 1], "a megabyte of progress counts"


def test_broken_forever(fake, fetch, image, name, blob):
    fake.rule(blob)(lambda handler, _: handler.reply(200, image.layers[0][:1000], length=SIZE))
    result = fetch("pull", name, retries=3)
    assert result.message == prefix(name, image) + f'"{fake.host}": the connection broke in the middle of the answer'
    assert len(fake.asked(blob)) == 4
    assert [event["delay"] for event in result.all("retrying")] == [20, 40, 80]


def test_a_link_that_only_carries_a_piece_at_a_time(fake, fetch, tmp_path):
    image = fake.add(Image([os.urandom(12 << 20)]), "long")
    blob = "/blobs/" + digest(image.layers[0])

    @fake.rule(blob)
    def piece(handler, request):
        first = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        data = image.layers[0][first:]
        headers = {"Content-Range": f"bytes {first}-{(12 << 20) - 1}/{12 << 20}"} if first else {}
        handler.reply(206 if first else 200, data[:1_500_000], headers, length=len(data))
    result = fetch("pull", f"{fake.host}/a:long", retries=2)
    assert result.status == 0, "progress makes the count of retries begin again"
    image.check(fetch.out)


def test_ranges_ignored_and_broken_forever_ends(fake, fetch, image, name, blob):
    fake.rule(blob)(lambda handler, _: handler.reply(200, image.layers[0][:1_500_000], length=SIZE))
    assert "the connection broke" in fetch("pull", name, retries=2).message
    assert len(fake.asked(blob)) <= 5


def test_what_is_there_is_hashed_and_not_asked_for(fake, fetch, image, name, blob, file):
    file.write_bytes(image.layers[0][:1_200_000])
    assert fetch("pull", name).status == 0
    image.check(fetch.out)
    assert [request.headers["Range"] for request in fake.asked(blob)] == ["bytes=1200000-"]
    assert fetch("pull", name).status == 0
    assert len(fake.asked(blob)) == 1, "all of it is there"


@pytest.mark.parametrize("there", [bytes(1000), bytes(SIZE), bytes(SIZE + 5000)], ids=["short", "whole", "long"])
def test_what_is_there_is_wrong(fake, fetch, image, name, there, file):
    file.write_bytes(there)
    assert fetch("pull", name).status == 0
    image.check(fetch.out)


@pytest.mark.parametrize("range_said", [
    "bytes 0-2097151/2097152",
    "bytes 1000000-1999999/2097152",
    "bytes 1000000-2097151/9999999",
    "bytes 999999-2097151/2097152",
    "nonsense",
    None,
])
def test_bad_ranges(fake, fetch, image, name, blob, file, range_said):
    file.write_bytes(image.layers[0][:1_000_000])

    @fake.rule(blob)
    def bad(handler, request):
        if not request.headers.get("Range"):
            return False
        handler.reply(206, image.layers[0][1_000_000:], {"Content-Range": range_said} if range_said else {})
    result = fetch("pull", name)
    assert result.status == 0
    image.check(fetch.out)
    assert "was asked for the rest of the blob" in result.all("retrying")[0]["reason"]


def test_416_with_all_of_it(fake, fetch, image, name, blob, file):
    file.write_bytes(image.layers[0][:1_000_000])

    @fake.rule(blob)
    def bad(handler, request):
        if not request.headers.get("Range"):
            return False
        handler.reply(416, image.layers[0])
    assert fetch("pull", name).status == 0
    image.check(fetch.out)


def test_416_for_no_range(fake, fetch, image, name, blob):
    fake.rule(blob)(lambda handler, _: handler.reply(416, b""))
    assert fetch("pull", name, retries=1).message == prefix(name, image) + "the registry says 416 range not satisfiable"


def test_a_full_answer_where_the_rest_was_asked_for(fake, fetch, image, name, blob, file):
    file.write_bytes(image.layers[0][:1_000_000])
    fake.rule(blob)(lambda handler, _: handler.reply(200, image.layers[0]))
    result = fetch("pull", name)
    assert result.status == 0 and not result.all("retrying")
    image.check(fetch.out)


def test_pieces_that_do_not_fit_are_fetched_again_in_one(fake, fetch, image, name, blob, file):
    file.write_bytes(os.urandom(1_000_000))
    result = fetch("pull", name)
    assert result.status == 0
    image.check(fetch.out)
    assert [request.headers.get("Range") for request in fake.asked(blob)] == ["bytes=1000000-", None]


@pytest.mark.parametrize("status, text", [(500, "internal server error"), (502, "bad gateway"), (503, "service unavailable"),
                                          (429, "too many requests")])
def test_servers_that_stumble(fake, fetch, image, name, blob, status, text):
    left = {"/manifests/1": 1, blob: 2}

    def stumble(handler, request):
        for part in left:
            if part in request.path and left[part]:
                left[part] -= 1
                return handler.reply(status, b"<html>oops</html>")
        return False
    fake.rule("/")(stumble)
    result = fetch("pull", name)
    assert result.status == 0
    image.check(fetch.out)
    assert result.all("retrying")[0]["reason"] == f"the registry says {status} {text}"
    left.update({"/manifests/1": 100})
    assert fetch("pull", name).message == f'could not pull "{name}": the registry says {status} {text}'


def test_retry_after(fake, fetch, image, name, blob):
    left = [1]

    @fake.rule(blob)
    def busy(handler, _):
        if not left:
            return False
        handler.reply(429, b"", {"Retry-After": str(left.pop())})
    result = fetch("pull", name)
    assert result.status == 0 and result.all("retrying")[0]["delay"] == 1000


def test_silence(fake, fetch, image, name, blob):
    @fake.rule(blob)
    def silent(handler, _):
        handler.reply(200, image.layers[0][:1000], length=SIZE)
        handler.wfile.flush()
        time.sleep(20)
    assert fetch("pull", name, stall=1, retries=-1).message == prefix(name, image) + f'"{fake.host}": nothing was received for 1 s'


def test_redirect_loop(fake, fetch, image, name, blob):
    fake.rule(blob)(lambda handler, request: handler.reply(307, b"", {"Location": request.path + "?again"}))
    assert fetch("pull", name).message == prefix(name, image) + "the registry redirects more than 5 times"
    assert len(fake.asked(blob)) == 6


@pytest.mark.parametrize("location, message", [
    (None, "the registry sends a redirect that cannot be followed (status 302)"),
    ("file:///etc/passwd", 'the registry redirects to what cannot be followed: URL "file:///etc/passwd" is neither http nor https'),
    ("ftp://localhost/x", 'the registry redirects to what cannot be followed: URL "ftp://localhost/x" is neither http nor https'),
])
def test_bad_redirects(fake, fetch, image, name, blob, location, message):
    fake.rule(blob)(lambda handler, _: handler.reply(302, b"", {"Location": location} if location else {}))
    assert fetch("pull", name).message == prefix(name, image) + message


def test_credentials_stay_with_the_registry(fake, fetch, image, name, blob):
    store = registries.FakeRegistry()

    def locked(handler, request):
        if request.headers.get("Authorization"):
            return False
        handler.reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
    fake.rule("/")(locked)
    fake.rule(blob)(lambda handler, request: handler.reply(307, b"", {"Location": store.url + "/store/it?signature=1"}))
    store.rule("/store/it")(lambda handler, request: handler.reply(200, image.layers[0]))
    assert fetch("pull", name, username="tom", password="secret").status == 0
    image.check(fetch.out)
    assert fake.asked(blob)[0].headers["Authorization"] == "Basic dG9tOnNlY3JldA=="
    assert len(store.requests) == 1 and store.requests[0].headers.get("Authorization") is None
    store.close()


def test_a_blob_store_that_refuses(fake, fetch, image, name, blob):
    store = registries.FakeRegistry()
    fake.rule(blob)(lambda handler, request: handler.reply(307, b"", {"Location": store.url + "/store/it"}))
    store.rule("/store/it")(lambda handler, request: handler.reply(403, b"no"))
    assert fetch("pull", name).message == prefix(name, image) + f'"{store.host}", where the registry sends us, says 403 forbidden'
    store.close()


def test_tls_does_not_lead_to_plain_http(fake, fake_tls, fetch, authority):
    image = fake_tls.add(Image([os.urandom(1000)]), "1")
    fetch.trust(fake_tls.host, authority.path)
    fake_tls.rule("/blobs/" + digest(image.layers[0]))(
        lambda handler, request: handler.reply(307, b"", {"Location": fake.url + "/it"}))
    assert fetch("pull", f"{fake_tls.host}/a:1").message.endswith(f'the registry redirects to "{fake.url}/it", which is without TLS')
    assert not fake.requests


def test_a_token_server_without_tls(fake, fake_tls, fetch, authority):
    fetch.trust(fake_tls.host, authority.path)
    fake_tls.rule("/")(lambda handler, _: handler.reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{fake.url}/token",service="x"'}))
    message = fetch("pull", f"{fake_tls.host}/a:1", username="tom", password="secret").message
    assert message.endswith(f'the token server "{fake.url}/token" is without TLS, the registry is not')
    assert not fake.requests


def test_no_plain_http_where_a_ca_is_configured(fake, fetch, authority, image, name):
    fetch.trust(fake.host, authority.path)
    assert fetch("pull", name, username="tom", password="secret").message.startswith(
        f'could not pull "{name}": "{fake.host}": no TLS connection: ')
    assert not fake.requests


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"token": ""}', b'{"token": "a b"}', b'{"token": "a\\r\\nX: y"}', b"x" * 100_000])
def test_token_servers_that_talk_nonsense(fake, fetch, image, name, answer):
    fake.rule("/token")(lambda handler, _: handler.reply(200, answer))
    fake.rule("/manifests/")(lambda handler, _: handler.reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{fake.url}/token"'}))
    assert "token server" in fetch("pull", name).message
    assert len(fake.requests) < 8


def test_never_satisfied(fake, fetch, image, name):
    fake.rule("/token")(lambda handler, _: handler.reply(200, b'{"token": "t"}'))
    fake.rule("/manifests/")(lambda handler, _: handler.reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{fake.url}/token"'}))
    assert fetch("pull", name).failure["kind"] == "unauthorized"
    assert len(fake.asked("/manifests/")) <= 3


def test_manifests_too_large(fake, fetch, image, name):
    fake.rule("/manifests/")(lambda handler, _: handler.reply(200, b" " * (5 << 20)))
    failure = fetch("pull", name).failure
    assert failure["kind"] == "too large" and failure["message"].endswith("the answer is larger than 4194304 bytes")


def test_headers_too_large(fake, fetch, image, name):
    fake.rule("/manifests/")(lambda handler, _: handler.reply(200, b"", {f"X-{number}": "y" * 1000 for number in range(200)}))
    assert "the header of the answer is larger than 65536 bytes" in fetch("pull", name).message


@pytest.mark.parametrize("text, message", [
    (b"{", "manifest"),
    (b'{"schemaVersion": 2}', "the manifest is neither an image nor an index"),
    (b'{"schemaVersion": 1, "fsLayers": []}', "the manifest has schema version 1"),
    (b'{"schemaVersion": 2, "manifests": [], "layers": []}', "the manifest is image and index at once"),
    (b'{"schemaVersion": 2, "manifests": []}', "the index has nothing"),
])
def test_bad_manifests(fake, fetch, image, name, text, message):
    fake.manifests["1"] = (registries.MEDIA["manifest"], text)
    if b"manifests" in text and b"layers" not in text:
        fake.manifests["1"] = (registries.MEDIA["index"], text)
    assert message in fetch("pull", name).message


def test_a_manifest_with_another_digest(fake, fetch, image):
    fake.manifests[image.digest] = (image.media_type, image.manifest + b" ")
    assert fetch("pull", f"{fake.host}/a@{image.digest}").message.endswith(
        f"the registry sent a manifest with digest {digest(image.manifest + b' ')} where {image.digest} was asked for")


def test_an_index_that_leads_to_another_manifest(fake, fetch):
    image, other = Image([b"1"]), Image([b"2"])
    fake.add_index("1", [image])
    fake.manifests[image.digest] = (image.media_type, other.manifest)
    assert "where " + image.digest + " was asked for" in fetch("pull", f"{fake.host}/a:1", platform="linux/amd64").message


def test_a_configuration_with_another_digest(fake, fetch, image, name):
    fake.blobs[digest(image.config)] = image.config.replace(b"true", b"evil")
    assert "image configuration: the registry sent a configuration with digest" in fetch("pull", name).message
    fake.blobs[digest(image.config)] = image.config + b" "
    assert "bytes were announced" in fetch("pull", name).message or "were announced" in fetch("pull", name).message


def test_what_strangers_say_is_tamed(fake, fetch, image, name):
    fake.rule("/manifests/")(lambda handler, _: handler.refuse(403, "DENIED", "no\x1b[31m\nfor you" + "!" * 1000))
    message = fetch("pull", name).message
    assert "says 403 no?[31m for you!!" in message and len(message) < 400 and message.isprintable()


def test_what_answers_is_not_http(fetch):
    import socket
    import threading
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]

        def talk():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.sendall(b"220 smtp.example ready\r\n")
                connection.close()
        threading.Thread(target=talk, daemon=True).start()
        assert f'could not pull "localhost:{port}/a:1": ' in fetch("pull", f"localhost:{port}/a:1").message
        server.shutdown(socket.SHUT_RDWR)


def test_blobs_at_a_time(fake, fetch):
    image = fake.add(Image([os.urandom(1000) for _ in range(12)]), "many")

    @fake.rule("/blobs/")
    def slow(handler, request):
        time.sleep(0.05)
        return False
    assert fetch("pull", f"{fake.host}/a:many", parallel=4).status == 0
    image.check(fetch.out)
    assert fake.most == 4


def test_a_full_disk(fake, fetch, image, name, tmp_path):
    import subprocess
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(fetch.out)], check=True)
    try:
        result = fetch("pull", name)
        assert result.message == prefix(name, image) + "could not write the blob: No space left on device"
        assert not result.all("retrying")
    finally:
        subprocess.run(["umount", "-l", str(fetch.out)], check=True)


def test_upload_to_another_host_gets_no_credentials(fake, fetch, tmp_path):
    store = registries.FakeRegistry()
    image = Image([b"layer"])
    fake.rule("/blobs/uploads/")(lambda handler, _: handler.reply(202, b"", {"Location": store.url + "/upload?x=1"}))
    fake.rule("/manifests/")(lambda handler, request: request.method == "PUT" and handler.reply(201))

    def locked(handler, request):
        if request.headers.get("Authorization"):
            return False
        handler.reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
    fake.rules.insert(0, ("/", locked))
    store.rule("/upload")(lambda handler, _: handler.reply(201))
    fake.manifests.clear()
    assert fetch("push", f"{fake.host}/a:1", image.save(tmp_path / "in"), username="tom", password="secret").status == 0
    assert len(store.requests) == 2
    for request in store.requests:
        assert request.headers.get("Authorization") is None and request.query["x"] == ["1"]
        assert digest(request.body) == request.query["digest"][0]
    store.close()


def test_uploads_that_break_are_tried_again(real, fetch, tmp_path):
    """Through a forwarder that cuts the first connections in the middle."""
    import socket
    import threading
    registry = real()
    image = Image([os.urandom(4 << 20)])
    cuts = [1 << 20, 2 << 20]
    server = socket.create_server(("127.0.0.1", 0))

    def pump(source, target, may_cut=False):
        moved = 0
        try:
            while data := source.recv(65536):
                target.sendall(data)
                moved += len(data)
                if may_cut and cuts and moved > cuts[0]:
                    cuts.pop(0)
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            target = socket.create_connection(("127.0.0.1", registry.port))
            threading.Thread(target=pump, args=(client, target, True), daemon=True).start()
            threading.Thread(target=pump, args=(target, client), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    host = f"localhost:{server.getsockname()[1]}"
    result = fetch("push", f"{host}/a:1", image.save(tmp_path / "in"))
    assert result.status == 0 and len(cuts) == 0, [event for event in result.events if event["event"] != "progress"]
    assert fetch("pull", f"{registry.host}/a:1").status == 0
    image.check(fetch.out)
    server.close()


def test_a_short_range(fake, fetch, image, name, blob, file):
    """An honest header, and less than it says; then a range that ends too early."""
    file.write_bytes(image.layers[0][:1_000_000])
    said = []

    @fake.rule(blob)
    def short(handler, request):
        first = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        said.append(first)
        if len(said) == 1:
            return handler.reply(206, image.layers[0][first:first + 300_000], {"Content-Range": f"bytes {first}-{SIZE - 1}/{SIZE}"}, length="")
        if len(said) == 2:
            return handler.reply(206, image.layers[0][first:first + 9], {"Content-Range": f"bytes {first}-{first + 8}/{SIZE}"})
        return False
    result = fetch("pull", name)
    assert result.status == 0 and said == [1_000_000, 1_300_000, 0]
    image.check(fetch.out)


def test_a_500_in_the_middle(fake, fetch, image, name, blob):
    def answers(handler, request):
        count = len(fake.asked(blob))
        if count == 1:
            return handler.reply(200, image.layers[0][:700_000], length=SIZE)
        return handler.reply(500, b"<html>oops</html>") if count == 2 else False
    fake.rule(blob)(answers)
    result = fetch("pull", name)
    assert result.status == 0
    image.check(fetch.out)
    assert [request.headers.get("Range") for request in fake.asked(blob)] == [None, "bytes=700000-", "bytes=700000-"]
    assert result.all("retrying")[1]["reason"] == "the registry says 500 internal server error"


@pytest.mark.parametrize("trickle", [b"X", b"X: y\r\n"], ids=["one line", "many lines"])
def test_a_header_that_trickles(fake, fetch, image, name, blob, trickle):
    @fake.rule(blob)
    def slow(handler, _):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            handler.wfile.write(trickle)
            time.sleep(0.2)
        handler.close_connection = True
    assert fetch("pull", name, stall=1, retries=-1).message == prefix(name, image) + f'"{fake.host}": nothing was received for 1 s'
