// SPDX-License-Identifier: Apache-2.0
// A container's input and output over a websocket: prints what came of it, as JSON. The argument is a container that was not started.
'use strict';

const Docker = require('dockerode');
const WebSocket = require('ws');

const socket = process.env.DOCKER_HOST.replace('unix://', '');
const container = new Docker({ socketPath: socket }).getContainer(process.argv[2]);
const client = new WebSocket(`ws+unix://${socket}:/containers/${container.id}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1`);
const told = { binary: true, output: '' };

client.on('open', async () => {
  await container.start();
  client.send('typed\n'); // text
  client.send(Buffer.alloc(300000, 'x')); // binary
  client.ping('there?');
});
client.on('pong', (data) => { told.pong = data.toString(); });
client.on('message', async (data, isBinary) => {
  told.binary = told.binary && isBinary;
  told.output += data.toString();
  if (told.output.length === 300008) await container.kill();
});
client.on('close', async (code) => {
  told.code = code;
  told.exit = (await container.wait()).StatusCode;
  console.log(JSON.stringify(told));
});
