# SPDX-License-Identifier: Apache-2.0
"""Names of containers on networks that somebody has made, end to end: kedged, kedge-dns, sockets and rules in namespaces."""
import os
import pathlib
import signal
import socket
import tempfile
import types

import pytest

import kedge
import name_server
from name_server import Asks, OfProcess, eventually

FOREVER = ["sleep", "1000000"]


@pytest.fixture(scope="module")
def engine():
    it = kedge.Daemon().start()
    it.load_busybox()
    it.askers = []
    yield it
    for asker in it.askers:
        asker.close()
    it.close()


@pytest.fixture(autouse=True)
def clean(engine):
    yield
    if engine.process.poll() is not None:
        engine.start()
    engine.remove_all()
    for network in engine.api.get("/networks"):
        if network["Name"] not in ("bridge", "host", "none"):
            engine.api.delete(f"/networks/{network['Id']}")


def network(engine, name, **body):
    return engine.api.post("/networks/create", {"Name": name, **body})["Id"]


def run(engine, name, *networks, aliases=(), links=(), command=FOREVER, **host):
    """A container on these networks, the first one with the aliases; and what asks in its namespace."""
    first, *others = networks or ["bridge"]
    settings = {"NetworkingConfig": {"EndpointsConfig": {first: {"Aliases": list(aliases), "Links": list(links)}}}} if aliases or links else {}
    it = engine.create(command, name=name, host={"NetworkMode": first, **host}, **settings)
    for other in others:
        engine.api.post(f"/networks/{other}/connect", {"Container": it})
    engine.start_container(it)
    return it, asks(engine, it)


def asks(engine, container):
    it = OfProcess(engine.inspect(container)["State"]["Pid"])
    engine.askers.append(it)
    return it


def address(engine, container, name, field="IPAddress"):
    return engine.inspect(container)["NetworkSettings"]["Networks"][name][field]


def program(engine):
    """The process id of kedge-dns; None: there is none."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"kedge-dns" and str(engine.run_directory).encode() in words[2]:
            return int(process.name)
    return None


def process_of(container):
    """The process of a container, without asking kedged."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if b"kedge-shim" in words and container.encode() in words:
                return int((process / "task" / process.name / "children").read_text().split()[0])
        except (OSError, IndexError):
            continue
    raise AssertionError("no shim")


def resolv_conf(container, engine):
    pid = engine.inspect(container)["State"]["Pid"]
    return pathlib.Path(f"/proc/{pid}/root/etc/resolv.conf").read_text()


def test_name_alias_id_and_network(engine):
    network(engine, "one")
    web, _ = run(engine, "Web", "one", aliases=["store", "web.example"])
    own = address(engine, web, "one")
    db, there = run(engine, "db", "one")
    for name in ("web", "WEB", "store", "web.example", web[:12], "web.one", "store.ONE", f"{web[:12]}.one"):
        assert there.addresses(name) == [own], name
    assert there.addresses("db") == [address(engine, db, "one")]
    assert there.addresses("web", "AAAA") == []
    assert there.addresses("+tcp", "web") == [own]
    status, answers = there.ask("-x", own)
    assert (status, answers[0][1].lower()) == ("NOERROR", "web.one.")


def test_hostname(engine):
    """One that was asked for, as its aliases show it."""
    network(engine, "one")
    web = engine.create(FOREVER, name="web", host={"NetworkMode": "one"}, Hostname="shop.example")
    engine.start_container(web)
    assert "shop.example" in engine.inspect(web)["NetworkSettings"]["Networks"]["one"]["Aliases"]
    own = address(engine, web, "one")
    _, there = run(engine, "db", "one")
    assert there.addresses("shop.example") == [own] and there.addresses("shop.example.one") == [own]
    assert there.ask("-x", own)[1][0][1] == "web.one."


def test_ipv6(engine):
    network(engine, "six", EnableIPv6=True, IPAM={"Config": [{"Subnet": "fd00:5a:1::/64"}]})
    web, _ = run(engine, "web", "six")
    _, there = run(engine, "db", "six")
    own = address(engine, web, "six", "GlobalIPv6Address")
    assert own and there.addresses("web", "AAAA") == [own]
    assert there.ask("-x", own) == ("NOERROR", [("PTR", "web.six.")])


def test_the_first_question_is_answered_while_the_name_server_is_only_being_started(engine):
    network(engine, "one")
    it = engine.run_container(["busybox", "nslookup", "itself"], name="itself", host={"NetworkMode": "one"})
    assert engine.wait(it) == 0, engine.log_text(it)


def test_each_container_has_a_view_of_its_own(engine):
    for name in ("front", "back"):
        network(engine, name)
    both, in_both = run(engine, "both", "front", "back")
    front, in_front = run(engine, "web", "front", aliases=["shared"])
    back, in_back = run(engine, "db", "back", aliases=["shared"])
    assert in_both.addresses("web") == [address(engine, front, "front")]
    assert in_both.addresses("db") == [address(engine, back, "back")]
    assert in_both.addresses("shared") == [address(engine, back, "back")]  # "back" comes before "front"
    assert in_both.addresses("shared.front") == [address(engine, front, "front")]
    assert in_front.addresses("both") == [address(engine, both, "front")]
    assert in_back.addresses("both") == [address(engine, both, "back")]
    assert in_front.ask("db")[0] != "NOERROR" and in_front.ask("web.back")[0] != "NOERROR"


def test_shared_aliases_are_answered_in_turn(engine):
    network(engine, "one")
    expected = {address(engine, run(engine, f"web{i}", "one", aliases=["web"])[0], "one") for i in range(3)}
    _, there = run(engine, "db", "one")
    answers = [there.addresses("web") for _ in range(6)]
    assert all(set(answer) == expected and len(answer) == 3 for answer in answers)
    assert {answer[0] for answer in answers} == expected


def test_links(engine):
    network(engine, "one")
    web, there = run(engine, "web", "one")
    _, linked = run(engine, "db", "one", links=["web:store"])
    assert linked.addresses("store") == linked.addresses("web") == [address(engine, web, "one")]
    assert there.ask("store")[0] != "NOERROR"


def test_a_link_to_a_container_of_another_network_is_warned_of(engine):
    network(engine, "one")
    engine.create(FOREVER, name="away", host={"NetworkMode": "bridge"})
    body = {"Image": "busybox:test", "Cmd": FOREVER, "HostConfig": {"NetworkMode": "one", "Links": ["away:store"]}}
    assert 'link "away:store" leads nowhere: container "away" is not on network "one"' in engine.api.post("/containers/create", body)["Warnings"]
    engine.create(FOREVER, name="here", host={"NetworkMode": "one"})
    body["HostConfig"]["Links"] = ["here:store"]
    assert not engine.api.post("/containers/create", body)["Warnings"]


def test_a_policy_starts_a_container_before_those_that_it_is_linked_to(engine):
    """Only who asks for its start is refused: the other may come later, as after a failure of power."""
    db = engine.create(["sh", "-c", "trap 'exit 0' TERM; while :; do usleep 10000; done"], name="db", host={"NetworkMode": "bridge"})
    engine.start_container(db)
    it = engine.create(FOREVER, name="linked", host={"NetworkMode": "bridge", "Links": ["db:store"], "RestartPolicy": {"Name": "always"}})
    engine.start_container(it)
    engine.api.post(f"/containers/{db}/stop")
    before = engine.inspect(it)["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    kedge.wait_for(lambda: engine.inspect(it)["State"]["Running"] and engine.inspect(it)["State"]["Pid"] != before)
    engine.api.post(f"/containers/{it}/stop?t=0")
    status, text = engine.api.raw("POST", f"/containers/{it}/start")
    assert status == 500 and b"Cannot link to a non running container: /db AS /linked/store" in text


def test_connecting_and_disconnecting(engine):
    network(engine, "one")
    network(engine, "two")
    web, _ = run(engine, "web", "one")
    late, there = run(engine, "late")
    assert "127.0.0.11" not in resolv_conf(late, engine)
    before = resolv_conf(late, engine)
    engine.api.post("/networks/one/connect", {"Container": late, "EndpointConfig": {"Aliases": ["later"]}})
    assert resolv_conf(late, engine).endswith("nameserver 127.0.0.11\noptions ndots:0\n")
    assert there.addresses("web") == [address(engine, web, "one")]
    assert there.addresses("later") == [address(engine, late, "one")]
    engine.api.post("/networks/two/connect", {"Container": late})
    assert there.addresses("late.two") == [address(engine, late, "two")]
    engine.api.post("/networks/one/disconnect", {"Container": late})
    assert there.ask("web")[0] != "NOERROR"
    assert there.addresses("late") == [address(engine, late, "two")]
    engine.api.post("/networks/two/disconnect", {"Container": late})
    assert resolv_conf(late, engine) == before
    engine.api.post("/networks/one/connect", {"Container": late})
    assert there.addresses("web") == [address(engine, web, "one")]


def test_another_name(engine):
    network(engine, "one")
    web, there = run(engine, "web", "one")
    engine.api.post(f"/containers/{web}/rename?name=site")
    assert there.addresses("site") == [address(engine, web, "one")]
    assert there.ask("web")[0] != "NOERROR"


def test_names_go_with_the_container_and_come_with_its_next_start(engine):
    network(engine, "one")
    web, _ = run(engine, "web", "one", aliases=["site"])
    _, there = run(engine, "db", "one")
    engine.api.post(f"/containers/{web}/kill")
    engine.wait(web)
    assert there.ask("web")[0] != "NOERROR" and there.ask("site")[0] != "NOERROR"
    engine.start_container(web)
    assert there.addresses("site") == [address(engine, web, "one")]
    assert asks(engine, web).addresses("db")


def test_nothing_is_kept_of_containers_that_have_ended(engine):
    network(engine, "one")
    run(engine, "db", "one")
    pid = eventually(lambda: program(engine), "kedge-dns runs")
    count = lambda: len(os.listdir(f"/proc/{pid}/fd"))
    _, there = run(engine, "first", "one")
    assert there.addresses("db")
    engine.api.delete("/containers/first?force=1")
    before = eventually(count, "it is known what is open")
    settled = eventually(lambda: (now := count()) <= before and now, "sockets are closed")
    for i in range(5):
        it, there = run(engine, f"web{i}", "one")
        assert there.addresses("db")
        engine.api.delete(f"/containers/{it}?force=1")
    eventually(lambda: count() <= settled, "nothing is left open")


def test_kedged_dies(engine):
    network(engine, "one")
    web, _ = run(engine, "web", "one")
    _, there = run(engine, "db", "one")
    own = address(engine, web, "one")
    assert there.addresses("web") == [own]
    first = program(engine)
    engine.kill()
    assert there.addresses("web") == there.addresses("web.one") == [own]
    engine.start()
    assert there.addresses("web") == [own]
    late, _ = run(engine, "late", "one")
    assert there.addresses("late") == [address(engine, late, "one")]
    assert program(engine) == first
    engine.kill()
    os.kill(process_of(late), signal.SIGKILL)  # it ends while nobody looks: its name goes with the next kedged
    engine.start()
    eventually(lambda: there.ask("late")[0] != "NOERROR", "its name is gone")
    assert there.addresses("web") == [own]


def test_the_name_server_is_killed(engine):
    network(engine, "one")
    web, inside = run(engine, "web", "one")
    _, there = run(engine, "db", "one")
    own = address(engine, web, "one")
    assert there.addresses("web") == [own]
    rules = there.run("nft", "list", "ruleset")
    for _ in range(3):
        first = program(engine)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: program(engine) not in (None, first), "there is another one")
        answer = lambda it, *words: own in it.run("dig", "@127.0.0.11", "+time=1", "+tries=1", "+short", "web", *words, check=False)
        for it in (there, inside):
            eventually(lambda: answer(it), "names are answered again")
            eventually(lambda: answer(it, "+tcp"), "over TCP, too")
    assert there.run("nft", "list", "ruleset") == rules  # at the same ports


def test_both_die(engine):
    network(engine, "one")
    web, there = run(engine, "web", "one")
    assert there.addresses("web")
    first = program(engine)
    engine.kill()
    os.kill(first, signal.SIGKILL)
    engine.start()
    eventually(lambda: address(engine, web, "one") in there.run("dig", "@127.0.0.11", "+time=1", "+tries=1", "+short", "web", check=False),
               "names are answered again")


def test_a_container_may_have_port_53(engine):
    network(engine, "one")
    web, there = run(engine, "web", "one")
    def own_server():
        made = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        for it in made:
            it.bind(("0.0.0.0", 53))
        made[1].listen()
        return made
    made = there.inside(own_server)
    assert there.addresses("web") == there.addresses("+tcp", "web") == [address(engine, web, "one")]
    for it in made:
        it.close()


# ---- outside ----

@pytest.fixture
def outside():
    """A name server on an address of the host's loopback."""
    place = types.SimpleNamespace(others=[], host=OfProcess(os.getpid()))
    with tempfile.TemporaryDirectory(prefix="kedge-names-") as directory:
        place.directory = pathlib.Path(directory)
        it = name_server.Upstream(place, "127.0.84.53", records={"out.example": "192.0.2.7"})
        yield it
        it.close()
    place.host.close()


def test_outside_names_go_to_the_containers_own_servers(engine, outside):
    network(engine, "one")
    _, there = run(engine, "web", "one", Dns=["127.0.84.53"])
    assert there.addresses("out.example") == ["192.0.2.7"]
    assert there.ask("no.example") == ("NXDOMAIN", [])


def test_internal_networks_ask_nobody(engine, outside):
    network(engine, "inner", Internal=True)
    network(engine, "outer")
    web, there = run(engine, "web", "inner", Dns=["127.0.84.53"])
    assert there.ask("out.example") == ("SERVFAIL", [])
    assert there.addresses("web") and outside.asked() == []
    engine.api.post("/networks/outer/connect", {"Container": web})
    assert there.addresses("out.example") == ["192.0.2.7"]


# ---- resolv.conf ----

def test_resolv_conf(engine):
    network(engine, "one")
    it, _ = run(engine, "web", "one", Dns=["192.0.2.1"], DnsSearch=["a.example", "b.example"], DnsOptions=["timeout:1"])
    assert resolv_conf(it, engine) == "search a.example b.example\nnameserver 127.0.0.11\noptions timeout:1 ndots:0\n"
    it, _ = run(engine, "dotted", "one", DnsSearch=["."], DnsOptions=["ndots:3"])
    assert resolv_conf(it, engine) == "nameserver 127.0.0.11\noptions ndots:3\n"
    it, _ = run(engine, "plain", "bridge", Dns=["192.0.2.1"], DnsSearch=["."], DnsOptions=["timeout:2"])
    assert resolv_conf(it, engine) == "nameserver 192.0.2.1\noptions timeout:2\n"


def test_the_default_network_has_no_names(engine):
    web, _ = run(engine, "web")
    before = program(engine)
    _, there = run(engine, "db")
    text = there.run("dig", "@127.0.0.11", "+time=1", "+tries=1", "web", check=False)
    assert "status:" not in text
    assert program(engine) == before
