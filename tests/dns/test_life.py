# SPDX-License-Identifier: Apache-2.0
"""kedge-dns outlives kedged, is told anew by the next one, and lets nobody starve the others."""
import os
import socket
import subprocess
import time

import pytest

import name_server
from name_server import FakeUpstream, eventually, reply


@pytest.fixture
def server():
    it = name_server.NameServer().start()
    yield it
    it.close()


@pytest.fixture
def two(server):
    server.one, server.two = server.container("one"), server.container("two")
    server.say("begin")
    tell(server)
    server.say("end")
    return server


def tell(server, sockets=True):
    for i, it in enumerate((server.one, server.two)):
        server.names("net", it, [f"name{i}"], f"172.18.0.{i}")
        server.view(it, sockets=sockets)


def is_refused(container):
    try:
        container.socket(socket.SOCK_STREAM).close()
    except ConnectionRefusedError:
        return True
    return False


def test_names_are_answered_while_kedged_is_dead(two):
    two.connection.close()
    assert two.one.addresses("name1") == ["172.18.0.1"]
    two.connect()
    assert sorted(two.held) == sorted([two.one.id, two.two.id])
    two.say("begin")
    assert two.one.addresses("name1") == ["172.18.0.1"]  # also in between
    tell(two, sockets=False)
    two.say("end")
    assert two.one.addresses("name1") == ["172.18.0.1"]


def test_what_the_next_kedged_does_not_name_is_dropped(two):
    two.connect()
    two.say("begin")
    two.names("net", two.one, ["name0"], "172.18.0.0")
    two.view(two.one, sockets=False)
    two.say("end")
    assert two.one.ask("name1")[0] == "SERVFAIL"
    assert two.one.ask("-x", "172.18.0.1")[0] == "SERVFAIL"
    assert eventually(lambda: is_refused(two.two), "the sockets are closed")


def test_a_resync_that_kedged_did_not_live_to_end_drops_nothing(two):
    two.connect()
    two.say("begin")
    two.connect()
    assert two.one.addresses("name1") == ["172.18.0.1"]


def test_a_container_that_has_ended_keeps_no_namespace(two):
    two.say("forget-view", two.two.id)
    eventually(lambda: is_refused(two.two), "the sockets are closed")
    assert two.one.addresses("name1") == ["172.18.0.1"]
    two.connect()
    assert two.held == [two.one.id]


def test_a_container_that_was_started_again_has_new_sockets(two):
    count = lambda: len(os.listdir(f"/proc/{two.pid()}/fd"))
    assert two.two.addresses("name1") == ["172.18.0.1"]  # the last that was told: all sockets are there
    before = count()
    old = two.one.socket(socket.SOCK_STREAM)
    old.send(b"\0")
    eventually(lambda: count() == before + 1, "the connection is accepted")
    two.view(two.one)
    assert two.one.addresses("name1") == ["172.18.0.1"]
    assert two.one.addresses("+tcp", "name1") == ["172.18.0.1"]
    eventually(lambda: count() == before, "nothing of the old namespace is kept")
    old.close()
    two.connect()
    assert sorted(two.held) == sorted([two.one.id, two.two.id])


def test_killed_and_started_again(two):
    two.kill()
    assert is_refused(two.one)
    two.start()  # the socket's path is still there
    assert two.held == []
    tell(two)
    assert two.one.addresses("name1") == ["172.18.0.1"]


def test_a_second_one_does_not_take_the_place_of_the_first(two):
    done = subprocess.run([name_server.PROGRAM, "--socket", two.path], stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "another kedge-dns answers at" in done.stderr
    assert two.one.addresses("name1") == ["172.18.0.1"]


def test_without_kedged_and_containers_it_ends(server):
    server.connection.close()
    assert server.process.wait(name_server.LIMIT) == 0


def test_it_is_told_to_retire(two):
    two.say("retire")
    assert two.process.wait(name_server.LIMIT) == 0


def test_what_makes_no_sense_is_passed_over(two):
    for words in (["view"], ["view", "x"], ["names", "net", two.one.id, ""], ["forget-view"], ["forget-names", "net"], ["unheard-of"], [""],
                  ["view", two.one.id, "1", "n", "net", "net", "unheard-of", "x"], ["names", "net", "odd", "not", "an address", "odd"]):
        two.say(*words)
    two.connection.send(b"no NUL")
    two.connection.send(b"forget-view\0")
    assert two.one.addresses("name1") == ["172.18.0.1"]
    assert two.one.addresses("odd") == []


def test_the_socket_is_roots_alone(two):
    assert os.stat(two.path).st_mode & 0o777 == 0o600


def test_a_kedged_that_reads_late_is_told_all_that_is_held(server):
    """More than the connection takes at once: sockets of one container stand for those of many."""
    it = server.container("one")
    udp, tcp = it.sockets()
    ids = [f"{number:064x}" for number in range(2500)]
    for one in ids:
        server.say("view", one, "1", fds=[udp.fileno(), tcp.fileno()])
    udp.close()
    tcp.close()
    server.view(it)
    assert it.ask("nobody")[0]  # what was said last was read
    server.connection.close()
    server.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.connection.settimeout(name_server.LIMIT)
    server.connection.connect(str(server.path))
    time.sleep(0.2)  # nothing is to happen meanwhile
    held = [word for words in iter(server.receive, ["ready"]) if words[0] == "held" for word in words[1:]]
    assert sorted(held) == sorted([*ids, it.id])


# ---- bounds ----

def question(name, ident=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return ident.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def holds_floods_back(query, sender):
    return [] if b"flood" in query else [reply(query)]


def test_a_container_that_floods_is_answered_with_failures_and_the_others_are_served(two):
    upstream = FakeUpstream(two, "127.0.0.1", holds_floods_back)
    two.set_servers("127.0.0.1")
    client = two.one.socket()
    failed = 0
    for i in range(600):
        client.send(question(f"flood{i}.test", i))
        if i >= 128:  # one at a time, so that none is lost
            answer = client.recv(512)
            assert answer[3] & 15 == 2
            failed += 1
    assert failed == 600 - 128
    eventually(lambda: len(upstream.queries) == 128, "as many were passed on as one container may have outstanding")
    assert two.two.addresses("out.test") == ["192.0.2.99"]
    assert two.two.addresses("+tcp", "name0") == ["172.18.0.0"]
    assert two.one.addresses("name1") == ["172.18.0.1"]
    assert two.one.ask("more.test")[0] == "SERVFAIL"
    if "build-sanitize" not in str(name_server.BUILD):
        assert two.private_kb() < 4096


def test_all_that_is_outstanding_is_bounded_and_each_still_has_some(server):
    """Nine containers ask for more than all may have; a tenth is served."""
    upstream = FakeUpstream(server, "127.0.0.1", holds_floods_back)
    server.set_servers("127.0.0.1")
    for i in range(9):
        it = server.container(f"flooder{i}")
        server.view(it)
        client = it.socket()
        for j in range(200):
            client.send(question(f"flood{i}-{j}.test"))
        for _ in range(200 - 128 if i < 8 else 200 - 8):
            assert client.recv(512)[3] & 15 == 2
    eventually(lambda: len(upstream.queries) == 1024 + 8, "all that may be outstanding is")
    last = server.container("last")
    server.view(last)
    assert last.addresses("out.test") == ["192.0.2.99"]


def test_connections_of_one_container_are_bounded(two):
    clients = [two.one.socket(socket.SOCK_STREAM) for _ in range(40)]
    def count_open():
        still = 0
        for it in clients:
            it.setblocking(False)
            try:
                still += it.recv(1) != b""
            except BlockingIOError:
                still += 1
            except ConnectionResetError:
                pass
        return still
    eventually(lambda: count_open() == 16, "sixteen connections stay")
    assert two.two.addresses("+tcp", "name0") == ["172.18.0.0"]
    assert two.one.addresses("name1") == ["172.18.0.1"]
    for it in clients:
        it.close()
    eventually(lambda: two.one.dig("+tcp", "name1", "+time=2").count("172.18.0.1"), "room again")


def test_more_questions_at_once_than_may_be_outstanding_are_all_answered(two):
    """Those behind the sixteenth wait in the connection, which the client has ended."""
    FakeUpstream(two, "127.0.0.1", lambda query, sender: [reply(query)], kind=socket.SOCK_STREAM)
    two.set_servers("127.0.0.1")
    client = two.one.socket(socket.SOCK_STREAM)
    questions = [question(f"out{i}.test", i) for i in range(40)]
    client.sendall(b"".join(len(it).to_bytes(2, "big") + it for it in questions))
    client.shutdown(socket.SHUT_WR)
    with client.makefile("rb") as answers:
        idents = [answers.read(int.from_bytes(answers.read(2), "big"))[:2] for _ in questions]
    assert sorted(idents) == [it[:2] for it in questions]


def test_large_answers_to_who_does_not_read_are_bounded(two):
    """Questions that came at once, each with an answer of some 50 KiB, are answered one after the other; none is forgotten."""
    for number in range(3000):
        two.say("names", "net", f"{number:064x}", f"10.0.{number >> 8}.{number & 255}", "", "many")
    assert len(two.one.addresses("+tcp", "many")) == 3000
    message = question("many")
    count = 150
    client = two.one.socket(socket.SOCK_STREAM)
    before = int(two.status("VmHWM").split()[0])
    client.sendall((len(message).to_bytes(2, "big") + message) * count)
    client.recv(1, socket.MSG_PEEK)
    if "build-sanitize" not in str(name_server.BUILD):
        assert int(two.status("VmHWM").split()[0]) - before < 1024
    with client, client.makefile("rb") as answers:
        for _ in range(count):
            length = int.from_bytes(answers.read(2), "big")
            assert length > 40000 and len(answers.read(length)) == length


def test_a_silent_connection_is_closed(two):
    client = two.one.socket(socket.SOCK_STREAM)
    client.send(b"\0\x20half a question")
    begin = time.monotonic()
    assert client.recv(1) == b""
    assert time.monotonic() - begin > 8


def test_who_does_not_read_is_not_read_from(two):
    """Answers wait in the connection, not in kedge-dns; all of them come in the end."""
    client = two.one.socket(socket.SOCK_STREAM)
    client.setblocking(False)
    message = question("name1")
    frame = len(message).to_bytes(2, "big") + message
    sent = 0
    data = frame * 1000
    end = time.monotonic() + name_server.LIMIT
    blocked = 0
    while blocked < 20 and time.monotonic() < end:
        try:
            sent += client.send(data[sent % len(frame):])
            blocked = 0
        except BlockingIOError:
            blocked += 1
            time.sleep(0.01)
    assert blocked == 20
    if "build-sanitize" not in str(name_server.BUILD):
        assert two.private_kb() < 4096
    client.setblocking(True)
    answers = sent // len(frame)
    size = len(frame) + 16
    got = 0
    while got < answers * size:
        got += len(client.recv(1 << 20))
    assert got == answers * size
