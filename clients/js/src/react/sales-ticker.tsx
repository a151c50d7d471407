// The latest orders and payments, and what was sold today.
import { useEffect, useState } from 'react';

import { Live } from './live.js';
import { useWebSocket } from './use-websocket.js';

export interface LiveSalesTickerProps {
  /** How many lines to show; 10 when left out. */
  maxItems?: number;
  /** What was sold today before the page was opened; 0 when left out. */
  initialRevenue?: number;
  /** ISO 4217; amounts stand without a currency when left out. */
  currency?: string;
}

interface Line {
  key: string;
  text: string;
}

const NAMESPACES = ['orders', 'payments'] as const;
const ITEMS = 10;

export function LiveSalesTicker({ maxItems = ITEMS, initialRevenue = 0, currency }: LiveSalesTickerProps) {
  const { on, isConnected, refused } = useWebSocket({ namespaces: NAMESPACES });
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [sold, setSold] = useState(() => ({ day: day(Date.now()), total: initialRevenue }));

  useEffect(() => {
    const show = (timestamp: string, text: string) =>
      setLines((all) => [{ key: `${timestamp} ${text}`, text }, ...all].slice(0, maxItems));
    const ends = [
      on('order:created', ({ id, total, channel }, { timestamp }) => {
        show(timestamp, `Order ${id}: ${money(total, currency)}${channel ? `, ${channel}` : ''}`);
        const placed = day(timestamp);
        // A new day begins at nothing, and what is heard late, of a day gone by, is not of today.
        setSold((known) => {
          if (placed === known.day) return { ...known, total: known.total + (total ?? 0) };
          return placed === day(Date.now()) ? { day: placed, total: total ?? 0 } : known;
        });
      }),
      on('payment:received', ({ orderId, amount }, { timestamp }) =>
        show(timestamp, `Payment for order ${orderId}: ${money(amount, currency)}`),
      ),
      on('payment:failed', ({ orderId }, { timestamp }) => show(timestamp, `Payment for order ${orderId} failed`)),
      on('payment:refunded', ({ orderId, amount }, { timestamp }) =>
        show(timestamp, `Refund for order ${orderId}: ${money(amount, currency)}`),
      ),
    ];
    return () => ends.forEach((end) => end());
  }, [on, maxItems, currency]);

  return (
    <section className="stockd stockd-sales" aria-label="Sales">
      <p>
        <span>
          Sold today: <strong>{money(sold.total, currency)}</strong>
        </span>
        <Live on={isConnected && !refused.includes('orders')} />
      </p>
      <ol role="log" aria-live="polite" aria-label="Latest sales" className="stockd-sales-lines">
        {lines.map(({ key, text }) => (
          <li key={key}>{text}</li>
        ))}
      </ol>
    </section>
  );
}

function day(at: string | number): string {
  return new Date(at).toDateString();
}

function money(amount: number | null | undefined, currency: string | undefined): string {
  if (amount == null) return 'no amount';
  const style = currency ? { style: 'currency' as const, currency } : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return new Intl.NumberFormat(undefined, style).format(amount);
}
