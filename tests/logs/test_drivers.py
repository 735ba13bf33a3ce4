# SPDX-License-Identifier: Apache-2.0
"""What each log driver sends, as real receivers read it: rsyslog over its four transports, systemd-journald, GELF and fluentd."""
import json
import os
import re
import socket
import time

import pytest

import kedge
import receivers

SCRIPT = ["sh", "-c", "echo one; sleep 0.1; echo 'two  {\"a\": 1}'; sleep 0.1; echo err >&2"]
LINES = ["one", 'two  {"a": 1}', "err"]


def run(box, driver, options=None, command=None, **settings):
    identity = box.run_container(command or SCRIPT, host={"LogConfig": {"Type": driver, "Config": options or {}}}, **settings)
    box.wait(identity)
    return identity


def wait_sent(box, identity):
    def sent():
        return box.inspect(identity)["LogForwarding"]["AllSent"]
    kedge.wait_for(sent, 30)


# ---- journald ---------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def journal(places):
    it = receivers.Journal(places.path / "run").start()
    yield it
    it.close()


def entries_of(journal, name, count):
    return kedge.wait_for(lambda: (lambda found: found if len(found) >= count else None)(journal.entries(f"CONTAINER_NAME={name}")), 30)


def test_journald_reads_back_what_was_written(box, journal):
    identity = run(box, "journald", {"tag": "{{.Name}}/{{.ImageName}}", "labels": "site,missing", "env": "ROOM"}, name="j1",
                   Labels={"site": "roof", "other": "x"}, Env=["ROOM=4", "SECRET=5"])
    entries = entries_of(journal, "j1", 3)
    assert [it["MESSAGE"] for it in entries] == LINES
    assert [it["PRIORITY"] for it in entries] == ["6", "6", "3"]
    first = entries[0]
    assert first["CONTAINER_ID"] == identity[:12] and first["CONTAINER_ID_FULL"] == identity
    assert first["CONTAINER_TAG"] == first["SYSLOG_IDENTIFIER"] == "j1/busybox:test" and first["IMAGE_NAME"] == "busybox:test"
    assert first["SITE"] == "roof" and first["ROOM"] == "4" and "OTHER" not in first and "SECRET" not in first
    assert box.log_text(identity).splitlines() == LINES


def test_journald_takes_long_lines_in_pieces(box, journal):
    run(box, "journald", name="j2", command=["sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"])
    entries = entries_of(journal, "j2", 4)
    assert "".join(it["MESSAGE"] for it in entries[:3]) == "x" * 40000
    assert [it.get("CONTAINER_PARTIAL_MESSAGE") for it in entries] == ["true", "true", None, None]
    assert [it.get("CONTAINER_PARTIAL_ORDINAL") for it in entries] == ["1", "2", "3", None]
    assert [it.get("CONTAINER_PARTIAL_LAST") for it in entries] == ["false", "false", "true", None]
    assert len({it["CONTAINER_PARTIAL_ID"] for it in entries[:3]}) == 1


# ---- syslog -----------------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def rsyslog(places):
    it = receivers.Rsyslog(places, tls=True).start()
    yield it
    it.close()


def addresses(rsyslog):
    return {"unixgram": f"unixgram://{rsyslog.socket}", "unix": f"unix://{rsyslog.socket}", "udp": f"udp://127.0.0.1:{rsyslog.udp}",
            "tcp": f"tcp://127.0.0.1:{rsyslog.tcp}", "tcp+tls": f"tcp+tls://127.0.0.1:{rsyslog.tls_port}"}


def messages_of(rsyslog, tag, count=3):
    return kedge.wait_for(lambda: (lambda found: found if len(found) >= count else None)(rsyslog.of(tag)), 30)


@pytest.mark.parametrize("transport", ["unixgram", "unix", "udp", "tcp", "tcp+tls"])
@pytest.mark.parametrize("form", ["", "rfc3164", "rfc5424", "rfc5424micro"])
def test_syslog_by_every_transport_and_form(box, rsyslog, transport, form):
    tag = f"t{transport[-3:]}{transport[:4]}{form[-5:]}".replace("+", "")
    options = {"syslog-address": addresses(rsyslog)[transport], "syslog-facility": "local3", "tag": tag}
    if form:
        options["syslog-format"] = form
    if transport == "tcp+tls":
        options["syslog-tls-ca-cert"] = str(rsyslog.directory / "ca.pem")
    run(box, "syslog", options)
    found = messages_of(rsyslog, tag)
    assert [it["message"].strip() for it in found] == LINES
    assert [it["severity"] for it in found] == ["info", "info", "err"]
    assert {it["facility"] for it in found} == {"local3"}
    assert all(re.fullmatch(tag + r"\[\d+\]:?", it["tag"]) for it in found), found
    if form in ("rfc3164", "rfc5424", "rfc5424micro") and not transport.startswith("unix"):
        assert {it["host"] for it in found} == {socket.gethostname()}
    if form == "rfc5424micro":
        assert re.search(r"\.\d{6}", found[0]["raw"].split()[1])


def test_syslog_with_tls_refuses_who_is_not_known(box, rsyslog):
    address = addresses(rsyslog)["tcp+tls"]
    identity = run(box, "syslog", {"syslog-address": address, "tag": "untrusted"})
    kedge.wait_for(lambda: "certificate" in box.inspect(identity)["LogForwarding"]["Error"], 20)
    assert not rsyslog.of("untrusted")
    run(box, "syslog", {"syslog-address": address, "tag": "whoever", "syslog-tls-skip-verify": "true"})
    assert [it["message"].strip() for it in messages_of(rsyslog, "whoever")] == LINES


def test_syslog_takes_no_pipe_for_a_certificate(box, tmp_path):
    """kedged would wait for who writes it."""
    os.mkfifo(tmp_path / "ca.pem")
    options = {"syslog-address": "tcp+tls://127.0.0.1:1", "syslog-tls-ca-cert": str(tmp_path / "ca.pem")}
    identity = box.create(["true"], host={"LogConfig": {"Type": "syslog", "Config": options}})
    status, body = kedge.Api(box.api.path, timeout=10).raw("POST", f"/containers/{identity}/start")
    assert status == 400 and "is no file" in json.loads(body)["message"]


def test_syslog_bytes(box):
    """What RFC 3164 and RFC 5424 say, byte by byte, at a socket of our own."""
    received = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    received.bind(("127.0.0.1", 0))
    received.settimeout(20)
    address = f"udp://127.0.0.1:{received.getsockname()[1]}"
    run(box, "syslog", {"syslog-address": address, "tag": "x"}, command=["echo", "hello"])
    assert re.fullmatch(rb"<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d x\[\d+\]: hello\n", received.recv(2048))
    run(box, "syslog", {"syslog-address": address, "tag": "x", "syslog-format": "rfc5424", "syslog-facility": "1"}, command=["echo", "hello"])
    host = re.escape(socket.gethostname().encode())
    assert re.fullmatch(rb"<14>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ " + host + rb" x \d+ x - hello\n", received.recv(2048))
    received.close()


# ---- gelf -------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("compression", [None, "gzip", "zlib", "none"])
def test_gelf_over_udp(box, compression):
    receiver = receivers.GelfUdp()
    options = {"gelf-address": f"udp://127.0.0.1:{receiver.port}", "tag": "{{.Name}}", "labels": "site"}
    if compression:
        options["gelf-compression-type"] = compression
    name = f"g{compression}"
    identity = run(box, "gelf", options, name=name, Labels={"site": "roof"},
                   command=["sh", "-c", "echo short; od -An -tx1 -v -N 9000 /dev/urandom | tr -d ' \\n'; echo"])
    kedge.wait_for(lambda: len(receiver.messages) >= 3, 30)
    receiver.close()
    first = receiver.messages[0]
    assert first["version"] == "1.1" and first["host"] == socket.gethostname() and first["short_message"] == "short" and first["level"] == 6
    assert first["_container_id"] == identity and first["_container_name"] == first["_tag"] == name and first["_image_name"] == "busybox:test"
    assert first["_site"] == "roof" and first["_command"].startswith("sh -c") and abs(first["timestamp"] - time.time()) < 300
    assert "".join(it["short_message"] for it in receiver.messages[1:3]) == box.log_text(identity).splitlines()[1]
    assert set(receiver.kinds) == {compression or "gzip"}
    assert receiver.most_chunks > 1  # random digits stay long, whatever the compression


def test_gelf_over_tcp(box):
    receiver = receivers.GelfTcp()
    run(box, "gelf", {"gelf-address": f"tcp://127.0.0.1:{receiver.port}"}, command=["sh", "-c", "printf 'caf\\303\\251 \\377\\n\\n'; echo b"])
    kedge.wait_for(lambda: len(receiver.messages) >= 2, 30)
    assert [it["short_message"] for it in receiver.messages] == ["café \ufffd", "b"]  # an empty one is not allowed
    receiver.close()


# ---- fluentd ----------------------------------------------------------------------------------------------------------------------

def test_fluentd_with_acknowledgement(box):
    receiver = receivers.Fluentd()
    identity = run(box, "fluentd", {"fluentd-address": f"127.0.0.1:{receiver.port}", "tag": "docker.{{.Name}}", "env-regex": "^RO"}, name="f1",
                   Env=["ROOM=4", "SECRET=5"])
    kedge.wait_for(lambda: len(receiver.records) >= 3, 30)
    assert [record["log"] for _, _, record in receiver.records] == LINES
    assert [record["source"] for _, _, record in receiver.records] == ["stdout", "stdout", "stderr"]
    tag, when, record = receiver.records[0]
    assert tag == "docker.f1" and isinstance(when, int)
    assert record == {"container_id": identity, "container_name": "/f1", "source": "stdout", "log": "one", "ROOM": "4"}
    wait_sent(box, identity)
    receiver.close()


def test_fluentd_with_fractions_of_seconds(box):
    receiver = receivers.Fluentd()
    run(box, "fluentd", {"fluentd-address": f"tcp://127.0.0.1:{receiver.port}", "fluentd-sub-second-precision": "true"}, command=["echo", "x"])
    kedge.wait_for(lambda: receiver.records, 30)
    when = receiver.records[0][1]
    assert when.code == 0 and len(when.data) == 8 and int.from_bytes(when.data[4:], "big") < 10**9
    receiver.close()


def test_fluentd_that_acknowledges_nothing_is_asked_again(box):
    receiver = receivers.Fluentd(acknowledges=False)
    identity = run(box, "fluentd", {"fluentd-address": f"127.0.0.1:{receiver.port}"}, command=["echo", "x"])
    kedge.wait_for(lambda: receiver.records, 30)
    assert not box.inspect(identity)["LogForwarding"]["AllSent"]
    port = receiver.port
    receiver.close()
    again = receivers.Fluentd(port)
    kedge.wait_for(lambda: again.records, 30)
    wait_sent(box, identity)
    again.close()


def test_fluentd_packs_as_debians_client_does(box):
    """The record's bytes are those that fluent-logger packs of the same record."""
    import msgpack
    from fluent import sender
    receiver = receivers.Fluentd()
    identity = run(box, "fluentd", {"fluentd-address": f"127.0.0.1:{receiver.port}", "tag": "a.b"}, name="f2", command=["echo", "hello"])
    kedge.wait_for(lambda: receiver.records, 30)
    _, when, record = receiver.records[0]
    golden = sender.FluentSender("a", port=1)._make_packet("b", when, record)
    assert msgpack.unpackb(golden) == ["a.b", when, record]
    tag_bytes, body = golden[1:5], golden[5:]
    assert golden[:1] == b"\x93" and receiver.raw[1:5] == tag_bytes
    assert body in receiver.raw, (body, receiver.raw)
    assert record["container_id"] == identity
    receiver.close()


def test_gelf_reads_as_debians_client_writes():
    """The receiver of these tests understands what Debian's graypy sends, chunks and all."""
    import logging
    import graypy
    receiver = receivers.GelfUdp()
    handler = graypy.GELFUDPHandler("127.0.0.1", receiver.port)
    try:
        handler.emit(logging.LogRecord("n", logging.INFO, "p", 1, "hello", None, None))
        kedge.wait_for(lambda: receiver.messages, 10)
        assert receiver.messages[0]["short_message"] == "hello" and receiver.messages[0]["version"] in ("1.0", "1.1")
        assert {"version", "host", "short_message", "timestamp", "level"} <= set(receiver.messages[0])
    finally:
        handler.close()
        receiver.close()


# ---- options ----------------------------------------------------------------------------------------------------------------------

REFUSED = [
    ("journald", {"max-size": "10m"}, "unknown log opt 'max-size' for journald log driver"),
    ("none", {"max-size": "10m"}, "unknown log opt 'max-size' for none log driver"),
    ("syslog", {"syslog-colour": "red"}, "unknown log opt 'syslog-colour'"),
    ("syslog", {"syslog-address": "http://x"}, "should begin with a transport"),
    ("syslog", {"syslog-facility": "kernel"}, "no facility"),
    ("syslog", {"syslog-format": "rfc1"}, "none of rfc3164"),
    ("gelf", {}, "gelf-address"),
    ("gelf", {"gelf-address": "tcp://h:1", "gelf-compression-type": "gzip"}, "goes with UDP only"),
    ("gelf", {"gelf-address": "udp://h:1", "gelf-tcp-max-reconnect": "1"}, "goes with TCP only"),
    ("gelf", {"gelf-address": "udp://h"}, "port is missing"),
    ("fluentd", {"fluentd-async": "maybe"}, "neither true nor false"),
    ("fluentd", {"fluentd-address": "tls://h"}, "should begin with a transport"),
    ("json-file", {"syslog-address": "udp://h"}, "unknown log opt 'syslog-address' for json-file log driver"),
    ("json-file", {"max-buffer-size": "1m"}, "only supported with 'mode=non-blocking'"),
    ("journald", {"mode": "sometimes"}, "neither blocking nor non-blocking"),
    ("journald", {"tag": "{{.Colour}}"}, "tags have no field"),
    ("journald", {"labels-regex": "("}, "regular expression"),
    ("awslogs", {}, "use fluentd or syslog"),
    ("gcplogs", {}, "use fluentd"),
    ("splunk", {}, "use syslog or gelf"),
    ("etwlogs", {}, "Windows"),
    ("loki", {}, "promtail"),
    ("db", {}, "use json-file"),
    ("local", {"max-size": "-1"}, "max-size"),
    ("local", {"max-size": "2g"}, "more than 1g"),
    ("local", {"max-file": "0"}, "max-file"),
    ("local", {"tag": "x"}, "unknown log opt 'tag' for local log driver"),
    ("local", {"labels": "x"}, "unknown log opt 'labels' for local log driver"),
    ("local", {"compress": "maybe"}, "neither true nor false"),
    ("local", {"syslog-address": "udp://h"}, "unknown log opt 'syslog-address' for local log driver"),
    ("json-file", {"compress": "true"}, "has compressed ones"),
    ("nothing", {}, "is unknown"),
]


@pytest.mark.parametrize("driver,options,reason", REFUSED)
def test_what_a_driver_does_not_have_is_refused_by_name(box, driver, options, reason):
    body = {"Image": "busybox:test", "Cmd": ["true"], "HostConfig": {"LogConfig": {"Type": driver, "Config": options}}}
    status, answer = box.api.raw("POST", "/containers/create", json.dumps(body), {"Content-Type": "application/json"})
    assert status in (400, 501) and reason in answer.decode(), answer


def test_info_names_the_drivers(box):
    assert set(box.api.get("/info")["Plugins"]["Log"]) == {"json-file", "local", "journald", "syslog", "gelf", "fluentd", "none"}
    assert box.api.get("/info")["LogLinesDropped"] == 0


def test_the_cache_can_be_kept_from_readers(box, places):
    identity = run(box, "syslog", {"syslog-address": f"unixgram://{places.path}/nobody", "cache-disabled": "true"}, command=["echo", "x"])
    status, answer = box.api.raw("GET", f"/containers/{identity}/logs?stdout=1")
    assert status == 501 and "does not support reading" in answer.decode()
