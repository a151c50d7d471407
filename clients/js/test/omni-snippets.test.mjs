// Omni Sales' document: its connection test, its server's line, its list and its dashboard.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Connection } from '@stockd/client/omni';
import { WebSocket } from 'ws';

import { eventually, House } from './house.mjs';
import { Browser } from './page.mjs';
import { listen, run, text } from './snippet.mjs';

globalThis.WebSocket ??= WebSocket;

let house;
let browser;

before(async () => {
  [house, browser] = await Promise.all([House.start(), Browser.start()]);
});

after(async () => {
  await browser.stop();
  await house.stop();
});

/** Somebody buys one of something. */
async function sell() {
  const { levels } = await house.sim('truth');
  const { inventoryItemId, locationId } = levels.find(({ available }) => available > 5);
  return house.sim('sell', { inventoryItemId, locationId, quantity: 1 });
}

test('the connection test receives what it subscribes to', async (context) => {
  const said = listen(context);
  // Where it puts any session id, the token stands.
  const snippet = (await text('omni/connection.js', house)).replace("'abc'", `'${house.token('manager')}'`);
  const { ws } = await run('omni-connection', snippet, { exposed: ['ws'] });
  const received = (type) => eventually(() => said.find(([words, message]) => words === 'Received:' && message.type === type)?.[1] ?? false);
  assert.equal((await received('authenticated')).data.role, 'manager');
  assert.equal((await received('subscribed')).data.namespace, 'orders');
  await sell();
  const { data } = await received('order:created');
  assert.deepEqual(Object.keys(data).sort(), ['channel', 'customerId', 'customerName', 'id', 'status', 'total']);
  ws.close();
});

test('a list of orders says that it is live and takes new ones, also those of a time when the daemon was gone', async () => {
  const page = await browser.open(
    `import { useEffect } from 'react';
     import { createRoot } from 'react-dom/client';
     const [userId, role, sessionId, expiresAt] = ['ann', 'manager', '${house.token('manager')}', Date.now() + 3_600_000];
     ${await text('omni/order-list.tsx', house)}
     createRoot(document.getElementById('root')).render(<OrderList />);`,
    house.url,
  );
  await page.getByText('Live').waitFor();
  const orders = () => page.said.filter((line) => line.startsWith('New order:')).length;
  await sell();
  await eventually(() => orders() === 1);
  await house.close();
  await page.getByText('Offline').waitFor();
  await sell();
  await house.open();
  await page.getByText('Live').waitFor();
  await eventually(() => orders() === 2);
  await page.close();
});

test('a dashboard shows customers, sales and an order as they change', async () => {
  const { orders } = await house.sim('truth');
  const page = await browser.open(
    `import { createRoot } from 'react-dom/client';
     import { WebSocketProvider } from '@stockd/client/react';
     ${(await text('omni/dashboard.tsx', house)).replace('orderId="123"', `orderId="${orders.at(-1).id}"`)}
     createRoot(document.getElementById('root')).render(
       <WebSocketProvider auth={{ token: '${house.token('manager')}' }}><Dashboard /></WebSocketProvider>);`,
    house.url,
  );
  await eventually(async () => (await page.getByText('Live', { exact: false }).count()) === 3);
  await page.getByText('Pending').waitFor();
  await house.sim('orders', { action: 'cancel', id: orders.at(-1).id });
  await page.getByText('Cancelled').waitFor();
  await sell();
  await page.getByRole('listitem').filter({ hasText: 'Order' }).waitFor();
  const customer = new WebSocket(`${house.url.replace('http', 'ws')}/api/ws`, {
    headers: { Authorization: `Bearer ${house.token('customer', { sub: 'cy', customerId: '902' })}` },
  });
  await page.getByText('Customer 902 came').waitFor();
  customer.close();
  await page.getByText('Customer 902 left').waitFor();
  await page.close();
});

test('what a route tells is heard', async () => {
  Object.assign(process.env, { STOCKD_URL: house.url, STOCKD_TOKEN: house.token('service') });
  const connection = new Connection({ url: house.url });
  connection.authenticate({ token: house.token('manager') });
  connection.subscribe('orders');
  const heard = [];
  connection.on('order:created', (order) => heard.push(order));
  connection.open();
  await eventually(() => connection.state.status === 'live');
  const order = { id: '77', customerId: '5', customerName: 'Ann', total: 12.5, status: 'pending', channel: 'web' };
  const { POST } = await run('omni-route', await text('omni/route.ts'), { given: { createOrder: async () => order, data: {} } });
  assert.deepEqual(await (await POST(new Request('http://127.0.0.1/'))).json(), order);
  // Names are not passed on.
  await eventually(() => assert.deepEqual(heard, [{ ...order, customerName: null }]));
  connection.close();
});
