// Counts that pages of levels and events make together.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { earlier, sequenceOf, Tally } from '../build/dashboard/src/tally.js';

const level = (item, status, more = {}) => ({ inventoryItemId: item, locationId: '1', status, pending: 0, tracked: true, active: true, available: 1, ...more });

test('levels are counted once, however often they are told', () => {
  const tally = new Tally();
  for (const sequence of [5, 5, 6]) tally.put(level('1', 'low_stock'), sequence);
  tally.put(level('2', 'out_of_stock', { pending: -1 }), 5);
  tally.put(level('3', 'in_stock'), 5);
  assert.deepEqual(tally.counts, { low: 1, out: 1, unsettled: 1, levels: 3 });
});

test('a page that was read before an event does not undo it', () => {
  const tally = new Tally();
  tally.put(level('1', 'out_of_stock'), 9);
  tally.put(level('1', 'in_stock'), 7);
  assert.equal(tally.counts.out, 1);
  tally.put(level('1', 'in_stock', { pending: 2 }), 10);
  assert.deepEqual(tally.counts, { low: 0, out: 0, unsettled: 1, levels: 1 });
});

test('what is not tracked or not stocked is neither low nor out', () => {
  const tally = new Tally();
  tally.put(level('1', 'out_of_stock', { tracked: false }), 1);
  tally.put(level('2', 'low_stock', { active: false }), 1);
  assert.deepEqual(tally.counts, { low: 0, out: 0, unsettled: 0, levels: 2 });
});

test('an earlier offset stays in its epoch and never before its beginning', () => {
  assert.equal(sequenceOf('4770a530.17'), 17);
  assert.equal(earlier('4770a530.317', 300), '4770a530.17');
  assert.equal(earlier('4770a530.17', 300), '4770a530.0');
});
