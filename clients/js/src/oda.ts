// The native contract over Socket.IO, typed: `connect` gives a socket.io-client socket that knows stockd's events.
import { io, type Socket } from 'socket.io-client';

import type {
  ErrorBody,
  ReservationAnswer,
  LevelAnswer,
  LevelShape,
  OdaEvents,
  ReserveAnswer,
  Sale,
  SettableName,
  SyncRun,
} from './schemas.js';

export type * from './schemas.js';

/** Every event as it arrives. */
export interface Envelope<Data, Type extends string = string> {
  /** Its place in the log, to be given as `since`; ephemeral events have none. */
  id?: string;
  type: Type;
  shop: string;
  data: Data;
  /** RFC 3339. */
  timestamp: string;
}

/** How far a run has come; at most four times a second. */
export type Progress = SyncRun & { percent: number | null };

/** What arrives as `notification`; its `data.event` says which event it was inside. */
export type Notification = Envelope<
  { event: string; [field: string]: unknown },
  'user:activity' | 'system:event' | 'system:maintenance' | 'security:alert'
>;

/** A command that failed, told beside its acknowledgement. */
export interface CommandFailure {
  /** For people. */
  error: string;
  code: ErrorBody['code'];
  retryable: boolean;
  request: unknown;
}

/** Each event that comes in an envelope. */
type EnvelopedEvents = { [Name in keyof OdaEvents]: (event: Envelope<OdaEvents[Name]>) => void };

/** What the server sends. Where the namespace recovers, each has one more argument, which socket.io-client keeps for itself. */
export interface ServerEvents extends EnvelopedEvents {
  connected: (greeting: {
    userId: string;
    role: string;
    socketId: string;
    rooms: string[];
    offset: string;
    timestamp: string;
  }) => void;
  /** What was missed cannot be sent any more: load again what is shown. */
  resync: (order: { reason: string }) => void;
  error: (error: { code: ErrorBody['code']; message: string; event: string | null }) => void;
  'inventory:updateError': (failure: CommandFailure) => void;
  'inventory:reservationError': (failure: CommandFailure) => void;
  notification: (event: Notification) => void;
}

/** Of which levels; the lists add up. None of them: all levels. An empty one: no level. */
export interface InventorySelection {
  locationIds?: Id[];
  productIds?: Id[];
  variantIds?: Id[];
}

/** A number, its digits, or a global id of Shopify. */
export type Id = string | number;

/** Where an item is stocked; may be left out where there is only one place. */
interface Spot {
  inventoryItemId: Id;
  locationId?: Id;
  /** Needed where the token is good for several. */
  shop?: string;
}

interface Reasoned {
  /** For the audit trail. */
  reason: string;
  /** A command repeated with the same key changes nothing. */
  idempotencyKey?: string;
}

/** To go on from: the `id` of an event or the `offset` of an answer. */
interface Since {
  since?: string;
}

export type Refused = { ok: false; error: ErrorBody };
export type Subscribed = { ok: true; rooms: string[]; offset: string; levels?: LevelShape[] };
export type Commanded = { ok: true } & LevelAnswer;
export type Reserved = { ok: true } & ReserveAnswer;
export type Settled = { ok: true } & ReservationAnswer;

type Answer<Given> = (answer: Given | Refused) => void;
/** A request whose payload may be left out. */
type Ask<Payload, Given> = (payload?: Payload, answer?: Answer<Given>) => void;
/** A request that says something. */
type Order<Payload, Given> = (payload: Payload, answer?: Answer<Given>) => void;

/** What clients may ask. */
export interface ClientEvents {
  /** `snapshot`: the levels as they are at the answer's `offset`; what follows is live, without gap or overlap. */
  'subscribe:inventory': Ask<InventorySelection & Since & { snapshot?: boolean }, Subscribed>;
  'subscribe:orders': Ask<{ customerId?: Id } & Since, Subscribed>;
  'subscribe:notifications': Ask<{ types?: Notification['type'][] } & Since, Subscribed>;
  'unsubscribe:inventory': Ask<InventorySelection, { ok: true; rooms: string[] }>;
  'unsubscribe:orders': Ask<{ customerId?: Id }, { ok: true; rooms: string[] }>;
  'unsubscribe:notifications': Ask<Record<string, never>, { ok: true; rooms: string[] }>;
  'inventory:update': Order<Spot & Reasoned & { quantity: number; name?: SettableName; expected?: number }, Commanded>;
  'inventory:adjust': Order<Spot & Reasoned & { delta: number }, Commanded>;
  'inventory:reserve': Order<
    Reasoned & { ttlSeconds?: number; reference?: string } & (
        | (Spot & { quantity: number })
        | { items: (Omit<Spot, 'shop'> & { quantity: number })[]; shop?: string }
      ),
    Reserved
  >;
  'inventory:release': Order<{ reservationId: string }, Settled>;
  'inventory:extend': Order<{ reservationId: string; ttlSeconds?: number }, Settled>;
  'inventory:commit': Order<
    { reservationId: string; sale: Sale; orderId?: Id },
    Settled
  >;
  'auth:refresh': Order<{ token: string }, { ok: true; expiresAt: string }>;
}

export type OdaSocket = Socket<ServerEvents, ClientEvents>;

/** What a client says of itself when it connects. */
export interface Auth {
  token: string;
  /** `false`: no session that can be recovered, and no cursor as the last argument of events. */
  recovery?: boolean;
}

/**
 * Connects to stockd at `url`. A function is asked for a token at every attempt, so that a fresh one can be given.
 * A lost connection comes back by itself, in its rooms and with what was missed; `socket.recovered` says whether it could.
 */
export function connect(url: string, { token, recovery }: { token: string | (() => string | Promise<string>); recovery?: boolean }): OdaSocket {
  const auth = async (take: (auth: Auth) => void) =>
    take({ token: typeof token === 'string' ? token : await token(), ...(recovery === undefined ? {} : { recovery }) });
  return io(new URL('/oda', url).href, { auth });
}
