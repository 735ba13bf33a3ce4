# SPDX-License-Identifier: Apache-2.0
"""A dockerd and a kedged that are asked the same: what each says, and its events, made comparable."""
import contextlib
import itertools
import json
import pathlib
import re
import shutil
import tempfile
import time

import dockerd
import kedge
import namespaces
from streams import Events


class Side:
    """One of the two engines; what it says is made comparable: ids and names of chance have a word instead."""

    def __init__(self, socket, daemon=None):
        self.socket, self.daemon = socket, daemon
        self.api = kedge.Api(socket)
        self.said = []
        self.names = {}

    def plain(self, text):
        for identity, name in self.names.items():
            text = text.replace(identity, name.upper()).replace(identity[:12], name.upper())
        text = re.sub(r"(has active endpoints): .*", r"\1", text)  # kedge says whose
        return re.sub(r"\b[0-9a-f]{64}\b", "ID", text)

    def ask(self, method, target, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        status, data = self.api.raw(method, "/v1.41" + target, json.dumps(body) if body is not None else None, headers)
        text = data.decode(errors="replace")
        message = json.loads(text).get("message", "") if status >= 400 and text.startswith("{") else ""
        self.said.append((method, self.plain(target), status, self.plain(message)))
        return status, text

    def create(self, name, command, host=None, **config):
        body = {"Image": "busybox:test", "Cmd": command, "HostConfig": {"NetworkMode": "none", **(host or {})}, **config}
        status, text = self.ask("POST", f"/containers/create?name={name}", body)
        if status == 201:
            self.names[json.loads(text)["Id"]] = name
        return text

    def start(self, name, command, up=True, **settings):
        self.create(name, command, **settings)
        self.ask("POST", f"/containers/{name}/start")
        if up:
            kedge.wait_for(lambda: b"up" in self.api.raw("GET", f"/containers/{name}/logs?stdout=1")[1])

    def inspect(self, name):
        return self.api.get(f"/containers/{name}/json")

    def note(self, name):
        state = self.inspect(name)["State"]
        self.said.append((name, *(state[key] for key in ("Status", "Running", "Paused", "Restarting", "OOMKilled", "Dead", "ExitCode"))))

    def wait(self, name):
        return json.loads(self.ask("POST", f"/containers/{name}/wait")[1])["StatusCode"]


@contextlib.contextmanager
def engines():
    """A dockerd, a kedged, each in a network namespace of its own, and an empty directory."""
    with contextlib.ExitStack() as made:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="kl", dir="/tmp"))
        made.callback(shutil.rmtree, directory, ignore_errors=True)
        places = [namespaces.Namespace(), namespaces.Namespace()]
        for place in places:
            made.callback(place.close)
        docker, daemon = dockerd.Dockerd(places[0]), kedge.Daemon(namespace=places[1])
        for engine in (daemon, docker):
            made.callback(engine.close)
        docker.start()
        daemon.start()
        yield docker, daemon, directory


@contextlib.contextmanager
def started():
    """Both as Sides, with busybox:test."""
    with engines() as (docker, daemon, directory):
        both = [Side(docker.socket), Side(daemon.socket, daemon)]
        root = kedge.mkimage.layer_tar(str(kedge.busybox_directory(directory / "root")), {})
        both[0].api.call("POST", "/images/create?fromSrc=-&repo=busybox&tag=test", root, {"Content-Type": "application/x-tar"})
        daemon.load_busybox()
        yield both


def together(sides, script, kinds=("container", "image", "volume")):
    """Runs the script on both, each with an ear on its events; gives what they said and the events, as two pairs."""
    results = []
    for side in sides:
        side.said.clear()
        ear = Events(side)
        try:
            script(side)
        finally:  # also for who comes next
            for container in side.api.get("/containers/json?all=1"):
                side.api.raw("DELETE", f"/containers/{container['Id']}?force=1")
            time.sleep(0.3)
            ear.close()
        results.append((list(side.said), [event for event in ear.all if event["Type"] in kinds]))
    (their_words, their_events), (our_words, our_events) = results
    return their_words, our_words, their_events, our_events


def events_of(side, events, ignore=()):
    """(name, action, attributes) of containers, without what only the one engine has."""
    lines = []
    for event in events:
        attributes = {key: value for key, value in event["Actor"]["Attributes"].items() if key not in ignore}
        lines.append((side.names.get(event["Actor"]["ID"], event["Actor"]["ID"]), event["Action"], attributes))
    return lines


def check(sides, script, ignore=("execDuration",)):
    their_words, our_words, their_events, our_events = together(sides, script)
    theirs, ours = events_of(sides[0], their_events, ignore), events_of(sides[1], our_events, ignore)
    differences = [f"dockerd: {one}\nkedged:  {other}" for one, other in itertools.zip_longest(their_words + theirs, our_words + ours)
                   if one != other]
    assert not differences, "\n".join(differences)


def shape(value):
    """The form of a JSON document: its members and their kinds."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def filters(**named):
    return "?filters=" + json.dumps(named).replace(" ", "").replace('"', "%22")
