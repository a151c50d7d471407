// What screen readers are told: at most one sentence in five seconds, the most important of them.
import { signal } from '@preact/signals';

const PAUSE_MS = 5_000;

/** What the live region says. */
export const announced = signal('');

let waiting: { text: string; urgent: boolean } | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Says this now or after the pause. Of several that wait, an urgent one is said, else the latest. */
export function announce(text: string, urgent = false): void {
  if (!waiting?.urgent || urgent) waiting = { text, urgent };
  if (timer === undefined) say();
}

function say(): void {
  timer = undefined;
  if (!waiting) return;
  announced.value = waiting.text;
  waiting = undefined;
  timer = setTimeout(say, PAUSE_MS);
}
