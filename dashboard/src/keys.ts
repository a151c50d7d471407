// Keys that work on every view, and scans. Single letters can be switched off (WCAG 2.1.4). Neither acts while somebody
// types: a scan then goes into the field, as any keys.
import { signal } from '@preact/signals';

import { SCAN_GAP_MS, ScanReader } from './scanner.ts';

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
export function listenForKeys(keys: Keys, scanned: (code: string) => void): () => void {
  const scans = new ScanReader();
  let first = { key: '', at: 0 };
  let acting: ReturnType<typeof setTimeout> | undefined;
  const press = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    clearTimeout(acting);
    const code = scans.press(event.key, event.timeStamp);
    if (code !== null) {
      event.preventDefault();
      return scanned(code);
    }
    if (!singleKeys.value || document.querySelector('dialog[open]')) return;
    const pair = event.timeStamp - first.at < PAIR_MS ? `${first.key} ${event.key}` : event.key;
    first = { key: event.key, at: event.timeStamp };
    const act = keys[pair] ?? keys[event.key];
    if (!act) return;
    event.preventDefault();
    // Not at once: as a letter of a scan it is followed by the next one.
    acting = setTimeout(act, SCAN_GAP_MS);
  };
  addEventListener('keydown', press);
  return () => {
    clearTimeout(acting);
    removeEventListener('keydown', press);
  };
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}
