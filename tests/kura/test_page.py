# SPDX-License-Identifier: Apache-2.0
"""docs/kura.md names tests: they are there."""
import re

import kedge


def test_each_test_that_is_named_is_there():
    named = set(re.findall(r"`(test_[a-z0-9_]+)", (kedge.TOP / "docs" / "kura.md").read_text())) - {path.stem for path in (kedge.TOP / "tests").rglob("test_*.py")}
    assert len(named) > 90
    defined = set()
    for path in (kedge.TOP / "tests").rglob("*"):
        if path.suffix in (".py", ".c"):
            defined |= set(re.findall(r"^(?:def|static void) (test_[a-z0-9_]+)\(", path.read_text(), re.M))
    assert sorted(named - defined) == []
