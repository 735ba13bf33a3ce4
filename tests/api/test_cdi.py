# SPDX-License-Identifier: Apache-2.0
"""Devices by the Container Device Interface, and GPUs: made-up specifications over real nodes, read at each start."""
import json
import os
import pathlib
import stat

import pytest

import kedge

KIND = "vendor.com/thing"


class Site:
    """A kedged with two directories of specifications of its own; the later one goes first."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.low, self.high, self.nodes, self.programs = (self.directory / name for name in ("low", "high", "nodes", "bin"))
        for path in (self.low, self.high, self.nodes, self.programs):
            path.mkdir()
        self.daemon = kedge.Daemon(options=["--cdi-spec-dir", str(self.low), "--cdi-spec-dir", str(self.high)],
                                   environment={"PATH": f"{self.programs}:{os.environ['PATH']}"})
        self.daemon.start()
        self.daemon.load_busybox()

    def node(self, name, numbers=(1, 5), mode=0o640, kind=stat.S_IFCHR):
        path = self.nodes / name
        os.mknod(path, mode | kind, os.makedev(*numbers))
        os.chmod(path, mode)
        return str(path)

    def describe(self, devices, kind=KIND, where=None, name="thing.json", version="0.8.0", **more):
        document = {"cdiVersion": version, "kind": kind, **more,
                    "devices": [{"name": key, "containerEdits": edits} for key, edits in devices.items()]}
        ((where or self.low) / name).write_text(json.dumps(document))

    def request(self, *names, **more):
        return {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": list(names), **more}]}

    def run(self, script, *names, host=None, **config):
        """What it says, once it has ended."""
        host = host or (self.request(*names) if names else {})
        identity = self.daemon.create(["sh", "-c", script], host=host, **config)
        self.daemon.start_container(identity)
        self.daemon.wait(identity)
        return self.daemon.log_text(identity)

    def refused(self, *names, host=None):
        """Why it does not start."""
        identity = self.daemon.create(["true"], host=host or self.request(*names))
        status, body = self.daemon.api.raw("POST", f"/containers/{identity}/start")
        assert status == 400, body
        message = json.loads(body)["message"]
        assert self.daemon.inspect(identity)["State"]["Status"] == "created"
        return message


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory):
    it = Site(tmp_path_factory.mktemp("cdi"))
    yield it
    it.daemon.close()


@pytest.fixture
def site(shared_site):
    """Without specifications, nodes and programs of earlier tests."""
    for directory in (shared_site.low, shared_site.high, shared_site.nodes, shared_site.programs):
        for path in directory.iterdir():
            path.unlink()
    yield shared_site
    shared_site.daemon.remove_all()
    kedge.wait_for(lambda: not shared_site.daemon.leftovers(), 15)


# ---- edits ----------------------------------------------------------------------------------------------------------------------

def test_environment(site):
    site.describe({"one": {"env": ["THING=1", "BOTH=device"]}})
    assert site.run("echo $THING $BOTH $OWN", f"{KIND}=one", Env=["OWN=own", "BOTH=caller"]) == "1 device own\n"


def test_nodes(site):
    """As the host has it, elsewhere than the host has it, and made of numbers alone."""
    site.describe({"one": {"deviceNodes": [
        {"path": site.node("zero")},
        {"path": "/dev/moved", "hostPath": site.node("other", (1, 3))},
        {"path": "/dev/made", "type": "c", "major": 1, "minor": 5, "fileMode": 0o604, "uid": 7, "gid": 8},
    ]}})
    script = f"stat -c '%F %t:%T %a %u:%g' {site.nodes}/zero /dev/moved /dev/made; head -c 2 /dev/made | od -An -tx1"
    assert site.run(script, f"{KIND}=one").splitlines() == [
        "character special file 1:5 640 0:0", "character special file 1:3 640 0:0", "character special file 1:5 604 7:8", " 00 00"]


def test_nodes_belong_to_the_process(site):
    """Where the specification names no owner: it is the container's user."""
    site.describe({"one": {"deviceNodes": [{"path": "/dev/thing", "hostPath": site.node("zero", mode=0o600)}]}})
    assert site.run("stat -c %u:%g /dev/thing; head -c 1 /dev/thing | od -An -tx1", f"{KIND}=one", User="1000:1000") == "1000:1000\n 00\n"


@pytest.mark.parametrize("permissions, opened", [("rwm", "read write"), ("r", "read "), ("w", " write"), (None, "read write")])
def test_only_what_is_permitted(site, permissions, opened):
    """FUSE's node is one that no container may open by itself."""
    node = {"path": "/dev/thing", "hostPath": site.node("fuse", (10, 229), 0o666)}
    site.describe({"one": {"deviceNodes": [{**node, **({"permissions": permissions} if permissions else {})}]}})
    script = "a=$( (: < /dev/thing) 2>&1) && echo -n read; echo -n ' '; b=$( (: > /dev/thing) 2>&1) && echo -n write"
    assert site.run(script, f"{KIND}=one") == opened


def test_no_device_without_asking(site):
    site.describe({"one": {"deviceNodes": [{"path": "/dev/thing", "hostPath": site.node("zero")}]}})
    assert "No such file" in site.run("ls /dev/thing 2>&1")


def test_mounts(site):
    (site.nodes / "file").write_text("of the host")
    site.describe({"one": {"mounts": [
        {"hostPath": str(site.nodes / "file"), "containerPath": "/given/file", "options": ["ro", "nosuid", "nodev", "bind"]},
        {"hostPath": "tmpfs", "containerPath": "/scratch", "type": "tmpfs", "options": ["size=64k"]},
        {"hostPath": str(site.nodes / "file"), "containerPath": "/plain"}]}})
    script = "cat /given/file /plain; (echo x > /given/file) 2>&1; grep -c ' /scratch tmpfs' /proc/mounts"
    said = site.run(script, f"{KIND}=one")
    assert said.startswith("of the hostof the host") and "Read-only file system" in said and said.endswith("\n1\n")


@pytest.mark.parametrize("hook", ["prestart", "createRuntime", "createContainer", "poststart"])
def test_hooks(site, hook):
    """They get the container's state, on the host's side."""
    heard = site.nodes / "heard"
    site.describe({"one": {"hooks": [{"hookName": hook, "path": "/bin/sh", "env": [f"WHERE={heard}"], "timeout": 20,
                                      "args": ["sh", "-c", "cat > $WHERE; echo $0 >> $WHERE", "name"]}]}})
    identity = site.daemon.run_container(["sleep", "1000"], host=site.request(f"{KIND}=one"))
    text = kedge.wait_for(lambda: heard.exists() and heard.read_text().endswith("name\n") and heard.read_text())
    assert json.loads(text[:-len("name\n")].strip())["id"] == identity


def test_a_hook_that_fails_ends_the_start(site):
    site.describe({"one": {"hooks": [{"hookName": "createRuntime", "path": "/bin/false", "args": ["false"]}]}})
    identity = site.daemon.create(["sleep", "1000"], host=site.request(f"{KIND}=one"))
    assert site.daemon.api.raw("POST", f"/containers/{identity}/start")[0] >= 400
    assert not site.daemon.inspect(identity)["State"]["Running"]


def test_additional_groups(site):
    site.describe({"one": {"additionalGids": [4242, 4243]}}, version="0.7.0")
    assert {"4242", "4243"} <= set(site.run("id -G", f"{KIND}=one", User="1000").split())


def test_edits_of_all_devices_come_once(site):
    heard = site.nodes / "heard"
    hook = {"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", f"echo once >> {heard}"]}
    site.describe({"one": {"env": ["ONE=1"]}, "two": {"env": ["TWO=2"]}}, containerEdits={"env": ["ALL=0"], "hooks": [hook]})
    requests = [{"Driver": "cdi", "DeviceIDs": [f"{KIND}=one"]}, {"Driver": "cdi", "DeviceIDs": [f"{KIND}=two"]}]
    assert site.run("echo $ALL $ONE $TWO", host={"DeviceRequests": requests}) == "0 1 2\n"
    assert heard.read_text() == "once\n"


def test_a_privileged_container(site):
    site.describe({"one": {"env": ["A=1"], "deviceNodes": [{"path": "/dev/zero"}, {"path": "/dev/thing", "hostPath": "/dev/zero"}]}})
    host = {"Privileged": True, **site.request(f"{KIND}=one")}
    assert site.run("echo $A; head -c 1 /dev/thing | od -An -tx1; head -c 1 /dev/zero | od -An -tx1", host=host) == "1\n 00\n 00\n"


def test_a_node_in_another_one_s_place(site):
    site.describe({"one": {"deviceNodes": [{"path": "/dev/thing", "hostPath": site.node("zero")}]}})
    host = {"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/thing", "CgroupPermissions": "rwm"}], **site.request(f"{KIND}=one")}
    assert site.run("stat -c %t:%T /dev/thing", host=host) == "1:5\n"


# ---- specifications -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0"])
def test_versions(site, version):
    site.describe({"one": {"env": [f"V={version}"]}}, version=version)
    assert site.run("echo $V", f"{KIND}=one") == f"{version}\n"


def test_yaml(site):
    (site.high / "thing.yaml").write_text(f"# by hand\ncdiVersion: 0.6.0\nkind: {KIND}\ndevices:\n  - name: one\n    containerEdits:\n"
                                          "      env: [FROM=yaml]\n")
    assert site.run("echo $FROM", f"{KIND}=one") == "yaml\n"


def test_the_later_directory_goes_first(site):
    site.describe({"one": {"env": ["FROM=low"]}, "two": {"env": ["TWO=low"]}})
    site.describe({"one": {"env": ["FROM=high"]}}, where=site.high)
    assert site.run("echo $FROM $TWO", f"{KIND}=one", f"{KIND}=two") == "high low\n"


def test_twice_in_one_directory(site):
    for name in ("a.json", "b.json"):
        site.describe({"one": {"env": ["A=1"]}}, name=name)
    message = site.refused(f"{KIND}=one")
    assert f'"{KIND}=one" is both in' in message and "a.json" in message and "b.json" in message


def test_names_are_whole(site):
    site.describe({"one": {"env": ["A=1"]}})
    for name in (f"{KIND}=on", f"{KIND}=one2", "vendor.com/thin=one", KIND, "one"):
        assert f'"{name}" is not there' in site.refused(name)


def test_none_at_all(site):
    message = site.refused("vendor.com/other=one")
    assert f'CDI device "vendor.com/other=one" is not there: no specification in {site.low}, {site.high} has it' in message


BAD = [
    ("{", "invalid YAML"),
    ('{"cdiVersion": "0.2.0", "kind": "a.b/c", "devices": [{"name": "x"}]}', '"cdiVersion"'),
    ('{"cdiVersion": "0.6.0", "kind": "a.b", "devices": [{"name": "x"}]}', '"a.b=x" is no name of a device'),
    ('{"cdiVersion": "0.6.0", "kind": "a.b/c", "devices": []}', "there are no devices"),
    ('{"cdiVersion": "0.6.0", "kind": "a.b/c"}', '"devices"'),
    ('{"cdiVersion": "0.6.0", "kind": "a.b/c", "devices": [{"name": "x", "containerEdits": {"netDevices": []}}]}', '"netDevices" is unknown'),
    ('{"cdiVersion": "0.6.0", "kind": "a.b/c", "devices": [{"name": "x", "containerEdits": {"env": ["A"]}}]}', '"A" is not of the form'),
    ('{"cdiVersion": "0.6.0", "kind": "a.b/c", "devices": [{"name": "x", "containerEdits": {"hooks": [{"hookName": "later", "path": "/x"}]}}]}',
     'there are no "later" hooks'),
    ('{"cdiVersion": "0.6.0", "kind": "a.b/c", "devices": [{"name": "x", "containerEdits": {"deviceNodes": [{"path": "dev"}]}}]}',
     "not an absolute path"),
    ('{"cdiVersion": "0.7.0", "kind": "a.b/c", "devices": [{"name": "x", "containerEdits": {"intelRdt": {"closID": "a"}}}]}', '"intelRdt"'),
]


@pytest.mark.parametrize("text, reason", BAD)
def test_a_bad_specification(site, text, reason):
    """It keeps no other's devices away, and is told to who asks for one that is not there."""
    (site.low / "bad.json").write_text(text)
    site.describe({"one": {"env": ["A=1"]}})
    assert site.run("echo $A", f"{KIND}=one") == "1\n"
    message = site.refused("a.b/c=x")
    assert '"a.b/c=x" is not there' in message and "bad.json" in message and reason in message


def test_other_files_are_none(site):
    (site.low / "README").write_text("{")
    (site.low / ".hidden.json").write_text("{")
    (site.low / "directory.json.d").mkdir()
    try:
        assert "bad" not in site.refused("a.b/c=x") and "README" not in site.refused("a.b/c=x")
    finally:
        (site.low / "directory.json.d").rmdir()


def test_a_node_that_is_not_there(site):
    site.describe({"one": {"deviceNodes": [{"path": "/dev/no-such-thing"}]}, "two": {"deviceNodes": [{"path": "/dev/x", "hostPath": "/etc/passwd"}]},
                   "three": {"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/null", "type": "b"}]}})
    assert 'device "/dev/no-such-thing": No such file or directory' in site.refused(f"{KIND}=one")
    assert '"/etc/passwd" is not the device' in site.refused(f"{KIND}=two")
    assert '"/dev/null" is not the device' in site.refused(f"{KIND}=three")


# ---- when they are read ---------------------------------------------------------------------------------------------------------

def test_each_start_reads_them(site):
    identity = site.daemon.create(["sh", "-c", "echo $N"], host=site.request(f"{KIND}=one"))
    assert site.daemon.api.raw("POST", f"/containers/{identity}/start")[0] == 400
    for number in ("1", "2"):
        site.describe({"one": {"env": [f"N={number}"]}})
        site.daemon.start_container(identity)
        site.daemon.wait(identity)
    assert site.daemon.log_text(identity) == "1\n2\n"


def test_a_kedged_that_is_killed(site):
    site.describe({"one": {"env": ["N=1"]}})
    identity = site.daemon.run_container(["sh", "-c", "echo $N; exec sleep 1000"], host=site.request(f"{KIND}=one"), StopSignal="KILL")
    site.daemon.restart()
    assert site.daemon.inspect(identity)["State"]["Running"]
    site.daemon.api.post(f"/containers/{identity}/restart")
    kedge.wait_for(lambda: site.daemon.log_text(identity) == "1\n1\n")


def test_inspect_shows_the_request(site):
    request = {"Driver": "cdi", "Count": 0, "DeviceIDs": [f"{KIND}=one"], "Capabilities": [], "Options": {"a": "b"}}
    identity = site.daemon.create(["true"], host={"DeviceRequests": [request]})
    assert site.daemon.inspect(identity)["HostConfig"]["DeviceRequests"] == [request]
    assert site.daemon.inspect(site.daemon.create(["true"]))["HostConfig"]["DeviceRequests"] is None


BAD_REQUESTS = [
    ({"Driver": "nvidia", "Count": 1, "DeviceIDs": ["0"]}, "cannot set both Count and DeviceIDs on device request"),
    ({"Count": -2}, '"count"'),
    ({"Capabilities": "gpu"}, '"capabilities"'),
    ({"Capabilities": ["gpu"]}, '"capabilities[0]"'),
    ({"Capabilities": [[1]]}, '"capabilities[0]"'),
    ({"Count": "all"}, '"DeviceRequests[0].Count"'),
]


@pytest.mark.parametrize("request_, reason", BAD_REQUESTS)
def test_bad_requests(site, request_, reason):
    body = {"Image": "busybox:test", "HostConfig": {"DeviceRequests": [request_]}}
    status, answer = site.daemon.api.raw("POST", "/containers/create", json.dumps(body), {"Content-Type": "application/json"})
    assert status == 400 and reason in json.loads(answer)["message"]


# ---- GPUs -----------------------------------------------------------------------------------------------------------------------

def describe_gpus(site, *names):
    """As nvidia-ctk writes them: by number, by id, and all."""
    site.describe({name: {"env": [f"GPU_{name.replace('-', '_')}=yes"]} for name in names}, kind="nvidia.com/gpu", name="nvidia.json",
                  version="0.5.0", containerEdits={"env": ["DRIVER=nvidia"]})


def gpus(**request):
    return {"DeviceRequests": [{"Capabilities": [["gpu"]], **request}]}


LIST = "env | grep -o '^GPU_[^=]*\\|^DRIVER=.*' | sort"


@pytest.mark.parametrize("request_, given", [
    ({"Count": -1}, ["GPU_all"]), ({"Count": 1}, ["GPU_0"]), ({"Count": 2}, ["GPU_0", "GPU_1"]), ({"DeviceIDs": ["1"]}, ["GPU_1"]),
    ({"DeviceIDs": ["GPU-abc", "0"]}, ["GPU_0", "GPU_GPU_abc"]), ({"Driver": "nvidia", "Count": 1}, ["GPU_0"]),
    ({"Driver": "nvidia", "Count": -1, "DeviceIDs": None, "Options": None}, ["GPU_all"]),  # as Eclipse Kura asks
    ({"Count": 1, "Capabilities": [["tpu"], ["gpu", "compute", "utility"]]}, ["GPU_0"])])
def test_gpus_of_cdi(site, request_, given):
    describe_gpus(site, "0", "1", "all", "GPU-abc")
    assert site.run(LIST, host=gpus(**request_)).split() == ["DRIVER=nvidia", *given]


def test_all_gpus_where_none_is_called_so(site):
    describe_gpus(site, "0", "1", "10", "2")
    assert site.run(LIST, host=gpus(Count=-1)).split() == ["DRIVER=nvidia", "GPU_0", "GPU_1", "GPU_10", "GPU_2"]
    assert site.run(LIST, host=gpus(Count=3)).split() == ["DRIVER=nvidia", "GPU_0", "GPU_1", "GPU_2"]


def test_more_gpus_than_there_are(site):
    describe_gpus(site, "0", "1", "all")
    assert "3 GPUs are asked for, and there are 2" in site.refused(host=gpus(Count=3))
    describe_gpus(site, "0", "GPU-abc", "all")  # which is one card
    assert "2 GPUs are asked for, and there are 1" in site.refused(host=gpus(Count=2))
    assert '"nvidia.com/gpu=7" is not there' in site.refused(host=gpus(DeviceIDs=["7"]))


def test_no_gpus(site):
    message = site.refused(host=gpus(Count=-1))
    assert 'could not select device driver "" with capabilities: [[gpu]]' in message
    assert "no CDI specification of nvidia.com/gpu" in message and "nvidia-container-runtime-hook is not installed" in message


@pytest.mark.parametrize("request_, words", [({"Driver": "amd", "Count": 1}, '"amd" with capabilities: [[gpu]]'),
                                             ({"Count": 1, "Capabilities": [["tpu"]]}, '"" with capabilities: [[tpu]]'),
                                             ({"Count": 1, "Capabilities": [["gpu", "tpu"], ["x"]]}, '"" with capabilities: [[gpu tpu] [x]]')])
def test_drivers_that_there_are_not(site, request_, words):
    describe_gpus(site, "0")
    assert f"could not select device driver {words}" in site.refused(host=gpus(**request_))


@pytest.mark.parametrize("request_, visible, capabilities", [
    ({"Count": -1}, "all", ""), ({"Count": 2}, "0,1", ""), ({"DeviceIDs": ["GPU-a", "3"]}, "GPU-a,3", ""),
    ({"Count": 1, "Capabilities": [["gpu", "utility", "compute"]]}, "0", "compute,utility")])
def test_the_hook_of_nvidia_s_toolkit(site, request_, visible, capabilities):
    """Where no specification has GPUs: it is told by the environment which ones, as Docker tells it."""
    heard = site.nodes / "heard"
    hook = site.programs / "nvidia-container-runtime-hook"
    hook.write_text(f"#!/bin/sh\necho \"$1\" > {heard}\ncat >> {heard}\n")
    hook.chmod(0o755)
    said = site.run("echo $NVIDIA_VISIBLE_DEVICES/$NVIDIA_DRIVER_CAPABILITIES", host=gpus(**request_))
    assert said == f"{visible}/{capabilities}\n"
    assert heard.read_text().startswith("prestart\n{")


# ---- the command line -----------------------------------------------------------------------------------------------------------

def test_the_command_line(site):
    site.describe({"one": {"env": ["THING=1"], "deviceNodes": [{"path": "/dev/thing", "hostPath": site.node("zero")}]}})
    describe_gpus(site, "0", "1", "all")
    run = ["run", "--rm", "--network", "none"]
    done = site.daemon.kedge(*run, "--device", f"{KIND}=one", "--gpus", "2", "busybox:test", "sh", "-c", f"echo $THING; {LIST}; ls /dev/thing")
    assert done.out.split() == ["1", "DRIVER=nvidia", "GPU_0", "GPU_1", "/dev/thing"]
    assert site.daemon.kedge(*run, "--gpus", "all", "busybox:test", "sh", "-c", LIST).out.split() == ["DRIVER=nvidia", "GPU_all"]
    done = site.daemon.kedge(*run, "--gpus", '"device=1,0"', "busybox:test", "sh", "-c", LIST)
    assert done.out.split() == ["DRIVER=nvidia", "GPU_0", "GPU_1"]
    done = site.daemon.kedge(*run, "--device", f"{KIND}=two", "busybox:test", "true", check=False)
    assert done.returncode == 125 and f'CDI device "{KIND}=two" is not there' in done.err


@pytest.mark.skipif(not kedge.docker_major(), reason="docker's command line is not installed")
def test_docker_s_command_line(site):
    site.describe({"one": {"env": ["THING=1"]}})
    describe_gpus(site, "0", "1", "all")
    run = ["run", "--rm", "--network", "none"]
    assert site.daemon.docker(*run, "--gpus", "all", "busybox:test", "sh", "-c", LIST).out.split() == ["DRIVER=nvidia", "GPU_all"]
    if kedge.docker_major() >= 25:  # those before take it for a path
        assert site.daemon.docker(*run, "--device", f"{KIND}=one", "busybox:test", "sh", "-c", "echo $THING").out == "1\n"
