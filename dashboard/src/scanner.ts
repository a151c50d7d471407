// A barcode scanner that types: so many letters so fast are no person's.

/** Letters of a scan come at most so far apart. */
export const SCAN_GAP_MS = 60;
const LETTERS_MIN = 4;
const LETTERS_MAX = 255;
/** A trigger that bounces reads the same code again so soon. */
const BOUNCE_MS = 300;
/** What some scanners send before a code, to say of which kind it is (ISO/IEC 15424). */
const KIND = /^\][A-Za-z][0-9A-Za-z]/;

/** Finds scans among keys. */
export class ScanReader {
  #letters = '';
  #lastAt = -Infinity;
  #scanned = { code: '', at: -Infinity };

  /** The code that ends with this key, if one does. `at` is the time of the key in milliseconds. */
  press(key: string, at: number): string | null {
    const isFast = at - this.#lastAt <= SCAN_GAP_MS;
    if ([...key].length === 1) {
      this.#letters = isFast ? (this.#letters + key).slice(0, LETTERS_MAX) : key;
      this.#lastAt = at;
      return null;
    }
    if (key !== 'Enter' && key !== 'Tab') return null;
    const code = this.#letters.replace(KIND, '').replace(/\p{Cc}/gu, '').trim();
    this.#letters = '';
    if (!isFast || code.length < LETTERS_MIN) return null;
    const bounced = code === this.#scanned.code && at - this.#scanned.at < BOUNCE_MS;
    this.#scanned = { code, at };
    return bounced ? null : code;
  }
}
