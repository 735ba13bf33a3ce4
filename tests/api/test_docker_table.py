# SPDX-License-Identifier: Apache-2.0
"""docs/docker-api.md against what is answered: each operation is asked for something that is not there."""
import json
import re

import pytest

import browser
import kedge

ROWS = re.findall(r"^\| ([A-Z]+) (/\S*) \| ([^|]+?) \|", (kedge.TOP / "docs" / "docker-api.md").read_text(), re.M)
QUERIES = {"/events": "?until=1", "/system/df": "?type=build-cache"}


def test_the_table_is_read():
    assert len(ROWS) >= 108 and len({row[:2] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("method,path,here", ROWS, ids=lambda value: value.replace(" ", ""))
def test_answer(box, method, path, here):
    target = re.sub(r"\{[^}]*\}", "not-there", path) + QUERIES.get(path, "")
    status, body = box.api.raw(method, target, None if method in ("GET", "HEAD") else "{}", {"Content-Type": "application/json"})
    word, _, wanted = here.partition(": ")
    if path == "/" and not browser.has_dashboard():
        assert status == 501 and b"built without its dashboard" in body
        return
    if word == "no":
        assert status == int(wanted) and json.loads(body)["message"], body
    elif word == "empty":
        assert status == 200 and not any(json.loads(body) and json.loads(body).values() if isinstance(json.loads(body), dict) else json.loads(body))
    else:
        assert status != 404 or b"page not found" not in body
        assert status != 501 or word == "partly", body
