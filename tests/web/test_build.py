# SPDX-License-Identifier: Apache-2.0
"""How the dashboard is built: whole, or with an error; left out only where a machine lacks what builds it."""
import shutil
import subprocess
import sys

import pytest

import kedge


class Tree:
    """A copy of the sources, and a place with the packages to build them in."""

    def __init__(self, directory):
        self.directory, self.web = directory, directory / "web"
        shutil.copytree(kedge.TOP / "web", self.web)
        (directory / "docs").mkdir()
        shutil.copy(kedge.TOP / "docs" / "containers.schema.json", directory / "docs")
        built, self.work = kedge.BUILD / "src" / "api" / "web", directory / "work"
        self.work.mkdir()
        shutil.copy(built / "installed.json", self.work)
        (self.work / "node_modules").symlink_to(built / "node_modules")
        self.outputs = [directory / name for name in ("out.c", "out.bin", "out.d")]

    def build(self, wanted, **environment):
        words = [sys.executable, self.web / "build", self.web, self.work, *self.outputs, wanted]
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **environment)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_what_it_is_made_of_is_told(tree):
    done = tree.build("auto")
    assert done.returncode == 0 and tree.outputs[1].stat().st_size > 10_000, done.stdout
    named = set(tree.outputs[2].read_text().split()[1:])
    assert {str(path) for path in (tree.web / "src").rglob("*")} | {str(tree.web / "src"), str(tree.web / "public" / "favicon.svg"), str(tree.web / "build")} <= named


@pytest.mark.parametrize("wanted", ["auto", "enabled"])
@pytest.mark.parametrize("line", ['export const wrong: number = "text";', 'import "./none.css";'], ids=["tsc", "vite"])
def test_what_does_not_compile_is_an_error(tree, line, wanted):
    for path in tree.outputs:
        path.write_text("of an earlier build")
    words = tree.web / "src" / "words.ts"
    words.write_text(words.read_text() + line + "\n")
    done = tree.build(wanted)
    assert done.returncode == 1 and "words.ts" in done.stdout, done.stdout
    assert not tree.outputs[0].exists() and not tree.outputs[1].exists()


def test_it_is_left_out_where_node_is_not_installed(tree):
    lacking = {"env": {"PATH": str(tree.directory)}}
    assert tree.build("enabled", **lacking).returncode == 1
    done = tree.build("auto", **lacking)
    assert done.returncode == 0 and "without the dashboard: node is not installed" in done.stdout
    assert tree.outputs[1].read_bytes() == b"" and "web_files" in tree.outputs[0].read_text()
