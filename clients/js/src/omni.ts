// The contract of Omni Sales over a plain WebSocket: a connection that comes back by itself, and with what was missed.
export * from './emit.js';
import type { Events, Namespace } from './omni-events.js';

export type * from './omni-events.js';

/** Who connects. stockd trusts only the signed token, in `token` or in `sessionId`; everything else is for the page. */
export interface Auth {
  token?: string;
  sessionId?: string;
  userId?: string;
  role?: string;
  /** Milliseconds since 1970. */
  expiresAt?: number;
}

export interface ConnectionOptions {
  /** Where stockd is; the page's own host when left out. */
  url?: string | undefined;
  /** How often to try again before giving up; 5 when left out. */
  reconnectAttempts?: number | undefined;
  /** Milliseconds before the first of them, doubled each time up to 30 s; 1000 when left out. */
  reconnectDelayMs?: number | undefined;
}

/** How it stands with a connection; another object after every change. */
export interface ConnectionState {
  status:
    | 'idle'
    | 'connecting'
    /** Everything subscribed is on its way, or was refused. */
    | 'live'
    /** Lost; it will be tried again. */
    | 'waiting'
    /** Lost, and tried often enough; `open` or the browser's return to the network begins anew. */
    | 'given_up'
    /** The token is not taken: `authenticate` with another one. */
    | 'unauthorized';
  /** Why it is not live, or what was refused last. */
  error: { code: string; message: string } | null;
  /** What may not be read. */
  refused: readonly Namespace[];
}

/** An event beside its data. */
export interface Envelope {
  type: string;
  /** Its place in the log; ephemeral events have none. */
  id?: string;
  /** RFC 3339. */
  timestamp: string;
}

/** Messages that are no events of the shop. */
export interface Notices {
  /** What was missed cannot be sent any more: load again what is shown. */
  resync: { reason: string };
  error: { code: string; message: string };
}

type Heard = Events & Notices;
type Listener = (data: never, envelope: Envelope) => void;

interface Message {
  type: string;
  // Whatever the server says; `Events` and `Notices` name it for those who listen.
  data: any;
  id?: string;
  timestamp: string;
}

interface Subscription {
  holders: number;
  /** Of the last event that was heard; what comes after it is still to come. */
  since?: string;
  standing: 'asked' | 'live' | 'refused';
}

const ATTEMPTS = 5;
const DELAY_MS = 1_000;
const DELAY_MS_MAX = 30_000;
/** After so long a silence the server is asked whether it is still there, and has so long for its answer. */
const SILENCE_MS = 30_000;
const PONG_MS = 5_000;

/** One WebSocket to `/api/ws`, for as many listeners as there are. Making one opens nothing. */
export class Connection {
  state: ConnectionState = { status: 'idle', error: null, refused: [] };

  readonly #options: ConnectionOptions;
  readonly #subscriptions = new Map<Namespace, Subscription>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #watchers = new Set<() => void>();
  #auth: Auth | undefined;
  #socket: WebSocket | undefined;
  /** Whether `auth` was sent and is not answered. */
  #knocking = false;
  /** Whether the server knows who this is, so that it can be asked for everything else. */
  #admitted = false;
  #attempts = 0;
  /** Of the next attempt, or of the next look whether the server is there. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  /** Where stockd is, if that was said. */
  get url(): string | undefined {
    return this.#options.url;
  }

  /** Connects, and stays connected until `close`. */
  open(): void {
    if (!['idle', 'given_up'].includes(this.state.status)) return;
    globalThis.addEventListener?.('online', this.#online);
    this.#attempts = 0;
    this.#update({ status: 'connecting', error: null });
    // Later, so that who opens and closes at once opens nothing, and listeners are there before the first event.
    this.#after(0, () => this.#connect());
  }

  /** Events that happen until the next `open` are then sent, as after any loss. */
  close(): void {
    globalThis.removeEventListener?.('online', this.#online);
    this.#drop();
    this.#update({ status: 'idle', error: null });
  }

  /** Says who connects: before `open`, or again with a fresh token. Nobody is a guest. */
  authenticate(auth: Auth | undefined): void {
    const known = this.#auth;
    this.#auth = auth;
    if (this.state.status === 'unauthorized' || (known && !auth && this.state.status !== 'idle')) {
      this.close();
      this.open();
    } else if (auth && this.#socket?.readyState === WebSocket.OPEN) {
      this.#knock(auth);
    }
  }

  /** Asks for the events of a namespace, until the returned function is called. */
  subscribe(namespace: Namespace): () => void {
    let subscription = this.#subscriptions.get(namespace);
    if (!subscription) {
      subscription = { holders: 0, standing: 'asked' };
      this.#subscriptions.set(namespace, subscription);
      if (this.#admitted) this.#ask(namespace, subscription);
    }
    const held = subscription;
    held.holders += 1;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      held.holders -= 1;
      // Later, because who lets go may be about to ask again, and must miss nothing in between.
      setTimeout(() => {
        if (held.holders > 0 || this.#subscriptions.get(namespace) !== held) return;
        this.#subscriptions.delete(namespace);
        if (this.#admitted) this.#send('unsubscribe', { namespace });
        this.#settle();
      });
    };
  }

  /** Calls `listener` for every such event, until the returned function is called. */
  on<Name extends keyof Heard>(event: Name, listener: (data: Heard[Name], envelope: Envelope) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener as Listener));
    return () => void listeners.delete(listener as Listener);
  }

  /** Calls `watcher` whenever `state` is another one, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  #connect(): void {
    this.#update({ status: 'connecting' });
    const socket = new WebSocket(address(this.#options.url));
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.#listenOn(socket);
      this.#hear(JSON.parse(data));
    };
    socket.onclose = () => this.#lost();
    // `onclose` follows, and Node's clients throw what nobody listens to.
    socket.onerror = () => {};
  }

  #hear({ type, data, id, timestamp }: Message): void {
    switch (type) {
      case 'connected':
        if (this.#auth) this.#knock(this.#auth);
        else this.#askAll();
        return;
      case 'authenticated':
        this.#knocking = false;
        if (!this.#admitted) this.#askAll();
        return;
      case 'subscribed':
        return this.#stand(data.namespace, 'live', data.offset);
      case 'unsubscribed':
      case 'pong':
        return;
      case 'error':
        return this.#complain(data);
      case 'resync':
        return this.#tell(type, data, { type, timestamp });
    }
    // A cancellation comes twice under one id, so only the second says that it is over.
    const halfway = type === 'order:status_changed' && data.status === 'cancelled';
    if (id !== undefined && !halfway) this.#passed(type, id);
    this.#tell(type, data, { type, timestamp, ...(id !== undefined && { id }) });
  }

  #knock(auth: Auth): void {
    this.#knocking = true;
    this.#send('auth', auth);
  }

  #askAll(): void {
    this.#admitted = true;
    for (const [namespace, subscription] of this.#subscriptions) this.#ask(namespace, subscription);
    this.#settle();
  }

  #ask(namespace: Namespace, subscription: Subscription): void {
    subscription.standing = 'asked';
    this.#send('subscribe', { namespace, since: subscription.since });
  }

  #stand(namespace: Namespace, standing: Subscription['standing'], offset?: string): void {
    const subscription = this.#subscriptions.get(namespace);
    if (!subscription) return;
    subscription.standing = standing;
    if (offset !== undefined) subscription.since = offset;
    this.#settle();
  }

  /** Live once nothing is asked any more. */
  #settle(): void {
    const all = [...this.#subscriptions];
    if (!this.#admitted || all.some(([, { standing }]) => standing === 'asked')) return;
    this.#attempts = 0;
    this.#update({
      status: 'live',
      refused: all.filter(([, { standing }]) => standing === 'refused').map(([namespace]) => namespace),
    });
  }

  /** An event was heard, and nothing before it is still to come: of all that is live, or of what is being caught up with. */
  #passed(type: string, id: string): void {
    const own = this.#subscriptions.get(NAMESPACES[type.split(':')[0]!]!);
    const passed = own?.standing === 'asked' ? [own] : this.#subscriptions.values();
    for (const subscription of passed) {
      if (subscription === own || subscription.standing === 'live') subscription.since = id;
    }
  }

  #complain(error: { code: string; message: string }): void {
    this.#tell('error', error, { type: 'error', timestamp: new Date().toISOString() });
    const knocked = this.#knocking;
    this.#knocking = false;
    if (knocked && this.#admitted && error.code === 'FORBIDDEN') {
      // A connection stays with its user, so another user needs another one.
      for (const subscription of this.#subscriptions.values()) delete subscription.since;
      this.close();
      this.open();
    } else if ((knocked && !this.#admitted) || error.code.startsWith('TOKEN_')) {
      this.#drop();
      this.#update({ status: 'unauthorized', error });
    } else {
      this.#update({ error });
      // The server answers in the order it was asked, so this is for the first that waits.
      const asked = [...this.#subscriptions].find(([, { standing }]) => standing === 'asked');
      if (asked) this.#stand(asked[0], 'refused');
    }
  }

  #tell(type: string, data: unknown, envelope: Envelope): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(data as never, envelope);
      } catch (error) {
        // One listener's failure is reported, and keeps nothing from the others.
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }

  #lost(): void {
    this.#drop();
    if (this.#attempts >= (this.#options.reconnectAttempts ?? ATTEMPTS)) {
      const error = { code: 'UNREACHABLE', message: 'stockd cannot be reached' };
      return this.#update({ status: 'given_up', error });
    }
    const delay = Math.min(DELAY_MS_MAX, (this.#options.reconnectDelayMs ?? DELAY_MS) * 2 ** this.#attempts);
    this.#attempts += 1;
    this.#update({ status: 'waiting' });
    // Spread, so that the pages that lost one server do not come back all at once.
    this.#after(delay * (0.5 + Math.random() / 2), () => this.#connect());
  }

  #online = (): void => {
    if (this.state.status === 'waiting') this.#after(0, () => this.#connect());
    else if (this.state.status === 'given_up') this.open();
  };

  /** Notices when nothing comes any more although the connection seems to stand. */
  #listenOn(socket: WebSocket): void {
    this.#after(SILENCE_MS, () => {
      this.#send('ping');
      this.#after(PONG_MS, () => {
        if (socket === this.#socket) this.#lost();
      });
    });
  }

  #send(type: string, data?: unknown): void {
    this.#socket?.send(JSON.stringify({ type, data }));
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#knocking = this.#admitted = false;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #after(delayMs: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, delayMs);
  }

  #update(change: Partial<ConnectionState>): void {
    this.state = { ...this.state, ...change };
    this.#watchers.forEach((watcher) => watcher());
  }
}

/** The namespace of an event, by the first part of its name. */
const NAMESPACES: Record<string, Namespace> = {
  order: 'orders',
  customer: 'customers',
  product: 'products',
  inventory: 'inventory',
  payment: 'payments',
  system: 'system',
};

function address(url: string | undefined): string {
  const whole = new URL(url ?? '/', globalThis.location?.href);
  whole.protocol = whole.protocol.replace('http', 'ws');
  if (whole.pathname === '/') whole.pathname = '/api/ws';
  return whole.href;
}
