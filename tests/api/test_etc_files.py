# SPDX-License-Identifier: Apache-2.0
"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a container: whose they are, where they lie, what becomes of them."""
import fcntl
import os
import pathlib
import signal
import time

import pytest

import kedge

FILES = {"/etc/hosts": "HostsPath", "/etc/hostname": "HostnamePath", "/etc/resolv.conf": "ResolvConfPath"}


def output(box, command, **settings):
    identity = box.run_container(command, **settings)
    assert box.wait(identity) == 0, box.log_text(identity)
    return box.log_text(identity)


def test_they_lie_in_the_containers_directory(box):
    identity = box.run_container(["sleep", "1000"], Hostname="here")
    shown = box.inspect(identity)
    for name, key in FILES.items():
        path = pathlib.Path(shown[key])
        assert path.parent == box.store / "containers" / identity
        assert path.read_text() == pathlib.Path(f"/proc/{shown['State']['Pid']}/root{name}").read_text()
        assert os.stat(path).st_dev == os.stat(box.store).st_dev  # bounded as the container's other files are
    assert pathlib.Path(shown["HostnamePath"]).read_text() == "here\n"
    assert list((box.run_directory / "containers" / identity).glob("host*")) == []
    box.api.delete(f"/containers/{identity}?force=1")
    assert not pathlib.Path(shown["HostsPath"]).exists()


def test_root_in_the_container_may_write_and_a_start_makes_them_anew(box):
    script = "for f in hosts hostname resolv.conf; do echo '10.1.1.1 mine' >> /etc/$f || exit 1; done; exec sleep 1000"
    identity = box.run_container(["sh", "-c", script])
    shown = box.inspect(identity)
    for key in FILES.values():
        kedge.wait_for(lambda: "10.1.1.1 mine" in pathlib.Path(shown[key]).read_text())
    box.restart()  # of the daemon: nothing is lost
    assert all("10.1.1.1 mine" in pathlib.Path(shown[key]).read_text() for key in FILES.values())
    box.api.post(f"/containers/{identity}/stop?t=0")
    assert all("10.1.1.1 mine" in pathlib.Path(shown[key]).read_text() for key in FILES.values())
    box.api.post(f"/containers/{identity}/start")
    kedge.wait_for(lambda: pathlib.Path(shown["HostnamePath"]).read_text() == f"{identity[:12]}\n10.1.1.1 mine\n")
    kedge.wait_for(lambda: pathlib.Path(shown["HostsPath"]).read_text().count("10.1.1.1 mine") == 1)


def test_a_start_writes_only_what_differs(box):
    identity = box.run_container(["true"])
    box.wait(identity)
    shown = box.inspect(identity)
    before = [os.stat(shown[key]).st_mtime_ns for key in FILES.values()]
    box.start_container(identity)
    box.wait(identity)
    assert [os.stat(shown[key]).st_mtime_ns for key in FILES.values()] == before
    pathlib.Path(shown["HostsPath"]).write_text("torn")
    box.start_container(identity)
    box.wait(identity)
    assert "localhost" in pathlib.Path(shown["HostsPath"]).read_text()


def test_others_may_not_write_nor_may_a_read_only_container(box):
    script = "for f in /etc/hosts /etc/hostname /etc/resolv.conf; do (echo x >> $f) 2>/dev/null && echo wrote $f; done; echo end"
    assert output(box, ["sh", "-c", script], User="web") == "end\n"
    assert output(box, ["sh", "-c", script], host={"ReadonlyRootfs": True}) == "end\n"
    assert output(box, ["sh", "-c", script]).count("wrote") == 3


def test_the_callers_own_files_win(box):
    own = box.directory / "own-hosts"
    own.write_text("1.2.3.4 own\n")
    assert output(box, ["cat", "/etc/hosts"], host={"Binds": [f"{own}:/etc/hosts"]}) == "1.2.3.4 own\n"
    etc = box.directory / "own-etc"
    etc.mkdir(exist_ok=True)
    (etc / "note").write_text("note\n")
    text = output(box, ["sh", "-c", "cat /etc/note /etc/hostname"], host={"Binds": [f"{etc}:/etc"]}, Hostname="over")
    assert text == "note\nover\n"


def hosts(box, host=None, **config):
    return [line.split() for line in output(box, ["cat", "/etc/hosts"], host=host or {}, **config).splitlines()]


def test_hosts(box):
    extra = {"ExtraHosts": ["one:10.0.0.1", "six:fe80::1", "one:10.0.0.2"]}
    lines = hosts(box, extra, Hostname="a", Domainname="b.c")
    assert lines[0] == ["127.0.0.1", "localhost"]
    assert ["127.0.1.1", "a.b.c", "a"] in lines
    assert lines[-3:] == [["10.0.0.1", "one"], ["fe80::1", "six"], ["10.0.0.2", "one"]]
    assert ["127.0.1.1", "x.y.z", "x"] in hosts(box, Hostname="x.y.z")
    ours = pathlib.Path("/etc/hosts").read_text()
    text = output(box, ["cat", "/etc/hosts"], host={"NetworkMode": "host", "ExtraHosts": ["mine:10.0.0.1"]})
    assert text == ours + "10.0.0.1\tmine\n"


def test_host_gateway(box):
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={"ExtraHosts": ["up:host-gateway"]})
    assert problem.value.status == 400
    assert 'field "extraHosts": "up:host-gateway": this network has no way to the host' in problem.value.message
    assert ["127.0.0.1", "up"] in hosts(box, {"NetworkMode": "host", "ExtraHosts": ["up:host-gateway"]})


def test_a_lease_on_them_holds_up_nobody(box):
    """Who joined the network may take one on its owner's files: opening them to write waits for it, up to 45 seconds."""
    identity = box.run_container(["true"])
    assert box.wait(identity) == 0
    earlier = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with open(box.inspect(identity)["HostsPath"], "rb") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            begin = time.monotonic()
            status, text = box.api.raw("POST", f"/containers/{identity}/start")
            assert status >= 400 and b"hosts" in text and time.monotonic() - begin < 10
    finally:
        signal.signal(signal.SIGIO, earlier)
    box.start_container(identity)
    assert box.wait(identity) == 0


def test_host_gateway_of_the_configuration(tmp_path):
    settings = tmp_path / "kedged.yaml"
    settings.write_text("engine: {hostGateway: 192.0.2.7}\n")
    daemon = kedge.Daemon(options=["--config", str(settings)]).start()
    try:
        daemon.load_busybox()
        assert ["192.0.2.7", "up"] in hosts(daemon, {"ExtraHosts": ["up:host-gateway"]})
    finally:
        daemon.close()


def resolv_conf(box, **host):
    return output(box, ["cat", "/etc/resolv.conf"], host=host)


def test_resolv_conf(box):
    """The texts for all kinds of hosts are in tests/unit/engine/resolv-conf.c; here that they arrive."""
    ours = pathlib.Path("/etc/resolv.conf").read_text()
    assert resolv_conf(box, NetworkMode="host") == ours
    text = resolv_conf(box, Dns=["192.0.2.1", "192.0.2.2"], DnsSearch=["one", "two"], DnsOptions=["ndots:3", "rotate"])
    assert text == "search one two\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:3 rotate\n"
    assert not any(line.split()[1].startswith("127.") for line in resolv_conf(box).splitlines() if line.startswith("nameserver"))
