// How many customers are in the store just now, and what they do.
import { useEffect, useState } from 'react';

import type { Events } from '../omni.js';
import { Live } from './live.js';
import { useWebSocket } from './use-websocket.js';
import { useWording } from './wording.js';

export interface LiveCustomerCountProps {
  /** Whether to list what customers did last. */
  showDetails?: boolean;
  /** How many were there before; 0 when left out. */
  initialCount?: number;
}

type Presence = 'customer:online' | 'customer:offline';
type Activity = 'customer:activity' | 'customer:viewing_product' | 'customer:added_to_cart' | Presence;

const NAMESPACES = ['customers'] as const;
const ACTIVITIES_SHOWN = 5;
/** Of customers who came and were not heard to leave; the oldest are then taken for gone. */
const ONLINE_MAX = 10_000;

const WORDS: { [Event in Activity]: (data: Events[Event]) => string } = {
  'customer:activity': ({ customerId, activity }) => `Customer ${customerId}: ${activity}`,
  'customer:viewing_product': ({ customerId, productId }) => `Customer ${customerId} looks at product ${productId}`,
  'customer:added_to_cart': ({ customerId, productId }) => `Customer ${customerId} put product ${productId} into the cart`,
  'customer:online': ({ customerId }) => `Customer ${customerId} came`,
  'customer:offline': ({ customerId }) => `Customer ${customerId} left`,
};

export function LiveCustomerCount({ showDetails = false, initialCount = 0 }: LiveCustomerCountProps) {
  const { on, isConnected, refused } = useWebSocket({ namespaces: NAMESPACES });
  const { words, announces } = useWording();
  const live = isConnected && !refused.includes('customers');
  const [online, setOnline] = useState<ReadonlySet<string>>(new Set());
  const [recent, setRecent] = useState<readonly { key: number; text: string }[]>([]);

  // Who comes and goes during a loss is not told afterwards, so the count begins anew.
  useEffect(() => {
    if (!live) setOnline(new Set());
  }, [live]);

  useEffect(() => {
    const listen = <Event extends Activity>(event: Event) =>
      on(event, (data) => {
        const { customerId } = data as { customerId: string };
        if (event === 'customer:online') setOnline((all) => newest([...all, customerId]));
        if (event === 'customer:offline') setOnline((all) => newest([...all].filter((one) => one !== customerId)));
        const text = WORDS[event](data as Events[Event]);
        setRecent((all) => [{ key: (all[0]?.key ?? 0) + 1, text }, ...all].slice(0, ACTIVITIES_SHOWN));
      });
    const ends = (Object.keys(WORDS) as Activity[]).map(listen);
    return () => ends.forEach((end) => end());
  }, [on]);

  const count = initialCount + online.size;
  return (
    <section className="stockd stockd-customers" aria-label={words.customersOnline}>
      <p>
        <span role="status" aria-live={announces ? 'polite' : 'off'} aria-atomic="true">
          <strong key={count} className="stockd-customers-count">
            {count}
          </strong>{' '}
          {words.customers(count)}
        </span>
        <Live on={live} />
      </p>
      {showDetails && (
        <ul className="stockd-customers-recent" aria-label={words.latestActivity}>
          {recent.map(({ key, text }) => (
            <li key={key}>{text}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

function newest(all: string[]): ReadonlySet<string> {
  return new Set(all.slice(-ONLINE_MAX));
}
