# SPDX-License-Identifier: Apache-2.0
"""What kedge-dns passes on to other name servers, to which, and what it does with their answers."""
import os
import socket
import threading
import time

import pytest

import name_server
from name_server import FakeUpstream, eventually, reply


@pytest.fixture
def server():
    it = name_server.NameServer().start()
    try:
        it.one = it.container("one")
        it.names("net", it.one, ["one"], "172.18.0.2")
        it.view(it.one)
        yield it
    finally:
        it.close()


def silent(query, sender):
    return []


def good(query, sender):
    return [reply(query)]


def test_records_of_all_kinds_pass_as_they_are(server):
    server.upstream(records={"end.test": "192.0.2.1"}, options=[
        "--cname=first.test,second.test", "--cname=second.test,end.test", "--txt-record=text.test," + "y" * 200,
        "--mx-host=mail.test,end.test,10", "--srv-host=_http._tcp.test,end.test,80", "--ptr-record=1.2.0.192.in-addr.arpa,end.test"])
    server.set_servers("127.0.0.1")
    assert server.one.ask("first.test") == ("NOERROR", [("CNAME", "second.test."), ("CNAME", "end.test."), ("A", "192.0.2.1")])
    assert server.one.ask("text.test", "TXT") == ("NOERROR", [("TXT", '"' + "y" * 200 + '"')])
    assert server.one.ask("mail.test", "MX") == ("NOERROR", [("MX", "10 end.test.")])
    assert server.one.ask("_http._tcp.test", "SRV") == ("NOERROR", [("SRV", "0 0 80 end.test.")])
    assert server.one.ask("-x", "192.0.2.1") == ("NOERROR", [("PTR", "end.test.")])
    assert server.one.ask("end.test", "AAAA") == ("NOERROR", [])
    assert server.one.ask("gone.test") == ("NXDOMAIN", [])


def test_answers_over_512_bytes(server):
    texts = [f"--txt-record=big.test,{i:03}" + "z" * 150 for i in range(20)]
    server.upstream(options=[*texts, "--edns-packet-max=4096"])
    server.set_servers("127.0.0.1")
    assert "flags: qr aa tc rd ra" in server.one.dig("+noedns", "+ignore", "big.test", "TXT")
    whole = server.one.dig("+bufsize=4096", "big.test", "TXT")
    assert "ANSWER: 20" in whole and "(UDP)" in whole and "udp:" in whole
    again = server.one.dig("+noedns", "big.test", "TXT")  # over TCP by itself
    assert "ANSWER: 20" in again and "(TCP)" in again


def test_an_answer_that_a_client_has_no_room_for_is_cut(server):
    FakeUpstream(server, "127.0.0.1", lambda query, sender: [reply(query, more=2000)])
    FakeUpstream(server, "127.0.0.1", lambda query, sender: [reply(query, more=30000)], socket.SOCK_STREAM)
    server.set_servers("127.0.0.1")
    cut = server.one.dig("+noedns", "+ignore", "big.test")
    assert "flags: qr tc rd ra" in cut and "ANSWER: 0" in cut
    whole = server.one.dig("+noedns", "big.test")
    assert "ANSWER: 121" in whole and "(TCP)" in whole


def test_tcp_is_passed_on_over_tcp(server):
    packets = FakeUpstream(server, "127.0.0.1", good)
    streams = FakeUpstream(server, "127.0.0.1", good, socket.SOCK_STREAM)
    server.set_servers("127.0.0.1")
    assert server.one.addresses("+tcp", "out.test") == ["192.0.2.99"]
    assert (len(packets.queries), len(streams.queries)) == (0, 1)


def test_ids_and_ports_are_random_and_edns_passes(server):
    upstream = FakeUpstream(server, "127.0.0.1", good)
    server.set_servers("127.0.0.1")
    client = server.one.socket()
    for i in range(20):
        ask = b"\x11\x11\1\x20\0\1\0\0\0\0\0\1\4NaMe\4test\0\0\1\0\1\0\0\x29\x10\0\0\0\x80\0\0\4\xff\xfe\0\0"
        client.send(ask)
        answer = client.recv(4096)
        assert answer[:2] == b"\x11\x11" and answer.endswith(socket.inet_aton("192.0.2.99"))
        assert upstream.queries[-1][0][2:] == ask[2:]
    assert len({query[:2] for query, sender in upstream.queries}) > 15
    assert len({sender[1] for query, sender in upstream.queries}) > 10


def test_what_does_not_answer_the_question_is_passed_over(server):
    def lies(query, sender):
        other = bytes([query[0] ^ 1]) + query[1:2]
        wrong_name = query[:13] + b"x" + query[14:]
        return [b"", b"junk", reply(query, "192.0.2.6", ident=other), reply(wrong_name, "192.0.2.6"), query, query[:12],
                reply(query[:-4] + b"\0\x1c\0\1" if len(query) < 40 else query, "192.0.2.6"), reply(query)]
    FakeUpstream(server, "127.0.0.1", lies)
    server.set_servers("127.0.0.1")
    assert server.one.addresses("+noedns", "out.test") == ["192.0.2.99"]


def test_an_answer_from_another_address_is_passed_over(server):
    forger = server.host.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    def forged(query, sender):
        forger.sendto(reply(query, "192.0.2.6"), sender)
        return [reply(query)]
    FakeUpstream(server, "127.0.0.1", forged)
    server.set_servers("127.0.0.1")
    assert server.one.addresses("out.test") == ["192.0.2.99"]
    forger.close()


def test_a_dead_first_server_costs_one_wait(server):
    dead = FakeUpstream(server, "127.0.0.1", silent)
    alive = FakeUpstream(server, "127.0.0.2", good)
    server.set_servers("127.0.0.1", "127.0.0.2")
    assert server.one.addresses("out.test") == ["192.0.2.99"]
    assert (len(dead.queries), len(alive.queries)) == (1, 1)
    for i in range(5):
        assert server.one.addresses(f"out{i}.test") == ["192.0.2.99"]
    assert (len(dead.queries), len(alive.queries)) == (1, 6)  # it is asked last now


def test_a_slow_server_may_still_answer_when_others_are_asked(server):
    second = threading.Event()
    def slow(query, sender):
        assert second.wait(name_server.LIMIT)
        return [reply(query, "192.0.2.1")]
    def none(query, sender):
        second.set()
        return []
    FakeUpstream(server, "127.0.0.1", slow)
    FakeUpstream(server, "127.0.0.2", none)
    server.set_servers("127.0.0.1", "127.0.0.2")
    assert server.one.addresses("out.test") == ["192.0.2.1"]


@pytest.mark.parametrize("code", [2, 5])
def test_a_failing_server_is_followed_by_the_next_at_once(server, code):
    FakeUpstream(server, "127.0.0.1", lambda query, sender: [reply(query, code=code)])
    alive = FakeUpstream(server, "127.0.0.3", good)
    server.set_servers("127.0.0.1", "127.0.0.2", "127.0.0.3")  # nobody is at the second
    assert server.one.addresses("out.test") == ["192.0.2.99"]
    assert len(alive.queries) == 1


def test_a_failure_of_all_is_passed_on(server):
    FakeUpstream(server, "127.0.0.1", lambda query, sender: [reply(query, code=5)])
    server.set_servers("127.0.0.1", "127.0.0.2")
    assert server.one.ask("out.test") == ("REFUSED", [])
    assert server.one.ask("+tcp", "out.test") == ("SERVFAIL", [])


def test_without_servers_the_answer_comes_at_once(server):
    begin = time.monotonic()
    for words in (["out.test"], ["+tcp", "out.test"]):
        assert server.one.ask(*words) == ("SERVFAIL", [])
    server.set_servers("127.0.0.1", "::1", "192.0.2.1")  # nobody, nobody, and no way
    assert server.one.ask("out.test") == ("SERVFAIL", [])
    assert time.monotonic() - begin < 5
    assert server.one.addresses("one") == ["172.18.0.2"]


def test_own_servers_are_asked_instead_of_the_hosts(server):
    server.upstream("127.0.0.1", records={"out.test": "192.0.2.1"})
    own = server.upstream("::1", records={"out.test": "192.0.2.2"})
    server.set_servers("127.0.0.1")
    two = server.container("two")
    server.view(two, servers=["junk", "::1"])
    assert two.addresses("out.test") == ["192.0.2.2"]
    assert server.one.addresses("out.test") == ["192.0.2.1"]
    assert own.asked() == ["out.test"]


def test_internal_networks_ask_nobody_outside(server):
    upstream = server.upstream(records={"out.test": "192.0.2.1"})
    server.set_servers("127.0.0.1")
    two = server.container("two")
    server.view(two, forwards=False)
    assert two.ask("out.test") == ("SERVFAIL", [])
    assert two.addresses("one") == ["172.18.0.2"]
    assert upstream.asked() == []


def test_it_never_asks_itself(server):
    """127.0.0.11 is what it is to its clients; and a name server in a container may have us as its own."""
    looped = FakeUpstream(server, "127.0.0.11", good)
    server.host.run("ip", "address", "add", "172.18.0.2/32", "dev", "lo")
    own = FakeUpstream(server, "172.18.0.2", good)
    server.set_servers("127.0.0.11", "172.18.0.2")
    assert server.one.ask("out.test") == ("SERVFAIL", [])
    assert (looped.queries, own.queries) == ([], [])
    two = server.container("two")
    server.view(two)
    assert two.addresses("out.test") == ["192.0.2.99"]
    assert len(own.queries) == 1 and looped.queries == []


# ---- the host's resolv.conf ----

@pytest.fixture
def two_upstreams(server):
    for i in (1, 2):
        server.upstream(f"127.0.0.{i}", records={"out.test": f"192.0.2.{i}"})
    server.set_servers("127.0.0.1")
    assert server.one.addresses("out.test") == ["192.0.2.1"]
    return server


def text_for(i):
    return f"search test\nnameserver 127.0.0.{i}\n"


def rewrite(path, i):
    path.write_text(text_for(i))


def rename(path, i):
    new = path.with_suffix(".new")
    new.write_text(text_for(i))
    new.rename(path)


def make_link(path, i):
    """As systemd-resolved and NetworkManager have it: a link to a file in a directory that is made anew at each start."""
    directory = path.parent / f"run{i}"
    directory.mkdir()
    (directory / "resolv.conf").write_text(text_for(i))
    path.unlink()
    path.symlink_to(directory / "resolv.conf")


def make_directory_anew(path, i):
    if not path.is_symlink():
        make_link(path, 3 - i)
    target = path.resolve()
    old = target.parent.with_name("old")
    target.parent.rename(old)
    old.joinpath("resolv.conf").unlink()
    old.rmdir()
    target.parent.mkdir()
    target.write_text(text_for(i))


@pytest.mark.parametrize("change", [rewrite, rename, make_link, make_directory_anew])
def test_resolv_conf_is_followed(two_upstreams, change):
    server = two_upstreams
    change(server.resolv_conf, 2)
    assert server.one.addresses("out.test") == ["192.0.2.2"]
    rename(server.resolv_conf, 1)
    assert server.one.addresses("out.test") == ["192.0.2.1"]


def test_writes_within_one_tick_of_the_clock_are_seen(two_upstreams):
    """The two texts are of one length, and their times may be the same."""
    for _ in range(20):
        for i in (2, 1):
            rewrite(two_upstreams.resolv_conf, i)
            assert two_upstreams.one.addresses("out.test") == [f"192.0.2.{i}"]


@pytest.mark.parametrize("change", [
    lambda path: path.write_text(""),
    lambda path: path.write_text("# nameserver 127.0.0.2\nnameserver\nnameserver not.an.address\nsearch test\n"),
    lambda path: path.unlink(),
    lambda path: path.chmod(0o600),
    lambda path: (path.unlink(), path.mkdir()),
], ids=["emptied", "without servers", "removed", "unreadable", "a directory"])
def test_the_last_servers_stay_until_there_are_new_ones(two_upstreams, change):
    server = two_upstreams
    change(server.resolv_conf)
    for _ in range(3):
        assert server.one.addresses("out.test") == ["192.0.2.1"]
    assert server.log.read_text().count("the last known name servers stay in use") == 1
    if server.resolv_conf.is_dir():
        server.resolv_conf.rmdir()
    rename(server.resolv_conf, 2)
    assert server.one.addresses("out.test") == ["192.0.2.2"]


def test_servers_that_come_after_the_start(server):
    """The network is up later than the containers."""
    os.unlink(server.resolv_conf)
    assert server.one.ask("out.test")[0] == "SERVFAIL"
    server.upstream("127.0.0.1", records={"out.test": "192.0.2.1"})
    server.set_servers("127.0.0.1")
    assert server.one.addresses("out.test") == ["192.0.2.1"]


def test_a_dead_server_of_resolv_conf_is_replaced(two_upstreams):
    server = two_upstreams
    dead = FakeUpstream(server, "127.0.0.3", silent)
    server.set_servers("127.0.0.3")
    waiting = server.one.socket()
    waiting.send(b"\0\1\1\0\0\1\0\0\0\0\0\0\3out\4test\0\0\1\0\1")
    eventually(lambda: dead.queries, "it is asked")
    server.set_servers("127.0.0.2")
    assert server.one.addresses("out.test") == ["192.0.2.2"]
    assert waiting.recv(512)[3] & 15 == 2  # SERVFAIL, within eight seconds
