// Signs of states: each has a shape of its own, so that colour is never alone. They stand beside words and say nothing.
import type { Tone } from './sentences.ts';

export type SignName = Tone | 'live' | 'waiting' | 'offline' | 'unsettled' | 'search' | 'help' | 'person';

const SHAPES: Record<SignName, preact.JSX.Element> = {
  plain: <circle cx="8" cy="8" r="2.5" fill="currentColor" stroke="none" />,
  good: <path d="M3 8.5 6.5 12 13 4.5" />,
  low: <path d="M8 2.5 14.5 13.5H1.5ZM8 6.5v3M8 11.4v.4" />,
  out: <path d="M3.5 3.5l9 9M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13Z" />,
  bad: <path d="M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2ZM8 4.8v4M8 11v.4" />,
  sale: <path d="M2 3h2l1.6 7h6.8L14 5H4.6M6 13.2h.01M12 13.2h.01" />,
  live: <circle cx="8" cy="8" r="5" fill="currentColor" stroke="none" />,
  waiting: <path d="M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 1.5v3.2h-3.2" />,
  offline: <path d="M2 2l12 12M8 3a6 6 0 0 1 5.5 3.5M2.5 6.5A6 6 0 0 1 5 4.1M5.5 9.5a3.4 3.4 0 0 1 3-1M8 13h.01" />,
  unsettled: <path d="M4 1.8h8M4 14.2h8M5 2v2.5L8 8l3-3.5V2M5 14v-2.5L8 8l3 3.5V14" />,
  search: <path d="M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9ZM10.5 10.5 14 14" />,
  help: <path d="M5.5 5.8a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.7M8 12.2v.3" />,
  person: <path d="M8 2.5a2.8 2.8 0 1 1 0 5.6a2.8 2.8 0 0 1 0-5.6ZM2.5 14a5.5 5.5 0 0 1 11 0" />,
};

export function Sign({ name }: { name: SignName }) {
  return (
    <svg class={`sign sign-${name}`} viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {SHAPES[name]}
    </svg>
  );
}
