# SPDX-License-Identifier: Apache-2.0
"""kedge convert: what others say of containers, as declarations."""
import json

import kedge


def convert(daemon, document, *options, check=True, form=None):
    """The declarations that are printed, and the notes."""
    arguments = ["--from", form] if form else []
    done = daemon.kedge("convert", *arguments, *options, "-", check=check,
                        input=(document if isinstance(document, str) else json.dumps(document)).encode())
    return done.out, done.err


def ask(daemon, document, **query):
    parameters = "&".join(f"{key}={value}" for key, value in query.items())
    body = document if isinstance(document, str) else json.dumps(document)
    status, answer = daemon.api.raw("POST", f"/kedge/v1/convert?{parameters}", body, {"Content-Type": "application/json"})
    return status, json.loads(answer)


def test_kura(box):
    document = "container.enabled: true\ncontainer.image: nginx\ncontainer.ports.internal: 80:tcp\ncontainer.ports.external: '8080'\ncontainer.loggingType: NONE\n" \
               "container.loggerParameters: max-size=10m\n"
    out, err = convert(box, document, "--name", "web")
    assert out == "name: web\nimage: nginx:latest\nrestart: \"no\"\nlogging:\n  driver: none\nports:\n  - container: 80\n    protocol: tcp\n    host: 8080\n"
    assert err == 'web: property "container.loggerParameters": "max-size=10m" is left out: logger type NONE has no such option\n'


def test_kanto(box):
    out, err = convert(box, {"container_name": "db", "image": {"name": "reg.local/db:1"}, "config": {"env": ["A=1"]}})
    assert out == "name: db\nimage: reg.local/db:1\nenvironment:\n  - A=1\nhostname: db-host\ndomainName: db-domain\n"
    assert err == ""


def test_compose(box, tmp_path):
    (tmp_path / "compose.yaml").write_text("services:\n  web:\n    image: w\n    volumes: ['./data:/data']\n    depends_on: [db]\n  db:\n    image: d\n    restart: always\n")
    (tmp_path / "out").mkdir()
    done = box.kedge("convert", "-o", tmp_path / "out", tmp_path / "compose.yaml")
    assert done.out == ""
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["db.yaml", "web.yaml"]
    assert (tmp_path / "out" / "db.yaml").read_text() == "name: db\nimage: d\nrestart: always\n"
    assert f"source: {tmp_path}/data\n" in (tmp_path / "out" / "web.yaml").read_text()
    assert "dependsOn:\n  - name: db\n" in (tmp_path / "out" / "web.yaml").read_text()


def test_one_that_cannot_be_leaves_the_others(box):
    out, err = convert(box, "services: {aa: {image: x}, bb: {build: .}}", check=False)
    assert out == "name: aa\nimage: x\nrestart: \"no\"\n"
    assert 'bb: cannot be converted: field "image" is missing\n' in err
    assert "1 of 2 containers could not be converted" in err


def test_the_form_is_told(box):
    assert ask(box, {"image": "x"}, name="n")[1]["Form"] == "kedge"
    assert ask(box, {"container.image": "x"}, name="n")[1]["Form"] == "kura"
    assert ask(box, {"image": {"name": "x"}}, name="n")[1]["Form"] == "kanto"
    assert ask(box, {"services": {}})[1]["Form"] == "compose"
    assert ask(box, [{"Config": {}, "HostConfig": {}}])[1]["Form"] == "inspect"
    assert ask(box, {}, **{"from": "other"})[0] == 400
    assert ask(box, "a: [")[0] == 400


def made_again(box, host=None, **settings):
    """What the inspected container becomes as a declaration, and its notes."""
    box.create(["sleep", "1000"], name="original", host={"NetworkMode": "default", **(host or {})}, **settings)
    inspected = box.api.get("/containers/original/json")
    status, answer = ask(box, [inspected])
    assert status == 200 and answer["Form"] == "inspect"
    (container,) = answer["Containers"]
    assert container["Problem"] == "", container
    return container["Declaration"], container["Notes"]


def test_inspected_least(box):
    declaration, notes = made_again(box)
    assert declaration == {"name": "original", "image": "busybox:test", "command": ["sleep", "1000"], "restart": "no"}
    assert notes == []


def test_inspected_most(box, tmp_path):
    declaration, notes = made_again(
        box, Env=["A=1"], Labels={"k": "v"}, User="nobody", WorkingDir="/tmp", Hostname="own", StopSignal="INT", StopTimeout=3,
        Healthcheck={"Test": ["CMD", "true"], "Interval": 5000000000},
        host={"Binds": [f"{tmp_path}:/data:ro"], "Tmpfs": {"/t": "size=1m"}, "Memory": 64 << 20, "NanoCpus": 500000000, "CapAdd": ["NET_ADMIN"],
                    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "ReadonlyRootfs": True, "Init": True,
                    "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}]},
                    "Ulimits": [{"Name": "nofile", "Soft": 64, "Hard": 128}], "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}],
                    "ExtraHosts": ["a:192.0.2.1"], "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}})
    assert notes == []
    assert declaration == {
        "name": "original", "image": "busybox:test", "command": ["sleep", "1000"], "environment": ["A=1"], "user": "nobody", "workingDir": "/tmp", "hostname": "own",
        "labels": {"k": "v"}, "init": True, "stopSignal": "INT", "stopGracePeriod": "3s", "restart": "on-failure", "restartRetries": 3,
        "healthcheck": {"test": ["CMD", "true"], "interval": "5s"}, "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
        "volumes": [{"type": "tmpfs", "target": "/t", "options": "size=1m"},
                    {"type": "bind", "source": str(tmp_path), "target": "/data", "readOnly": True, "createSource": True}],
        "readOnly": True, "ports": [{"container": 80, "protocol": "tcp", "address": "127.0.0.1", "host": 18080}],
        "extraHosts": ["a:192.0.2.1"], "capAdd": ["CAP_NET_ADMIN"], "devices": [{"path": "/dev/null", "target": "/dev/n", "permissions": "r"}],
        "ulimits": [{"name": "nofile", "soft": 64, "hard": 128}], "memory": "64m", "cpus": 0.5}


def test_inspected_what_has_no_place(box):
    inspected = [{"Name": "/one", "Config": {"Image": "busybox:test", "Volumes": {"/data": {}}},
                  "HostConfig": {"AutoRemove": True, "StorageOpt": {"size": "1g"}, "DeviceRequests": [{"Driver": "nvidia", "Count": 2, "Capabilities": [["gpu"]]}]}}]
    status, answer = ask(box, inspected)
    (container,) = answer["Containers"]
    assert status == 200 and container["Problem"] == ""
    assert container["Declaration"]["gpus"] == {"count": 2}
    assert container["Notes"] == ['field "HostConfig.StorageOpt": storage options are not available: it is left out',
                                  '"AutoRemove" is left out: what is declared is to stay',
                                  'volume at "/data" has no name: the new container gets an empty one']


def test_inspected_devices_of_cdi(box):
    requests = [{"Driver": "cdi", "DeviceIDs": ["a.b/c=x", "a.b/c=y"]}, {"Count": -1, "Capabilities": [["gpu"]]},
                {"Driver": "nvidia", "DeviceIDs": ["0"], "Capabilities": [["gpu"]]}]
    inspected = [{"Name": "/one", "Config": {"Image": "busybox:test"}, "HostConfig": {
        "DeviceRequests": requests, "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}]}}]
    (container,) = ask(box, inspected)[1]["Containers"]
    assert container["Problem"] == "" and container["Declaration"]["gpus"] == {"count": -1}
    assert [device["path"] for device in container["Declaration"]["devices"]] == ["a.b/c=x", "a.b/c=y", "/dev/null"]
    assert container["Notes"] == ['"DeviceRequests": only the first for GPUs is carried over']


def test_inspected_twice_a_memory_that_cannot_be_doubled(box):
    for swap in (-2, (1 << 63) - 2):
        inspected = [{"Name": "/one", "Config": {"Image": "busybox:test"}, "HostConfig": {"Memory": (1 << 63) - 1, "MemorySwap": swap}}]
        (container,) = ask(box, inspected)[1]["Containers"]
        assert container["Declaration"] is None and "memorySwap" in container["Problem"], container


def test_inspected_without_its_image(box):
    inspected = [{"Name": "/one", "Config": {"Image": "not-here:1", "Cmd": ["a"], "Env": ["PATH=/bin"]}, "HostConfig": {}}]
    (container,) = ask(box, inspected)[1]["Containers"]
    assert container["Declaration"]["environment"] == ["PATH=/bin"]
    assert container["Notes"] == ['image "not-here:1" is not here: what is the image\'s own is in the declaration, too']


def test_schema(box):
    published = json.loads((kedge.TOP / "docs" / "containers.schema.json").read_text())
    assert box.api.get("/kedge/v1/schema/containers") == published
    assert "enforcement" in box.api.get("/kedge/v1/schema/service")["properties"]


def test_a_compose_file_with_anchors(box):
    text = "x-common: &common {restart: always, environment: &env {A: '1'}}\nservices:\n  web: {<<: *common, image: x}\n  db: {<<: *common, image: y, environment: {<<: *env, B: '2'}}\n"
    answer = box.api.call("POST", "/kedge/v1/convert", text, {"Content-Type": "application/yaml"})
    web, db = (one["Declaration"] for one in answer["Containers"])
    assert web == {"name": "web", "image": "x", "environment": ["A=1"], "restart": "always"}
    assert sorted(db["environment"]) == ["A=1", "B=2"] and db["restart"] == "always"
