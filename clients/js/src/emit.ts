// How a server tells stockd what happened, by one line where it happens.
import type { Events, Order } from './omni-events.js';

type What<Topic extends string> = keyof Events extends infer Name ? (Name extends `${Topic}:${infer Rest}` ? Rest : never) : never;

/** What is told; further fields are passed on. */
type Data = Record<string, unknown>;

declare global {
  // Not there in browsers, and not needed.
  var process: { env: Record<string, string | undefined> } | undefined;
}

let target: { url?: string | undefined; token?: string | undefined } = {};

/** Says where stockd is, and by which token of role `service`; else `STOCKD_URL` and `STOCKD_TOKEN` say it. */
export function configure(where: { url: string; token?: string }): void {
  target = where;
}

export function emitOrderEvent(what: What<'order'>, order: Partial<Order> & { id: string | number } & Data): Promise<boolean> {
  return emit(`order:${what}`, order);
}

export function emitInventoryEvent(what: What<'inventory'>, level: Data): Promise<boolean> {
  return emit(`inventory:${what}`, level);
}

export function emitProductEvent(what: What<'product'>, product: Data): Promise<boolean> {
  return emit(`product:${what}`, product);
}

export function emitPaymentEvent(what: What<'payment'>, payment: Data): Promise<boolean> {
  return emit(`payment:${what}`, payment);
}

export function emitCustomerActivity(what: What<'customer'>, customer: Data): Promise<boolean> {
  return emit(`customer:${what}`, customer);
}

export function emitSystemNotification(what: What<'system'>, notice: Data): Promise<boolean> {
  return emit(`system:${what}`, notice);
}

/** `true` once stockd has it. It never rejects, because callers do not wait: what fails is a line on the console. */
async function emit(event: string, data: Data): Promise<boolean> {
  const environment: Record<string, string | undefined> = globalThis.process?.env ?? {};
  const { url = environment['STOCKD_URL'], token = environment['STOCKD_TOKEN'] } = target;
  try {
    if (!url) throw new Error('STOCKD_URL is not set: where is stockd, for instance http://localhost:8080?');
    const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(new URL('/api/v1/events', url), { method: 'POST', headers, body: JSON.stringify({ event, data }) });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return true;
  } catch (error) {
    console.warn(`stockd was not told of ${event}: ${error instanceof Error ? error.message : 'no reason given'}`);
    return false;
  }
}
