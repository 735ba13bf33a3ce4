# SPDX-License-Identifier: Apache-2.0
"""Networks and ports, asked of kedged and of dockerd side by side, each in a network namespace of its own: the same statuses, messages, events
and forms of answers."""
import json
import re

import pytest

import dockerd
from sides import filters, shape, started, together

pytestmark = pytest.mark.skipif(not dockerd.is_installed(), reason="dockerd is not installed")
SLEEP = ["sleep", "1000"]
KINDS = ("network",)


@pytest.fixture(scope="module")
def sides():
    with started() as both:
        yield both


@pytest.fixture(autouse=True)
def clean(sides):
    yield
    for side in sides:
        for container in side.api.get("/containers/json?all=1"):
            side.api.raw("DELETE", f"/containers/{container['Id']}?force=1")
        for network in side.api.get("/networks" + filters(type=["custom"])):
            side.api.raw("DELETE", f"/networks/{network['Id']}")


def make(side, name, **config):
    """A network; its id has its name from then on."""
    status, text = side.ask("POST", "/networks/create", {"Name": name, "CheckDuplicate": True, **config})
    if status == 201:
        side.names[json.loads(text)["Id"]] = name
    return status


def pool(subnet, **more):
    return {"Driver": "default", "Config": [{"Subnet": subnet, **more}]}


def same(sides, script, kinds=KINDS):
    theirs, ours, their_events, our_events = together(sides, script, kinds)
    assert ours == theirs
    events = [without_echoes([(event["Action"], {key: side.plain(value) for key, value in event["Actor"]["Attributes"].items()}, side.plain(event["Actor"]["ID"]))
               for event in heard if not is_predefined(event)]) for side, heard in zip(sides, (their_events, our_events))]
    assert events[1] == events[0]
    return ours, events[1]


def without_echoes(events):
    """dockerd 20.10 tells of a disconnect twice."""
    return [event for event, before in zip(events, [None, *events]) if event != before]


def is_predefined(event):
    return event["Actor"]["Attributes"].get("name") in ("bridge", "host", "none")


def test_made_and_removed(sides):
    def script(side):
        make(side, "one", Labels={"a": "1"})
        make(side, "one")
        make(side, "two", IPAM=pool("10.61.0.0/24", IPRange="10.61.0.128/25", Gateway="10.61.0.254", AuxiliaryAddresses={"printer": "10.61.0.200"}),
             Internal=True, Attachable=True, Options={"com.docker.network.bridge.name": "br-two"})
        make(side, "overlaps", IPAM=pool("10.61.0.0/16"))
        side.said[-1] = (*side.said[-1][:3], side.said[-1][3].split(":")[0])  # with which, is said here
        make(side, "six", EnableIPv6=True, IPAM={"Config": [{"Subnet": "fd00:61::/64"}, {"Subnet": "10.62.0.0/24"}]})
        make(side, "twice", IPAM={"Config": [{"Subnet": "10.66.0.0/24"}, {"Subnet": "10.67.0.0/24"}]})
        side.said[-1] = (*side.said[-1][:3], side.said[-1][3].split(":")[0])  # the second one, here
        for body in ({"Name": ""}, {"Name": "bridge"}, {"Name": "n", "Driver": "host"}, {"Name": "n", "Ingress": True}):
            status, text = side.ask("POST", "/networks/create", body)
            if status == 500:  # an empty name is the caller's mistake
                side.said[-1] = (*side.said[-1][:2], 400, side.said[-1][3])
        side.ask("DELETE", "/networks/bridge")
        for name in ("one", "one", "two", "six"):
            side.ask("DELETE", f"/networks/{name}")
    said, events = same(sides, script)
    assert sum(words[2] == 201 for words in said) == 3 and [event[0] for event in events] == ["create"] * 3 + ["destroy"] * 3


def test_the_form_of_a_network(sides):
    forms, plain = [], []
    for side in sides:
        make(side, "full", IPAM={**pool("10.63.0.0/24", IPRange="10.63.0.128/25", Gateway="10.63.0.254", AuxiliaryAddresses={"a": "10.63.0.200"}), "Options": {}},
             Internal=True, Attachable=True, Labels={"k": "v"}, Options={"com.docker.network.driver.mtu": "1400"})
        side.start("member", SLEEP, up=False, host={"NetworkMode": "full"})
        shown = json.loads(side.ask("GET", "/networks/full")[1])
        forms.append(shape(shown | {"Containers": list(shown["Containers"].values())}))
        plain.append({key: value for key, value in shown.items() if key not in ("Id", "Created", "Containers")})
        forms[-1]["default"] = shape(json.loads(side.ask("GET", "/networks/bridge")[1]))
        del forms[-1]["default"]["IPAM"], forms[-1]["default"]["Created"]
        assert [member["Name"] for member in shown["Containers"].values()] == ["member"]
        assert all(member["IPv4Address"].endswith("/24") for member in shown["Containers"].values())
        assert "Containers" in json.loads(side.api.raw("GET", "/v1.27/networks")[1])[0]
        side.ask("DELETE", "/containers/member?force=1")
    assert forms[1] == forms[0] and plain[1] == plain[0]


def test_queries_of_one(sides):
    def script(side):
        make(side, "one")
        identity = json.loads(side.ask("GET", "/networks/one")[1])["Id"]
        for target in ("one?verbose=1", "one?scope=swarm", "one?scope=local", "nothing", identity, identity[:12]):
            side.ask("GET", f"/networks/{target}")
        status, _ = side.ask("GET", "/networks/one?verbose=x")
        assert status == 400
        side.said.pop()
        side.said.append(filtered(side, name=["on"]))
        side.said.append(json.loads(side.api.raw("GET", "/networks" + filters(id=[identity[:10]]))[1])[0]["Name"])
    same(sides, script)


def filtered(side, **query):
    return sorted(network["Name"] for network in json.loads(side.ask("GET", "/networks" + filters(**query))[1]))


def test_lists_and_prune(sides):
    def script(side):
        make(side, "used", Labels={"keep": "yes"})
        make(side, "idle", Labels={"keep": "no"})
        make(side, "third")
        side.start("user", SLEEP, up=False, host={"NetworkMode": "used"})
        for query in ({"label": ["keep"]}, {"label": ["keep=no"]}, {"type": ["custom"]},
                      {"driver": ["bridge"]}, {"driver": ["macvlan"]}, {"name": ["used", "idle"]}):
            side.said.append((query, filtered(side, **query)))
        if side.daemon:  # Docker's list does not look at who is on them
            assert [json.loads(side.api.raw("GET", "/networks" + filters(dangling=[word]))[1])[0]["Name"] for word in ("true", "false")] == ["idle", "bridge"]
        for query in ({"label": ["keep=no"]}, {"until": ["1h"]}, {"label!": ["keep"]}, {}):
            side.said.append(sorted(json.loads(side.ask("POST", "/networks/prune" + filters(**query))[1])["NetworksDeleted"] or []))
        side.ask("DELETE", "/networks/used")
        side.ask("DELETE", "/containers/user?force=1")
        side.ask("DELETE", "/networks/used")
    said, _ = same(sides, script)
    assert ["idle"] in said and ["third"] in said


def test_connected_and_disconnected(sides):
    def script(side):
        make(side, "one")
        make(side, "two", IPAM=pool("10.64.0.0/24"))
        side.start("web", SLEEP, up=False, host={"NetworkMode": "one"})
        side.create("made", SLEEP, host={"NetworkMode": "one"})
        side.start("bare", SLEEP, up=False)
        side.start("hosted", SLEEP, up=False, host={"NetworkMode": "host"})
        side.start("joined", SLEEP, up=False, host={"NetworkMode": "container:web"})
        for network, container, config in (
                ("two", "web", {"Aliases": ["www"], "IPAMConfig": {"IPv4Address": "10.64.0.77"}}), ("two", "web", None), ("one", "web", None),
                ("one", "made", None), ("two", "made", {"Aliases": ["alias"]}), ("nothing", "web", None), ("one", "nothing", None), ("two", "hosted", None),
                ("two", "joined", None), ("host", "web", None), ("one", "bare", None), ("one", "", None)):
            side.ask("POST", f"/networks/{network}/connect", {"Container": container, "EndpointConfig": config})
        for network, container, force in (("two", "made", False), ("two", "made", False), ("bridge", "web", False), ("bridge", "web", True), ("nothing", "web", False),
                                          ("one", "nothing", False), ("one", "nothing", True), ("two", "web", False), ("one", "web", False), ("host", "hosted", False)):
            side.ask("POST", f"/networks/{network}/disconnect", {"Container": container, "Force": force})
        for name in ("web", "made"):
            side.said.append(sorted(side.inspect(name)["NetworkSettings"]["Networks"]))
    same(sides, script)


ASKED = [  # what a connect, or a new container, asks, and cannot have
    ("one", {"IPAMConfig": {"IPv4Address": "10.64.0.9"}}),
    ("two", {"IPAMConfig": {"IPv4Address": "10.99.0.9"}}),
    ("bridge", {"Aliases": ["x"]}),
    ("bridge", {"IPAMConfig": {"IPv4Address": "172.17.0.99"}}),
]


def test_what_cannot_be_had(sides):
    """The statuses: Docker has a 500 for some of what is the caller's mistake."""
    for side in sides:
        make(side, "one")
        make(side, "two", IPAM=pool("10.64.0.0/24"))
        side.start("web", SLEEP, up=False, host={"NetworkMode": "none"})
        side.said.clear()
    for network, asked in ASKED:
        told = [connect_new(side, network, asked) for side in sides]
        assert told[1][0] in (400, 403) and told[0][0] in (told[1][0], 403, 500), told


def connect_new(side, network, asked):
    """Where it is refused: when it is made, or when it is started."""
    status, text = side.ask("POST", "/containers/create?name=asks", {"Image": "busybox:test", "Cmd": SLEEP, "HostConfig": {"NetworkMode": network},
                                                                     "NetworkingConfig": {"EndpointsConfig": {network: asked}}})
    if status == 201:
        status, text = side.ask("POST", "/containers/asks/start")
    side.api.raw("DELETE", "/containers/asks?force=1")
    return status, json.loads(text)["message"] if status >= 400 else ""


def test_endpoints_shown(sides):
    """NetworkSettings of a container: all members, their kinds, and all that no chance is in."""
    shown = []
    for side in sides:
        make(side, "own", EnableIPv6=True, IPAM={"Config": [{"Subnet": "10.65.0.0/24", "Gateway": "10.65.0.1"}, {"Subnet": "fd00:65::/64", "Gateway": "fd00:65::1"}]})
        side.create("conn", SLEEP, host={"NetworkMode": "own", "PortBindings": {"80/tcp": [{"HostPort": "8080"}], "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}]}},
                    ExposedPorts={"80/tcp": {}, "9/tcp": {}, "53/udp": {}}, MacAddress="02:42:0a:41:00:09", Hostname="harbour",
                    NetworkingConfig={"EndpointsConfig": {"own": {"IPAMConfig": {"IPv4Address": "10.65.0.9", "IPv6Address": "fd00:65::9"}, "Aliases": ["al"]}}})
        before = side.inspect("conn")["NetworkSettings"]
        side.ask("POST", "/containers/conn/start")
        during = side.inspect("conn")
        listed = [container for container in side.api.get("/containers/json") if container["Names"] == ["/conn"]][0]
        side.ask("POST", "/containers/conn/kill")
        side.ask("POST", "/containers/conn/wait")
        after = side.inspect("conn")["NetworkSettings"] | {"SandboxID": ""}  # Docker still shows that which was
        side.ask("DELETE", "/containers/conn?force=1")
        shown.append((comparable(before), comparable(during["NetworkSettings"]), comparable(after), during["HostConfig"]["PortBindings"],
                      during["Config"].get("MacAddress"), sorted(listed["Ports"], key=json.dumps), comparable(listed["NetworkSettings"])))
    assert shown[1] == shown[0]
    assert shown[1][1]["Networks"]["own"]["IPAddress"] == "10.65.0.9" and shown[1][1]["Ports"]["80/tcp"][1] == {"HostIp": "::", "HostPort": "8080"}


def comparable(settings):
    """Without ids; whether there is one counts, but for the network's, which one that does not run has here."""
    text = re.sub(r'"NetworkID": "[0-9a-f]*"', '"NetworkID": ""', json.dumps(settings))
    text = re.sub(r"\b[0-9a-f]{64}\b", "ID", text)
    plain = json.loads(re.sub(r"\b[0-9a-f]{12}\b", "SHORT", text))
    plain.pop("SandboxKey", None)
    for network in plain["Networks"].values():
        network["Aliases"] = sorted(name for name in network["Aliases"] or [] if name not in ("SHORT", "harbour")) or None
    return plain


def test_ports(sides):
    """What is in a list, and what the filters find; the picked ports are others."""
    shown = []
    for side in sides:
        side.create("web", SLEEP, ExposedPorts={"80/tcp": {}, "81/tcp": {}, "90/tcp": {}, "9000/udp": {}},
                    host={"NetworkMode": "default", "PortBindings": {"80/tcp": [{"HostPort": "8080"}], "81/tcp": [{"HostPort": ""}],
                                                                     "9000/udp": [{"HostIp": "127.0.0.1", "HostPort": "9000"}]}})
        side.ask("POST", "/containers/web/start")
        side.create("all", SLEEP, ExposedPorts={"70/tcp": {}, "71/udp": {}}, host={"NetworkMode": "default", "PublishAllPorts": True})
        side.ask("POST", "/containers/all/start")
        side.start("none", SLEEP, up=False, ExposedPorts={"80/tcp": {}})
        found = [(query, sorted(one["Names"][0] for one in side.api.get("/containers/json" + filters(**query)))) for query in (
            {"publish": ["8080"]}, {"publish": ["80"]}, {"publish": ["9000-9010/udp"]}, {"publish": ["9000"]}, {"expose": ["90"]}, {"expose": ["70-80/tcp"]},
            {"network": ["bridge"]}, {"network": ["none"]}, {"network": ["nothing"]})]
        listed = {one["Names"][0]: one for one in side.api.get("/containers/json")}
        ports = {name: sorted((port.get("IP", ""), port["PrivatePort"], "PublicPort" in port, port["Type"]) for port in one["Ports"]) for name, one in listed.items()}
        picked = {name: sorted(side.inspect(name)["NetworkSettings"]["Ports"]) for name in ("web", "all", "none")}
        shown.append((ports, picked, side.inspect("web")["HostConfig"]["PortBindings"], found))
    differing = [(theirs, ours) for theirs, ours in zip(shown[0][3], shown[1][3]) if theirs != ours]
    assert [ours for _, ours in differing] == [({"expose": ["70-80/tcp"]}, ["/all", "/none", "/web"])]  # docs/differences-from-docker.md
    assert shown[1][:3] == shown[0][:3]


def test_ports_refused(sides):
    bad = [({"x/tcp": [{}]}, 400), ({"80/tcp": [{"HostPort": "x"}]}, 400), ({"80/tcp": [{"HostPort": "70000"}]}, 400), ({"80/nothing": [{"HostPort": "1"}]}, None)]
    for bindings, status in bad:
        body = {"Image": "busybox:test", "HostConfig": {"NetworkMode": "bridge", "PortBindings": bindings}}
        theirs, ours = [side.ask("POST", "/containers/create", body) for side in sides]
        assert ours[0] == 400 and (status is None or theirs == ours), (bindings, theirs, ours)
    for side in sides:
        side.start("first", SLEEP, up=False, ExposedPorts={"80/tcp": {}}, host={"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "8088"}]}})
        side.create("second", SLEEP, ExposedPorts={"80/tcp": {}}, host={"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "8088"}]}})
        status, text = side.ask("POST", "/containers/second/start")
        assert status == 500 and "8088" in text
    assert "first" in text  # its holder is named


def test_new_containers_of_networks(sides):
    def script(side):
        make(side, "one")
        for host, more in (({"NetworkMode": "nothing"}, {}), ({"NetworkMode": "host", "Links": ["a:b"]}, {}), ({"NetworkMode": "container:web", "PortBindings": {"80/tcp": [{}]}}, {}),
                           ({"NetworkMode": "bridge", "Links": ["nothing:b"]}, {}), ({"NetworkMode": "default"}, {"NetworkingConfig": {"EndpointsConfig": {"one": {}}}})):
            side.create("conn", SLEEP, host=host, **more)
            status, _ = side.ask("POST", "/containers/conn/start")  # where it is refused, Docker's is made, and does not start
            del side.said[-2:]
            side.said.append((host, more, sorted(side.inspect("conn")["NetworkSettings"]["Networks"]) if status == 204 else "refused"))
            side.api.raw("DELETE", "/containers/conn?force=1")
    theirs, ours, _, _ = together(sides, script, KINDS)
    assert ours == theirs


def test_links_shown(sides):
    shown = []
    for side in sides:
        make(side, "one")
        side.start("db", SLEEP, up=False, host={"NetworkMode": "bridge"})
        side.start("web", SLEEP, up=False, host={"NetworkMode": "bridge", "Links": ["db:store", "db"]})
        side.start("db1", SLEEP, up=False, host={"NetworkMode": "one"})
        side.start("web1", SLEEP, up=False, host={"NetworkMode": "one"}, NetworkingConfig={"EndpointsConfig": {"one": {"Links": ["db1:store"]}}})
        # Docker shows them in any order.
        shown.append([(sorted(side.inspect(name)["HostConfig"]["Links"] or []), {key: value["Links"] for key, value in side.inspect(name)["NetworkSettings"]["Networks"].items()})
                      for name in ("web", "web1")])
    assert shown[1] == shown[0]


def test_links_that_lead_nowhere(sides):
    """On the default network no start; on others the name may come later, which is Docker's way, and a warning here."""
    def script(side):
        make(side, "one")
        side.create("stopped", SLEEP, host={"NetworkMode": "bridge"})
        side.create("gone", SLEEP, host={"NetworkMode": "one"})
        side.start("away", SLEEP, up=False, host={"NetworkMode": "one"})
        side.start("db", SLEEP, up=False, host={"NetworkMode": "bridge"})
        for network, links in (("bridge", ["stopped:o"]), ("bridge", ["away:o"]), ("bridge", ["gone:o"]), ("bridge", ["db:o", "stopped"]),
                               ("one", ["stopped:o"]), ("one", ["db:o"])):
            side.create("user", SLEEP, host={"NetworkMode": network, "Links": links})
            side.ask("POST", "/containers/user/start")
            side.said.append(side.inspect("user")["State"]["Error"])
            side.ask("DELETE", "/containers/user?force=1")
    theirs, ours, _, _ = together(sides, script, KINDS)
    assert ours == theirs


def test_variables_of_links(sides):
    """In the process and in commands; the container's own variables come first."""
    shown = []
    for side in sides:
        ports = {f"{port}": {} for port in ("80/tcp", "81/tcp", "53/udp", "53/tcp", "9000/tcp", "9001/tcp", "9002/tcp", "9003/udp")}
        side.start("db", SLEEP, up=False, host={"NetworkMode": "bridge"}, ExposedPorts=ports, Env=["A=1", "HOME=/x", "PATH=/bin:/x", "B_C=d e=f"])
        side.start("user", ["sh", "-c", "env; echo up; sleep 1000"], host={"NetworkMode": "bridge", "Links": ["db:my-o", "db"]}, Env=["DB_PORT_80_TCP=mine"])
        told = side.api.raw("GET", "/containers/user/logs?stdout=1")[1]
        command = json.loads(side.ask("POST", "/containers/user/exec", {"Cmd": ["env"], "AttachStdout": True})[1])["Id"]
        again = side.api.raw("POST", f"/exec/{command}/start", json.dumps({"Detach": False}), {"Content-Type": "application/json"})[1]
        shown.append([sorted(set(re.findall(r"(?:DB|MY_O)_[A-Z0-9_]*=[^\n]*", text.decode(errors="replace")))) for text in (told, again)])
        shown[-1] = [[re.sub(r"\b[0-9]+(\.[0-9]+){3}\b", "ADDRESS", variable) for variable in variables] for variables in shown[-1]]
        assert not [variable for variable in side.inspect("user")["Config"]["Env"] if variable.startswith("MY_O")]
    assert [set(ours) ^ set(theirs) for theirs, ours in zip(*shown)] == [set(), set()]
    assert {"MY_O_NAME=/user/my-o", "MY_O_PORT=tcp://ADDRESS:53", "DB_PORT_80_TCP=mine", "DB_ENV_A=1"} <= set(shown[1][0]) and shown[1][0] == shown[1][1]


def test_several_networks_at_once(sides):
    """Docker takes several with API 1.44, kedge with any."""
    ours = sides[1]
    for name in ("one", "two"):
        make(ours, name)
    ours.create("both", SLEEP, host={"NetworkMode": "one"}, NetworkingConfig={"EndpointsConfig": {"one": {"Aliases": ["a"]}, "two": {}}})
    ours.ask("POST", "/containers/both/start")
    networks = ours.inspect("both")["NetworkSettings"]["Networks"]
    assert sorted(networks) == ["one", "two"] and "a" in networks["one"]["Aliases"] and networks["two"]["IPAddress"]


def test_info(sides):
    plugins = [side.api.get("/info")["Plugins"]["Network"] for side in sides]
    assert set(plugins[1]) >= set(plugins[0]) - {"overlay"}
