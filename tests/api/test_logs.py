# SPDX-License-Identifier: Apache-2.0
"""Logs: both streams, follow, tail, since, until, timestamps, odd bytes, rotation."""
import datetime
import json
import pathlib
import re
import time

import pytest

import kedge
from streams import Background, joined, opened

STDOUT, STDERR = 1, 2


def ended(box, script, **settings):
    identity = box.run_container(["sh", "-c", script], **settings)
    box.wait(identity)
    return identity


def text(box, identity, query):
    return joined(box.logs(identity, query)).decode()


def test_streams_apart(box):
    identity = ended(box, "echo out; echo err >&2; echo out2")
    parts = box.logs(identity)
    assert joined(parts, STDOUT) == b"out\nout2\n" and joined(parts, STDERR) == b"err\n"
    assert joined(box.logs(identity, "stdout=1")) == b"out\nout2\n"
    assert joined(box.logs(identity, "stderr=1")) == b"err\n"
    status, body = box.api.raw("GET", f"/containers/{identity}/logs")
    assert status == 400 and b"at least one stream" in body


def test_tail(box):
    identity = ended(box, "seq 1 1000")
    assert text(box, identity, "stdout=1&tail=3") == "998\n999\n1000\n"
    assert text(box, identity, "stdout=1&tail=0") == ""
    assert text(box, identity, "stdout=1&tail=all").splitlines() == [str(n) for n in range(1, 1001)]
    assert text(box, identity, "stdout=1&tail=5000").splitlines()[0] == "1"
    assert text(box, identity, "stderr=1&tail=5") == ""
    # as Docker: a tail that makes no sense is all
    assert len(text(box, identity, "stdout=1&tail=-1").splitlines()) == 1000


def test_timestamps_and_since(box):
    identity = box.run_container(["sh", "-c", "echo early; sleep 1.2; echo late; sleep 1.2; echo last"])
    box.wait(identity)
    lines = text(box, identity, "stdout=1&timestamps=1").splitlines()
    assert len(lines) == 3
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z \w+", line), line
    stamps = [line.split()[0] for line in lines]
    assert stamps == sorted(stamps)
    moment = datetime.datetime.fromisoformat(stamps[1][:26] + "+00:00").timestamp() - 0.5
    assert text(box, identity, f"stdout=1&since={moment:.3f}") == "late\nlast\n"
    assert text(box, identity, f"stdout=1&until={moment:.3f}") == "early\n"
    assert text(box, identity, f"stdout=1&since={moment:.3f}&until={moment + 1:.3f}") == "late\n"
    assert text(box, identity, f"stdout=1&since={int(time.time()) + 100}") == ""


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_details(box, program):
    """Docker writes the attributes that log options name in front of each line; here they are none, and the blank behind them stays."""
    identity = ended(box, "echo one; echo two")
    assert text(box, identity, "stdout=1&details=1") == " one\n two\n"
    stamped = text(box, identity, "stdout=1&details=1&timestamps=1").splitlines()
    assert [line.split(" ", 1)[1] for line in stamped] == [" one", " two"]
    assert getattr(box, program)("logs", "--details", identity).out == " one\n two\n"


def test_follow(box):
    identity = box.run_container(["sh", "-c", "for i in 1 2 3 4 5; do echo $i; echo e$i >&2; sleep 0.1; done"])
    with opened(box, "GET", f"/containers/{identity}/logs?stdout=1&stderr=1&follow=1") as answer:
        parts = kedge.demultiplex(answer.read())
    assert joined(parts, STDOUT) == b"1\n2\n3\n4\n5\n" and joined(parts, STDERR) == b"e1\ne2\ne3\ne4\ne5\n"


def test_follow_is_prompt(box):
    """Each line comes while nothing else is written: the next one is, when it has come."""
    identity = box.run_container(["sh", "-c", "for i in 1 2 3 4 5; do until [ -e /$i ]; do usleep 10000; done; echo $i; done; exec sleep 60"])
    root = pathlib.Path(f"/proc/{box.inspect(identity)['State']['Pid']}/root")
    with opened(box, "GET", f"/containers/{identity}/logs?stdout=1&follow=1&tail=0") as answer:
        for number in range(1, 6):
            (root / str(number)).touch()
            size = int.from_bytes(answer.read(8)[4:], "big")
            assert answer.read(size) == f"{number}\n".encode()


def test_follow_of_an_ended_container_ends(box):
    identity = ended(box, "echo x")
    with opened(box, "GET", f"/containers/{identity}/logs?stdout=1&follow=1") as answer:
        assert joined(kedge.demultiplex(answer.read())) == b"x\n"


def test_follow_over_a_restart_of_kedged_loses_nothing(daemon):
    identity = daemon.run_container(["sh", "-c", "for i in $(seq 1 40); do echo $i; sleep 0.05; done"])
    path = pathlib.Path(daemon.inspect(identity)["LogPath"])
    kedge.wait_for(lambda: daemon.log_text(identity).count("\n") > 5)
    daemon.kill()
    before = path.stat().st_size
    kedge.wait_for(lambda: path.stat().st_size > before or '"40' in path.read_text())
    daemon.start()
    with opened(daemon, "GET", f"/containers/{identity}/logs?stdout=1&follow=1") as answer:
        assert joined(kedge.demultiplex(answer.read())).split() == [str(n).encode() for n in range(1, 41)]


def test_long_lines_and_odd_bytes(box):
    long = ended(box, "head -c 100000 /dev/zero | tr '\\0' a; echo; printf 'no newline'")
    assert joined(box.logs(long)) == b"a" * 100000 + b"\nno newline"
    odd = ended(box, r"printf '\0\1\2\377\376 \303\244 \\ \342\202\n\r\t\033[31m\n'")
    # the file is JSON, which holds text: U+FFFD stands for each byte that is none
    none = "\ufffd".encode()
    assert joined(box.logs(odd)) == b"\0\1\2" + none + none + b" \xc3\xa4 \\ " + none + none + b"\n\r\t\x1b[31m\n"


def test_the_file_is_dockers_json(box):
    identity = ended(box, "echo one; echo two >&2")
    lines = [json.loads(line) for line in open(box.inspect(identity)["LogPath"])]
    assert [(line["log"], line["stream"]) for line in lines] == [("one\n", "stdout"), ("two\n", "stderr")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["time"]) for line in lines)


def test_rotation(box):
    host = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "20k", "max-file": "3"}}}
    identity = ended(box, "seq 100000 101999", host=host)
    got = text(box, identity, "stdout=1").split()
    assert got == [str(n) for n in range(102000 - len(got), 102000)] and 200 < len(got) < 2000
    assert text(box, identity, "stdout=1&tail=500").split() == [str(n) for n in range(101500, 102000)]


def test_follow_over_rotations(box):
    host = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "50k", "max-file": "4"}}}
    identity = box.create(["sh", "-c", "i=10000; while [ $i -lt 14000 ]; do echo $i; i=$((i+1)); "
                           "case $i in *00) usleep 40000;; esac; done"], host=host)

    def follow():
        with opened(box, "GET", f"/containers/{identity}/logs?stdout=1&follow=1") as answer:
            return joined(kedge.demultiplex(answer.read())).split()
    box.start_container(identity)
    assert Background(follow).result(30) == [str(n).encode() for n in range(10000, 14000)]


def test_no_log(box):
    identity = ended(box, "echo x", host={"LogConfig": {"Type": "none", "Config": {}}})
    status, body = box.api.raw("GET", f"/containers/{identity}/logs?stdout=1")
    assert status >= 400 or body == b""
    status, body = box.api.raw("POST", "/containers/create", json.dumps({
        "Image": "busybox:test", "Cmd": ["true"], "HostConfig": {"LogConfig": {"Type": "splunk"}}}), {"Content-Type": "application/json"})
    assert status == 501 and b"splunk" in body


def test_a_torrent_is_whole(box):
    identity = ended(box, "seq 1 200000", host={"LogConfig": {"Type": "json-file", "Config": {"max-size": "100m"}}})
    got = joined(box.logs(identity))
    assert got == b"".join(b"%d\n" % n for n in range(1, 200001))


def test_bounded_without_being_asked(box):
    """Ten megabytes a file and three files, whatever the container writes."""
    line = "x" * 1000
    identity = box.create(["sh", "-c", f"yes {line} | head -n 34000; echo the end"])  # 36 MB as JSON
    box.start_container(identity)
    box.wait(identity)
    directory = pathlib.Path(box.inspect(identity)["LogPath"]).parent
    sizes = {path.name: path.stat().st_size for path in directory.glob("container.log*")}
    assert set(sizes) == {"container.log", "container.log.1", "container.log.2"}, sizes
    assert all(size <= (10 << 20) + (32 << 10) for size in sizes.values()), sizes
    assert sizes["container.log.1"] > 9 << 20 and sizes["container.log.2"] > 9 << 20
    assert text(box, identity, "stdout=1&tail=2") == f"{line}\nthe end\n"
    box.api.delete(f"/containers/{identity}")
    assert not directory.exists()


@pytest.mark.parametrize("options,word", [({"max-size": "much"}, "max-size"), ({"max-file": "0"}, "max-file"), ({"max-file": "x"}, "max-file"),
                                          ({"max-size": "-5"}, "max-size"), ({"colour": "red"}, "colour")])
def test_options_are_checked_at_create(box, options, word):
    with pytest.raises(kedge.ApiError) as problem:
        box.create(["true"], host={"LogConfig": {"Type": "json-file", "Config": options}})
    assert problem.value.status in (400, 501) and word in problem.value.message


@pytest.mark.parametrize("options", [{"max-size": "30k", "max-file": "2"}, {"max-size": "1m"}, {"max-size": "0.05m", "max-file": "5"}, {"max-size": "-1"}])
def test_options_that_are_taken(box, options):
    identity = ended(box, "seq 1 3000", host={"LogConfig": {"Type": "json-file", "Config": options}})
    assert box.inspect(identity)["HostConfig"]["LogConfig"] == {"Type": "json-file", "Config": options}
    assert text(box, identity, "stdout=1&tail=1") == "3000\n"


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_forms_of_times(box, program):
    client = getattr(box, program)
    identity = box.run_container(["sh", "-c", "echo early; sleep 2; echo late >&2; sleep 1; echo last"], name="timed")
    box.wait(identity)
    lines = client("logs", "-t", "timed")
    out, err = lines.out.splitlines(), lines.err.splitlines()
    assert [line.split()[1] for line in out + err] == ["early", "last", "late"]
    moment = datetime.datetime.fromisoformat(err[0].split()[0][:26] + "+00:00") - datetime.timedelta(seconds=1)
    seconds = moment.timestamp()
    for form in (f"{seconds:.9f}", str(int(seconds)), moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                 moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")):
        later = client("logs", "--since", form, "timed")
        assert (later.out, later.err) == ("last\n", "late\n"), form
        sooner = client("logs", "--until", form, "timed")
        assert (sooner.out, sooner.err) == ("early\n", ""), form
    assert client("logs", "--since", "10m", "--tail", "1", "timed").out == "last\n"
    assert client("logs", "--since", "1h30m", "--until", "1h", "timed").out == ""
    assert client("logs", "-n", "1", "timed").out + client("logs", "--tail", "all", "timed").out == "last\nearly\nlast\n"
    if program == "kedge":  # docker cuts its "now" to the second
        assert client("logs", "--follow", "--until", "0s", "timed").out == "early\nlast\n"
    for bad in (["--since", "yesterday"], ["--until", "x"]):
        done = client("logs", *bad, "timed", check=False)
        assert done.returncode == 1 and done.err


@pytest.mark.parametrize("program", ["docker", "kedge"])
def test_odd_lines_by_the_command_lines(box, program):
    client = getattr(box, program)
    ended(box, r"head -c 40000 /dev/zero | tr '\0' a; echo; printf '\377\303\244\nend'", name="odd")
    assert client("logs", "odd").stdout == b"a" * 40000 + "\n\ufffdä\nend".encode()
    ended(box, "echo x", name="silent", host={"LogConfig": {"Type": "none", "Config": {}}})
    done = client("logs", "silent", check=False)
    assert done.out == ""


def test_a_followed_log_ends_at_its_time(box):
    identity = box.run_container(["sh", "-c", "while :; do echo tick; usleep 100000; done"])
    begin = time.time()
    with opened(box, "GET", f"/containers/{identity}/logs?stdout=1&follow=1&timestamps=1&until={begin + 1:.3f}") as answer:
        lines = joined(kedge.demultiplex(answer.read())).decode().splitlines()
    moments = [datetime.datetime.fromisoformat(line.split()[0][:26] + "+00:00").timestamp() for line in lines]
    assert moments and max(moments) < begin + 1.001 and time.time() < begin + 8
