// A pretend store and the daemon on it, as programs of their own, for the tests of one file.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const STOCKD = process.env.STOCKD ?? fileURLToPath(new URL('../../../target/debug/stockd', import.meta.url));
const SECRET = 'a-secret-of-the-tests-with-32-bytes-or-more';

export class House {
  #folder;
  #sim;
  #daemon;

  /** `server` are further lines of its listeners, `shop` of its shop. */
  static async start({ server = '', shop = '' } = {}) {
    const house = new House();
    house.#folder = await mkdtemp(join(tmpdir(), 'stockd-'));
    house.#sim = run('sim --json --sim-listen 127.0.0.1:0 --products 5 --locations 2 --shoppers 0'.split(' '));
    const [line] = await once(createInterface({ input: house.#sim.stdout }), 'line');
    house.simUrl = JSON.parse(line).simUrl;
    house.host = `127.0.0.1:${await freePort()}`;
    house.url = `http://${house.host}`;
    house.hub = `127.0.0.1:${await freePort()}`;
    const config = `
      [[server]]
      listen = "${house.host}"
      origins = ["http://localhost:3001"]
      ${server}
      [[server]]
      listen = "${house.hub}"
      root = "hub"
      ${server}
      [auth]
      secret = "${SECRET}"
      [store]
      url = "sqlite:${house.#folder}/stockd.db"
      [[shop]]
      domain = "${JSON.parse(line).shop}"
      access_token = "shpat_pretend"
      webhook_secrets = ["pretend-secret"]
      api_url = "${house.simUrl}"
      ${shop}`;
    await writeFile(house.#config, config);
    await house.sim('webhooks', { url: `${house.url}/webhooks/shopify` });
    await house.open();
    return house;
  }

  get #config() {
    return join(this.#folder, 'stockd.toml');
  }

  /** Starts the daemon and waits until the first import is done. */
  async open() {
    this.#daemon = run(['run', '--config', this.#config]);
    await eventually(async () => (await fetch(`${this.url}/readyz`)).ok);
    const headers = { Authorization: `Bearer ${this.token('admin')}` };
    await eventually(async () => {
      const { data } = await (await fetch(`${this.url}/api/v1/runs`, { headers })).json();
      return data.filter(({ state }) => state === 'completed').length >= 4;
    });
  }

  /** Ends the daemon. */
  async close() {
    await end(this.#daemon);
  }

  async stop() {
    await this.close();
    await end(this.#sim);
    await rm(this.#folder, { recursive: true });
  }

  /** A token with that role, and whatever else it is to say. */
  token(role, claims = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: `a-${role}`, role, iat: now, exp: now + 3600, ...claims })}`;
    return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
  }

  /** Has the pretend store do something, or tell. */
  async sim(path, body) {
    const options = body && { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    const answer = await fetch(`${this.simUrl}/_sim/${path}`, options);
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  }
}

/** Asks until it is so, and fails after a while, as it failed last. */
export async function eventually(ask, patienceMs = 15_000) {
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

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function run(args) {
  const child = spawn(STOCKD, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  // A test that fails on its way leaves nothing behind.
  process.once('exit', () => child.kill());
  return child;
}

async function end(child) {
  if (child.exitCode !== null) return;
  child.kill();
  await once(child, 'exit');
}
