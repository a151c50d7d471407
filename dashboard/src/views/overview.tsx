// The first view: whether all is well, what is low, how exact the copy is, and what changes.
import { useComputed, useSignal } from '@preact/signals';
import { ConnectionProvider, LiveCustomerCount, LiveSalesTicker, OrderStatusBadge, WordingProvider, type ComponentWords } from '@stockd/client/react';
import { useEffect, useMemo, useRef } from 'preact/hooks';

import { announce } from '../announce.ts';
import type { Exactness, Verdict } from '../exact.ts';
import { localeTag, moment, money, number, percent, second, words } from '../language.ts';
import { feed } from '../live.ts';
import type { LoggedEvent } from '../rest.ts';
import { sentence } from '../sentences.ts';
import { session } from '../session.ts';
import { counts, events, exact, judged, online, openedAt, orders, status, webhook } from '../shop.ts';
import { Sign, type SignName } from '../signs.tsx';

const STREAM_SHOWN = 40;
const NAMES_SHOWN = 3;

export function Overview() {
  const { overview: said, app } = words.value;
  return (
    <>
      <h1 class="hidden">{said.title}</h1>
      <Judgement />
      <Figures />
      <ConnectionProvider connection={feed}>
        <ComponentWording>
          <div class="columns">
            <div class="column">
              <Copy />
              <Stream />
            </div>
            <div class="column">
              <Sales />
              <LatestOrders />
            </div>
          </div>
        </ComponentWording>
      </ConnectionProvider>
      {!status.value && <p class="quiet">{app.loading} …</p>}
    </>
  );
}

/** The words of the components that are not ours alone. What changes is announced by the page, not by each of them. */
function ComponentWording({ children }: { children: preact.ComponentChildren }) {
  const all = words.value;
  const since = second(openedAt.value);
  const locale = localeTag.value;
  const their = useMemo<ComponentWords>(
    () => ({
      locale,
      live: all.link.live,
      offline: all.link.off,
      sales: all.overview.sales,
      latestSales: all.overview.sales,
      soldToday: all.overview.soldSince(since),
      noAmount: '–',
      order: (name, amount, channel) => all.seeds.order(name, amount, channel),
      payment: all.seeds.payment,
      paymentFailed: all.seeds.paymentFailed,
      refund: all.seeds.refund,
      customersOnline: all.seeds.customersOnline,
      customers: all.seeds.customers,
      latestActivity: all.seeds.latestActivity,
    }),
    [all, since, locale],
  );
  return (
    <WordingProvider words={their} announces={false}>
      {children}
    </WordingProvider>
  );
}

function Judgement() {
  const now = judged.value;
  const { overview: said, app } = words.value;
  const [tone, title, why, since, more] = now ? told(now) : (['plain', `${app.loading} …`, '', null, 0] as const);
  const before = useRef('');
  useEffect(() => {
    // Said when it changes, not when the page opens.
    if (before.current && before.current !== title && now) announce(title, true);
    if (now) before.current = title;
  }, [title, now]);
  return (
    <section class={`judgement tone-${tone}`} aria-label={title}>
      <Sign name={tone} />
      <div>
        <h2>{title}</h2>
        {why && <p dir="auto">{why}</p>}
        {(since || more > 0) && (
          <p class="quiet">
            {since && said.since(moment(since))} {more > 0 && said.andMore(more)}
          </p>
        )}
      </div>
    </section>
  );
}

function told(verdict: Verdict): [SignName, string, string, string | null, number] {
  const { overview: said, resources } = words.value;
  switch (verdict.kind) {
    case 'problem': {
      const { kind, message, since } = verdict.problem;
      const title = said.problems[kind as keyof typeof said.problems] ?? said.problems.other;
      return ['bad', title, sentenceCase(message), since, verdict.more];
    }
    case 'failed':
      return ['bad', said.runFailed(resources[verdict.run.resource]), said.runFailedWhy(verdict.run.error ?? ''), verdict.run.finishedAt ?? null, verdict.more];
    case 'importing':
      return ['waiting', said.importing, said.importingWhy, null, 0];
    case 'waiting':
      return ['low', said.backlog(number(verdict.webhooks)), said.backlogWhy, null, 0];
    case 'well':
      return ['good', said.well, verdict.exactSince ? said.wellSince(moment(verdict.exactSince)) : said.wellCorrected(number(verdict.differences)), null, 0];
  }
}

/** Messages of the daemon begin in lower case, because they follow a colon elsewhere. */
function sentenceCase(text: string): string {
  const whole = text.charAt(0).toLocaleUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function Figures() {
  const { overview: said } = words.value;
  const known = counts.value;
  const shown = (count: number | undefined) => (count === undefined || !known ? '…' : known.complete ? number(count) : said.atLeast(number(count)));
  const among = known && (known.complete ? said.levelsCounted(number(known.levels)) : said.ofFirst(number(known.levels)));
  const arrived = webhook.value;
  const users = online.value;
  const others = users?.online.map(({ userId }) => userId).filter((id) => id !== session.value?.user.id) ?? [];
  return (
    <dl class="figures">
      <Figure sign="low" tone={known?.low ? 'low' : 'plain'} name={said.low} value={shown(known?.low)} why={said.lowWhy} />
      <Figure sign="out" tone={known?.out ? 'out' : 'plain'} name={said.out} value={shown(known?.out)} why={said.outWhy} />
      <Figure sign="unsettled" tone={known?.unsettled ? 'low' : 'plain'} name={said.unsettled} value={shown(known?.unsettled)} why={known?.unsettled ? said.unsettledWhy : (among ?? said.unsettledWhy)} />
      <Figure sign="live" tone="plain" name={said.lastWebhook} value={arrived ? second(arrived.at) : said.noWebhook} why={arrived?.topic ?? ''} topic />
      {users && (
        <Figure
          sign="person"
          tone="plain"
          name={said.online}
          value={number(users.count)}
          why={others.length > 0 ? others.slice(0, NAMES_SHOWN).join(', ') + (others.length > NAMES_SHOWN ? ' …' : '') : said.noOne}
        />
      )}
    </dl>
  );
}

interface FigureProps {
  sign: SignName;
  tone: SignName;
  name: string;
  value: string;
  why: string;
  /** The reason changes all the time, so it keeps to one line. */
  topic?: boolean;
}

function Figure({ sign, tone, name, value, why, topic = false }: FigureProps) {
  return (
    <div class={`figure tone-${tone}`}>
      <dt>
        <Sign name={sign} /> {name}
      </dt>
      <dd class="figure-value">{value}</dd>
      <dd class={topic ? 'quiet topic' : 'quiet'}>{why}</dd>
    </div>
  );
}

function Copy() {
  const { overview: said } = words.value;
  return (
    <section class="card" aria-labelledby="copy">
      <h2 id="copy">{said.sync}</h2>
      <table class="copy stacked">
        <thead>
          <tr>
            <th scope="col">{said.resource}</th>
            <th scope="col">{said.exactSince}</th>
            <th scope="col">{said.comparison}</th>
            <th scope="col" class="numeric">
              {said.differences}
            </th>
          </tr>
        </thead>
        <tbody>
          {exact.value.map((one) => (
            <ResourceRow key={one.resource} one={one} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function ResourceRow({ one }: { one: Exactness }) {
  const { overview: said, resources } = words.value;
  const { compared, exactSince, running, progress, failed } = one;
  const tone: SignName = failed ? 'bad' : !compared ? 'waiting' : compared.drift > 0 ? 'low' : 'good';
  return (
    <tr>
      <th scope="row">
        <Sign name={tone} />
        <span class="resource">
          {resources[one.resource]}
          {running && (running.kind === 'full' || !compared) && (
            <span class="run">
              <progress aria-label={said.running(said[running.kind])} {...(progress !== null && { value: progress })} />
              <span class="quiet">
                {running.state === 'queued'
                  ? said.queued
                  : running.bulkObjects
                    ? said.written(number(running.bulkObjects))
                    : running.total
                      ? `${said.progress(number(running.processed), number(running.total))} · ${percent(progress ?? 0)}`
                      : said.progressOpen(number(running.processed))}
              </span>
            </span>
          )}
        </span>
      </th>
      <td data-label={said.exactSince}>{exactSince ? moment(exactSince) : compared ? moment(compared.finishedAt ?? compared.startedAt) : said.never}</td>
      <td data-label={said.comparison} class="comparison">{compared ? moment(compared.finishedAt ?? compared.startedAt) : said.never}</td>
      <td data-label={said.differences} class="numeric">
        {compared ? (compared.drift > 0 ? number(compared.drift) : said.none) : '–'}
      </td>
    </tr>
  );
}

function Stream() {
  const { overview: said } = words.value;
  /** The newest event that was there when the hand came; later ones wait until it goes, or until they are asked for. */
  const heldAt = useSignal<string | null>(null);
  const all = useComputed(() => {
    const [now, forms] = [words.value, { number, money }];
    return events.value.flatMap((event) => {
      const made = sentence(event, now, forms);
      return made ? [{ event, ...made }] : [];
    });
  }).value;
  const held = heldAt.value === null ? 0 : Math.max(0, all.findIndex(({ event }) => event.id === heldAt.value));
  const shown = all.slice(held, held + STREAM_SHOWN);
  const hold = () => {
    heldAt.value ??= all[0]?.event.id ?? null;
  };
  const release = () => (heldAt.value = null);
  return (
    <section class="card stream" aria-labelledby="stream" onPointerEnter={hold} onPointerLeave={release} onFocusCapture={hold} onBlurCapture={release}>
      <header>
        <h2 id="stream">{said.stream}</h2>
        <button class="small" hidden={held === 0} onClick={release}>
          {said.held(held)}
        </button>
      </header>
      {shown.length === 0 ? (
        <p class="quiet">{said.streamEmpty}</p>
      ) : (
        // What scrolls takes the focus, so that keys can scroll it.
        <ol class="lines" tabIndex={0} aria-labelledby="stream">
          {shown.map(({ event, ...line }) => (
            <StreamLine key={event.id} event={event} {...line} />
          ))}
        </ol>
      )}
    </section>
  );
}

function StreamLine({ event, text, aside, tone }: { event: LoggedEvent; text: string; aside: string; tone: SignName }) {
  return (
    <li class={`line tone-${tone}`}>
      <time dateTime={event.timestamp}>{second(event.timestamp)}</time>
      <Sign name={tone} />
      <span dir="auto">
        {text} {aside && <span class="quiet">{aside}</span>}
      </span>
    </li>
  );
}

function Sales() {
  const { overview: said } = words.value;
  const currency = orders.value[0]?.currency;
  return (
    // The components are regions themselves.
    <div class="card">
      <h2>{said.sales}</h2>
      <LiveSalesTicker key={openedAt.value} maxItems={6} {...(currency && { currency })} />
      <LiveCustomerCount />
    </div>
  );
}

function LatestOrders() {
  const { overview: said, orderStatus } = words.value;
  return (
    <section class="card" aria-labelledby="orders">
      <h2 id="orders">{said.orders}</h2>
      {orders.value.length === 0 && <p class="quiet">{said.ordersEmpty}</p>}
      <ul class="orders">
        {orders.value.map((order) => (
          <li key={order.orderId}>
            <span class="order-name">{order.name}</span>
            <span class="numeric">{money(order.total, order.currency)}</span>
            <OrderStatusBadge orderId={order.orderId} initialStatus={order.status} label={(one) => orderStatus[one as keyof typeof orderStatus] ?? one} />
          </li>
        ))}
      </ul>
    </section>
  );
}
