# SPDX-License-Identifier: Apache-2.0
"""A wrong value names the file, the field and the reason, and leaves the container that runs alone: not even its start is tried where that can be known."""
import os
import stat

import pytest

import kedge

# (fields, what is said): the file is left aside
BAD = [
    ({"image": "Upper"}, 'field "image": invalid reference "Upper"'), ({"image": None}, 'field "image" is missing'), ({"imag": "x"}, 'field "imag" is unknown'),
    ({"enabled": "perhaps"}, 'field "enabled" must be a boolean, not a string'), ({"pull": "sometimes"}, 'field "pull" must be one of'),
    ({"pullRetries": -1}, 'field "pullRetries" must be between 0 and'), ({"pullTimeout": "soon"}, 'field "pullTimeout": "soon" is not a duration'),
    ({"registry": {"password": "x"}}, 'field "registry" has a password without "username"'), ({"command": "sh -c 'x"}, 'field "command": a quote is not closed'),
    ({"environment": ["=x"]}, 'field "environment" holds a variable without a name'), ({"envFile": ["x.env"]}, 'field "envFile[0]": "x.env" must be an absolute path'),
    ({"workingDir": "x"}, 'field "workingDir": "x" must be an absolute path'), ({"hostname": "a b"}, 'field "hostname": "a b" is not a host name'),
    ({"labels": {"kedge.declared": "x"}}, 'field "labels": "kedge.declared" is kedge\'s own'), ({"stopSignal": "NO"}, 'field "stopSignal": unknown signal "NO"'),
    ({"restart": "maybe"}, 'field "restart" must be one of'), ({"restart": "no", "restartRetries": 3}, 'field "restartRetries" goes with'),
    ({"healthcheck": {"test": ["NO"]}}, 'field "healthcheck": test must begin with'), ({"healthcheck": {"every": "1s"}}, 'field "every" is unknown'),
    ({"logging": {"driver": "pigeon"}}, 'field "logging.driver"'), ({"logging": {"options": {"max-sizes": "1m"}}}, 'field "logging.options"'),
    ({"volumes": ["/a:/b:zz"]}, 'field "volumes[0]": bind "/a:/b:zz": option "zz" is unknown'), ({"volumes": ["a:/x", "b:/x"]}, 'field "volumes[1]": target "/x" is mounted twice'),
    ({"volumes": [{"type": "nfs", "target": "/x"}]}, 'field "volumes[0].type" must be one of'), ({"tmpfs": ["x"]}, 'field "tmpfs[0]": "x" must be an absolute path'),
    ({"ports": ["99999:80"]}, 'field "ports[0]"'), ({"ports": ["1-3:1-2"]}, "are not equally long"), ({"ports": ["8088:80/xtp"]}, 'field "ports[0]'),
    ({"ports": ["8088:80", "127.0.0.1:8088:81"]}, 'field "ports[1]": port 8088/tcp of the host is published twice'),
    ({"macAddress": "zz"}, 'field "macAddress": "zz" is not a MAC address'), ({"networks": {"x": {"mac": "zz"}}}, 'field "networks[0].mac": "zz" is not a MAC address'),
    ({"networks": {"x": {"ipv4": "300.1.1.1"}}}, 'field "networks[0].ipv4"'), ({"networks": {"x": {"ipv6": "10.0.0.1"}}}, 'field "networks[0].ipv6": "10.0.0.1" is not an IPv6 address'),
    ({"dns": ["x"]}, 'field "dns": "x" is not an address'), ({"extraHosts": ["x"]}, 'field "extraHosts": "x" is not of the form NAME:ADDRESS'),
    ({"capAdd": ["NO"]}, 'field "capAdd": capability "CAP_NO" is unknown'), ({"sysctls": {"vm.swappiness": "1"}}, 'field "sysctls": "vm.swappiness"'),
    ({"ulimits": ["nofile=5:2"]}, 'field "ulimits"'), ({"devices": ["/dev/null:/dev/x:q"]}, 'field "devices[0]"'), ({"gpus": {"count": 1, "ids": ["0"]}}, 'field "gpus" must have either'),
    ({"memory": "1k"}, 'field "memory" must be at least'), ({"memory": "lots"}, 'field "memory"'), ({"memory": "64m", "memorySwap": "32m"}, 'field "memorySwap" must not be smaller'),
    ({"cpus": 10000}, 'field "cpus" must not be more than'), ({"cpuset": "7777"}, 'field "cpuset"'), ({"pidsLimit": -5}, 'field "pidsLimit" must be between'),
    ({"oomScoreAdj": 5000}, 'field "oomScoreAdj" must be between'), ({"ipc": "x"}, 'field "ipc": "x" is unknown'), ({"cgroupParent": "../x"}, 'field "cgroupParent"'),
    ({"dependsOn": ["web"]}, 'field "dependsOn": "web" is the container itself'), ({"dependsOn": {"db": {"condition": "x"}}}, 'field "dependsOn[0].condition" must be one of'),
    ({"signature": {"enforcementDigest": "x"}}, 'field "signature.enforcementDigest"'), ({"name": "a b"}, 'field "name"'),
]

# (fields, what is said): what only the device can tell, as it is now
ABSENT = [
    ({"devices": ["/dev/no-such"]}, 'field "devices[0]": device "/dev/no-such" is not there'), ({"envFile": ["/no/such"]}, 'field "envFile": could not open "/no/such"'),
    ({"securityOpt": ["seccomp=/no/such"]}, 'field "securityOpt": could not open "/no/such"'), ({"runtime": "no-such"}, 'field "runtime": unknown runtime "no-such"'),
    ({"networkMode": "no-such"}, "network no-such not found"), ({"networkMode": "container:no-such"}, 'field "networkMode": No such container: no-such'),
    ({"pid": "container:no-such"}, 'field "pid": No such container: no-such'), ({"volumesFrom": ["no-such"]}, "No such container: no-such"),
    ({"volumes": [{"type": "bind", "source": "/no/such", "target": "/x"}]}, "bind source path does not exist: /no/such"),
    ({"links": ["no-such"]}, "No such container: no-such"), ({"image": "busybox:no-such", "pull": "never"}, "its image is not there"),
]


@pytest.fixture(scope="module")
def running(shared):
    shared.declare("web")
    first = shared.wait_kept("web")
    yield shared, first
    shared.withdraw_all()


def is_untouched(device, first):
    now = device.container("web")
    return now and now["State"]["StartedAt"] == first["State"]["StartedAt"] and list(device.names()) == ["web"]


@pytest.mark.parametrize("fields, words", BAD, ids=[words[:40] for _, words in BAD])
def test_a_value_that_cannot_be(running, fields, words):
    device, first = running
    device.declare("web", **fields)
    problem = kedge.wait_for(lambda: [one for one in device.problems() if words in one])[0]
    assert problem.startswith('"web.yaml": ')
    assert is_untouched(device, first)


@pytest.mark.parametrize("fields, words", ABSENT, ids=[words[:40] for _, words in ABSENT])
def test_a_value_that_this_device_does_not_have(running, fields, words):
    device, first = running
    device.declare("web", **fields)
    assert not device.wait_reason("web", words)["asDeclared"]
    kedge.wait_for(lambda: list(device.names()) == ["web"])
    assert is_untouched(device, first)


def test_what_comes_later_is_noticed(device):
    node = device.directory / "late"
    device.declare("web", devices=[str(node)])
    device.wait_reason("web", f'device "{node}" is not there')
    os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    assert device.wait_kept("web", 30)["State"]["Running"]


def test_who_waits_is_told_after_a_few_tries(device):
    done = device.kedge("apply", "--wait", "-f", "-", input=b'{"name": "web", "image": "busybox:test", "runtime": "no-such"}', check=False)
    assert done.returncode == 1 and 'is not as declared: field "runtime": unknown runtime "no-such"' in " ".join(done.err.split())
