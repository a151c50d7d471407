// Snippets of the documents, run as they stand: only the host, the token and the packages they import are changed.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';

const folder = new URL('./snippets/', import.meta.url);

const PACKAGES = {
  '@lib/websocket-client': '@stockd/client/oms',
  '@/lib/websocket/helpers': '@stockd/client/omni',
  '@/lib/hooks/useWebSocket': '@stockd/client/react',
  '@/components/realtime': '@stockd/client/react',
};

/** A snippet's text, for that daemon and with that token. */
export async function text(name, house, token = '') {
  let text = await readFile(new URL(name, folder), 'utf8');
  for (const [theirs, ours] of Object.entries(PACKAGES)) text = text.replaceAll(`'${theirs}'`, `'${ours}'`);
  return text
    .replaceAll('localhost:3000', house?.host)
    .replaceAll('localhost:8009', house?.hub)
    .replaceAll(/your-jwt-token|YOUR_JWT_TOKEN/g, token);
}

/** Runs a snippet's text as a module. What it takes for granted is `given`; what the test looks at is in `exposed`. */
export async function run(name, text, { given = {}, exposed = [] } = {}) {
  Object.assign(globalThis, given);
  const outfile = fileURLToPath(new URL(`../dist/snippets/${name}.mjs`, import.meta.url));
  await build({
    stdin: { contents: `${text}\nexport { ${exposed.join()} };`, loader: 'tsx', resolveDir: fileURLToPath(folder) },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    outfile,
  });
  return import(pathToFileURL(outfile));
}

/** Runs a snippet's text in a shell, and gives what it prints. */
export async function shell(text, input = '') {
  const child = spawn('sh', ['-c', text], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.end(input);
  let printed = '';
  for await (const chunk of child.stdout) printed += chunk;
  return printed;
}

/** Keeps what snippets log, instead of showing it. */
export function listen(context) {
  const said = [];
  for (const method of ['log', 'error']) context.mock.method(console, method, (...words) => said.push(words));
  return said;
}
