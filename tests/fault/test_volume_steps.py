# SPDX-License-Identifier: Apache-2.0
"""
kedged fails or dies at each step of a volume's life: what was answered is so, what was not is either whole or not there, and asking again
does it. Data goes only with a removal that was asked for.
"""
import http.client

import pytest

import kedge

MAKING = ["engine.volume.create", "store.volume.make", "store.record.put"]
REMOVING = ["engine.volume.remove", "store.discard", "store.volume.leave", "store.record.delete", "store.volume.discard"]
LOST = (OSError, http.client.HTTPException)


@pytest.fixture
def faulty():
    it = kedge.Daemon().start()
    yield it
    it.environment = {}
    if it.process and it.process.poll() is not None:
        it.process = None
        it.start()
    for volume in it.api.get("/volumes")["Volumes"]:
        it.api.delete(f"/volumes/{volume['Name']}")
    assert it.api.post("/kedge/v1/system/check") == {"Problems": []}
    assert list((it.store / "volumes").iterdir()) == []
    it.close()


def with_fault(daemon, fault):
    daemon.stop()
    daemon.environment = {"KEDGE_FAULT": fault}
    daemon.start()
    daemon.environment = {}


def ask(daemon, method, target):
    """None: kedged died, and there is a new one."""
    try:
        return daemon.api.raw(method, target, '{"Name":"web"}' if method == "POST" else None, {"Content-Type": "application/json"})
    except LOST:
        daemon.process.wait(30)
        daemon.process = None
        daemon.start()


def names(daemon):
    return [volume["Name"] for volume in daemon.api.get("/volumes")["Volumes"]]


@pytest.mark.parametrize("how", ["fail", "kill"])
@pytest.mark.parametrize("point", MAKING)
def test_making(faulty, point, how):
    with_fault(faulty, f"{point}:1:{how}")
    answer = ask(faulty, "POST", "/volumes/create")
    assert (answer is None) == (how == "kill") and (answer is None or answer[0] >= 500), answer
    assert names(faulty) == [] and list((faulty.store / "volumes").iterdir()) == []
    assert ask(faulty, "POST", "/volumes/create")[0] == 201
    faulty.restart()
    assert names(faulty) == ["web"]


@pytest.mark.parametrize("how", ["fail", "kill"])
@pytest.mark.parametrize("point", REMOVING)
def test_removing(faulty, point, how):
    faulty.api.post("/volumes/create", {"Name": "web"})
    data = faulty.store / "volumes" / "web" / "_data" / "f"
    data.write_text("data")
    with_fault(faulty, f"{point}:1:{how}")
    answer = ask(faulty, "DELETE", "/volumes/web")
    assert (answer is None) == (how == "kill")
    if point == "store.volume.discard":  # the record is gone: it was removed, and is cleared away by the next start
        assert answer is None or answer[0] == 204
        faulty.restart()
        assert names(faulty) == [] and not data.parent.parent.exists()
        return
    assert answer is None or answer[0] >= 500
    assert names(faulty) == ["web"] and data.read_text() == "data"
    assert ask(faulty, "DELETE", "/volumes/web")[0] == 204
    assert names(faulty) == [] and not data.parent.parent.exists()
