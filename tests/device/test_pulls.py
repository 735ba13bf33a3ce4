# SPDX-License-Identifier: Apache-2.0
"""Images of declared containers: when they are pulled, how often it is tried, with whose password, and what happens offline."""
import json
import socket

import pytest

import kedge


@pytest.fixture(scope="module")
def registry(shared):
    registry = kedge.Registry(users={"web": "secret-of-web"}).start()
    yield registry
    registry.close()


@pytest.fixture
def pulled(device, registry):
    """An image that is in the registry, and not here."""
    name = f"{registry.host}/app:1"
    device.api.post(f"/images/busybox:test/tag?repo={registry.host}/app&tag=1")
    device.api.call("POST", f"/images/{registry.host}/app/push?tag=1", headers={"X-Registry-Auth": kedge.registry_auth("web", "secret-of-web")})
    device.api.delete(f"/images/{name}")
    yield name
    device.withdraw_all()
    device.api.raw("DELETE", f"/images/{name}?force=1")


def here(device, name):
    return device.api.raw("GET", f"/images/{name}/json")[0] == 200


def secrets(device):
    """Everything that the password must not be in."""
    texts = [json.dumps(device.kept()), device.kedge("get", "-o", "json").out, device.kedge("get", "-o", "yaml").out, device.log()]
    texts += [path.read_text() for path in (device.store / "declared").rglob("*.json")]
    texts += [path.read_text() for path in device.containers.iterdir()]
    texts += [device.kedge("snapshots", "show", "latest").out, device.kedge("snapshots", "diff", "1", check=False).out]
    now = device.api.get("/info")["SystemTime"]
    texts.append(device.api.raw("GET", f"/events?since=1&until={now}")[1].decode())
    return texts


def test_a_password_in_a_dropped_file_is_sealed_and_used_and_never_shown(device, pulled):
    device.declare("app", image=pulled, registry={"username": "web", "password": "secret-of-web"})
    device.wait_kept("app")
    text = (device.containers / "app.yaml").read_text()
    assert "secret-of-web" not in text and "sealed" in text
    assert device.seal_key.stat().st_mode & 0o777 == 0o600
    assert not [text for text in secrets(device) if "secret-of-web" in text]
    assert "secret" not in json.dumps(device.container("app"))


def test_without_the_right_password_it_is_tried_so_often_and_given_up(device, pulled):
    device.declare("app", image=pulled, registry={"username": "web", "password": "wrong"}, pullRetries=2, pullInterval="50ms")
    reason = device.wait_reason("app", "(2 tries)")["reason"]
    assert pulled in reason and "wrong" not in reason
    assert not device.container("app")
    device.declare("app", image=pulled, registry={"username": "web", "password": "secret-of-web"})
    device.wait_kept("app")


def test_a_password_goes_to_its_own_registry_alone(device, pulled):
    device.declare("app", image=pulled, registry={"host": "elsewhere.example", "username": "web", "password": "secret-of-web"},
                   pullRetries=1)
    device.wait_reason("app", "(1 tries)")


def test_never_pulls_nothing(device, pulled):
    device.declare("app", image=pulled, pull="never", registry={"username": "web", "password": "secret-of-web"})
    device.wait_reason("app", "its image is not there, and is never to be pulled")
    assert not here(device, pulled)


def test_unlimited_tries_wait_in_between_and_end_when_the_image_comes(device, pulled, registry):
    device.declare("app", image="127.0.0.1:1/app:1", pullRetries=0, pullInterval="200ms")
    device.wait_reason("app", "its image is pulled again, because: ")
    device.api.post("/images/busybox:test/tag?repo=127.0.0.1:1/app&tag=1")
    device.wait_kept("app")
    device.withdraw("app")
    device.wait_gone("app")
    device.api.delete("/images/127.0.0.1:1/app:1")


def test_always_offline_uses_the_image_that_is_here(device):
    device.api.post("/images/busybox:test/tag?repo=127.0.0.1:1/here&tag=1")
    device.declare("app", image="127.0.0.1:1/here:1", pull="always", pullRetries=0, pullInterval="60s")
    assert device.wait_running("app")["State"]["Running"]
    device.withdraw("app")
    device.wait_gone("app")
    device.api.delete("/images/127.0.0.1:1/here:1")


def test_always_replaces_when_the_registry_has_another(device, pulled, registry):
    fields = {"image": pulled, "registry": {"username": "web", "password": "secret-of-web"}}
    device.declare("app", pull="missing", **fields)
    first = device.wait_kept("app")
    archive = kedge.busybox_archive(device.directory / "other.tar", pulled, {"Env": ["NEW=1"]})
    device.api.call("POST", "/images/load", archive.read_bytes(), {"Content-Type": "application/x-tar"})
    device.api.call("POST", f"/images/{registry.host}/app/push?tag=1", headers={"X-Registry-Auth": kedge.registry_auth("web", "secret-of-web")})
    assert device.wait_kept("app")["Id"] == first["Id"]  # another image of that name is no reason
    device.api.post(f"/images/{first['Image']}/tag?repo={registry.host}/app&tag=1")
    device.declare("app", pull="always", **fields)
    second = kedge.wait_for(lambda: (device.container("app") or first)["Id"] != first["Id"] and device.wait_kept("app"))
    assert "NEW=1" in second["Config"]["Env"]


def test_a_pull_that_takes_too_long_is_broken_off(device):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        device.declare("app", image=f"127.0.0.1:{deaf.getsockname()[1]}/app:1", pullRetries=1, pullTimeout="1s")
        device.wait_reason("app", "its image was not pulled within 1s (1 tries)")
