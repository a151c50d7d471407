// What the page shows of a shop: read when it is opened or came back, and kept right by what is heard.
import { computed, signal } from '@preact/signals';

import { ask, ApiProblem } from './api.ts';
import { announce } from './announce.ts';
import { exactness, verdict } from './exact.ts';
import { words } from './language.ts';
import { feed, link, openLive } from './live.ts';
import type { LevelShape, LoggedEvent, OrderChanged, Realtime, Status, SyncRun } from './rest.ts';
import { place } from './router.ts';
import { isAdmin, session } from './session.ts';
import { earlier, sequenceOf, Tally, type Counts } from './tally.ts';

/** The last events that are kept for the stream. */
const STREAM_MAX = 200;
/** Read back from the log when the page opens. */
const HISTORY = 300;
const RUNS = 500;
/** No route counts levels, so they are read; beyond so many pages the counts say "at least". */
const LEVEL_PAGES_MAX = 20;
const LEVELS_PAGE = 1_000;
const ORDERS_SHOWN = 5;
const STATUS_EVERY_MS = 30_000;
/** Changes in one moment cause one reading. */
const SETTLE_MS = 400;

export const status = signal<Status | null>(null);
export const runs = signal<SyncRun[]>([]);
export const counts = signal<(Counts & { complete: boolean }) | null>(null);
export const events = signal<LoggedEvent[]>([]);
export const webhook = signal<{ at: string; topic: string } | null>(null);
export const online = signal<Realtime['users'] | null>(null);
export const problem = signal<ApiProblem | null>(null);
/** When this page began to listen; what was sold is summed from then. */
export const openedAt = signal(Date.now());

export const exact = computed(() => status.value?.resources.map((one) => exactness(one, runs.value)) ?? []);
export const judged = computed(() => (status.value ? verdict(status.value, exact.value) : null));

/** The shop in the address, or the only one. */
export const shopName = computed(() => place.value.query.shop ?? status.value?.shop ?? null);
/** The shops to choose from; those that a token does not name are not known. */
export const shops = computed(() => {
  const known = session.value?.user.shops ?? [];
  const shown = shopName.value;
  return shown && !known.includes(shown) ? [shown, ...known] : known;
});

/** The latest orders of which something was heard, each as it stood last. */
export const orders = computed(() => {
  const latest = new Map<string, OrderChanged>();
  for (const event of events.value) {
    if (!event.kind.startsWith('order:')) continue;
    const order = event.data as OrderChanged;
    if (order.name !== undefined && !latest.has(order.orderId)) latest.set(order.orderId, order);
    if (latest.size === ORDERS_SHOWN) break;
  }
  return [...latest.values()];
});

/** Listeners for changes of single levels, for what shows some of them. */
const levelWatchers = new Set<(level: LevelShape) => void>();
export function watchLevels(watcher: (level: LevelShape) => void): () => void {
  levelWatchers.add(watcher);
  return () => void levelWatchers.delete(watcher);
}

let tally = new Tally();
let settling: ReturnType<typeof setTimeout> | undefined;

/** Shows the shop of the address, live, until the returned function is called. */
export function openShop(): () => void {
  const shop = place.value.query.shop;
  const of = shop === undefined ? {} : { shop };
  for (const one of [status, counts, webhook, online, problem]) one.value = null;
  [runs.value, events.value, openedAt.value] = [[], [], Date.now()];
  let closed = false;

  /** The last event that came while nothing was missing; what is later was missed, or came after a loss. */
  let completeTo: string | null = null;

  const isMine = (of: string) => shopName.value === null || of === shopName.value;
  const close = openLive({
    event: (event) => {
      if (!isMine(event.shop)) return;
      if (link.value.state === 'live') completeTo = event.id;
      hear(event);
      feed.hear(event);
    },
    progress: (run, of) => isMine(of) && followRun(run),
    webhook: (received, of) => isMine(of) && (webhook.value = received),
    load,
  });
  const timer = setInterval(() => {
    if (document.visibilityState !== 'visible' || link.value.state !== 'live') return;
    void readStatus(false);
    void readOnline();
  }, STATUS_EVERY_MS);

  // Whether all is well is no part of the log, so it need not wait for the connection.
  let told: Promise<void> | null = readStatus();

  async function load(offset: string): Promise<void> {
    const fresh = new Tally();
    tally = fresh;
    await (told ?? readStatus());
    told = null;
    if (problem.value) return;
    await Promise.all([readHistory(offset), readWebhook(), readOnline(), readLevels(fresh)]);
  }

  /** `whole`: with the history of runs, which changes only when one ends. */
  async function readStatus(whole = true): Promise<void> {
    try {
      const history = whole ? ask('GET /api/v1/runs', { ...of, limit: RUNS }) : null;
      const [told, past] = await Promise.all([ask('GET /api/v1/status', of), history]);
      if (closed) return;
      [status.value, runs.value, problem.value] = [told, past?.data ?? runs.value, null];
    } catch (failure) {
      if (!closed && failure instanceof ApiProblem && failure.code !== 'UNREACHABLE') problem.value = failure;
    }
  }

  async function readHistory(offset: string): Promise<void> {
    if (!offset) return;
    const page = await ask('GET /api/v1/events', { ...of, after: earlier(offset, HISTORY), limit: HISTORY }).catch(() => null);
    if (closed || !page) return;
    const heard = new Set(events.value.map(({ id }) => id));
    const more = page.data.filter(({ id }) => !heard.has(id));
    tellMissed(more, page.data[0]?.id);
    events.value = [...events.value, ...more].sort((a, b) => sequenceOf(b.id) - sequenceOf(a.id)).slice(0, STREAM_MAX);
  }

  /** Sums what was sold during a loss, or begins a new sum where the history does not reach back to it. */
  function tellMissed(more: readonly LoggedEvent[], oldest: string | undefined): void {
    const known = completeTo;
    completeTo = null;
    if (known === null) return;
    const isSameLog = oldest !== undefined && oldest.split('.')[0] === known.split('.')[0];
    if (isSameLog && sequenceOf(oldest) <= sequenceOf(known) + 1) {
      more.filter(({ id }) => sequenceOf(id) > sequenceOf(known)).forEach((event) => feed.hear(event));
    } else {
      openedAt.value = Date.now();
    }
  }

  async function readWebhook(): Promise<void> {
    const answers = await Promise.all((['applied', 'pending'] as const).map((state) => ask('GET /api/v1/deliveries', { ...of, state, limit: 1 }).catch(() => null)));
    const latest = answers.flatMap((answer) => answer?.data ?? []).sort((a, b) => (a.receivedAt < b.receivedAt ? 1 : -1))[0];
    if (!closed && latest && (!webhook.value || webhook.value.at < latest.receivedAt)) webhook.value = { at: latest.receivedAt, topic: latest.topic };
  }

  async function readOnline(): Promise<void> {
    if (!isAdmin.value) return;
    const told = await ask('GET /api/v1/realtime', {}).catch(() => null);
    if (!closed && told) online.value = told.users;
  }

  async function readLevels(into: Tally): Promise<void> {
    let after: string | undefined;
    for (let page = 0; page < LEVEL_PAGES_MAX; page += 1) {
      const levels = await ask('GET /api/v1/levels', { ...of, limit: LEVELS_PAGE, ...(after !== undefined && { after }) });
      if (closed || tally !== into) return;
      for (const level of levels.data) into.put(level, sequenceOf(levels.offset));
      counts.value = { ...into.counts, complete: levels.next === null };
      if (levels.next === null) return;
      after = levels.next;
    }
  }

  function hear(event: LoggedEvent): void {
    if (!events.value.some(({ id }) => id === event.id)) events.value = [event, ...events.value].slice(0, STREAM_MAX);
    switch (event.kind) {
      case 'inventory:updated':
        tally.put(event.data, sequenceOf(event.id));
        if (counts.value) counts.value = { ...tally.counts, complete: counts.value.complete };
        levelWatchers.forEach((watcher) => watcher(event.data));
        break;
      case 'inventory:out_of_stock':
        announce(words.value.stream.out(event.data.title ?? event.data.sku ?? '', event.data.locationName ?? ''));
        break;
      case 'shopify:sync_status':
        followRun(event.data);
        if (event.data.state !== 'running') settle();
        break;
      case 'system:alert':
        settle();
        break;
    }
  }

  /** Reads the status once the moment is over. */
  function settle(): void {
    clearTimeout(settling);
    settling = setTimeout(() => void readStatus(), SETTLE_MS);
  }

  return () => {
    closed = true;
    clearInterval(timer);
    clearTimeout(settling);
    close();
  };
}

/** A run went on: what is shown of its resource goes on, too. */
function followRun(run: SyncRun): void {
  const known = status.value;
  if (!known) return;
  const resources = known.resources.map((one) => (one.resource === run.resource ? { ...one, lastRun: run } : one));
  status.value = { ...known, resources };
}
