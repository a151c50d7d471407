// Keys that work on every view. Single letters can be switched off (WCAG 2.1.4), and never act while somebody types.
import { signal } from '@preact/signals';

const KEPT = 'stockd.singleKeys';
/** The second key of a pair comes within so long. */
const PAIR_MS = 1_500;

export const singleKeys = signal(localStorage.getItem(KEPT) !== 'off');

export function chooseSingleKeys(on: boolean): void {
  if (on) localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, 'off');
  singleKeys.value = on;
}

/** What a key, or a pair such as `g o`, does. */
export type Keys = Record<string, () => void>;

/** Listens until the returned function is called. */
export function listenForKeys(keys: Keys): () => void {
  let first = { key: '', at: 0 };
  const press = (event: KeyboardEvent) => {
    if (!singleKeys.value || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]')) return;
    const pair = event.timeStamp - first.at < PAIR_MS ? `${first.key} ${event.key}` : event.key;
    first = { key: event.key, at: event.timeStamp };
    const act = keys[pair] ?? keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  addEventListener('keydown', press);
  return () => removeEventListener('keydown', press);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}
