# SPDX-License-Identifier: Apache-2.0
"""Prometheus finds the containers of a device by its Docker service discovery, and scrapes its metrics over TLS."""
import json
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest

import kedge
import registries

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")

CONFIGURATION = """
scrape_configs:
  - job_name: device
    docker_sd_configs:
      - host: unix://{socket}
        refresh_interval: 1s
        host_networking_host: 127.0.0.1
"""


class Prometheus:
    """Debian's, on loopback, in a directory of its own."""

    def __init__(self, directory, configuration):
        self.port = kedge.free_port()
        (directory / "prometheus.yml").write_text(configuration)
        self.process = subprocess.Popen(["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                                         f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], cwd=directory)

    def ask(self, path):
        """What its API says; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def targets(self):
        return (self.ask("targets") or {}).get("activeTargets", [])

    def query(self, text):
        """{labels: value} of an instant query; the labels as a frozenset of pairs."""
        found = (self.ask("query?" + urllib.parse.urlencode({"query": text})) or {}).get("result", [])
        return {frozenset(item["metric"].items()): float(item["value"][1]) for item in found}

    def close(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def prometheus(box, tmp_path):
    """What discovery has found, as a function: a list of the labels of each target."""
    it = Prometheus(tmp_path, CONFIGURATION.format(socket=box.socket))
    yield lambda: [target["discoveredLabels"] for target in it.targets()]
    it.close()


def test_containers_are_discovered(box, prometheus):
    web = box.run_container(["sleep", "100"], name="web", host={"NetworkMode": "host"}, Labels={"role": "front"})
    box.run_container(["sleep", "100"], name="alone")

    def found():
        return {labels["__meta_docker_container_name"]: labels for labels in prometheus()}
    labels = kedge.wait_for(lambda: len(found()) == 2 and found(), 30)["/web"]
    assert labels["__meta_docker_container_id"] == web
    assert labels["__meta_docker_container_label_role"] == "front"
    assert labels["__meta_docker_network_name"] == "host" and labels["__meta_docker_container_network_mode"] == "host"
    assert labels["__address__"] == "127.0.0.1"
    box.api.delete(f"/containers/{web}?force=1")
    kedge.wait_for(lambda: set(found()) == {"/alone"}, 30)


# ---- /metrics -------------------------------------------------------------------------------------------------------------------

SCRAPING = """
scrape_configs:
  - job_name: kedge
    scheme: https
    scrape_interval: 1s
    static_configs:
      - targets: ["127.0.0.1:{port}"]
    tls_config:
      ca_file: {ca}
      cert_file: {cert}
      key_file: {key}
"""


@pytest.fixture
def scraped(tmp_path):
    """A kedged with a door for TCP, and a Prometheus that scrapes it there."""
    authority = registries.Authority(tmp_path / "ca")
    (server_cert, server_key), (cert, key) = authority.issue("server"), authority.issue("client")
    daemon = kedge.Daemon()
    port = kedge.free_port()
    (daemon.directory / "kedged.yaml").write_text(json.dumps(
        {"tcp": {"listen": [f"127.0.0.1:{port}"], "ca": str(authority.path), "cert": str(server_cert), "key": str(server_key)}}))
    daemon.options = ["--config", str(daemon.directory / "kedged.yaml")]
    daemon.start()
    daemon.load_busybox()
    (tmp_path / "p").mkdir()
    it = Prometheus(tmp_path / "p", SCRAPING.format(port=port, ca=authority.path, cert=cert, key=key))
    yield daemon, it
    it.close()
    daemon.close()


def test_metrics_are_scraped(scraped):
    daemon, prometheus = scraped
    busy = daemon.run_container(["sh", "-c", "while :; do :; done"], name="busy", host={"Memory": 64 << 20})
    daemon.run_container(["sleep", "1000"], name="calm")

    def is_up():
        return [target["health"] for target in prometheus.targets()] == ["up"]
    kedge.wait_for(is_up, 30)
    assert prometheus.targets()[0]["lastError"] == ""

    def value(text):
        return list(prometheus.query(text).values())
    kedge.wait_for(lambda: value("container_cpu_usage_seconds_total{name='busy'} > 0.2"), 30)
    found = prometheus.query("container_spec_memory_limit_bytes > 0")
    assert list(found.values()) == [64 << 20]
    labels = dict(*found)
    assert (labels["name"], labels["image"]) == ("busy", "busybox:test") and labels["id"].endswith("/" + busy)
    kedge.wait_for(lambda: value("kedge_containers{state='running'}") == [2], 30)
    # what dashboards ask: a rate, by container
    kedge.wait_for(lambda: value("rate(container_cpu_usage_seconds_total{name='busy'}[10s]) > 0.05"), 30)
    daemon.api.delete(f"/containers/{busy}?force=1")
    kedge.wait_for(lambda: not value("container_memory_usage_bytes{name='busy'}"), 30)
    assert value("container_memory_usage_bytes{name='calm'}") != []
