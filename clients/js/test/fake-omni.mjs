// A small server of the omni contract, for what a real one does not do on demand: refuse, fall silent, forget.
import { once } from 'node:events';
import { WebSocketServer } from 'ws';

export class FakeOmni {
  /** Every message of every client, in order. */
  heard = [];
  /** How many events of what was missed are sent before the connection breaks, once. */
  breaksAfter = Infinity;
  #log = [];
  #first = 0;
  #server;
  #port;
  #waiting = new Set();

  static async start() {
    const fake = new FakeOmni();
    await fake.listen();
    return fake;
  }

  async listen() {
    this.#server = new WebSocketServer({ host: '127.0.0.1', port: this.#port ?? 0, path: '/api/ws' });
    await once(this.#server, 'listening');
    this.#port = this.#server.address().port;
    this.#server.on('connection', (socket) => this.#serve(socket));
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get connections() {
    return this.#server.clients.size;
  }

  /** Writes an event into the log and sends it to whoever subscribed. */
  publish(type, data) {
    const event = { type, data, id: `1.${this.#log.length + 1}`, timestamp: new Date().toISOString() };
    this.#log.push(event);
    for (const socket of this.#server.clients) if (socket.rooms.has(namespace(type))) socket.say(event);
  }

  /** Forgets what is in the log, so that nobody can go on from there. */
  forget() {
    this.#first = this.#log.length;
  }

  /** As a network does that is gone: no farewell. */
  cut() {
    for (const socket of this.#server.clients) socket.terminate();
  }

  async stop() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** The first message heard that is so, also one that was heard already. */
  hears(is) {
    const known = this.heard.find(is);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiting.add({ is, resolve }));
  }

  #serve(socket) {
    socket.rooms = new Set();
    socket.say = (message) => socket.send(JSON.stringify(message));
    socket.say({ type: 'connected', data: {} });
    socket.on('message', (text) => {
      const message = JSON.parse(text);
      this.#answer(socket, message);
      this.heard.push(message);
      for (const waiting of this.#waiting) if (waiting.is(message)) waiting.resolve(message);
    });
  }

  #answer(socket, { type, data }) {
    if (type === 'ping') return socket.say({ type: 'pong' });
    if (type === 'auth') return socket.say(this.#admit(socket, data.token ?? data.sessionId));
    if (type === 'unsubscribe') {
      socket.rooms.delete(data.namespace);
      return socket.say({ type: 'unsubscribed', data });
    }
    if (data.namespace === 'payments') return socket.say({ type: 'error', data: { code: 'FORBIDDEN', message: 'Not for you' } });
    const since = Number(data.since?.split('.')[1] ?? this.#log.length);
    if (since < this.#first) socket.say({ type: 'resync', data: { reason: 'too_old' } });
    for (const event of this.#log.slice(Math.max(since, this.#first))) {
      if (namespace(event.type) !== data.namespace) continue;
      if (this.breaksAfter === 0) return void ((this.breaksAfter = Infinity), socket.terminate());
      this.breaksAfter -= 1;
      socket.say(event);
    }
    socket.rooms.add(data.namespace);
    socket.say({ type: 'subscribed', data: { namespace: data.namespace, offset: `1.${this.#log.length}` } });
  }

  /** Tokens are `<user>`, or `stale`. */
  #admit(socket, token) {
    const refuse = (code, message) => ({ type: 'error', data: { code, message } });
    if (token === 'stale') return refuse('TOKEN_INVALID', 'Not one of ours');
    if (socket.user && socket.user !== token) return refuse('FORBIDDEN', 'You are somebody else');
    socket.user = token;
    return { type: 'authenticated', data: { userId: token, role: 'staff', expiresAt: null } };
  }
}

const PLURALS = { order: 'orders', customer: 'customers', product: 'products', payment: 'payments' };

function namespace(type) {
  const noun = type.split(':')[0];
  return PLURALS[noun] ?? noun;
}
