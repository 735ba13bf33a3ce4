# SPDX-License-Identifier: Apache-2.0
"""The demo's session, once with docker's program and once with kedge's, each on a daemon and a registry of its own: the same transcript."""
import json
import re
import threading

import pytest

import kedge

CONFIG = {"User": "web", "WorkingDir": "/www", "Labels": {"of": "image"}, "Entrypoint": ["/bin/sh", "-c"],
          "Cmd": ["exec httpd -f -vv -p 127.0.0.1:$PORT -h /www"],
          "Healthcheck": {"Test": ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:$PORT/"], "Interval": 200000000}}


class Session:
    """Steps of one client, with what it said made comparable: what differs by chance has a name instead."""

    def __init__(self, program, work):
        self.daemon = kedge.Daemon().start()
        self.registry = kedge.Registry(tls=True, users={"demo": "demo-password"}).start()
        self.registry.trust(self.daemon)
        self.client = getattr(self.daemon, program)
        self.program, self.work = program, work
        self.image = f"{self.registry.host}/demo/web:1"
        self.port = str(kedge.free_port())
        self.transcript = []

    def plain(self, text):
        for pattern, name in ((re.escape(self.registry.host), "REGISTRY"), (self.port, "PORT"), (r"\b[0-9a-f]{64}\b", "ID64"),
                              (r"\b[0-9a-f]{12}\b", "ID12"), (r"\d+(\.\d+)? ?(seconds?|minutes?|hours?|[num]?s)\b", "TIME"),
                              (r"About a minute|Less than a second", "TIME"), (r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z| \+0000 UTC)", "DATE"),
                              (r"127\.0\.0\.1:\d+", "ADDRESS"), (str(self.work), "WORK"), (r" {2,}", "  ")):
            text = re.sub(pattern, name, text)
        return [line.strip() for line in text.splitlines() if line.strip()]

    def step(self, *words, **options):
        done = self.client(*words, check=False, **options)
        said = self.plain(done.out)
        if words[0] in ("push", "pull"):  # bars and layers come in any order, and each client has its own words for them
            said = [line for line in said if line.startswith(("Digest:", "Status:", "1: digest:"))]
        if words[0] == "load":
            said = [line for line in said if line.startswith("Loaded")]
        self.transcript.append((words, done.returncode, said))
        return done

    def quiet(self, *words):
        return self.client(*words, check=False)

    def shown(self, template):
        return self.quiet("inspect", "--format", template, "web").out.strip()

    def run(self):
        self.images()
        self.web()
        self.exit_codes()
        self.listings()
        self.endings()

    def images(self):
        site = self.work / f"site-{self.program}"
        (site / "www").mkdir(parents=True)
        (site / "www" / "index.html").write_text("hello\n")
        archive = kedge.busybox_archive(self.work / f"{self.program}.tar", self.image, config={**CONFIG, "Env": ["PATH=/bin"]}, layers=[site])
        self.step("load", "-i", archive)
        self.step("images")
        self.step("login", "--username", "demo", "--password-stdin", self.registry.host, input=b"demo-password")
        self.step("push", self.image)
        self.step("tag", self.image, "other:2")
        self.step("rmi", "other:2")
        self.step("rmi", self.image)
        self.step("images", "-q")
        self.step("pull", self.image)
        self.step("pull", self.image)
        self.step("images")
        self.step("rmi", "nothing:1")
        self.step("pull", f"{self.registry.host}/demo/absent:1")

    def web(self):
        self.step("run", "-d", "--name", "web", "--restart", "always", "--network", "host", "-e", f"PORT={self.port}", "--label", "mine=1",
                  "--memory", "64m", "--pids-limit", "50", self.image)
        kedge.wait_for(lambda: self.shown("{{.State.Health.Status}}") == "healthy")
        self.step("ps")
        self.step("ps", "--format", "{{.Names}} {{.Image}} {{.Status}} {{.Label \"mine\"}}")
        self.step("ps", "-q", "--no-trunc", "--filter", "label=mine=1")
        self.step("run", "--rm", "--network", "host", "--entrypoint", "wget", self.image, "-q", "-O", "-", f"http://127.0.0.1:{self.port}/")
        self.step("inspect", "--format", "{{json .Config.Labels}} {{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}", "web")
        pid = self.shown("{{.State.Pid}}")
        self.daemon.restart()
        assert self.shown("{{.State.Pid}}") == pid
        kedge.wait_for(lambda: self.shown("{{.State.Health.Status}}") == "healthy")
        self.step("ps")
        self.step("logs", "--tail", "0", "web")

    def exit_codes(self):
        for command in (["exit 0"], ["exit 1"], ["exit 99"], ["echo out; echo err >&2; exit 3"], ["kill -9 $$; exit 5"]):
            self.step("run", "--rm", "--network", "none", self.image, *command)
        for program in ("/no/such/program", "/etc/passwd", "/tmp"):
            self.step("run", "--rm", "--network", "none", "--entrypoint", program, self.image)
        self.step("run", "--rm", "--network", "none", "--memory", "1", self.image)
        self.step("run", "--rm", "-p", "80:80", self.image, "exit 0")
        self.step("run", "--rm", "--pull", "never", "nothing:1")
        self.step("start", "absent")
        self.step("logs", "absent")
        self.step("stop", "absent")
        self.step("inspect", "absent")
        self.step("rm", "absent")

    def listings(self):
        self.step("create", "--name", "made", "--network", "none", self.image, "echo made")
        self.step("start", "-a", "made")
        self.step("run", "--name", "failed", "--network", "none", self.image, "echo one; echo two >&2; exit 4")
        self.step("ps", "-a")
        self.step("ps", "-aq", "--filter", "status=exited", "--filter", "exited=4", "--no-trunc")
        self.step("ps", "-a", "--filter", "name=made", "--format", "{{.Names}}: {{.Command}}")
        self.step("logs", "failed")
        self.step("wait", "failed")
        self.step("inspect", "failed", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.Path}} {{json .Args}} {{.Config.User}}")
        inspected = json.loads(self.quiet("inspect", "failed").out)[0]
        host = set(inspected["HostConfig"]) - {"KernelMemory", "KernelMemoryTCP"}  # an older program's, which speaks 1.41
        self.transcript.append(("inspect keys", 0, [sorted(inspected), sorted(inspected["State"]), sorted(host),
                                                    sorted(inspected["Config"])]))
        self.step("rmi", self.image)
        self.step("rm", "failed", "made")
        self.step("stats", "--no-stream", "--format", "table {{.Name}}", "web")

    def endings(self):
        self.step("rm", "web")
        self.step("restart", "-t", "1", "web")
        self.step("kill", "web")
        self.step("wait", "web")
        self.step("start", "web")
        self.step("stop", "-t", "0", "web")
        self.step("ps", "-a", "--format", "{{.Names}} {{.State}}")
        self.step("rm", "-f", "web")
        self.step("rmi", self.image)
        self.step("ps", "-aq")
        self.step("images", "-q")

    def close(self):
        self.daemon.close()
        self.registry.close()


@pytest.fixture
def sessions(tmp_path):
    both = [Session(program, tmp_path) for program in ("docker", "kedge")]
    yield both
    for session in both:
        session.close()


def test_the_same_transcript(sessions):
    problems = []

    def run(session):
        try:
            session.run()
        except Exception as problem:
            problems.append((session.program, problem))
    threads = [threading.Thread(target=run, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems
    dockers, ours = (session.transcript for session in sessions)
    differences = []
    for theirs, mine in zip(dockers, ours, strict=True):
        what = [sessions[0].plain(" ".join(map(str, words[0]))) if isinstance(words[0], tuple) else words[0] for words in (theirs, mine)][0]
        if theirs[1:] != mine[1:]:
            differences.append(f"{what}\n  docker: {theirs[1:]}\n  kedge:  {mine[1:]}")
    assert not differences, "\n" + "\n".join(differences)
    statuses = [status for _, status, _ in ours]
    assert {0, 1, 3, 4, 5, 99, 125, 126, 127} <= set(statuses), statuses
