// Takes pictures of every view, light and dark, wide and on a phone, into docs/screenshots.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { Accounts, PASSWORD } from './test/page/accounts.mjs';
import { eventually, House } from './test/page/house.mjs';

const INTO = fileURLToPath(new URL('../docs/screenshots/', import.meta.url));
const SIZES = { wide: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };

const house = await House.start({ shoppers: 1, products: 200 });
await mkdir(INTO, { recursive: true });
// A shop in which something has happened.
await eventually(async () => (await house.ask('orders?limit=1000')).data.length > 60, 60_000);
const { data } = await house.ask('levels?limit=1000');
const low = data.find(({ status, tracked, active }) => status === 'low_stock' && tracked && active);

/** What is done on a page before its picture is taken. */
const VIEWS = {
  overview: async () => {},
  item: async (page) => {
    await page.getByRole('searchbox').fill(low.sku);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('table').waitFor();
  },
  help: (page) => page.getByRole('button', { name: 'Help' }).click(),
};

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    const take = (page, view) => page.screenshot({ path: `${INTO}${view}-${size}-${colorScheme}.png` });
    const context = { viewport, colorScheme, reducedMotion: 'reduce', timezoneId: 'Europe/London' };
    for (const [view, prepare] of Object.entries(VIEWS)) {
      const page = await house.page({ context });
      await page.locator('.connection[data-state=live]').waitFor();
      await page.locator('.stream li').nth(8).waitFor();
      // The ticker has something to show.
      await page.locator('.stockd-sales-lines li').nth(3).waitFor();
      await prepare(page);
      await take(page, view);
      await page.context().close();
    }
    // Where there are accounts.
    const accounts = new Accounts(house);
    accounts.people.push(
      { id: 'bob', name: 'Bob', role: 'staff', locations: ['7000001032772'], disabled: false, lastSeenAt: new Date().toISOString() },
      { id: 'cleo', name: 'Cleo', role: 'manager', locations: null, disabled: true, lastSeenAt: '2026-01-09T08:15:00Z' },
    );
    const browsing = await house.browser.newContext({ locale: 'en-GB', ...context });
    await accounts.serve(browsing);
    const page = await browsing.newPage();
    await page.goto(`${house.url}/people`);
    await page.getByLabel('Name').fill('Ann');
    await take(page, 'sign-in');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('rowheader', { name: 'Cleo' }).waitFor();
    await page.locator('.connection[data-state=live]').waitFor();
    await take(page, 'people');
    await page.locator('nav a[href="/account"]').click();
    await page.getByText('A phone').waitFor();
    await take(page, 'account');
    await browsing.close();
  }
}
await house.stop();
