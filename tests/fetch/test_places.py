# SPDX-License-Identifier: Apache-2.0
"""Mirrors, tried in order with credentials of their own, and proxies."""
import os

import pytest

import registries
from registries import Image, digest


@pytest.fixture
def mirrored(fetch, fake):
    """(registry, mirror, image): the registry's settings name the mirror."""
    mirror = registries.FakeRegistry()
    image = fake.add(Image([os.urandom(100_000), os.urandom(50_000)]), "1")
    mirrors(fetch, fake.host, mirror.host)
    yield fake, mirror, image
    mirror.close()


def mirrors(fetch, host, *names, more=""):
    (fetch.registries / f"{host}.yaml").write_text(f"mirrors: [{', '.join(repr(name) for name in names)}]\n{more}")


def test_a_mirror_is_asked_first_and_alone(fetch, mirrored):
    registry, mirror, image = mirrored
    mirror.add(image, "1")
    assert fetch("pull", f"{registry.host}/a:1").status == 0
    image.check(fetch.out)
    assert not registry.requests and len(mirror.asked("/v2/a/blobs/")) == 3


def test_mirrors_are_tried_in_order_then_the_registry(fetch, mirrored):
    registry, mirror, image = mirrored
    second = registries.FakeRegistry()
    mirrors(fetch, registry.host, "localhost:1", mirror.host, f"https://{second.host}/proxied")
    assert fetch("pull", f"{registry.host}/a/b:1").status == 0
    image.check(fetch.out)
    assert [request.path for request in mirror.asked("/manifests/")] == ["/v2/a/b/manifests/1"]
    assert [request.path for request in second.asked("/manifests/")] == ["/v2/proxied/a/b/manifests/1"]
    assert len(registry.asked("/manifests/")) == 1 and not mirror.asked("/blobs/") and not second.asked("/blobs/")
    second.close()


def test_a_blob_that_the_mirror_lacks_comes_from_the_registry(fetch, mirrored):
    registry, mirror, image = mirrored
    mirror.add(image, "1")
    del mirror.blobs[digest(image.layers[1])]
    assert fetch("pull", f"{registry.host}/a:1").status == 0
    image.check(fetch.out)
    assert [request.path.rpartition("/")[2] for request in registry.asked("/blobs/")] == [digest(image.layers[1])]


def test_a_mirror_that_breaks_off_or_lies_is_left(fetch, mirrored):
    registry, mirror, image = mirrored
    mirror.add(image, "1")
    mirror.rule(digest(image.layers[0]))(lambda handler, _: handler.reply(200, image.layers[0][:40_000], length=100_000))
    mirror.rule(digest(image.layers[1]))(lambda handler, _: handler.reply(200, bytes(50_000)))
    assert fetch("pull", f"{registry.host}/a:1").status == 0
    image.check(fetch.out)
    assert {request.headers.get("Range") for request in registry.asked("/blobs/")} == {"bytes=40000-", None}


def test_what_no_place_has_is_told_of_the_registry(fetch, mirrored):
    registry, _, _ = mirrored
    assert fetch("pull", f"{registry.host}/a:2").message == (
        f'could not pull "{registry.host}/a:2": the registry says 404 manifest unknown')


def test_a_mirror_gets_no_credentials_of_the_registry(fetch, mirrored):
    registry, mirror, image = mirrored

    def locked(handler, request):
        if request.headers.get("Authorization"):
            return False
        handler.reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
    registry.rule("/")(locked)
    mirror.rule("/")(locked)
    mirrors(fetch, registry.host, mirror.host, more="username: tom\npassword: secret\n")
    mirror.add(image, "1")
    assert fetch("pull", f"{registry.host}/a:1", identity_token="machine").status == 0
    assert fetch("pull", f"{registry.host}/a:1", username="tom", password="secret").status == 0
    assert len(mirror.requests) == 2 and not any(request.headers.get("Authorization") for request in mirror.requests)
    assert registry.asked("/manifests/")[-1].headers["Authorization"] == "Basic dG9tOnNlY3JldA=="
    (fetch.registries / f"{mirror.host}.yaml").write_text("username: own\npassword: one\n")
    assert fetch("pull", f"{registry.host}/a:1", username="tom", password="secret").status == 0
    assert {request.headers.get("Authorization") for request in mirror.requests} == {None, "Basic b3duOm9uZQ=="}


def test_a_mirror_has_a_ca_of_its_own(fetch, fake, fake_tls, authority, tmp_path_factory):
    image = fake_tls.add(Image([b"x"]), "1")
    other = registries.Authority(tmp_path_factory.mktemp("other"))
    stranger = registries.FakeRegistry(tls=other.issue("server"))
    stranger.add(image, "1")
    mirrors(fetch, fake_tls.host, stranger.host)
    fetch.trust(fake_tls.host, authority.path)
    fetch.trust(stranger.host, authority.path)  # not the one that signed the mirror's
    assert fetch("pull", f"{fake_tls.host}/a:1").status == 0
    assert not stranger.requests and fake_tls.requests
    fetch.trust(stranger.host, other.path)
    fake_tls.requests.clear()
    assert fetch("pull", f"{fake_tls.host}/a:1").status == 0
    assert stranger.requests and not fake_tls.requests
    fetch.trust(fake_tls.host, other.path)  # the mirror's CA does not vouch for the registry
    stranger.manifests.clear()
    assert "certificate is not trusted" in fetch("pull", f"{fake_tls.host}/a:1").message
    stranger.close()


def test_a_push_goes_to_the_registry(fetch, mirrored, tmp_path):
    registry, mirror, image = mirrored
    assert fetch("push", f"{registry.host}/a:2", image.save(tmp_path / "in")).status == 0
    assert not mirror.requests and registry.asked("/manifests/2", "PUT")


@pytest.mark.parametrize("name", ["host/UPPER", ".host", "a b", "", "http://host"])
def test_bad_mirrors(fetch, fake, name):
    mirrors(fetch, fake.host, name)
    assert "invalid " in fetch("pull", f"{fake.host}/a:1").message


# ---- proxies --------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def proxied(fake, authority):
    """A proxy that alone knows the way to registry.test:5000 (plain) and secure.test (TLS)."""
    secure = registries.FakeRegistry(tls=authority.issue("proxied", names="DNS:secure.test"))
    proxy = registries.Proxy({"registry.test:5000": fake, "secure.test:443": secure})
    yield proxy, fake, secure
    proxy.close()
    secure.close()


def test_plain_requests_go_through_the_proxy(fetch, proxied):
    proxy, registry, _ = proxied
    image = registry.add(Image([os.urandom(100_000)]), "1")
    settings = {"insecure": "registry.test:5000", "http_proxy": proxy.url, "https_proxy": proxy.url}
    assert fetch("pull", "registry.test:5000/a:1", **settings).status == 0
    image.check(fetch.out)
    assert all(request.headers["Host"] == "registry.test:5000" for request in registry.requests) and registry.requests


def test_tls_is_tunnelled_and_shown_no_credentials(fetch, proxied, authority):
    proxy, _, secure = proxied
    image = secure.add(Image([os.urandom(100_000)]), "1")
    secure.rule("/")(lambda handler, request: False if request.headers.get("Authorization") else handler.reply(
        401, b"", {"WWW-Authenticate": 'Basic realm="x"'}))
    fetch.trust("secure.test", authority.path)
    result = fetch("pull", "secure.test/a:1", https_proxy=proxy.url.replace("://", "://me:pass@"), username="tom", password="secret")
    assert result.status == 0
    image.check(fetch.out)
    assert {request.method for request in proxy.requests} == {"CONNECT"}
    assert all(request.headers["Proxy-Authorization"] == "Basic bWU6cGFzcw==" and not request.headers.get("Authorization")
               for request in proxy.requests)
    assert not any(request.headers.get("Proxy-Authorization") for request in secure.requests)


def test_a_proxy_for_one_registry(fetch, proxied, authority):
    proxy, _, secure = proxied
    secure.add(Image([b"x"]), "1")
    fetch.trust("secure.test", authority.path)
    (fetch.registries / "secure.test.yaml").write_text(f"proxy: {proxy.url}\n")
    assert fetch("pull", "secure.test/a:1", https_proxy="http://localhost:1", no_proxy="secure.test").status == 0
    assert proxy.requests


def test_hosts_without_proxy(fetch, proxied, fake):
    proxy, _, _ = proxied
    fake.add(Image([b"x"]), "1")
    settings = {"http_proxy": proxy.url, "https_proxy": proxy.url}
    assert fetch("pull", f"{fake.host}/a:1", no_proxy="elsewhere,localhost", **settings).status == 0
    assert fetch("pull", f"127.0.0.1:{fake.port}/a:1", no_proxy="127.0.0.0/8", **settings).status == 0
    (fetch.registries / f"{fake.host}.yaml").write_text('proxy: ""\n')
    assert fetch("pull", f"{fake.host}/a:1").status == 0
    assert not proxy.requests


def test_a_proxy_that_is_not_there_or_refuses(fetch, proxied):
    proxy, _, _ = proxied
    assert fetch("pull", "secure.test/a:1", https_proxy="http://no.such.proxy.invalid:3128").message == (
        'could not pull "secure.test/a:1": "secure.test": the proxy\'s host name cannot be resolved')
    message = fetch("pull", "unknown.test/a:1", https_proxy=proxy.url.replace("://", "://me:s3cret@")).message
    assert message == 'could not pull "unknown.test/a:1": "unknown.test": the proxy refuses the connection with status 502'
