// The documented nginx configuration, in Debian's nginx, before the daemon.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { io } from 'socket.io-client';
import { WebSocket } from 'ws';

import { eventually, freePort, House } from './house.mjs';

let house;
let nginx;
let folder;
let url;

before(async () => {
  house = await House.start({ server: 'trusted_proxies = ["127.0.0.1"]' });
  folder = await mkdtemp(join(tmpdir(), 'nginx-'));
  // Its workers are somebody else.
  await chmod(folder, 0o755);
  const host = `127.0.0.1:${await freePort()}`;
  url = `http://${host}`;
  const documented = await readFile(new URL('../../../docs/nginx.conf', import.meta.url), 'utf8');
  const site = documented
    .replace('listen 443 ssl', `listen ${host}`)
    .replace(/ssl_certificate.*\n/g, '')
    .replace('127.0.0.1:8080', house.host);
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${places.join(' ')} ${site} }`,
  );
  nginx = spawn('/usr/sbin/nginx', ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  process.once('exit', () => nginx.kill());
  await eventually(async () => (await fetch(`${url}/livez`)).ok);
});

after(async () => {
  nginx.kill();
  await once(nginx, 'exit');
  await rm(folder, { recursive: true });
  await house.stop();
});

for (const [how, transports, ends] of [
  ['by polling', ['polling'], 'polling'],
  ['by WebSocket', ['websocket'], 'websocket'],
  ['by polling and then WebSocket', ['polling', 'websocket'], 'websocket'],
]) {
  test(`Socket.IO goes through ${how}`, async () => {
    const socket = io(url, { transports, auth: { token: house.token('staff') } });
    const greeting = await new Promise((resolve) => socket.on('connected', resolve));
    assert.equal(greeting.role, 'staff');
    await eventually(() => socket.io.engine.transport.name === ends);
    const { levels } = await socket.emitWithAck('subscribe:inventory', { snapshot: true });
    const { inventoryItemId, locationId } = levels.find(({ available, tracked }) => available > 5 && tracked);
    const sold = new Promise((resolve) => socket.on('inventory:updated', resolve));
    await house.sim('sell', { inventoryItemId, locationId, quantity: 1 });
    await sold;
    socket.close();
  });
}

for (const path of ['/api/ws', '/events']) {
  test(`a plain WebSocket goes through to ${path}`, async () => {
    const socket = new WebSocket(`${url}${path}`, { headers: { Authorization: `Bearer ${house.token('staff')}` } });
    const [greeting] = await once(socket, 'message');
    assert.ok(['type', 'event'].some((key) => JSON.parse(greeting)[key] === 'connected'));
    socket.close();
  });
}

test('webhooks larger than a megabyte reach the daemon', async () => {
  const headers = {
    'X-Shopify-Topic': 'products/update',
    'X-Shopify-Shop-Domain': 'pretend.myshopify.com',
    'X-Shopify-Webhook-Id': 'a-webhook',
    'X-Shopify-Hmac-Sha256': Buffer.alloc(32).toString('base64'),
  };
  const answer = await fetch(`${url}/webhooks/shopify`, { method: 'POST', headers, body: Buffer.alloc(2_000_000) });
  // The daemon looked at its signature; nginx itself would have said 413.
  assert.equal(answer.status, 401);
});
