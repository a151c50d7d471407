// The status of one order, as it changes.
import { useEffect, useState } from 'react';

import type { Order } from '../omni.js';
import { Live } from './live.js';
import { useWebSocket } from './use-websocket.js';
import { useWording } from './wording.js';

export interface OrderStatusBadgeProps {
  orderId: string | number;
  /** What to show until something is heard. */
  initialStatus: string;
  /** The words for a status; the status itself, when left out. */
  label?: (status: string) => string;
}

const NAMESPACES = ['orders'] as const;
const EVENTS = ['order:created', 'order:updated', 'order:status_changed', 'order:deleted'] as const;

export function OrderStatusBadge({ orderId, initialStatus, label = plain }: OrderStatusBadgeProps) {
  const { on, isConnected, refused } = useWebSocket({ namespaces: NAMESPACES });
  const { announces } = useWording();
  const shown = `${orderId} ${initialStatus}`;
  const [heard, setHeard] = useState<{ shown: string; status: string }>();
  // What was heard of another order, or before the page knew better, counts no more.
  const status = heard?.shown === shown ? heard.status : initialStatus;

  useEffect(() => {
    const take = (order: Order) => {
      if (order.id === String(orderId)) setHeard({ shown, status: order.status });
    };
    const ends = EVENTS.map((event) => on(event, take));
    return () => ends.forEach((end) => end());
  }, [on, orderId, shown]);

  return (
    <span className="stockd stockd-order" data-status={status}>
      <span role="status" aria-live={announces ? 'polite' : 'off'} aria-atomic="true">
        {/* Another element at each change, so that its animation begins again. */}
        <span key={status} className="stockd-order-status" data-changed={heard !== undefined}>
          {label(status)}
        </span>
      </span>
      <Live on={isConnected && !refused.includes('orders')} />
    </span>
  );
}

function plain(status: string): string {
  const words = status.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
