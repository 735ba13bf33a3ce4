# SPDX-License-Identifier: Apache-2.0
"""What containers on one and on two networks are told of names, by dockerd and by kedge."""
import concurrent.futures
import pathlib
import subprocess

import pytest

import kedge
import sides
from name_server import OfProcess

NETWORKS = {"front": "10.201.1.0/24", "back": "10.201.2.0/24", "away": "10.201.3.0/24"}
CONTAINERS = {  # name: {network: (address, aliases)}; the first network is the container's own
    "both": {"front": ("10.201.1.10", ["asker"]), "back": ("10.201.2.10", [])},
    "web": {"front": ("10.201.1.11", ["site", "shared"])},
    "twice": {"back": ("10.201.2.13", ["pair"]), "front": ("10.201.1.13", ["pair"])},
    "db": {"back": ("10.201.2.12", ["store", "shared"])},
    "other": {"front": ("10.201.1.14", ["site"])},
    "far": {"away": ("10.201.3.15", ["hidden"])},
}
QUESTIONS = [  # of three of them
    ["web"], ["WEB"], ["web.front"], ["web.back"], ["db"], ["db.back"], ["store"], ["site"], ["site.front"], ["shared"], ["shared.back"],
    ["shared.front"], ["twice"], ["twice.back"], ["twice.front"], ["pair"], ["asker"], ["both"], ["both.back"], ["far"], ["hidden"], ["far.away"],
    ["web", "AAAA"], ["web", "MX"], ["+tcp", "db"], ["+noedns", "site"], ["+bufsize=512", "web"], ["-x", "10.201.1.11"], ["-x", "10.201.2.12"],
    ["-x", "10.201.3.15"], ["-x", "10.201.2.13"], ["linked"], ["linked.front"], ["nobody"], ["nobody.example"],
]


def make(side):
    for name, subnet in NETWORKS.items():
        side.api.post("/networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}})
    for name, networks in CONTAINERS.items():
        ends = {network: {"IPAMConfig": {"IPv4Address": address}, "Aliases": aliases} for network, (address, aliases) in networks.items()}
        (first, own), *more = ends.items()
        if name == "db":
            own["Links"] = ["twice:linked"]
        side.create(name, ["sleep", "1000000"], host={"NetworkMode": first, "Dns": ["127.0.0.9"]}, NetworkingConfig={"EndpointsConfig": {first: own}})
        for network, end in more:
            side.api.post(f"/networks/{network}/connect", {"Container": name, "EndpointConfig": end})
        side.api.post(f"/containers/{name}/start")


def ask(place, words):
    """A dockerd whose servers do not answer says nothing at all; later ones say SERVFAIL."""
    try:
        status, records = place.ask("+time=5", *words)
    except subprocess.CalledProcessError as silence:
        assert silence.returncode == 9, silence
        return "SERVFAIL", []
    return status, sorted((kind, data.lower()) for kind, data in records)


def answers(side):
    make(side)
    found = {}
    for name in ("both", "web", "db"):
        pid = side.inspect(name)["State"]["Pid"]
        place = OfProcess(pid)
        with concurrent.futures.ThreadPoolExecutor(len(QUESTIONS)) as pool:  # silence takes its time
            for words, answer in zip(QUESTIONS, pool.map(lambda words: ask(place, words), QUESTIONS)):
                found[name, *words] = answer
        found[name, "resolv.conf"] = pathlib.Path(f"/proc/{pid}/root/etc/resolv.conf").read_text()
        place.close()
    return found


@pytest.fixture(scope="module")
def both():
    with sides.started() as pair:
        yield pair


@pytest.mark.skipif(not kedge.SOAK, reason="dockerd takes twenty seconds")
def test_answers_are_dockers(both):
    theirs, ours = (answers(side) for side in both)
    assert sum(status == "NOERROR" and bool(records) for status, records in (it for it in theirs.values() if isinstance(it, tuple))) > 40
    assert {key: (theirs[key], ours[key]) for key in theirs if theirs[key] != ours[key]} == {}
