// A connection that seems to stand, and on which nothing comes any more. In a file of its own, because it stops the time.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Connection } from '@stockd/client/omni';
import { WebSocket } from 'ws';

import { FakeOmni } from './fake-omni.mjs';

globalThis.WebSocket ??= WebSocket;

test('a server that falls silent is left and sought again', async (context) => {
  const server = await FakeOmni.start();
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const connection = new Connection({ url: server.url });
  connection.open();
  context.mock.timers.tick(0);
  await new Promise((resolve) => connection.watch(() => connection.state.status === 'live' && resolve()));
  context.mock.timers.tick(30_000);
  assert.equal(connection.state.status, 'live');
  context.mock.timers.tick(5_000);
  assert.equal(connection.state.status, 'waiting');
  connection.close();
  await server.stop();
});
