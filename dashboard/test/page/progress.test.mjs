// What the page shows while the copy is not complete, and what it says of several shops.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { complaints, House } from './house.mjs';

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

/** A page for which the daemon's answers at a path are changed. */
async function openWith(changes, path = '/') {
  const context = await house.browser.newContext({ locale: 'en-GB' });
  for (const [route, change] of Object.entries(changes)) {
    await context.route(new RegExp(`/api/v1/${route}\\b`), async (asked) => {
      const answer = await asked.fetch();
      const [status, json] = change(await answer.json(), new URL(asked.request().url()));
      await asked.fulfill({ status, json });
    });
  }
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${house.url}${path}#token=${house.tokens.admin}`);
}

const run = (more) => ({ runId: 'r', kind: 'full', state: 'running', processed: 250, total: 1000, changed: 0, deleted: 0, drift: 0, startedAt: new Date().toISOString(), ...more });

test('a run under way has a bar with its figures, and the first copy is said', async () => {
  const importing = (status) => {
    const [first, second] = status.resources;
    Object.assign(first, { lastFullRun: null, lastRun: run({ resource: first.resource }) });
    Object.assign(second, { lastFullRun: null, lastRun: run({ resource: second.resource, total: null, bulkObjects: 7000 }) });
    return [200, status];
  };
  await openWith({ status: importing, runs: () => [200, { data: [] }] });
  await page.getByRole('heading', { name: 'The shop is being copied' }).waitFor();
  await page.getByText('250 of 1,000 · 25%').waitFor();
  assert.equal(await page.getByRole('progressbar').first().getAttribute('value'), '0.25');
  await page.getByText('Shopify prepares: 7,000 objects').waitFor();
  assert.deepEqual(await complaints(page), []);
});

test('what a comparison put right is counted, and since when all is exact', async () => {
  const drifted = ({ data }) => [200, { data: data.map((one) => (one.resource === 'orders' ? { ...one, drift: 3 } : one)) }];
  await openWith({ runs: drifted });
  await page.getByText('The last comparison with Shopify put 3 right').waitFor();
  await page.locator('.copy tr', { hasText: 'Orders' }).getByText('3', { exact: true }).waitFor();
});

test('where a token is good for several shops, the page asks which, and keeps it in the address', async () => {
  const several = (status, url) =>
    url.searchParams.has('shop') ? [200, status] : [400, { error: { code: 'SHOP_REQUIRED', message: 'say which shop', retryable: false } }];
  await openWith({ status: several }, '/account');
  await page.getByRole('heading', { name: 'Which shop?' }).waitFor();
  await page.getByRole('textbox', { name: 'Shop' }).fill(house.shop);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('heading', { name: 'Account' }).waitFor();
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByRole('heading', { name: 'All is well' }).waitFor();
  assert.equal(new URL(page.url()).search, `?shop=${house.shop}`);
});

test('what was missed and cannot be sent any more is loaded again, and the page says so', async () => {
  const context = await house.browser.newContext({ locale: 'en-GB' });
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  // Without WebSockets the connection polls, so that a word of the daemon can be put into an answer.
  await page.addInitScript(() => delete globalThis.WebSocket);
  let word = '';
  await page.route(/socket\.io/, async (route) => {
    if (route.request().method() !== 'GET') return route.continue();
    try {
      const response = await route.fetch();
      const body = (await response.text()) + word;
      word = '';
      await route.fulfill({ response, body });
    } catch {
      // The page was closed while it was being answered.
    }
  });
  await page.goto(`${house.url}/#token=${house.tokens.admin}`);
  await page.locator('.connection[data-state=live]').waitFor();
  const read = page.waitForRequest((request) => request.url().includes('/api/v1/levels'));
  word = '\u001e42/oda,["resync",{"reason":"the log was cut"}]';
  await house.sell();
  await page.getByText('Loaded again: the log was cut').first().waitFor();
  await read;
});
