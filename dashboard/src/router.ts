// Addresses: the path says which view, the query what is shown in it, so that a link shows a colleague the same.
import { signal } from '@preact/signals';

import ADDRESSES from '../addresses.json' with { type: 'json' };

export interface Place {
  path: string;
  query: Readonly<Record<string, string>>;
}

/** The place that an address names; a slash too much at the end is no other path. */
export function placeOf(url: URL): Place {
  const path = url.pathname === '/' ? '/' : url.pathname.replace(/\/$/, '');
  return { path, query: Object.fromEntries(url.searchParams) };
}

/** The address of a place; what is empty is left out, and the rest stands in one order, so equal views are equal links. */
export function addressOf({ path, query }: Place): string {
  const said = Object.entries(query).filter(([, value]) => value !== '');
  const search = new URLSearchParams(said.sort(([a], [b]) => (a < b ? -1 : 1))).toString();
  return search ? `${path}?${search}` : path;
}

/** Whether the daemon sends the page at that path. */
export function isOurs(path: string): boolean {
  return ADDRESSES.includes(path);
}

export const place = signal<Place>({ path: '/', query: {} });

/** Shows another place. The shop goes along unless another one is named. */
export function go(path: string, query: Record<string, string> = {}, { replace = false } = {}): void {
  const { shop = '' } = place.value.query;
  const next = { path, query: { shop, ...query } };
  history[replace ? 'replaceState' : 'pushState'](null, '', addressOf(next));
  place.value = placeOf(new URL(location.href));
  if (!replace) scrollTo(0, 0);
}

/** Follows the address, and links of our own without loading the page anew. */
export function startRouter(): void {
  const follow = () => (place.value = placeOf(new URL(location.href)));
  follow();
  addEventListener('popstate', follow);
  addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.('a');
    if (!link || link.target || link.origin !== location.origin || link.hash || !isOurs(placeOf(new URL(link.href)).path)) return;
    event.preventDefault();
    const { path, query } = placeOf(new URL(link.href));
    go(path, { ...query });
  });
}
