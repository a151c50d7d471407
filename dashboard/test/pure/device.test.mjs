// What a browser says of itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { device } from '../build/dashboard/src/device.js';

test('browsers are named as people name them', () => {
  const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36';
  assert.equal(device(chrome), 'Chrome, Linux');
  assert.equal(device(`${chrome.replace('X11; Linux x86_64', 'Windows NT 10.0; Win64; x64')} Edg/156.0.0.0`), 'Edge, Windows');
  assert.equal(
    device('Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1'),
    'Safari, iPhone',
  );
  assert.equal(device('Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0'), 'Firefox, macOS');
  assert.equal(device('curl/8.14.1'), 'curl/8.14.1');
});
