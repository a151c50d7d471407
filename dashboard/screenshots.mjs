// Takes pictures of every view, light and dark, wide and on a phone, into docs/screenshots.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

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
  account: (page) => page.locator('nav a[href="/account"]').click(),
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
    const page = await house.page({ role: null, context });
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await take(page, 'sign-in');
    await page.context().close();
  }
}
await house.stop();
