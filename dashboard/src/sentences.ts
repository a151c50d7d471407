// What happened, as a sentence for a person.
import type { LoggedEvent, StockStatus } from './rest.ts';
import type { Words } from './words.ts';

/** How a sentence is marked, by sign and colour. */
export type Tone = 'plain' | 'good' | 'low' | 'out' | 'bad' | 'sale';

export interface Sentence {
  text: string;
  /** What stands behind it in small letters. */
  aside: string;
  tone: Tone;
}

/** How figures are written. */
export interface Forms {
  number: (count: number) => string;
  money: (amount: string, currency: string) => string;
}

/** The sentence for an event, or `null` for what tells a person nothing. What other programs posted may lack any field. */
export function sentence(event: LoggedEvent, words: Words, forms: Forms): Sentence | null {
  const { stream } = words;
  const made = (text: string, tone: Tone = 'plain', aside = ''): Sentence => ({ text, tone, aside });
  const posted = event.data as { source?: unknown };
  switch (event.kind) {
    case 'inventory:updated': {
      const { data } = event;
      // A reader wants to know what can be sold; that other quantities moved says the order or transfer that moved them.
      if (!data.tracked || !data.active || data.previousAvailable === data.available) return null;
      const [item, place, now] = [itemOf(data, words), placeOf(data, words), forms.number(data.available)];
      const aside = stream.bySource[data.source] ?? '';
      if (data.previousAvailable === null) return made(stream.levelNew(item, place, now), 'plain', aside);
      return made(stream.level(item, place, forms.number(data.previousAvailable), now), 'plain', aside);
    }
    case 'inventory:low_stock':
      return made(
        stream.low(itemOf(event.data, words), placeOf(event.data, words), forms.number(event.data.available), forms.number(event.data.threshold)),
        'low',
      );
    case 'inventory:out_of_stock':
      return made(stream.out(itemOf(event.data, words), placeOf(event.data, words)), 'out');
    case 'inventory:restocked':
      return made(stream.restocked(itemOf(event.data, words), placeOf(event.data, words), forms.number(event.data.available)), 'good');
    case 'inventory:reservation': {
      const { createdBy, items, state, reason } = event.data;
      const quantity = items.reduce((sum, item) => sum + item.quantity, 0);
      const tone = state === 'rejected' ? 'bad' : 'plain';
      return made(stream.reservation(createdBy, quantity, forms.number(quantity), stream.reservationStates[state] ?? state), tone, reason);
    }
    case 'inventory:transfer': {
      const { quantity, status } = event.data;
      if (quantity === null || status === null) return made(stream.transferOther);
      return made(stream.transfer(forms.number(quantity), status.replaceAll('_', ' ')));
    }
    case 'command:updated': {
      const { by, kind, state, reason } = event.data;
      const tone = ['conflict', 'failed', 'unknown'].includes(state) ? 'bad' : state === 'confirmed' ? 'good' : 'plain';
      return made(stream.command(by, stream.commandKinds[kind] ?? kind, stream.commandStates[state] ?? state), tone, reason);
    }
    case 'order:created': {
      const { name, itemCount, total, currency } = event.data;
      if (name === undefined || total === undefined) return fromOthers();
      return made(stream.orderCreated(name, itemCount, forms.number(itemCount), forms.money(total, currency)), 'sale', event.data.channel ?? '');
    }
    case 'order:status_changed': {
      const { name, status } = event.data;
      if (name === undefined) return fromOthers();
      return made(stream.orderStatus(name, words.orderStatus[status] ?? status), status === 'cancelled' ? 'bad' : 'plain');
    }
    case 'order:deleted':
      return event.data.name === undefined ? fromOthers() : made(stream.orderDeleted(event.data.name), 'bad');
    case 'product:created':
      return made(stream.productCreated(event.data.title ?? stream.someItem));
    case 'product:deleted':
      return made(stream.productDeleted);
    case 'product:price_changed': {
      const { sku, previousPrice, price } = event.data;
      return made(stream.price(sku ?? stream.someItem, previousPrice, price));
    }
    case 'shopify:sync_status': {
      const { kind, resource, state, drift, error } = event.data;
      // Quick runs come every few minutes and say nothing unless they fail.
      if (state !== 'failed' && (kind === 'quick' || state === 'queued')) return null;
      const drifted = state === 'completed' && drift > 0 ? stream.runDrift(forms.number(drift)) : '';
      const tone = state === 'failed' ? 'bad' : drifted ? 'low' : state === 'completed' ? 'good' : 'plain';
      return made(stream.run(stream.runKinds[kind], words.resources[resource], stream.runStates[state]) + drifted, tone, error ?? '');
    }
    case 'customer:online':
      return made(stream.customerOnline(event.data.customerId));
    case 'customer:offline':
      return made(stream.customerOffline(event.data.customerId));
    case 'system:alert':
      return made(event.data.title, 'bad', event.data.message);
    case 'posted':
      return made(stream.posted(event.data.source, event.data.name ?? event.data.event));
    default:
      return notice();
  }

  function fromOthers(): Sentence | null {
    return typeof posted.source === 'string' ? made(stream.posted(posted.source, event.kind)) : null;
  }

  /** What other programs say to people, by whatever event. */
  function notice(): Sentence | null {
    const { title, message } = event.data as { title?: unknown; message?: unknown };
    if (typeof title === 'string') return made(title, 'plain', typeof message === 'string' ? message : '');
    return typeof message === 'string' ? made(message) : fromOthers();
  }
}

function itemOf({ title, sku }: { title: string | null; sku: string | null }, words: Words): string {
  return title ?? sku ?? words.stream.someItem;
}

function placeOf({ locationName }: { locationName: string | null }, words: Words): string {
  return locationName ?? words.stream.somePlace;
}

/** The sign of a level's status, so that colour is never alone. */
export function toneOf(status: StockStatus): Tone {
  return status === 'out_of_stock' ? 'out' : status === 'low_stock' ? 'low' : 'good';
}
