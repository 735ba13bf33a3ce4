# SPDX-License-Identifier: Apache-2.0
"""What takes room: sizes of containers and images, system df, and the prunes that give it back."""
import json
import os
import pathlib
import threading
import time
from urllib.parse import quote

import pytest

import kedge

FILES = 100000 if kedge.SOAK else 5000


def filters(**given):
    return quote(json.dumps({name.replace("_not", "!"): [value] for name, value in given.items()}))


def writer(daemon, size, **settings):
    """A container that has written so many bytes, and ended."""
    identity = daemon.run_container(["sh", "-c", f"head -c {size} /dev/zero > /written"], **settings)
    assert daemon.wait(identity) == 0
    return identity


def test_sizes_in_list_inspect_and_df(stock):
    image = stock.api.get("/images/busybox:test/json")["Size"]
    big, small = writer(stock, 300000), writer(stock, 10)
    host = stock.api.get(f"/containers/{small}/json?size=1")["SizeRw"] - 10  # /etc/hosts and the like, where the runtime makes them
    assert 0 <= host < 1000
    listed = {item["Id"]: item for item in stock.api.get("/containers/json?all=1&size=1")}
    used = {item["Id"]: item for item in stock.api.get("/system/df")["Containers"]}
    for identity, size in ((big, 300000 + host), (small, 10 + host)):
        inspected = stock.api.get(f"/containers/{identity}/json?size=1")
        for answer in (inspected, listed[identity], used[identity]):
            assert (answer["SizeRw"], answer["SizeRootFs"]) == (size, size + image)
        assert "SizeRw" not in stock.inspect(identity)
        assert used[identity]["Status"].startswith("Exited") and used[identity]["Command"].startswith("sh -c")
    assert "SizeRw" not in stock.api.get("/containers/json?all=1")[0]
    assert "300kB (virtual" in stock.kedge("ps", "-a", "-s").out
    assert "300kB (virtual" in stock.docker("ps", "-a", "-s").out
    assert stock.api.raw("GET", "/containers/none/json?size=1")[0] == 404


def test_a_great_many_files(stock):
    """All counted, hard links once; other calls are answered meanwhile."""
    identity = stock.create(["true"])
    upper = stock.store / "containers" / identity / "upper"
    for number in range(FILES // 1000):
        directory = upper / "deep" / "er" / str(number)
        directory.mkdir(parents=True)
        for name in range(1000):
            fd = os.open(directory / str(name), os.O_CREAT | os.O_WRONLY)
            os.write(fd, b"12345")
            os.close(fd)
    for number in range(100):
        os.link(upper / "deep/er/0/0", upper / f"link{number}")
    (upper / "away").symlink_to("/etc")
    answered = []
    measured = {}
    thread = threading.Thread(target=lambda: measured.update(stock.api.get(f"/containers/{identity}/json?size=1")))
    thread.start()
    while thread.is_alive():
        begin = time.monotonic()
        stock.api.get("/containers/json?all=1")
        answered.append(time.monotonic() - begin)
    thread.join()
    assert measured["SizeRw"] == FILES * 5
    print(f"{FILES} files: {len(answered)} lists meanwhile, the slowest took {max(answered) * 1000:.1f} ms")


@pytest.fixture
def stalled(tmp_path):
    """A daemon whose kedge-pack waits before it begins: as long as a very large tree would take."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in kedge.BIN.glob("kedge*"):
        if program.is_file():
            (programs / program.name).symlink_to(program)
    (programs / "kedge-pack").unlink()
    (programs / "kedge-pack").write_text(
        f"#!/bin/sh\n: > {tmp_path}/begun\nwhile ! test -e {tmp_path}/go; do sleep 0.01; done\nexec {kedge.BIN}/kedge-pack \"$@\"\n")
    (programs / "kedge-pack").chmod(0o755)
    it = kedge.Daemon(options=["--libexec-dir", str(programs)]).start()
    it.load_busybox()
    yield it, tmp_path
    (tmp_path / "go").touch()
    it.close()


@pytest.mark.parametrize("target", ["/system/df", "/containers/json?all=1&size=1", "/containers/cc/json?size=1", "/containers/cc/export",
                                    "/images/busybox:test/get"])
def test_nothing_else_waits_for_a_tree(stalled, target):
    daemon, control = stalled
    daemon.create(["true"], name="cc")
    answer = []
    thread = threading.Thread(target=lambda: answer.append(daemon.api.raw("GET", target)))
    thread.start()
    kedge.wait_for((control / "begun").exists)
    assert [item["Names"] for item in daemon.api.get("/containers/json?all=1")] == [["/cc"]]
    assert daemon.wait(daemon.run_container(["true"])) == 0
    assert not answer
    (control / "go").touch()
    thread.join()
    assert answer[0][0] == 200 and answer[0][1]


def test_one_who_does_not_wait_for_the_sizes(stalled):
    daemon, control = stalled
    connection = kedge.UnixConnection(daemon.socket)
    connection.request("GET", "/system/df")
    kedge.wait_for((control / "begun").exists)
    connection.close()

    def measures(pid):
        try:
            return b"--sizes" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False  # it went between the list and the look

    def packers():
        children = pathlib.Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
        return [pid for pid in children if measures(pid)]
    kedge.wait_for(lambda: not packers())
    assert daemon.api.raw("GET", "/_ping")[0] == 200


def test_a_container_that_goes_while_it_is_measured(stalled):
    daemon, control = stalled
    identity = daemon.create(["true"])
    answer = []
    thread = threading.Thread(target=lambda: answer.append(daemon.api.raw("GET", f"/containers/{identity}/json?size=1")))
    thread.start()
    kedge.wait_for((control / "begun").exists)
    daemon.api.delete(f"/containers/{identity}")
    (control / "go").touch()
    thread.join()
    assert answer[0][0] == 404


def test_df_by_type_and_by_the_programs(stock):
    stock.load_busybox("same:1", config={"Labels": {"x": "1"}})
    identity = writer(stock, 5000, image="same:1")
    usage = stock.api.get("/system/df")
    sizes = {image["RepoTags"][0]: image for image in usage["Images"]}
    one = sizes["busybox:test"]["Size"]
    assert usage["LayersSize"] == one and sizes["same:1"]["SharedSize"] == one  # both are the same layer
    assert sizes["same:1"]["Containers"] == 1 and sizes["busybox:test"]["Containers"] == 0
    assert set(stock.api.get("/system/df?type=image")) & {"Images", "Containers", "Volumes"} == {"Images"}
    assert set(stock.api.get("/system/df?type=container&type=volume")) & {"Images", "Containers", "Volumes"} == {"Containers", "Volumes"}
    status, body = stock.api.raw("GET", "/system/df?type=nonsense")
    assert status == 400 and b"nonsense" in body
    lines = [line.split() for line in stock.kedge("system", "df").out.splitlines()]
    docker = [line.split() for line in stock.docker("system", "df").out.splitlines()]
    assert lines[0] == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [line[:4] for line in lines[1:3]] == [line[:4] for line in docker[1:3]]
    assert json.loads(stock.kedge("system", "df", "--format", "json").out.splitlines()[1])["TotalCount"] == "1"
    assert stock.api.get("/images/json?shared-size=1")[0]["SharedSize"] == one
    stock.api.delete(f"/containers/{identity}")


# ---- prunes ----

def test_container_prune(stock):
    live = stock.run_container(["sleep", "1000"])
    kept = stock.create(["true"], Labels={"keep": "1"})
    dead = [writer(stock, 100000), stock.create(["true"])]
    answer = stock.api.post(f"/containers/prune?filters={filters(label_not='keep')}")
    assert sorted(answer["ContainersDeleted"]) == sorted(dead)
    assert 100000 <= answer["SpaceReclaimed"] < 102000
    assert {item["Id"] for item in stock.api.get("/containers/json?all=1")} == {live, kept}
    assert stock.api.post(f"/containers/prune?filters={filters(until='1h')}") == {"ContainersDeleted": [], "SpaceReclaimed": 0}
    for bad in (filters(nonsense="x"), filters(until="soon"), quote(json.dumps({"until": ["1h", "2h"]})), "["):
        assert stock.api.raw("POST", f"/containers/prune?filters={bad}")[0] == 400
    assert stock.api.post(f"/containers/prune?filters={filters(label='keep=1', until='2100-01-01T00:00:00Z')}")[
        "ContainersDeleted"] == [kept]


def test_image_prune(stock):
    for tag in ("1", "2", "3"):
        stock.load_busybox(f"prune:{tag}", config={"Labels": {"tag": tag}})
    used = stock.create(["true"], image="prune:1")
    dangling = stock.api.get("/images/prune:3/json")["Id"]
    stock.api.raw("POST", "/images/prune:2/tag?repo=prune&tag=3")  # the name moves: the old one has none
    before = {image["Id"] for image in stock.api.get("/images/json")}
    assert stock.api.post(f"/images/prune?filters={filters(until='2000-01-01T00:00:00Z')}")["ImagesDeleted"] == []
    answer = stock.api.post("/images/prune")
    assert {"Deleted": dangling} in answer["ImagesDeleted"] and answer["SpaceReclaimed"] == 0  # its layer is others' too
    assert before - {image["Id"] for image in stock.api.get("/images/json")} == {dangling}
    assert stock.api.post(f"/images/prune?filters={filters(dangling='false', label='tag=1')}")["ImagesDeleted"] == []
    answer = stock.api.post(f"/images/prune?filters={filters(dangling='false', label='tag')}")
    assert {"Untagged": "prune:2"} in answer["ImagesDeleted"] and {"Untagged": "prune:3"} in answer["ImagesDeleted"]
    assert sorted(tag for image in stock.api.get("/images/json") for tag in image["RepoTags"]) == ["busybox:test", "prune:1"]
    stock.api.delete(f"/containers/{used}")
    for bad in (filters(nonsense="x"), filters(dangling="perhaps"), filters(until="soon")):
        assert stock.api.raw("POST", f"/images/prune?filters={bad}")[0] == 400


def test_prunes_of_the_programs(stock):
    for program in (stock.kedge, stock.docker):
        stock.load_busybox("gone:1", config={"Labels": {"gone": "1"}})
        identity = writer(stock, 4000, image="gone:1")
        assert "Are you sure" in program("container", "prune", input=b"n\n").out
        assert stock.inspect(identity)
        out = program("container", "prune", input=b"y\n").out
        assert f"Deleted Containers:\n{identity}\n\nTotal reclaimed space: 4" in out and "kB" in out
        assert "gone:1" not in program("image", "prune", "-f").out
        out = program("image", "prune", "--all", "--force", "--filter", "label=gone").out
        assert "Deleted Images:\nuntagged: gone:1\ndeleted: sha256:" in out and "Total reclaimed space: 0B" in out
    writer(stock, 10)
    assert "Deleted Containers:" in stock.kedge("system", "prune", "--force").out
    assert "Deleted Containers:" not in stock.kedge("system", "prune", "--force").out
