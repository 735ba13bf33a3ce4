# SPDX-License-Identifier: Apache-2.0
"""The page of one container: its log, its charts, a terminal in it."""
import json
import re

import pytest

import kedge

TALK = "i=0; while :; do i=$((i+1)); echo line $i; [ $((i % 5)) = 0 ] && echo oops $i >&2; sleep 0.1; done"


def open_page(page, name, tab=None):
    page.js("await page.goto('/#/containers/' + args[0])", name)
    page.sees("Restart policy")
    if tab:
        page.click("tab", tab)


def log_lines(page):
    return page.js("return page.locator('.log > div[class=stderr], .log > div:not(.quiet)').allInnerTexts()")


def test_what_a_container_is(box, page):
    box.create(["sleep", "1000"], name="web", Env=["COLOUR=blue"], host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "Binds": ["data:/data:ro"]})
    open_page(page, "web")
    facts = page.dom("Object.fromEntries([...document.querySelectorAll('.facts > div')].map(row => [row.children[0].textContent, row.children[1].textContent]))")
    assert facts["Command"] == "sleep 1000" and facts["Restart policy"] == "on-failure, 3 times" and "never started" in facts["State"]
    assert facts["Data"] == "/data ← volume data, read only" and "COLOUR=blue" in facts["Environment"]
    page.js("await page.goto('/#/containers/none')")
    page.sees("No such container: none")


def test_the_log_is_followed_and_searched(box, page):
    box.run_container(["sh", "-c", TALK], name="web")
    open_page(page, "web", "Logs")
    page.sees("line 12")
    first = log_lines(page)
    assert first[0] == "line 1" and "oops 5" in first
    assert page.js("return page.locator('.log .stderr').first().innerText()") == "oops 5"
    kedge.wait_for(lambda: len(log_lines(page)) > len(first) + 10)
    page.fill("Search the log", "OOPS 1")
    kedge.wait_for(lambda: set(log_lines(page)) >= {"oops 10", "oops 15"} and all("oops 1" in line for line in log_lines(page)))
    assert page.js("return page.locator('.log mark').first().innerText()") == "oops 1"
    page.fill("Search the log", "")
    kedge.wait_for(lambda: "line 2" in log_lines(page))


def test_the_log_with_times_and_its_end_alone(box, page):
    box.run_container(["sh", "-c", "seq 1 300; sleep 1000"], name="web")
    open_page(page, "web", "Logs")
    kedge.wait_for(lambda: log_lines(page) == [str(number) for number in range(1, 301)])
    page.js("await page.getByRole('combobox').selectOption('100')")
    kedge.wait_for(lambda: log_lines(page) == [str(number) for number in range(201, 301)])
    page.js("await page.getByLabel('Times').check()")
    kedge.wait_for(lambda: re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 300", log_lines(page)[-1]))


def test_the_log_stays_where_it_was_scrolled_to(box, page):
    box.run_container(["sh", "-c", "seq 1 500; " + TALK], name="web")
    open_page(page, "web", "Logs")
    page.sees("line 3")
    at_end = "(box => box.scrollHeight - box.scrollTop - box.clientHeight < 24)(document.querySelector('.log'))"
    kedge.wait_for(lambda: page.dom(at_end))
    page.dom("""new MutationObserver((_, observer) => {  // at the worst moment: as a line is put in
        observer.disconnect();
        document.querySelector('.log').scrollTop = 100;
    }).observe(document.querySelector('.log'), { childList: true })""")
    kedge.wait_for(lambda: not page.js("return page.getByLabel('Follow').isChecked()"))
    count = len(log_lines(page))
    kedge.wait_for(lambda: len(log_lines(page)) > count + 5)
    assert page.dom("document.querySelector('.log').scrollTop") == 100 and not page.js("return page.getByLabel('Follow').isChecked()")
    page.js("await page.getByLabel('Follow').check()")
    kedge.wait_for(lambda: page.dom(at_end))


def test_a_terminals_log_has_no_frames(box, page):
    box.run_container(["sh", "-c", "printf '\\033[31mred\\033[0m words\\n'; sleep 1000"], name="web", Tty=True)
    open_page(page, "web", "Logs")
    kedge.wait_for(lambda: log_lines(page) == ["red words"])


def test_charts_show_what_it_uses(box, page):
    box.run_container(["sh", "-c", "while :; do :; done"], name="busy", host={"Memory": 64 << 20, "NanoCpus": 300_000_000})
    open_page(page, "busy", "Charts")

    def figures():
        return dict(text.split("\n")[0].split(" ", 1) for text in page.js("return page.locator('figcaption').allInnerTexts()"))

    kedge.wait_for(lambda: "–" not in figures().get("CPU", "–"), 30)
    shown = figures()
    assert set(shown) == {"CPU", "Memory", "Network", "Disk"}
    assert 5 < float(shown["CPU"].split()[0]) < 60, shown  # it may use 30 %
    assert "of 67.1 MB" in shown["Memory"]
    drawn = "(canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data].some(byte => byte))(document.querySelector('.chart canvas'))"
    assert page.dom(drawn)


def test_a_terminal_in_the_browser(box, page):
    identity = box.run_container(["sleep", "1000"], name="web")
    open_page(page, "web", "Terminal")
    page.click("button", "Open")
    shown = "document.querySelector('.xterm-rows')?.innerText ?? ''"
    kedge.wait_for(lambda: "#" in page.dom(shown))
    page.js("await page.keyboard.type('echo $((6*7)); hostname\\n')")
    kedge.wait_for(lambda: "42" in page.dom(shown) and box.inspect(identity)["Config"]["Hostname"] in page.dom(shown))
    page.js("await page.keyboard.type('exit 3\\n')")
    page.sees("The command has ended.")
    page.click("button", "Open")  # and once more
    kedge.wait_for(lambda: "42" not in page.dom(shown) and "#" in page.dom(shown))


def test_a_terminal_of_another_user(box, page):
    box.run_container(["sleep", "1000"], name="web")
    open_page(page, "web", "Terminal")
    page.fill("User", "12:34")
    page.click("button", "Open")
    shown = "document.querySelector('.xterm-rows')?.innerText ?? ''"
    kedge.wait_for(lambda: "$" in page.dom(shown))
    page.js("await page.keyboard.type('id\\n')")
    kedge.wait_for(lambda: "uid=12 gid=34" in page.dom(shown))


def test_a_terminal_of_another_size(box, page):
    box.run_container(["sleep", "1000"], name="web")
    open_page(page, "web", "Terminal")
    page.click("button", "Open")
    sizes = "return page.locator('.xterm-rows > div').count()"
    kedge.wait_for(lambda: page.js(sizes) > 10)
    page.js("await page.setViewportSize({width: 700, height: 500})")
    kedge.wait_for(lambda: page.js(sizes) < 20)
    assert len(box.inspect("web")["ExecIDs"]) == 1
    page.js("await page.locator('.tty').click()")
    page.js("await page.keyboard.type('while :; do busybox stty size > /tmp/size; sleep 0.1; done\\n')")
    kedge.wait_for(lambda: box.kedge("exec", "web", "cat", "/tmp/size", check=False).out.startswith(f"{page.js(sizes)} "))


def test_a_command_that_is_not_there(box, page):
    box.run_container(["sleep", "1000"], name="web")
    open_page(page, "web", "Terminal")
    page.fill("Command", "/bin/nothing")
    page.click("button", "Open")
    page.sees("The command has ended.")
    kedge.wait_for(lambda: "no such file" in page.dom("document.querySelector('.xterm-rows').innerText").lower())


def test_what_a_delete_loses(box, page):
    identity = box.run_container(["sh", "-c", "dd if=/dev/zero of=/own bs=1000 count=2000; sleep 1000"], name="web",
                                 Volumes={"/scratch": {}}, host={"Binds": ["kept:/data"]})
    kedge.wait_for(lambda: box.api.get(f"/containers/{identity}/json?size=1").get("SizeRw", 0) >= 2_000_000)
    nameless = next(mount["Name"] for mount in box.inspect(identity)["Mounts"] if mount["Destination"] == "/scratch")
    open_page(page, "web")
    page.click("button", "Delete web")
    page.sees("the container runs, and is killed")
    told = page.js("return page.getByRole('dialog').innerText()")
    assert "its own files: 2.0" in told and "/scratch, a volume without a name" in told and "/data, which is volume kept" in told
    page.js("await page.keyboard.press('Escape')")
    page.misses("This is lost for good:")
    assert box.inspect(identity)["State"]["Running"]
    page.click("button", "Delete web")
    page.click("button", "Delete")
    page.sees("web was deleted")
    names = [volume["Name"] for volume in box.api.get("/volumes")["Volumes"]]
    assert "kept" in names and nameless not in names
    box.api.delete("/volumes/kept")


@pytest.mark.parametrize("path, status", [("/kedge/v1/exec/none/ws", 404), ("/kedge/v1/exec/{}/ws?h=70000", 400), ("/kedge/v1/exec/{}/ws", 400)])
def test_what_is_no_terminal(box, path, status):
    identity = box.run_container(["sleep", "1000"])
    command = box.api.post(f"/containers/{identity}/exec", {"Cmd": ["sh"], "Tty": True})["Id"]
    answer, body = box.api.raw("GET", path.format(command))
    assert answer == status and json.loads(body)["message"]
