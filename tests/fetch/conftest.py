# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))

import kedge  # noqa: E402
import registries  # noqa: E402

BUILD = pathlib.Path(os.environ.get("KEDGE_BUILD", pathlib.Path(__file__).parents[2] / "build"))
DRIVER = os.environ.get("FETCH_DRIVER", str(BUILD / "tests/fetch/fetch-driver"))
PROGRAM = os.environ.get("KEDGE_FETCH", str(BUILD / "src/main/kedge-fetch"))


class Result:
    """What the driver said: its events in order."""

    def __init__(self, status, events):
        self.status, self.events = status, events

    def all(self, name):
        return [event for event in self.events if event["event"] == name]

    @property
    def failure(self):
        """The one reason why it failed."""
        assert self.status == 1, self.events
        reasons = [event for event in self.events if "message" in event]
        assert len(reasons) == 1, self.events
        return reasons[0]

    @property
    def message(self):
        return self.failure["message"]


class Fetch:
    def __init__(self, directory):
        self.program = PROGRAM
        self.certs, self.registries, self.out = directory / "certs.d", directory / "registries.d", directory / "out"
        for path in (self.certs, self.registries, self.out):
            path.mkdir()

    def command(self, verb, name, directory=None, **options):
        command = [DRIVER, "--program", self.program, "--certs", str(self.certs), "--registries", str(self.registries)]
        for option, value in {"interval": 20, "stall": 5, **options}.items():
            for one in value if isinstance(value, list) else [value]:
                command += [f"--{option.replace('_', '-')}", str(one)]
        return [*command, verb, name, str(directory or self.out)]

    def start(self, *arguments, **options):
        return subprocess.Popen(self.command(*arguments, **options), stdout=subprocess.PIPE, text=True)

    def __call__(self, *arguments, **options):
        done = subprocess.run(self.command(*arguments, **options), stdout=subprocess.PIPE, text=True, timeout=120)
        return Result(done.returncode, [json.loads(line) for line in done.stdout.splitlines()])

    def trust(self, host, path):
        (self.certs / host).mkdir(exist_ok=True)
        (self.certs / host / "ca.crt").write_bytes(pathlib.Path(path).read_bytes())


@pytest.fixture
def fetch(tmp_path):
    return Fetch(tmp_path)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return registries.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.issue("server")


@pytest.fixture
def fake_tls(certificate):
    it = registries.FakeRegistry(tls=certificate)
    yield it
    it.close()


class RealRegistry(kedge.Registry):
    """Debian's, with settings of the test's own."""

    def __init__(self, settings, **options):
        super().__init__(**options)
        self.more = settings

    def configuration(self):
        settings = super().configuration()
        for name, value in self.more.items():
            settings.setdefault(name, {}).update(value)
        return settings


@pytest.fixture
def real():
    """Makes real registries: real(tls=..., users=..., settings=...)"""
    made = []

    def make(settings=None, **options):
        made.append(RealRegistry(settings or {}, **options).start())
        return made[-1]
    yield make
    for it in made:
        it.close()
