# SPDX-License-Identifier: Apache-2.0
"""What registries are asked for clients: logins with identity tokens, what a name stands for before it is pulled, searches."""
import base64
import http.client
import json
import subprocess
import threading

import pytest

import kedge
import registries


class TokenRegistry(kedge.Registry):
    """docker-registry behind a token server."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def configuration(self):
        return {**super().configuration(), "auth": self.tokens.settings()}


def header(**auth):
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()}


def ask(box, target, headers=None):
    status, body = box.api.raw("GET", target, None, headers or {})
    return status, json.loads(body)


# ---- login ----------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def token_registry(tmp_path):
    made = []

    def make(**options):
        tokens = registries.TokenServer(registries.Authority(tmp_path / "ca"), users={"tom": "secret"}, **options)
        made.extend([tokens, TokenRegistry(tokens).start()])
        return made[-1]
    yield make
    for it in reversed(made):
        it.close()


def login(box, registry, password):
    status, body = box.api.raw("POST", "/auth", json.dumps({"username": "tom", "password": password, "serveraddress": registry.host}),
                               {"Content-Type": "application/json"})
    return status, json.loads(body)


def test_login_gives_the_registry_s_identity_token(box, token_registry):
    registry = token_registry(offline=True)
    assert login(box, registry, "secret") == (200, {"IdentityToken": "identity of tom", "Status": "Login Succeeded"})
    asked = registry.tokens.asked("/token")[0].query
    assert asked["offline_token"] == ["true"] and asked["client_id"] == ["kedge"]
    status, said = login(box, registry, "wrong")
    assert status == 401 and "unauthorized" in said["message"]
    # the token is as good as the password, and only a login asks for one
    status, said = ask(box, f"/distribution/{registry.host}/none:1/json", header(identitytoken="identity of tom"))
    assert status == 404, said
    assert "offline_token" not in str(registry.tokens.requests[-1].query) and registry.tokens.requests[-1].method == "POST"


def test_login_without_identity_tokens(box, token_registry):
    assert login(box, token_registry(), "secret") == (200, {"IdentityToken": "", "Status": "Login Succeeded"})


def test_the_command_line_keeps_the_identity_token(box, token_registry, tmp_path):
    registry = token_registry(offline=True)
    box.kedge("--config", tmp_path, "login", "-u", "tom", "--password-stdin", registry.host, input=b"secret\n")
    kept = tmp_path / "config.json"
    assert "secret" not in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600
    entry = json.loads(kept.read_text())["auths"][registry.host]
    assert entry == {"auth": base64.b64encode(b"tom:").decode(), "identitytoken": "identity of tom"}
    done = box.kedge("--config", tmp_path, "pull", f"{registry.host}/none:1", check=False)
    assert "unauthorized" not in done.err and "manifest unknown" in done.err


# ---- distribution ---------------------------------------------------------------------------------------------------------------

def test_distribution(box, registry, tmp_path):
    name = registry.copy_from(kedge.busybox_archive(tmp_path / "a.tar"), "some/where:1")
    raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"], stdout=subprocess.PIPE, check=True).stdout
    manifest = json.loads(raw)
    config = box.api.get("/images/busybox:test/json")
    expected = {"Descriptor": {"mediaType": manifest["mediaType"], "digest": registries.digest(raw), "size": len(raw)},
                "Platforms": [{"architecture": config["Architecture"], "os": "linux"}]}
    assert ask(box, f"/distribution/{name}/json") == (200, expected)
    assert ask(box, f"/v1.30/distribution/{name.removesuffix(':1')}@{registries.digest(raw)}/json") == (200, expected)


def test_distribution_of_an_index(box, fake):
    images = [registries.Image([b"a"], platform) for platform in ("linux/amd64", "linux/arm/v7", "windows/amd64")]
    digest = fake.add_index("1", images)
    media_type, text = registries.index(images)
    assert ask(box, f"/distribution/{fake.host}/multi:1/json") == (200, {
        "Descriptor": {"mediaType": media_type, "digest": digest, "size": len(text)},
        "Platforms": [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm", "os": "linux", "variant": "v7"},
                      {"architecture": "amd64", "os": "windows"}]})
    assert not fake.asked("/blobs/"), "an index says what it is for"


def test_distribution_of_nothing(box, registry, fake):
    status, said = ask(box, f"/distribution/{registry.host}/no/such:1/json")
    assert status == 404 and said["message"].startswith(f'could not look up "{registry.host}/no/such:1"')
    assert ask(box, "/distribution/UPPER/json")[0] == 400
    assert ask(box, f"/distribution/{fake.host}/a/json", {"X-Registry-Auth": "}"})[0] == 400

    @fake.rule("/manifests/")
    def lie(handler, request):
        handler.reply(200, b"{}", {"Content-Type": registries.MEDIA["index"]})
    assert ask(box, f"/distribution/{fake.host}/a:1/json")[0] >= 400


def test_distribution_by_python_docker(box, fake):
    docker = pytest.importorskip("docker")
    image = fake.add(registries.Image([b"a"], "linux/arm64"), "1")
    client = docker.DockerClient(base_url=f"unix://{box.socket}")
    data = client.images.get_registry_data(f"{fake.host}/it:1")
    assert data.id == image.digest and data.has_platform("linux/arm64") and not data.has_platform("linux/amd64")
    client.close()


# ---- search ---------------------------------------------------------------------------------------------------------------------

RESULTS = [{"name": "tools/web", "description": "a web server", "star_count": 12, "is_official": False, "is_automated": True},
           {"name": "web", "description": "the web server", "star_count": 345, "is_official": True, "is_automated": False},
           {"name": "webby", "description": "", "star_count": 0, "is_official": False, "is_automated": False}]


@pytest.fixture
def searched(fake):
    @fake.rule("/v1/search")
    def search(handler, request):
        handler.reply(200, json.dumps({"num_results": 3, "query": "web", "results": RESULTS}).encode(), {"Content-Type": "application/json"})
    return fake


def test_search(box, searched):
    assert ask(box, f"/images/search?term={searched.host}/we+b") == (200, RESULTS)
    assert searched.asked("/v1/search")[0].query == {"q": ["we b"], "n": ["25"]}
    assert ask(box, f"/images/search?term={searched.host}/web&limit=2") == (200, RESULTS[:2])

    def names(**filters):
        return [found["name"] for found in ask(box, f"/images/search?term={searched.host}/web&filters={json.dumps(filters)}"
                                               .replace(" ", "").replace('"', "%22"))[1]]
    assert names(**{"is-official": ["true"]}) == ["web"] and names(**{"is-official": ["false"]}) == ["tools/web", "webby"]
    assert names(**{"is-automated": ["true"]}) == ["tools/web"]
    assert names(stars=["10"]) == ["tools/web", "web"] and names(stars=["10", "20"]) == ["web"]


@pytest.mark.parametrize("query,message", [
    ("", 'query parameter "term" is missing'), ("term=x/y&limit=101", "Limit 101 is outside the range of [1, 100]"),
    ("term=x&limit=-1", "Limit -1 is outside the range of [1, 100]"), ("term=x&filters=%7B%22colour%22:[%22red%22]%7D", "invalid filter 'colour'"),
    ("term=x&filters=%7B%22is-official%22:[%22maybe%22]%7D", "invalid filter 'is-official=maybe'"),
    ("term=x&filters=%7B%22stars%22:[%22many%22]%7D", "invalid filter 'stars=many'")])
def test_searches_that_are_none(box, query, message):
    status, said = ask(box, f"/images/search?{query}")
    assert status == 400 and said["message"].startswith(message)


def test_search_where_there_is_none(box, registry):
    status, said = ask(box, f"/images/search?term={registry.host}/web")
    assert (status, said["message"]) == (501, f'could not search "{registry.host}": it has no search (GET /v1/search)')


@pytest.mark.parametrize("answer", [b"[", b'{"results": [{"description": "nameless"}]}', b'{"results": 3}', b'{"results":[' + b"0," * 3000 + b"0]}"])
def test_search_answers_that_are_none(box, fake, answer):
    @fake.rule("/v1/search")
    def lie(handler, request):
        handler.reply(200, answer)
    status, said = ask(box, f"/images/search?term={fake.host}/web")
    assert status >= 400 and "answer of the registry" in said["message"]


def test_a_client_that_leaves_ends_the_search(box, fake):
    asked, over = threading.Event(), threading.Event()

    @fake.rule("/v1/search")
    def hang(handler, request):
        asked.set()
        over.wait(30)

    def fetchers():
        return subprocess.run(["pgrep", "-P", str(box.process.pid), "kedge-fetch"], stdout=subprocess.PIPE).stdout.split()
    connection = kedge.UnixConnection(box.socket)
    connection.request("GET", f"/images/search?term={fake.host}/web")
    assert asked.wait(20) and len(fetchers()) == 1
    connection.close()
    kedge.wait_for(lambda: not fetchers())
    over.set()


def test_kedged_ends_in_the_middle_of_a_search(empty, fake):
    """At once and whole (a sanitizer's build looks for what is left of it); the client is not left waiting."""
    asked, over = threading.Event(), threading.Event()

    @fake.rule("/v1/search")
    def hang(handler, request):
        asked.set()
        over.wait(30)
    connection = kedge.UnixConnection(empty.socket)
    connection.request("GET", f"/images/search?term={fake.host}/web")
    assert asked.wait(20)
    assert empty.stop() == 0
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.getresponse()
    over.set()
    connection.close()


def test_questions_at_a_time_are_bounded(box, fake):
    asked, over = threading.Semaphore(0), threading.Event()

    @fake.rule("/v1/search")
    def hang(handler, request):
        asked.release()
        over.wait(30)
        handler.reply(200, b'{"results": []}')
    connections = [kedge.UnixConnection(box.socket) for _ in range(16)]
    for connection in connections:
        connection.request("GET", f"/images/search?term={fake.host}/web")
    assert all(asked.acquire(timeout=30) for _ in connections)
    status, said = ask(box, f"/images/search?term={fake.host}/web")
    assert (status, said["message"]) == (503, "registries are asked 16 questions already")
    over.set()
    assert [connection.getresponse().status for connection in connections] == [200] * 16
    assert ask(box, f"/images/search?term={fake.host}/web") == (200, [])
    for connection in connections:
        connection.close()
