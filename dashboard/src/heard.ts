// Events of the page's connection in the form in which the log has them, so that history and what is live read alike.
import type { Envelope } from '@stockd/client/oda';

import type { LoggedEvent } from './rest.ts';

/** What an event of the native contract is in the log; `null` for those that are told beside it. */
export function asLogged(name: string, event: Envelope<unknown>): LoggedEvent | null {
  const kind = kindOf(name, event.data as Record<string, unknown>);
  if (!kind || event.id === undefined) return null;
  return { id: event.id, shop: event.shop, timestamp: event.timestamp, kind, data: event.data } as LoggedEvent;
}

const ORDER_KINDS: Record<string, string> = { created: 'order:created', deleted: 'order:deleted', status_changed: 'order:status_changed' };

function kindOf(name: string, data: Record<string, unknown>): string | null {
  switch (name) {
    case 'inventory:updated':
    case 'inventory:restocked':
    case 'inventory:reservation':
    case 'inventory:transfer':
    case 'command:updated':
      return name;
    case 'inventory:lowStock':
      return data.status === 'out_of_stock' ? 'inventory:out_of_stock' : 'inventory:low_stock';
    case 'order:updated':
      return ORDER_KINDS[String(data.change)] ?? 'order:updated';
    case 'shopify:syncStatus':
      return 'shopify:sync_status';
    case 'notification':
      return typeof data.event === 'string' ? data.event : null;
    default:
      return null;
  }
}
