// The three components in a real browser: what people and screen readers get, and when.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { FakeOmni } from './fake-omni.mjs';
import { eventually } from './house.mjs';
import { Browser } from './page.mjs';

let browser;
let server;
let page;

before(async () => {
  browser = await Browser.start();
});

beforeEach(async () => {
  server = await FakeOmni.start();
});

afterEach(async () => {
  assert.deepEqual(page.said.filter((line) => line.startsWith('failed') || line.startsWith('Warning')), []);
  await page.close();
  await server.stop();
});

after(() => browser.stop());

/** A page with that inside the provider, signed in and live; `more` are components of its own. */
async function show(jsx, namespaces, more = '') {
  page = await browser.open(`
    import { StrictMode, useState } from 'react';
    import { createRoot } from 'react-dom/client';
    import { ConnectionProvider, ENGLISH, LiveCustomerCount, LiveSalesTicker, OrderStatusBadge, useWebSocket, WebSocketProvider, WordingProvider } from '@stockd/client/react';
    import css from '@stockd/client/react.css';
    document.head.append(Object.assign(document.createElement('style'), { textContent: css }));
    ${more}
    createRoot(document.getElementById('root')).render(
      <StrictMode>
        <WebSocketProvider url="${server.url}" auth={{ token: 'ann' }} reconnectDelayMs={50}>${jsx}</WebSocketProvider>
      </StrictMode>,
    );`);
  await page.getByText('Live').first().waitFor();
  for (const namespace of namespaces) await server.hears(({ data }) => data?.namespace === namespace);
}

/** What a screen reader finds. */
async function reads(...lines) {
  await eventually(async () => assert.equal(await page.locator('#root').ariaSnapshot(), lines.join('\n')));
}

test('an order shows where it stands, and says so as it changes', async () => {
  await show('<OrderStatusBadge orderId="123" initialStatus="pending" />', ['orders']);
  await reads('- status: Pending', '- text: Live');
  server.publish('order:status_changed', { id: '7', status: 'shipped' });
  server.publish('order:status_changed', { id: '123', status: 'confirmed' });
  await reads('- status: Confirmed', '- text: Live');
  assert.equal(await page.getByRole('status').getAttribute('aria-live'), 'polite');
});

test('what is not live says so in words, and catches up by itself', async () => {
  await show('<OrderStatusBadge orderId={123} initialStatus="pending" />', ['orders']);
  await server.stop();
  await reads('- status: Pending', '- text: Offline');
  server.publish('order:status_changed', { id: '123', status: 'shipped' });
  await server.listen();
  await reads('- status: Shipped', '- text: Live');
});

test('a hundred badges share one connection', async () => {
  const badges = '{Array.from({ length: 100 }, (_, id) => <OrderStatusBadge key={id} orderId={id} initialStatus="pending" />)}';
  await show(badges, ['orders']);
  assert.equal(server.connections, 1);
  assert.equal(server.heard.filter(({ type }) => type === 'subscribe').length, 1);
});

test('a hook with a token of its own has its own connection, to the same place, and takes a fresh one', async () => {
  const more = `function Own() {
    const [token, renew] = useState('stale');
    const { status } = useWebSocket({ namespaces: ['products'], auth: { token } });
    return <button onClick={() => renew('bob')}>{status}</button>;
  }`;
  await show('<OrderStatusBadge orderId="1" initialStatus="pending" /><Own />', ['orders'], more);
  await page.getByText('unauthorized').click();
  await server.hears(({ data }) => data?.namespace === 'products');
  await page.getByText('live', { exact: true }).waitFor();
  assert.equal(server.connections, 2);
});

test('customers are counted as they come and go, and what they do is listed', async () => {
  await show('<LiveCustomerCount showDetails />', ['customers']);
  server.publish('customer:online', { customerId: '1' });
  server.publish('customer:online', { customerId: '2' });
  server.publish('customer:online', { customerId: '2' });
  server.publish('customer:viewing_product', { customerId: '2', productId: '9' });
  server.publish('customer:offline', { customerId: '1' });
  await reads(
    '- region "Customers online":',
    '  - paragraph:',
    '    - status:',
    '      - strong: "1"',
    '      - text: customer online',
    '    - text: Live',
    '  - list "What customers did last":',
    '    - listitem: Customer 1 left',
    '    - listitem: Customer 2 looks at product 9',
    '    - listitem: Customer 2 came',
    '    - listitem: Customer 2 came',
    '    - listitem: Customer 1 came',
  );
});

test('sales run by, the newest first, and what was sold today is summed', async () => {
  await show('<LiveSalesTicker maxItems={2} initialRevenue={100} currency="EUR" />', ['orders', 'payments']);
  server.publish('order:created', { id: '1', total: 20, status: 'created', channel: 'web' });
  server.publish('order:created', { id: '2', total: 0.5, status: 'created', channel: null });
  await page.getByText('€120.50').waitFor();
  await reads(
    '- region "Sales":',
    '  - paragraph:',
    '    - text: "Sold today:"',
    '    - strong: €120.50',
    '    - text: Live',
    '  - log "Latest sales":',
    '    - list:',
    '      - listitem: "Order 2: €0.50"',
    '      - listitem: "Order 1: €20.00, web"',
  );
});

test('what changes moves only for those who do not mind', async () => {
  await show('<OrderStatusBadge orderId="1" initialStatus="pending" />', ['orders']);
  const moving = () => page.evaluate(() => document.getAnimations().length);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  server.publish('order:updated', { id: '1', status: 'shipped' });
  await page.getByText('Shipped').waitFor();
  assert.equal(await moving(), 0);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  server.publish('order:updated', { id: '1', status: 'delivered' });
  await page.getByText('Delivered').waitFor();
  assert.equal(await moving(), 1);
});

test('a page may feed the components from its own connection, in its own words, and announce by itself', async () => {
  const more = `const listeners = {};
    const own = {
      state: { status: 'live', error: null, refused: [] },
      on: (event, listener) => { listeners[event] = listener; return () => {}; },
      subscribe: () => () => {}, watch: () => () => {}, open() {}, close() {}, authenticate() {},
    };
    globalThis.hear = (event, data) => listeners[event](data, { timestamp: new Date().toISOString() });
    const words = { ...ENGLISH, locale: 'de', soldToday: 'Verkauft:', live: 'Da' };`;
  const ticker = `<WordingProvider words={words} announces={false}><LiveSalesTicker currency="EUR" /></WordingProvider>`;
  await show(`<><OrderStatusBadge orderId="1" initialStatus="pending" /><ConnectionProvider connection={own}>${ticker}</ConnectionProvider></>`, ['orders'], more);
  await page.evaluate(() => hear('order:created', { id: '7', name: '#1007', total: 5, status: 'created', channel: null }));
  await page.getByText('Order #1007: 5,00').waitFor();
  await page.getByText('Verkauft: 5,00').waitFor();
  await page.locator('.stockd-sales .stockd-live', { hasText: 'Da' }).waitFor();
  assert.equal(await page.getByRole('log').getAttribute('aria-live'), 'off');
  assert.equal(server.connections, 1, 'the ticker opened none');
});
