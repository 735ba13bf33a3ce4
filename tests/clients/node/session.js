// SPDX-License-Identifier: Apache-2.0
// A session of dockerode's with the engine at DOCKER_HOST: prints what each step gave, as one JSON object.
'use strict';

const { PassThrough } = require('stream');
const Docker = require('dockerode');

const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace('unix://', '') });
const IMAGE = 'busybox:test';
const quiet = { Image: IMAGE, HostConfig: { NetworkMode: 'none' } };

function collect(stream) {
  const out = [];
  const err = [];
  const sinks = [out, err].map((list) => new PassThrough().on('data', (data) => list.push(data)));
  docker.modem.demuxStream(stream, sinks[0], sinks[1]);
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('end', () => setImmediate(() => resolve([out, err].map((list) => Buffer.concat(list).toString()))));
  });
}

function text(stream) {
  return new Promise((resolve, reject) => {
    const parts = [];
    stream.on('data', (data) => parts.push(data)).on('end', () => resolve(Buffer.concat(parts).toString())).on('error', reject);
  });
}

async function main() {
  const told = {};
  const events = [];
  const ear = await docker.getEvents({ filters: { type: ['container'] } });
  ear.on('data', (data) => data.toString().trim().split('\n').forEach((line) => events.push(JSON.parse(line).Action)));

  told.ping = (await docker.ping()).toString();
  told.version = (await docker.version()).ApiVersion;
  told.containers = (await docker.info()).Containers;
  told.images = (await docker.listImages()).map((image) => image.RepoTags[0]);

  const container = await docker.createContainer({ ...quiet, name: 'node', Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
    AttachStdout: true, AttachStderr: true, Labels: { by: 'dockerode' } });
  const attached = await container.attach({ stream: true, stdout: true, stderr: true, hijack: true });
  const output = collect(attached);
  const waiting = container.wait({ condition: 'next-exit' });
  await container.start();
  told.status = (await waiting).StatusCode;
  told.output = await output;
  told.listed = (await docker.listContainers({ all: true, filters: { label: ['by=dockerode'] } })).map((one) => one.Names[0]);
  told.exit = (await container.inspect()).State.ExitCode;
  told.log = (await container.logs({ stdout: true })).toString().slice(8);
  await container.rename({ name: 'renamed' });
  told.name = (await container.inspect()).Name;
  await container.remove();
  told.missing = await container.inspect().catch((error) => [error.statusCode, error.json.message]);

  const cat = await docker.createContainer({ ...quiet, Cmd: ['cat'], AttachStdin: true, AttachStdout: true, OpenStdin: true, StdinOnce: true });
  const pipe = await cat.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const echoed = collect(pipe);
  await cat.start();
  pipe.write('through the container\n');
  pipe.end();
  told.echoed = await echoed;
  told.catStatus = (await cat.wait()).StatusCode;
  await cat.remove();

  const sleeper = await docker.createContainer({ ...quiet, name: 'sleeper', Cmd: ['sleep', '100'] });
  await sleeper.start();
  const exec = await sleeper.exec({ Cmd: ['sh', '-c', 'echo $A; exit 7'], Env: ['A=in exec'], AttachStdout: true, AttachStderr: true });
  told.exec = await collect(await exec.start({ hijack: true }));
  told.execExit = (await exec.inspect()).ExitCode;
  const archive = await text(await sleeper.getArchive({ path: '/bin/busybox' }));
  told.archiveName = archive.slice(0, 7);
  const stats = await sleeper.stats({ stream: false });
  told.pids = stats.pids_stats.current;
  await sleeper.kill();
  told.killed = (await sleeper.wait()).StatusCode;
  await sleeper.remove({ force: true });

  ear.destroy();
  told.events = events.filter((action) => !action.startsWith('exec_'));
  console.log(JSON.stringify(told));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
