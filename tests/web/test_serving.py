# SPDX-License-Identifier: Apache-2.0
"""The dashboard's files as kedged sends them."""
import gzip
import re

import pytest

import kedge

GZIP = {"Accept-Encoding": "gzip"}


def ask(box, path, **headers):
    connection = kedge.UnixConnection(box.socket)
    try:
        connection.request("GET", path, headers={**GZIP, **{name.replace("_", "-"): value for name, value in headers.items()}})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def first_load(box):
    """Every file that a browser asks for with the first page."""
    page = gzip.decompress(ask(box, "/")[2]).decode()
    return ["/", *re.findall(r'(?:src|href)="(/[^"]+)"', page)]


def test_the_first_page_is_small(box):
    paths = first_load(box)
    assert len(paths) >= 4 and any(path.endswith(".js") for path in paths) and any(path.endswith(".css") for path in paths)
    answers = [ask(box, path) for path in paths]
    assert {status for status, _, _ in answers} == {200} and {headers["content-encoding"] for _, headers, _ in answers} == {"gzip"}
    assert sum(len(body) for _, _, body in answers) <= 250_000


def test_nothing_from_elsewhere_is_allowed(box):
    for path in first_load(box):
        headers = ask(box, path)[1]
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"


def test_what_is_there_already_is_not_sent_again(box):
    status, headers, _ = ask(box, "/")
    assert headers["cache-control"] == "no-cache"
    status, again, body = ask(box, "/", If_None_Match=headers["etag"])
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    assert ask(box, "/", If_None_Match='"another"')[0] == 200
    script = next(path for path in first_load(box) if path.endswith(".js"))
    assert "immutable" in ask(box, script)[1]["cache-control"]


@pytest.mark.parametrize("accepted, status", [("gzip", 200), ("br, gzip;q=0.5", 200), ("*", 200), ("identity", 406), ("gzip;q=0", 406), ("", 406)])
def test_only_who_takes_gzip_gets_it(box, accepted, status):
    assert ask(box, "/", Accept_Encoding=accepted)[0] == status


def test_there_is_nothing_else(box):
    for path in ("/assets/none.js", "/index.html", "/assets/..%2f..%2fetc%2fpasswd"):
        assert ask(box, path)[0] == 404


def test_a_head_is_answered(box):
    connection = kedge.UnixConnection(box.socket)
    connection.request("HEAD", "/", headers=GZIP)
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b""
    connection.close()


def test_what_the_machine_uses(box):
    before, after = box.api.get("/kedge/v1/system/usage"), box.api.get("/kedge/v1/system/usage")
    assert after["Time"] > before["Time"] and after["CPU"]["Busy"] >= before["CPU"]["Busy"] > 0 and after["CPU"]["Count"] >= 1
    with open("/proc/meminfo") as lines:
        assert after["Memory"]["Total"] == int(next(lines).split()[1]) * 1024 > after["Memory"]["Available"] > 0
    assert after["Store"]["Total"] > after["Store"]["Free"] > 0 and after["Uptime"] > 0
    assert set(after["Network"]) == {"Received", "Sent"} and set(after["Disk"]) == {"Read", "Written"}
