// The native contract's document: all of its snippets, one after the other on one socket.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { io } from 'socket.io-client';

import { eventually, House } from './house.mjs';
import { listen, run, text } from './snippet.mjs';

let house;

before(async () => {
  house = await House.start();
});

after(() => house.stop());

test('a screen of the documented kind is told what it asks for, and why not', async (context) => {
  const said = listen(context);
  const socket = io(house.url, { autoConnect: false, auth: { token: house.token('admin') } });
  await run('oda-screen', await text('oda/screen.ts', house), { given: { socket } });
  socket.connect();
  const has = (words, is = () => true) => eventually(() => said.some(([first, second]) => first === words && is(second)));
  await has('Connected to WebSocket server');
  await has('Connection confirmed:', ({ userId }) => userId === 'a-admin');
  // Its ids are none of Shopify's, so they join nothing and change nothing.
  await has('Inventory update failed:', (error) => typeof error === 'string');
  await has('Reservation failed:', (error) => typeof error === 'string');
  const { levels } = await socket.emitWithAck('subscribe:inventory', { snapshot: true });
  const level = levels.find(({ available, threshold, tracked }) => tracked && available > threshold);
  const { inventoryItemId, locationId, available } = level;
  await house.sim('adjust', { inventoryItemId, locationId, name: 'available', quantity: 1 });
  await has('Inventory updated:', (data) => data.available === 1 && data.previousAvailable === available);
  await has('Low stock alert:', ({ status }) => status === 'low_stock');
  await has('Webhook received:', ({ topic }) => topic === 'inventory_levels/update');
  await house.sim('products', { action: 'create', title: 'A new scarf' });
  await has('User activity:', ({ event, title }) => event === 'product:created' && title === 'A new scarf');
  const headers = { Authorization: `Bearer ${house.token('admin')}`, 'Content-Type': 'application/json' };
  await fetch(`${house.url}/api/v1/runs`, { method: 'POST', headers, body: JSON.stringify({ resource: 'products', kind: 'quick' }) });
  await has('Sync status:', ({ resource, state }) => resource === 'products' && state === 'completed');
  await has('Product sync progress:');
  socket.close();
});

test('who brings no token is refused with a word', async (context) => {
  const said = listen(context);
  const socket = io(house.url, { autoConnect: false });
  await run('oda-stranger', await text('oda/screen.ts', house), { given: { socket } });
  socket.connect();
  await eventually(() => said.some(([first, second]) => first === 'Connection failed:' && second === 'Authentication required'));
  socket.close();
});
