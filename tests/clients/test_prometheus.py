# SPDX-License-Identifier: Apache-2.0
"""Prometheus finds the containers of a device by its Docker service discovery."""
import json
import shutil
import subprocess
import urllib.request

import pytest

import kedge

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")

CONFIGURATION = """
scrape_configs:
  - job_name: device
    docker_sd_configs:
      - host: unix://{socket}
        refresh_interval: 1s
        host_networking_host: 127.0.0.1
"""


@pytest.fixture
def prometheus(box, tmp_path):
    """What discovery has found, as a function: a list of the labels of each target."""
    port = kedge.free_port()
    (tmp_path / "prometheus.yml").write_text(CONFIGURATION.format(socket=box.socket))
    process = subprocess.Popen(["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
                                f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], cwd=tmp_path)

    def targets():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=10) as answer:
                return [target["discoveredLabels"] for target in json.load(answer)["data"]["activeTargets"]]
        except OSError:
            return []
    yield targets
    process.terminate()
    process.wait(20)


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
