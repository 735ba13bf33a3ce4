# SPDX-License-Identifier: Apache-2.0
"""Each field of "Configuring the container", and what follows it: by the name that it has there."""
import json
import os
import shutil
import socket
import stat
import time
import urllib.request

import pytest

import kedge
from reboot import Rebooted

USER, PASSWORD = "kura", "secret-of-kura"
ONCE = {"container_image_download_retries": 1}


@pytest.fixture(scope="module")
def registry(shared):
    registry = kedge.Registry(users={USER: PASSWORD}).start()
    name = f"{registry.host}/private"
    shared.api.post(f"/images/kura/app:1/tag?repo={name}&tag=1")
    shared.api.call("POST", f"/images/{name}/push?tag=1", headers={"X-Registry-Auth": kedge.registry_auth(USER, PASSWORD)})
    shared.api.delete(f"/images/{name}:1")
    yield registry
    registry.close()


@pytest.fixture
def private(gateway, registry):
    """Fields of an image that is pulled with a password."""
    name = f"{registry.host}/private"
    yield {"container_image": name, "registry_hostname": registry.host, "registry_username": USER, "registry_password": PASSWORD, **ONCE}
    gateway.withdraw_all()
    gateway.api.raw("DELETE", f"/images/{name}:1?force=1")


def ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    found = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return found


def environment(container):
    return container["Config"]["Env"]


def test_name(gateway):
    """"The name specified in the 'Name' field will also be the name of the container"."""
    assert gateway.runs("my-container")["Name"] == "/my-container"


def test_enabled(gateway):
    gateway.apply(container_enabled=False)
    kedge.wait_for(lambda: gateway.kept("app"))
    assert not gateway.container("app")
    assert gateway.runs(container_enabled=True)["State"]["Running"]
    gateway.apply(container_enabled=False)
    gateway.wait_gone("app")


def test_image_name(gateway):
    gateway.load(image="kura/other", Env=["OTHER=1"])
    first = gateway.runs()
    assert first["Config"]["Image"] == "kura/app:1"
    assert "OTHER=1" in environment(gateway.anew(first, container_image="kura/other"))


def test_image_tag(gateway):
    gateway.load(tag="2", Env=["SECOND=1"])
    first = gateway.runs()
    assert "SECOND=1" not in environment(first)
    assert "SECOND=1" in environment(gateway.anew(first, container_image_tag="2"))


def test_authentication_registry_url(gateway, private):
    gateway.apply(**{**private, "registry_hostname": "elsewhere.example"})  # then they are not this registry's
    gateway.wait_reason("app", "(1 tries)")
    gateway.apply(**private)
    assert gateway.wait_kept("app")["State"]["Running"]


def test_authentication_username(gateway, private):
    gateway.apply(**{**private, "registry_username": "somebody"})
    gateway.wait_reason("app", "(1 tries)")
    gateway.apply(**private)
    assert gateway.wait_kept("app")["State"]["Running"]


def test_password(gateway, private):
    gateway.apply(**{**private, "registry_password": "wrong"})
    gateway.wait_reason("app", "(1 tries)")
    gateway.apply(**private)
    assert gateway.wait_kept("app")["State"]["Running"]
    assert PASSWORD not in (gateway.containers / "app.json").read_text()  # it is sealed there


def test_image_download_retries(gateway):
    gateway.apply(container_image="127.0.0.1:1/app", container_image_download_retries=3, container_image_download_interval=10)
    gateway.wait_reason("app", "(3 tries)")


def test_image_download_retry_interval(gateway):
    begin = time.monotonic()
    gateway.apply(container_image="127.0.0.1:1/app", container_image_download_retries=3, container_image_download_interval=300)
    gateway.wait_reason("app", "(3 tries)")
    assert time.monotonic() - begin >= 0.6


def test_image_download_timeout(gateway):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        gateway.apply(container_image=f"127.0.0.1:{deaf.getsockname()[1]}/app", container_image_download_timeout=1, **ONCE)
        gateway.wait_reason("app", "its image was not pulled within 1s")


def test_internal_ports(gateway):
    """Example of the page: 80, 443:tcp, 8080:udp."""
    outside = ports(3)
    kept = gateway.runs(container_ports_internal="80, 443:tcp, 8080:udp", container_ports_external=", ".join(map(str, outside)))
    bound = {inside: binding[0]["HostPort"] for inside, binding in kept["HostConfig"]["PortBindings"].items()}
    assert bound == dict(zip(("80/tcp", "443/tcp", "8080/udp"), map(str, outside)))


def test_external_ports(gateway):
    first, second = ports(2)
    serve = "sh,-c,mkdir -p /www && echo hello > /www/index.html && exec httpd -f -p 8000 -h /www"
    before = gateway.runs(container_ports_internal="8000", container_ports_external=str(first), container_entrypoint=serve)

    def answer(port):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=5).read()
        except OSError:
            return None
    assert kedge.wait_for(lambda: answer(first)) == b"hello\n"
    gateway.anew(before, container_ports_internal="8000", container_ports_external=str(second), container_entrypoint=serve)
    assert kedge.wait_for(lambda: answer(second)) == b"hello\n"


def test_privileged_mode(gateway):
    mounts = "sh,-c,(mount -t tmpfs none /tmp && echo may || echo may not) 2> /dev/null; exec sleep 1000"
    first = gateway.runs(container_entrypoint=mounts)
    kedge.wait_for(lambda: gateway.log_text("app") == "may not\n")
    gateway.anew(first, container_entrypoint=mounts, container_privileged=True)
    kedge.wait_for(lambda: gateway.log_text("app") == "may\n")


def test_environment_variables(gateway):
    kept = gateway.runs(container_env="ONE=1, TWO=a=b", container_entrypoint="sh,-c,echo $ONE $TWO; exec sleep 1000")
    assert {"ONE=1", "TWO=a=b"} <= set(environment(kept))
    kedge.wait_for(lambda: gateway.log_text("app") == "1 a=b\n")


def test_entrypoint_override(gateway):
    """Example of the page: ./test.sh,-v,-d,--human-readable."""
    kept = gateway.runs(container_entrypoint="sh,-c,echo $0 $1 $2; exec sleep 1000,-v,-d,--human-readable")
    assert kept["Path"] == "sh" and kept["Args"] == ["-c", "echo $0 $1 $2; exec sleep 1000", "-v", "-d", "--human-readable"]
    kedge.wait_for(lambda: gateway.log_text("app") == "-v -d --human-readable\n")


@pytest.mark.parametrize("text, size", [("67108864", 64 << 20), ("67108864b", 64 << 20), ("65536k", 64 << 20), ("64m", 64 << 20), ("1g", 1 << 30), ("", 0)])
def test_memory(gateway, text, size):
    assert gateway.runs(container_memory=text)["HostConfig"]["Memory"] == size


def test_cpus(gateway):
    assert gateway.runs(container_cpus=1.5)["HostConfig"]["NanoCpus"] == 1500000000


def test_gpus(gateway):
    """"The Nvidia Container Toolkit must be installed on the system to correctly configure the service, otherwise the container will not start"."""
    if shutil.which("nvidia-container-runtime-hook") or shutil.which("nvidia-container-toolkit"):
        pytest.skip("this machine has the toolkit: tests/api/test_cdi.py has GPUs of all kinds")
    for value in ("all", "1"):
        gateway.apply(container_gpus=value)
        assert "nvidia-container-runtime-hook is not installed" in gateway.wait_reason("app", "gpu")["reason"]
    gateway.apply(container_gpus="some")
    gateway.wait_problem('property "container.gpus"')
    assert gateway.runs(container_gpus="")["State"]["Running"]


def test_volume_mount(gateway):
    source = gateway.directory / "mounted"
    source.mkdir(exist_ok=True)
    gateway.runs(container_volume=f"{source}:/data, {source}:/again:ro", container_entrypoint="sh,-c,echo here > /data/file; exec sleep 1000")
    kedge.wait_for(lambda: (source / "file").exists() and (source / "file").read_text() == "here\n")
    assert gateway.kedge("exec", "app", "cat", "/again/file").out == "here\n"
    assert gateway.kedge("exec", "app", "touch", "/again/other", check=False).returncode


def test_peripheral_device(gateway):
    node, other = gateway.directory / "node", gateway.directory / "other"
    os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 7))  # full(4): what is written to it has no room
    os.mknod(other, 0o600 | stat.S_IFCHR, os.makedev(1, 1))
    gateway.runs(container_device=f"{node}, {other}:/dev/other:r")
    assert "No space left" in gateway.kedge("exec", "app", "sh", "-c", f"echo x > {node}", check=False).err
    assert "not permitted" in gateway.kedge("exec", "app", "sh", "-c", "echo x > /dev/other", check=False).err


def test_runtime(gateway):
    assert gateway.runs(container_runtime="runc")["HostConfig"]["Runtime"] == "runc"
    gateway.apply(container_runtime="no-such")
    gateway.wait_reason("app", "no-such")


def test_networking_mode(gateway):
    show = "sh,-c,ls /sys/class/net; exec sleep 1000"
    first = gateway.runs(container_networkMode="none", container_entrypoint=show)
    kedge.wait_for(lambda: "lo" in gateway.log_text("app").split())
    assert not first["NetworkSettings"]["Networks"].keys() - {"none"} and gateway.bridge not in gateway.log_text("app")
    gateway.api.post("/networks/create", {"Name": "Plant"})
    try:
        for mode in ("bridge", "Plant"):  # "this field is case-sensitive"
            first = gateway.anew(first, container_networkMode=mode, container_entrypoint=show)
            assert set(first["NetworkSettings"]["Networks"]) == {mode}
        gateway.anew(first, container_networkMode="host", container_entrypoint=show)
        kedge.wait_for(lambda: gateway.bridge in gateway.log_text("app").split())
        joined = gateway.runs("joins", container_networkMode="container:app")
        assert joined["State"]["Running"]
    finally:
        gateway.withdraw_all()
        gateway.api.delete("/networks/Plant")


@pytest.mark.parametrize("kind, driver", [("DEFAULT", "json-file"), ("JSON_FILE", "json-file"), ("LOCAL", "local"), ("NONE", "none"), ("JOURNALD", "journald"), ("SYSLOG", "syslog"), ("GELF", "gelf"),
                                          ("FLUENTD", "fluentd")])
def test_logger_type(gateway, kind, driver):
    """What each driver does with a line is tests/logs."""
    parameters = {"SYSLOG": "syslog-address=udp://127.0.0.1:9", "GELF": "gelf-address=udp://127.0.0.1:9", "FLUENTD": "fluentd-async=true"}.get(kind, "max-size=10m")
    kept = gateway.runs(container_loggingType=kind, container_loggerParameters=parameters)
    assert kept["HostConfig"]["LogConfig"]["Type"] == driver


@pytest.mark.parametrize("kind", ["ETWLOGS", "AWSLOGS", "DB", "SPLUNK", "GCPLOGS", "LOKI"])
def test_logger_types_of_clouds_are_refused_with_a_reason(gateway, kind):
    gateway.apply(container_loggingType=kind)
    refused = kedge.wait_for(lambda: [one for one in gateway.problems() if kind.lower() in one.lower()]
                             or (gateway.kept("app") and kind.lower() in gateway.kept("app")["reason"].lower()))
    assert refused and not gateway.container("app")


def test_logger_parameters(gateway):
    kept = gateway.runs(container_loggingType="JSON_FILE", container_loggerParameters="max-size=1m, max-file=3")
    assert kept["HostConfig"]["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "3"}
    gateway.apply(container_loggingType="JSON_FILE", container_loggerParameters="max-sizes=1m")
    kedge.wait_for(lambda: "max-sizes" in (gateway.kept("app")["problem"] or gateway.kept("app")["reason"]))
    assert gateway.container("app")["Id"] == kept["Id"]


def test_restart_container_on_failure(gateway):
    fails = "sh,-c,echo ran; exit 3"
    gateway.apply(container_entrypoint=fails, container_restart_onfailure=False)
    gateway.wait_reason("app", "it ended with status 3, and is not to be started again")
    assert gateway.log_text("app") == "ran\n"
    gateway.apply("again", container_entrypoint=fails, container_restart_onfailure=True)
    kedge.wait_for(lambda: gateway.container("again") and gateway.log_text("again").startswith("ran\nran\n"))
    assert gateway.container("again")["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_a_bad_value_names_the_property_and_leaves_the_container_alone(gateway):
    first = gateway.runs()
    gateway.apply(container_memory="64 M")
    gateway.wait_problem('property "container.memory"')
    assert gateway.container("app")["Id"] == first["Id"] and gateway.container("app")["State"]["Running"]


# ---- what follows the fields --------------------------------------------------------------------------------------------------

def test_the_image_is_pulled_and_the_container_started(gateway, private):
    """"The container engine will then pull the respective image, spin up and start the container"."""
    assert gateway.runs(**private)["State"]["Running"]
    assert gateway.api.get(f"/images/{private['container_image']}:1/json")["RepoDigests"]


def test_it_starts_again_when_the_gateway_is_power_cycled(own):
    first = own.runs()
    machine = Rebooted(own)
    machine.go_down()
    machine.come_up()
    kept = own.wait_kept("app")
    assert kept["State"]["Running"] and kept["State"]["StartedAt"] > first["State"]["StartedAt"]


def test_stopping_the_container(gateway):
    """"This will delete the running container, but leave this component available"; data in volumes stay."""
    source = gateway.directory / "kept"
    source.mkdir(exist_ok=True)
    keeps = {"container_volume": f"{source}:/data", "container_entrypoint": "sh,-c,echo >> /data/runs; exec sleep 1000"}
    first = gateway.runs(**keeps)
    gateway.apply(container_enabled=False, **keeps)
    gateway.wait_gone("app")
    assert gateway.kept("app") and (gateway.containers / "app.json").exists() and (source / "runs").exists()
    again = gateway.runs(**keeps)
    assert again["Id"] != first["Id"]


def test_delete_removes_container_and_component(gateway):
    gateway.runs()
    (gateway.containers / "app.json").unlink()
    gateway.wait_gone("app")
    kedge.wait_for(lambda: not gateway.kept("app"))


def test_container_management_dashboard(gateway):
    """"All containers running on a gateway, including containers created with the framework and those created manually": what the page asks for;
    the page itself is tests/web."""
    gateway.runs()
    gateway.kedge("run", "-d", "--name", "by-hand", "--network", "none", "kura/app:1")
    try:
        listed = {one["name"]: one["state"] for one in gateway.api.get("/services/inventory/v1/containers")["containers"]}
        assert listed == {"app": "active", "by-hand": "active"}
        gateway.api.post("/services/inventory/v1/containers/_stop", {"name": "by-hand", "version": "kura/app:1"})
        assert not gateway.container("by-hand")["State"]["Running"]
        gateway.api.post("/services/inventory/v1/containers/_start", {"name": "by-hand", "version": "kura/app:1"})
        assert gateway.container("by-hand")["State"]["Running"]
    finally:
        gateway.api.delete("/containers/by-hand?force=1")


def test_as_kuras_remote_configuration_writes_it(gateway):
    """With the type of each value, as its configuration service has them."""
    types = {bool: "BOOLEAN", str: "STRING", int: "INTEGER", float: "FLOAT"}
    values = {"container.enabled": True, "container.image": "kura/app", "container.image.tag": "1", "container.cpus": 0.5, "container.env": "A=1",
              "container.image.download.retries": 2}
    document = {"pid": "typed", "factoryPid": "org.eclipse.kura.container.provider.ContainerInstance",
                "properties": {key: {"type": types[type(value)], "value": value} for key, value in values.items()}}
    gateway.write("typed.json", json.dumps(document))
    kept = gateway.wait_kept("typed")
    assert "A=1" in environment(kept) and kept["HostConfig"]["NanoCpus"] == 500000000
