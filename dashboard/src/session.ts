// Who is signed in. The token is held in memory only; a cookie that no script can read renews it, where there is one.
import { computed, signal } from '@preact/signals';

import { ApiProblem, sendAs, tokens } from './api.ts';
import { accountLanguage } from './language.ts';
import type { Role } from './rest.ts';

export interface User {
  id: string;
  name: string;
  role: Role;
  /** `null` for all. */
  locations: string[] | null;
  /** `null` for all. */
  shops: string[] | null;
  language: string | null;
}

export interface Session {
  token: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
  user: User;
  /** Whether it came with an account, so that a cookie renews it. */
  hasAccount: boolean;
}

/** How one may sign in here. */
export interface Options {
  passwordLogin: boolean;
  providers: { name: string; button: string; href: string }[];
  tls: boolean;
}

export type Reason = 'ended' | 'expired' | 'tokenBad' | 'unreachable' | { notStaff: string };

export type Standing =
  | { kind: 'starting' }
  /** `options` is `null` where there are no accounts. */
  | { kind: 'out'; reason: Reason | null; options: Options | null }
  /** A one-time link was opened, by which a password is set. */
  | { kind: 'link'; link: string }
  | { kind: 'in'; session: Session };

interface Answer {
  token: string;
  expiresAt: string;
  user: User;
}

const SESSION = '/api/v1/session';
const STAFF: readonly Role[] = ['admin', 'manager', 'staff', 'super_admin'];
/** A token is renewed so long before it ends. */
const MARGIN_MS = 60_000;
/** After a failure to reach the daemon. */
const RETRY_MS = 5_000;
/** `setTimeout` takes no more. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const standing = signal<Standing>({ kind: 'starting' });
export const session = computed(() => (standing.value.kind === 'in' ? standing.value.session : null));
export const isAdmin = computed(() => ['admin', 'super_admin'].includes(session.value?.user.role ?? ''));

let timer: ReturnType<typeof setTimeout> | undefined;
let renewing: Promise<string | null> | undefined;

/** Signs in by what the address or the cookie has. */
export async function startSession(): Promise<void> {
  tokens.current = () => session.value?.token ?? null;
  tokens.renew = (refused) => {
    const known = session.value;
    return known && known.token !== refused ? Promise.resolve(known.token) : renew();
  };
  const said = new URLSearchParams(location.hash.slice(1));
  const [token, link] = [said.get('token'), said.get('link')];
  // What is secret stays neither in the address bar nor in the history.
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  // A link that is opened where the page is already open changes the fragment only.
  addEventListener('hashchange', () => /^#(token|link)=/.test(location.hash) && location.reload());
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && keepFresh());
  if (link) standing.value = { kind: 'link', link };
  else if (token) await takeToken(token);
  else await refresh('first');
}

/** Signs in with a name and a password. */
export async function signIn(name: string, password: string): Promise<void> {
  enter((await sendAs(null, 'POST', SESSION, { name, password })) as Answer);
}

/** Sets a password by a one-time link, and signs in. */
export async function useLink(link: string, password: string): Promise<void> {
  enter((await sendAs(null, 'POST', `${SESSION}/link`, { link, password })) as Answer);
}

export async function signOut(): Promise<void> {
  if (session.value?.hasAccount) await sendAs(null, 'DELETE', SESSION).catch(() => null);
  await leave('ended');
}

/** The daemon ended what this page was signed in with. */
export async function leave(reason: Reason | null): Promise<void> {
  clearTimeout(timer);
  accountLanguage.value = null;
  try {
    const options = (await sendAs(null, 'GET', `${SESSION}/options`)) as Options;
    standing.value = { kind: 'out', reason, options };
  } catch (problem) {
    const isReached = problem instanceof ApiProblem && problem.status === 404;
    standing.value = { kind: 'out', reason: isReached ? reason : 'unreachable', options: null };
    // The cookie may still be good.
    if (!isReached) timer = setTimeout(() => void refresh('first'), RETRY_MS);
  }
}

/** Another token, or `null` when there is none to be had, after which nobody is signed in. */
export function renew(): Promise<string | null> {
  renewing ??= (session.value?.hasAccount ? refresh('again') : leave('expired').then(() => null)).finally(() => (renewing = undefined));
  return renewing;
}

/** Takes a token that was handed over in the address, as those of `stockd demo` and `stockd token`. */
async function takeToken(token: string): Promise<void> {
  const claims = claimsOf(token);
  if (!claims) return leave('tokenBad');
  const { sub, role, exp, locations = null, shops = null } = claims;
  const user = { id: sub, name: sub, role, locations, shops, language: null };
  enter({ token, expiresAt: new Date(exp * 1_000).toISOString(), user }, false);
}

function enter({ token, expiresAt, user }: Answer, hasAccount = true): void {
  if (!STAFF.includes(user.role)) return void leave({ notStaff: user.role });
  accountLanguage.value = user.language;
  standing.value = { kind: 'in', session: { token, expiresAt: Date.parse(expiresAt), user, hasAccount } };
  keepFresh();
}

function keepFresh(): void {
  clearTimeout(timer);
  const known = session.value;
  if (!known) return;
  const left = known.expiresAt - Date.now() - (known.hasAccount ? MARGIN_MS : 0);
  timer = setTimeout(() => (left > TIMER_MAX_MS ? keepFresh() : void renew()), Math.min(Math.max(0, left), TIMER_MAX_MS));
}

async function refresh(when: 'first' | 'again'): Promise<string | null> {
  try {
    const answer = (await sendAs(null, 'POST', `${SESSION}/refresh`)) as Answer;
    enter(answer);
    return answer.token;
  } catch (problem) {
    const known = session.value;
    // Nobody can be reached: who is in stays in, as long as the token is good.
    if (known && problem instanceof ApiProblem && (problem.status === 0 || problem.status >= 500)) {
      clearTimeout(timer);
      timer = setTimeout(() => void renew(), RETRY_MS);
      return known.expiresAt > Date.now() ? known.token : null;
    }
    await leave(when === 'first' ? null : 'expired');
    return null;
  }
}

interface Claims {
  sub: string;
  role: Role;
  /** Seconds since 1970. */
  exp: number;
  locations?: string[] | null;
  shops?: string[] | null;
}

/** What a token says; whether it is true, the daemon judges. */
export function claimsOf(token: string): Claims | null {
  try {
    const part = token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/');
    const bytes = Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Claims;
    return typeof claims.sub === 'string' && typeof claims.role === 'string' && typeof claims.exp === 'number' ? claims : null;
  } catch {
    return null;
  }
}
