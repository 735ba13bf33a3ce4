# SPDX-License-Identifier: Apache-2.0
"""kedged is killed, or a step fails, at each step of a declared container's life: what comes of it is what is declared."""
import http.client
import time

import pytest

import declared
import kedge

POINTS = {"device.create": 3, "device.rename": 5, "device.start": 4, "device.stop": 4, "device.remove-container": 4, "device.notes": 1, "device.snapshot": 6,
          "device.update": 1, "device.seal": 1, "device.write": 1, "device.remove": 1, "device.rolled-back": 1}
CASES = [f"{point}:{k}:kill" for point, times in POINTS.items() for k in range(1, times + 1)]
CASES += [f"{point}:{k}:fail" for point in ("device.create", "device.rename", "device.stop", "device.remove-container", "device.snapshot", "device.update")
          for k in range(1, POINTS[point] + 1)]
if not kedge.SOAK:  # where most is under way
    CASES = ["device.seal:1:kill", "device.snapshot:2:kill", "device.create:2:kill", "device.rename:1:kill", "device.rename:2:kill", "device.stop:1:kill",
             "device.start:2:kill", "device.notes:1:kill", "device.write:1:kill", "device.rename:2:fail"]


class Life:
    def __init__(self, device):
        self.device, self.deaths = device, 0

    def until(self, what):
        """kedged may die meanwhile, once: another one goes on."""
        end = time.monotonic() + 20
        while True:
            try:
                if what():
                    return
            except (OSError, http.client.HTTPException):
                pass
            if self.device.process.poll() is not None:
                self.deaths += 1
                self.device.process = None
                self.device.environment = {}
                self.device.start()
            assert time.monotonic() < end, f"{self.device.kept()}\n{self.device.log_tail(60)}"
            time.sleep(0.01)

    def runs(self, seconds, memory=0):
        def so():
            container, names = self.device.container("web"), list(self.device.names())
            return (container and container["State"]["Running"] and container["Config"]["Cmd"] == ["sleep", str(seconds)]
                    and container["HostConfig"]["Memory"] == memory and names == ["web"])
        self.until(so)


def of_the_beginning(device):
    """The first snapshot that there is, and what it lets web run."""
    number = device.api.get("/kedge/v1/snapshots")["snapshots"][0]["number"]
    return number, device.api.get(f"/kedge/v1/snapshots/{number}")["content"]["files"]["web.yaml"]["command"][1]


def live(life, device):
    device.load_busybox()
    device.declare("web", command=["sleep", "1001"], registry={"username": "me", "password": "hidden-word"})
    life.runs(1001)
    assert "hidden-word" not in (device.containers / "web.yaml").read_text()
    device.declare("web", command=["sleep", "1002"])
    life.runs(1002)
    device.declare("web", command=["sleep", "1002"], memory="32m")
    life.runs(1002, 32 << 20)
    device.declare("web", command=["sh", "-c", "exit 5"])
    life.until(lambda: "did not come up" in (device.kept("web") or {}).get("reason", ""))
    life.runs(1002, 32 << 20)
    begin, seconds = of_the_beginning(device)
    life.until(lambda: device.api.raw("POST", f"/kedge/v1/snapshots/{begin}/rollback")[0] == 200)
    life.runs(seconds)
    life.until(lambda: device.api.raw("DELETE", "/kedge/v1/containers/web")[0] in (204, 404))
    life.until(lambda: not device.kept() and not device.names())


@pytest.mark.parametrize("fault", CASES)
def test_every_step(fault):
    device = declared.Device(environment={"KEDGE_FAULT": fault})
    life = Life(device)
    try:
        live(life, device.start())
    finally:
        device.environment = {}
        device.close()
    assert life.deaths == fault.endswith(":kill"), "the point was not reached"


def test_a_roll_back_that_failed_is_over():
    device = declared.Device(environment={"KEDGE_FAULT": "device.write:1:fail"}).start()
    try:
        device.load_busybox()
        device.declare("web", command=["sleep", "1001"])
        device.wait_kept("web")
        before = device.api.get("/kedge/v1/snapshots")["snapshots"][-1]["number"]
        device.declare("web", command=["sleep", "1002"])
        kedge.wait_for(lambda: device.cmd_of("web") == ["sleep", "1002"])
        assert device.api.raw("POST", f"/kedge/v1/snapshots/{before}/rollback")[0] == 500
        device.environment = {}
        device.restart()
        assert device.wait_kept("web")["Config"]["Cmd"] == ["sleep", "1002"]
    finally:
        device.environment = {}
        device.close()


@pytest.mark.parametrize("fault", ["device.write:1:kill", "device.write:2:kill", "device.write:3:kill", "device.snapshot:2:kill", "device.write:2:fail"])
def test_an_apply_that_is_cut_off_leaves_whole_files(fault, tmp_path):
    """Each declaration is there as it was, or as it was applied; the same again finishes it."""
    device = declared.Device(environment={"KEDGE_FAULT": fault})
    life = Life(device)
    try:
        device.start().load_busybox()
        device.declare("aa", enabled=False)
        life.until(lambda: device.kept("aa"))
        for name in ("aa", "bb", "cc"):
            (tmp_path / f"{name}.yaml").write_text('{"image": "busybox:test", "command": ["sleep", "1000"], "stopSignal": "KILL"}')
        assert device.kedge("apply", "-f", tmp_path, check=False).returncode == 1
        life.until(lambda: device.kept("aa"))
        assert not device.problems()
        assert {path.name for path in device.containers.iterdir()} <= {"aa.yaml", "bb.yaml", "cc.yaml"}
        device.kedge("apply", "--wait=1m", "-f", tmp_path)
        assert set(device.names()) == {"aa", "bb", "cc"}
    finally:
        device.environment = {}
        device.close()
    assert life.deaths == fault.endswith(":kill"), "the point was not reached"


def test_an_apply_that_is_cut_off_names_what_is_written(tmp_path):
    device = declared.Device(environment={"KEDGE_FAULT": "device.write:2:fail"}).start()
    try:
        for name in ("aa", "bb", "cc"):
            (tmp_path / f"{name}.yaml").write_text('{"image": "busybox:test", "enabled": false}')
        done = device.kedge("apply", "-f", tmp_path, check=False)
        assert done.returncode == 1 and 'written: "aa"; not written: "bb", "cc"; container "bb": ' in done.err
        assert [path.name for path in device.containers.iterdir()] == ["aa.yaml"] and [one["name"] for one in device.kept()] == ["aa"]
        device.kedge("apply", "-f", tmp_path)
        assert {one["name"] for one in device.kept()} == {"aa", "bb", "cc"}
    finally:
        device.environment = {}
        device.close()


@pytest.mark.parametrize("target", ["999", "nonsense", ""])
def test_a_roll_back_that_leads_nowhere_is_given_up(target):
    device = declared.Device().start()
    try:
        device.declare("web", enabled=False)
        kedge.wait_for(lambda: device.kept("web"))
        device.stop()
        mark = device.store / "declared" / "rolling-back"
        mark.write_text(target)
        device.start()
        assert not mark.exists() and device.kept("web")
        device.restart()
        assert device.log().count("a roll-back is not finished: it is given up") == 1
    finally:
        device.close()


def test_a_seal_key_that_cannot_be_read_is_not_replaced():
    device = declared.Device().start()
    try:
        key = device.seal_key.read_text()
        device.stop()
        device.environment = {"KEDGE_FAULT": "device.seal-key:1:fail"}
        device.start()
        assert "passwords of registries cannot be used" in device.log() and device.seal_key.read_text() == key
    finally:
        device.environment = {}
        device.close()
