// How exact the copy is, from its runs; and what is said first.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { exactness, verdict } from '../build/dashboard/src/exact.js';

const run = (day, more = {}) => ({
  runId: day, resource: 'products', kind: 'full', state: 'completed', processed: 8, total: 8, changed: 0, deleted: 0, drift: 0,
  startedAt: `2026-01-${day}T00:00:00Z`, finishedAt: `2026-01-${day}T00:10:00Z`, ...more,
});
const resource = (more = {}) => ({ resource: 'products', completeUntil: null, lastRun: null, lastFullRun: null, ...more });
const status = (more = {}) => ({ shop: 'a.myshopify.com', resources: [], waiting: { webhooks: 0, unreadable: 0, commands: 0, refreshes: 0 }, problems: [], ...more });

test('the copy is exact since the first of the comparisons that found nothing', () => {
  const runs = [run('09'), run('08', { kind: 'quick', drift: 3 }), run('07'), run('06', { drift: 2 }), run('05')];
  assert.equal(exactness(resource(), runs).exactSince, '2026-01-07T00:00:00Z');
});

test('a comparison that found something proves nothing before it', () => {
  const { exactSince, compared } = exactness(resource(), [run('09', { drift: 4 }), run('08')]);
  assert.equal(exactSince, null);
  assert.equal(compared.drift, 4);
});

test('a dry run, a run of another resource and one that failed are no comparisons', () => {
  const runs = [run('09', { dryRun: true }), run('08', { resource: 'orders' }), run('07', { state: 'failed' })];
  assert.equal(exactness(resource(), runs).compared, null);
  assert.equal(exactness(resource({ lastFullRun: run('01') }), runs).compared.runId, '01');
});

test('a run under way has a progress once its end is known', () => {
  const going = (more) => exactness(resource({ lastRun: run('09', { state: 'running', ...more }) }), []).progress;
  assert.equal(going({ processed: 2, total: 8 }), 0.25);
  assert.equal(going({ processed: 2, total: null }), null);
  assert.equal(going({ processed: 0, total: 0 }), null);
});

test('a problem is said before a failed run, and that before all is well', () => {
  const good = exactness(resource(), [run('09')]);
  const failed = exactness(resource({ lastRun: run('10', { state: 'failed', error: 'no answer' }) }), [run('09')]);
  const problem = { kind: 'no_access', message: 'set a new token', since: null };
  assert.equal(verdict(status({ problems: [problem, problem] }), [failed]).more, 1);
  assert.equal(verdict(status(), [good, failed]).kind, 'failed');
  assert.equal(verdict(status(), [exactness(resource(), [])]).kind, 'importing');
  assert.equal(verdict(status({ waiting: { webhooks: 5_000 } }), [good]).kind, 'waiting');
  assert.deepEqual(verdict(status(), [good, exactness(resource(), [run('12')])]), { kind: 'well', exactSince: '2026-01-12T00:00:00Z', differences: 0 });
});
