// Counts of levels that are low, out or unsettled, kept right by the events that follow the pages they were read from.
import type { LevelShape } from './rest.ts';

type Counted = Pick<LevelShape, 'active' | 'available' | 'inventoryItemId' | 'locationId' | 'pending' | 'status' | 'tracked'>;

export interface Counts {
  low: number;
  out: number;
  /** Levels with changes of ours that Shopify has not confirmed. */
  unsettled: number;
  levels: number;
}

interface Known {
  sequence: number;
  low: boolean;
  out: boolean;
  unsettled: boolean;
}

export class Tally {
  readonly counts: Counts = { low: 0, out: 0, unsettled: 0, levels: 0 };
  readonly #known = new Map<string, Known>();

  /** Takes a level as it was at that place of the log, unless a later state of it is known. */
  put(level: Counted, sequence: number): void {
    const key = `${level.inventoryItemId}:${level.locationId}`;
    const before = this.#known.get(key);
    if (before && before.sequence > sequence) return;
    const counts = level.tracked && level.active;
    const now = {
      sequence,
      low: counts && level.status === 'low_stock',
      out: counts && level.status === 'out_of_stock',
      unsettled: level.pending !== 0,
    };
    this.#known.set(key, now);
    const { counts: sums } = this;
    for (const what of ['low', 'out', 'unsettled'] as const) sums[what] += Number(now[what]) - Number(before?.[what] ?? false);
    if (!before) sums.levels += 1;
  }
}

/** The number in a public offset, `epoch.sequence`. */
export function sequenceOf(offset: string): number {
  return Number(offset.slice(offset.indexOf('.') + 1));
}

/** The offset that is that many entries earlier. */
export function earlier(offset: string, entries: number): string {
  return `${offset.slice(0, offset.indexOf('.'))}.${Math.max(0, sequenceOf(offset) - entries)}`;
}
