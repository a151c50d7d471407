// OMS's documents: its client and hook, its services, its test and its requests.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it, test } from 'node:test';

import { WebSocketClientService } from '@stockd/client/oms';
import { from } from 'rxjs';

import { eventually, House } from './house.mjs';
import { Browser } from './page.mjs';
import { listen, run, shell, text } from './snippet.mjs';

let house;
let trusting;

before(async () => {
  [house, trusting] = await Promise.all([House.start(), House.start({ server: 'trusted_networks = ["127.0.0.1"]' })]);
});

after(() => Promise.all([house.stop(), trusting.stop()]));

// Nest's, as far as it is used: answers are observables, and what is no success is an error.
const httpService = {
  post: (url, body, { headers }) =>
    from(
      fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { ...headers, 'Content-Type': 'application/json' } }).then(
        (answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`${answer.status}`))),
      ),
    ),
};

/** The service of a program that has a token. */
function service() {
  const config = { API_GATEWAY_URL: house.url, API_GATEWAY_TOKEN: house.token('service') };
  return new WebSocketClientService(httpService, new Map(Object.entries(config)));
}

/** What a client's listeners logged under those words. */
function heard(said, words, is = () => true) {
  return eventually(() => said.find(([first, event]) => first === words && is(event))?.[1] ?? false);
}

/** The client with such a token, once its subscriptions are answered; what it shows is kept. */
async function client(said, name, token) {
  const { client } = await run(name, await text('oms/client.js', house, token), { exposed: ['client'] });
  const [notified, warned] = [[], []];
  client.showNotification = (...words) => notified.push(words.join(': '));
  client.showWarning = (words) => warned.push(words);
  await heard(said, 'Connected to OMS WebSocket:');
  // Requests are answered in order.
  client.ping();
  await new Promise((resolve) => client.socket.once('pong', resolve));
  return { client, notified, warned };
}

test('a customer is told of an order, in the documented shapes', async (context) => {
  const said = listen(context);
  const { client: mine, notified } = await client(said, 'oms-customer', house.token('customer', { sub: '789' }));
  assert.equal((await heard(said, 'Connected to OMS WebSocket:')).userId, 789);
  const about = { orderId: '123', aliasId: 'ORDER-456', userId: 789 };
  assert.equal(await service().notifyOrderCreated({ ...about, totalAmount: 99.99, status: 'created' }), true);
  const created = await heard(said, 'Order update received:', ({ data }) => data.status === 'created');
  const { timestamp } = created;
  const data = { ...about, status: 'created', timestamp, message: 'Order created successfully' };
  assert.deepEqual(created, { type: 'order_status', data, userId: 789, timestamp });
  const notice = await heard(said, 'User notification:');
  assert.deepEqual([notice.type, notice.data.type, notice.data.data.totalAmount], ['user_specific', 'order_created', 99.99]);
  const change = { newStatus: 'shipped', previousStatus: 'confirmed', message: 'Order has been shipped' };
  await service().notifyOrderStatusUpdate({ ...about, ...change });
  await eventually(() => notified.includes('Order ORDER-456 has been shipped!'));
  mine.socket.close();
});

test('staff are told of stock that runs low', async (context) => {
  const said = listen(context);
  const { client: mine, warned } = await client(said, 'oms-staff', house.token('staff'));
  const product = { productId: 101, productName: 'A scarf', threshold: 10 };
  await service().triggerInventoryNotifications({ ...product, previousQuantity: 12, currentQuantity: 5 });
  const low = await heard(said, 'Inventory update received:', ({ data }) => data.productId === 101);
  assert.deepEqual(low.data, { productId: 101, quantity: 5, status: 'low_stock', threshold: 10, timestamp: low.timestamp });
  await eventually(() => warned.includes('Low stock alert for product 101'));
  mine.socket.close();
});

test('the hook shows what comes while its component is mounted', async () => {
  const browser = await Browser.start();
  const page = await browser.open(
    `import { createRoot } from 'react-dom/client';
     ${await text('oms/use-oms-websocket.jsx', house)}
     function Screen() {
       const { connected, notifications, subscribeToOrders } = useOMSWebSocket('${house.token('customer', { sub: '790' })}');
       useEffect(() => { if (connected) subscribeToOrders(); }, [connected]);
       return <p>{connected ? 'connected' : 'not connected'}: {notifications.map(({ type }) => type).join()}</p>;
     }
     createRoot(document.getElementById('root')).render(<Screen />);`,
    house.url,
  );
  await page.getByText('connected:', { exact: false }).waitFor();
  const order = { orderId: '124', aliasId: 'ORDER-457', userId: 790, totalAmount: 5, status: 'created' };
  await eventually(async () => {
    await service().notifyOrderCreated(order);
    return page.getByText('order', { exact: false }).isVisible();
  });
  await page.getByText('notification', { exact: false }).waitFor();
  await browser.stop();
});

test('services tell what they do, and what they do goes on', async () => {
  const posted = [];
  const webSocketClient = { notifyOrderCreated: track('created'), notifyOrderStatusUpdate: track('status'), triggerInventoryNotifications: track('stock') };
  const real = service();
  function track(what) {
    return async (body) => {
      const names = { created: 'notifyOrderCreated', status: 'notifyOrderStatusUpdate', stock: 'triggerInventoryNotifications' };
      posted.push([what, await real[names[what]](body)]);
    };
  }
  const given = { Injectable: () => (service) => service };
  const { OrderService } = await run('oms-order-service', await text('oms/order-service.ts'), { given });
  const { InventoryService } = await run('oms-inventory-service', await text('oms/inventory-service.ts'), { given });
  const orders = new OrderService(webSocketClient);
  const order = { id: '125', aliasId: 'ORDER-458', userId: 1, totalAmount: 10, status: 'created' };
  orders.orderRepository = { save: async (saved) => saved, findOne: async () => ({ ...order }) };
  assert.deepEqual(await orders.createOrder(order), order);
  assert.equal((await orders.updateOrderStatus('125', 'shipped')).status, 'shipped');
  const inventory = new InventoryService(webSocketClient);
  const stock = { productId: 102, quantity: 11, lowStockThreshold: 10, product: { name: 'A hat' } };
  inventory.inventoryRepository = { save: async (saved) => saved, findOne: async () => stock };
  assert.equal((await inventory.updateInventory(102, 0)).quantity, 0);
  assert.deepEqual(posted, [['created', true], ['status', true], ['stock', true]]);
});

test('requests of its guide are answered as it says', async () => {
  const [service, admin] = [house.token('service'), house.token('admin')];
  const json = async (name, token) => JSON.parse(await shell(await text(name, house, token)));
  const health = await json('oms/health.sh');
  assert.equal(health.status, 'OK');
  for (const key of ['connectedClients', 'authenticatedUsers']) assert.equal(typeof health.stats[key], 'number');
  for (const [name, token] of [['order-created', service], ['inventory-alert', service], ['broadcast', admin]]) {
    const answer = await json(`oms/${name}.sh`, token);
    assert.equal(answer.success, true, name);
    assert.equal(typeof answer.id, 'string', name);
  }
  const preflight = (await text('oms/preflight.sh', house)).replace('curl', 'curl -si');
  assert.match(await shell(preflight), /access-control-allow-origin: http:\/\/localhost:3001/i);
});

test('who has no token is heard from trusted networks only', async () => {
  const request = async (where) => JSON.parse(await shell(await text('oms/without-token.sh', where)));
  assert.equal((await request(trusting)).success, true);
  assert.notEqual((await request(house)).success, true);
});

// Its test takes Jest's names for granted, and services without a token.
describe('its test', async () => {
  const expect = (value) => ({ toBe: (other) => assert.equal(value, other) });
  before(() => {
    Object.assign(globalThis, { httpService, configService: new Map([['API_GATEWAY_URL', trusting.url]]) });
  });
  await run('oms-notifies', await text('oms/notifies.test.js'), { given: { beforeEach, describe, expect, it, WebSocketClientService } });
});
