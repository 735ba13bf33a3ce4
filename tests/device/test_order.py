# SPDX-License-Identifier: Apache-2.0
"""dependsOn: the order of starts, its conditions, and circles."""
import kedge


def started(device, name):
    return device.container(name)["State"]["StartedAt"]


def test_started(device):
    device.declare("app", dependsOn=["base"])
    device.wait_reason("app", 'it waits for "base", which is neither declared nor there')
    device.declare("base", enabled=False)
    device.wait_reason("app", 'it waits for "base", which is not enabled')
    device.declare("base")
    device.wait_kept("app")
    assert started(device, "base") < started(device, "app")


def test_healthy(device):
    check = {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "50ms", "retries": 1000}
    device.declare("db", healthcheck=check)
    device.declare("web", dependsOn={"db": {"condition": "healthy"}})
    device.wait_reason("web", 'it waits for "db", which is not healthy yet')
    assert not device.container("web")
    device.kedge("exec", "db", "touch", "/tmp/ready")
    device.wait_kept("web")


def test_a_dependency_without_a_check_is_never_healthy_and_that_is_said(device):
    device.declare("db")
    device.declare("web", dependsOn={"db": {"condition": "healthy"}})
    device.wait_reason("web", 'it waits for "db", which has no health check')


def test_completed(device):
    device.declare("web", dependsOn={"migrate": {"condition": "completed"}})
    device.declare("migrate", command=["sh", "-c", "exit 4"], restart="no")
    device.wait_reason("web", 'it waits for "migrate", which has failed')
    device.declare("migrate", command=["true"], restart="no")
    device.wait_kept("web")
    assert device.container("migrate")["State"]["FinishedAt"] <= started(device, "web")


def test_a_container_that_nobody_declared_may_be_depended_on(device):
    device.declare("web", dependsOn=["plain"])
    device.wait_reason("web", "neither declared nor there")
    device.run_container(["sleep", "1000"], name="plain", StopSignal="KILL")
    device.wait_kept("web")


def test_circles_are_an_error_that_names_them_and_stop_nobody_else(device):
    device.declare("aa", dependsOn=["bb"])
    device.declare("bb", dependsOn=["cc"])
    device.declare("cc", dependsOn=["aa"])
    device.declare("alone")
    device.wait_kept("alone")
    reason = device.wait_reason("bb", "its dependencies go in a circle")["reason"]
    assert all(f'"{name}"' in reason for name in ("aa", "bb", "cc"))
    assert not device.container("aa") and not device.container("bb")
    device.declare("cc")
    for name in ("aa", "bb", "cc"):
        device.wait_kept(name)
    assert started(device, "cc") < started(device, "bb") < started(device, "aa")


def test_what_runs_goes_on_when_what_it_depends_on_is_replaced(device):
    device.declare("db")
    device.declare("web", dependsOn=["db"])
    first = device.wait_kept("web")
    device.declare("db", command=["sleep", "2000"])
    kedge.wait_for(lambda: device.cmd_of("db") == ["sleep", "2000"])
    device.wait_kept("db")
    assert device.wait_kept("web")["Id"] == first["Id"]


def test_a_kill_of_kedged_starts_nothing_again(own):
    own.declare("job", command=["sh", "-c", "echo once"], restart="no")
    own.declare("web", dependsOn={"job": {"condition": "completed"}})
    first = own.wait_kept("web")
    own.restart()
    assert own.wait_kept("web")["Id"] == first["Id"]
    assert own.wait_kept("web")["State"]["StartedAt"] == first["State"]["StartedAt"]
    assert own.log_text("job") == "once\n"
