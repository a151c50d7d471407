// A pretend store with the daemon on it, a browser, and pages that are signed in.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const STOCKD = process.env.STOCKD ?? fileURLToPath(new URL('../../../target/debug/stockd', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const AXE = fileURLToPath(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url));
const PATIENCE_MS = 20_000;

export class House {
  /** Starts both; `shoppers` buy each second. */
  static async start({ shoppers = 0, products = 20, listen = '127.0.0.1:0' } = {}) {
    const house = new House();
    house.browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    await house.open({ shoppers, products, listen });
    return house;
  }

  async open({ shoppers = 0, products = 20, listen }) {
    const options = `demo --json --listen ${listen} --sim-listen 127.0.0.1:0 --products ${products} --locations 2 --shoppers ${shoppers}`;
    this.child = spawn(STOCKD, options.split(' '), { stdio: ['ignore', 'pipe', 'ignore'] });
    // A test that fails on its way leaves nothing behind.
    process.once('exit', () => this.child.kill());
    const [line] = await once(createInterface({ input: this.child.stdout }), 'line');
    Object.assign(this, JSON.parse(line));
    // The pretend store is copied in a second or two.
    await eventually(async () => (await this.ask('status')).resources.every(({ lastFullRun }) => lastFullRun));
  }

  async stop() {
    await this.browser.close();
    await this.close();
  }

  async close() {
    if (this.child.exitCode !== null) return;
    this.child.kill();
    await once(this.child, 'exit');
  }

  /** What REST answers an admin. */
  async ask(path) {
    const answer = await fetch(`${this.url}/api/v1/${path}`, { headers: { Authorization: `Bearer ${this.tokens.admin}` } });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  }

  /** Has the pretend store do something. */
  async sim(path, body) {
    const answer = await fetch(`${this.simUrl}/_sim/${path}`, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  }

  /** Somebody buys something that there is enough of; the level as it was, and the order. */
  async sell(quantity = 1) {
    const { data } = await this.ask('levels?limit=1000');
    const level = data.find(({ tracked, active, available }) => tracked && active && available > 20 + quantity);
    const order = await this.sim('sell', { inventoryItemId: level.inventoryItemId, locationId: level.locationId, quantity });
    return { ...level, order };
  }

  /** A page of its own context at that address, signed in by a link with that role's token. What went wrong in it is kept in `failures`, whom it asked in `hosts`. */
  async page({ path = '/', role = 'admin', context = {}, fragment } = {}) {
    const browsing = await this.browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 }, ...context });
    const page = await browsing.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    [page.failures, page.hosts] = [[], new Set()];
    page.on('request', (request) => page.hosts.add(new URL(request.url()).host));
    page.on('websocket', (socket) => page.hosts.add(new URL(socket.url()).host));
    page.on('pageerror', (error) => page.failures.push(error.message));
    page.on('console', (message) => message.type() === 'error' && page.failures.push(message.text()));
    const token = fragment ?? (role ? `#token=${this.tokens[role]}` : '');
    await page.goto(`${this.url}${path}${token}`);
    return page;
  }
}

/** What axe finds wrong, each with the places where. */
export async function complaints(page) {
  const source = await readFile(AXE, 'utf8');
  // By the protocol, because the page's policy lets no script in.
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`).join('; ')}`);
}

/** Whether anything is wider than the screen. */
export function scrollsSideways(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

/** Asks until it is so, and fails after a while, as it failed last. */
export async function eventually(ask, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false) return answer;
      if (Date.now() > end) throw new Error(`never came true: ${ask}`);
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
