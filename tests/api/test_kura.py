# SPDX-License-Identifier: Apache-2.0
"""Eclipse Kura uses kedge as its container engine: what its client (docker-java 3.2.12 on Apache's HTTP client 5) sends, byte for byte
what matters, and what it makes of the answers.

Unversioned paths; one connection that is kept; bodies in chunks, among them "null" for a pull; every member of a document, with null where
nothing is set. Of the answers it reads members by their Java types: one of another type is an exception there, and one that is null where
Kura does not look for null is one, too.
"""
import base64
import json
import re
import threading
import urllib.parse

import pytest

import kedge
import registries

DONE = ("Download complete", "Image is up to date", "Downloaded newer image")


# ---- docker-java ----------------------------------------------------------------------------------------------------------------

class DockerJava:
    """One connection of its pool."""

    def __init__(self, daemon):
        self.connection = kedge.UnixConnection(daemon.socket)

    def send(self, method, target, entity=None, headers=()):
        """entity: bytes, sent in chunks as an InputStreamEntity of unknown length is."""
        self.connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            self.connection.putheader(name, value)
        if entity is not None:
            self.connection.putheader("Transfer-Encoding", "chunked")
        for name, value in (("Accept-Encoding", "gzip, x-gzip, deflate"), ("Host", "localhost:2375"), ("Connection", "keep-alive"),
                            ("User-Agent", "Apache-HttpClient/5.0.3 (Java/11.0.11)")):
            self.connection.putheader(name, value)
        self.connection.endheaders()
        if entity is not None:
            self.connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(entity), entity))
        return self.connection.getresponse()

    def ask(self, method, target, entity=None, headers=(("accept", "application/json"),)):
        """(status, body): the body as JSON where there is one."""
        answer = self.send(method, target, entity, headers)
        body = answer.read()
        assert answer.getheader("Content-Encoding") is None and not answer.will_close
        return answer.status, json.loads(body) if body and answer.getheader("Content-Type") == "application/json" else body

    def post(self, target, document=None):
        """post(Object): its JSON in chunks; nothing at all for null, with a length of 0 or without one."""
        headers = [("accept", "application/json"), ("content-type", "application/json")]
        if document is None:
            return self.ask("POST", target, None, [*headers, ("Content-Length", "0")])
        return self.ask("POST", target, json.dumps(document).encode(), headers)

    def close(self):
        self.connection.close()


STRING, BOOLEAN, NUMBER, LIST, MAP = str, bool, int, list, dict
CONTAINER = {"Command": STRING, "Created": NUMBER, "Id": STRING, "Image": STRING, "ImageID": STRING, "Names": LIST, "Ports": LIST, "Labels": MAP,
             "Status": STRING, "State": STRING, "SizeRw": NUMBER, "SizeRootFs": NUMBER, "HostConfig": MAP, "NetworkSettings": MAP, "Mounts": LIST}
PORT = {"IP": STRING, "PrivatePort": NUMBER, "PublicPort": NUMBER, "Type": STRING}
IMAGE = {"Created": NUMBER, "Id": STRING, "ParentId": STRING, "RepoTags": LIST, "RepoDigests": LIST, "Size": NUMBER, "VirtualSize": NUMBER,
         "SharedSize": NUMBER, "Labels": MAP, "Containers": NUMBER}
IMAGE_INSPECTED = {"Architecture": STRING, "Author": STRING, "Comment": STRING, "Config": MAP, "Container": STRING, "Created": STRING,
                   "DockerVersion": STRING, "Id": STRING, "Os": STRING, "OsVersion": STRING, "Parent": STRING, "Size": NUMBER, "RepoTags": LIST,
                   "RepoDigests": LIST, "VirtualSize": NUMBER, "GraphDriver": MAP, "RootFS": MAP}
EVENT = {"status": STRING, "id": STRING, "from": STRING, "node": MAP, "Type": STRING, "Action": STRING, "Actor": MAP, "time": NUMBER,
         "timeNano": NUMBER}
PULL_ITEM = {"stream": STRING, "status": STRING, "progressDetail": MAP, "progress": STRING, "id": STRING, "from": STRING, "time": NUMBER,
             "errorDetail": MAP, "error": STRING, "aux": MAP}


def readable(table, document):
    """Jackson gets each member into its field: of the type that it has there, or null."""
    for name, kind in table.items():
        value = document.get(name)
        assert value is None or type(value) is kind, f"{name}: {value!r}"
    return document


# ---- Kura's orchestrator, as far as its requests go -----------------------------------------------------------------------------

def container_configuration(name, image, tag, **host):
    """What CreateContainerCmdImpl and HostConfig become as JSON."""
    nothing = dict.fromkeys(
        "Hostname Domainname User AttachStdin AttachStdout AttachStderr PortSpecs Tty OpenStdin StdinOnce Env Cmd Healthcheck ArgsEscaped "
        "Entrypoint WorkingDir MacAddress OnBuild NetworkDisabled StopSignal StopTimeout Labels Shell NetworkingConfig authConfig".split())
    no_host = dict.fromkeys(
        "Binds BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps MemorySwappiness "
        "NanoCpus CapAdd CapDrop ContainerIDFile CpuPeriod CpuRealtimePeriod CpuRealtimeRuntime CpuShares CpuQuota CpusetCpus CpusetMems Devices "
        "DeviceCgroupRules DeviceRequests DiskQuota Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links LogConfig LxcConf Memory "
        "MemorySwap MemoryReservation KernelMemory NetworkMode OomKillDisable Init AutoRemove OomScoreAdj PortBindings Privileged "
        "PublishAllPorts ReadonlyRootfs RestartPolicy Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth VolumesFrom Mounts PidMode "
        "Isolation SecurityOpt StorageOpt CgroupParent VolumeDriver ShmSize PidsLimit Runtime Tmpfs UTSMode UsernsMode Sysctls ConsoleSize "
        "CgroupnsMode".split())
    logging = {"Type": "json-file", "Config": {"max-size": "10m"}}
    return {**nothing, "name": name, "Image": f"{image}:{tag}", "Volumes": {}, "ExposedPorts": {},
            "HostConfig": {**no_host, "LogConfig": logging, **host}}


class Kura:
    """ContainerOrchestrationServiceImpl: the order of its requests, and what it reads of the answers."""

    def __init__(self, daemon):
        self.client = DockerJava(daemon)

    def ping(self):
        assert self.client.ask("GET", "/_ping", headers=()) == (200, b"OK")

    def containers(self):
        """{name: container}"""
        self.ping()
        status, listed = self.client.ask("GET", "/containers/json?all=true")
        assert status == 200
        for container in listed:
            readable(CONTAINER, container)
            assert isinstance(container["Names"][0], str) and isinstance(container["Ports"], list)
            for port in container["Ports"]:
                assert readable(PORT, port)["Type"] in ("tcp", "udp", "sctp")
        return {container["Names"][0].replace("/", ""): container for container in listed}

    def images(self, query=""):
        status, listed = self.client.ask("GET", "/images/json" + query)
        assert status == 200
        for image in listed:
            assert isinstance(readable(IMAGE, image)["RepoTags"], list) and isinstance(image["RepoDigests"], list)
        return listed

    def pull(self, image, tag, auth=None):
        """The items of the stream, after what PullImageResultCallback asks of the first and the last."""
        headers = [("accept", "application/octet-stream")]
        if auth:
            no_more = dict.fromkeys(["email", "auth", "registrytoken", "identitytoken", "stackOrchestrator"])
            headers.insert(0, ("X-Registry-Auth", base64.urlsafe_b64encode(json.dumps({**no_more, **auth}).encode()).decode()))
        answer = self.client.send("POST", f"/images/create?tag={tag}&fromImage={image}", b"null", headers)
        body = answer.read().decode()
        if answer.status != 200:
            return answer.status, json.loads(body)
        items, decoder, at = [], json.JSONDecoder(), 0
        while body[at:].strip():
            item, end = decoder.raw_decode(body[at:].lstrip())
            at = len(body) - len(body[at:].lstrip()) + end
            items.append(readable(PULL_ITEM, item))
        return answer.status, items

    def create(self, name, image, tag, **settings):
        status, answer = self.client.post(f"/containers/create?name={name}", container_configuration(name, image, tag, **settings))
        assert status == 201, answer
        assert isinstance(answer["Id"], str) and isinstance(answer["Warnings"], (list, type(None)))
        return answer["Id"]

    def start(self, identity):
        self.ping()
        return self.client.post(f"/containers/{identity}/start")

    def stop(self, identity):
        self.ping()
        return self.client.post(f"/containers/{identity}/stop")

    def delete(self, identity):
        return self.client.ask("DELETE", f"/containers/{identity}")

    def close(self):
        self.client.close()


@pytest.fixture
def kura(box):
    it = Kura(box)
    yield it
    it.close()


def was_pulled(items):
    return isinstance(items[0]["status"], str) and any(text in (items[-1].get("status") or "") for text in DONE)


# ---- the list of its requests ---------------------------------------------------------------------------------------------------

def test_ping_without_a_version(kura, box):
    for _ in range(3):  # on one connection
        kura.ping()
    answer = kura.client.send("GET", "/_ping")
    assert answer.getheader("Api-Version") == box.api.get("/version")["ApiVersion"]
    answer.read()


def test_life_of_a_container(kura, box):
    assert kura.containers() == {}
    identity = kura.create("web", "busybox", "test", RestartPolicy={"Name": "unless-stopped", "MaximumRetryCount": None})
    assert kura.containers()["web"]["State"] == "created"
    assert kura.start(identity) == (204, b"") and kura.containers()["web"]["State"] in ("running", "restarting")
    assert kura.stop(identity) == (204, b"") and kura.containers()["web"]["State"] == "exited"
    assert kura.delete(identity) == (204, b"") and kura.containers() == {}


def test_already_so(kura, box):
    identity = box.run_container(["sleep", "1000"], name="web", StopSignal="KILL")
    assert kura.start(identity) == (304, b"")
    assert kura.stop(identity) == (204, b"") and kura.stop(identity) == (304, b"")
    assert kura.containers()["web"]["State"] == "exited"  # the connection goes on behind an answer without a body


def test_a_post_without_a_length(kura, box):
    identity = box.create(["sleep", "1000"], name="web", StopSignal="KILL")
    for what in ("start", "stop"):
        status, _ = kura.client.ask("POST", f"/containers/{identity}/{what}", None, [("content-type", "application/json")])
        assert status == 204
    kura.ping()


def test_every_setting(kura, box, tmp_path):
    """Each property of a ContainerInstance, in the form in which it is sent."""
    (tmp_path / "in").write_text("from the host")
    configuration = container_configuration(
        "all", "busybox", "test",
        Binds=[f"{tmp_path}:/data:rw"], Memory=64 << 20, CpuPeriod=100000, CpuQuota=50000, Privileged=True,
        Devices=[{"CgroupPermissions": "rwm", "PathOnHost": "/dev/null", "PathInContainer": "/dev/other"}],
        RestartPolicy={"Name": "unless-stopped", "MaximumRetryCount": None}, Runtime="crun", NetworkMode="bridge",
        PortBindings={"80/tcp": [{"HostIp": None, "HostPort": str(kedge.free_port())}], "53/udp": [{"HostIp": None, "HostPort": str(kedge.free_port())}]})
    configuration.update(Env=["ONE=1", "TWO=a=b"], Entrypoint=["sh", "-c", "cat /data/in; echo $ONE $TWO; ls /dev/other; exec sleep 1000"],
                         ExposedPorts={"80/tcp": {}, "53/udp": {}})
    status, answer = kura.client.post("/containers/create?name=all", configuration)
    assert status == 201, answer
    assert kura.start(answer["Id"]) == (204, b"")
    kedge.wait_for(lambda: box.log_text(answer["Id"]) == "from the host1 a=b\n/dev/other\n")
    seen = box.inspect("all")
    assert seen["HostConfig"]["Memory"] == 64 << 20 and seen["HostConfig"]["CpuQuota"] == 50000 and seen["HostConfig"]["Privileged"]
    assert seen["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped" and seen["HostConfig"]["Runtime"] == "crun"
    assert seen["HostConfig"]["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m"}}
    ports = kura.containers()["all"]["Ports"]
    assert {(port["PrivatePort"], port["Type"]) for port in ports} == {(80, "tcp"), (53, "udp")}
    assert {port["IP"] for port in ports} <= {"0.0.0.0", "::"}  # Kura shows those alone
    box.api.delete("/containers/all?force=1")


def test_images(kura, stock):
    assert [image["RepoTags"] for image in kura.images()] == [["busybox:test"]] == [image["RepoTags"] for image in kura.images("?all=true")]
    identity = kura.images()[0]["Id"]
    status, image = kura.client.ask("GET", f"/images/{identity}/json")
    assert status == 200 and readable(IMAGE_INSPECTED, image)["Architecture"] == stock.api.get("/version")["Arch"]
    assert kura.client.ask("GET", "/images/none:none/json")[0] == 404


def test_an_image_that_nobody_pulled_has_no_digests_but_a_list(kura, box):
    """Kura takes all images' RepoDigests apart, without a look whether there are any: null would end its enforcement."""
    assert [image["RepoDigests"] for image in kura.images()] == [[]]


def test_delete_an_image(kura, stock):
    stock.load_busybox("second:1", config={"Env": ["A=1"]})
    identity = stock.api.get("/images/second:1/json")["Id"]
    status, _ = kura.client.ask("DELETE", f"/images/{identity}", headers=())
    assert status == 200 and [image["RepoTags"] for image in kura.images()] == [["busybox:test"]]
    stock.run_container(["sleep", "1000"], name="user")
    assert kura.client.ask("DELETE", f"/images/{kura.images()[0]['Id']}", headers=())[0] == 409


def test_the_singular_filter(kura, stock, registry):
    """GET /images/json?filter=NAME: since 1.41 without a meaning, and Kura gives no version; before, a reference."""
    name = registry.copy_from(kedge.busybox_archive(stock.directory / "other.tar", "other:1", {"Env": ["B=1"]}), "other:1")
    repository, tag = name.rsplit(":", 1)
    kura.pull(repository, tag)
    assert {tag for image in kura.images("?filter=busybox") for tag in image["RepoTags"]} == {"busybox:test", name}
    assert [image["RepoTags"] for image in stock.api.get("/v1.40/images/json?filter=busybox")] == [["busybox:test"]]


# ---- pull -----------------------------------------------------------------------------------------------------------------------

def test_pull(kura, stock, registry):
    name = registry.copy_from(kedge.busybox_archive(stock.directory / "pulled.tar", "pulled:1", {"Env": ["C=1"]}), "pulled:1")
    repository, tag = name.rsplit(":", 1)
    for words in ("Downloaded newer image", "Image is up to date"):
        status, items = kura.pull(repository, tag)
        assert status == 200 and was_pulled(items) and words in items[-1]["status"], items
    # the tag is found by the exact text that Kura compares, and the digest that its enforcement reads is there
    image = [image for image in kura.images() if name in image["RepoTags"]][0]
    assert re.fullmatch(re.escape(repository) + "@sha256:[0-9a-f]{64}", image["RepoDigests"][0])


def test_pull_with_a_password(kura, stock):
    registry = kedge.Registry(users={"gateway": "s3cret"}).start()
    try:
        name = registry.copy_from(kedge.busybox_archive(stock.directory / "closed.tar", "closed:1", {"Env": ["D=1"]}), "closed:1")
        repository, tag = name.rsplit(":", 1)
        status, answer = kura.pull(repository, tag)
        assert (status != 200 and answer["message"]) or not was_pulled(answer)
        login = {"username": "gateway", "password": "s3cret", "serveraddress": f"http://{registry.host}"}
        status, items = kura.pull(repository, tag, login)
        assert status == 200 and was_pulled(items)
        assert "s3cret" not in stock.log()
    finally:
        registry.close()


def test_pull_of_what_is_not_there(kura, stock, registry):
    status, answer = kura.pull(registry.host + "/nothing", "1")
    assert status == 404 and isinstance(answer["message"], str)
    kura.ping()


def test_pull_that_breaks_off(kura, stock, fake):
    """A failure after the stream has begun is its last object, and none that Kura takes for success."""
    image = registries.Unpackable([{"file": b"x" * 100000}])
    fake.add(image, "1")
    fake.rule(registries.digest(image.layers[0]))(lambda handler, _: handler.refuse(404, "BLOB_UNKNOWN", "gone"))
    status, items = kura.pull(f"{fake.host}/image", "1")
    assert status == 200 and isinstance(items[0]["status"], str)
    assert not was_pulled(items) and items[-1]["errorDetail"]["message"] == items[-1]["error"]


# ---- events ---------------------------------------------------------------------------------------------------------------------

def test_events_of_starts(kura, box):
    """Enforcement follows starts, whoever asked for them, and reads the legacy member "id"."""
    follower = DockerJava(box)
    answer = follower.send("GET", "/events?filters=" + urllib.parse.quote(json.dumps({"event": ["start"]})))
    assert answer.status == 200
    events = []

    def read():
        for _ in range(3):
            events.append(readable(EVENT, json.loads(answer.readline())))
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    first = box.run_container(["sleep", "1000"], name="first", StopSignal="KILL")  # another client of the engine
    identity = kura.create("second", "busybox", "test")
    assert kura.start(identity)[0] == 204
    box.api.post(f"/containers/{first}/restart?t=0")
    reader.join(30)
    assert not reader.is_alive()
    assert [event["id"] for event in events] == [first, identity, first]
    for event in events:
        assert (event["status"], event["from"], event["Type"], event["Action"]) == ("start", "busybox:test", "container", "start")
        assert event["Actor"]["ID"] == event["id"] and event["timeNano"] // 10**9 == event["time"]
    follower.close()


# ---- as Kura puts them together -------------------------------------------------------------------------------------------------

def start_container(kura, name, image, tag):
    """startContainer(configuration): adopts one that runs, deletes one that does not, pulls what is missing."""
    found = kura.containers().get(name)
    if found and found["State"] == "running":
        return found["Id"]
    if found:
        assert kura.delete(found["Id"]) == (204, b"")
    if not any(f"{image}:{tag}" in entry["RepoTags"] for entry in kura.images()):
        assert was_pulled(kura.pull(image, tag)[1])
    identity = kura.create(name, image, tag)
    assert kura.start(identity) == (204, b"")
    return identity


def test_a_device_s_day(kura, stock, registry):
    archive = kedge.busybox_archive(stock.directory / "app.tar", "app:1", {"Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL"})
    image, tag = registry.copy_from(archive, "app:1").rsplit(":", 1)
    first = start_container(kura, "app", image, tag)
    assert start_container(kura, "app", image, tag) == first  # adopted
    assert kura.stop(first) == (204, b"")
    second = start_container(kura, "app", image, tag)  # made again
    assert second != first and kura.containers()["app"]["Id"] == second
    assert kura.containers()["app"]["Image"] == f"{image}:{tag}"
    stock.restart()  # kedged dies: Kura connects again
    kura.close()
    again = Kura(stock)
    assert start_container(again, "app", image, tag) == second
    assert again.stop(second) == (204, b"") and again.delete(second) == (204, b"") and again.containers() == {}
    again.close()
