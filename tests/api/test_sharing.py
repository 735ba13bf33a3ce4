# SPDX-License-Identifier: Apache-2.0
"""Namespaces of other containers: --network, --pid and --ipc container:NAME."""
import os

import pytest

import kedge

MODES = {"NetworkMode": "net", "PidMode": "pid", "IpcMode": "ipc"}


def namespace(pid, name):
    return os.readlink(f"/proc/{pid}/ns/{name}")


def pid_of(box, name):
    return box.inspect(name)["State"]["Pid"]


def output(box, identity):
    assert box.wait(identity) == 0, box.log_text(identity)
    return box.log_text(identity)


@pytest.fixture
def owner(box):
    return box.run_container(["sleep", "1000"], name="owner", host={"IpcMode": "shareable"}, Hostname="harbour",
                             Domainname="example.org")


@pytest.mark.parametrize("mode", MODES)
def test_one_namespace_is_joined(box, owner, mode):
    joined = box.run_container(["sleep", "1000"], host={mode: "container:owner"})
    pids = pid_of(box, owner), pid_of(box, joined)
    for name in ("net", "pid", "ipc", "uts", "mnt"):
        assert (namespace(pids[0], name) == namespace(pids[1], name)) == (name == MODES[mode]), name
    assert box.inspect(joined)["HostConfig"][mode] == f"container:{owner}"


def test_a_network_comes_with_its_names(box, owner):
    script = "hostname; cat /etc/hosts /etc/hostname; echo '10.9.8.7 written' >> /etc/hosts"
    joined = box.run_container(["sh", "-c", script], host={"NetworkMode": f"container:{owner[:12]}"})
    lines = output(box, joined).splitlines()
    assert lines[0] == lines[-1] == "harbour"
    assert "127.0.1.1\tharbour.example.org harbour" in lines
    paths = box.inspect(joined)
    assert all(paths[key] == box.inspect(owner)[key] for key in ("HostsPath", "HostnamePath", "ResolvConfPath"))
    again = box.run_container(["cat", "/etc/hosts"], host={"NetworkMode": "container:owner"})
    assert "10.9.8.7 written" in output(box, again)
    assert box.inspect(joined)["NetworkSettings"]["Networks"] == {}


def test_nobody_sets_the_hosts_sysctls_by_joining_them(box):
    box.run_container(["sleep", "1000"], name="of-the-host", host={"NetworkMode": "host", "IpcMode": "host"})
    box.run_container(["sleep", "1000"], name="between", host={"NetworkMode": "container:of-the-host", "IpcMode": "container:of-the-host"})
    for mode, name in (("NetworkMode", "net.ipv4.tcp_syn_retries"), ("IpcMode", "kernel.msgmax")):
        with open("/proc/sys/" + name.replace(".", "/")) as file:
            now = file.read().strip()
        for other in ("of-the-host", "between"):
            identity = box.create(["true"], host={mode: f"container:{other}", "Sysctls": {name: now}})
            status, text = box.api.raw("POST", f"/containers/{identity}/start")
            assert status == 400 and b"the host's" in text, text
    own = box.run_container(["cat", "/proc/sys/net/ipv4/tcp_syn_retries"], host={"Sysctls": {"net.ipv4.tcp_syn_retries": "3"}})
    assert output(box, own) == "3\n"


def test_loopback_is_shared(box, owner):
    server = box.run_container(["sh", "-c", "mkdir /w; echo from the server > /w/x; exec httpd -f -p 127.0.0.1:80 -h /w"],
                               host={"NetworkMode": "container:owner"})
    client = box.run_container(["sh", "-c", "until wget -q -O - http://127.0.0.1/x; do usleep 50000; done"],
                               host={"NetworkMode": f"container:{server}"})
    assert output(box, client).splitlines()[-1] == "from the server"


def test_processes_are_seen_and_shared_memory_too(box, owner):
    writer = box.run_container(["sh", "-c", "echo in memory > /dev/shm/note; ps"],
                               host={"IpcMode": "container:owner", "PidMode": "container:owner"})
    assert "sleep 1000" in output(box, writer)
    reader = box.run_container(["cat", "/dev/shm/note"], host={"IpcMode": "container:owner"})
    assert output(box, reader) == "in memory\n"
    assert output(box, box.run_container(["ls", "/dev/shm"])) == ""
    box.run_container(["sleep", "1000"], host={"IpcMode": "container:owner"}, name="between")
    assert output(box, box.run_container(["cat", "/dev/shm/note"], host={"IpcMode": "container:between"})) == "in memory\n"


def test_memory_that_was_not_offered_is_not_joined(box):
    box.run_container(["sleep", "1000"], name="private")
    joiner = box.create(["true"], host={"IpcMode": "container:private"})
    with pytest.raises(kedge.ApiError) as problem:
        box.start_container(joiner)
    assert problem.value.status == 409
    assert 'cannot join the ipc namespace of container "private": it is not shareable' in problem.value.message


def test_init_stays_out_of_a_joined_pid_namespace(box, owner):
    joined = box.run_container(["cat", "/proc/self/comm"], host={"PidMode": "container:owner", "Init": True})
    assert output(box, joined) == "cat\n"


@pytest.mark.parametrize("mode", MODES)
def test_the_other_must_run(box, mode):
    box.create(["true"], name="idle", host={"IpcMode": "shareable"})
    joiner = box.create(["true"], host={mode: "container:idle"})
    with pytest.raises(kedge.ApiError) as problem:
        box.start_container(joiner)
    assert problem.value.status == 409
    assert 'of container "idle": it is not running' in problem.value.message
    assert box.inspect(joiner)["State"]["Status"] == "created"


@pytest.mark.parametrize("mode", MODES)
def test_the_other_must_be_there_at_create(box, mode):
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={mode: "container:nobody"})
    assert problem.value.status == 400  # not 404: a client would pull the image
    assert problem.value.message.endswith(f'field "{mode[0].lower()}{mode[1:]}": No such container: nobody')


def test_the_other_ends_and_starts_again(box, owner):
    """As with Docker: what runs keeps what it joined, the next start joins what is there then."""
    joined = box.run_container(["sleep", "1000"], host={"NetworkMode": "container:owner"})
    before = namespace(pid_of(box, joined), "net")
    box.api.post(f"/containers/{owner}/restart?t=0")
    assert box.inspect(joined)["State"]["Running"]
    assert namespace(pid_of(box, joined), "net") == before != namespace(pid_of(box, owner), "net")
    box.api.post(f"/containers/{joined}/restart?t=0")
    assert namespace(pid_of(box, joined), "net") == namespace(pid_of(box, owner), "net")
    box.api.post(f"/containers/{owner}/stop?t=0")
    assert box.inspect(joined)["State"]["Running"]
    with pytest.raises(kedge.ApiError):
        box.api.post(f"/containers/{joined}/restart?t=0")


def test_a_joined_pid_namespace_ends_with_its_first_process(box, owner):
    joined = box.run_container(["sleep", "1000"], host={"PidMode": "container:owner"})
    box.api.post(f"/containers/{owner}/kill")
    assert box.wait(joined) == 137


def test_restart_policies_wait_for_the_other(box, owner):
    joined = box.run_container(["sleep", "1000"], host={"NetworkMode": "container:owner", "PidMode": "container:owner",
                                                        "RestartPolicy": {"Name": "always"}})
    first = pid_of(box, joined)
    box.api.post(f"/containers/{owner}/stop?t=0")
    kedge.wait_for(lambda: box.inspect(joined)["State"]["Restarting"])
    box.api.post(f"/containers/{owner}/start")
    kedge.wait_for(lambda: box.inspect(joined)["State"]["Running"] and pid_of(box, joined) not in (0, first), 30)
    assert namespace(pid_of(box, joined), "net") == namespace(pid_of(box, owner), "net")


def test_names_are_kept_as_ids(box, owner):
    joined = box.create(["true"], host={"NetworkMode": "container:owner"})
    box.api.post("/containers/owner/rename?name=moved")
    box.run_container(["sleep", "1000"], name="owner")
    box.start_container(joined)
    assert box.wait(joined) == 0
    assert box.inspect(joined)["HostConfig"]["NetworkMode"] == f"container:{owner}"


CONFLICTS = [({}, {"Hostname": "x"}, "hostname and the network mode"),
             ({"ExtraHosts": ["a:1.2.3.4"]}, {}, "custom host-to-IP mapping and the network mode"),
             ({"Dns": ["1.2.3.4"]}, {}, "dns and the network mode"), ({"DnsSearch": ["x"]}, {}, "dns and the network mode"),
             ({}, {"ExposedPorts": {"80/tcp": {}}}, "port exposing and the container type network mode")]


@pytest.mark.parametrize("host,config,text", CONFLICTS)
def test_what_belongs_to_the_owner_is_refused(box, owner, host, config, text):
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={"NetworkMode": "container:owner", **host}, **config)
    assert (problem.value.status, problem.value.message) == (400, f"conflicting options: {text}")


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_from_the_command_line(box, owner, program):
    run = getattr(box, program)
    assert run("run", "--rm", "--network", "container:owner", "busybox:test", "hostname").out == "harbour\n"
    assert "sleep 1000" in run("run", "--rm", "--network", "none", "--pid", "container:owner", "busybox:test", "ps").out
    assert run("run", "--rm", "--network", "none", "--ipc", "container:owner", "busybox:test", "true").returncode == 0
    missing = run("run", "--rm", "--network", "container:nobody", "busybox:test", "true", check=False)
    assert missing.returncode == 125
    assert "No such container: nobody" in missing.err


def test_daemon_restart_changes_nothing(box, owner):
    joined = box.run_container(["sleep", "1000"], host={"NetworkMode": "container:owner"})
    box.restart()
    assert namespace(pid_of(box, joined), "net") == namespace(pid_of(box, owner), "net")
    box.api.post(f"/containers/{joined}/restart?t=0")
    assert namespace(pid_of(box, joined), "net") == namespace(pid_of(box, owner), "net")
