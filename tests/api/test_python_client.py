# SPDX-License-Identifier: Apache-2.0
"""python3-docker, the client that Debian has, does its everyday work."""
import io
import tarfile

import docker
import pytest


@pytest.fixture
def client(box):
    it = docker.DockerClient(base_url=f"unix://{box.socket}", timeout=30)
    yield it
    it.close()


def test_life(client, box):
    assert client.ping() and client.version()["ApiVersion"]
    assert client.info()["Containers"] == 0
    container = client.containers.create("busybox:test", ["sh", "-c", "echo out; echo err >&2; exit 3"], name="py", network_mode="none",
                                         environment={"A": "1"}, labels={"l": "v"}, mem_limit="64m", nano_cpus=500000000)
    container.start()
    assert container.wait()["StatusCode"] == 3
    assert container.logs(stderr=False) == b"out\n" and container.logs(stdout=False) == b"err\n"
    container.reload()
    assert container.status == "exited" and container.labels == {"l": "v"}
    assert [it.id for it in client.containers.list(all=True)] == [container.id]
    container.remove()
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("py")


def test_run(client):
    assert client.containers.run("busybox:test", ["echo", "hello"], network_mode="none", remove=True) == b"hello\n"
    with pytest.raises(docker.errors.ContainerError) as problem:
        client.containers.run("busybox:test", ["sh", "-c", "echo no >&2; exit 4"], network_mode="none", remove=True)
    assert problem.value.exit_status == 4


def test_running(client):
    container = client.containers.run("busybox:test", ["sh", "-c", "trap 'exit 9' TERM; while :; do echo x; sleep 0.1; done"], detach=True,
                                      network_mode="none", restart_policy={"Name": "on-failure", "MaximumRetryCount": 1})
    stats = container.stats(stream=False)
    assert stats["pids_stats"]["current"] >= 1
    for line in container.logs(stream=True, follow=True):
        assert line == b"x\n"
        break
    container.restart(timeout=2)
    container.stop(timeout=5)
    container.reload()
    assert container.status == "exited"
    container.remove(force=True)


def test_images(client):
    out = io.BytesIO()
    import test_images
    files = test_images.docker_archive("python:1", [test_images.small_layer(n="py")])[1]
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    image = client.images.load(out.getvalue())[0]
    assert image.tags == ["python:1"]
    assert image.tag("python", "2")
    assert {"python:1", "python:2"} <= {tag for it in client.images.list() for tag in it.tags}
    client.images.remove("python:1")
    client.images.remove("python:2")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("python:1")


def test_registry(client, registry):
    client.images.get("busybox:test").tag(f"{registry.host}/py/busybox", "3")
    said = list(client.images.push(f"{registry.host}/py/busybox", "3", stream=True, decode=True))
    assert not any("error" in line for line in said) and any("Digest" in line.get("aux", {}) for line in said)
    client.images.remove(f"{registry.host}/py/busybox:3")
    pulled = client.images.pull(f"{registry.host}/py/busybox", "3")
    assert pulled.id == client.images.get("busybox:test").id
    client.images.remove(f"{registry.host}/py/busybox:3")


def test_events(client):
    events = client.events(decode=True)
    container = client.containers.create("busybox:test", ["true"], network_mode="none")
    assert next(events)["Action"] == "create"
    container.remove()
    assert next(events)["Action"] == "destroy"
    events.close()
