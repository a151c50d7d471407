// Scans among keys.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ScanReader } from '../build/dashboard/src/scanner.js';

/** What is read of keys that come so far apart, from that moment on. */
function read(reader, keys, gap, from = 0) {
  return keys.map((key, index) => reader.press(key, from + index * gap)).filter((code) => code !== null);
}

const code = (text, end = 'Enter') => [...text, end];

test('fast letters that end with Enter or Tab are a scan', () => {
  assert.deepEqual(read(new ScanReader(), code('4006381333931'), 10), ['4006381333931']);
  assert.deepEqual(read(new ScanReader(), code('MUG-1', 'Tab'), 60), ['MUG-1']);
});

test('what a person types is none, nor what is too short or does not end', () => {
  assert.deepEqual(read(new ScanReader(), code('4006381333931'), 61), []);
  assert.deepEqual(read(new ScanReader(), code('abc'), 10), []);
  assert.deepEqual(read(new ScanReader(), [...'4006381333931'], 10), []);
});

test('letters that were typed before a scan do not belong to it', () => {
  const reader = new ScanReader();
  reader.press('x', 0);
  assert.deepEqual(read(reader, code('MUG-1'), 10, 500), ['MUG-1']);
});

test('the kind of the code, control characters and Shift are left out', () => {
  assert.deepEqual(read(new ScanReader(), code(']C1MUG\u001d-1'), 10), ['MUG-1']);
  assert.deepEqual(read(new ScanReader(), ['Shift', 'M', 'Shift', 'U', 'G', '1', 'Enter'], 10), ['MUG1']);
});

test('a trigger that bounces reads once, and the same code later again', () => {
  const reader = new ScanReader();
  assert.deepEqual(read(reader, code('MUG-1'), 10), ['MUG-1']);
  assert.deepEqual(read(reader, code('MUG-1'), 10, 200), []);
  assert.deepEqual(read(reader, code('MUG-1'), 10, 2_000), ['MUG-1']);
});
