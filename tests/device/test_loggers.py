# SPDX-License-Identifier: Apache-2.0
"""Each of Kura's logger types in a declaration, with the parameter that Kura always sends, and the drivers in kedge's own form."""
import json

import pytest

import declared
import kedge

SENT = "max-size=10m"


def declare_of_kura(device, name, logger, parameters=SENT):
    properties = {"container.enabled": "true", "container.image": "busybox", "container.image.tag": "test", "container.entrypoint": "sh,-c,trap exit TERM; echo hello; sleep 1000 & wait",
                  "container.loggingType": logger, "container.loggerParameters": parameters}
    device.write(f"{name}.yaml", json.dumps(properties))


def said(device, name):
    status, answer = device.api.raw("GET", f"/containers/{name}/logs?stdout=1")
    return status, answer[8:].decode() if status == 200 else answer.decode()


# type, what else it needs, driver, whether it has max-size, whether its log can be read
LOGGERS = [
    ("DEFAULT", "", "json-file", False, True),
    ("default", "", "json-file", False, True),
    ("JSON_FILE", "", "json-file", True, True),
    ("LOCAL", "", "local", True, True),
    ("NONE", "", "none", False, False),
    ("JOURNALD", "", "journald", False, True),
    ("SYSLOG", ",syslog-address=udp://127.0.0.1:9", "syslog", False, True),
    ("GELF", ",gelf-address=udp://127.0.0.1:9", "gelf", False, True),
    ("FLUENTD", ",fluentd-address=127.0.0.1:9", "fluentd", False, True),
]


@pytest.mark.parametrize("logger,more,driver,has_size,is_readable", LOGGERS)
def test_a_logger_of_kura_s(device, logger, more, driver, has_size, is_readable):
    declare_of_kura(device, "web", logger, SENT + more)
    config = device.wait_kept("web")["HostConfig"]["LogConfig"]
    assert config["Type"] == driver
    assert config["Config"] == dict([SENT.split("=")] * has_size + [more[1:].split("=")] * bool(more))
    notes = "\n".join(device.kept("web")["notes"] + device.kept("web").get("fileNotes", []))
    why = "the device's own limits" if logger.upper() == "DEFAULT" else "no such option"
    assert (f'"{SENT}" is left out: logger type {logger} has {why}' in notes) == (not has_size), notes
    if is_readable:
        kedge.wait_for(lambda: said(device, "web") == (200, "hello\n"))
    else:
        assert said(device, "web")[0] == 501
    device.withdraw("web")


@pytest.mark.parametrize("logger,instead", [("ETWLOGS", "Windows"), ("AWSLOGS", "use fluentd or syslog"), ("DB", "use json-file or local"),
                                            ("SPLUNK", "use syslog or gelf"), ("GCPLOGS", "use fluentd"), ("LOKI", "promtail")])
def test_a_logger_that_is_not_there_says_what_to_use(device, logger, instead):
    declare_of_kura(device, "web", logger)
    driver = logger.lower()
    told = kedge.wait_for(lambda: next((text for text in [json.dumps(device.kept("web") or {}), json.dumps(device.problems())] if f'log driver \\"{driver}\\"' in text), None))
    assert "is not supported" in told and instead in told, told
    assert not device.container("web")
    device.withdraw("web")


def test_another_size_is_refused_where_there_is_none(device):
    """What Kura did not send by itself was meant."""
    declare_of_kura(device, "web", "JOURNALD", "max-size=20m")
    kedge.wait_for(lambda: "unknown log opt 'max-size' for journald log driver" in json.dumps([device.kept("web"), device.problems()]))
    assert not device.container("web")
    device.withdraw("web")


def test_in_kedge_s_own_form_nothing_is_left_out(device):
    device.declare("web", logging={"driver": "journald", "options": {"max-size": "10m"}})
    kedge.wait_for(lambda: "unknown log opt 'max-size' for journald log driver" in json.dumps([device.kept("web"), device.problems()]))
    assert not device.container("web")
    device.declare("web", logging={"driver": "local", "options": {"max-size": "1m", "max-file": "2"}})
    assert device.wait_kept("web")["HostConfig"]["LogConfig"] == {"Type": "local", "Config": {"max-size": "1m", "max-file": "2"}}
    device.withdraw("web")


def test_kura_s_default_on_a_device_with_another_driver(tmp_path):
    """What all its containers log by may have no such option either."""
    config = tmp_path / "kedged.yaml"
    config.write_text("engine:\n  logDriver: journald\n")
    device = declared.Device(options=["--config", str(config)])
    try:
        device.start().load_busybox()
        declare_of_kura(device, "web", "DEFAULT")
        assert device.wait_kept("web")["HostConfig"]["LogConfig"] == {"Type": "journald", "Config": {}}
    finally:
        device.close()
