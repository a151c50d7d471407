// The latest orders and payments, and what was sold today.
import { useEffect, useState } from 'react';

import { Live } from './live.js';
import { useWebSocket } from './use-websocket.js';
import { useWording, type ComponentWords } from './wording.js';

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
  /** Written anew where currency or language become others. */
  say: (words: ComponentWords, money: (amount: number | null | undefined) => string) => string;
}

const NAMESPACES = ['orders', 'payments'] as const;
const ITEMS = 10;

export function LiveSalesTicker({ maxItems = ITEMS, initialRevenue = 0, currency }: LiveSalesTickerProps) {
  const { on, isConnected, refused } = useWebSocket({ namespaces: NAMESPACES });
  const { words, announces } = useWording();
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [sold, setSold] = useState(() => ({ day: day(Date.now()), total: initialRevenue }));

  useEffect(() => {
    const show = (timestamp: string, key: string, say: Line['say']) =>
      setLines((all) => [{ key: `${timestamp} ${key}`, say }, ...all].slice(0, maxItems));
    const ends = [
      on('order:created', ({ id, name = id, total, channel }, { timestamp }) => {
        show(timestamp, `order ${id}`, (words, money) => words.order(name, money(total), channel));
        const placed = day(timestamp);
        // A new day begins at nothing, and what is heard late, of a day gone by, is not of today.
        setSold((known) => {
          if (placed === known.day) return { ...known, total: known.total + (total ?? 0) };
          return placed === day(Date.now()) ? { day: placed, total: total ?? 0 } : known;
        });
      }),
      on('payment:received', ({ orderId, orderName = orderId, amount }, { timestamp }) =>
        show(timestamp, `payment ${orderId}`, (words, money) => words.payment(orderName, money(amount))),
      ),
      on('payment:failed', ({ orderId, orderName = orderId }, { timestamp }) =>
        show(timestamp, `failure ${orderId}`, (words) => words.paymentFailed(orderName)),
      ),
      on('payment:refunded', ({ orderId, orderName = orderId, amount }, { timestamp }) =>
        show(timestamp, `refund ${orderId}`, (words, money) => words.refund(orderName, money(amount))),
      ),
    ];
    return () => ends.forEach((end) => end());
  }, [on, maxItems]);

  const written = (amount: number | null | undefined) => money(amount, currency, words);
  return (
    <section className="stockd stockd-sales" aria-label={words.sales}>
      <p>
        <span>
          {words.soldToday} <strong>{written(sold.total)}</strong>
        </span>
        <Live on={isConnected && !refused.includes('orders')} />
      </p>
      <div role="log" aria-live={announces ? 'polite' : 'off'} aria-label={words.latestSales}>
        <ol className="stockd-sales-lines">
          {lines.map(({ key, say }) => (
            <li key={key}>{say(words, written)}</li>
          ))}
        </ol>
      </div>
    </section>
  );
}

function day(at: string | number): string {
  return new Date(at).toDateString();
}

function money(amount: number | null | undefined, currency: string | undefined, words: ComponentWords): string {
  if (amount == null) return words.noAmount;
  const style = currency ? { style: 'currency' as const, currency } : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return new Intl.NumberFormat(words.locale, style).format(amount);
}
