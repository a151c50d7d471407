// How soon the page is useful, and how large it is: lines for the table in bench/README.md.
import { readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { House } from './test/page/house.mjs';

const ROUNDS = 5;
/** Chromium's "slow 4G" is slower than most; these are the figures of its "fast 4G". */
const FAST_4G = { offline: false, latency: 165, downloadThroughput: (9_000 * 1_024) / 8 * 0.9, uploadThroughput: (1_500 * 1_024) / 8 * 0.9 };
const PROFILES = {
  loopback: { wanted: '1 s', viewport: { width: 1280, height: 860 } },
  phone: { wanted: '2.5 s', viewport: { width: 390, height: 844 }, slow: 4, network: FAST_4G },
};

const house = await House.start({ products: 200, shoppers: 1 });
for (const [name, { wanted, viewport, slow, network }] of Object.entries(PROFILES)) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // A context of its own has an empty cache.
    const context = await house.browser.newContext({ viewport });
    const page = await context.newPage();
    const protocol = await context.newCDPSession(page);
    if (slow) await protocol.send('Emulation.setCPUThrottlingRate', { rate: slow });
    if (network) await protocol.send('Network.emulateNetworkConditions', network);
    const began = performance.now();
    await page.goto(`${house.url}/#token=${house.tokens.admin}`, { waitUntil: 'commit' });
    // Useful is the page that says whether all is well.
    await page.locator('.judgement.tone-good').waitFor();
    const useful = performance.now() - began;
    await page.locator('.connection[data-state=live]').waitFor();
    const painted = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    rounds.push({ useful, painted, live: performance.now() - began });
    await context.close();
  }
  const median = (of) => Math.round(rounds.map((round) => round[of]).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]);
  console.log(`| ${name} | ${median('painted')} ms | ${median('useful')} ms | ${wanted} | ${median('live')} ms |`);
}
await house.stop();

const built = fileURLToPath(new URL('dist/page/assets/', import.meta.url));
for (const end of ['js', 'css']) {
  const files = (await readdir(built)).filter((file) => file.endsWith(`.${end}`));
  const sizes = await Promise.all(['', '.gz', '.br'].map(async (form) => (await Promise.all(files.map((file) => stat(built + file + form)))).reduce((sum, { size }) => sum + size, 0)));
  console.log(`${end}: ${sizes.map((size) => `${(size / 1_024).toFixed(1)} KB`).join(', gzip ')}`.replace(/, gzip (?=[^,]*$)/, ', brotli '));
}
