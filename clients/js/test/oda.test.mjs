// The native contract by its typed client: levels, commands, and what is missed while the daemon is gone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { connect } from '@stockd/client/oda';

import { House } from './house.mjs';

let house;

before(async () => {
  house = await House.start();
});

after(() => house.stop());

/** The next event of that name that is so. */
function next(socket, name, is = () => true) {
  return new Promise((resolve) => {
    const listener = (event) => is(event) && (socket.off(name, listener), resolve(event));
    socket.on(name, listener);
  });
}

test('levels come with the answer, and what changes them comes after', async () => {
  const socket = connect(house.url, { token: () => house.token('admin') });
  const { levels } = await socket.emitWithAck('subscribe:inventory', { snapshot: true });
  const level = levels.find(({ available, tracked }) => available > 1 && tracked);
  const { inventoryItemId, locationId, available } = level;
  const sold = next(socket, 'inventory:updated', ({ data }) => data.inventoryItemId === inventoryItemId);
  await house.sim('sell', { inventoryItemId, locationId, quantity: 1 });
  const { data, type } = await sold;
  assert.equal(type, 'inventory:updated');
  assert.deepEqual([data.available, data.previousAvailable], [available - 1, available]);
  socket.close();
});

test('a hold that is too large is refused in words', async () => {
  const socket = connect(house.url, { token: house.token('staff') });
  const { levels } = await socket.emitWithAck('subscribe:inventory', { snapshot: true });
  const { inventoryItemId, locationId } = levels.find(({ tracked, active }) => tracked && active);
  const request = { inventoryItemId, locationId, quantity: 1_000_000, reason: 'a test' };
  const failure = next(socket, 'inventory:reservationError');
  const answer = await socket.emitWithAck('inventory:reserve', request);
  assert.equal(answer.ok, false);
  assert.equal(answer.error.code, 'INSUFFICIENT_STOCK');
  assert.equal((await failure).code, 'INSUFFICIENT_STOCK');
  socket.close();
});

test('what happens while the daemon is gone comes once it is back', async () => {
  const socket = connect(house.url, { token: house.token('admin') });
  socket.io.reconnectionDelay(50);
  const { levels } = await socket.emitWithAck('subscribe:inventory', { snapshot: true });
  const { inventoryItemId, locationId } = levels.find(({ available, tracked }) => available > 3 && tracked);
  await house.close();
  const seen = next(socket, 'inventory:updated', ({ data }) => data.inventoryItemId === inventoryItemId);
  await house.sim('sell', { inventoryItemId, locationId, quantity: 1 });
  await house.open();
  await seen;
  assert.equal(socket.recovered, true);
  socket.close();
});
