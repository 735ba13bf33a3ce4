// SPDX-License-Identifier: Apache-2.0
// Testcontainers with the engine at DOCKER_HOST: prints what each step gave, as one JSON object.
'use strict';

const http = require('http');
const { GenericContainer, Network, Wait } = require('testcontainers');

const IMAGE = 'busybox:test';
const SERVE = ['sh', '-c', 'mkdir -p /w && echo "served by $(hostname)" > /w/index.html && echo up > /w/late && exec httpd -f -p 8080 -h /w'];
const LATE = ['sh', '-c', 'mkdir /w; httpd -p 8080 -h /w; sleep 0.3; echo late > /w/late; exec sleep 1000'];
const running = [];

async function start(container) {
  const started = await container.withStartupTimeout(30000).start();
  running.push(started);
  return started;
}

function get(host, port, path = '/') {
  return new Promise((resolve, reject) => {
    http.get({ host, port, path, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (part) => { text += part; }).on('end', () => resolve(text));
    }).on('error', reject);
  });
}

function read(stream) {
  return new Promise((resolve, reject) => {
    let text = '';
    stream.on('data', (part) => { text += part; }).on('end', () => resolve(text)).on('error', reject);
  });
}

// Ports that the kernel picks; without a word on waiting, all of them must listen, inside and outside.
async function ports() {
  const one = await start(new GenericContainer(IMAGE).withCommand(SERVE).withExposedPorts(8080).withName('tc-one'));
  const two = await start(new GenericContainer(IMAGE).withCommand(SERVE).withExposedPorts(8080));
  const both = [one, two].map((it) => it.getMappedPort(8080));
  const texts = await Promise.all([one, two].map((it) => get(it.getHost(), it.getMappedPort(8080))));
  const before = one.getMappedPort(8080);
  await one.restart();
  return {
    host: one.getHost(),
    name: one.getName(),
    first: one.getFirstMappedPort() === one.getMappedPort(8080),
    differ: both[0] !== both[1] && both.every((port) => port >= 1024),
    served: texts.map((text, at) => text === `served by ${[one, two][at].getId().slice(0, 12)}\n`),
    again: (await get(one.getHost(), one.getMappedPort(8080), '/late')) === 'up\n' && before > 0,
    unknown: await Promise.resolve().then(() => one.getMappedPort(9)).catch((error) => error.message),
  };
}

// Each of its ways of waiting, and that the container was what was waited for when start() came back.
async function waits() {
  const base = () => new GenericContainer(IMAGE).withExposedPorts(8080);
  const log = await start(base().withCommand(['sh', '-c', 'sleep 0.2; echo ready 1; echo ready 2; exec sleep 1000']).withWaitStrategy(Wait.forLogMessage(/ready \d/, 2)));
  const web = await start(base().withCommand(LATE).withWaitStrategy(Wait.forHttp('/late', 8080).forStatusCode(200).forResponsePredicate((text) => text === 'late\n')));
  const health = await start(base().withCommand(LATE).withHealthCheck({ test: ['CMD-SHELL', 'grep late /w/late'], interval: 100, timeout: 2000, retries: 50, startPeriod: 0 })
    .withWaitStrategy(Wait.forHealthCheck()));
  const shell = await start(base().withCommand(LATE).withWaitStrategy(Wait.forSuccessfulCommand('test -e /w/late')));
  const shot = await start(new GenericContainer(IMAGE).withCommand(['true']).withWaitStrategy(Wait.forOneShotStartup()));
  const all = await start(base().withCommand(['sh', '-c', 'echo begun; mkdir /w; exec httpd -f -p 8080 -h /w']).withWaitStrategy(
    Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage('begun')])));
  const failed = await base().withCommand(['sleep', '1000']).withWaitStrategy(Wait.forLogMessage('never')).withStartupTimeout(500).start().then(() => 'started', (error) => error.message);
  const ended = await new GenericContainer(IMAGE).withCommand(['false']).withWaitStrategy(Wait.forOneShotStartup()).withStartupTimeout(20000).start().then(() => 'started', () => 'refused');
  return {
    log: (await log.exec(['true'])).exitCode,
    http: await get(web.getHost(), web.getMappedPort(8080), '/late'),
    health: (await health.exec(['cat', '/w/late'])).output,
    shell: (await shell.exec(['cat', '/w/late'])).output,
    shot: shot.getId().length,
    all: (await all.exec(['true'])).exitCode,
    failed: failed.replace(/"[0-9a-f]{12,64}"|[0-9a-f]{64}/g, 'ID'),
    ended,
  };
}

// Containers that find each other by name on a network of their own, and nobody outside of it.
async function networks() {
  const network = await new Network().start();
  const server = await start(new GenericContainer(IMAGE).withCommand(SERVE).withExposedPorts(8080).withName('tc-server').withNetwork(network).withNetworkAliases('web', 'other'));
  const client = await start(new GenericContainer(IMAGE).withCommand(['sleep', '1000']).withNetwork(network).withNetworkAliases('asking'));
  const stranger = await start(new GenericContainer(IMAGE).withCommand(['sleep', '1000']));
  const ask = (from, name) => from.exec(['wget', '-q', '-O', '-', `http://${name}:8080/late`]);
  const found = await Promise.all(['web', 'other', server.getIpAddress(network.getName()), server.getName().slice(1)].map((name) => ask(client, name)));
  const lost = await stranger.exec(['busybox', 'timeout', '2', 'wget', '-q', '-O', '-', 'http://web:8080/late']); // who is asked outside may not answer
  const told = {
    found: found.map(({ output, exitCode }) => [output, exitCode]),
    lost: lost.exitCode !== 0,
    outside: await get(server.getHost(), server.getMappedPort(8080), '/late'),
    names: server.getNetworkNames().map((name) => (name === network.getName() ? 'own' : name)).sort(),
    itself: (await ask(server, 'web')).output,
  };
  await Promise.all([server, client, stranger].map((it) => it.stop()));
  await network.stop();
  return told;
}

// What else tests do with a container.
async function uses() {
  const it = await start(new GenericContainer(IMAGE).withCommand(['sh', '-c', 'echo out; echo err >&2; exec sleep 1000']).withEnvironment({ COLOUR: 'red' }).withLabels({ role: 'tested' })
    .withUser('1000:1000').withWorkingDir('/tmp').withTmpFs({ '/scratch': 'size=1m' }).withCopyContentToContainer([{ content: 'copied', target: '/tmp/in', mode: 0o644 }])
    .withResourcesQuota({ memory: 0.0625 }).withUlimits({ nofile: { soft: 100, hard: 200 } }).withAddedCapabilities('NET_ADMIN').withHostname('tested')
    .withExtraHosts([{ host: 'there', ipAddress: '192.0.2.7' }]).withSharedMemorySize(1 << 20).withWaitStrategy(Wait.forLogMessage('out')));
  const say = async (...words) => (await it.exec(['sh', '-c', ...words])).output;
  const told = {
    facts: await say('echo $COLOUR; id -u; pwd; cat /tmp/in; echo; ulimit -Hn; hostname; grep there /etc/hosts | wc -l; grep -c " /scratch tmpfs" /proc/mounts'),
    labels: it.getLabels().role,
    error: await it.exec(['sh', '-c', 'echo no >&2; exit 3']),
    log: (await read(await it.logs({ tail: 2 }).then((stream) => { setTimeout(() => it.stop({ remove: false }), 300); return stream; }))).split('\n').filter(Boolean).sort(),
  };
  return told;
}

async function main() {
  const told = {};
  const held = setInterval(() => {}, 1000); // sockets of logs do not keep the program going
  try {
    for (const step of [ports, waits, networks, uses]) told[step.name] = await step();
  } finally {
    await Promise.all(running.map((it) => it.stop().catch(() => undefined)));
    clearInterval(held);
  }
  console.log(JSON.stringify(told));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
