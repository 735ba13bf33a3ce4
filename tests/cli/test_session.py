# SPDX-License-Identifier: Apache-2.0
"""Whole round trips against kedged; where docker's program has the same words, it must say the same."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import kedge
import pytest
from served import Screen, on_terminal
from streams import Background, Events

LOOP = "trap 'echo got TERM; exit 3' TERM; trap 'echo got USR1' USR1; echo ready; while :; do sleep 0.05; done"


@pytest.fixture
def box(shared_daemon):
    yield shared_daemon
    shared_daemon.remove_all()


def run_box(box, *arguments, **options):
    return box.kedge("run", "--network", "none", *arguments, **options)


def passes_on(process, number):
    """It catches the signal, or has it blocked to read it."""
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line)
    return (int(status["SigCgt"], 16) | int(status["SigBlk"], 16)) >> number - 1 & 1


def background(box, *arguments):
    """The program beside the test, deaf to no signal, whatever the test was started with."""
    return subprocess.Popen([str(kedge.BIN / "kedge"), *map(str, arguments)], env=box.client_environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


# ---- run ------------------------------------------------------------------------------------------------------------------------

def test_streams_and_status(box):
    done = run_box(box, "--rm", "busybox:test", "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.out, done.err) == (7, "out\n", "err\n")
    assert box.api.get("/containers/json?all=1") == []


@pytest.mark.parametrize("arguments", [["busybox:test", "/no/such"], ["--mount", "type=bind,source=/no/such,target=/x", "busybox:test", "true"]])
def test_rm_after_a_failed_start(box, arguments):
    """The command ends when the container is gone, not before."""
    for _ in range(5):
        assert run_box(box, "--rm", *arguments, check=False).returncode > 124
        assert box.kedge("ps", "-aq").out == ""


@pytest.mark.parametrize("command,status", [(["no-such-program"], 127), (["/no/such"], 127), (["/etc/passwd"], 126), (["/etc"], 126)])
def test_status_of_what_cannot_start(box, command, status):
    ours = run_box(box, "busybox:test", *command, check=False)
    assert ours.returncode == status
    assert ours.err.startswith("kedge: ")
    assert box.docker("run", "--network", "none", "busybox:test", *command, check=False).returncode == status


STATUSES = [["run", "--bad"], ["run"], ["run", "-it", "busybox:test"], ["run", "-w", "relative", "busybox:test", "true"], ["run", "-u", "nosuch", "busybox:test", "true"],
            ["run", "--pull", "never", "nosuch:1"], ["run", "--cpus", "x", "busybox:test"], ["run", "-d", "busybox:test", "nosuch"], ["run", "--env-file", "/nosuch", "busybox:test"],
            ["run", "-d", "-a", "stdout", "busybox:test"], ["run", "--entrypoint", "/nosuch", "busybox:test"], ["run", "--name", "up", "busybox:test", "true"],
            ["exec", "--bad", "up", "true"], ["exec"], ["exec", "up"], ["exec", "up", "nosuch"], ["exec", "up", "/etc"], ["exec", "up", "sh", "-c", "exit 42"],
            ["exec", "up", "sh", "-c", "kill -9 $$"], ["exec", "nosuch", "true"], ["exec", "ended", "true"], ["exec", "-it", "up", "sh"], ["exec", "-d", "up", "nosuch"],
            ["exec", "-w", "/nosuch", "up", "true"], ["exec", "--env-file", "/nosuch", "up", "true"], ["--bad"], ["ps", "--bad"], ["start", "--bad"], ["create"]]


def test_statuses_are_dockers(box):
    run_box(box, "-d", "--name", "up", "busybox:test", "sleep", "1000")
    run_box(box, "--name", "ended", "busybox:test", "true")
    for words in STATUSES:
        words = [*words[:1], "--network", "none", *words[1:]] if words[0] == "run" and len(words) > 1 else words
        ours, dockers = (program(*words, check=False, stdin=subprocess.DEVNULL).returncode for program in (box.kedge, box.docker))
        assert ours == dockers, words


def test_status_of_what_kedge_cannot_do(box):
    assert run_box(box, "--pull", "never", "nope:1", check=False).returncode == 125
    assert run_box(box, "--name", "/", "busybox:test", check=False).returncode == 125
    assert run_box(box, "--memory", "x", "busybox:test", check=False).returncode == 125


def test_large_output_arrives_whole(box):
    done = run_box(box, "--rm", "busybox:test", "sh", "-c", "seq 1 200000; seq 1 1000 >&2")
    assert done.out == "".join(f"{number}\n" for number in range(1, 200001))
    assert done.err == "".join(f"{number}\n" for number in range(1, 1001))


def test_one_stream(box):
    done = run_box(box, "-a", "stderr", "busybox:test", "sh", "-c", "echo out; echo err >&2")
    assert (done.out, done.err) == ("", "err\n")


def test_what_a_container_is_given(box, tmp_path):
    (tmp_path / "env").write_text("# comment\nFROM_FILE=1\nOURS\n")
    (tmp_path / "labels").write_text("a=from file\nb=2\n")
    (tmp_path / "data").write_text("bound\n")
    tmp_path.chmod(0o755)
    done = subprocess.run([str(kedge.BIN / "kedge"), "run", "--rm", "--network", "none", "--name", "given", "-e", "A=1", "-e", "OURS", "-e", "NOT_OURS", "--env-file",
                           tmp_path / "env", "-u", "1000", "-w", "/tmp", "-h", "box", "-v", f"{tmp_path}/data:/data:ro", "--mount",
                           f"type=bind,source={tmp_path},target=/dir", "--tmpfs", "/scratch:size=1m", "--read-only", "-l", "a=1", "--label-file", tmp_path / "labels",
                           "--cidfile", tmp_path / "id", "busybox:test", "sh", "-c",
                           "env | sort; id -u; pwd; hostname; cat /data /dir/data; touch /x; echo touched $?; grep scratch /proc/mounts"],
                          env={**box.client_environment(), "OURS": "ours"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = done.stdout.splitlines()
    assert {"A=1", "FROM_FILE=1", "OURS=ours"} <= set(lines)
    assert not [line for line in lines if line.startswith("NOT_OURS")]
    assert lines[-7:-1] == ["1000", "/tmp", "box", "bound", "bound", "touched 1"]
    assert "tmpfs" in lines[-1]
    assert re.fullmatch("[0-9a-f]{64}", (tmp_path / "id").read_text())
    again = run_box(box, "--cidfile", tmp_path / "id", "busybox:test", "true", check=False)
    assert again.returncode == 125
    assert "is there already" in again.err


def test_cidfile_goes_when_nothing_was_made(box, tmp_path):
    run_box(box, "--cidfile", tmp_path / "id", "--pull", "never", "nope:1", check=False)
    assert not (tmp_path / "id").exists()


def test_settings_reach_the_daemon(box):
    box.kedge("create", "--name", "set", "--network", "none", "-m", "64m", "--cpus", "1.5", "--pids-limit", "50", "--restart", "on-failure:3", "--stop-signal", "INT",
              "--stop-timeout", "3", "--log-opt", "max-size=1m", "--cap-drop", "ALL", "--ulimit", "nofile=100:200", "--health-cmd", "true", "--health-interval",
              "5s", "-l", "a=b", "--entrypoint", "/bin/sh", "busybox:test", "-c", "true")
    shown = box.inspect("set")
    host, config = shown["HostConfig"], shown["Config"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 1500000000, 50)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host["CapDrop"] == ["ALL"]
    assert host["LogConfig"]["Config"] == {"max-size": "1m"}
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]
    assert (config["StopSignal"], config["StopTimeout"]) == ("INT", 3)
    assert config["Labels"] == {"a": "b"}
    assert config["Entrypoint"] == ["/bin/sh"]
    assert config["Cmd"] == ["-c", "true"]
    assert config["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
    assert config["Healthcheck"]["Interval"] == 5000000000


def test_the_same_body_as_dockers(box):
    """Both programs, given the same words, make the same container."""
    words = ["--network", "none", "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--restart", "always", "-e", "A=1", "-l", "x=y", "-v", "/tmp:/t:ro", "--mount",
             "type=tmpfs,target=/u,tmpfs-size=1m", "--cap-add", "NET_RAW", "--cap-drop", "CHOWN", "--ulimit", "nofile=10:20", "--add-host", "a:1.2.3.4", "--dns", "1.1.1.1",
             "--hostname", "h", "--user", "1:2", "--workdir", "/w", "--read-only", "--tmpfs", "/s:size=1m", "--device", "/dev/null:/dev/nil:rw", "--sysctl",
             "net.ipv4.ip_forward=1", "--health-cmd", "true", "--health-retries", "2", "--stop-signal", "INT", "--stop-timeout", "3", "--log-opt", "max-size=1m",
             "--shm-size", "1m", "--init", "--security-opt", "no-new-privileges", "--expose", "80", "--group-add", "5", "--cpu-shares", "512", "--memory-reservation",
             "32m", "--oom-score-adj", "100", "--entrypoint", "/bin/sh"]
    made = []
    for program in (box.kedge, box.docker):
        name = program("create", *words, "busybox:test", "-c", "true").out.strip()
        shown = box.inspect(name)
        made.append({"Config": shown["Config"], "HostConfig": shown["HostConfig"]})
        for list_name in ("CapAdd", "CapDrop"):  # docker's program writes the prefix itself
            names = made[-1]["HostConfig"][list_name]
            made[-1]["HostConfig"][list_name] = ["CAP_" + name.removeprefix("CAP_") for name in names]
    ours, dockers = made
    for part in ("Config", "HostConfig"):
        assert {key: value for key, value in ours[part].items() if value != dockers[part].get(key)} == {}
        assert {key: value for key, value in dockers[part].items() if value != ours[part].get(key)} == {}


# ---- signals and the foreground ---------------------------------------------------------------------------------------------------

def test_signals_go_to_the_container(box):
    process = background(box, "run", "--rm", "--network", "none", "busybox:test", "sh", "-c", LOOP)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == b"got USR1\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"got TERM\n"
    assert process.wait(20) == 3


def test_signals_stay_here_without_proxy(box):
    process = background(box, "run", "--name", "alone", "--sig-proxy=false", "--network", "none", "busybox:test", "sh", "-c", LOOP)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT
    assert box.inspect("alone")["State"]["Running"]


def test_start_attached_and_attach(box):
    box.kedge("create", "--name", "again", "--network", "none", "busybox:test", "sh", "-c", "echo one; exit 4")
    assert box.kedge("start", "--attach", "again", check=False).returncode == 4
    assert box.docker("start", "--attach", "again", check=False).out == "one\n"
    done = box.kedge("attach", "again", check=False)
    assert (done.returncode, done.err) == (1, 'kedge: container "again" does not run\nhint: start it with "kedge start --attach again"\n')

    run_box(box, "-d", "--name", "loop", "busybox:test", "sh", "-c", LOOP)
    events = Events(box)
    process = background(box, "attach", "loop")
    kedge.wait_for(lambda: "attach" in events.of(box.inspect("loop")["Id"]) and passes_on(process, signal.SIGUSR1))
    events.close()
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == b"got USR1\n"
    box.kedge("stop", "loop")
    assert process.wait(20) == 3


def test_output_of_runs_in_quick_succession(box):
    """Attached while what the run before has left is still being cleaned up."""
    box.kedge("create", "--name", "quick", "--network", "none", "busybox:test", "sh", "-c", "echo one; exit 4")
    for _ in range(60):
        done = box.kedge("start", "--attach", "quick", check=False)
        assert (done.returncode, done.out, done.err) == (4, "one\n", "")


@pytest.mark.parametrize("comes_back", [True, False], ids=["comes-back", "stays-away"])
def test_daemon_killed_in_the_foreground(daemon, comes_back):
    """The output goes on: it is the shim's. Who asks for the exit status asks again at its end."""
    process = background(daemon, "run", "--name", "stays", "--network", "none", "busybox:test", "sh", "-c", LOOP)
    assert process.stdout.readline() == b"ready\n"
    pid = daemon.inspect("stays")["State"]["Pid"]
    daemon.kill()
    os.kill(pid, signal.SIGUSR1)
    assert process.stdout.readline() == b"got USR1\n"
    if comes_back:
        daemon.start()
        assert daemon.inspect("stays")["State"]["Running"]
    os.kill(pid, signal.SIGTERM)
    assert process.stdout.readline() == b"got TERM\n"
    assert process.wait(20) == (3 if comes_back else 125)
    assert (b"hint: the container goes on without us" in process.stderr.read()) == (not comes_back)
    if not comes_back:
        daemon.start()
    kedge.wait_for(lambda: daemon.inspect("stays")["State"]["ExitCode"] == 3)


# ---- the life of containers ---------------------------------------------------------------------------------------------------------

def test_life(box):
    identity = run_box(box, "-d", "--name", "life", "busybox:test", "sh", "-c", LOOP).out.strip()
    assert re.fullmatch("[0-9a-f]{64}", identity)
    assert box.kedge("ps", "-q", "--no-trunc").out == identity + "\n"
    kedge.wait_for(lambda: box.log_text("life") == "ready\n")
    assert box.kedge("kill", "-s", "USR1", "life").out == "life\n"
    kedge.wait_for(lambda: "got USR1" in box.log_text("life"))
    assert box.kedge("restart", "-t", "1", identity[:12]).out == identity[:12] + "\n"
    assert box.kedge("stop", "life").out == "life\n"
    assert box.kedge("stop", "life").out == "life\n"
    assert box.kedge("wait", "life").out == "3\n"
    assert box.kedge("start", "life").out == "life\n"
    refused = box.kedge("rm", "life", check=False)
    assert refused.returncode == 1
    assert box.kedge("rm", "-f", "life").out == "life\n"
    assert box.kedge("rm", "life", check=False).err == "kedge: No such container: life\n"
    forced = box.kedge("rm", "-f", "life")
    assert (forced.returncode, forced.out, forced.err) == (0, "", "kedge: No such container: life\n")


def test_logs(box):
    run_box(box, "--name", "logs", "busybox:test", "sh", "-c", "for i in 1 2 3 4; do echo line $i; echo error $i >&2; done")
    assert box.kedge("logs", "logs").out == "".join(f"line {number}\n" for number in range(1, 5))
    assert box.kedge("logs", "logs").err == "".join(f"error {number}\n" for number in range(1, 5))
    last = box.kedge("logs", "-n", "1", "logs")  # two pipes: which was read last is open
    assert last.out + last.err in ("line 4\n", "error 4\n")
    assert re.fullmatch(r"2\d{3}-\d\d-\d\dT[0-9:.]+Z line 4\n", box.kedge("logs", "-t", "logs").out.splitlines(True)[-1])
    assert box.kedge("logs", "--since", "1h", "logs").out.count("\n") == 4
    assert box.kedge("logs", "--until", "1h", "logs").out == ""
    for words in (["logs"], ["--tail", "3", "-t", "logs"]):
        assert box.kedge("logs", *words).out == box.docker("logs", *words).out


def test_logs_followed(box):
    run_box(box, "-d", "--name", "follow", "busybox:test", "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done")
    assert box.kedge("logs", "-f", "follow").out == "1\n2\n3\n4\n5\n"


# ---- the same as docker's ----------------------------------------------------------------------------------------------------------

FORMATS = ["{{.ID}} {{.Names}} {{.Image}} {{.Command}} {{.State}} {{.Labels}} {{.Ports}} {{.Mounts}} {{.Networks}} {{.LocalVolumes}}", '{{.Label "role"}}',
           "table {{.ID}}\\t{{.Names}}", "{{json .Names}}", "{{upper .Names}}"]


def with_labels_in_order(text):
    """Docker's program before 23 prints them in any."""
    return re.sub(r"\S+=\S+", lambda labels: ",".join(sorted(labels[0].split(","))), text)


@pytest.mark.parametrize("template", FORMATS)
def test_ps_is_dockers(box, template):
    for number in range(3):
        run_box(box, "-d", "--name", f"same{number}", "-l", f"role=r{number}", "-l", "z=1", "busybox:test", "sleep", "100")
    ours, dockers = box.kedge("ps", "--format", template).out, box.docker("ps", "--format", template).out
    assert [line.split() for line in ours.splitlines()] == [line.split() for line in with_labels_in_order(dockers).splitlines()]
    for words in (["-q"], ["-aq", "--no-trunc"], ["-a", "--filter", "name=same1", "-q"], ["--filter", "label=role=r2", "--format", "{{.Names}}"], ["-n", "2", "-q"],
                  ["-l", "-q"], ["--filter", "status=exited", "-aq"]):
        assert box.kedge("ps", *words).out == box.docker("ps", *words).out, words


@pytest.mark.skipif(kedge.docker_major() < 23, reason="this docker has no --format json")
def test_json_rows_are_dockers(box):
    run_box(box, "-d", "--name", "row", "-l", "a=b", "busybox:test", "sleep", "100")
    for command in ("ps", "images"):
        ours, dockers = (json.loads(program(command, "--format", "json").out) for program in (box.kedge, box.docker))
        for key in ("RunningFor", "Status", "CreatedSince"):  # a second may pass between the two
            ours.pop(key, None), dockers.pop(key, None)
        dockers.pop("Platform", None)
        assert ours == dockers


def test_inspect_is_dockers(box):
    run_box(box, "--name", "shown", "busybox:test", "true")
    whole = [["shown"], ["shown", "busybox:test"]] if kedge.docker_major() >= 23 else []  # older ones speak 1.41, which shows more
    for words in (*whole, ["busybox:test"], ["-f", "{{.State.Status}} {{json .Config.Cmd}} {{.HostConfig.NetworkMode}}", "shown"],
                  ["-f", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}", "shown"], ["--type", "image", "busybox:test"],
                  ["-f", "{{index .Config.Env 0}} {{len .RootFS.Layers}}", "busybox:test"], *([["--format", "json", "shown"]] if kedge.docker_major() >= 23 else [])):
        assert box.kedge("inspect", *words).out == box.docker("inspect", *words).out, words
    missing = box.kedge("inspect", "shown", "no-such-thing", check=False)
    assert missing.returncode == box.docker("inspect", "shown", "no-such-thing", check=False).returncode == 1
    assert missing.err == "Error: No such object: no-such-thing\n"
    assert box.kedge("image", "inspect", "shown", check=False).returncode == 1


def test_info_and_version_are_dockers(box):
    assert json.loads(box.kedge("version", "-f", "{{json .Server}}").out)["Version"] == box.docker("version", "-f", "{{.Server.Version}}").out.strip()
    for template in ("{{.Driver}} {{.NCPU}} {{.MemTotal}} {{.ServerVersion}}",):
        assert box.kedge("info", "-f", template).out == box.docker("info", "-f", template).out
    assert "Runtimes:" in box.kedge("info").out


def test_events_are_dockers(box):
    since = f"{time.time() - 0.001:.9f}"
    run_box(box, "--rm", "--name", "event", "-l", "x=y", "busybox:test", "true")
    until = f"{time.time() + 0.001:.9f}"
    words = ["events", "--since", since, "--until", until]
    ours = box.kedge(*words).out
    assert ours == box.docker(*words).out.replace("+00:00", "Z")
    actions = [line.split()[2] for line in ours.splitlines()]
    assert actions[0] == "create"
    assert {"start", "die", "destroy"} <= set(actions)
    assert "(image=busybox:test, name=event, x=y)" in ours
    assert [json.loads(line)["Action"] for line in box.kedge(*words, "--format", "json").out.splitlines()] == actions
    assert box.kedge(*words, "-f", "event=die", "--format", "{{.Actor.Attributes.exitCode}}").out == "0\n"


def test_events_come_as_they_happen(box):
    listeners = box.api.get("/info")["NEventsListener"]
    process = background(box, "events", "--filter", "type=container", "--format", "{{.Action}}")
    kedge.wait_for(lambda: box.api.get("/info")["NEventsListener"] > listeners)
    box.kedge("create", "--network", "none", "busybox:test")
    assert process.stdout.readline() == b"create\n"
    process.kill()
    process.wait()


def test_stats(box):
    run_box(box, "-d", "--name", "busy", "-m", "32m", "busybox:test", "sh", "-c", "while :; do :; done")
    lines = box.kedge("stats", "--no-stream").out.splitlines()
    assert lines[0].split("   ")[:3] == ["CONTAINER ID", "NAME", "CPU %"]
    row = json.loads(box.kedge("stats", "--no-stream", "--format", "json", "busy").out)
    assert row["Name"] == "busy"
    assert float(row["CPUPerc"].rstrip("%")) > 20
    assert row["MemUsage"].endswith(" / 32MiB")
    assert int(row["PIDs"]) >= 1
    assert box.kedge("stats", "--no-stream", "nope", check=False).err == "kedge: No such container: nope\n"


def cells(text):
    return [line.split() for line in text.splitlines()]


def test_top_is_dockers(box):
    run_box(box, "-d", "--name", "many", "busybox:test", "sh", "-c", "sleep 100 & sleep 200 & wait")
    kedge.wait_for(lambda: {"sleep 100", "sleep 200"} <= set(box.kedge("top", "many", "-o", "pid=PID,args").out.replace("   ", "\n").splitlines()))
    for words in ([], ["-ef"], ["-o", "pid,ppid,user,args"], ["axo", "pid,comm,nlwp"]):
        ours, dockers = cells(box.kedge("top", "many", *words).out), cells(box.docker("top", "many", *words).out)
        for row in ours + dockers if words in ([], ["-ef"]) else []:
            del row[3]  # the share of the processor, which is another one a moment later
        assert ours == dockers
    assert box.kedge("container", "top", "many", "-o", "pid,args").out.splitlines()[1].endswith("   sh -c sleep 100 & sleep 200 & wait")
    assert box.kedge("top", "many", "-o", "comm", check=False).err == "kedge: Couldn't find PID field in ps output\n"
    assert box.kedge("top", "nobody", check=False).err == "kedge: No such container: nobody\n"


def test_ports_and_networks_are_dockers(box):
    run_box(box, "-d", "--name", "here", "busybox:test", "sleep", "100")
    assert box.kedge("port", "here").out == box.docker("port", "here").out == ""
    assert box.kedge("port", "here", "80", check=False).err == 'kedge: no public port "80/tcp" published for here\n'
    for words in ([], ["-q"], ["--no-trunc"], ["-f", "driver=null", "--format", "{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.IPv6}}"], ["-f", "dangling=true"]):
        assert cells(box.kedge("network", "ls", *words).out) == cells(box.docker("network", "ls", *words).out), words
    for words in (["host"], ["host", "none"], ["-f", "{{.Name}}: {{len .Containers}}", "none"]):
        assert box.kedge("network", "inspect", *words).out == box.docker("network", "inspect", *words).out, words
    assert box.kedge("inspect", "--type", "network", "-f", "{{.Driver}}", "none").out == box.kedge("inspect", "-f", "{{.Driver}}", "none").out == "null\n"
    missing = box.kedge("network", "inspect", "nothing", check=False)
    assert (missing.returncode, missing.out, missing.err) == (1, "[]\n", "Error: No such network: nothing\n")


def test_system_df_by_each(box):
    run_box(box, "-d", "--name", "writes", "busybox:test", "sh", "-c", "head -c 100000 /dev/zero > /x; sleep 100")
    kedge.wait_for(lambda: "100kB" in box.kedge("system", "df", "-v").out)
    images, containers, volumes = [part.strip().splitlines() for part in re.split(r".* space usage:", box.kedge("system", "df", "-v").out)[1:]]
    assert re.split(r" {3,}", images[0]) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"]
    assert images[1].split()[:2] == ["busybox", "test"] and images[1].split()[-1] == "1" and "N/A" not in images[1]
    assert re.split(r" {3,}", containers[0]) == ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"]
    assert containers[1].endswith("writes") and "100kB" in containers[1]
    assert re.split(r" {3,}", volumes[0]) == ["VOLUME NAME", "LINKS", "SIZE"]
    theirs, = [line.split() for line in box.docker("system", "df", "-v").out.splitlines() if "busybox" in line and "writes" not in line]
    ours = images[1].split()
    assert ours[:-4] + ours[-3:] == theirs[:-4] + theirs[-3:]
    assert ours[-4] == theirs[-4] or kedge.docker_major() < 23  # an older program rounds the size more


def test_search_is_dockers(box, fake):
    results = [{"name": "web", "description": "serves " * 20, "star_count": 7, "is_official": True, "is_automated": False},
               {"name": "me/web", "description": "two\nlines", "star_count": 0, "is_official": False, "is_automated": False}]

    @fake.rule("/v1/search")
    def search(handler, request):
        handler.reply(200, json.dumps({"results": results}).encode())
    lines = box.kedge("search", f"{fake.host}/web").out.splitlines()
    assert [re.split(r" {3,}", line.strip()) for line in lines] == [
        ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"], ["web", "serves serves serves serves serves serves se…", "7", "[OK]"], ["me/web", "two lines", "0"]]
    for words in (["--format", "{{.Name}} {{.StarCount}} {{.IsOfficial}}"], ["--no-trunc", "--format", "{{.Name}}: {{.Description}}"],
                  ["-f", "is-official=true", "--format", "{{.Name}}"], ["--limit", "1", "--format", "{{.Name}}"]):
        assert box.kedge("search", *words, f"{fake.host}/web").out == box.docker("search", *words, f"{fake.host}/web").out, words
    assert fake.asked("/v1/search")[-1].query["n"] == ["1"]
    assert box.kedge("search", "--limit", "500", f"{fake.host}/web", check=False).err == "kedge: Limit 500 is outside the range of [1, 100]\n"


# ---- images -------------------------------------------------------------------------------------------------------------------------

def test_load_tag_and_rmi(daemon, tmp_path):
    archive = kedge.busybox_archive(tmp_path / "image.tar", "loaded:1")
    assert "Loaded image: loaded:1" in daemon.kedge("load", "-i", archive).out
    with open(archive, "rb") as stream:
        assert "Loaded image: loaded:1" in daemon.kedge("load", stdin=stream).out
    daemon.kedge("tag", "loaded:1", "other/name")
    assert daemon.kedge("images", "--format", "{{.Repository}}:{{.Tag}}", "other/name").out == "other/name:latest\n"
    assert daemon.kedge("images", "-q", "--no-trunc").out == daemon.docker("images", "-q", "--no-trunc").out
    assert daemon.kedge("rmi", "other/name").out == "Untagged: other/name:latest\n"
    assert daemon.kedge("rmi", "loaded:2", check=False).returncode == 1


def test_push_and_pull_with_login(daemon):
    registry = kedge.Registry(tls=True, users={"me": "se:cret"}).start()
    try:
        registry.trust(daemon)
        name = f"{registry.host}/tools/box:1"
        daemon.kedge("tag", "busybox:test", name)
        refused = daemon.kedge("push", name, check=False)
        assert refused.returncode == 1
        wrong = daemon.kedge("login", "-u", "me", "--password-stdin", registry.host, input=b"wrong", check=False)
        assert wrong.returncode == 1
        assert f'could not log in to "{registry.host}"' in wrong.err
        assert daemon.kedge("login", "-u", "me", "--password-stdin", registry.host, input=b"se:cret\n").out == "Login Succeeded\n"
        pushed = daemon.kedge("push", name).out
        digest = re.search(r"digest: (sha256:[0-9a-f]{64})", pushed)[1]
        daemon.kedge("rmi", name, "busybox:test")
        pulled = daemon.kedge("pull", name).out
        assert f"Digest: {digest}\n" in pulled
        assert pulled.endswith(f"{name}\n")
        assert daemon.kedge("pull", "-q", f"{registry.host}/tools/box@{digest}").out == f"{registry.host}/tools/box@{digest}\n"
        daemon.kedge("rmi", "-f", name)
        done = daemon.kedge("run", "--rm", "--network", "none", name, "echo", "from the registry")
        assert done.out == "from the registry\n"
        assert done.err.startswith(f"Unable to find image '{name}' locally\n")
        daemon.kedge("logout", registry.host)
        daemon.kedge("rmi", "-f", name)
        assert daemon.kedge("pull", name, check=False).returncode == 1
        assert "se:cret" not in daemon.log()
    finally:
        registry.close()


def test_pull_draws_bars(daemon, registry, tmp_path):
    (tmp_path / "layer").mkdir()
    with open(tmp_path / "layer" / "noise", "wb") as noise, open("/dev/urandom", "rb") as source:
        noise.write(source.read(40 << 20))
    archive = kedge.busybox_archive(tmp_path / "image.tar", "big:1", layers=[tmp_path / "layer"])
    name = registry.copy_from(archive, "big:1")
    status, text = on_terminal("pull", name, host=daemon.socket, columns=100, DOCKER_CONFIG=str(tmp_path))
    assert status == 0
    assert re.search(r"\[=*>? *\].*MB/", re.sub(r"\033\[[0-9;]*[a-z]", "", text)), text
    assert text.rstrip().splitlines()[-1] == name


def test_copies_draw_bars(box, tmp_path):
    """How far one is, of a file with its size; at the end the line makes room for what was copied."""
    box.create(["true"], name="subject")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "large").write_bytes(bytes(3 << 20))
    for arguments, figure in (((tmp_path / "tree" / "large", "subject:/tmp"), "/3.146MB"), ((tmp_path / "tree", "subject:/tmp"), "kB"),
                              (("subject:/tmp/large", tmp_path / "back"), "/3.146MB"), (("subject:/tmp/tree", tmp_path / "back-tree"), "kB")):
        status, text = on_terminal("cp", *arguments, host=box.socket, columns=100)
        assert status == 0
        assert re.search(r": Copying .*" + figure, text), text
        assert ("[" in re.sub(r"\033\[", "", text)) == (figure != "kB"), text
        shown = Screen(200).put(text).text()
        assert re.fullmatch(r"Successfully copied 3\.15MB to \S+", shown), shown
        status, text = on_terminal("cp", "-q", *arguments, host=box.socket)
        assert (status, text) == (0, "")


def test_missing_image(box):
    done = box.kedge("pull", "localhost:1/nothing", check=False)
    assert done.returncode == 1
    assert done.err.startswith("kedge: ")


# ---- man pages and completion ---------------------------------------------------------------------------------------------------------

def test_pages_have_every_option():
    pages = sorted(path for path in (kedge.BUILD / "man").glob("kedge-*.1"))
    assert len(pages) >= 26
    for page in pages:
        text = page.read_text().replace("\\-", "-")
        command = page.name[len("kedge-"):-2]
        groups = ("container-", "enforcement-", "external-", "image-", "network-", "service-", "snapshots-", "system-", "volume-")
        words = command.split("-", 1) if command.startswith(groups) else [command]
        shown = subprocess.run([str(kedge.BIN / "kedge"), *words, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        options = re.findall(r"^\s{1,6}(?:-\w, )?--([a-z0-9-]+)", shown, re.M)
        assert options
        assert [option for option in options if f"--{option}" not in text] == [], page.name
        assert not re.search("@[A-Z_]+@", text), page.name


def complete(box, *words):
    script = f'source {kedge.BUILD}/completion/kedge; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kedge; printf "%s\\n" "${{COMPREPLY[@]}}"'
    environment = {**box.client_environment(), "PATH": f"{kedge.BIN}:/usr/bin:/bin"}
    return subprocess.run(["bash", "-c", script, "bash", "kedge", *words], env=environment, stdout=subprocess.PIPE, text=True).stdout.split()


def test_completion(box):
    box.kedge("create", "--name", "completed", "--network", "none", "busybox:test")
    run_box(box, "-d", "--name", "running", "busybox:test", "sleep", "100")
    assert complete(box, "st") == ["start", "stop", "stats"]
    assert complete(box, "container", "") >= ["ls"]
    assert complete(box, "run", "--pul") == ["--pull"]
    assert complete(box, "run", "--pull", "a") == ["always"]
    assert complete(box, "rm", "c") == ["completed"]
    assert complete(box, "stop", "") == ["running"]
    assert complete(box, "container", "rm", "c") == ["completed"]
    assert complete(box, "run", "--rm", "") == ["busybox:test"]
    assert complete(box, "inspect", "") == ["running", "completed", "busybox:test", "bridge", "host", "none"]
    assert complete(box, "network", "inspect", "h") == ["host"]
    assert complete(box, "--host", f"unix://{box.socket}", "kill", "--signal", "US") == ["USR1", "USR2"]


def test_size_and_libraries():
    """A short start: only the C library and jansson are linked."""
    needed = subprocess.run(["readelf", "-d", kedge.BIN / "kedge"], stdout=subprocess.PIPE, text=True).stdout
    libraries = set(re.findall(r"NEEDED.*\[(.*)\]", needed))
    if not any("san" in name for name in libraries):
        assert libraries <= {"libc.so.6", "libjansson.so.4", "libm.so.6"}
    assert pathlib.Path(kedge.BIN / "kedge").stat().st_size < 8 << 20


def test_wait_for_what(box):
    box.create(["sh", "-c", "exit 4"], name="one", host={"AutoRemove": True})
    waits = [Background(box.kedge, "wait", "--condition", condition, "one") for condition in ("next-exit", "removed")]
    kedge.wait_for(lambda: not any(wait.is_done() for wait in waits) or None)
    time.sleep(0.5)
    assert not any(wait.is_done() for wait in waits)
    box.start_container("one")
    assert [wait.result().out for wait in waits] == ["4\n", "4\n"]
    box.create(["true"], name="two")
    assert box.kedge("wait", "two").out == "0\n"
    done = box.kedge("wait", "--condition", "never", "two", check=False)
    assert done.returncode == 1 and 'invalid condition: "never"' in done.err


@pytest.mark.parametrize("words", [["container", "prune"], ["image", "prune"], ["image", "prune", "--all"], ["system", "prune"]], ids=" ".join)
@pytest.mark.parametrize("answer", [b"n\n", b"", b"\n", b"yes\n", b"y\n", b" Y \n"], ids=repr)
def test_the_question_of_prune(box, words, answer):
    """Docker's words and its exit status, whatever is answered; "y" alone is yes."""
    created = box.create(["true"])
    done = box.kedge(*words, input=answer, check=False)
    is_yes, is_of_containers = answer.strip().lower() == b"y", words[0] != "image"
    assert (created in str(box.api.get("/containers/json?all=1"))) != (is_yes and is_of_containers)
    assert done.returncode == 0 and done.out.startswith("WARNING! This will remove")
    assert ("Total reclaimed space" in done.out) == is_yes
    if kedge.docker_major() >= 28 and words[0] != "system" and not (is_yes and is_of_containers):  # system: docker has more to remove
        docker = box.docker(*words, input=answer, check=False)
        assert (docker.returncode, docker.out, docker.err) == (done.returncode, done.out, done.err)
