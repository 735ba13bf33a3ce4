# SPDX-License-Identifier: Apache-2.0
"""After a power cut: the declared set is reached again, in its order, without a network."""
import kedge
from reboot import Rebooted


def reboot(device):
    machine = Rebooted(device)
    machine.go_down()
    machine.come_up()


def started(device, name):
    return device.container(name)["State"]["StartedAt"]


def test_the_order_is_honoured_at_boot_as_well(own):
    ready = {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "50ms", "retries": 1000}
    slow = ["sh", "-c", "rm -f /tmp/ready; sleep 0.5; touch /tmp/ready; exec sleep 1000"]
    own.declare("app", dependsOn={"db": {"condition": "healthy"}, "migrate": {"condition": "completed"}}, restart="always")
    own.declare("db", command=slow, healthcheck=ready, restart="always")
    own.declare("migrate", command=["sh", "-c", "echo migrated"], restart="no", dependsOn={"db": {"condition": "healthy"}})
    before = {name: own.wait_kept(name)["Id"] for name in ("app", "db", "migrate")}
    reboot(own)
    after = {name: own.wait_kept(name)["Id"] for name in ("app", "db", "migrate")}
    assert after == before  # they are the same containers, started again
    assert started(own, "db") < started(own, "migrate") < started(own, "app")
    assert own.log_text("migrate") == "migrated\nmigrated\n"


def test_whatever_the_policy_is_an_enabled_container_runs_after_a_boot(own):
    for policy in ("no", "on-failure", "unless-stopped", "always"):
        own.declare(policy + "-1", restart=policy)
    own.declare("stopped")
    for name in ("no-1", "on-failure-1", "unless-stopped-1", "always-1", "stopped"):
        own.wait_kept(name)
    own.api.post("/containers/stopped/stop?t=0")
    reboot(own)
    for policy in ("no", "on-failure", "unless-stopped", "always"):
        assert own.wait_kept(policy + "-1")["State"]["Running"]
    own.wait_reason("stopped", "it was stopped by a user")


def test_what_went_meanwhile_is_not_started_first(own):
    own.declare("web", restart="always", command=["sh", "-c", "echo up; exec sleep 1000"])
    own.declare("stays")
    own.wait_kept("web")
    own.wait_kept("stays")
    machine = Rebooted(own)
    machine.go_down()
    own.withdraw("web")
    machine.come_up()
    own.wait_kept("stays")
    own.wait_gone("web")


def test_a_replacement_that_was_interrupted_by_the_power_goes_on(own):
    own.declare("web", restart="always")
    first = own.wait_kept("web")
    own.declare("web", restart="always", command=["sleep", "2000"], probation="3s")
    kedge.wait_for(lambda: own.container("web.kedge-old") and own.container("web") and own.container("web")["State"]["Running"])
    reboot(own)
    kept = own.wait_kept("web")
    assert kept["Id"] != first["Id"] and kept["Config"]["Cmd"] == ["sleep", "2000"]
    assert not own.container("web.kedge-old")


def test_what_ran_runs_again_until_its_replacement_can_be_pulled(own):
    own.declare("web")
    first = own.wait_kept("web")
    own.declare("web", image="127.0.0.1:1/app:1", pullRetries=0, pullInterval="1h")
    own.wait_reason("web", "its image is pulled again")
    reboot(own)
    own.wait_reason("web", "its image is pulled again")
    again = own.container("web")
    assert again["Id"] == first["Id"] and again["State"]["Running"]
