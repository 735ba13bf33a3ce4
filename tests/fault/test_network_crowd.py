# SPDX-License-Identifier: Apache-2.0
"""Many containers that join and leave a network at once, and kedged that dies meanwhile: nothing is left, counted over links, namespaces,
mounts, elements of the firewall and processes."""
import concurrent.futures
import http.client

import pytest

import kedge
import network

CROWD = 200 if kedge.SOAK else 10
ROUNDS = 5 if kedge.SOAK else 1


class Crowd:
    def __init__(self, net):
        self.net = net
        self.daemon = net.daemon().start()
        network.load_peer(self.daemon)
        self.edge = self.daemon.api.post("/networks/create", {"Name": "edge", "Driver": "bridge"})["Id"]
        self.pool = concurrent.futures.ThreadPoolExecutor(8)

    def run(self, name, mode="bridge"):
        return self.daemon.start_container(
            self.daemon.create(["peer", "80"], image="peer:test", name=name, host={"NetworkMode": mode}))

    def connect(self, container):
        self.daemon.api.post("/networks/edge/connect", {"Container": container})

    def disconnect(self, container):
        self.daemon.api.post("/networks/edge/disconnect", {"Container": container})

    def remove(self, container):
        self.daemon.api.delete(f"/containers/{container}?force=1")

    def address(self, container):
        return self.daemon.inspect(container)["NetworkSettings"]["Networks"]["edge"]["IPAddress"]

    def all(self, what, containers):
        return list(self.pool.map(what, containers))

    def close(self):
        self.pool.shutdown()


@pytest.fixture
def crowd():
    with network.Net() as net:
        it = Crowd(net)
        extra = it.run("extra")
        it.connect(extra)  # what lasts as long as kedged is there from now on
        it.disconnect(extra)
        it.remove(extra)
        yield it
        it.close()


def test_many_connect_and_disconnect_at_once(crowd):
    with network.Leaks(crowd.daemon, seconds=60):
        containers = crowd.all(crowd.run, [f"one{number}" for number in range(CROWD)])
        for _ in range(ROUNDS):
            with network.Leaks(crowd.daemon, seconds=60):
                crowd.all(crowd.connect, containers)
                addresses = crowd.all(crowd.address, containers)
                assert len(set(addresses)) == CROWD
                for address in addresses:
                    assert crowd.net.ask_until("host", address, 80).local == address
                crowd.all(crowd.disconnect, containers)
                assert not any(crowd.net.reaches("host", address, 80, timeout=0.1) for address in addresses[:3])
        crowd.all(crowd.remove, containers)


def test_connected_ones_are_known_to_the_next_kedged(crowd):
    daemon = crowd.daemon
    with network.Leaks(daemon, seconds=60):
        containers = crowd.all(crowd.run, [f"one{number}" for number in range(CROWD)])
        crowd.all(crowd.connect, containers)
        addresses = crowd.all(crowd.address, containers)
        daemon.restart()
        assert crowd.all(crowd.address, containers) == addresses
        late = crowd.run("late", mode="edge")
        assert crowd.address(late) not in addresses  # they are still given out
        for address in addresses:
            assert crowd.net.ask_until("host", address, 80).local == address
        crowd.all(crowd.disconnect, containers[::2])
        crowd.all(crowd.remove, [*containers, late])


def test_kedged_dies_among_many_that_connect_and_disconnect(crowd):
    daemon = crowd.daemon
    with network.Leaks(daemon, seconds=60):
        containers = crowd.all(crowd.run, [f"one{number}" for number in range(CROWD)])
        crowd.all(crowd.connect, containers[::2])

        def change(number):
            try:
                (crowd.disconnect if number % 2 == 0 else crowd.connect)(containers[number])
            except (OSError, http.client.HTTPException, kedge.ApiError):
                pass  # it died over that
        asked = [crowd.pool.submit(change, number) for number in range(CROWD)]
        asked[len(asked) // 3].result()
        daemon.kill()
        for one in asked:
            one.result()
        daemon.start()

        def is_true(container):
            """It is connected or it is not, and what it says is so; a link that was about to go may take its time."""
            networks = daemon.inspect(container)["NetworkSettings"]["Networks"]
            links = crowd.net.run(network.namespace_of(daemon, container), "ip", "-o", "link").out
            return len(networks) == links.count("@if")
        for container in containers:
            kedge.wait_for(lambda: is_true(container))
        crowd.all(crowd.remove, containers)
