# SPDX-License-Identifier: Apache-2.0
"""kedged's configuration file and options, read without starting it and felt by a daemon that runs with them."""
import json
import subprocess

import kedge
import pytest

KEDGED = str(kedge.BIN / "kedged")


def kedged(*arguments):
    return subprocess.run([KEDGED, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=10)


def check(tmp_path, text):
    path = tmp_path / "kedged.yaml"
    path.write_text(text)
    return kedged("--config", path, "--check-config")


GOOD = ["", "{}", "logLevel: debug\n", '{"engine": {"root": "/srv/kedge"}}', "engine:\n  runtimes:\n    mine: /usr/bin/crun\n  defaultRuntime: mine\n",
        "engine:\n  insecureRegistries: [box.example:5000]\n  stopTimeout: 20s\n"]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_right(tmp_path, text):
    done = check(tmp_path, text)
    assert (done.returncode, done.stderr) == (0, "")


BAD = [
    ("logLevel: loud\n", "logLevel", "loud"),
    ("logLevel: 3\n", "logLevel", "string"),
    ("nope: 1\n", '"nope"', "unknown"),
    ("socket: here\n", '"socket"', "absolute"),
    ("socket: /" + "s" * 108 + "\n", '"socket"', "longer than 107 bytes"),
    ("readOnlySocket: here\n", "readOnlySocket", "absolute"),
    ("socket: /run/a\nreadOnlySocket: /run/a\n", "readOnlySocket", "own socket"),
    ("readOnlySocket: [a]\n", "readOnlySocket", "string"),
    ("engine: 5\n", "engine", "object"),
    ("engine:\n  nope: 5\n", "engine", '"nope" is unknown'),
    ("engine:\n  root: [a]\n", "root", "string"),
    ("engine:\n  maxDownloads: many\n", "maxDownloads", "number"),
    ("engine:\n  maxDownloads: -1\n", "maxDownloads", ""),
    ("engine:\n  maxDownloads: 99999999999999999999\n", "line 2", "too large"),
    ("engine:\n  insecureRegistries: [5]\n", "insecureRegistries[0]", "string"),
    ("engine:\n  runtimes:\n    mine: {path: 5}\n", "engine.runtimes.mine", "string"),
    ("engine:\n  runtimes: {mine: crun}\n", "engine.runtimes", "absolute"),
    ("engine:\n  defaultRuntime: nope\n", "nope", ""),
    ("engine:\n  logDriver: nope\n", "nope", ""),
    ("engine:\n  logOptions: {max-size: many}\n", "max-size", "many"),
    ("engine:\n  root: relative\n", "root", "absolute"),
    ("a: b: c\n", "line 1", ""),
    ("- a\n", "object", ""),
    ("\x00", "", ""),
    ("logLevel: info\nlogLevel: debug\n", "logLevel", ""),
]


@pytest.mark.parametrize("text,name,reason", BAD)
def test_what_is_wrong(tmp_path, text, name, reason):
    """The message names the file, the field and the reason, and nothing is started."""
    done = check(tmp_path, text)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == (2 if "hint:" in done.stderr else 1)
    assert name in done.stderr and reason in done.stderr, done.stderr


def test_files_that_are_none(tmp_path):
    assert "No such file" in kedged("--config", tmp_path / "nope", "--check-config").stderr
    assert kedged("--config", tmp_path, "--check-config").returncode == 1
    (tmp_path / "big").write_text("#" * (8 << 20))
    assert kedged("--config", tmp_path / "big", "--check-config").returncode == 1


def test_what_is_printed_can_be_read(tmp_path):
    """Options win over the file, the file over the defaults; the print is a configuration itself."""
    (tmp_path / "a.yaml").write_text("logLevel: warning\nengine:\n  root: /a\n  downloadRetries: 2\n")
    first = kedged("--config", tmp_path / "a.yaml", "--root", "/b", "--print-config").stdout
    printed = json.loads(first)
    assert (printed["logLevel"], printed["engine"]["root"], printed["engine"]["downloadRetries"]) == ("warning", "/b", 2)
    (tmp_path / "b.yaml").write_text(first)
    assert kedged("--config", tmp_path / "b.yaml", "--print-config").stdout == first


def test_no_password_is_printed(tmp_path):
    (tmp_path / "a.yaml").write_text("engine:\n  httpProxy: http://me:hush@proxy.example:3128\n  httpsProxy: me:hu@sh@other:1\n"
                                     "  noProxy: a.example\n")
    done = kedged("--config", tmp_path / "a.yaml", "--print-config")
    engine = json.loads(done.stdout)["engine"]
    assert (engine["httpProxy"], engine["httpsProxy"]) == ("http://xxxxx:xxxxx@proxy.example:3128", "xxxxx:xxxxx@other:1")
    assert engine["noProxy"] == "a.example" and "hu" not in done.stdout + done.stderr


def test_every_field_is_documented():
    manual = (kedge.TOP / "man" / "kedged.yaml.5.scd").read_text()
    printed = json.loads(kedged("--print-config").stdout)
    names = [name for name, value in printed.items() if not isinstance(value, dict)]
    names += [f"{group}.{name}" for group, fields in printed.items() if isinstance(fields, dict) for name in fields]
    assert len(names) > 15 and "tcp.crl" in names
    assert [name for name in names if f"*{name}*" not in manual] == []


def test_the_schema_that_is_printed_is_the_one_that_is_published():
    published = json.loads((kedge.TOP / "docs" / "containers.schema.json").read_text())
    assert json.loads(kedged("--print-schema").stdout) == published
