// What becomes of a connection when the server goes, refuses, forgets or falls silent.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Connection } from '@stockd/client/omni';
import { WebSocket } from 'ws';

import { FakeOmni } from './fake-omni.mjs';

// Node 20 has none of its own.
globalThis.WebSocket ??= WebSocket;

let server;
let connection;

beforeEach(async () => {
  server = await FakeOmni.start();
  connection = undefined;
});

afterEach(async () => {
  connection?.close();
  await server.stop();
});

/** A connection as told, open, and everything it heard of orders. */
function connect({ namespaces = ['orders'], auth = { token: 'ann' }, ...options } = {}) {
  connection = new Connection({ url: server.url, reconnectDelayMs: 5, ...options });
  const heard = [];
  connection.on('order:created', ({ id }) => heard.push(id));
  connection.authenticate(auth);
  namespaces.forEach((namespace) => connection.subscribe(namespace));
  connection.open();
  return heard;
}

/** Resolves once the connection stands so. */
function stands(...statuses) {
  return new Promise((resolve) => {
    const look = () => statuses.includes(connection.state.status) && (resolve(), end());
    const end = connection.watch(look);
    look();
  });
}

/** Resolves once so many were heard. */
async function count(heard, number) {
  while (heard.length < number) await new Promise((resolve) => connection.on('order:created', resolve));
}

test('it signs in before it subscribes, and then hears events', async () => {
  const heard = connect({ auth: { userId: 'ann', role: 'admin', sessionId: 'ann' } });
  await stands('live');
  assert.deepEqual(server.heard.map(({ type }) => type), ['auth', 'subscribe']);
  server.publish('order:created', { id: '1' });
  await count(heard, 1);
  assert.deepEqual(heard, ['1']);
});

test('what happens while it is away comes afterwards, each once and in order', async () => {
  const heard = connect({ namespaces: ['orders', 'inventory'] });
  await stands('live');
  server.publish('order:created', { id: '1' });
  await count(heard, 1);
  server.cut();
  await stands('waiting', 'connecting');
  server.publish('order:created', { id: '2' });
  server.publish('inventory:updated', {});
  server.publish('order:created', { id: '3' });
  await stands('live');
  server.publish('order:created', { id: '4' });
  await count(heard, 4);
  assert.deepEqual(heard, ['1', '2', '3', '4']);
});

test('a loss in the middle of what was missed loses nothing and doubles nothing', async () => {
  for (const breaksAfter of [0, 1, 2, 3, 4]) {
    const heard = connect({ namespaces: ['orders', 'inventory'] });
    connection.on('inventory:updated', ({ id }) => heard.push(id));
    await stands('live');
    server.publish('order:created', { id: 'a' });
    await count(heard, 1);
    Object.assign(server, { breaksAfter });
    server.cut();
    await stands('waiting', 'connecting');
    for (const id of ['b', 'd']) server.publish('order:created', { id });
    for (const id of ['c', 'e']) server.publish('inventory:updated', { id });
    await stands('live');
    assert.deepEqual(heard.toSorted(), ['a', 'b', 'c', 'd', 'e'], `broken after ${breaksAfter}`);
    connection.close();
  }
});

test('what is asked for while others wait for their answers is asked at once', async () => {
  connect();
  await server.hears(({ type }) => type === 'subscribe');
  assert.equal(connection.state.status, 'connecting');
  connection.subscribe('products');
  await stands('live');
  assert.ok(server.heard.some(({ data }) => data?.namespace === 'products'));
});

test('a loss before the first event loses nothing, because the subscription says where it begins', async () => {
  server.publish('order:created', { id: 'old' });
  const heard = connect();
  await stands('live');
  server.cut();
  await stands('waiting', 'connecting');
  server.publish('order:created', { id: '1' });
  await count(heard, 1);
  assert.deepEqual(heard, ['1']);
});

test('when it cannot go on from where it was it says so', async () => {
  connect();
  await stands('live');
  const told = new Promise((resolve) => connection.on('resync', resolve));
  server.cut();
  await stands('waiting', 'connecting');
  server.publish('order:created', { id: '1' });
  server.forget();
  assert.deepEqual(await told, { reason: 'too_old' });
});

test('it gives up after the attempts it was allowed, and tries anew when told to', async () => {
  connect({ reconnectAttempts: 2 });
  await stands('live');
  await server.stop();
  await stands('given_up');
  assert.equal(connection.state.error.code, 'UNREACHABLE');
  await server.listen();
  connection.open();
  await stands('live');
  assert.equal(connection.state.error, null);
});

test('a token that is not taken is not tried again, and a fresh one goes on', async () => {
  connect({ auth: { token: 'stale' } });
  await stands('unauthorized');
  assert.equal(connection.state.error.code, 'TOKEN_INVALID');
  assert.equal(server.heard.filter(({ type }) => type === 'subscribe').length, 0);
  connection.authenticate({ token: 'ann' });
  await stands('live');
});

test('a token renewed while live is told to the server without a new connection', async () => {
  connect();
  await stands('live');
  connection.authenticate({ token: 'ann', expiresAt: 1 });
  await server.hears(({ type, data }) => type === 'auth' && data.expiresAt === 1);
  assert.equal(server.connections, 1);
});

test('another user begins anew, and hears nothing that came before', async () => {
  const heard = connect();
  await stands('live');
  server.publish('order:created', { id: '1' });
  await count(heard, 1);
  connection.authenticate({ token: 'bob' });
  await stands('connecting');
  server.publish('order:created', { id: '2' });
  await stands('live');
  server.publish('order:created', { id: '3' });
  await count(heard, 2);
  assert.deepEqual(heard, ['1', '3']);
});

test('a namespace that is refused keeps nothing from the others', async () => {
  const heard = connect({ namespaces: ['payments', 'orders'] });
  await stands('live');
  assert.deepEqual(connection.state.refused, ['payments']);
  server.publish('order:created', { id: '1' });
  await count(heard, 1);
});

test('what several listeners hold is let go with the last of them', async () => {
  connect({ namespaces: ['orders'] });
  await stands('live');
  const [first, second] = [connection.subscribe('products'), connection.subscribe('products')];
  first();
  first();
  await server.hears(({ type, data }) => type === 'subscribe' && data.namespace === 'products');
  second();
  await server.hears(({ type }) => type === 'unsubscribe');
  assert.deepEqual(server.heard.at(-1).data, { namespace: 'products' });
});

test('who lets go and asks again at once is not unsubscribed in between', async () => {
  connect();
  await stands('live');
  const end = connection.subscribe('products');
  end();
  connection.subscribe('products');
  connection.subscribe('system');
  await server.hears(({ data }) => data?.namespace === 'system');
  assert.ok(server.heard.every(({ type }) => type !== 'unsubscribe'));
});

test('opened and closed at once, it opens nothing', async () => {
  connect();
  connection.close();
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(server.connections, 0);
  assert.equal(connection.state.status, 'idle');
});

test('a listener that fails is reported and keeps nothing from the others', async (context) => {
  const report = context.mock.method(console, 'error', () => {});
  const heard = connect();
  connection.on('order:created', () => {
    throw new Error('mine');
  });
  const last = new Promise((resolve) => connection.on('order:created', resolve));
  await stands('live');
  server.publish('order:created', { id: '1' });
  await last;
  assert.deepEqual(heard, ['1']);
  assert.equal(report.mock.calls[0].arguments[0].message, 'mine');
});
