# SPDX-License-Identifier: Apache-2.0
"""What the container's process finds: environment, words, user, directory, names, files of the host."""
import os

import pytest

import kedge


def output(box, command, **settings):
    identity = box.run_container(command, **settings)
    code = box.wait(identity)
    text = box.log_text(identity)
    assert code == 0, f"status {code}: {text}"
    return text


@pytest.fixture(scope="module")
def image(shared_daemon):
    """An image that sets everything."""
    return shared_daemon.load_busybox("settings:test", config={
        "Env": ["PATH=/bin", "A=image", "B=image"], "Entrypoint": ["/bin/echo", "entry"], "Cmd": ["default", "words"], "User": "web",
        "WorkingDir": "/tmp", "Labels": {"of": "image", "both": "image"}, "StopSignal": "SIGUSR2",
        "ExposedPorts": {"80/tcp": {}}})


def test_environment(box):
    text = output(box, ["env"], Env=["A=1", "EMPTY=", "TEXT=a b=c", "UNICODE=\u00e4\u4e16"])
    lines = text.splitlines()
    assert {"A=1", "EMPTY=", "TEXT=a b=c", "UNICODE=\u00e4\u4e16", "PATH=/bin"} <= set(lines)
    assert any(line.startswith("HOSTNAME=") for line in lines)
    assert "HOME=/root" in lines


def test_image_defaults(box, image):
    assert output(box, None, image=image) == "entry default words\n"
    assert output(box, ["other"], image=image) == "entry other\n"
    assert output(box, None, image=image, Entrypoint=["/bin/echo", "new"]) == "new\n"  # resets the command
    assert output(box, ["word"], image=image, Entrypoint=["/bin/echo", "new"]) == "new word\n"
    assert output(box, ["/bin/echo", "plain"], image=image, Entrypoint=[""]) == "plain\n"
    lines = output(box, ["env"], image=image, Entrypoint=[""], Env=["B=mine"]).splitlines()
    assert "A=image" in lines and "B=mine" in lines and "B=image" not in lines
    assert output(box, ["pwd"], image=image, Entrypoint=[""]) == "/tmp\n"
    assert output(box, ["id", "-u"], image=image, Entrypoint=[""]) == "1000\n"
    labels = box.inspect(box.create(None, image=image, Labels={"both": "mine", "own": "1"}))["Config"]["Labels"]
    assert labels == {"of": "image", "both": "mine", "own": "1"}


@pytest.mark.parametrize("user,expected", [
    ("", "0 0"), ("web", "1000 1000"), ("1000", "1000 1000"), ("web:extra", "1000 2000"), ("4242", "4242 0"), ("4242:77", "4242 77"),
    ("root:web", "0 1000"), (":web", "0 1000")])
def test_user(box, user, expected):
    assert output(box, ["sh", "-c", "echo $(id -u) $(id -g)"], User=user) == expected + "\n"


def test_groups(box):
    assert output(box, ["id", "-G"], User="web").split() == ["1000", "2000"]
    assert set(output(box, ["id", "-G"], User="web", host={"GroupAdd": ["extra", "3333"]}).split()) == {"1000", "2000", "3333"}


def test_unknown_user(box):
    with pytest.raises(kedge.ApiError) as problem:
        box.start_container(box.create(["true"], User="stranger"))
    assert problem.value.status == 400 and "stranger" in problem.value.message


def test_working_directory(box):
    assert output(box, ["pwd"], WorkingDir="/etc") == "/etc\n"
    assert output(box, ["pwd"], WorkingDir="/made/by/kedge") == "/made/by/kedge\n"  # Docker makes it


def test_hostname(box):
    identity = box.run_container(["hostname"])
    box.wait(identity)
    assert box.log_text(identity) == identity[:12] + "\n"
    assert output(box, ["sh", "-c", "hostname; cat /etc/hostname"], Hostname="mine") == "mine\nmine\n"
    assert output(box, ["hostname"], host={"NetworkMode": "host"}) == os.uname().nodename + "\n"
    assert "mine" in output(box, ["cat", "/etc/hosts"], Hostname="mine")
    assert "10.1.2.3\tbox" in output(box, ["cat", "/etc/hosts"], host={"ExtraHosts": ["box:10.1.2.3"]})


def test_binds(box):
    shared = box.directory / "bound"
    shared.mkdir(exist_ok=True)
    (shared / "in").write_text("from the host\n")
    assert output(box, ["sh", "-c", "cat /b/in; echo back > /b/out"], host={"Binds": [f"{shared}:/b"]}) == "from the host\n"
    assert (shared / "out").read_text() == "back\n"
    script = "cat /b/in; (echo no > /b/in) 2>/dev/null || echo refused"
    assert output(box, ["sh", "-c", script], host={"Binds": [f"{shared}:/b:ro"]}) == "from the host\nrefused\n"
    assert (shared / "in").read_text() == "from the host\n"
    output(box, ["sh", "-c", "echo x > /m/f"], host={"Binds": [f"{shared}/new/deep:/m"]})
    assert (shared / "new" / "deep" / "f").exists()
    mount = {"Type": "bind", "Source": str(shared / "absent"), "Target": "/x"}
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={"Mounts": [mount]})
    assert problem.value.status == 400 and f"bind source path does not exist: {shared}/absent" in problem.value.message
    file = output(box, ["cat", "/etc/one"], host={"Binds": [f"{shared}/in:/etc/one:ro"]})
    assert file == "from the host\n"
    inspected = box.inspect(box.create(["true"], host={"Binds": [f"{shared}:/b:ro"]}))
    assert inspected["HostConfig"]["Binds"] == [f"{shared}:/b:ro"]
    point = inspected["Mounts"][0]
    assert (point["Type"], point["Source"], point["Destination"], point["RW"]) == ("bind", str(shared), "/b", False)


def test_tmpfs_shm_and_read_only_root(box):
    text = output(box, ["sh", "-c", "echo x > /t/f && df -k /t | tail -1; touch /no 2>&1; df -k /dev/shm | tail -1"],
                  host={"Tmpfs": {"/t": "size=1m"}, "ReadonlyRootfs": True, "ShmSize": 2 << 20})
    assert " 1024 " in text and " 2048 " in text and "Read-only file system" in text


def test_labels_are_kept(box):
    labels = {"plain": "text", "empty": "", "unicode": "\u00fc", "org.example/long": "x" * 5000}
    assert box.inspect(box.create(["true"], Labels=labels))["Config"]["Labels"] == labels


def test_inspect_shows_what_was_asked(box):
    asked = {"Memory": 64 << 20, "NanoCpus": 500000000, "PidsLimit": 50, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
             "ReadonlyRootfs": True, "CapAdd": ["NET_ADMIN"], "CapDrop": ["CHOWN"]}
    shown = box.inspect(box.create(["sleep", "1"], host=asked, Env=["X=1"], WorkingDir="/tmp", User="web", Hostname="h"))
    for key, value in asked.items():
        if not key.startswith("Cap"):
            assert shown["HostConfig"][key] == value, key
    assert [cap.replace("CAP_", "") for cap in shown["HostConfig"]["CapAdd"]] == ["NET_ADMIN"]
    assert shown["Config"]["Cmd"] == ["sleep", "1"] and "X=1" in shown["Config"]["Env"]
    assert (shown["Config"]["WorkingDir"], shown["Config"]["User"], shown["Config"]["Hostname"]) == ("/tmp", "web", "h")
    assert shown["Path"] == "sleep" and shown["Args"] == ["1"] and shown["Config"]["Image"] == "busybox:test"
    assert shown["Image"].startswith("sha256:") and shown["Driver"] and shown["LogPath"]


def test_arguments_arrive_byte_for_byte(box):
    words = ["", " ", "a b", "'\"`$\\", "\n\t", "\u00e9\U0001f600", "-n", "x" * 10000]
    got = output(box, ["sh", "-c", 'for i in "$@"; do printf "%s\\0" "$i"; done', "x", *words])
    assert got.split("\0")[:-1] == words
