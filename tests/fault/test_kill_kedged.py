# SPDX-License-Identifier: Apache-2.0
"""
kedged is killed again and again while clients create, start, stop and remove containers that write numbered lines to stdout and to a bound
file (invariant 1), and volumes that an image has files for. What was acknowledged stays true, no container and no volume is lost or doubled,
no line is lost or doubled, every status is right.
"""
import http.client
import itertools
import json
import os
import threading
import time

import kedge
import store
from streams import Background, joined

KILLS = int(os.environ.get("KEDGE_KILLS") or (200 if kedge.SOAK else 12))
CLIENTS = 4
LOST = (OSError, http.client.HTTPException)

# Lines of 17 kB, lines that are no UTF-8, an end without newline. A stop is noticed between two lines, so that both places have the same.
SCRIPT = r"""
echo begin >> /b/$NAME.begun
stop=
trap 'stop=1' TERM
i=0
while [ $i -lt $LINES ] && [ -z "$stop" ]; do
    i=$((i + 1))
    text="$i of $NAME"
    case $i in
    *50) text="$i $LONG" ;;
    *33) text=$(printf '%s \377\303 end' $i) ;;
    *5) usleep 10000 ;;
    esac
    echo "$text"
    echo "$text" >> /b/$NAME
done
printf 'end'
printf 'end' >> /b/$NAME
[ -z "$stop" ] || exit 77
exit $CODE
"""


class Facts:
    """What clients know for sure: containers that must be there."""

    def __init__(self):
        self.lock = threading.Lock()
        self.there = {}  # id -> name; taken out before a removal is asked for

    def add(self, identity, name):
        with self.lock:
            self.there[identity] = name

    def drop(self, identity):
        with self.lock:
            self.there.pop(identity, None)

    def copy(self):
        with self.lock:
            return dict(self.there)


class Client:
    """Lives containers' lives, one after the other; an answer that was lost is found out about afterwards, as a person would."""

    def __init__(self, number, daemon, facts, chance, directory):
        self.number, self.daemon, self.facts, self.chance, self.directory = number, daemon, facts, chance, directory
        self.end = threading.Event()
        self.lives = self.lost_answers = 0

    # ---- asking ----

    def ask(self, method, target, body=None):
        """(status, answer), or None when kedged died before it answered. Waits for a kedged to ask."""
        while True:
            try:
                connection = kedge.UnixConnection(self.daemon.socket, 60)
                connection.connect()
                break
            except OSError:
                time.sleep(0.01)
        try:
            connection.request(method, target, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else None
        except LOST:
            self.lost_answers += 1
            return None
        finally:
            connection.close()

    def sure(self, method, target):
        """A question that changes nothing: asked until it is answered."""
        while True:
            answer = self.ask(method, target)
            if answer:
                return answer

    def inspect(self, name):
        status, answer = self.sure("GET", f"/containers/{name}/json")
        return answer if status == 200 else None

    # ---- steps; each comes back when it is known to have happened ----

    def create(self, name, code, lines, host):
        return self.create_from(name, {"Image": "busybox:test", "Cmd": ["sh", "-c", SCRIPT],
                                       "Env": [f"NAME={name}", f"LINES={lines}", f"CODE={code}", "LONG=" + "x" * 17000],
                                       "HostConfig": {"NetworkMode": "none", "Binds": [f"{self.directory}:/b"], **host}})

    def create_from(self, name, body):
        answer = self.ask("POST", f"/containers/create?name={name}", body)
        if answer:
            assert answer[0] == 201, answer
            identity = answer[1]["Id"]
        else:
            found = self.inspect(name)
            if not found:
                return self.create_from(name, body)
            identity = found["Id"]
        self.facts.add(identity, name)
        return identity

    def begun(self, name):
        path = self.directory / f"{name}.begun"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def start(self, identity):
        """How often it was asked for: what ended between a lost answer and the next try is started once more, by right."""
        for asked in itertools.count(1):
            answer = self.ask("POST", f"/containers/{identity}/start")
            if answer:
                assert answer[0] in (204, 304), answer
                return asked
            if self.inspect(identity)["State"]["StartedAt"] > "0002":
                return asked

    def stop(self, identity):
        while True:
            answer = self.ask("POST", f"/containers/{identity}/stop?t=20")
            if answer:
                assert answer[0] in (204, 304), answer
                return

    def wait_until_ended(self, identity, statuses=("exited",)):
        while True:
            state = self.inspect(identity)["State"]
            assert state["Status"] in (*statuses, "running", "restarting"), state
            if state["Status"] in statuses:
                return state
            time.sleep(0.03)

    def remove(self, identity, force, volumes=False):
        self.facts.drop(identity)
        self.delete(f"/containers/{identity}?force={int(force)}&v={int(volumes)}")
        assert self.inspect(identity) is None

    def delete(self, target):
        while True:
            answer = self.ask("DELETE", target)
            if answer:
                assert answer[0] in (204, 404), answer
                return

    def volumes(self):
        return {volume["Name"] for volume in self.sure("GET", "/volumes")[1]["Volumes"]}

    # ---- comparing ----

    def compare_log(self, identity, name):
        written = (self.directory / name).read_bytes().decode(errors="replace")
        while True:
            try:
                logged = joined(self.daemon.logs(identity, "stdout=1")).decode()
                break
            except LOST:
                pass
        assert logged.splitlines() == written.splitlines() and logged == written, (name, len(logged), len(written))

    # ---- lives ----

    def life_to_the_end(self, name):
        code, lines = self.chance.randrange(0, 120), self.chance.randrange(10, 400)
        identity = self.create(name, code, lines, {})
        self.start(identity)
        state = self.wait_until_ended(identity)
        assert state["ExitCode"] == code, (name, state)
        assert self.begun(name) == 1
        self.compare_log(identity, name)
        self.remove(identity, self.chance.random() < 0.3)

    def life_with_stop(self, name):
        identity = self.create(name, 5, 1000000, {})
        self.start(identity)
        first = self.inspect(identity)["State"]
        assert first["Running"], (name, first)
        for _ in range(self.chance.randrange(1, 12)):
            time.sleep(0.1)
            now = self.inspect(identity)["State"]
            assert (now["Running"], now["Pid"], now["StartedAt"]) == (True, first["Pid"], first["StartedAt"]), (name, first, now)
        kedge.wait_for(lambda: (self.directory / name).exists())  # its trap is set
        self.stop(identity)
        state = self.inspect(identity)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 77), (name, state)
        assert self.begun(name) == 1
        self.compare_log(identity, name)
        self.remove(identity, False)

    def life_never_started(self, name):
        identity = self.create(name, 0, 1, {})
        time.sleep(self.chance.random())
        assert self.inspect(name)["Id"] == identity and self.inspect(name)["State"]["Status"] == "created"
        self.remove(identity, False)
        assert self.begun(name) == 0

    def life_cut_short(self, name):
        identity = self.create(name, 5, 1000000, {})
        self.start(identity)
        time.sleep(self.chance.random() * 0.5)
        self.remove(identity, True)
        assert self.begun(name) <= 1

    def life_with_restarts(self, name):
        identity = self.create(name, 9, 20, {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
        asked = self.start(identity)
        state = self.wait_until_ended(identity)
        assert state["ExitCode"] == 9, (name, state)
        assert 3 <= self.begun(name) <= 2 + asked, (name, self.begun(name), asked, self.inspect(identity)["RestartCount"])
        self.compare_log(identity, name)
        self.remove(identity, False)

    def life_removed_by_itself(self, name):
        identity = self.create(name, 0, 30, {"AutoRemove": True})
        self.facts.drop(identity)
        while True:
            answer = self.ask("POST", f"/containers/{identity}/start")
            if answer or self.inspect(identity) is None:
                break
        kedge.wait_for(lambda: self.inspect(identity) is None, 30)
        assert self.begun(name) == 1

    def mounted(self, identity):
        """Names of a container's volumes by where they are."""
        return {mount["Destination"]: mount["Name"] for mount in self.inspect(identity)["Mounts"]}

    def create_with_volumes(self, name, script):
        return self.create_from(name, {"Image": "filled:test", "Cmd": ["sh", "-c", script],
                                       "HostConfig": {"NetworkMode": "none", "Binds": [f"volume-{name}:/data"]}})

    def life_with_volumes(self, name):
        """A volume with a name and one without are filled from the image once, and keep what was written."""
        check = "for in in data nameless; do test $(cat /$in/* | wc -l) = 300 || exit 9; done; "
        identity = self.create_with_volumes(name, check + "echo own > /data/own; sleep 0.05; exit 3")
        volumes = self.mounted(identity)
        assert volumes.pop("/data") == f"volume-{name}" and set(volumes.values()) < self.volumes()
        self.start(identity)
        assert self.wait_until_ended(identity)["ExitCode"] in (3, 9), name  # 9: it was started twice, and found its own
        self.remove(identity, False, volumes=True)
        assert not set(volumes.values()) & self.volumes(), name
        again = self.create_with_volumes(name, "grep -q own /data/own && test $(cat /data/* | wc -l) -gt 300")
        self.start(again)
        assert self.wait_until_ended(again)["ExitCode"] == 0, name
        self.remove(again, True, volumes=True)
        assert f"volume-{name}" in self.volumes(), name
        self.delete(f"/volumes/volume-{name}")
        assert f"volume-{name}" not in self.volumes(), name

    def run(self):
        lives = [self.life_to_the_end, self.life_with_stop, self.life_never_started, self.life_cut_short, self.life_with_restarts,
                 self.life_removed_by_itself, self.life_with_volumes]
        while not self.end.is_set():
            self.lives += 1
            self.chance.choice(lives)(f"c{self.number}-{self.lives}")


def compare_list(daemon, facts):
    """Every container that must be there is there, once."""
    before = facts.copy()
    listed = daemon.api.get("/containers/json?all=1")
    after = facts.copy()
    identities = [entry["Id"] for entry in listed]
    names = [entry["Names"][0] for entry in listed]
    assert len(set(identities)) == len(identities) and len(set(names)) == len(names), names
    missing = {name for identity, name in before.items() if identity in after and identity not in identities}
    assert not missing, missing


def load_filled(daemon, directory):
    """An image with 300 files each where its containers have a volume with a name, and one without."""
    for name in ("data", "nameless"):
        (directory / name).mkdir(parents=True)
        for number in range(300):
            (directory / name / f"f{number}").write_text(f"{number}\n")
    daemon.load_busybox("filled:test", layers=[directory], config={"Volumes": {"/nameless": {}}})


def test_killed_at_random(daemon, chance, tmp_path):
    load_filled(daemon, tmp_path / "layer")
    facts = Facts()
    clients = [Client(number, daemon, facts, type(chance)(chance.random()), tmp_path) for number in range(CLIENTS)]
    jobs = [Background(client.run) for client in clients]
    try:
        for _ in range(KILLS):
            time.sleep(0.02 + chance.random() ** 2 * 1.5)
            daemon.kill()
            time.sleep(chance.choice([0, 0, 0.3]))
            daemon.start()
            compare_list(daemon, facts)
            for job in jobs:
                if job.is_done():
                    job.result()
    finally:
        for client in clients:
            client.end.set()
    for job in jobs:
        job.result(90)
    print(f"{sum(client.lives for client in clients)} lives, {sum(client.lost_answers for client in clients)} lost answers, {KILLS} kills")
    assert sum(client.lost_answers for client in clients) > 0 or KILLS < 50  # a dozen may all miss
    assert daemon.api.get("/volumes")["Volumes"] == [] == list((daemon.store / "volumes").iterdir())
    store.end_clean(daemon)


def test_killed_at_every_moment_of_a_start(daemon):
    """create and start are cut off after so many milliseconds each: what exists afterwards is whole and usable."""
    for moment in range(0, 60, 1 if kedge.SOAK else 4):
        identity = daemon.create(["sh", "-c", "echo line; sleep 0.05; exit 3"], name=f"m{moment}")
        call = Background(lambda: daemon.api.raw("POST", f"/containers/{identity}/start"))
        time.sleep(moment / 1000)
        daemon.kill()
        daemon.start()
        try:
            answer = call.result()
        except LOST:
            answer = None
        if daemon.inspect(identity)["State"]["Status"] == "created":
            assert not answer
            time.sleep(0.05)
            if daemon.inspect(identity)["State"]["Status"] == "created":
                daemon.start_container(identity)
        kedge.wait_for(lambda: daemon.inspect(identity)["State"]["Status"] == "exited")
        assert daemon.inspect(identity)["State"]["ExitCode"] == 3
        assert daemon.log_text(identity) == "line\n"
        daemon.api.delete(f"/containers/{identity}")
    store.end_clean(daemon)


def test_killed_with_twenty_running(daemon):
    running = [daemon.run_container(["sh", "-c", "while :; do echo x; sleep 1; done"]) for _ in range(20)]
    pids = [daemon.inspect(identity)["State"]["Pid"] for identity in running]
    for _ in range(5):
        daemon.restart()
        assert [daemon.inspect(identity)["State"]["Pid"] for identity in running] == pids
    store.end_clean(daemon)


def connects(client):
    try:
        client.connect()
    except OSError:
        return False
    return True


def test_who_comes_while_kedged_starts_waits_for_the_answer(daemon):
    """What it reads at its start is held back by a pipe in the place of a file: by then it listens."""
    identity = daemon.run_container(["sleep", "1000"])
    daemon.kill()
    held, text = daemon.store / "id", (daemon.store / "id").read_bytes()
    held.unlink()
    os.mkfifo(held)
    daemon.spawn()
    client = kedge.UnixConnection(daemon.socket)
    kedge.wait_for(lambda: connects(client))
    client.request("GET", f"/containers/{identity}/json")
    held.write_bytes(text)  # waits until kedged reads it
    answer = client.getresponse()
    assert answer.status == 200
    assert json.loads(answer.read())["State"]["Running"]
    client.close()
    held.unlink()
    held.write_bytes(text)
    store.end_clean(daemon)
