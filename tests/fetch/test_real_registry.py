# SPDX-License-Identifier: Apache-2.0
"""Pull, push and login against Debian's docker-registry: plain, TLS, basic and token authentication, client certificates."""
import json
import os
import shutil
import time
import urllib.request

import pytest

import registries
from registries import Image


def put(registry, path, data, media_type):
    request = urllib.request.Request(f"http://{registry.host}{path}", data=data, method="PUT", headers={"Content-Type": media_type})
    urllib.request.urlopen(request).close()


@pytest.fixture
def image(tmp_path):
    return Image([os.urandom(100_000), os.urandom(3 << 20), b""])


def test_push_and_pull(real, fetch, image, tmp_path):
    registry = real()
    pushed = fetch("push", f"{registry.host}/a/b:1", image.save(tmp_path / "in"))
    assert pushed.status == 0 and pushed.all("manifest-done")[0]["digest"] == image.digest and not pushed.all("blob-skipped")
    for name in ("a/b:1", f"a/b@{image.digest}", f"a/b:other@{image.digest}"):
        shutil.rmtree(fetch.out)
        fetch.out.mkdir()
        pulled = fetch("pull", f"{registry.host}/{name}")
        assert pulled.status == 0 and pulled.all("resolved")[0] == {
            "event": "resolved", "digest": image.digest, "top": image.digest, "type": image.media_type}
        image.check(fetch.out)


def test_what_is_there_is_not_pushed_again(real, fetch, image, tmp_path):
    registry = real()
    directory = image.save(tmp_path / "in")
    assert fetch("push", f"{registry.host}/a:1", directory).status == 0
    again = fetch("push", f"{registry.host}/a:2", directory)
    assert again.status == 0 and len(again.all("blob-skipped")) == 4 and not again.all("progress")


def test_progress_ends_with_the_size(real, fetch, image, tmp_path):
    registry = real()
    for result in (fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")), fetch("pull", f"{registry.host}/a:1")):
        seen = {}
        for event in result.all("progress"):
            assert event["bytes"] > seen.get(event["digest"], 0)
            seen[event["digest"]] = event["bytes"]
        assert seen[registries.digest(image.layers[1])] == 3 << 20
        assert len(result.all("progress")) < 20


@pytest.mark.parametrize("docker", [False, True])
def test_the_platform_is_chosen_from_an_index(real, fetch, tmp_path, docker):
    registry = real()
    images = [Image([platform.encode()], platform, docker) for platform in ("linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7")]
    for number, image in enumerate(images):
        assert fetch("push", f"{registry.host}/a:{number}", image.save(tmp_path / str(number))).status == 0
    media_type, text = registries.index(images, docker)
    put(registry, "/v2/a/manifests/all", text, media_type)
    for platform, wanted in (("linux/arm/v7", 3), ("arm64", 1), ("linux/arm/v6", 2), ("linux/amd64", 0)):
        result = fetch("pull", f"{registry.host}/a:all", platform=platform)
        assert result.status == 0 and result.all("resolved")[0]["digest"] == images[wanted].digest
        assert result.all("resolved")[0]["top"] == registries.digest(text)
    assert fetch("pull", f"{registry.host}/a:all", platform="linux/s390x").message == (
        f'could not pull "{registry.host}/a:all": no image for platform "linux/s390x": '
        'the index has linux/amd64, linux/arm64, linux/arm/v6, linux/arm/v7')


def test_what_is_not_there(real, fetch, image, tmp_path):
    registry = real()
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")).status == 0
    for name in ("a:2", "b:1"):
        failure = fetch("pull", f"{registry.host}/{name}").failure
        assert failure["kind"] == "not found"
        assert failure["message"] == f'could not pull "{registry.host}/{name}": the registry says 404 manifest unknown'


def test_tls_with_its_own_ca(real, fetch, image, tmp_path):
    registry = real(tls=True)
    fetch.trust(registry.host, registry.ca_path)
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")).status == 0
    assert fetch("pull", f"{registry.host}/a:1").status == 0
    image.check(fetch.out)


def test_tls_with_a_ca_from_the_settings_file(real, fetch, image, tmp_path):
    registry = real(tls=True)
    shutil.copy(registry.ca_path, fetch.registries / "test-ca.pem")
    (fetch.registries / f"{registry.host}.yaml").write_text("ca: test-ca.pem\n")
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")).status == 0


def test_tls_with_an_unknown_ca(real, fetch):
    registry = real(tls=True)
    (fetch.registries / f"{registry.host}.yaml").write_text("insecure: false\n")
    failure = fetch("pull", f"{registry.host}/a:1").failure
    assert failure["kind"] == "forbidden" and "the TLS certificate is not trusted: " in failure["message"]
    assert failure["hint"] == ("if this registry has a CA of its own, put its certificate into "
                               f"\"{fetch.certs}/{registry.host}/ca.crt\"")


def test_loopback_is_insecure_unless_told_otherwise(real, fetch, image, tmp_path):
    registry = real(tls=True)
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")).status == 0


def test_client_certificates(real, fetch, authority, certificate, image, tmp_path):
    registry = real({"http": {"tls": {"certificate": str(certificate[0]), "key": str(certificate[1]), "clientcas": [str(authority.path)]}}})
    fetch.trust(registry.host, authority.path)
    assert "TLS" in fetch("pull", f"{registry.host}/a:1").message or "connection" in fetch("pull", f"{registry.host}/a:1").message
    own = authority.issue("device")
    shutil.copy(own[0], fetch.certs / registry.host / "client.cert")
    shutil.copy(own[1], fetch.certs / registry.host / "client.key")
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")).status == 0


def test_basic_authentication(real, fetch, image, tmp_path):
    registry = real(tls=True, users={"tom": "secret"})
    fetch.trust(registry.host, registry.ca_path)
    name, directory = f"{registry.host}/a:1", image.save(tmp_path / "in")
    failure = fetch("pull", name).failure
    assert failure["kind"] == "unauthorized"
    assert failure["message"] == f'could not pull "{name}": the registry says 401 unauthorized'
    assert failure["hint"] == f'log in with "kedge login {registry.host}"'
    failure = fetch("pull", name, username="tom", password="wrong").failure
    assert failure["hint"] == f'the registry does not accept these credentials: log in again with "kedge login {registry.host}"'
    assert fetch("push", name, directory, username="tom", password="secret").status == 0
    assert fetch("pull", name, username="tom", password="secret").status == 0
    image.check(fetch.out)


def test_login(real, fetch):
    registry = real(users={"tom": "secret"})
    assert fetch("login", f"{registry.host}/a", username="tom", password="secret").status == 0
    failure = fetch("login", f"{registry.host}/a", username="tom", password="other").failure
    assert failure["kind"] == "unauthorized"
    assert failure["message"] == f'could not log in to "{registry.host}": the registry says 401 unauthorized'


def test_credentials_of_the_settings_file(real, fetch, image, tmp_path):
    registry = real(users={"tom": "secret"})
    (fetch.registries / f"{registry.host}.yaml").write_text("username: tom\npassword: secret\n")
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")).status == 0


@pytest.fixture
def token_server(authority):
    made = []

    def make(**options):
        made.append(registries.TokenServer(authority, **options))
        return made[-1]
    yield make
    for it in made:
        it.close()


def test_token_authentication(real, token_server, fetch, image, tmp_path):
    tokens = token_server(users={"tom": "secret"})
    registry = real({"auth": tokens.settings()})
    name, directory = f"{registry.host}/a/b:1", image.save(tmp_path / "in")
    assert fetch("push", name, directory, username="tom", password="secret").status == 0
    assert len(tokens.requests) == 1, "one token does for all blobs of a push"
    assert tokens.requests[0].query["scope"] == ["repository:a/b:pull,push"]
    assert fetch("pull", name, username="tom", password="secret").status == 0
    assert len(tokens.requests) == 2 and tokens.requests[1].query["scope"] == ["repository:a/b:pull"]
    image.check(fetch.out)
    failure = fetch("pull", name, username="tom", password="wrong").failure
    assert failure["kind"] == "unauthorized"
    assert failure["message"] == f'could not pull "{name}": the token server "{tokens.host}" says 401 unauthorized'
    assert fetch("pull", name).failure["hint"] == f'log in with "kedge login {registry.host}"'


def test_anonymous_tokens(real, token_server, fetch, image, tmp_path):
    tokens = token_server(refresh={"machine": "robot"})
    registry = real({"auth": tokens.settings()})
    name, directory = f"{registry.host}/a:1", image.save(tmp_path / "in")
    assert fetch("push", name, directory, identity_token="machine").status == 0
    assert tokens.requests[0].method == "POST" and b"refresh_token=machine" in tokens.requests[0].body
    assert fetch("pull", name).status == 0
    assert tokens.requests[-1].headers.get("Authorization") is None
    assert fetch("push", name, directory).failure["kind"] == "unauthorized"


def test_certificates_of_another_time(fetch, authority):
    for start, end, message, hint in (
            ("20350101000000Z", "20400101000000Z", "the TLS certificate is not yet valid", "check this device's clock"),
            ("20100101000000Z", "20150101000000Z", "the TLS certificate has expired", "check this device's clock")):
        server = registries.FakeRegistry(tls=authority.issue("old", start=start, end=end))
        fetch.trust(server.host, authority.path)
        failure = fetch("pull", f"{server.host}/a:1").failure
        said = f'could not pull "{server.host}/a:1": "{server.host}": {message}: this device\'s clock says '
        assert failure["message"].startswith(said) and time.strptime(failure["message"].removeprefix(said), "%Y-%m-%d")
        assert failure["hint"].startswith(hint)
        server.close()


def test_a_certificate_for_another_host(fetch, authority):
    server = registries.FakeRegistry(tls=authority.issue("other", names="DNS:other.example"))
    fetch.trust(server.host, authority.path)
    assert fetch("pull", f"{server.host}/a:1").message.endswith("the TLS certificate is for another host")
    server.close()


def test_nobody_listens(fetch):
    message = fetch("pull", "localhost:1/a:1").message
    assert message == 'could not pull "localhost:1/a:1": "localhost:1": could not connect: Connection refused'
    (fetch.registries / "no.such.host.invalid.yaml").write_text("insecure: false\n")
    message = fetch("pull", "no.such.host.invalid/a:1").message
    assert message == 'could not pull "no.such.host.invalid/a:1": "no.such.host.invalid": the host name cannot be resolved'


def test_images_that_are_none(real, fetch, tmp_path):
    registry = real()
    image = Image([b"chart"])
    image.manifest = image.manifest.replace(registries.MEDIA["config"].encode(), b"application/vnd.cncf.helm.config.v1+json")
    assert fetch("push", f"{registry.host}/a:1", image.save(tmp_path / "in")).status == 0
    failure = fetch("pull", f"{registry.host}/a:1").failure
    assert failure["kind"] == "unsupported"
    assert failure["message"] == (f'could not pull "{registry.host}/a:1": this is no container image: '
                                  'its configuration is of type "application/vnd.cncf.helm.config.v1+json"')
