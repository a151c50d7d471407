// Addresses and the views that they name.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { addressOf, isOurs, placeOf } from '../build/dashboard/src/router.js';

test('an address names a view, and the view makes the same address again', () => {
  const address = '/people?role=admin&shop=a.myshopify.com';
  const place = placeOf(new URL(address, 'http://127.0.0.1'));
  assert.deepEqual(place, { path: '/people', query: { role: 'admin', shop: 'a.myshopify.com' } });
  assert.equal(addressOf(place), address);
});

test('equal views have equal addresses', () => {
  assert.equal(addressOf({ path: '/', query: { b: '2', a: '1' } }), addressOf({ path: '/', query: { a: '1', b: '2', c: '' } }));
  assert.deepEqual(placeOf(new URL('http://127.0.0.1/people/')), placeOf(new URL('http://127.0.0.1/people')));
});

test('what is odd in a filter survives the way through the address', () => {
  const query = { q: 'A&B=C? #1 / äöü “x”' };
  assert.deepEqual(placeOf(new URL(addressOf({ path: '/', query }), 'http://127.0.0.1')).query, query);
});

test('only what the daemon answers with the page is a view of ours', () => {
  assert.ok(isOurs('/') && isOurs('/people'));
  assert.ok(!isOurs('/api/v1/levels') && !isOurs('/metrics'));
});
