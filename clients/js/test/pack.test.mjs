// The package as others get it: packed, installed into an empty folder, and used as its README says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { House } from './house.mjs';

const run = promisify(execFile);
const CLIENT = fileURLToPath(new URL('..', import.meta.url));

test('from an empty folder the package is installed, typed, and connects as its README shows', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'stockd-pack-'));
  const house = await House.start();
  t.after(async () => {
    await house.stop();
    await rm(folder, { recursive: true });
  });
  // Built by `npm test`; building it again would pull it from under the other tests.
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: CLIENT });
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${stdout.trim()}`], { cwd: folder });

  const readme = await readFile(join(CLIENT, 'README.md'), 'utf8');
  const [, example] = /```js\n(import \{ connect \}[^]*?)```/.exec(readme);
  const program = `${example}
    function show(levels) {
      console.log(levels.length);
      socket.close();
    }
    function update() {}`;
  const known = `const [url, token] = [${JSON.stringify(house.url)}, ${JSON.stringify(house.token('admin'))}];\n`;
  await writeFile(join(folder, 'example.mjs'), known + program);
  const shown = await run(process.execPath, ['example.mjs'], { cwd: folder });
  assert.ok(Number(shown.stdout) > 0, shown.stdout);

  await writeFile(join(folder, 'typed.ts'), `declare const url: string, token: string;\n${example}declare function show(levels?: object[]): void; declare function update(level: { available: number }): void;`);
  const tsc = join(CLIENT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '--noEmit', '--strict', '--module', 'nodenext', '--lib', 'es2023,dom', '--types', '', 'typed.ts'], { cwd: folder });
});
