// The page in a browser, on the pretend store.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { complaints, eventually, House, scrollsSideways } from './house.mjs';

let house;
let page;

before(async () => {
  house = await House.start();
});

afterEach(async () => {
  await page?.context().close();
  page = undefined;
});

after(() => house.stop());

const connection = () => page.locator('.connection');
const live = () => page.locator('.connection[data-state=live]').waitFor();
/** An open, signed in page whose figures are here. */
async function open(options) {
  page = await house.page(options);
  await live();
  await page.getByRole('heading', { name: 'All is well' }).waitFor();
}

test('the link opens the page, signed in, and the token stays neither in the address nor in the browser', async () => {
  await open();
  assert.equal(new URL(page.url()).hash, '');
  assert.equal(await page.evaluate(() => JSON.stringify([...Object.values(localStorage), ...Object.values(sessionStorage), document.cookie]).includes('eyJ')), false);
  const { data } = await house.ask('levels?limit=1000');
  const counted = data.filter(({ tracked, active }) => tracked && active);
  for (const [name, status] of [['Low', 'low_stock'], ['Out', 'out_of_stock']]) {
    const expected = counted.filter((level) => level.status === status).length;
    await eventually(async () => assert.equal(await page.locator('.figure', { hasText: name }).locator('.figure-value').textContent(), String(expected)));
  }
  assert.deepEqual(page.failures, []);
});

test('a sale appears within a second, in the stream, in the ticker and among the orders', async () => {
  await open();
  const { title, locationName, available, order } = await house.sell(3);
  const began = Date.now();
  await page.getByText(`${title} at ${locationName}: ${available} → ${available - 3}`).waitFor();
  const took = Date.now() - began;
  assert.ok(took < 1_000, `it took ${took} ms`);
  await page.locator('.stream .tone-sale', { hasText: order.name }).waitFor();
  await page.getByRole('log').getByText(`Order ${order.name}`).waitFor();
  await page.locator('.orders').getByText(order.name).waitFor();
});

test('a badge follows its order', async () => {
  await open();
  const { order } = await house.sell();
  const row = page.locator('.orders li', { hasText: order.name });
  await row.getByText('Created').waitFor();
  await house.sim('orders', { action: 'cancel', id: order.id });
  await row.getByText('Cancelled').waitFor();
});

test('axe finds nothing on any view, in light and in dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    await open({ context: { colorScheme, reducedMotion: 'reduce' } });
    assert.deepEqual(await complaints(page), [], `overview, ${colorScheme}`);
    await page.getByRole('button', { name: 'Help' }).click();
    assert.deepEqual(await complaints(page), [], `help, ${colorScheme}`);
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Account' }).click();
    await page.getByRole('heading', { name: 'Account' }).waitFor();
    assert.deepEqual(await complaints(page), [], `account, ${colorScheme}`);
    await page.context().close();
    page = await house.page({ role: null, context: { colorScheme } });
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await complaints(page), [], `sign in, ${colorScheme}`);
    await page.context().close();
  }
});

test('everything is reached by keyboard only', async () => {
  await open();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the content');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Help' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await focused(), 'Skip to the content', 'a window gives the focus back');

  const { data } = await house.ask('levels?limit=1');
  await page.keyboard.press('/');
  await eventually(async () => assert.equal(await focused(), 'Find a SKU'));
  await page.keyboard.type(data[0].sku);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText(data[0].locationName).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');

  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.getByRole('heading', { name: 'Account' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/account');

  // By Tab to the language, and by arrows to German.
  for (let steps = 0; (await page.evaluate(() => document.activeElement.tagName)) !== 'SELECT'; steps += 1) {
    assert.ok(steps < 30, 'the language is reached');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('End');
  await page.getByRole('heading', { name: 'Konto' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
});

test('a scan opens the item on any view, whatever letters it has; none says the code', async () => {
  await open();
  await page.getByRole('link', { name: 'Account' }).click();
  const { data } = await house.ask('levels?limit=1');
  // In the page at once, as a scanner types: the browser is asked for each key of Playwright's, which may take longer.
  const scan = (code) =>
    page.evaluate((keys) => {
      for (const key of keys) document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    }, [...code, 'Enter']);
  await scan(data[0].sku);
  await page.getByRole('dialog', { name: `Stock of ${data[0].sku}` }).getByText(data[0].locationName).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await scan('g/a-4711?');
  await page.getByText('No item has the SKU g/a-4711?.').waitFor();
  assert.equal(new URL(page.url()).pathname, '/account');
  assert.equal(await page.getByRole('dialog').count(), 1, 'the letters did nothing else');
});

test('single keys can be switched off, and then do nothing', async () => {
  await open();
  await page.keyboard.press('?');
  await page.getByRole('checkbox', { name: 'Use single letters as keys' }).uncheck();
  await page.keyboard.press('Escape');
  // While it is open no key does anything, and the box in it has the focus.
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.keyboard.press('/');
  assert.notEqual(await page.evaluate(() => document.activeElement.type), 'search');
});

test('longer words from right to left break nothing', async () => {
  for (const viewport of [{ width: 1280, height: 900 }, { width: 390, height: 844 }]) {
    page = await house.page({ path: '/?language=pseudo', context: { viewport } });
    await live();
    await page.getByRole('heading', { name: '⟦All is well' }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl');
    assert.equal(await scrollsSideways(page), false);
    // Whatever is read is either ours, and marked, or a figure or name of the shop.
    const unmarked = await page.locator('h2, th, dt, nav a, button:not(.icon), footer').evaluateAll((all) => all.map((one) => one.textContent.trim()).filter((text) => text && !text.includes('⟦') && text !== 'stockd'));
    assert.deepEqual(unmarked, []);
    assert.deepEqual(await complaints(page), []);
    await page.context().close();
  }
});

test('at 320 pixels, and at 200 % on a small screen, nothing scrolls sideways', async () => {
  for (const [width, height] of [[320, 640], [640, 400]]) {
    await open({ context: { viewport: { width, height } } });
    for (const path of ['/', '/account']) {
      await page.locator(`nav a[href="${path}"]`).click();
      assert.equal(await scrollsSideways(page), false, `${path} at ${width}`);
    }
    const small = await page.locator('a:visible, button:visible, input:visible, select:visible').evaluateAll((all) =>
      all.map((one) => [one.textContent, one.getBoundingClientRect()]).filter(([, { width, height }]) => width > 0 && (width < 24 || height < 24)).map(([text]) => text),
    );
    assert.deepEqual(small.filter((text) => text !== 'Skip to the content'), [], 'targets of at least 24 pixels');
    await page.context().close();
  }
});

test('a lost network is said within two seconds, and what was missed is there afterwards', async () => {
  await open();
  const began = Date.now();
  await page.context().setOffline(true);
  await page.locator('.connection[data-state=offline]').waitFor();
  assert.ok(Date.now() - began < 2_000);
  assert.match(await connection().textContent(), /Offline since \d\d:\d\d/);
  const { title, locationName, available } = await house.sell(2);
  await page.context().setOffline(false);
  await page.getByText(`${title} at ${locationName}: ${available} → ${available - 2}`).waitFor();
  await live();
});

test('under the hand nothing moves: newer changes wait until they are asked for', async () => {
  await open();
  await house.sell();
  const lines = page.locator('.stream .lines');
  await lines.locator('li').first().waitFor();
  await lines.hover();
  const first = await lines.locator('li').first().textContent();
  await house.sell(4);
  const more = page.getByRole('button', { name: /newer change/ });
  await more.waitFor();
  assert.equal(await lines.locator('li').first().textContent(), first);
  await more.click();
  await eventually(async () => assert.notEqual(await lines.locator('li').first().textContent(), first));
});

test('customers, guests and services see a login and nothing else', async () => {
  for (const role of ['customer', 'guest', 'service']) {
    page = await house.page({ role });
    await page.getByText('This page is for staff').waitFor();
    assert.equal(await page.getByRole('navigation').count(), 0);
    await page.context().close();
  }
});

test('staff see no people, and nothing of who is online', async () => {
  await open({ role: 'staff', path: '/people' }).catch(() => null);
  await page.getByText('There is no page at this address.').waitFor();
  assert.equal(await page.getByRole('link', { name: 'People' }).count(), 0);
});

test('a token that is not taken leads to the login, which says why', async () => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forged = `${part({ alg: 'HS256' })}.${part({ sub: 'eve', role: 'admin', exp: 4_000_000_000 })}.AAAA`;
  page = await house.page({ fragment: `#token=${forged}` });
  await page.getByText('Your sign-in ended').waitFor();
  await page.context().close();
  page = await house.page({ fragment: '#token=nonsense' });
  await page.getByText('The link holds no token').waitFor();
});

test('who is no longer let in is signed out, and sees nothing any more', async () => {
  await open({ role: 'manager' });
  await fetch(`${house.url}/api/v1/revocations`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${house.tokens.admin}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId: 'demo-manager' }),
  });
  await page.getByText('Your sign-in ended').waitFor();
  assert.equal(await page.locator('.page').count(), 0);
});

test('nothing is fetched from another host, and the page may not be framed', async () => {
  await open();
  assert.deepEqual([...page.hosts], [new URL(house.url).host]);
  const answer = await fetch(house.url, { headers: { Accept: 'text/html' } });
  const policy = answer.headers.get('Content-Security-Policy');
  for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) assert.ok(policy.includes(rule), rule);
  assert.equal(answer.headers.get('Referrer-Policy'), 'no-referrer');
  assert.equal(answer.headers.get('X-Content-Type-Options'), 'nosniff');
});

test('what is wrong is said first, with its remedy and since when', async () => {
  await house.sim('app', { action: 'revokeTokens', fixed: true });
  await fetch(`${house.url}/api/v1/runs`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${house.tokens.admin}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ resource: 'products', kind: 'quick' }),
  });
  page = await house.page();
  await page.getByRole('heading', { name: 'Shopify refuses access' }).waitFor();
  await page.locator('.judgement').getByText('since').waitFor();
  assert.deepEqual(await complaints(page), []);
});
