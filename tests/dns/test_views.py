# SPDX-License-Identifier: Apache-2.0
"""What kedge-dns answers for the names of containers."""
import socket
import struct

import pytest

import name_server


@pytest.fixture(scope="module")
def server():
    """web and www on "net" and "other"; db and www on "net"; cache on "other" alone; lone on "lonely"."""
    it = name_server.NameServer().start()
    try:
        it.web, it.db, it.cache, it.lone = (it.container(name) for name in ("web", "db", "cache", "lone"))
        it.set_servers("127.0.0.1")
        it.outside = it.upstream(records={"web.test": "192.0.2.80"}, options=["--host-record=db,192.0.2.81"])
        it.say("begin")
        it.names("net", it.web, ["Web-1", "www", "aaaaaaaaaaaa"], "172.18.0.2", "fd00:18::2")
        it.names("other", it.web, ["Web-1", "front"], "172.19.0.2")
        it.names("net", it.db, ["db", "www", "cache"], "172.18.0.3", "fd00:18::3")
        it.names("other", it.cache, ["cache"], "172.19.0.4")
        it.names("lonely", it.lone, ["lone", "web-1.net"], "", "fd00:20::2")
        it.view(it.web, ["net", "other"])
        it.view(it.db, ["net"], links=[("store", "net", it.web.id), ("nobody", "net", "f" * 64), ("Elsewhere", "", it.web.id)])
        it.view(it.cache, ["other", "net"])
        it.view(it.lone, ["lonely"])
        it.say("end")
        yield it
    finally:
        it.close()


@pytest.mark.parametrize("name, kind, expected", [
    ("web-1", "A", ["172.18.0.2"]),
    ("web-1", "AAAA", ["fd00:18::2"]),
    ("WEB-1", "A", ["172.18.0.2"]),
    ("web-1.net", "A", ["172.18.0.2"]),
    ("Web-1.NET", "AAAA", ["fd00:18::2"]),
    ("web-1.other", "A", ["172.19.0.2"]),
    ("web-1.other", "AAAA", []),  # it is known, without such an address
    ("aaaaaaaaaaaa", "A", ["172.18.0.2"]),
    ("cache", "A", ["172.18.0.3"]),  # the first network that knows it
    ("cache.other", "A", ["172.19.0.4"]),
    ("cache.net", "A", ["172.18.0.3"]),
    ("front", "A", ["172.19.0.2"]),
    ("db", "MX", []),  # a known name is never asked for outside
    ("db", "TXT", []),
    ("db", "ANY", []),
])
def test_names_of_own_networks(server, name, kind, expected):
    before = server.outside.asked()
    assert server.web.addresses(name, kind) == expected
    assert server.outside.asked() == before


def test_the_order_of_networks_is_the_views(server):
    assert server.cache.addresses("cache") == ["172.19.0.4"]
    assert server.cache.addresses("web-1") == ["172.19.0.2"]


@pytest.mark.parametrize("name", ["cache.other", "front", "lone", "lone.lonely", "web-1.other", "web-1.lonely"])
def test_names_of_other_networks_are_unknown(server, name):
    assert server.db.ask(name) == ("NXDOMAIN", [])


def test_unknown_names_are_asked_for_outside(server):
    assert server.lone.addresses("db") == ["192.0.2.81"]  # one label, too
    assert server.web.addresses("web.test") == ["192.0.2.80"]


def test_a_name_and_a_network_with_dots(server):
    assert server.lone.addresses("web-1.net", "AAAA") == ["fd00:20::2"]
    assert server.lone.addresses("web-1.net.lonely", "AAAA") == ["fd00:20::2"]


def test_links_are_names_of_one_container_alone(server):
    assert server.db.addresses("store") == ["172.18.0.2"]
    assert server.db.addresses("STORE.net", "AAAA") == ["fd00:18::2"]
    assert server.db.addresses("elsewhere") == ["172.18.0.2"]
    assert server.db.ask("nobody") == ("NXDOMAIN", [])
    assert server.web.ask("store") == ("NXDOMAIN", [])


@pytest.mark.parametrize("address, expected", [
    ("172.18.0.2", ["Web-1.net."]),
    ("172.19.0.2", ["Web-1.other."]),
    ("fd00:18::3", ["db.net."]),
    ("172.18.0.3", ["db.net."]),
])
def test_names_of_addresses(server, address, expected):
    status, answers = server.web.ask("-x", address)
    assert status == "NOERROR"
    assert [(kind, data.lower()) for kind, data in answers] == [("PTR", name.lower()) for name in expected]


def test_names_of_addresses_of_others_are_asked_for_outside(server):
    assert server.db.ask("-x", "172.19.0.4") == ("NXDOMAIN", [])
    assert "4.0.19.172.in-addr.arpa" in server.outside.asked()


def test_shared_names_are_answered_in_turn(server):
    answers = [tuple(server.web.addresses("www")) for _ in range(4)]
    assert set(answers) == {("172.18.0.2", "172.18.0.3"), ("172.18.0.3", "172.18.0.2")}
    assert answers[0] == answers[2] != answers[1] == answers[3]


def test_an_answer_is_as_dockers(server):
    text = server.web.dig("+noedns", "Web-1")
    assert "flags: qr rd ra;" in text and "Web-1.\t\t\t600\tIN\tA\t172.18.0.2" in text
    assert "OPT PSEUDOSECTION" not in text


def test_edns(server):
    assert "EDNS: version: 0, flags: do; udp: 4096" in server.web.dig("+dnssec", "web-1")
    assert "status: BADVERS" in server.web.dig("+edns=5", "+noednsnegotiation", "web-1")


def test_over_tcp(server):
    assert server.web.addresses("+tcp", "www", "AAAA") in (["fd00:18::2", "fd00:18::3"], ["fd00:18::3", "fd00:18::2"])
    assert "(TCP)" in server.web.dig("+tcp", "web-1")


def test_questions_one_behind_the_other_on_a_connection(server):
    text = server.web.dig("+tcp", "+keepopen", "web-1", "+tcp", "+keepopen", "db", "+tcp", "+keepopen", "web.test")
    assert [address in text for address in ("172.18.0.2", "172.18.0.3", "192.0.2.80")] == [True] * 3


def message(name, kind=1, flags=0x0100, ident=0x1234, count=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", ident, flags, count, 0, 0, 0) + (labels + b"\0" + struct.pack("!HH", kind, 1)) * count


def code_of(answer):
    return answer[3] & 15


@pytest.mark.parametrize("bytes_, code", [
    (message("db", flags=0x2900), 4),  # an operation that is none of ours
    (message("db", count=2), 1),
    (message("db", count=0), 1),
    (message("db")[:-3], 1),
    (message("db")[:-5] + b"\xc0\x0c" + b"\0\1\0\1", 1),  # a name that ends in itself
])
def test_what_is_no_question_gets_an_error(server, bytes_, code):
    client = server.web.socket()
    client.send(bytes_)
    answer = client.recv(4096)
    assert (answer[:2], code_of(answer)) == (b"\x12\x34", code)


def test_what_is_an_answer_or_nothing_gets_none(server):
    client = server.web.socket()
    for bytes_ in (b"", b"x", message("db")[:11], message("db", flags=0x8180), message("db") + b"\0" * 5000):
        client.send(bytes_)
    client.send(message("db", ident=7))
    assert client.recv(4096)[:2] == b"\0\7"


def test_other_classes_are_none_of_ours(server):
    assert server.web.ask("-c", "CH", "-t", "A", "-q", "db")[1] == []


def test_many_addresses_of_a_name(server):
    many = [server.container(f"many{i}") for i in range(3)]
    for i in range(100):
        many[0].id = f"{i:064x}"
        server.names("net", many[0], [f"m{i}", "many"], f"172.18.1.{i}")
    everything = sorted(f"172.18.1.{i}" for i in range(100))
    assert sorted(server.web.addresses("many")) == everything  # dig has room for 1232 bytes, and asks again over TCP
    assert sorted(server.web.addresses("+bufsize=4096", "+ignore", "many")) == everything
    small = server.web.dig("+noedns", "+ignore", "many")
    assert "flags: qr tc rd ra; QUERY: 1, ANSWER: 30," in small
    assert sorted(server.web.addresses("+tcp", "many")) == everything


def test_names_come_and_go(server):
    other = server.container("other")
    server.names("net", other, ["new"], "172.18.0.9")
    assert server.web.addresses("new") == ["172.18.0.9"]
    server.names("net", other, ["newer"], "172.18.0.10")
    assert server.web.addresses("newer") == ["172.18.0.10"]
    assert server.web.ask("new")[0] == "NXDOMAIN"
    assert server.web.ask("-x", "172.18.0.9")[0] == "NXDOMAIN"
    server.say("forget-names", "net", other.id)
    assert server.web.ask("newer")[0] == "NXDOMAIN"


def test_a_connection_that_says_nothing_useful_is_closed(server):
    client = server.web.socket(socket.SOCK_STREAM)
    client.send(b"\xff\xff" + b"x" * 100)
    assert client.recv(100) == b""


def test_it_has_given_up_everything(server):
    assert server.status("Uid").split() == ["65534"] * 4
    assert server.status("CapEff") == server.status("CapBnd") == "0" * 16
    assert (server.status("NoNewPrivs"), server.status("Groups")) == ("1", "")
    if "build-sanitize" not in str(name_server.BUILD):
        assert server.status("Seccomp") == "2"
        assert server.private_kb() < 2048
