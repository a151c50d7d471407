// What screen readers are told, and how often.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { announce, announced } from '../build/dashboard/src/announce.js';

test('at most one sentence in five seconds is said, the urgent one before the latest', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  announce('A is out');
  assert.equal(announced.value, 'A is out', 'the first at once');
  announce('B is out');
  announce('The connection is lost', true);
  announce('C is out');
  mock.timers.tick(4_999);
  assert.equal(announced.value, 'A is out');
  mock.timers.tick(1);
  assert.equal(announced.value, 'The connection is lost');
  mock.timers.tick(5_000);
  announce('D is out');
  assert.equal(announced.value, 'D is out', 'after a pause without a word at once again');
  mock.timers.reset();
});
