// Builds the page into dist/page, for the binary to hold: names with hashes, and each file that shrinks also compressed.
import { readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { defineConfig, type Plugin } from 'vite';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const client = (name: string) => at(`../clients/js/src/${name}`);
const OUT = at('dist/page');
/** Where `npm run dev` finds the daemon. */
const DAEMON = process.env.STOCKD_URL ?? 'http://127.0.0.1:8080';

/** Writes `.br` and `.gz` beside each file that becomes smaller. */
function compress(): Plugin {
  return {
    name: 'compress',
    apply: 'build',
    async closeBundle() {
      for (const file of await readdir(OUT, { recursive: true, withFileTypes: true })) {
        if (!file.isFile() || file.name.endsWith('.png')) continue;
        const path = join(file.parentPath, file.name);
        const plain = readFileSync(path);
        const forms = {
          br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
          gz: gzipSync(plain, { level: 9 }),
        };
        for (const [end, bytes] of Object.entries(forms)) {
          if (bytes.length < plain.length) writeFileSync(`${path}.${end}`, bytes);
        }
      }
    },
  };
}

export default defineConfig({
  plugins: [compress()],
  // Preact's own transform, which needs no plugin.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: {
    alias: [
      { find: '@stockd/client/react.css', replacement: client('react.css') },
      { find: /^@stockd\/client\/(oda|omni)$/, replacement: client('$1.ts') },
      { find: '@stockd/client/react', replacement: client('react.tsx') },
      { find: 'react/jsx-runtime', replacement: 'preact/jsx-runtime' },
      { find: /^react$/, replacement: 'preact/compat' },
    ],
    // Also for the client's files, whose own folder has React, for its tests, or nothing.
    dedupe: ['preact', 'socket.io-client'],
  },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: 'es2022',
    // Every browser that the page runs on knows it.
    modulePreload: { polyfill: false },
    // Nothing inside another file as `data:`, which the policy refuses.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    strictPort: true,
    proxy: Object.fromEntries(
      ['/api', '/socket.io', '/livez'].map((path) => [path, { target: DAEMON, changeOrigin: true, ws: true }]),
    ),
  },
});
