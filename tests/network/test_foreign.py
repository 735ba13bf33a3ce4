# SPDX-License-Identifier: Apache-2.0
"""kedge's table beside those of others, with traffic: drops of theirs are found, told, and opened by their manager's own means."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import host
import kedge

@pytest.fixture
def shop(ready):
    """A host whose containers a and c have ports."""
    ready.publish("tcp", 8080, "a")
    ready.publish("udp", 8080, "a")
    ready.publish("tcp", 7070, "c")
    ready.host.ip(f"route add default via {host.CLIENT4}", f"route add default via {host.CLIENT6}")
    return ready


def works(place, families=(0, 1)):
    """In, out, by the host's own address and by loopback."""
    for address, client in [((host.HOST4, host.CLIENT4), (host.HOST6, host.CLIENT6))[family] for family in families]:
        assert place.ask("client", "tcp", address, 8080) == "a"
        assert place.ask("client", "udp", address, 8080) == "a"
        assert place.ask("a", "tcp", client, 80) == "client"
        assert place.ask("c", "tcp", address, 8080) == "a"
        assert place.ask("a", "tcp", address, 7070) == "c"
        assert place.ask("host", "tcp", address, 8080) == "a"
    assert place.ask("host", "tcp", "127.0.0.1", 8080) == "a"


def is_cut(place, families=(0, 1)):
    return place.blocked(*(probe for family in families for probe in (
        ("client", "tcp", (host.HOST4, host.HOST6)[family], 8080), ("a", "tcp", (host.CLIENT4, host.CLIENT6)[family], 80))))


def report(place):
    """What is dropped: {"inet filter forward": [lines]}; and what was opened."""
    return read_report(place.driver.order("foreign"))


def read_report(words):
    drops, opened, last = {}, [], None
    for part in " ".join(words).split("|"):
        if part.startswith("table"):
            last = drops.setdefault(part, [])
        elif part.startswith("+"):
            last.append(part[1:])
        elif part.startswith("="):
            opened.append(part[1:])
    return drops, opened


def opened(place):
    """Has the opener look, and waits for its report."""
    place.driver.order("open")
    return next_report(place)


def next_report(place):
    while True:
        for index, event in enumerate(place.driver.events):
            if event.startswith("report"):
                del place.driver.events[:index + 1]
                return read_report([event.removeprefix("report ")])
        kind, _, rest = place.driver.line()
        assert kind == "event", (kind, rest)
        place.driver.events.append(rest)


# ---- rulesets written by hand

def test_nothing_is_found_where_nothing_drops(shop):
    shop.host.run("nft", "-f", "-", text="""
        table inet filter {
            chain input { type filter hook input priority 0; policy accept; tcp dport 22 drop; };
            chain forward { type filter hook forward priority 0; policy accept; ip saddr 203.0.113.0/24 drop; iifname "eth9" drop; };
        }""")
    assert report(shop) == ({}, [])
    works(shop)


DENIES = {  # what a careful owner writes: table, chain, what is said of it
    "policy": ("table inet filter { chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; }; }",
               'table "inet filter", chain "forward"', "its policy is drop"),
    "silent": ("table inet filter { chain forward { type filter hook forward priority 0; policy drop; }; }",
               'table "inet filter", chain "forward"', "its policy is drop"),
    "last": ("""table inet fw { set lan { type ifname; elements = { "eth7" }; }
                chain rest { meta l4proto icmp accept; counter reject with icmpx admin-prohibited; };
                chain fwd-in { type filter hook forward priority -5; policy accept; ct state vmap { established : accept, related : accept };
                iifname @lan accept; jump rest; }; }""",
             'table "inet fw", chain "fwd-in"', 'rule 2 of chain "rest" drops'),
    "names": ("""table inet filter { chain forward { type filter hook forward priority 0; policy drop;
                 ct state established,related accept; iifname { "eth1", "br-lan" } oifname "lan0" accept; iifname != { "kedge7", "kedge8" } drop; }; }""",
              'table "inet filter", chain "forward"', "its rule 3 drops"),
}


@pytest.mark.parametrize("case", DENIES)
def test_a_ruleset_written_by_hand(shop, case):
    """It is told, not touched; the lines that are told open the way as they are pasted, and nothing else does."""
    text, where, why = DENIES[case]
    shop.host.run("nft", "-f", "-", text=text)
    before = shop.host.run("nft", "-s", "list", "ruleset")
    assert is_cut(shop)
    drops, _ = report(shop)
    [(words, lines)] = drops.items()
    assert words.startswith(where) and "kedge0" in words and "kedge1" in words and "kedge2" not in words
    assert words.endswith(why)
    opened(shop)
    assert shop.host.run("nft", "-s", "list", "ruleset") == before
    for line in lines:
        shop.host.shell(line)
    assert report(shop) == ({}, [])
    works(shop)


@pytest.mark.parametrize("rule, is_found", [
    ('iifname "kedge*" accept', False), ('iifname { "kedge0", "kedge1" } accept', False), ('iif vmap { "kedge0" : accept, "kedge1" : accept }', False),
    ('iifname "kedge0" accept', True), ("tcp dport 80 accept", True), ("limit rate 5/second accept", True), ('meta mark 7 accept', True),
    ('iifname . oifname { "kedge0" . "lan0", "kedge1" . "lan0" } accept', False), ('iifname "kedge0" goto allow', True),
    ('meta nfproto ipv4 accept', True), ('iifname { "kedge*" } accept', False), ('ct state new accept', True), ('ct state != new accept', True)])
def test_what_the_owner_lets_pass_is_seen(shop, rule, is_found):
    """A chain whose policy is drop, with what goes into our bridges let pass, and one more rule for what leaves them."""
    shop.host.run("nft", "-f", "-", text=f"""
        table inet filter {{
            chain allow {{
                accept
            }}
            chain forward {{
                type filter hook forward priority 0; policy drop
                oifname "kedge*" counter accept
                {rule}
            }}
        }}""")
    drops, _ = report(shop)
    assert bool(drops) == is_found, drops
    if not is_found:
        works(shop)
    else:
        assert ("what leaves" if "new" not in rule or "!=" in rule else "what comes in") in next(iter(drops))


def test_input_that_drops_is_told_apart(shop):
    """What containers send to the host itself: often meant so, and published ports work."""
    shop.host.run("nft", "-f", "-", text="table inet filter { chain input { type filter hook input priority 0; policy drop; "
                  "iifname \"lo\" accept; ct state established accept; ip6 nexthdr icmpv6 accept; }; }")
    [(words, lines)] = report(shop)[0].items()
    assert 'chain "input" drops what goes to the host itself from kedge0, kedge1, kedge2: its policy is drop' in words
    works(shop)
    for line in lines:
        shop.host.shell(line)
    assert report(shop) == ({}, [])


def test_internal_networks_are_meant_to_be_cut(place):
    place.load()
    place.add_network("kedge2", "internal")
    place.host.run("nft", "-f", "-", text="table inet filter { chain forward { type filter hook forward priority 0; policy drop; }; }")
    assert report(place) == ({}, [])


# ---- iptables

def test_iptables_with_a_policy(shop):
    """Opened by iptables itself, so that `iptables -S` still reads its chain; put back after a reload; gone with us."""
    for program in ("iptables", "ip6tables"):
        shop.host.run(program, "-P", "FORWARD", "DROP")
    before = shop.host.run("iptables-save") + shop.host.run("ip6tables-save")
    assert is_cut(shop)
    drops, _ = report(shop)
    assert ['table "ip filter", chain "FORWARD"' in words or 'table "ip6 filter", chain "FORWARD"' in words for words in drops] == [True, True]
    shop.driver.order("watch")
    assert opened(shop)[0] == {}
    works(shop)
    assert "-A FORWARD -j KEDGE-FORWARD" in shop.host.run("iptables", "-S")
    assert "-i kedge2" not in shop.host.run("iptables", "-S")  # it is internal
    # its manager's reload
    shop.host.run("iptables-restore", text="*filter\n:FORWARD DROP [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")
    kedge.wait_for(lambda: [shop.driver.order("look")] and "KEDGE-FORWARD" in shop.host.run("iptables", "-S", "FORWARD"))
    works(shop)
    shop.driver.order("withdraw")
    shop.driver.await_event("withdrawn")
    after = shop.host.run("iptables-save") + shop.host.run("ip6tables-save")
    assert [line for line in after.splitlines() if line[0] not in "#:"] == [line for line in before.splitlines() if line[0] not in "#:"]
    assert "KEDGE" not in after
    assert is_cut(shop)


def test_the_way_is_closed_again_where_nobody_drops_any_more(shop):
    shop.host.run("iptables", "-P", "FORWARD", "DROP")
    shop.driver.order("watch")
    assert len(opened(shop)[1]) == 1
    shop.host.run("iptables", "-P", "FORWARD", "ACCEPT")
    assert next_report(shop) == ({}, [])
    assert "KEDGE" not in shop.host.run("iptables-save")


def test_networks_come_and_go(shop):
    shop.host.run("iptables", "-P", "FORWARD", "DROP")
    opened(shop)
    shop.host.ip("link add br-0123456789ab type bridge", "link add docker0 type bridge")
    shop.driver.order("network", "bridge=kedge5", "subnet=10.91.0.0/24")
    shop.driver.order("open")
    kedge.wait_for(lambda: shop.driver.order("look") and "-i kedge5" in shop.host.run("iptables", "-S"))
    rules = shop.host.run("iptables", "-S", "KEDGE-FORWARD").splitlines()
    # what leaves ours does not reach other engines' bridges by our doing
    assert rules[1:3] == ["-A KEDGE-FORWARD -o br-0123456789ab -j RETURN", "-A KEDGE-FORWARD -o docker0 -j RETURN"]


def test_behind_what_the_owner_has_put_in_docker_user(shop):
    """As Docker makes it; the owner keeps one client out."""
    shop.host.run("iptables-restore", text="""*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -s 192.0.2.9 -p tcp --dport 80 -d 10.69.0.2 -j DROP
-A DOCKER-USER -j RETURN
COMMIT
""")
    assert "DOCKER-USER" in opened(shop)[1][0]
    assert shop.host.run("iptables", "-S", "DOCKER-USER").splitlines()[-2:] == ["-A DOCKER-USER -j KEDGE-FORWARD", "-A DOCKER-USER -j RETURN"]
    assert shop.ask("client", "tcp", host.HOST4, 8080) == "a"
    assert shop.blocked(("client", "tcp", host.HOST4, 7070))
    assert shop.ask("c", "tcp", host.CLIENT4, 80) == "client"


def test_an_owner_who_drops_first_is_told_and_not_fought(shop):
    shop.host.run("iptables", "-P", "FORWARD", "DROP")
    shop.driver.order("watch")
    opened(shop)
    shop.host.run("iptables", "-I", "FORWARD", "1", "-i", "kedge0", "-j", "DROP")
    drops, marks = next_report(shop)
    assert "its rule 1 drops" in next(iter(drops)) and marks
    count = shop.host.run("iptables", "-S", "FORWARD")
    shop.driver.order("open")
    shop.host.run("nft", "add", "table", "ip", "other")
    shop.driver.await_event("others")
    assert shop.host.run("iptables", "-S", "FORWARD") == count


# ---- firewalld, with a bus of its own

FIREWALLD = shutil.which("firewalld") and shutil.which("dbus-daemon")

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>"""


class Firewalld:
    def __init__(self, place):
        self.place = place
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kf"))
        self.bus = self.directory / "bus"
        (self.directory / "bus.conf").write_text(BUS.format(path=self.bus))
        shutil.copytree("/etc/firewalld", self.directory / "etc")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={self.bus}"
        place.host.spawn("dbus-daemon", f"--config-file={self.directory}/bus.conf", "--nofork", "--nopidfile")
        kedge.wait_for(self.bus.exists)
        place.host.spawn("firewalld", "--nofork", "--nopid", f"--system-config={self.directory}/etc", f"--log-file={self.directory}/log",
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kedge.wait_for(lambda: self.cmd("--state", check=False).stdout == "running\n", 60)

    def cmd(self, *words, check=True):
        return self.place.host.run("firewall-cmd", *words, check=check)

    def close(self):
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture
def firewalld():
    if not FIREWALLD:
        pytest.skip("no firewalld")
    place = host.Place()
    manager = None
    try:
        manager = Firewalld(place)
        place.firewalld = manager
        place.driver = host.Driver(place.host)  # it knows the bus
        yield place
    finally:
        if manager:
            manager.close()
        place.close()


def test_firewalld(firewalld):
    """Told by firewall-cmd, over D-Bus; again after its reload and after its restart from scratch; gone with us."""
    place = firewalld
    place.load()
    place.add_networks()
    for protocol in ("tcp", "udp"):
        place.publish(protocol, 8080, "a")
    place.publish("tcp", 7070, "c")
    place.host.ip(f"route add default via {host.CLIENT4}", f"route add default via {host.CLIENT6}")
    assert place.blocked(("a", "tcp", host.CLIENT4, 80))
    drops, _ = report(place)
    assert any('table "inet firewalld"' in words for words in drops)
    place.driver.order("watch")
    opened(place)
    assert {"kedge0", "kedge1"} <= set(place.firewalld.cmd("--zone=trusted", "--list-interfaces").split())
    works(place)
    place.firewalld.cmd("--complete-reload")
    kedge.wait_for(lambda: place.driver.order("look") and {"kedge0", "kedge1"} <= set(
        place.firewalld.cmd("--zone=trusted", "--list-interfaces").split()), 60, 0.2)
    kedge.wait_for(lambda: not any("what leaves" in words for words in report(place)[0]), 30)
    works(place)
    place.driver.order("withdraw")
    place.driver.await_event("withdrawn")
    assert place.firewalld.cmd("--zone=trusted", "--list-interfaces").split() == []
