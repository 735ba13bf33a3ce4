# SPDX-License-Identifier: Apache-2.0
"""The page of containers: what is shown, and what can be done from it."""
import kedge


def test_a_container_is_shown_whoever_made_it(box, page):
    box.run_container(["sleep", "1000"], name="web", Labels={"com.docker.compose.project": "shop"})
    image = box.api.get("/images/busybox:test/json")
    row = page.row(Name="web")
    assert row["State"] == "running" and row["Health"] == "–" and (row["Image"], row["Tag"]) == ("busybox", "test")
    assert row["Digest"] == (image["RepoDigests"][0].split("sha256:")[1] if image["RepoDigests"] else image["Id"].split(":")[1])[:12]
    assert row["Managed by"] == "compose: shop"


def test_health_and_ports_are_shown(box, page):
    port = kedge.free_port()
    check = {"Test": ["CMD", "true"], "Interval": 100_000_000}
    box.run_container(["sleep", "1000"], name="web", ExposedPorts={"80/tcp": {}, "53/udp": {}}, Healthcheck=check, StopSignal="KILL",
                      host={"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}})
    row = page.row(Name="web", Health="healthy")
    assert set(row["Ports"].split()) == {f"127.0.0.1:{port}→80", "53/udp"}


def test_rows_are_sorted_and_filtered(box, page):
    for name in ("net10", "aa", "net9"):  # in no id
        box.create(["true"], name=name)
    page.row(Name="net9")
    for order in (["aa", "net9", "net10"], ["net10", "net9", "aa"]):  # numbers as numbers
        page.js("await page.getByRole('columnheader', {name: 'Name'}).getByRole('button').click()")
        kedge.wait_for(lambda: [row["Name"] for row in page.rows()] == order)
    page.fill("Filter containers", "NET1")
    kedge.wait_for(lambda: [row["Name"] for row in page.rows()] == ["net10"])
    page.fill("Filter containers", "none of them")
    page.sees("No container is like that.")


def test_headers_stand_in_line(box, page):
    box.create(["true"], name="web")
    page.row(Name="web")
    places = page.dom("[...document.querySelectorAll('th')].map(cell => { const text = document.createRange(); text.selectNodeContents(cell.querySelector('button') ?? cell);"
                      " const [at, own] = [text.getBoundingClientRect(), cell.getBoundingClientRect()]; return [at.top, at.height, at.left - own.left]; })")
    assert len(places) == 9 and len({(round(top), height) for top, height, _ in places}) == 1, places
    assert all(abs(left - places[1][2]) < 1 for _, _, left in places[:-1]), places  # the last one is at the right


def test_start_stop_restart_delete(box, page):
    identity = box.create(["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"], name="web")
    page.row(Name="web", State="created")
    page.click("button", "Start web")
    page.row(Name="web", State="running")
    began = box.inspect(identity)["State"]["StartedAt"]
    page.click("button", "Restart web")
    page.sees("web was restarted")
    assert box.inspect(identity)["State"]["StartedAt"] != began
    box.api.post(f"/containers/{identity}/pause")
    page.click("button", "Unpause web")
    page.row(Name="web", State="running")
    page.click("button", "Stop web")
    page.row(Name="web", State="exited")
    page.click("button", "Delete web")
    page.sees("what it has written into its own files")
    page.click("button", "Delete")
    page.sees("No container is on this device yet.")
    assert box.api.get("/containers/json?all=1") == []
