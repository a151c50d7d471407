// Numbers as people type them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { typedQuantity } from '../build/dashboard/src/numbers.js';

test('a plain number sets, and a signed one adjusts', () => {
  assert.deepEqual(typedQuantity('12'), { kind: 'set', to: 12 });
  assert.deepEqual(typedQuantity('0'), { kind: 'set', to: 0 });
  assert.deepEqual(typedQuantity('+5'), { kind: 'adjust', by: 5 });
  assert.deepEqual(typedQuantity('-3'), { kind: 'adjust', by: -3 });
  assert.deepEqual(typedQuantity('-0'), { kind: 'adjust', by: 0 });
});

test('other minus signs, digits and spaces are those that people mean', () => {
  assert.deepEqual(typedQuantity(' \u22127 '), { kind: 'adjust', by: -7 });
  assert.deepEqual(typedQuantity('1\u00a0000'), { kind: 'set', to: 1000 });
  assert.deepEqual(typedQuantity('\uff11\uff12'), { kind: 'set', to: 12 });
});

test('what may mean two things, or nothing, is refused', () => {
  for (const text of ['', ' ', '+', '-', '1.000', '1,5', '1e3', '0x10', '5-', '--5', 'twelve', '1000000001', '9'.repeat(40)]) {
    assert.equal(typedQuantity(text), null, text);
  }
});
