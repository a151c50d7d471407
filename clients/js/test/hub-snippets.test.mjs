// The hub's document: its clients in three frameworks and in none, and its requests.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { io } from 'socket.io-client';

import { eventually, House } from './house.mjs';
import { Browser } from './page.mjs';
import { listen, run, shell, text } from './snippet.mjs';

let house;
let customer;
let manager;

before(async () => {
  house = await House.start({

    server: 'trusted_networks = ["127.0.0.1"]',
    shop: 'id = "shop-1"\ncompany = "company-1"',
  });
  customer = house.token('customer', { sub: 'user123' });
  manager = house.token('manager', { sub: 'boss', companyId: 'company-1', shopIds: ['shop-1'] });
});

after(() => house.stop());

/** Has another program say what happened. */
async function post(event, data) {
  const headers = { Authorization: `Bearer ${house.token('service')}`, 'Content-Type': 'application/json' };
  const answer = await fetch(`${house.url}/api/v1/events`, { method: 'POST', headers, body: JSON.stringify({ event, data }) });
  assert.equal(answer.status, 201, await answer.text());
}

/** Says it again and again, because who has just come may not be in every room yet. */
async function until(is, ...posts) {
  await eventually(async () => {
    for (const [event, data] of posts) await post(event, data);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return Boolean(is());
  });
}

const SHIPPED = ['order:status_changed', { orderId: 'order-123', orderNumber: 'ORD-12345', status: 'shipped', userId: 'user123' }];
const LOW = ['inventory:low_stock', { productId: 'product-456', productName: 'A phone', quantity: 5, threshold: 10 }];

test('a customer hears of own orders and payments, and of announcements', async (context) => {
  const said = listen(context);
  const { socket } = await run('hub-customer', await text('hub/events.js', house, customer), { given: { io }, exposed: ['socket'] });
  const heard = (words) => said.find(([first]) => first === words)?.[1];
  await eventually(() => heard('Socket ID:') === socket.id);
  await until(
    () => heard('Order updated:') && heard('Payment:') && heard('New notification:') && heard('Announcement:'),
    SHIPPED,
    ['payment:received', { orderId: 'order-123', amount: 10, userId: 'user123' }],
    ['user:notification', { userId: 'user123', title: 'Hello', message: 'A word' }],
    ['system:notification', { title: 'Maintenance', message: 'Tonight at 2' }],
  );
  const { orderId, orderNumber, status, message, timestamp } = heard('Order updated:');
  assert.deepEqual([orderId, orderNumber, status, message], ['order-123', 'ORD-12345', 'shipped', 'Your order #ORD-12345 is now shipped']);
  assert.equal(typeof timestamp, 'string');
  assert.equal(heard('Announcement:').content, 'Tonight at 2');
  assert.equal(heard('Inventory changed:'), undefined);
  socket.close();
});

test('a company hears of its stock', async (context) => {
  const said = listen(context);
  const { socket } = await run('hub-company', await text('hub/events.js', house, manager), { given: { io }, exposed: ['socket'] });
  const heard = (words) => said.find(([first]) => first === words)?.[1];
  await until(() => heard('Inventory changed:') && heard('Low stock:'), LOW, [
    'inventory:updated',
    { productId: 'product-456', quantity: 0 },
  ]);
  const { productName, quantity, threshold, severity, message } = heard('Low stock:');
  assert.deepEqual([productName, quantity, threshold, severity, message], ['A phone', 5, 10, 'warning', 'A phone is running low (5 remaining)']);
  assert.equal(heard('Inventory changed:').quantity, 0);
  socket.close();
});

test('an order, a product, a shop and a company are followed as the use cases say', async () => {
  const [buyer, boss] = [customer, manager].map((token) => io(`http://${house.hub}`, { auth: { token }, forceNew: true }));
  const called = new Set();
  const given = {};
  for (const name of [
    'updateOrderStatus', 'showNotification', 'updateProductQuantity', 'showAlert', 'addToOrderList', 'incrementOrderCount',
    'addToAlertList', 'playNotificationSound', 'addToShopOrders', 'updateShopInventory',
  ]) {
    given[name] = () => called.add(name);
  }
  await run('hub-order-tracking', await text('hub/order-tracking.js'), { given: { ...given, socket: buyer } });
  for (const name of ['inventory-monitoring', 'admin-dashboard', 'shop-manager']) {
    await run(`hub-${name}`, await text(`hub/${name}.js`), { given: { socket: boss } });
  }
  await until(
    () => called.size === Object.keys(given).length,
    SHIPPED,
    LOW,
    ['order:created', { orderId: 'order-124', userId: 'user123' }],
    ['inventory:updated', { productId: 'product-456', quantity: 7 }],
  );
  buyer.close();
  boss.close();
});

test('the React hook, the Vue component and the Angular service hear the same', async () => {
  const browser = await Browser.start();
  const page = await browser.open(
    `import { createRoot } from 'react-dom/client';
     globalThis.showNotification = (words) => console.log(words);
     ${await text('hub/use-websocket.js', house)}
     function Screen() {
       const { connected } = useWebSocket('${customer}');
       return <p>{connected ? 'here' : 'away'}</p>;
     }
     createRoot(document.getElementById('root')).render(<Screen />);`,
    `http://${house.hub}`,
  );
  await page.getByText('here').waitFor();
  await until(() => page.said.includes('Your order #ORD-12345 is now shipped'), SHIPPED);
  await browser.stop();

  const { default: component } = await run('hub-component', await text('hub/component.vue.js', house), { given: { io } });
  const notified = [];
  const vue = {
    ...component.data(),
    $store: { state: { auth: { token: manager } } },
    $notify: (notice) => notified.push(notice.message),
  };
  component.mounted.call(vue);
  await until(() => vue.connected && notified.includes('A phone is running low (5 remaining)'), LOW);
  component.beforeDestroy.call(vue);

  const angular = (await text('hub/service.ts', house)).replace("import { Injectable } from '@angular/core';", '');
  const given = { Injectable: () => (service) => service };
  const { WebSocketService } = await run('hub-service', angular, { given });
  const service = new WebSocketService();
  service.connect(customer);
  const updates = [];
  service.onOrderUpdate().subscribe((update) => updates.push(update.status));
  await until(() => updates.includes('shipped'), SHIPPED);
  service.disconnect();
});

test('its requests say who is there', async () => {
  const socket = io(`http://${house.hub}`, { auth: { token: customer }, forceNew: true });
  await new Promise((resolve) => socket.on('connected', resolve));
  const answers = (await shell(await text('hub/requests.sh', house))).split(/(?<=\})(?=\{)/).map((json) => JSON.parse(json));
  const [health, connected, status] = answers;
  assert.deepEqual([health.status, health.service], ['OK', 'websocket-service']);
  assert.ok(connected.success && connected.data.users.includes('user123') && connected.data.count >= 1);
  assert.deepEqual(status, { success: true, data: { userId: 'user123', isConnected: true } });
  socket.close();
});
