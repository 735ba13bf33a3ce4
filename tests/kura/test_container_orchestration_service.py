# SPDX-License-Identifier: Apache-2.0
"""The parameters of "Starting the Service", and the example scenario of "Container Enforcement": by the names that they have there."""
import json

import pytest

import kedge

NOBODY = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def images(shared):
    """foo_image, wanted_image and unwanted_image of the page, by their digests."""
    for name in ("foo_image", "wanted_image", "unwanted_image"):
        shared.load(image=name, Env=[f"NAME={name}"])
    return {name: shared.api.get(f"/images/{name}:1/json")["Id"] for name in ("foo_image", "wanted_image", "unwanted_image")}


@pytest.fixture
def by_hand(gateway, images):
    """Containers that somebody makes at a terminal."""
    def run(image, name, program="kedge", check=True):
        return getattr(gateway, program)("run", "-d", "--name", name, "--network", "none", f"{image}:1", check=check)
    yield run
    gateway.service.write_text("{}")
    kedge.wait_for(lambda: not gateway.is_enforced())
    for container in gateway.api.get("/containers/json?all=1"):
        gateway.api.delete(f"/containers/{container['Id']}?force=1")


def test_enabled(gateway):
    """"A string that ..."; without it the service does nothing: what it manages is removed, the components stay."""
    gateway.runs()
    gateway.serve(enabled=False)
    gateway.wait_gone("app")
    assert gateway.kept("app") and (gateway.containers / "app.json").exists()
    gateway.serve(enabled=True)
    assert kedge.wait_for(lambda: gateway.container("app") and gateway.wait_kept("app"))["State"]["Running"]


def test_container_engine_host_url(gateway):
    """The default value is taken as it is, and one that is no address is refused by its name."""
    gateway.serve(container_engine_host="tcp//nowhere", enabled=False)
    kedge.wait_for(lambda: "container.engine.host" in gateway.log())
    assert gateway.runs()["State"]["Running"]  # what is wrong changes nothing


def test_allowlist_enforcement_enabled(gateway, images, by_hand):
    by_hand("unwanted_image", "free")
    gateway.enforce(images["foo_image"])
    gateway.wait_gone("free")
    assert by_hand("unwanted_image", "refused", check=False).returncode
    gateway.serve(enforcement_enabled=False)
    kedge.wait_for(lambda: not gateway.is_enforced())
    by_hand("unwanted_image", "free")


@pytest.mark.parametrize("between", [",", " , ", "\n", "\n\n  "])
def test_container_image_allowlist_content(gateway, images, by_hand, between):
    gateway.enforce(between.join([NOBODY, images["foo_image"], images["wanted_image"]]))
    by_hand("foo_image", "foo")
    by_hand("wanted_image", "wanted")
    assert "is not allowed" in " ".join(by_hand("unwanted_image", "unwanted", check=False).err.split())


def test_startup_of_the_monitor(gateway, images, by_hand):
    """"The container originating from the foo_image will be left running, while the one created from the unwanted_image will be stopped and deleted";
    "the same happens also in case the containers are stopped"."""
    by_hand("foo_image", "foo")
    by_hand("unwanted_image", "unwanted")
    by_hand("foo_image", "foo-stopped")
    by_hand("unwanted_image", "unwanted-stopped")
    for name in ("foo-stopped", "unwanted-stopped"):
        gateway.api.post(f"/containers/{name}/stop")
    gateway.enforce(images["foo_image"])
    gateway.wait_gone("unwanted")
    gateway.wait_gone("unwanted-stopped")
    assert gateway.container("foo")["State"]["Running"]
    assert gateway.container("foo-stopped")["State"]["Status"] == "exited"


@pytest.mark.parametrize("program", ["kedge", "docker"])
def test_running_container_after_monitor_startup(gateway, images, by_hand, program):
    """Whoever starts it; and better than there: it never begins to run."""
    gateway.enforce(images["foo_image"])
    by_hand("foo_image", "foo", program)
    assert gateway.container("foo")["State"]["Running"]
    refused = by_hand("unwanted_image", "unwanted", program, check=False)
    assert refused.returncode and images["unwanted_image"] in refused.err.replace("\n", "")
    assert not (gateway.container("unwanted") or {}).get("State", {}).get("StartedAt", "").startswith("2")


def test_multiple_digests(gateway, images, by_hand):
    """"If the user wants to add more than one allowed image ... it just needs to add it to the newline-separated list"."""
    gateway.enforce(images["foo_image"])
    assert by_hand("wanted_image", "wanted", check=False).returncode
    gateway.enforce(images["foo_image"] + "\n" + images["wanted_image"])
    by_hand("wanted_image", "wanted")
    by_hand("foo_image", "foo")


def test_a_managed_container_is_enforced_too(gateway, images):
    gateway.enforce(images["foo_image"])
    gateway.apply(container_image="unwanted_image")
    assert images["unwanted_image"] in gateway.wait_reason("app", "is not allowed")["reason"]
    assert not gateway.container("app")
    gateway.apply(container_image="foo_image")
    assert gateway.wait_kept("app")["State"]["Running"]


def test_the_digest_of_an_instance_is_allowed_beside_the_list(gateway, images):
    """container.signature.enforcement.digest."""
    gateway.enforce(images["foo_image"])
    gateway.apply(container_image="wanted_image", container_signature_enforcement_digest=images["wanted_image"])
    assert gateway.wait_kept("app")["State"]["Running"]
    gateway.apply(container_image="wanted_image")
    gateway.wait_gone("app")


def test_what_was_removed_and_why_is_kept(gateway, images, by_hand):
    by_hand("unwanted_image", "unwanted")
    gateway.enforce(images["foo_image"])
    gateway.wait_gone("unwanted")
    removed = gateway.api.get("/kedge/v1/enforcement/removed")["removals"][-1]
    assert removed["name"] == "unwanted" and images["unwanted_image"] in json.dumps(removed)
