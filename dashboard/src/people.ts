// Accounts, as the daemon keeps them.
import { send } from './api.ts';
import type { Role } from './rest.ts';

export interface Person {
  id: string;
  name: string;
  role: Role;
  /** `null` for all. */
  locations: string[] | null;
  disabled: boolean;
  lastSeenAt: string | null;
}

export interface SignedIn {
  id: string;
  startedAt: string;
  lastSeenAt: string;
  /** What the browser said of itself. */
  userAgent: string | null;
  current: boolean;
}

/** A one-time link by which somebody sets a password. */
export interface Invitation {
  link: string;
}

export const people = {
  list: async () => ((await send('GET', '/api/v1/users')) as { data: Person[] }).data,
  add: (person: Pick<Person, 'name' | 'role' | 'locations'>) => send('POST', '/api/v1/users', person) as Promise<Person>,
  change: (id: string, change: Partial<Person> & { language?: string | null }) => send('PATCH', `/api/v1/users/${encodeURIComponent(id)}`, change) as Promise<Person>,
  changePassword: (id: string, currentPassword: string, password: string) => send('PATCH', `/api/v1/users/${encodeURIComponent(id)}`, { currentPassword, password }),
  invite: (id: string) => send('POST', `/api/v1/users/${encodeURIComponent(id)}/link`) as Promise<Invitation>,
  sessions: async () => ((await send('GET', '/api/v1/sessions')) as { data: SignedIn[] }).data,
  endSession: (id: string) => send('DELETE', `/api/v1/sessions/${encodeURIComponent(id)}`),
  endSessions: () => send('DELETE', '/api/v1/sessions'),
};
