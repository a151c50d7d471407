// REST: typed by the daemon's own document, with the token that is in use.
import type { ErrorBody, Routes } from './rest.ts';

type Name = keyof Routes;
type Parameters<Route extends Name> = Routes[Route]['query'];

/** Why something was not done, in the daemon's words or ours. */
export class ApiProblem extends Error {
  readonly code: ErrorBody['code'] | 'TLS_REQUIRED' | 'UNREACHABLE';
  readonly status: number;

  constructor(code: ApiProblem['code'], message: string, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Who gives tokens; the session sets it. A fresh one is asked for when the one at hand was refused. */
export const tokens = {
  current: (): string | null => null,
  renew: async (_refused: string): Promise<string | null> => null,
};

/** Longer than any answer of the daemon takes when it is well. */
const PATIENCE_MS = 30_000;

/** Asks a route that is described. */
export async function ask<Route extends Name>(
  route: Route,
  query: Parameters<Route>,
  ...body: Routes[Route] extends { body: infer Body } ? [Body] : []
): Promise<Routes[Route]['answer']> {
  const [method, path] = route.split(' ') as [string, string];
  const said = Object.entries(query).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
  return (await send(method, search ? `${path}?${search}` : path, body[0])) as Routes[Route]['answer'];
}

/** Sends a request with the token; a token that is refused is renewed once. */
export async function send(method: string, path: string, body?: unknown): Promise<unknown> {
  const token = tokens.current();
  try {
    return await sendAs(token, method, path, body);
  } catch (problem) {
    if (!(problem instanceof ApiProblem) || problem.status !== 401 || token === null) throw problem;
    const fresh = await tokens.renew(token);
    if (fresh === null) throw problem;
    return sendAs(fresh, method, path, body);
  }
}

/** Sends a request as the bearer of that token, or as nobody. */
export async function sendAs(token: string | null, method: string, path: string, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = {};
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer: Response;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    answer = await fetch(path, { method, headers, signal, ...(body !== undefined && { body: JSON.stringify(body) }) });
  } catch {
    throw new ApiProblem('UNREACHABLE', 'stockd cannot be reached');
  }
  if (answer.status === 204) return null;
  const said: unknown = await answer.json().catch(() => null);
  if (answer.ok) return said;
  const { code = 'UNAVAILABLE', message = answer.statusText } = (said as { error?: Partial<ErrorBody> } | null)?.error ?? {};
  throw new ApiProblem(code, message, answer.status);
}
