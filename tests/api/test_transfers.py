# SPDX-License-Identifier: Apache-2.0
"""Between kedged and registries: what is fetched and what not, where from, by which way, and in which time."""
import json
import os
import tempfile
import threading
import time

import pytest

import kedge
import registries
from registries import Unpackable, digest


def make_daemon(settings=None, environment=None):
    it = kedge.Daemon(environment=environment)
    if settings:
        path = it.directory / "kedged.yaml"
        path.write_text(json.dumps({"engine": settings}))
        it.options += ["--config", str(path)]
    return it.start()


@pytest.fixture
def daemons():
    """Makes daemons with settings: daemons({...}, {...})"""
    made = []

    def make(*arguments, **named):
        made.append(make_daemon(*arguments, **named))
        return made[-1]
    yield make
    for it in made:
        it.close()


def lines(body):
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def pull(daemon, name, query="", headers=None):
    image, _, tag = name.rpartition(":")
    return lines(daemon.api.raw("POST", f"/images/create?fromImage={image}&tag={tag}{query}", None, headers)[1])


def push(daemon, name):
    image, _, tag = name.rpartition(":")
    return lines(daemon.api.raw("POST", f"/images/{image}/push?tag={tag}", None, {"X-Registry-Auth": kedge.registry_auth("x", "x")})[1])


def problem(said):
    return said[-1].get("error") or said[-1].get("message")


def tag(daemon, name, other):
    repository, _, mark = other.rpartition(":")
    daemon.api.post(f"/images/{name}/tag?repo={repository}&tag={mark}")


def said_of_items(said):
    return {line["status"] for line in said if line.get("id") and "status" in line}


# ---- what is fetched ------------------------------------------------------------------------------------------------------------

def test_only_missing_layers_are_fetched(daemons, fake):
    daemon = daemons()
    shared, first, second = {"shared": os.urandom(200_000)}, {"first": b"1"}, {"second": b"2"}
    one, two = fake.add(Unpackable([shared, first]), "1"), fake.add(Unpackable([shared, second, shared]), "2")
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    fake.requests.clear()
    said = pull(daemon, f"{fake.host}/a:2")
    assert not problem(said)
    asked = [request.path.rpartition("/")[2] for request in fake.asked("/blobs/")]
    assert sorted(asked) == sorted([digest(two.config), digest(two.layers[1])])
    short = digest(one.layers[0])[7:19]
    assert [line["status"] for line in said if line.get("id") == short] == ["Already exists"] * 2


def test_progress_in_bytes_and_layers(daemons, fake):
    daemon = daemons()
    image = fake.add(Unpackable([{"a": os.urandom(3 << 20)}, {"b": os.urandom(2 << 20)}]), "1")
    said = pull(daemon, f"{fake.host}/a:1")
    for layer in image.layers:
        mine = [line for line in said if line.get("id") == digest(layer)[7:19]]
        assert mine[0]["status"] == "Pulling fs layer" and mine[-1]["status"] == "Pull complete"
        moving = [line["progressDetail"] for line in mine if line["status"] == "Downloading"]
        assert moving and all(line["total"] == len(layer) for line in moving) and moving[-1]["current"] == len(layer)


def test_layers_at_a_time(daemons, fake):
    for most in (1, 4):
        daemon = daemons({"maxDownloads": most})
        fake.most = 0
        gate = threading.Barrier(most, timeout=20) if most > 1 else None
        fake.rules = [("/blobs/", lambda handler, request: gate.wait() * 0 != 0 if gate and request.path.rpartition("/")[2] in layers else False)]
        image = fake.add(Unpackable([{f"f{number}": os.urandom(1000)} for number in range(8)]), str(most))
        layers = {digest(layer) for layer in image.layers}
        assert not problem(pull(daemon, f"{fake.host}/a:{most}"))
        assert fake.most == most


def test_digests_stay_when_pushed_elsewhere(daemons, fake):
    """Two registries: manifest and blobs are the same bytes in both."""
    daemon, other = daemons(), registries.FakeRegistry()
    image = fake.add(Unpackable([{"a": os.urandom(1000)}, {"b": b"b"}]), "1")
    image.manifest = fake.manifests["1"][1].replace(b'{"schemaVersion"', b'{ "schemaVersion"')  # nobody's own way of writing
    fake.manifests = {name: (image.media_type, image.manifest) for name in ("1", digest(image.manifest))}
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    tag(daemon, f"{fake.host}/a:1", f"{other.host}/b:2")
    said = push(daemon, f"{other.host}/b:2")
    assert {"status": f"2: digest: {digest(image.manifest)} size: {len(image.manifest)}"} in said
    assert other.manifests["2"] == (image.media_type, image.manifest) and image.blobs == other.blobs
    assert sorted(daemon.api.get(f"/images/{other.host}/b:2/json")["RepoDigests"]) == sorted(
        f"{host}@{digest(image.manifest)}" for host in (f"{fake.host}/a", f"{other.host}/b"))
    other.close()


def test_a_push_mounts_what_came_from_a_neighbour(daemons, fake):
    daemon = daemons()
    image = fake.add(Unpackable([{"a": os.urandom(1000)}]), "1")
    assert not problem(pull(daemon, f"{fake.host}/team/base:1"))
    tag(daemon, f"{fake.host}/team/base:1", f"{fake.host}/mine:1")
    fake.blobs, fake.elsewhere = {}, {("team/base", name): data for name, data in image.blobs.items()}
    said = push(daemon, f"{fake.host}/mine:1")
    assert not problem(said) and "Mounted from team/base" in said_of_items(said)
    assert len(fake.asked("/uploads/", "PUT")) == 1, "the configuration alone"
    tag(daemon, f"{fake.host}/mine:1", f"{fake.host}/mine:2")
    assert "Layer already exists" in said_of_items(push(daemon, f"{fake.host}/mine:2"))


# ---- where from, by which way ---------------------------------------------------------------------------------------------------

def test_a_mirror_in_the_registry_s_settings(daemons, fake):
    """The credentials of the request are for the registry alone."""
    daemon = daemons()
    image = Unpackable([{"a": b"a"}])
    fake.add(image, "1")
    (daemon.registries / "registry.invalid.yaml").write_text(f"mirrors: ['{fake.host}/cache']\n")
    fake.rule("/manifests/")(lambda handler, request: handler.reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
                             if len(fake.asked("/manifests/")) == 1 else False)
    secret = {"X-Registry-Auth": kedge.registry_auth("tom", "secret")}
    assert "registry.invalid" in problem(pull(daemon, "registry.invalid/a:1", headers=secret))
    assert not problem(pull(daemon, "registry.invalid/a:1", headers=secret))
    assert all(request.path.startswith("/v2/cache/a/") for request in fake.requests if request.path != "/v2/")
    assert not any(request.headers.get("Authorization") for request in fake.requests)
    assert daemon.api.get("/images/registry.invalid/a:1/json")["RepoDigests"] == [f"registry.invalid/a@{image.digest}"]
    assert f'mirror "{fake.host}" is passed over' in daemon.log()


@pytest.mark.parametrize("how", ["environment", "settings"])
def test_proxies(daemons, fake, how):
    proxy = registries.Proxy({"registry.test:5000": fake})
    fake.add(Unpackable([{"a": b"a"}]), "1")
    url = proxy.url.replace("://", "://me:s3cret@")
    settings, environment = {"insecureRegistries": ["registry.test:5000", "direct.test:5000"]}, {"HTTP_PROXY": "http://localhost:1"}
    if how == "environment":
        environment.update({"HTTP_PROXY": url, "https_proxy": url, "NO_PROXY": "direct.test"})
    else:
        settings.update({"httpProxy": url, "httpsProxy": url, "noProxy": "direct.test"})
    daemon = daemons(settings, environment)
    info, shown = daemon.api.get("/info"), proxy.url.replace("://", "://xxxxx:xxxxx@")
    assert [info[name] for name in ("HttpProxy", "HttpsProxy", "NoProxy")] == [shown, shown, "direct.test"]
    assert not problem(pull(daemon, "registry.test:5000/a:1"))
    assert {request.headers["Proxy-Authorization"] for request in proxy.requests} == {"Basic bWU6czNjcmV0"}
    proxy.requests.clear()
    assert "cannot be resolved" in problem(pull(daemon, "direct.test:5000/a:1"))
    assert not problem(pull(daemon, f"{fake.host}/a:1")), "this host needs no proxy"
    assert not proxy.requests and "s3cret" not in daemon.log()
    proxy.close()


# ---- in which time --------------------------------------------------------------------------------------------------------------

def test_a_host_that_is_not_there_is_told_at_once(daemons, fake):
    daemon = daemons()
    fake.add(Unpackable([{"a": b"a"}]), "1")
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    for host, reason in (("no.such.host.invalid", "the host name cannot be resolved"), ("localhost:1", "could not connect: Connection refused")):
        begin = time.monotonic()
        tag(daemon, f"{fake.host}/a:1", f"{host}/a:1")
        assert problem(push(daemon, f"{host}/a:1")).endswith(f'"{host}": {reason}')
        assert problem(pull(daemon, f"{host}/a:1")) == f'could not pull "{host}/a:1": "{host}": {reason}'
        assert time.monotonic() - begin < 10


def test_a_pull_has_a_time_limit_and_what_came_is_kept(daemons, fake):
    daemon = daemons({"downloadTimeout": "2s"})
    image = fake.add(Unpackable([{"a": os.urandom(100_000)}]), "1")
    blob = digest(image.layers[0])
    slow = [True]

    @fake.rule(blob)
    def trickle(handler, request):
        if not slow:
            return False
        handler.reply(200, image.layers[0][:50_000], length=len(image.layers[0]))
        for at in range(50_000, 50_100):
            handler.wfile.write(image.layers[0][at:at + 1])
            time.sleep(0.1)
    assert problem(pull(daemon, f"{fake.host}/a:1")) == (
        f'could not pull "{fake.host}/a:1": it took longer than the download timeout of 2s')
    slow.clear()
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    assert int(fake.asked(blob)[-1].headers["Range"][6:-1]) > 0


def test_tries_and_their_interval(daemons, fake):
    daemon = daemons({"downloadRetries": 2, "downloadRetryInterval": "50ms"})
    image = fake.add(Unpackable([{"a": b"a"}]), "1")
    blob = digest(image.layers[0])
    fake.rule(blob)(lambda handler, _: handler.reply(503))
    assert problem(pull(daemon, f"{fake.host}/a:1")).endswith("the registry says 503 service unavailable")
    assert len(fake.asked(blob)) == 3


# ---- platforms ------------------------------------------------------------------------------------------------------------------

def test_create_for_a_platform(daemons, fake):
    """Another platform's image of that name is not taken; both clients pull the right one then."""
    daemon = daemons()
    images = {platform: Unpackable([{"which": platform.encode()}], platform) for platform in
              ("linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7")}
    fake.add_index("1", images.values())
    name = f"{fake.host}/a:1"

    def identity(platform):
        return digest(images[platform].config)

    def create(platform):
        return daemon.api.raw("POST", f"/containers/create?platform={platform}", json.dumps({"Image": name, "Cmd": ["/which"]}),
                              {"Content-Type": "application/json"})
    assert not problem(pull(daemon, name, "&platform=linux/amd64"))
    status, body = create("linux/arm64")
    assert status == 404 and json.loads(body)["message"] == (
        f"image with reference {name} was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64")
    assert create("linux/amd64")[0] == create("")[0] == 201
    assert not problem(pull(daemon, name, "&platform=linux/arm/v6"))
    assert create("linux/arm/v7")[0] == 201 and create("linux/amd64")[0] == 404, "v6 runs on v7"
    assert create("/x//")[0] == 400
    for client, platform in ((daemon.kedge, "linux/amd64"), (daemon.docker, "linux/arm/v7"), (daemon.docker, "linux/amd64"),
                             (daemon.kedge, "linux/arm64")):
        container = client("create", "--platform", platform, name, "/which").out.split()[-1]
        assert daemon.inspect(container)["Image"] == identity(platform)
    done = daemon.kedge("create", "--platform", "linux/s390x", name, check=False)
    assert done.returncode and "the index has linux/amd64, linux/arm64, linux/arm/v6, linux/arm/v7" in done.err


# ---- without compressed blobs ---------------------------------------------------------------------------------------------------

def blobs(daemon):
    return {path.name for path in (daemon.store / "blobs" / "sha256").iterdir()}


def hexes(*documents):
    return {digest(data)[7:] for data in documents}


def test_blobs_are_dropped_after_unpacking(daemons, fake, tmp_path):
    daemon = daemons({"keepBlobs": False})
    image = fake.add(Unpackable([{"a": os.urandom(1000)}, {"b": b"b"}]), "1")
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    assert blobs(daemon) == hexes(image.config, image.manifest)
    daemon.load_busybox("box:1")
    kedge.wait_for(lambda: len(blobs(daemon)) == 4)
    fake.requests.clear()
    assert "up to date" in pull(daemon, f"{fake.host}/a:1")[-1]["status"]
    assert [request.path.rpartition("/")[2] for request in fake.asked("/blobs/")] == [digest(image.config)]
    assert daemon.wait(daemon.run_container(["true"], image="box:1")) == 0
    assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
    daemon.restart()
    assert len(blobs(daemon)) == 4 and daemon.wait(daemon.run_container(["true"], image="box:1")) == 0


def test_blobs_that_are_there_go_when_they_are_not_wanted(daemons, fake):
    daemon = daemons({})
    image = fake.add(Unpackable([{"a": os.urandom(1000)}]), "1")
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    assert blobs(daemon) == hexes(image.config, image.manifest, *image.layers)
    daemon.kill()
    path = daemon.directory / "kedged.yaml"
    path.write_text("engine: {keepBlobs: false}\n")
    daemon.options = ["--config", str(path)]
    daemon.start()
    kedge.wait_for(lambda: blobs(daemon) == hexes(image.config, image.manifest))
    assert daemon.api.get(f"/images/{fake.host}/a:1/json")["RepoDigests"] == [f"{fake.host}/a@{image.digest}"]


def test_a_push_without_blobs_compresses_anew_and_says_so(daemons, registry, tmp_path):
    """What arrives is an image of the same content with other digests; the same ones each time."""
    daemon, name = daemons({"keepBlobs": False}), f"{registry.host}/a:1"
    upper = tmp_path / "upper"
    (upper / "dir").mkdir(parents=True)
    (upper / "dir" / "file").write_text("content")
    os.chmod(upper / "dir", 0o1750)
    os.chown(upper / "dir" / "file", 1000, 2000)
    os.setxattr(upper / "dir" / "file", "user.kept", b"\0value")
    os.link(upper / "dir" / "file", upper / "dir" / "again")
    tars = Unpackable.tar({"dir/gone": b"x", "hidden/below": b"y"}), Unpackable.tar({"dir/.wh.gone": b"", "hidden/.wh..wh..opq": b""})
    with tempfile.TemporaryDirectory() as work:
        base = kedge.mkimage.layer_tar(str(kedge.busybox_directory(work)), {})
    layers = [base, tars[0], kedge.mkimage.layer_tar(str(upper), {}), tars[1]]
    kedge.mkimage.write_archive(str(tmp_path / "it.tar"), kedge.mkimage.image_layout("it:1", layers, {"Env": ["PATH=/bin"]}, "gzip"))
    daemon.kedge("load", "-i", tmp_path / "it.tar")
    came = daemon.api.get("/images/it:1/json")
    kedge.wait_for(lambda: len(blobs(daemon)) == 2)
    tag(daemon, "it:1", name)
    said = push(daemon, name)
    assert not problem(said)
    assert {"status": "Compressed layers are not kept here: they are compressed anew, and the digests will change"} in said
    pushed = [line["aux"]["Digest"] for line in said if "aux" in line]
    kedge.wait_for(lambda: len(blobs(daemon)) == 2 and not list((daemon.store / "staging").iterdir()))
    again = push(daemon, name)
    assert [line["aux"]["Digest"] for line in again if "aux" in line] == pushed and "Layer already exists" in said_of_items(again)
    other = daemons()
    assert not problem(pull(other, name))
    there = other.api.get(f"/images/{name}/json")
    assert there["Config"] == came["Config"] and there["Architecture"] == came["Architecture"] and there["Id"] != came["Id"]
    look = ["sh", "-c", "ls -lanR /dir /hidden | sed 's/^total.*//' ; cat /dir/file; stat -c '%h %i' /dir/again /dir/file | sort -u | wc -l"]
    results = []
    for where, image in ((daemon, "it:1"), (other, name)):
        container = where.run_container(look, image=image)
        assert where.wait(container) == 0
        results.append(where.log_text(container))
    assert results[0] == results[1] and "gone" not in results[0] and "below" not in results[0] and "content" in results[0]
    done = daemon.docker("push", name)
    assert "compressed anew" in done.out


def test_a_push_without_blobs_that_fails_leaves_nothing(daemons, fake, registry):
    daemon = daemons({"keepBlobs": False})
    image = fake.add(Unpackable([{"a": os.urandom(1000)}]), "1")
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    tag(daemon, f"{fake.host}/a:1", "localhost:1/a:1")
    assert "could not connect" in problem(push(daemon, "localhost:1/a:1"))
    kedge.wait_for(lambda: blobs(daemon) == hexes(image.config, image.manifest) and not list((daemon.store / "staging").iterdir()))


def test_images_without_blobs_are_saved(daemons, tmp_path):
    """Two at a time, one of them with its blobs; what is loaded from it runs."""
    daemon, other = daemons({"keepBlobs": False}), daemons()
    for name in ("one:1", "two:2"):
        extra = tmp_path / name
        extra.mkdir()
        (extra / "name").write_text(name)
        daemon.load_busybox(name, layers=[extra])
    kedge.wait_for(lambda: len(blobs(daemon)) == 4)
    daemon.kedge("save", "-o", tmp_path / "both.tar", "one:1", "two:2")
    assert daemon.docker("save", "-o", tmp_path / "one.tar", "one").returncode == 0
    kedge.wait_for(lambda: len(blobs(daemon)) == 4 and not list((daemon.store / "staging").iterdir()))
    other.kedge("load", "-i", tmp_path / "both.tar")
    for name in ("one:1", "two:2"):
        container = other.run_container(["cat", "/name"], image=name)
        assert other.wait(container) == 0 and other.log_text(container) == name
    assert daemon.kedge("save", "-o", tmp_path / "none.tar", "absent:1", check=False).returncode


def test_a_push_says_when_it_tries_again(daemons, fake):
    daemon = daemons({"downloadRetryInterval": "1s"})
    layer = digest(fake.add(Unpackable([{"a": b"a"}]), "1").layers[0])
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    other, left = registries.FakeRegistry(), [503]
    other.rule(layer)(lambda handler, request: handler.reply(left.pop()) if left else False)
    tag(daemon, f"{fake.host}/a:1", f"{other.host}/a:1")
    said = push(daemon, f"{other.host}/a:1")
    assert not problem(said) and other.manifests["1"]
    assert "Retrying in 1 second" in said_of_items(said)
    other.close()


@pytest.mark.parametrize("how", ["client leaves", "kedged is killed"])
def test_compressing_anew_that_is_broken_off_leaves_nothing(daemons, fake, how):
    daemon = daemons({"keepBlobs": False})
    image = fake.add(Unpackable([{"small": b"s"}, {"large": os.urandom(24 << 20)}]), "1")
    assert not problem(pull(daemon, f"{fake.host}/a:1"))
    kept = hexes(image.config, image.manifest)
    kedge.wait_for(lambda: blobs(daemon) == kept)
    with kedge.socket.socket(kedge.socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(f"POST /images/{fake.host}/a/push?tag=1 HTTP/1.1\r\nHost: x\r\nX-Registry-Auth: e30=\r\nContent-Length: 0\r\n\r\n".encode())
        kedge.wait_for(lambda: len(blobs(daemon)) == 3 and any(path.name.startswith("repack-") for path in (daemon.store / "staging").iterdir()),
                       every=0.001)
        if how == "kedged is killed":
            daemon.restart()
    kedge.wait_for(lambda: blobs(daemon) == kept and not list((daemon.store / "staging").iterdir()))
    assert daemon.api.post("/kedge/v1/system/check") == {"Problems": []}
