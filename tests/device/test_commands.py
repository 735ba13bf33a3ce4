# SPDX-License-Identifier: Apache-2.0
"""kedge apply, diff --file, get, set, delete and snapshots, and the API below them."""
import json
import os
import shlex
import subprocess

import pytest

import kedge

WEB = {"image": "busybox:test", "command": ["sleep", "1000"], "stopSignal": "KILL", "probation": "300ms"}
PATH = "/kedge/v1/containers/web"


def etag(device):
    connection = kedge.UnixConnection(device.socket)
    connection.request("GET", PATH)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["ETag"]


def test_apply_a_file_a_directory_and_standard_input(device, tmp_path):
    (tmp_path / "web.yaml").write_text(json.dumps(WEB))
    assert device.kedge("apply", "-f", tmp_path / "web.yaml").out == "web: created\n"
    device.wait_kept("web")
    assert device.kedge("apply", "-f", tmp_path / "web.yaml").out == "web: unchanged\n"
    (tmp_path / "db.json").write_text(json.dumps(WEB))
    assert device.kedge("apply", "-f", tmp_path).out == "db: created\nweb: unchanged\n"
    device.wait_kept("db")
    text = json.dumps({**WEB, "name": "third"}).encode()
    assert device.kedge("apply", "-f", "-", input=text).out == "third: created\n"
    device.wait_kept("third")
    assert sorted(path.name for path in device.containers.iterdir()) == ["db.yaml", "third.yaml", "web.yaml"]


def test_apply_writes_nothing_where_one_is_wrong(device, tmp_path):
    (tmp_path / "aa.yaml").write_text(json.dumps(WEB))
    (tmp_path / "bb.yaml").write_text(json.dumps({**WEB, "restart": "sometimes"}))
    done = device.kedge("apply", "-f", tmp_path, check=False)
    assert done.returncode == 1 and 'bb: field "restart"' in done.err
    assert not list(device.containers.iterdir())
    (tmp_path / "bb.yaml").write_text("")
    done = device.kedge("apply", "-f", tmp_path, check=False)
    assert done.returncode == 1 and "bb: it is no declaration, but empty" in done.err
    (tmp_path / "bb.yaml").write_text(json.dumps({"services": {"web": WEB}}))
    done = device.kedge("apply", "-f", tmp_path, check=False)
    assert done.returncode == 1 and 'hint: "kedge convert" makes declarations' in done.err


def test_dry_run_and_diff_change_nothing_and_tell(device, tmp_path):
    device.declare("web", memory="32m")
    first = device.wait_kept("web")
    (tmp_path / "web.yaml").write_text(json.dumps({**WEB, "memory": "64m"}))
    done = device.kedge("diff", "-f", tmp_path / "web.yaml", check=False)
    assert done.returncode == 1
    assert done.out == "web: changed; its container is updated in place\n- memory: \"32m\"\n+ memory: \"64m\"\n"
    assert device.kedge("apply", "--dry-run", "-f", tmp_path / "web.yaml").out == done.out
    assert device.wait_kept("web")["HostConfig"]["Memory"] == 32 << 20
    device.kedge("apply", "-f", tmp_path / "web.yaml")
    kedge.wait_for(lambda: device.container("web")["HostConfig"]["Memory"] == 64 << 20)
    assert device.container("web")["Id"] == first["Id"]
    done = device.kedge("diff", "-f", tmp_path / "web.yaml")
    assert done.out == "web: unchanged\n"
    (tmp_path / "web.yaml").write_text(json.dumps({**WEB, "memory": "64m", "user": "web"}))
    assert "its container is replaced\n+ user: \"web\"\n" in device.kedge("diff", "-f", tmp_path / "web.yaml", check=False).out


def wait_for_it(device, timeout="", check=True, **fields):
    text = json.dumps({**WEB, "name": "web", **fields}).encode()
    return device.kedge("apply", f"--wait{timeout}", "-f", "-", input=text, check=check)


def test_a_change_of_one_that_is_not_enabled_speaks_of_no_container(device, tmp_path):
    (tmp_path / "web.yaml").write_text(json.dumps({**WEB, "enabled": False}))
    assert device.kedge("apply", "-f", tmp_path).out == "web: created\n"
    for change in ({"probation": "7s"}, {"memory": "32m"}, {"user": "1"}):
        (tmp_path / "web.yaml").write_text(json.dumps({**WEB, "enabled": False, **change}))
        assert device.kedge("apply", "-f", tmp_path).out == "web: changed; it is not enabled, and has no container\n"


def test_more_files_than_are_applied_at_a_time_are_refused_by_name(device, tmp_path):
    for number in range(257):
        (tmp_path / f"c{number}.yaml").write_text('{"image": "busybox:test", "enabled": false}')
    done = device.kedge("apply", "-f", tmp_path, check=False)
    assert done.returncode == 1 and f'there are 257 declarations in "{tmp_path}": 256 is the most at a time' in done.err
    done = device.kedge("apply", *[f"--file={path}" for path in tmp_path.iterdir()], check=False)
    assert done.returncode == 1 and "there are 257 declarations in the files that are named" in done.err
    assert not device.kept()
    (tmp_path / "c0.yaml").unlink()
    assert device.kedge("apply", "--dry-run", "-f", tmp_path).out.count(": created") == 256


def test_apply_waits_until_it_is_so(device):
    assert wait_for_it(device).out == "web: created\nweb: as declared\n"
    assert device.container("web")["State"]["Running"]
    check = {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "50ms", "retries": 1000}
    done = wait_for_it(device, "=1m", command=["sh", "-c", "sleep 0.5; touch /tmp/ready; exec sleep 1000"], healthcheck=check)
    assert done.out.endswith("web: as declared\n") and not done.err
    assert device.container("web")["State"]["Health"]["Status"] == "healthy" and list(device.names()) == ["web"]
    assert wait_for_it(device, enabled=False).out.endswith("web: as declared\n")
    assert not device.container("web")
    done = wait_for_it(device, enabled=True, command=["true"], restart="no")
    assert done.out.endswith("web: as declared\n") and device.container("web")["State"]["ExitCode"] == 0


def test_apply_waits_for_the_health_of_a_first_one_too(device):
    check = {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "50ms", "retries": 1000}
    done = wait_for_it(device, "=1s", check=False, healthcheck=check)
    assert done.returncode == 1 and 'container "web" is not as declared after 1s: its health check has not succeeded yet' in " ".join(done.err.split())
    assert "web is as declared: it runs, and its health check has not succeeded yet" in device.kedge("get", "web").out
    device.kedge("exec", "web", "touch", "/tmp/ready")
    assert wait_for_it(device, healthcheck=check).out == "web: unchanged\nweb: as declared\n"


def test_apply_says_why_it_is_not_so(device, tmp_path):
    wait_for_it(device)
    for fields, words in (({"command": ["sh", "-c", "exit 5"]}, "did not come up"), ({"command": ["/no/such"]}, "/no/such"),
                          ({"image": "busybox:missing", "pull": "never"}, "its image is not there, and is never to be pulled"),
                          ({"image": "127.0.0.1:1/app:1", "pullRetries": 1}, "(1 tries)"),
                          ({"signature": {"trustAnchor": "x"}}, "signatures are not checked yet")):
        done = wait_for_it(device, check=False, **fields)  # none of them would come by itself
        told = " ".join(done.err.split())
        assert done.returncode == 1 and 'container "web" is not as declared: ' in told and words in told
        assert device.container("web")["State"]["Running"] and device.cmd_of("web") == ["sleep", "1000"]
    (tmp_path / "good.yaml").write_text(json.dumps(WEB))
    (tmp_path / "waits.yaml").write_text(json.dumps({**WEB, "dependsOn": ["nobody"]}))
    done = device.kedge("apply", "--wait=500ms", "-f", tmp_path, check=False)
    assert done.returncode == 1 and done.out.endswith("good: as declared\n")
    assert 'container "waits" is not as declared after 500ms: it waits for "nobody"' in " ".join(done.err.split())


def test_apply_does_not_wait_for_what_it_does_not_do(device):
    done = device.kedge("apply", "--wait", "--dry-run", "-f", "-", input=json.dumps({**WEB, "name": "web"}).encode())
    assert done.out.startswith("web: created\n") and "as declared" not in done.out and not device.kept("web")
    done = wait_for_it(device, "=soon", check=False)
    assert done.returncode == 125 and "--wait" in done.err and not device.kept("web")


def test_a_terminal_shows_how_far_it_is(device, tmp_path):
    (tmp_path / "web.yaml").write_text(json.dumps({**WEB, "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "50ms", "retries": 1000}}))
    command = shlex.join([str(kedge.BIN / "kedge"), "apply", "--wait", "--file", str(tmp_path / "web.yaml")])
    client = subprocess.Popen(["script", "-qec", command, "/dev/null"], env={**device.client_environment(), "TERM": "xterm"}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
    try:
        shown = b""
        while b"web: its health check has not succeeded yet" not in shown:
            part = os.read(client.stdout.fileno(), 4096)
            assert part, shown
            shown += part
        device.kedge("exec", "web", "touch", "/tmp/ready")
        shown = client.communicate(timeout=30)[0]
    finally:
        client.kill()
    assert shown.endswith(b"\033[Jweb: as declared\r\n") and client.returncode == 0


def test_get_of_one_explains_it_in_a_sentence(device):
    device.declare("web", devices=[{"path": "/dev/no-such", "optional": True}])
    device.wait_kept("web")
    assert device.kedge("get", "web").out.endswith('\n\nweb is as declared: it runs\nnote: device "/dev/no-such" is not there: it is left out\n')
    device.write("web.yaml", "image: [")
    kedge.wait_for(device.problems)
    told = device.kedge("get", "web").out
    assert 'web: its file "web.yaml" is left aside, and what it has declared before still counts: ' in told
    device.write("never.yaml", "imag: busybox:test\n")
    kedge.wait_for(lambda: len(device.problems()) == 2)
    done = device.kedge("get", "never", check=False)
    assert done.returncode == 1 and 'no container "never" is declared: "never.yaml" is left aside: field "imag' in done.err
    (device.containers / "never.yaml").unlink()
    device.declare("web", dependsOn=["nobody"], enabled=False)
    kedge.wait_for(lambda: "web is as declared: it is not enabled, and not there" in device.kedge("get", "web").out)
    device.declare("web", dependsOn=["nobody"])
    device.wait_reason("web", "it waits for")
    assert 'web is not as declared: it waits for "nobody", which is neither declared nor there' in device.kedge("get", "web").out.splitlines()
    device.declare("web", command=["true"], restart="no")
    device.wait_kept("web")
    assert "web is as declared: it has ended with status 0" in device.kedge("get", "web").out


def test_get_tells_what_and_why(device):
    device.declare("web")
    device.wait_kept("web")
    device.declare("waits", dependsOn=["nobody"])
    device.wait_reason("waits", "it waits for")
    lines = device.kedge("get").out.splitlines()
    assert lines[0].split() == ["NAME", "IMAGE", "STATE", "AS", "DECLARED", "REASON"]
    assert lines[2].split() == ["web", "busybox:test", "running", "yes"]
    assert 'it waits for "nobody", which is neither declared nor there' in lines[1]
    assert device.kedge("get", "--format", "{{.Name}} {{.Enabled}} {{.File}}", "web").out == "web yes web.yaml\n"
    assert "image: busybox:test\n" in device.kedge("get", "-o", "yaml", "web").out
    assert json.loads(device.kedge("get", "-o", "json", "web").out)["declaration"]["image"] == "busybox:test"
    assert device.kedge("get", "-q").out == "waits\nweb\n"
    done = device.kedge("get", "other", check=False)
    assert done.returncode == 1 and 'no container "other" is declared' in done.err
    device.write("bad.yaml", "[")
    kedge.wait_for(device.problems)
    assert 'WARNING: "bad.yaml": ' in device.kedge("get").err


def test_what_get_gives_can_be_applied(device):
    device.declare("web", environment={"A": "1"}, ports=["8080:80"], memory="32m", labels={"a": "b"})
    device.wait_kept("web")
    text = device.kedge("get", "-o", "yaml", "web").out
    assert device.kedge("apply", "-f", "-", input=text.encode()).out == "web: unchanged\n"


def test_set_changes_fields(device):
    device.declare("web")
    first = device.wait_kept("web")
    assert device.kedge("set", "web", "memory=32m", "enabled=true").out == "web: changed; its container is updated in place\n"
    kedge.wait_for(lambda: device.container("web")["HostConfig"]["Memory"] == 32 << 20)
    assert device.container("web")["Id"] == first["Id"]
    assert device.kedge("set", "web", "enabled=false").out == "web: changed; its container is stopped and removed\n"
    device.wait_gone("web")
    assert device.kedge("set", "--dry-run", "web", "enabled=true").out.startswith("web: changed; its container is made\n")
    done = device.kedge("set", "web", "no-such=1", check=False)
    assert done.returncode == 1 and "no-such" in done.err
    device.kedge("set", "web", "memory=", "enabled=true", "environment.A=1", "command=[sleep, '7']")
    kept = device.wait_kept("web")
    assert kept["HostConfig"]["Memory"] == 0 and kept["Config"]["Cmd"] == ["sleep", "7"] and "A=1" in kept["Config"]["Env"]


def test_delete_stops_and_removes(device):
    device.declare("web")
    device.wait_kept("web")
    assert device.kedge("delete", "web").out == "web\n"
    device.wait_gone("web")
    done = device.kedge("delete", "web", check=False)
    assert done.returncode == 1 and 'no container "web" is declared' in done.err


def test_who_has_read_an_older_one_overwrites_nothing(device):
    device.api.call("PUT", PATH, WEB, {"If-None-Match": "*"})
    with pytest.raises(kedge.ApiError) as error:
        device.api.call("PUT", PATH, WEB, {"If-None-Match": "*"})
    assert error.value.status == 412
    old = etag(device)
    device.api.call("PUT", PATH, {**WEB, "user": "web"}, {"If-Match": old})
    assert etag(device) != old
    for method, body in (("PUT", WEB), ("PATCH", {"enabled": False}), ("DELETE", None)):
        with pytest.raises(kedge.ApiError) as error:
            device.api.call(method, PATH, body, {"If-Match": old})
        assert error.value.status == 412
    assert device.kept("web")["declaration"]["user"] == "web"
    device.write("web.yaml", json.dumps(WEB))  # an editor's change counts as well
    now = etag(device)
    kedge.wait_for(lambda: etag(device) != now or "user" not in device.kept("web")["declaration"])
    device.api.call("DELETE", PATH, headers={"If-Match": etag(device)})


def test_a_hand_edit_that_nobody_has_heard_of_is_not_overwritten(device):
    device.declare("web", enabled=False)
    kedge.wait_for(lambda: device.kept("web"))
    for number in range(3):
        old = etag(device)
        device.declare("web", enabled=False, labels={"by": f"hand {number}"})
        assert device.api.raw("PATCH", PATH, '{"user": "1"}', {"If-Match": old})[0] == 412
        assert device.kept("web")["declaration"]["labels"] == {"by": f"hand {number}"}
    device.declare("web", enabled=False, labels={"by": "hand again"})
    device.api.call("PATCH", PATH, {"user": "1"})
    assert device.kept("web")["declaration"]["labels"] == {"by": "hand again"}


def test_bad_requests_name_what_is_wrong(device):
    for body, words in (({"image": 7}, 'field "image"'), ([], "it is no declaration"), ({**WEB, "name": "other"}, 'it is "other", and not "web"'),
                        ({**WEB, "memory": "lots"}, 'field "memory"'), ({**WEB, "x": 1}, '"x"')):
        with pytest.raises(kedge.ApiError) as error:
            device.api.call("PUT", PATH, body)
        assert error.value.status == 400 and words in error.value.message
    with pytest.raises(kedge.ApiError) as error:
        device.api.call("PUT", "/kedge/v1/containers/web.kedge-old", WEB)
    assert error.value.status == 400


def test_a_change_is_of_fields_of_kedge_s_own(device):
    """Properties of Kura's beside them would make the whole of it Kura's."""
    device.api.call("PUT", PATH, {**WEB, "enabled": False})
    for name in ("container.image", "registry.host", "a.b"):
        with pytest.raises(kedge.ApiError) as error:
            device.api.call("PATCH", PATH, {name: "x"})
        assert error.value.status == 400 and f'field "{name}" is unknown' in error.value.message
    device.api.call("PATCH", PATH, {"labels": {"a.b": "c"}})
    assert device.kept("web")["declaration"]["labels"] == {"a.b": "c"}


def test_a_field_that_lies_deeper_than_any_is_refused(device):
    device.api.call("PUT", PATH, WEB)
    with pytest.raises(kedge.ApiError) as error:
        device.api.call("POST", f"{PATH}/fields", {"a." * 400000 + "b": "1"})
    assert error.value.status == 400 and "more than 16 parts" in error.value.message


def test_fields_are_set_by_texts(device):
    device.api.call("PUT", PATH, {**WEB, "enabled": False})
    with pytest.raises(kedge.ApiError) as error:
        device.api.call("POST", f"{PATH}/fields", {"enabled": False})
    assert error.value.status == 400 and 'field "enabled": it must be a text' in error.value.message
    assert device.kept("web")["enabled"] is False


def test_snapshots_are_listed_compared_and_rolled_back(device):
    def newest():
        return device.api.get("/kedge/v1/containers")["snapshot"]
    device.kedge("apply", "-f", "-", input=json.dumps({**WEB, "name": "web"}).encode())
    one = newest()
    device.kedge("set", "web", "user=web")
    device.kedge("apply", "-f", "-", input=json.dumps({**WEB, "name": "db"}).encode())
    assert newest() == one + 2
    device.kedge("set", "web", "user=web")
    assert newest() == one + 2  # nothing has changed
    listed = device.kedge("snapshots", "ls", "--format", "{{.Number}} {{.Containers}} {{.Why}}").out.splitlines()[-3:]
    assert listed == [f"{one} 1 apply web", f"{one + 1} 1 apply web", f"{one + 2} 2 apply db"]
    done = device.kedge("snapshots", "diff", one, check=False)
    assert done.returncode == 1 and '+ web.yaml.user: "web"' in done.out and "+ db.yaml" in done.out
    assert device.kedge("snapshots", "diff", one, one).out == ""
    assert "image: busybox:test" in device.kedge("snapshots", "show", one).out
    device.wait_kept("db")
    assert device.kedge("snapshots", "rollback", one).out == f"{one + 3}\n"
    device.wait_gone("db")
    assert "user" not in device.kept("web")["declaration"] and device.wait_kept("web")
    device.kedge("snapshots", "rollback", one + 2)
    device.wait_kept("db")
    assert device.kept("web")["declaration"]["user"] == "web"
    done = device.kedge("snapshots", "rollback", "99999", check=False)
    assert done.returncode == 1 and "there is no snapshot 99999" in done.err


def test_a_hand_edit_is_a_snapshot_and_the_newest_hundred_are_kept(device):
    device.declare("web", enabled=False)
    kedge.wait_for(lambda: device.kept("web"))
    assert device.kedge("snapshots", "ls", "--format", "{{.Why}}").out.splitlines()[-1] == "files have changed"
    before = device.api.get("/kedge/v1/containers")["snapshot"]
    for i in range(105):
        device.api.call("PATCH", PATH, {"hostname": f"h{i}"})
    files = list((device.store / "declared" / "snapshots").iterdir())
    assert len(files) == 100
    numbers = [one["number"] for one in device.api.get("/kedge/v1/snapshots")["snapshots"]]
    assert numbers == list(range(before + 6, before + 106))


def test_a_file_that_declares_another_one_is_not_overwritten(device, tmp_path):
    device.declare("web", name="shop")
    first = device.wait_kept("shop")
    (tmp_path / "aa.yaml").write_text(json.dumps(WEB))
    (tmp_path / "web.yaml").write_text(json.dumps(WEB))
    done = device.kedge("apply", "-f", tmp_path, check=False)
    told = " ".join(done.err.split())
    assert done.returncode == 1 and 'container "web" cannot be declared in "web.yaml", which declares "shop"' in told and "another name" in told
    assert [path.name for path in device.containers.iterdir()] == ["web.yaml"]  # of the other one nothing was written either
    assert device.wait_kept("shop")["Id"] == first["Id"]
