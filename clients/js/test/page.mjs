// Pages of one module each, bundled, and a real browser that opens them as if a server had sent them.
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export class Browser {
  #browser;

  static async start() {
    const started = new Browser();
    // A page that no server sent counts as one from the internet, which may not look into a local network.
    const args = ['--no-sandbox', '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets'];
    started.#browser = await chromium.launch({ executablePath: CHROMIUM, args });
    return started;
  }

  /** Opens a page of that origin with that module; what it logs and fails with is kept in `said`. */
  async open(module, origin = 'http://127.0.0.1') {
    const { outputFiles } = await build({
      stdin: { contents: module, loader: 'tsx', resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
      bundle: true,
      write: false,
      format: 'esm',
      jsx: 'automatic',
      loader: { '.css': 'text' },
      define: { 'process.env.NODE_ENV': '"development"' },
    });
    const page = await this.#browser.newPage();
    const html = '<!doctype html><html lang="en"><title>A page</title><div id="root"></div><script type="module" src="/page.js"></script>';
    await page.route(`${origin}/page`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
    await page.route(`${origin}/page.js`, (route) => route.fulfill({ contentType: 'text/javascript', body: outputFiles[0].text }));
    page.setDefaultTimeout(10_000);
    page.said = [];
    page.on('console', (message) => page.said.push(message.text()));
    page.on('pageerror', (error) => page.said.push(`failed: ${error.message}`));
    await page.goto(`${origin}/page`);
    return page;
  }

  async stop() {
    await this.#browser.close();
  }
}
