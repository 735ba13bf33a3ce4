# SPDX-License-Identifier: Apache-2.0
"""GET /metrics: what Prometheus is told of the engine and of each container."""
import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import pytest

import kedge

LINE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (-?[0-9.]+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')
HAS_DISK = subprocess.check_output(["stat", "-fc", "%T", tempfile.gettempdir()], text=True) != "tmpfs\n"  # whose blocks are counted
CROWD = int(os.environ.get("KEDGE_CONTAINERS") or 40)

# cAdvisor's names, as its documentation lists them
OF_A_CONTAINER = """container_last_seen container_start_time_seconds container_cpu_usage_seconds_total container_cpu_user_seconds_total
container_cpu_system_seconds_total container_memory_usage_bytes container_memory_max_usage_bytes container_memory_working_set_bytes
container_memory_cache container_memory_rss container_memory_mapped_file container_memory_swap container_memory_failures_total
container_oom_events_total container_threads container_threads_max container_spec_memory_limit_bytes container_spec_memory_swap_limit_bytes
container_spec_cpu_period container_spec_cpu_shares container_memory_total_active_file_bytes container_memory_total_inactive_file_bytes
container_spec_memory_reservation_limit_bytes kedge_container_restarts_total kedge_container_exit_code kedge_container_state""".split()
WITH_A_QUOTA = """container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total container_cpu_cfs_throttled_seconds_total
container_spec_cpu_quota""".split()
OF_A_NETWORK = [f"container_network_{way}_{what}_total" for way in ("receive", "transmit")
                for what in ("bytes", "packets", "errors", "packets_dropped")]
OF_A_DISK = "container_fs_reads_bytes_total container_fs_reads_total container_fs_writes_bytes_total container_fs_writes_total".split()
OF_THE_ENGINE = """kedge_build_info kedge_containers kedge_containers_health kedge_images kedge_pulls_total kedge_events_subscribers
kedge_uptime_seconds engine_daemon_engine_info engine_daemon_container_states_containers engine_daemon_events_total kedge_events_total
engine_daemon_health_checks_total engine_daemon_health_checks_failed_total machine_cpu_cores machine_memory_bytes process_cpu_seconds_total
process_open_fds process_max_fds process_resident_memory_bytes process_virtual_memory_bytes process_start_time_seconds""".split()


class Scrape:
    """What one answer says."""

    def __init__(self, daemon, api=None):
        status, body = (api or daemon.api).raw("GET", "/metrics")
        assert status == 200, body
        self.text = body.decode()
        self.samples = [self.sample(line) for line in self.text.splitlines() if not line.startswith("#")]

    @staticmethod
    def sample(line):
        name, labels, value = LINE.fullmatch(line).groups()
        return name, dict(LABEL.findall(labels or "")), float(value)

    def names(self, **wanted):
        return {name for name, labels, _ in self.samples if wanted.items() <= labels.items()}

    def values(self, name, /, **wanted):
        return [value for found, labels, value in self.samples if found == name and wanted.items() <= labels.items()]

    def value(self, name, /, **wanted):
        values = self.values(name, **wanted)
        assert len(values) == 1, f"{name} {wanted}: {values}"
        return values[0]


def test_a_container(box):
    identity = box.run_container(["sh", "-c", "dd if=/dev/zero of=/file bs=1M count=4 oflag=direct; head -c 5m /dev/zero >/dev/shm/file; while :; do :; done"], name="one",
                                 host={"NetworkMode": "bridge", "Memory": 96 << 20, "NanoCpus": 500000000, "PidsLimit": 33})
    kedge.wait_for(lambda: Scrape(box).value("container_cpu_usage_seconds_total", name="one", cpu="total") > 0.1)
    kedge.wait_for(lambda: not HAS_DISK or Scrape(box).values("container_fs_writes_bytes_total", name="one") not in ([], [0]))
    now = Scrape(box)
    assert now.names(name="one") >= {*OF_A_CONTAINER, *WITH_A_QUOTA, *OF_A_NETWORK, *(OF_A_DISK if HAS_DISK else [])}
    assert {labels["id"] for _, labels, _ in now.samples if labels.get("name") == "one"} == {f"{box.cgroup_parent}/{identity}"}
    assert {labels["image"] for _, labels, _ in now.samples if labels.get("name") == "one"} == {"busybox:test"}
    assert now.value("container_spec_memory_limit_bytes", name="one") == 96 << 20
    assert now.value("container_spec_cpu_quota", name="one") == 50000 and now.value("container_threads_max", name="one") == 33
    assert not HAS_DISK or now.value("container_fs_writes_bytes_total", name="one") >= 4 << 20
    assert 4 << 20 <= now.value("container_memory_usage_bytes", name="one") <= 96 << 20
    assert now.value("container_memory_working_set_bytes", name="one") <= now.value("container_memory_usage_bytes", name="one")
    assert abs(now.value("container_last_seen", name="one") - time.time()) < 60
    assert now.value("container_start_time_seconds", name="one") <= now.value("container_last_seen", name="one")
    assert now.value("container_memory_failures_total", name="one", failure_type="pgfault", scope="hierarchy") > 0
    assert now.value("kedge_container_state", name="one", state="running") == 1


def test_bytes_of_a_network(box):
    box.run_container(["sleep", "1000"], name="net", host={"NetworkMode": "bridge"})
    address = box.inspect("net")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    before = Scrape(box).value("container_network_receive_bytes_total", name="net", interface="eth0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(bytes(1200), (address, 9))  # where nobody listens: the answer says so
    kedge.wait_for(lambda: Scrape(box).value("container_network_receive_bytes_total", name="net", interface="eth0") >= before + 1200)
    kedge.wait_for(lambda: Scrape(box).value("container_network_transmit_bytes_total", name="net", interface="eth0") > 0)


def test_a_namespace_is_counted_once(box):
    owner = box.run_container(["sleep", "1000"], name="owner", host={"NetworkMode": "bridge"})
    box.run_container(["sleep", "1000"], name="guest", host={"NetworkMode": f"container:{owner}"})
    box.run_container(["sleep", "1000"], name="hosted", host={"NetworkMode": "host"})
    now = Scrape(box)
    assert {labels["name"] for name, labels, _ in now.samples if name == "container_network_receive_bytes_total"} == {"owner"}


def test_what_does_not_run(box):
    box.create(["true"], name="made")
    ended = box.run_container(["sh", "-c", "exit 7"], name="ended")
    box.wait(ended)
    now = Scrape(box)
    assert now.value("kedge_container_state", name="made", state="created") == 1
    assert now.value("kedge_container_state", name="ended", state="exited") == 1
    assert now.value("kedge_container_exit_code", name="ended") == 7
    assert now.names(name="made") == {"kedge_container_state", "kedge_container_exit_code", "kedge_container_restarts_total"}


def test_the_engine(box):
    before = Scrape(box)
    assert before.names() >= set(OF_THE_ENGINE)
    box.run_container(["sleep", "1000"], name="up")
    box.create(["true"], name="made")
    box.api.raw("POST", "/images/create?fromImage=localhost:1/nothing&tag=here")
    now = Scrape(box)
    version = box.api.get("/version")
    assert now.value("kedge_build_info", version=version["Version"], architecture=version["Arch"]) == 1
    assert now.value("engine_daemon_engine_info", kernel=version["KernelVersion"], daemon_id=box.api.get("/info")["ID"]) == 1
    assert now.value("kedge_containers", state="running") == 1 and now.value("kedge_containers", state="created") == 1
    assert now.value("engine_daemon_container_states_containers", state="running") == 1
    assert now.value("engine_daemon_container_states_containers", state="stopped") == 1
    assert now.value("kedge_images") == len(box.api.get("/images/json"))
    assert now.value("kedge_pulls_total", result="failed") == before.value("kedge_pulls_total", result="failed") + 1
    assert now.value("kedge_events_total", type="container") == sum(before.values("kedge_events_total", type="container")) + 3
    assert now.value("engine_daemon_events_total") == sum(now.values("kedge_events_total"))
    assert 0 < now.value("kedge_uptime_seconds") < 3600
    assert abs(now.value("process_start_time_seconds") + now.value("kedge_uptime_seconds") - time.time()) < 60
    assert now.value("process_resident_memory_bytes") > 1 << 20
    assert now.value("process_open_fds") <= now.value("process_max_fds")
    assert now.value("process_cpu_seconds_total") > 0


def test_pulls_that_succeed(box, registry):
    archive = kedge.busybox_archive(box.directory / "pulled.tar", "pulled:1")
    name = registry.copy_from(archive, "pulled:1")
    before = Scrape(box).value("kedge_pulls_total", result="success")
    box.api.raw("POST", f"/images/create?fromImage={name}")
    assert Scrape(box).value("kedge_pulls_total", result="success") == before + 1
    box.api.delete(f"/images/{name}")


def test_health(box):
    check = {"Test": ["CMD", "test", "-e", "/ok"], "Interval": 100_000_000, "Retries": 1}
    box.run_container(["sleep", "1000"], name="sick", Healthcheck=check)
    box.run_container(["sh", "-c", "touch /ok; exec sleep 1000"], name="well", Healthcheck=check)
    before = Scrape(box)
    kedge.wait_for(lambda: Scrape(box).values("kedge_container_health", name="sick", health="unhealthy") == [1])
    kedge.wait_for(lambda: Scrape(box).values("kedge_container_health", name="well", health="healthy") == [1])
    now = Scrape(box)
    assert now.value("kedge_containers_health", health="healthy") == 1
    checks, failed = "engine_daemon_health_checks_total", "engine_daemon_health_checks_failed_total"
    assert now.value(failed) > 0 and now.value(checks) - now.value(failed) > 0 and now.value(checks) >= before.value(checks)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_has_no_complaint(box):
    box.run_container(["sh", "-c", "dd if=/dev/zero of=/file bs=1M count=1 oflag=direct; exec sleep 1000"], name="full",
                      host={"NetworkMode": "bridge", "NanoCpus": 500000000}, Healthcheck={"Test": ["CMD", "true"]})
    kedge.wait_for(lambda: not HAS_DISK or Scrape(box).values("container_fs_writes_bytes_total", name="full"))
    done = subprocess.run(["promtool", "check", "metrics"], input=Scrape(box).text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")


def test_form(box):
    box.run_container(["sleep", "1000"], name="some")
    connection = kedge.UnixConnection(box.socket)
    for method in ("GET", "HEAD", "GET"):  # on one connection: each answer ends where the next begins
        connection.request(method, "/metrics")
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert (body == b"") == (method == "HEAD")
    connection.close()
    lines = body.decode().splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(heads) == len(set(heads))
    # a family is one group, behind its own head
    current = None
    for line in lines:
        if line.startswith("# TYPE "):
            current = line.split()[2]
        elif not line.startswith("#"):
            assert LINE.fullmatch(line)[1] == current


def test_clients_that_do_not_read_are_bounded(box):
    """Those that ask and leave are forgotten; too many at a time are refused, and everybody else is served."""
    for number in range(CROWD):
        box.create(["true"], name=f"n{number}")
    for _ in range(20):
        gone = kedge.UnixConnection(box.socket)
        gone.request("GET", "/metrics")
        gone.close()
    answers = []

    def ask():
        answers.append(box.api.raw("GET", "/metrics")[0])
    crowd = [threading.Thread(target=ask) for _ in range(30)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(60)
    assert set(answers) <= {200, 503} and len(answers) == 30 and 200 in answers
    assert len(Scrape(box).values("kedge_container_state")) == CROWD


def test_a_container_that_goes_meanwhile(box):
    """Removals between the slices: the answer stays whole."""
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            box.api.delete(f"/containers/{box.run_container(['sleep', '1000'])}?force=1")
    for number in range(CROWD // 4):
        box.run_container(["sleep", "1000"], name=f"s{number}")
    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for _ in range(20):
            now = Scrape(box)
            assert {f"s{number}" for number in range(CROWD // 4)} <= {labels.get("name") for _, labels, _ in now.samples}
    finally:
        stop.set()
        worker.join(60)


def test_monitors_may_read_it(tmp_path):
    path = tmp_path / "monitor.sock"
    daemon = kedge.Daemon(options=["--read-only-socket", str(path)]).start()
    try:
        assert Scrape(daemon, kedge.Api(path)).names() >= set(OF_THE_ENGINE) - {"kedge_events_total"}  # there were none yet
        for method in ("POST", "DELETE"):
            assert kedge.Api(path).raw(method, "/metrics")[0] == 403
    finally:
        daemon.close()


def test_old_clients(box):
    """HTTP/1.0 has no chunks: the connection's end is the answer's."""
    connection = kedge.UnixConnection(box.socket)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"
    connection.request("GET", "/metrics")
    body = connection.getresponse().read().decode()
    connection.close()
    assert body.endswith("\n") and "kedge_build_info{" in body


def test_a_client_that_stalls_gets_the_rest_later(box):
    """A slow reader does not hold kedged, nor does it lose anything."""
    for number in range(CROWD):
        box.create(["true"], name=f"n{number}")
    slow = kedge.UnixConnection(box.socket)
    slow.connect()
    slow.sock.setsockopt(1, 8, 4096)  # SO_RCVBUF
    slow.request("GET", "/metrics")
    assert box.api.get("/containers/json?all=1")
    answer = http.client.HTTPResponse(slow.sock)
    answer.begin()
    assert answer.read().decode().count("kedge_container_state{") == CROWD
    slow.close()
