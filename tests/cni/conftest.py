# SPDX-License-Identifier: Apache-2.0
"""A machine of its own for each test: a "host" and a "container" network namespace. Plugins run in the former, so that
this machine's network is not touched."""
import json
import os
import secrets
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / os.environ.get('KEDGE_BUILD', 'build')
DRIVER = os.environ.get('CNI_DRIVER', str(BUILD / 'tests/cni/cni-driver'))
PLUGINS = '/usr/lib/cni'


class Machine:
    def __init__(self, tmp_path):
        self.tmp = tmp_path
        self.mark = secrets.token_hex(3)
        self.host, self.container = f'kcnih{self.mark}', f'kcnic{self.mark}'
        self.config, self.records, self.fakes = tmp_path / 'net.d', tmp_path / 'records', tmp_path / 'plugins'
        self.link = tmp_path / 'netns'
        self.calls = tmp_path / 'calls'
        self.config.mkdir()
        self.fakes.mkdir()
        for name in (self.host, self.container):
            subprocess.run(['ip', 'netns', 'add', name], check=True)
            self.run_in(name, 'ip link set lo up')

    def close(self):
        for name in (self.host, self.container):
            subprocess.run(['ip', 'netns', 'del', name], check=False, capture_output=True)

    def run_in(self, namespace, command):
        done = subprocess.run(['ip', 'netns', 'exec', namespace, 'sh', '-c', command], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, f'{command}: {done.stderr}'
        return done.stdout

    def in_host(self, command):
        return self.run_in(self.host, command)

    def in_container(self, command):
        return self.run_in(self.container, command)

    def write(self, name, document):
        (self.config / name).write_text(document if isinstance(document, str) else json.dumps(document))

    def fake(self, name, script):
        """A plugin that notes how it was called, then does as the script says; $input is its configuration."""
        path = self.fakes / name
        path.write_text(f'#!/bin/sh\ninput=$(cat)\nprintf "%s\\t%s\\t%s\\n" "$CNI_COMMAND" "{name}" "$input" >> {self.calls}\n'
                        f'env | grep ^CNI_ | sort > {self.tmp}/env.{name}.$CNI_COMMAND\n{script}\n')
        path.chmod(0o755)

    def fake_calls(self):
        """[(command, plugin, configuration)]"""
        if not self.calls.exists():
            return []
        lines = [line.split('\t') for line in self.calls.read_text().splitlines()]
        return [(command, name, json.loads(text)) for command, name, text in lines]

    def environment(self, name, command):
        lines = (self.tmp / f'env.{name}.{command}').read_text().splitlines()
        return dict(line.split('=', 1) for line in lines)

    def command(self, *arguments, netns=True, timeout='30s', plugins=None):
        options = ['--config', str(self.config), '--records', str(self.records), '--container', 'c' * 64, '--interface', 'eth0',
                   '--link', str(self.link), '--timeout', timeout]
        for directory in plugins or [str(self.fakes), PLUGINS]:
            options += ['--plugins', directory]
        if netns:
            options += ['--netns', f'/run/netns/{self.container}']
        return ['ip', 'netns', 'exec', self.host, DRIVER, *options, *arguments]

    def start(self, *arguments, env=None, **options):
        return subprocess.Popen(self.command(*arguments, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={**os.environ, **(env or {})})

    def drive(self, *arguments, env=None, **options):
        """What the run ended with; its log is kept in self.log."""
        process = self.start(*arguments, env=env, **options)
        output, self.log = process.communicate(timeout=90)
        self.status = process.returncode
        return json.loads(output) if output.startswith('{') else output

    def record(self):
        return json.loads(self.record_path().read_text())

    def record_path(self):
        return self.records / f'{"c" * 64}-eth0.json'

    def links(self):
        return sorted(link['ifname'] for link in json.loads(self.in_host('ip -j link')))

    def container_links(self):
        return sorted(link['ifname'] for link in json.loads(self.in_container('ip -j link')))


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    yield made
    made.close()
