// What happened, as sentences.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asOmni } from '../build/dashboard/src/feed.js';
import { asLogged } from '../build/dashboard/src/heard.js';
import { sentence } from '../build/dashboard/src/sentences.js';
import { LANGUAGES } from '../build/dashboard/src/words.js';

const FORMS = { number: String, money: (amount, currency) => `${amount} ${currency}` };
const LEVEL = { title: 'Blue Bag – Small', sku: 'BAG-1', locationName: 'Negril', available: 3, previousAvailable: 5, threshold: 10, tracked: true, active: true, source: 'webhook', status: 'low_stock' };
const ORDER = { orderId: '7', name: '#1007', itemCount: 2, total: '20.00', currency: 'EUR', channel: 'web', status: 'created', change: 'created', customerId: null, financialStatus: 'pending' };

const said = (kind, data, language = 'en') => sentence({ id: 'a.1', shop: 's', timestamp: '2026-01-01T00:00:00Z', kind, data }, LANGUAGES[language].words, FORMS);

test('a change of stock says what, where, from what to what, and by whom', () => {
  assert.deepEqual(said('inventory:updated', LEVEL), { text: 'Blue Bag – Small at Negril: 5 → 3', aside: 'by Shopify', tone: 'plain' });
  assert.equal(said('inventory:updated', { ...LEVEL, previousAvailable: null }).text, 'Blue Bag – Small at Negril: 3');
  assert.equal(said('inventory:updated', LEVEL, 'de').text, 'Blue Bag – Small in Negril: 5 → 3');
});

test('a change that changes nothing that can be sold is not told', () => {
  assert.equal(said('inventory:updated', { ...LEVEL, previousAvailable: 3 }), null);
  assert.equal(said('inventory:updated', { ...LEVEL, tracked: false }), null);
});

test('an item without a title is called by its SKU, and one without both is an item', () => {
  assert.match(said('inventory:out_of_stock', { ...LEVEL, title: null }).text, /^BAG-1 is out/);
  assert.equal(said('inventory:out_of_stock', { ...LEVEL, title: null, sku: null, locationName: null }).text, 'An item is out at a location');
});

test('an order is told by its name, its units and its total', () => {
  assert.deepEqual(said('order:created', ORDER), { text: 'Order #1007: 2 units for 20.00 EUR', aside: 'web', tone: 'sale' });
  assert.equal(said('order:created', { ...ORDER, itemCount: 1 }).text, 'Order #1007: 1 unit for 20.00 EUR');
  assert.equal(said('order:status_changed', { ...ORDER, status: 'cancelled' }).tone, 'bad');
});

test('what another program posted may lack everything, and is told by its source', () => {
  assert.equal(said('order:created', { source: 'erp', orderId: 'x' }).text, 'erp says: order:created');
  assert.equal(said('order:created', {}), null);
  assert.equal(said('system:notification', { title: 'Stocktaking', message: 'on Monday' }).text, 'Stocktaking');
});

test('quick runs are silent unless they fail, and comparisons say what they found', () => {
  const run = { kind: 'quick', resource: 'orders', state: 'completed', drift: 0 };
  assert.equal(said('shopify:sync_status', run), null);
  assert.equal(said('shopify:sync_status', { ...run, state: 'failed', error: 'no answer' }).aside, 'no answer');
  assert.equal(said('shopify:sync_status', { ...run, kind: 'full', drift: 2 }).text, 'Comparison of Orders is complete, 2 different');
});

test('an event of the connection is read as the log has it', () => {
  const event = { id: 'a.1', shop: 's', timestamp: 't', type: 'inventory:low_stock', data: LEVEL };
  assert.equal(asLogged('inventory:lowStock', event).kind, 'inventory:low_stock');
  assert.equal(asLogged('inventory:lowStock', { ...event, data: { ...LEVEL, status: 'out_of_stock' } }).kind, 'inventory:out_of_stock');
  assert.equal(asLogged('order:updated', { ...event, data: ORDER }).kind, 'order:created');
  assert.equal(asLogged('order:updated', { ...event, data: { ...ORDER, change: 'payment' } }).kind, 'order:updated');
  assert.equal(asLogged('shopify:webhook:received', event), null);
  assert.equal(asLogged('inventory:updated', { ...event, id: undefined }), null);
});

test('components of omni hear orders by name, and payments that the native contract tells as changes', () => {
  const heard = (data) => asOmni({ kind: 'order:updated', data }).map(([name, { name: called, orderName, amount }]) => [name, called ?? orderName, amount]);
  assert.deepEqual(heard({ ...ORDER, change: 'payment', financialStatus: 'paid' }), [
    ['order:updated', '#1007', undefined],
    ['payment:received', '#1007', 20],
  ]);
  assert.deepEqual(heard({ ...ORDER, change: 'payment', financialStatus: 'partially_refunded' }).at(-1), ['payment:refunded', '#1007', null]);
  assert.equal(heard(ORDER).length, 1);
});
