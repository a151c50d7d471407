// Numbers as people type them: `+5` and `-3` change by that much, `12` sets.

export type TypedQuantity = { kind: 'set'; to: number } | { kind: 'adjust'; by: number };

/** What Shopify takes for a quantity. */
const QUANTITY_MAX = 1_000_000_000;

/** What was typed, or `null` when that is no whole number within bounds. Nothing is guessed: `1.000` may be one or a thousand. */
export function typedQuantity(text: string): TypedQuantity | null {
  // Keyboards and spreadsheets have other minus signs, digits and spaces.
  const plain = text.normalize('NFKC').replace(/[\u2212\u2012\u2013]/g, '-').replace(/\s/g, '');
  const found = /^([+-]?)([0-9]+)$/.exec(plain);
  if (!found) return null;
  const [, sign, digits] = found;
  const count = Number(digits);
  if (count > QUANTITY_MAX) return null;
  if (!sign) return { kind: 'set', to: count };
  return { kind: 'adjust', by: sign === '-' && count > 0 ? -count : count };
}
