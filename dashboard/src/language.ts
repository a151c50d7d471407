// The language in use, and dates, numbers and money in its form.
import { computed, signal } from '@preact/signals';

import { chosenLanguage, LANGUAGES, type LanguageCode } from './words.ts';

const KEPT = 'stockd.language';

/** What this person chose on this device; `null` for what the browser says. */
export const languageChoice = signal<string | null>(localStorage.getItem(KEPT));
/** What the account says, where there is one. */
export const accountLanguage = signal<string | null>(null);

const code = computed<LanguageCode>(() =>
  chosenLanguage([
    new URL(location.href).searchParams.get('language'),
    languageChoice.value,
    accountLanguage.value,
    ...navigator.languages.filter((one) => one !== 'pseudo'),
  ]),
);

export const language = computed(() => LANGUAGES[code.value]);
/** The words, as they are to be read now. */
export const words = computed(() => language.value.words);

export function chooseLanguage(choice: string | null): void {
  if (choice === null) localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, choice);
  languageChoice.value = choice;
}

/** The browser's variant of the language, where it has one: `en-GB` writes other dates than `en`. */
const locale = computed(() => navigator.languages.find((one) => one.split('-')[0] === language.value.tag) ?? language.value.tag);

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = computed(() => ({
  number: new Intl.NumberFormat(locale.value),
  percent: new Intl.NumberFormat(locale.value, { style: 'percent' }),
  time: new Intl.DateTimeFormat(locale.value, { hour: '2-digit', minute: '2-digit' }),
  second: new Intl.DateTimeFormat(locale.value, { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
  date: new Intl.DateTimeFormat(locale.value, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }),
  year: new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'short' }),
}));

export const localeTag = locale;

export function number(count: number): string {
  return formats.value.number.format(count);
}

export function percent(share: number): string {
  return formats.value.percent.format(share);
}

export function money(amount: string | number, currency: string): string {
  try {
    // A number would lose cents of large amounts; Intl takes decimal texts.
    const exact = amount as Intl.StringNumericLiteral;
    return new Intl.NumberFormat(locale.value, { style: 'currency', currency }).format(exact);
  } catch {
    return `${amount} ${currency}`;
  }
}

/** A moment, as briefly as it is clear: today without its day. */
export function moment(at: string | number, now = Date.now()): string {
  const date = new Date(at);
  const [then, today] = [date, new Date(now)].map((one) => one.toDateString());
  if (then === today) return formats.value.time.format(date);
  return date.getFullYear() === new Date(now).getFullYear() ? formats.value.date.format(date) : formats.value.year.format(date);
}

/** A moment of today to the second; others as `moment` says. */
export function second(at: string | number, now = Date.now()): string {
  const date = new Date(at);
  return date.toDateString() === new Date(now).toDateString() ? formats.value.second.format(date) : moment(at, now);
}
