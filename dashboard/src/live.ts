// The page's one connection: what it stands at, and what comes by it.
import { signal } from '@preact/signals';
import { connect, type Envelope, type OdaSocket } from '@stockd/client/oda';

import { announce } from './announce.ts';
import { Feed } from './feed.ts';
import { asLogged } from './heard.ts';
import { words } from './language.ts';
import type { LoggedEvent, SyncRun } from './rest.ts';
import { leave, renew, session } from './session.ts';

export type LinkState = 'connecting' | 'live' | 'catching_up' | 'offline';

/** How it stands with the connection, and since when. */
export const link = signal<{ state: LinkState; since: number }>({ state: 'connecting', since: Date.now() });
/** What was said of the connection last, for people to read: that all was loaded again, and why. */
export const notice = signal('');
export const feed = new Feed();

/** What a connection tells its page. */
export interface Listeners {
  event: (event: LoggedEvent) => void;
  progress: (run: SyncRun, shop: string) => void;
  webhook: (received: { at: string; topic: string }, shop: string) => void;
  /** Load everything that is shown; it is not known what was missed. `offset` is where the log is. */
  load: (offset: string) => Promise<void>;
}

const PROGRESS = ['shopify:product:progress', 'shopify:inventory:progress', 'shopify:order:progress', 'shopify:customer:progress'] as const;
/** A connection that is silent for longer is asked about. */
const SILENCE_MS = 1_000;
/** And has so long for its answer, so that a loss is seen within two seconds. */
const PATIENCE_MS = 900;
/** How often is tried to come back, at most. */
const RETRY_MS_MAX = 2_000;

/** Connects as whoever is signed in, until the returned function is called. */
export function openLive(listeners: Listeners): () => void {
  const socket = connect(location.origin, { token: () => session.value?.token ?? '' });
  socket.io.reconnectionDelay(500);
  socket.io.reconnectionDelayMax(RETRY_MS_MAX);
  let offset = '';
  let heardAt = Date.now();
  let wasLive = false;
  let closed = false;
  /** Grows with each connection, so that what an earlier one began is not taken for the present one's. */
  let epoch = 0;

  socket.onAny((name: string, event: Envelope<unknown>) => {
    heardAt = Date.now();
    const logged = event?.data ? asLogged(name, event) : null;
    if (logged) listeners.event(logged);
  });
  for (const name of PROGRESS) socket.on(name, ({ data, shop }) => listeners.progress(data, shop));
  socket.on('shopify:webhook:received', ({ data, shop }) => listeners.webhook({ at: data.receivedAt, topic: data.topic }, shop));
  socket.on('connected', (greeting) => (offset = greeting.offset));
  socket.on('resync', ({ reason }) => void load(words.value.link.reloaded(reason)));

  socket.on('connect', async () => {
    epoch += 1;
    heardAt = Date.now();
    set('catching_up');
    if (socket.recovered) {
      // The server answers in order, so after this answer everything that was missed is here.
      await subscribe();
      set('live');
    } else {
      await load(wasLive ? words.value.link.reloadedAfterLoss : '');
    }
  });
  socket.on('disconnect', (reason) => {
    set('offline');
    // When the daemon ended it, the client does not come back by itself: it was told to go, or the daemon ends. The next
    // handshake says which.
    if (reason !== 'io server disconnect') return;
    setTimeout(() => {
      if (!closed) socket.connect();
    }, RETRY_MS_MAX * Math.random());
  });
  socket.on('connect_error', async (problem) => {
    set('offline');
    if (!/token/i.test(problem.message) && !('data' in problem && /TOKEN/.test(JSON.stringify(problem.data)))) return;
    // It connects again by itself only after a loss, not after a refusal.
    if ((await renew()) !== null) socket.connect();
    else await leave('expired');
  });

  /** Joins the rooms, and loads what is shown as it is then. */
  async function load(why: string): Promise<void> {
    const mine = epoch;
    set('catching_up');
    await subscribe();
    try {
      await listeners.load(offset);
    } catch {
      // Each part of the page says for itself what could not be loaded.
    }
    if (mine !== epoch || !socket.connected) return;
    set('live');
    if (why) {
      notice.value = why;
      announce(why);
    }
  }

  async function subscribe(): Promise<void> {
    const answers = await Promise.all([
      socket.timeout(10_000).emitWithAck('subscribe:inventory', {}).catch(() => null),
      socket.timeout(10_000).emitWithAck('subscribe:orders', {}).catch(() => null),
      socket.timeout(10_000).emitWithAck('subscribe:notifications', {}).catch(() => null),
    ]);
    for (const answer of answers) if (answer?.ok) offset = answer.offset;
  }

  function set(state: LinkState): void {
    if (link.value.state === state) return;
    link.value = { state, since: Date.now() };
    feed.set(state === 'live' ? 'live' : state === 'offline' ? 'waiting' : 'connecting');
    if (state === 'live' && wasLive) announce(words.value.link.nowLive, true);
    if (state === 'offline' && wasLive) announce(words.value.link.nowOffline, true);
    wasLive ||= state === 'live';
  }

  const watch = setInterval(() => void look(), SILENCE_MS);
  /** A cable that was pulled closes no connection: whether the daemon is there is found out by asking it. */
  async function look(): Promise<void> {
    if (document.visibilityState !== 'visible' || !socket.connected) return;
    const reached = Date.now() - heardAt < SILENCE_MS || (await answers());
    if (!socket.connected) return;
    if (!reached) set('offline');
    else if (link.value.state === 'offline') set('live');
  }
  const lost = () => set('offline');
  const back = () => {
    if (socket.connected) void look();
    else reconnect(socket);
  };
  addEventListener('offline', lost);
  addEventListener('online', back);
  const stopRefreshing = session.subscribe((known) => {
    if (known && socket.connected) socket.emit('auth:refresh', { token: known.token });
  });

  return () => {
    closed = true;
    clearInterval(watch);
    stopRefreshing();
    removeEventListener('offline', lost);
    removeEventListener('online', back);
    socket.disconnect();
  };
}

async function answers(): Promise<boolean> {
  try {
    await fetch('/livez', { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
    return true;
  } catch {
    return false;
  }
}

/** Tries at once what would be tried after a pause. */
function reconnect(socket: OdaSocket): void {
  socket.io.engine?.close();
  socket.connect();
}
