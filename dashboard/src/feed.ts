// The page's own connection in the form that the components of `@stockd/client/react` listen to, so that they need none
// of their own.
import type { Connection, ConnectionState, Events } from '@stockd/client/omni';
import type { LiveConnection } from '@stockd/client/react';

import type { LoggedEvent } from './rest.ts';

type Listener = (data: never, envelope: { type: string; timestamp: string }) => void;

export class Feed implements LiveConnection {
  state: ConnectionState = { status: 'connecting', error: null, refused: [] };
  readonly url = undefined;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #watchers = new Set<() => void>();

  readonly on: Connection['on'] = (event, listener) => {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener as Listener));
    return () => void listeners.delete(listener as Listener);
  };

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Everything is heard already. */
  subscribe(): () => void {
    return () => {};
  }

  // The page opens and closes its connection, and signs in.
  open(): void {}
  close(): void {}
  authenticate(): void {}

  set(status: ConnectionState['status']): void {
    if (this.state.status === status) return;
    this.state = { ...this.state, status };
    this.#watchers.forEach((watcher) => watcher());
  }

  /** Passes an event on, as omni's contract words it. */
  hear(event: LoggedEvent): void {
    for (const [type, data] of asOmni(event)) {
      for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(data as never, { type, timestamp: event.timestamp });
    }
  }
}

type Heard = { [Name in keyof Events]: [Name, Events[Name]] }[keyof Events];

/** What omni's contract says of an event that the components listen to; nothing for the others. */
export function asOmni(event: LoggedEvent): Heard[] {
  switch (event.kind) {
    case 'order:created':
    case 'order:updated':
    case 'order:status_changed':
    case 'order:deleted': {
      const { orderId, name, customerId = null, total, status, channel = null, change, financialStatus } = event.data;
      const amount = total === undefined ? null : Number(total);
      const heard: Heard[] = [[event.kind, { id: orderId, name, customerId, customerName: null, total: amount, status, channel }]];
      // The native contract tells a payment as a change of its order.
      if (change === 'payment' && financialStatus === 'paid') {
        heard.push(['payment:received', { orderId, orderName: name, customerId, amount, currency: event.data.currency }]);
      } else if (change === 'payment' && financialStatus?.endsWith('refunded')) {
        heard.push(['payment:refunded', { orderId, orderName: name, customerId, amount: null, currency: event.data.currency }]);
      }
      return heard;
    }
    case 'customer:online':
    case 'customer:offline':
      return [[event.kind, { customerId: event.data.customerId }]];
    default:
      return [];
  }
}
