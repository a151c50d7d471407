// Made from openapi.json by clients/js/generate.mjs. To change a route or a shape, change it in Rust.

/** What each route takes and answers, by its method and path. */
export interface Routes {
  /** List commands and their state, newest first. */
  'GET /api/v1/commands': {
    query: { shop?: string; limit?: number; before?: string; by?: string; inventoryItemId?: string; state?: 'accepted' | 'sending' | 'confirmed' | 'conflict' | 'failed' | 'unknown' };
    answer: AuditedPage;
  };
  /** Get a command and its state. */
  'GET /api/v1/commands/{commandId}': {
    query: { shop?: string };
    answer: Audited;
  };
  /** List customers (ids and times; names if enabled). */
  'GET /api/v1/customers': {
    query: { shop?: string; limit?: number; after?: string };
    answer: CustomerPage;
  };
  /** List webhooks in a state, newest first, with counts. */
  'GET /api/v1/deliveries': {
    query: { shop?: string; limit?: number; state?: 'pending' | 'applied' | 'ignored' | 'unreadable' };
    answer: Deliveries;
  };
  /** List what full runs corrected and dry runs found, latest first. */
  'GET /api/v1/drift': {
    query: { shop?: string; limit?: number; runId?: string };
    answer: DriftedList;
  };
  /** Send a message to a user, a company, a shop, a room or everybody. */
  'POST /api/v1/emit': {
    query: { shop?: string };
    answer: PostAnswer;
    body: {
      /** What they are given. */
      data?: unknown;
      /** What clients listen for. A few names mean something to their libraries and are refused. */
      event: string;
      /** The poster's own name for it: said again under the same, it is told once. */
      eventId?: number | string | null;
      /** Domain or id of the shop; not needed if there is only one. */
      shop?: number | string | null;
      /** To whom. */
      target: 'all' | {
          user: number | string;
        } | {
          company: number | string;
        } | {
          shop: number | string;
        } | {
          room: number | string;
        };
    };
  };
  /** List events after an offset, or from the beginning of the log (only those that the token may see). */
  'GET /api/v1/events': {
    query: { shop?: string; limit?: number; after?: string; rooms?: string };
    answer: EventPage;
  };
  /** Post an event. */
  'POST /api/v1/events': {
    query: { shop?: string };
    answer: PostAnswer;
    body: {
      /** Passed on as it is. Of an order and a payment orderId is needed, of stock productId, variantId or inventoryItemId, of a transfer transferId, of a product productId, of a customer customerId, of a user userId, of a company companyId, of the system and of security a title, subject, message or content. */
      data: {
        alertType?: string | null;
        aliasId?: string | null;
        amount?: number | null;
        channel?: string | null;
        companyId?: number | string | null;
        content?: string | null;
        currency?: string | null;
        currentQuantity?: number | null;
        customerId?: number | string | null;
        customerName?: string | null;
        locationId?: number | string | null;
        locationIds?: (number | string)[] | null;
        message?: string | null;
        newStatus?: string | null;
        orderId?: number | string | null;
        orderNumber?: string | null;
        previousQuantity?: number | null;
        previousStatus?: string | null;
        priority?: string | null;
        productId?: number | string | null;
        productName?: string | null;
        quantity?: number | null;
        role?: 
          /** What somebody is to the shop. */
          | (
            /** Runs the installation. */
            | 'admin'
            /** Buys. */
            | 'customer'
            /** Looks. */
            | 'guest'
            /** Runs the shop. */
            | 'manager'
            /** Another program: posts events and reads nothing. */
            | 'service'
            /** Works in the shop. */
            | 'staff'
            /** An admin of every shop. */
            | 'super_admin'
          )
          | null;
        severity?: string | null;
        status?: string | null;
        subject?: string | null;
        threshold?: number | null;
        title?: string | null;
        totalAmount?: number | null;
        transferId?: number | string | null;
        userId?: number | string | null;
        variantId?: number | string | null;
      };
      /** What happened, of the events that other programs may post. */
      event: 'company:notification' | 'customer:activity' | 'customer:added_to_cart' | 'customer:offline' | 'customer:online' | 'customer:viewing_product' | 'inventory:low_stock' | 'inventory:out_of_stock' | 'inventory:reservation' | 'inventory:restocked' | 'inventory:transfer' | 'inventory:updated' | 'order:created' | 'order:deleted' | 'order:status_changed' | 'order:updated' | 'payment:failed' | 'payment:received' | 'payment:refunded' | 'payment:status_changed' | 'product:created' | 'product:deleted' | 'product:price_changed' | 'product:updated' | 'security:alert' | 'shop:notification' | 'system:alert' | 'system:maintenance' | 'system:notification' | 'user:activity' | 'user:notification';
      /** The poster's own name for it: said again under the same, it is told once. */
      eventId?: number | string | null;
      /** Domain or id of the shop; not needed if there is only one. */
      shop?: number | string | null;
    };
  };
  /** Release every open reservation. */
  'POST /api/v1/holds/drain': {
    query: { shop?: string };
    answer: Drained;
  };
  /** Change `available` by a difference. */
  'POST /api/v1/inventory/adjust': {
    query: { shop?: string };
    answer: LevelAnswer;
    body: {
      /** By how much, either sign. */
      delta: number;
      /** Repeating the command with the same key changes nothing. */
      idempotencyKey?: string | null;
      /** Of which item. */
      inventoryItemId: number | string;
      /** At which location; may be left out where there is only one. */
      locationId?: number | string | null;
      /** Why, for the audit trail. */
      reason: string;
    };
  };
  /** Turn a reservation into a sale. */
  'POST /api/v1/inventory/commit': {
    query: { shop?: string };
    answer: ReservationAnswer;
    body: {
      /** The order, when there is one. */
      orderId?: number | string | null;
      /** The id that the reserve command was answered with. */
      reservationId: string;
      /** Through which door the sale went. */
      sale: 
        /** Through Shopify: its order takes the stock. */
        | 'order'
        /** Past Shopify: the shop floor, an ERP. */
        | 'outside';
    };
  };
  /** Extend a reservation, counted from now. */
  'POST /api/v1/inventory/extend': {
    query: { shop?: string };
    answer: ReservationAnswer;
    body: {
      /** The id that the reserve command was answered with. */
      reservationId: string;
      /** From now, in seconds. */
      ttlSeconds?: number | null;
    };
  };
  /** Release a reservation. */
  'POST /api/v1/inventory/release': {
    query: { shop?: string };
    answer: ReservationAnswer;
    body: {
      /** The id that the reserve command was answered with. */
      reservationId: string;
    };
  };
  /** Reserve stock (all of it or none). */
  'POST /api/v1/inventory/reserve': {
    query: { shop?: string };
    answer: ReserveAnswer;
    body: 
      /** Reserve stock, all of it or none. */
      | {
        /** Repeating the command with the same key changes nothing. */
        idempotencyKey?: string | null;
        inventoryItemId?: null;
        /** The items to reserve, each with its location and quantity. */
        items: ({
          /** Of which item. */
          inventoryItemId: number | string;
          /** At which location; may be left out where there is only one. */
          locationId?: number | string | null;
          /** How many; at least 1. */
          quantity: number;
        })[];
        locationId?: null;
        quantity?: null;
        /** Why, for the audit trail. */
        reason: string;
        /** The holder's own reference. */
        reference?: string | null;
        /** For how long, in seconds; 900 when left out. */
        ttlSeconds?: number | null;
      }
      /** Reserve stock, all of it or none. */
      | {
        /** Repeating the command with the same key changes nothing. */
        idempotencyKey?: string | null;
        /** Of which item. */
        inventoryItemId: number | string;
        items?: null;
        /** At which location; may be left out where there is only one. */
        locationId?: number | string | null;
        /** How many; at least 1. */
        quantity: number;
        /** Why, for the audit trail. */
        reason: string;
        /** The holder's own reference. */
        reference?: string | null;
        /** For how long, in seconds; 900 when left out. */
        ttlSeconds?: number | null;
      };
  };
  /** Set `available` or `on_hand`. */
  'POST /api/v1/inventory/update': {
    query: { shop?: string };
    answer: LevelAnswer;
    body: {
      /** Refuse when the quantity is not this now. */
      expected?: number | null;
      /** Repeating the command with the same key changes nothing. */
      idempotencyKey?: string | null;
      /** Of which item. */
      inventoryItemId: number | string;
      /** At which location; may be left out where there is only one. */
      locationId?: number | string | null;
      /** Which quantity; a shelf count is `on_hand`. */
      name?: 
        /** A quantity that `update` may set. */
        | (
          /** What is sellable. */
          | 'available'
          /** What is on the shelf, sold or not. */
          | 'on_hand'
        )
        | null;
      /** To what. */
      quantity: number;
      /** Why, for the audit trail. */
      reason: string;
    };
  };
  /** List inventory items (not for staff limited to locations). */
  'GET /api/v1/items': {
    query: { shop?: string; limit?: number; after?: string };
    answer: InventoryItemPage;
  };
  /** List stock by item and location (exact at `offset`). */
  'GET /api/v1/levels': {
    query: { shop?: string; limit?: number; after?: string; locationId?: string; productId?: string; variantId?: string; inventoryItemId?: string; sku?: string };
    answer: LevelPage;
  };
  /** List locations. */
  'GET /api/v1/locations': {
    query: { shop?: string; limit?: number; after?: string };
    answer: LocationPage;
  };
  /** List orders (customers see their own, staff limited to locations see those of their locations). */
  'GET /api/v1/orders': {
    query: { shop?: string; limit?: number; after?: string };
    answer: OrderPage;
  };
  /** List products. */
  'GET /api/v1/products': {
    query: { shop?: string; limit?: number; after?: string };
    answer: ProductPage;
  };
  /** List who is connected (for admins of every shop). */
  'GET /api/v1/realtime': {
    query: {  };
    answer: Realtime;
  };
  /** List open reservations, those that expire first first. */
  'GET /api/v1/reservations': {
    query: { shop?: string; limit?: number; after?: string };
    answer: ReservationShapePage;
  };
  /** Get a reservation. */
  'GET /api/v1/reservations/{reservationId}': {
    query: { shop?: string };
    answer: ReservationShape;
  };
  /** Revoke a token, or all tokens of a user; their connections end (for admins of every shop). */
  'POST /api/v1/revocations': {
    query: {  };
    answer: RevokedUntil;
    body: {
      /** When the last of these tokens runs out; as late as any token may, if it is not said. */
      expiresAt?: string | null;
      /** A token's own id. */
      jti?: string | null;
      /** Everything that this user was given so far. */
      userId?: string | null;
    };
  };
  /** List runs, newest first. */
  'GET /api/v1/runs': {
    query: { shop?: string; limit?: number };
    answer: SyncRunList;
  };
  /** Start a run. */
  'POST /api/v1/runs': {
    query: { shop?: string };
    answer: Started;
    body: {
      /** However many records are missing at Shopify: somebody has looked. */
      anyMissing?: boolean;
      /** Only compare. */
      dryRun?: boolean;
      /** How much a run looks at. */
      kind?: 
        /** Everything. */
        | 'full'
        /** What changed since the last run. */
        | 'quick';
      /** What a run brings over. */
      resource: 
        /** Customers. */
        | 'customers'
        /** Locations and levels with all quantities. */
        | 'inventory'
        /** Orders with their lines. */
        | 'orders'
        /** Products with their variants and items. */
        | 'products';
    };
  };
  /** Cancel a run that is under way or waits. */
  'POST /api/v1/runs/{runId}/cancel': {
    query: { shop?: string };
    answer: Cancelled;
  };
  /** Sign out (from the page of this very address). */
  'DELETE /api/v1/session': {
    query: {  };
    answer: SignedOut;
  };
  /** Sign in with a name and a password (sets a cookie that fetches tokens). */
  'POST /api/v1/session': {
    query: {  };
    answer: SessionToken;
    body: {
      name: string;
      password: string;
    };
  };
  /** Set a password by a one-time link, and sign in. */
  'POST /api/v1/session/link': {
    query: {  };
    answer: SessionToken;
    body: {
      /** What stands behind `#link=` in the address. */
      link: string;
      /** The new one, of at least 12 letters. */
      password: string;
    };
  };
  /** Get how one may sign in. */
  'GET /api/v1/session/options': {
    query: {  };
    answer: SignInOptions;
  };
  /** Get another token with the cookie (from the page of this very address). */
  'POST /api/v1/session/refresh': {
    query: {  };
    answer: SessionToken;
  };
  /** Sign out everywhere. */
  'DELETE /api/v1/sessions': {
    query: { user?: string };
    answer: EndedSessions;
  };
  /** List where one is signed in. */
  'GET /api/v1/sessions': {
    query: { user?: string };
    answer: SessionShapeList;
  };
  /** Sign out in one place. */
  'DELETE /api/v1/sessions/{sessionId}': {
    query: {  };
    answer: EndedSessions;
  };
  /** Get the status: last runs, drift, what waits, problems. */
  'GET /api/v1/status': {
    query: { shop?: string };
    answer: Status;
  };
  /** Get a token for anybody (by the control socket only). */
  'POST /api/v1/tokens': {
    query: {  };
    answer: GivenToken;
    body: {
      /** A customer. */
      customerId?: string | null;
      locations?: string[] | null;
      /** What somebody is to the shop. */
      role: 
        /** Runs the installation. */
        | 'admin'
        /** Buys. */
        | 'customer'
        /** Looks. */
        | 'guest'
        /** Runs the shop. */
        | 'manager'
        /** Another program: posts events and reads nothing. */
        | 'service'
        /** Works in the shop. */
        | 'staff'
        /** An admin of every shop. */
        | 'super_admin';
      shops?: string[] | null;
      /** Seconds for which it is good; 8 hours when nothing is said. */
      ttlSeconds?: number | null;
      /** Id of the user, for the audit trail; by default who asks. */
      userId?: string | null;
    };
  };
  /** List users, by name (for admins of every shop). */
  'GET /api/v1/users': {
    query: {  };
    answer: UserShapeList;
  };
  /** Add a user, who has no password yet (for admins of every shop). */
  'POST /api/v1/users': {
    query: {  };
    answer: UserShape;
    body: {
      /** A tag of BCP 47, such as `de`. */
      language?: string | null;
      /** `null` where they are not limited. */
      locations?: string[] | null;
      /** The name to sign in with. */
      name: string;
      /** admin, manager, staff or super_admin. */
      role: 
        /** Runs the installation. */
        | 'admin'
        /** Buys. */
        | 'customer'
        /** Looks. */
        | 'guest'
        /** Runs the shop. */
        | 'manager'
        /** Another program: posts events and reads nothing. */
        | 'service'
        /** Works in the shop. */
        | 'staff'
        /** An admin of every shop. */
        | 'super_admin';
      /** `null` where they are not limited. */
      shops?: string[] | null;
    };
  };
  /** Change a user (one's own language and password; for admins of every shop what others may do). */
  'PATCH /api/v1/users/{userId}': {
    query: {  };
    answer: UserShape;
    body: {
      /** The one before, beside a new one. */
      currentPassword?: string | null;
      disabled?: boolean | null;
      /** `null` for the browser's. */
      language?: string | null;
      /** `null` where they are not limited. */
      locations?: string[] | null;
      /** One's own new password. */
      password?: string | null;
      role?: 
        /** What somebody is to the shop. */
        | (
          /** Runs the installation. */
          | 'admin'
          /** Buys. */
          | 'customer'
          /** Looks. */
          | 'guest'
          /** Runs the shop. */
          | 'manager'
          /** Another program: posts events and reads nothing. */
          | 'service'
          /** Works in the shop. */
          | 'staff'
          /** An admin of every shop. */
          | 'super_admin'
        )
        | null;
      /** `null` where they are not limited. */
      shops?: string[] | null;
    };
  };
  /** Make a one-time link by which a user sets a password (for admins of every shop). */
  'POST /api/v1/users/{userId}/link': {
    query: {  };
    answer: PasswordLink;
  };
  /** List variants. */
  'GET /api/v1/variants': {
    query: { shop?: string; limit?: number; after?: string };
    answer: VariantPage;
  };
}

/** An id as any system may have it: a number that Shopify could have given, or else a text of 1 to 128 bytes.  What is posted, and rooms, are named by these; a record of ours never is. */
export type AnyId = string;

/** A user who is connected. */
export interface Attendee {
  sockets: number;
  userId: UserId;
}

/** A command, what it asked for, and what it was about. */
export interface Audited {
  /** `available` after it. */
  after: number | null;
  /** When it was given. */
  at: string;
  /** `available` before it. */
  before: number | null;
  /** Who gave it. */
  by: UserId;
  /** Which one. */
  commandId: string;
  /** Why it did not go through. */
  error?: ErrorBody | null;
  /** What it asked for. */
  kind: CommandKind;
  /** Which levels it changed. */
  levels: Place[];
  /** Why, in their words. */
  reason: string;
  request: Command;
  /** The reservation that it made or was about. */
  reservationId: string | null;
  /** Where it stands. */
  state: CommandState;
}

/** A page of a list. */
export interface AuditedPage {
  data: Audited[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** A run that was cancelled. */
export interface Cancelled {
  runId: RunId;
  state: RunState;
}

/** A command as it is kept. */
export type Command =
  /** Change `available` by `delta`. */
  | {
    /** By how much, either sign. */
    delta: number;
    /** Repeating the command with the same key changes nothing. */
    idempotencyKey: string | null;
    /** Of which item. */
    inventoryItemId: number | string;
    kind: 'adjust';
    /** At which location; may be left out where there is only one. */
    locationId: number | string | null;
    /** Why, for the audit trail. */
    reason: string;
  }
  /** Turn a reservation into a sale. */
  | {
    kind: 'commit';
    /** The order, when there is one. */
    orderId: number | string | null;
    /** The id that the reserve command was answered with. */
    reservationId: string;
    /** Through which door the sale went. */
    sale: Sale;
  }
  /** Let a reservation last longer. */
  | {
    kind: 'extend';
    /** The id that the reserve command was answered with. */
    reservationId: string;
    /** From now, in seconds. */
    ttlSeconds: number | null;
  }
  /** Give a reservation back. */
  | {
    kind: 'release';
    /** The id that the reserve command was answered with. */
    reservationId: string;
  }
  /** Reserve stock, all of it or none. */
  | {
    /** Repeating the command with the same key changes nothing. */
    idempotencyKey: string | null;
    /** The items to reserve, each with its location and quantity. */
    items: ReserveItem[];
    kind: 'reserve';
    /** Why, for the audit trail. */
    reason: string;
    /** The holder's own reference. */
    reference: string | null;
    /** For how long, in seconds; 900 when left out. */
    ttlSeconds: number | null;
  }
  /** Set a quantity. */
  | {
    /** Refuse when the quantity is not this now. */
    expected: number | null;
    /** Repeating the command with the same key changes nothing. */
    idempotencyKey: string | null;
    /** Of which item. */
    inventoryItemId: number | string;
    kind: 'update';
    /** At which location; may be left out where there is only one. */
    locationId: number | string | null;
    /** Which quantity; a shelf count is `on_hand`. */
    name: SettableName | null;
    /** To what. */
    quantity: number;
    /** Why, for the audit trail. */
    reason: string;
  };

/** The kind of a command. */
export type CommandKind =
  /** Change `available` by a difference. */
  | 'adjust'
  /** Turn a reservation into a sale. */
  | 'commit'
  /** Let a reservation last longer. */
  | 'extend'
  /** Give a reservation back. */
  | 'release'
  /** Set stock aside for somebody. */
  | 'reserve'
  /** Set a quantity. */
  | 'update';

/** A command and what became of it. */
export interface CommandShape {
  /** `available` after it. */
  after: number | null;
  /** When it was given. */
  at: string;
  /** `available` before it. */
  before: number | null;
  /** Who gave it. */
  by: UserId;
  /** Which one. */
  commandId: string;
  /** Why it did not go through. */
  error?: ErrorBody | null;
  /** What it asked for. */
  kind: CommandKind;
  /** Why, in their words. */
  reason: string;
  /** Where it stands. */
  state: CommandState;
}

/** Where a command stands. */
export type CommandState =
  /** Committed here, not yet sent. */
  | 'accepted'
  /** On its way to Shopify. */
  | 'sending'
  /** Shopify did it. */
  | 'confirmed'
  /** The value it started from had changed. */
  | 'conflict'
  /** Shopify refused it. */
  | 'failed'
  /** Nobody knows; a person decides. */
  | 'unknown';

/** Who is connected: the first thousand. */
export interface ConnectedUsers {
  count: number;
  users: UserId[];
}

/** The frame around what was asked for. */
export interface ConnectedUsersFound {
  data: ConnectedUsers;
  success: boolean;
}

/** A customer: that there is one, and of the person nothing, or the name where an administrator wants it. */
export interface Customer {
  /** Since when. */
  createdAt: string;
  /** Which one. */
  customerId: CustomerId;
  /** First and last name. Absent where there is none, where names are not enabled, and where Shopify withholds them. */
  name?: string | null;
  /** Shopify's time of its last change. */
  updatedAt: string;
}

/** A customer record changed. */
export interface CustomerActivity {
  /** `created`, `updated` or `deleted`. */
  activity: string;
  /** Whose. */
  customerId: CustomerId;
}

/** A customer. */
export type CustomerId = string;

/** A page of a list. */
export interface CustomerPage {
  data: Customer[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** A customer comes or leaves. */
export interface CustomerPresence {
  /** Who. */
  customerId: CustomerId;
}

/** Webhooks in a state, newest first. */
export interface Deliveries {
  /** All that are kept, in whatever state. */
  counts: DeliveryCount[];
  data: DeliverySummary[];
}

/** How many webhooks of a topic are in a state. */
export interface DeliveryCount {
  count: number;
  state: string;
  topic: string;
}

/** A delivery without its body. */
export interface DeliverySummary {
  /** Why it could not be read. */
  reason?: string | null;
  /** When it arrived. */
  receivedAt: string;
  /** `pending`, `applied`, `ignored` or `unreadable`. */
  state: string;
  /** For instance `orders/create`. */
  topic: string;
  /** The webhook's id at Shopify. */
  webhookId: WebhookId;
}

/** How many reservations were given back. */
export interface Drained {
  by: UserId;
  /** Those that could not be. */
  left: number;
  /** Why, of the first of them. */
  reason: string | null;
  released: number;
}

/** What a run had to correct although it should have come earlier. */
export interface Drift {
  /** How many records. */
  records: number;
  /** Of what. */
  resource: Resource;
  /** By which run. */
  runId: RunId;
}

/** A record that was not as it is at Shopify. */
export type Drifted = {
  /** When it was found. */
  found: string;
  /** Which record, for a person. */
  record: string;
  /** The run that found it. */
  runId: RunId;
  /** Since when, by Shopify's time; `None` when that cannot be told. */
  since: string | null;
} & (
  /** These fields were otherwise: as they were here, and as they are at Shopify. */
  | {
    fields: Record<string, [unknown, unknown]>;
    wrong: 'differs';
  }
  /** It was here and is no longer at Shopify. */
  | {
    wrong: 'gone';
  }
  /** It was at Shopify and not here. */
  | {
    wrong: 'missing';
  }
);

/** A list without pages. */
export interface DriftedList {
  data: Drifted[];
}

/** What another program has sent to some of those who are connected, by whatever name it gives it. */
export interface Emitted {
  /** What they are given. */
  data: unknown;
  /** What clients listen for. */
  event: string;
  /** Who had it sent. */
  source: string;
  /** To whom. */
  target: Target;
}

/** How many sessions were ended. */
export interface EndedSessions {
  ended: number;
}

/** An error as it stands in an acknowledgement, an `error` event or an HTTP answer. */
export interface ErrorBody {
  /** For programs. */
  code: ErrorCode;
  /** Which field, where one is to blame. */
  field?: string | null;
  /** For people: what is wrong and what to do. */
  message: string;
  /** Whether the same request may succeed later. */
  retryable: boolean;
}

/** For programs to branch on. */
export type ErrorCode =
  /** A value that was to be replaced is no longer there. */
  | 'CONFLICT'
  /** The role or scope does not allow it. */
  | 'FORBIDDEN'
  /** An idempotency key came again with other content. */
  | 'IDEMPOTENCY_KEY_REUSED'
  /** The item, level or location takes no stock. */
  | 'INELIGIBLE'
  /** Fewer available than asked for. */
  | 'INSUFFICIENT_STOCK'
  /** Our fault. */
  | 'INTERNAL'
  /** A field is missing, of the wrong kind or out of bounds. */
  | 'INVALID_PAYLOAD'
  /** A limit of this user or connection is used up. What it has stays as it is. */
  | 'LIMIT_REACHED'
  /** The item is stocked at several locations. */
  | 'LOCATION_REQUIRED'
  /** No such item, level, order or reservation. */
  | 'NOT_FOUND'
  /** Too many in too short a time. */
  | 'RATE_LIMITED'
  /** The token does not say which of several shops. */
  | 'SHOP_REQUIRED'
  /** Passwords and cookies go over TLS only. */
  | 'TLS_REQUIRED'
  /** The token has run out. */
  | 'TOKEN_EXPIRED'
  /** The token is not one of ours. */
  | 'TOKEN_INVALID'
  /** More than a bound allows. */
  | 'TOO_LARGE'
  /** Nothing listens to this event. */
  | 'UNKNOWN_EVENT'
  /** Not now. */
  | 'UNAVAILABLE';

/** Events from the log. */
export interface EventPage {
  data: LoggedEvent[];
  /** What to send as `after` to go on. */
  next: Offset;
}

/** A room that somebody is in. */
export interface Gathering {
  room: string;
  shop: ShopDomain;
  sockets: number;
}

/** A token, signed by stockd. */
export interface GivenToken {
  token: string;
}

/** That it is well. */
export interface HubHealth {
  service: string;
  status: string;
  timestamp: string;
}

/** A user's or another id: a number where that is exact in JavaScript. */
export type Id = number | string;

/** What stock is counted of. */
export interface InventoryItem {
  /** Which one. */
  inventoryItemId: InventoryItemId;
  /** The same as its variant's. */
  sku: string | null;
  /** Whether its quantities mean anything. */
  tracked: boolean;
  /** Shopify's time of its last change. */
  updatedAt: string;
}

/** What a variant's stock is counted of. */
export type InventoryItemId = string;

/** A page of a list. */
export interface InventoryItemPage {
  data: InventoryItem[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** What happened, of the events that other programs may post. */
export type Kind = 'company:notification' | 'customer:activity' | 'customer:added_to_cart' | 'customer:offline' | 'customer:online' | 'customer:viewing_product' | 'inventory:low_stock' | 'inventory:out_of_stock' | 'inventory:reservation' | 'inventory:restocked' | 'inventory:transfer' | 'inventory:updated' | 'order:created' | 'order:deleted' | 'order:status_changed' | 'order:updated' | 'payment:failed' | 'payment:received' | 'payment:refunded' | 'payment:status_changed' | 'product:created' | 'product:deleted' | 'product:price_changed' | 'product:updated' | 'security:alert' | 'shop:notification' | 'system:alert' | 'system:maintenance' | 'system:notification' | 'user:activity' | 'user:notification';

/** What an `adjust` or `update` is answered. */
export interface LevelAnswer {
  /** By which it is found again. */
  commandId: string;
  /** The level as it is now. */
  level: LevelShape | null;
  /** Where it stands. */
  state: CommandState;
}

/** A level and how it came to be so. */
export interface LevelChange {
  /** Whether the item is stocked there and the location is active. */
  active: boolean;
  /** Sellable: what Shopify was last seen to say plus `pending`. */
  available: number;
  /** Our command that did it. */
  commandId?: string | null;
  /** Of which item. */
  inventoryItemId: InventoryItemId;
  /** At which location. */
  locationId: LocationId;
  /** As staff know it. */
  locationName: string | null;
  /** What our own commands, not yet settled at Shopify, will do to `available`. */
  pending: number;
  /** `available` before; `null` when the level is new to us. */
  previousAvailable: number | null;
  /** The item's product, once known. */
  productId: ProductId | null;
  /** All other quantities, as Shopify was last seen to say. */
  quantities: OtherQuantities;
  /** Whose. */
  shop: ShopDomain;
  /** The merchant's own number; not unique. */
  sku: string | null;
  /** By which way it came. */
  source: Source;
  /** How `available` compares with it. */
  status: StockStatus;
  /** At or below this it is low. */
  threshold: number;
  /** Product and variant title. */
  title: string | null;
  /** Whether the quantities mean anything. */
  tracked: boolean;
  /** Shopify's time of its last change. */
  updatedAt: string;
  /** The item's variant, once known. */
  variantId: VariantId | null;
}

/** Levels as they all were at one moment. */
export interface LevelPage {
  data: LevelShape[];
  /** What to send as `after` for the next page; `null` on the last. */
  next: string | null;
  /** Where the log was then. */
  offset: Offset;
}

/** Stock of one item at one location, with everything a screen needs to show it. */
export interface LevelShape {
  /** Whether the item is stocked there and the location is active. */
  active: boolean;
  /** Sellable: what Shopify was last seen to say plus `pending`. */
  available: number;
  /** Of which item. */
  inventoryItemId: InventoryItemId;
  /** At which location. */
  locationId: LocationId;
  /** As staff know it. */
  locationName: string | null;
  /** What our own commands, not yet settled at Shopify, will do to `available`. */
  pending: number;
  /** The item's product, once known. */
  productId: ProductId | null;
  /** All other quantities, as Shopify was last seen to say. */
  quantities: OtherQuantities;
  /** Whose. */
  shop: ShopDomain;
  /** The merchant's own number; not unique. */
  sku: string | null;
  /** How `available` compares with it. */
  status: StockStatus;
  /** At or below this it is low. */
  threshold: number;
  /** Product and variant title. */
  title: string | null;
  /** Whether the quantities mean anything. */
  tracked: boolean;
  /** Shopify's time of its last change. */
  updatedAt: string;
  /** The item's variant, once known. */
  variantId: VariantId | null;
}

/** A line of an order. */
export type LineItemId = string;

/** That the process answers. */
export interface Live {
  status: string;
}

/** A place that holds stock. */
export interface Location {
  /** Whether stock can be sold there. */
  active: boolean;
  /** Whether it belongs to a fulfilment service, which keeps its stock itself. */
  fulfillmentService: boolean;
  /** Which one. */
  locationId: LocationId;
  /** As staff know it. */
  name: string;
  /** Shopify's time of its last change. */
  updatedAt: string;
}

/** A place that holds stock. */
export type LocationId = string;

/** A page of a list. */
export interface LocationPage {
  data: Location[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** An event with its place in the log. */
export type LoggedEvent = {
  /** Its place. */
  id: Offset;
  /** In which shop. */
  shop: ShopDomain;
  /** When it became true here. */
  timestamp: string;
} & (
  /** A command went on. */
  | {
    data: CommandShape;
    kind: 'command:updated';
  }
  /** A customer record changed. */
  | {
    data: CustomerActivity;
    kind: 'customer:activity';
  }
  /** A customer left. */
  | {
    data: CustomerPresence;
    kind: 'customer:offline';
  }
  /** A customer came. */
  | {
    data: CustomerPresence;
    kind: 'customer:online';
  }
  /** What another program sends to some of those who are connected, by whatever name it gives it. */
  | {
    data: Emitted;
    kind: 'emitted';
  }
  /** A level fell to its threshold or below, but not to 0. */
  | {
    data: LevelShape;
    kind: 'inventory:low_stock';
  }
  /** A level fell to 0 or below. */
  | {
    data: LevelShape;
    kind: 'inventory:out_of_stock';
  }
  /** A reservation changed. */
  | {
    data: ReservationShape;
    kind: 'inventory:reservation';
  }
  /** A level rose above its threshold. */
  | {
    data: LevelShape;
    kind: 'inventory:restocked';
  }
  /** Stock is moved between locations. */
  | {
    data: Transfer;
    kind: 'inventory:transfer';
  }
  /** A level changed. */
  | {
    data: LevelChange;
    kind: 'inventory:updated';
  }
  /** An order was placed. */
  | {
    data: OrderChanged;
    kind: 'order:created';
  }
  /** An order was deleted. */
  | {
    data: OrderChanged;
    kind: 'order:deleted';
  }
  /** The status of an order changed. */
  | {
    data: OrderChanged;
    kind: 'order:status_changed';
  }
  /** Anything else of an order changed. */
  | {
    data: OrderChanged;
    kind: 'order:updated';
  }
  /** A payment failed. */
  | {
    data: Payment;
    kind: 'payment:failed';
  }
  /** A payment was received. */
  | {
    data: Payment;
    kind: 'payment:received';
  }
  /** A payment was refunded. */
  | {
    data: Payment;
    kind: 'payment:refunded';
  }
  /** Another program says what happened. */
  | {
    data: Posted;
    kind: 'posted';
  }
  /** A product is new. */
  | {
    data: ProductShape;
    kind: 'product:created';
  }
  /** A product was deleted. */
  | {
    data: ProductShape;
    kind: 'product:deleted';
  }
  /** The price of a variant changed. */
  | {
    data: PriceChange;
    kind: 'product:price_changed';
  }
  /** A product or one of its variants changed. */
  | {
    data: ProductShape;
    kind: 'product:updated';
  }
  /** What a run had to correct. */
  | {
    data: Drift;
    kind: 'shopify:drift';
  }
  /** How far a run is. Ephemeral. */
  | {
    data: SyncRun;
    kind: 'shopify:progress';
  }
  /** A run began or ended. */
  | {
    data: SyncRun;
    kind: 'shopify:sync_status';
  }
  /** A webhook arrived. Ephemeral. */
  | {
    data: WebhookReceived;
    kind: 'shopify:webhook_received';
  }
  /** Staff should look. */
  | {
    data: Notice;
    kind: 'system:alert';
  }
  /** Somebody writes, or no longer does, in a room that clients made up. Ephemeral. */
  | {
    data: Typing;
    kind: 'typing';
  }
);

/** Bytes. */
export interface Memory {
  external: number | null;
  heapTotal: number | null;
  heapUsed: number | null;
  rss: number | null;
}

/** A decimal amount in one spelling: at least two decimals, no superfluous zeros beyond them.  Shopify spells one amount several ways (`"20"`, `"20.0"`, `"20.00"`); two mirrors of it must compare equal. */
export type Money = string;

/** Something to read. */
export interface Notice {
  /** In full. */
  message: string;
  /** In one line. */
  title: string;
  /** For whom, when for one. */
  userId?: UserId | null;
}

/** A position in one epoch's log. */
export type Offset = string;

/** That it is well, and how many there are. */
export interface OmsHealth {
  stats: OmsStatistics;
  status: string;
  timestamp: string;
}

/** The few figures that oms's documents show, for what was written for them. */
export interface OmsMetrics {
  authenticatedUsers: number;
  connectedClients: number;
  memoryUsage: Memory;
  /** Seconds. */
  uptime: number;
}

/** How many there are, and to those who may know, who. */
export interface OmsStatistics {
  authenticatedUsers: number;
  connectedClients: number;
  onlineUsers?: Id[] | null;
  /** How many are in each room. */
  rooms?: Record<string, number> | null;
}

/** That it is in the log. */
export interface OmsTold {
  id: Offset | null;
  success: boolean;
}

/** Whether somebody is connected. */
export interface OnlineUser {
  online: boolean;
  userId: Id;
}

/** Who is connected. */
export interface OnlineUsers {
  count: number;
  users: Id[];
}

/** An order with its lines. */
export interface Order {
  /** Where it was placed: `web`, `pos`, an app. */
  channel: string | null;
  /** When it was placed. */
  createdAt: string;
  /** ISO 4217. */
  currency: string;
  /** Whose; absent at the till. */
  customerId: CustomerId | null;
  /** `pending`, `paid`, `refunded`, …: lower case, as the webhook spells it. */
  financialStatus: string | null;
  /** `fulfilled`, `partial`, …; absent while nothing was sent. */
  fulfillmentStatus: string | null;
  /** What was ordered, by line id. */
  lines: OrderLine[];
  /** Where it is or was fulfilled, ascending; empty while unassigned. */
  locations: LocationId[];
  /** As people call it, for instance `#1001`. */
  name: string;
  /** Which one. */
  orderId: OrderId;
  /** Where it stands, derived from the two below and from fulfilments. */
  status: OrderStatus;
  /** What is to be paid now, after edits and refunds. */
  total: Money;
  /** Shopify's time of its last change. */
  updatedAt: string;
}

/** What changed of an order. */
export type OrderChange = 'created' | 'deleted' | 'fulfillment' | 'payment' | 'status_changed' | 'updated';

/** An order and what changed. */
export interface OrderChanged {
  /** What changed. */
  change: OrderChange;
  /** Where it was placed. */
  channel: string | null;
  /** ISO 4217. */
  currency: string;
  /** Whose. */
  customerId: CustomerId | null;
  /** The customer's name, where names are enabled. */
  customerName?: string | null;
  /** Shopify's own word for the payment, lower case. */
  financialStatus: string | null;
  /** Shopify's own word for the fulfilment, lower case. */
  fulfillmentStatus: string | null;
  /** Units still ordered. */
  itemCount: number;
  /** As people call it. */
  name: string;
  /** Which one. */
  orderId: OrderId;
  /** Where it stood, when that is what changed. */
  previousStatus?: OrderStatus | null;
  /** Where it stands. */
  status: OrderStatus;
  /** What is to be paid now. */
  total: Money;
  /** Shopify's time of its last change. */
  updatedAt: string;
}

/** An order. */
export type OrderId = string;

/** A line of an order. */
export interface OrderLine {
  /** Which one. */
  lineItemId: LineItemId;
  /** Still ordered, without removed and refunded units. */
  quantity: number;
  /** The merchant's own number when ordered. */
  sku: string | null;
  /** As it was called when ordered. */
  title: string;
  /** What was ordered; absent for custom lines and deleted products. */
  variantId: VariantId | null;
}

/** A page of a list. */
export interface OrderPage {
  data: Order[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** Where an order stands. */
export type OrderStatus =
  /** Placed, not paid. */
  | 'created'
  /** Paid. */
  | 'confirmed'
  /** All of it sent. */
  | 'shipped'
  /** All of it arrived. */
  | 'delivered'
  /** Given up. */
  | 'cancelled';

/** Every quantity but `available`. */
export interface OtherQuantities {
  committed: number;
  damaged: number;
  incoming: number;
  on_hand: number;
  quality_control: number;
  reserved: number;
  safety_stock: number;
}

/** A link by which somebody sets a password, once. */
export interface PasswordLink {
  expiresAt: string;
  /** The address of the page; what counts stands behind its `#`, so that it gets into no log. */
  link: string;
}

/** A payment of an order. */
export interface Payment {
  /** How much. */
  amount: Money;
  /** ISO 4217. */
  currency: string;
  /** Whose. */
  customerId: CustomerId | null;
  /** Of which order. */
  orderId: OrderId;
}

/** A level, by its item and location. */
export interface Place {
  inventoryItemId: InventoryItemId;
  locationId: LocationId;
}

/** That it is in the log. */
export interface PostAnswer {
  /** Its place in the log; `null` for what is told to those who are there and not kept. */
  offset: Offset | null;
  /** Whether it was told before, under the same key. */
  repeated: boolean;
  success: boolean;
}

/** What another program says happened. */
export interface Posted {
  /** For which company. */
  companyId?: AnyId | null;
  /** Whose, by Shopify's number. */
  customerId?: CustomerId | null;
  /** Everything that was posted, as it came. */
  data: Record<string, unknown>;
  /** What. */
  event: Kind;
  /** What its source calls it, where that says more: `order.shipped`. */
  name?: string | null;
  /** Of which order. */
  orderId?: AnyId | null;
  /** Of which product. */
  productId?: AnyId | null;
  /** For whoever has that role. */
  role?: Role | null;
  /** Who says so. */
  source: string;
  /** Which transfer. */
  transferId?: AnyId | null;
  /** Whose or for whom, by the name that is in tokens. */
  userId?: UserId | null;
  /** Of which variant. */
  variantId?: AnyId | null;
}

/** A variant's new price. */
export interface PriceChange {
  /** Before, in the shop's currency. */
  previousPrice: Money;
  /** Now. */
  price: Money;
  /** Of which product. */
  productId: ProductId;
  /** The merchant's own number. */
  sku: string | null;
  /** Of which variant. */
  variantId: VariantId;
}

/** What is answered when it is not done. */
export interface Problem {
  /** Why, and what to do. */
  error: ErrorBody;
}

/** A product, without its variants. */
export interface Product {
  /** Its name in URLs. */
  handle: string;
  /** Which one. */
  productId: ProductId;
  /** The merchant's own category. */
  productType: string;
  /** `active`, `archived`, `draft` or whatever Shopify adds, in lower case. */
  status: string;
  /** As customers read it. */
  title: string;
  /** Shopify's time of its last change. */
  updatedAt: string;
  /** Who makes it; thresholds may be set per vendor. */
  vendor: string;
}

/** A product. */
export type ProductId = string;

/** A page of a list. */
export interface ProductPage {
  data: Product[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** What stands of a product in events. */
export interface ProductShape {
  /** Which one. */
  productId: ProductId;
  /** Shopify's own word, lower case. */
  status: string;
  /** As customers read it. */
  title: string;
  /** Shopify's time of its last change. */
  updatedAt: string;
  /** Who makes it. */
  vendor: string;
}

/** Whether it can do its work. */
export interface Readiness {
  /** `connected` or `away`; `null` without a broker. */
  amqp: string | null;
  connections: number;
  /** Where the log is. */
  offset: Offset;
  /** One for each namespace of a connection. */
  sockets: number;
  /** `ready`, or why not. */
  status: string;
}

/** Who is connected, and what was counted since the start. */
export interface Realtime {
  connections: number;
  /** How often something happened, by its name. */
  counters: Record<string, number>;
  /** How often connections ended, by reason. */
  endings: Record<string, number>;
  /** Where the log is. */
  offset: Offset;
  /** The first thousand. */
  rooms: Gathering[];
  /** One for each namespace of a connection. */
  sockets: number;
  users: Users;
}

/** What a `release`, `extend` or `commit` is answered. */
export interface ReservationAnswer {
  /** By which it is found again. */
  commandId: string;
  /** The hold as it is now. */
  reservation: ReservationShape;
}

/** Stock set aside for somebody. */
export interface ReservationShape {
  /** The user who reserved it. */
  createdBy: UserId;
  /** When it ends by itself. */
  expiresAt: string;
  /** The items that it sets aside. */
  items: ReservedItem[];
  /** Why, in the holder's words. */
  reason: string;
  /** The holder's own reference. */
  reference: string | null;
  /** Which one. */
  reservationId: string;
  /** Where it stands. */
  state: ReservationState;
}

/** A page of a list. */
export interface ReservationShapePage {
  data: ReservationShape[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** Where a reservation stands. */
export type ReservationState =
  /** Held by us, not yet at Shopify. */
  | 'pending'
  /** Held at Shopify. */
  | 'held'
  /** A shopper was faster. */
  | 'rejected'
  /** Became a sale. */
  | 'committed'
  /** Given back. */
  | 'released'
  /** Ran out and was given back. */
  | 'expired';

/** What a `reserve` is answered. */
export interface ReserveAnswer {
  /** By which it is found again. */
  commandId: string;
  /** When it ends by itself. */
  expiresAt: string;
  /** The levels as they are now. */
  levels: LevelShape[];
  /** By which the reservation is released, extended and committed. */
  reservationId: string;
  /** Where the reservation stands. */
  state: ReservationState;
}

/** One item to reserve. */
export interface ReserveItem {
  /** Of which item. */
  inventoryItemId: number | string;
  /** At which location; may be left out where there is only one. */
  locationId: number | string | null;
  /** How many; at least 1. */
  quantity: number;
}

/** One item of a reservation. */
export interface ReservedItem {
  /** Of which item. */
  inventoryItemId: InventoryItemId;
  /** At which location. */
  locationId: LocationId;
  /** How many; at least 1. */
  quantity: number;
}

/** What a run brings over. */
export type Resource =
  /** Customers. */
  | 'customers'
  /** Locations and levels with all quantities. */
  | 'inventory'
  /** Orders with their lines. */
  | 'orders'
  /** Products with their variants and items. */
  | 'products';

/** How one resource is. */
export interface ResourceStatus {
  /** Up to when, by Shopify's time. */
  completeUntil: string | null;
  /** The last one that compared everything: completed, and no dry run. */
  lastFullRun: SyncRun | null;
  /** The last one of any kind, in any state. */
  lastRun: SyncRun | null;
  resource: Resource;
}

/** That it was revoked. */
export interface RevokedUntil {
  ok: boolean;
  /** Until when it is remembered: then none of these tokens is good any more. */
  until: string;
}

/** What somebody is to the shop. */
export type Role =
  /** Runs the installation. */
  | 'admin'
  /** Buys. */
  | 'customer'
  /** Looks. */
  | 'guest'
  /** Runs the shop. */
  | 'manager'
  /** Another program: posts events and reads nothing. */
  | 'service'
  /** Works in the shop. */
  | 'staff'
  /** An admin of every shop. */
  | 'super_admin';

/** One run of a sync. */
export type RunId = string;

/** How much a run looks at. */
export type RunKind =
  /** Everything. */
  | 'full'
  /** What changed since the last run. */
  | 'quick';

/** Where a run stands. */
export type RunState =
  /** Stopped by a person. */
  | 'cancelled'
  /** Everything it looked at is in the mirror. */
  | 'completed'
  /** Given up; `error` says why. */
  | 'failed'
  /** Waiting for its turn. */
  | 'queued'
  /** Under way; survives a restart of the daemon. */
  | 'running';

/** Through which door a sale went. */
export type Sale =
  /** Through Shopify: its order takes the stock. */
  | 'order'
  /** Past Shopify: the shop floor, an ERP. */
  | 'outside';

/** Where somebody is signed in. */
export interface SessionShape {
  /** Whether it is the one that asks. */
  current: boolean;
  id: string;
  lastSeenAt: string;
  startedAt: string;
  /** What the browser said of itself. */
  userAgent: string | null;
}

/** A list without pages. */
export interface SessionShapeList {
  data: SessionShape[];
}

/** A token, and whose it is. */
export interface SessionToken {
  expiresAt: string;
  token: string;
  user: SessionUser;
}

/** The user who is signed in. */
export interface SessionUser {
  id: UserId;
  /** `null` for the browser's. */
  language: string | null;
  /** `null` where they are not limited. */
  locations: LocationId[] | null;
  name: string;
  role: Role;
  /** `null` where they are not limited. */
  shops: ShopDomain[] | null;
}

/** A quantity that `update` may set. */
export type SettableName =
  /** What is sellable. */
  | 'available'
  /** What is on the shelf, sold or not. */
  | 'on_hand';

/** A shop, by its permanent API name: `<name>.myshopify.com`, lower case. */
export type ShopDomain = string;

/** How one may sign in here. */
export interface SignInOptions {
  /** With a name and a password. */
  passwordLogin: boolean;
  /** Other ways than a password. */
  providers: SignInProvider[];
  /** Whether passwords are taken on this connection: it is TLS, or from this machine. */
  tls: boolean;
}

/** Another way to sign in. */
export interface SignInProvider {
  /** The text of the button. */
  button: string;
  /** The address it leads to. */
  href: string;
  name: string;
}

/** Done; nothing else is to be said. */
export interface SignedOut {
  ok: boolean;
}

/** By which way a change came in. */
export type Source =
  /** A member of staff. */
  | 'command'
  /** A read of one record, after a hint. */
  | 'read'
  /** A run. */
  | 'sync'
  /** A webhook. */
  | 'webhook';

/** Something that is wrong. */
export interface StandingProblem {
  /** Which, for programs; for instance `no_access`, `unanswered`, `webhooks_refused`, `scopes_missing`, `store_failing`. */
  kind: string;
  /** What is wrong, and what to do. */
  message: string;
  /** Since when; `null` where that is not known. */
  since: string | null;
}

/** A run that was asked for. */
export interface Started {
  runId: RunId;
}

/** How a shop's mirror is. */
export interface Status {
  /** What a person should know, and mostly do something about, while it lasts. */
  problems: StandingProblem[];
  resources: ResourceStatus[];
  shop: ShopDomain;
  waiting: Waiting;
}

/** How much there is, judged against the threshold. */
export type StockStatus =
  /** Above the threshold. */
  | 'in_stock'
  /** At or below the threshold, above 0. */
  | 'low_stock'
  /** At 0 or below. */
  | 'out_of_stock';

/** A run as clients see it. */
export interface SyncRun {
  /** Objects that Shopify has written so far for a full run. Absent before, and once it has written them all and they are looked at. */
  bulkObjects?: number | null;
  /** Records that were not yet so in the mirror. */
  changed: number;
  /** Records that are gone. */
  deleted: number;
  /** Of the changed ones, those that should have come earlier. */
  drift: number;
  /** Whether it only compares: `changed` says what it would put right, `drift` what would count as drift. */
  dryRun?: boolean;
  /** Why it failed. */
  error?: string | null;
  /** When it was over. */
  finishedAt?: string | null;
  /** How much it looks at. */
  kind: RunKind;
  /** Records looked at. */
  processed: number;
  /** What it brings over. */
  resource: Resource;
  /** Which one. */
  runId: RunId;
  /** When it began. */
  startedAt: string;
  /** Where it stands. */
  state: RunState;
  /** Records to look at, once that is known. */
  total: number | null;
}

/** A list without pages. */
export interface SyncRunList {
  data: SyncRun[];
}

/** To whom something is emitted. */
export type Target =
  /** Everybody who is connected. */
  | 'all'
  /** Whoever works for that company. */
  | {
    company: AnyId;
  }
  /** Whoever is in that room and may see what is heard there. */
  | {
    room: string;
  }
  /** Whoever works for the shop. */
  | 'shop'
  /** One user. */
  | {
    user: UserId;
  };

/** Stock on its way from one location to another. */
export interface Transfer {
  /** To where; `null` as for `originId`. */
  destinationId: LocationId | null;
  /** Shopify's time of it. */
  happenedAt: string;
  /** From where; `null` when that is no location of the shop's, or no longer. */
  originId: LocationId | null;
  /** Units of all items together, where Shopify lists them. */
  quantity: number | null;
  /** Shopify's own word, lower case; `null` where it says only that its items or shipments are others. */
  status: string | null;
  /** Which one. */
  transferId: TransferId;
}

/** A transfer of stock between locations. */
export type TransferId = string;

/** Somebody writes. */
export interface Typing {
  /** Or no longer. */
  isTyping: boolean;
  /** Where. */
  room: string;
  /** Where, as their client calls it. */
  roomId: string;
  /** Who. They are not told of it themselves. */
  userId: UserId;
}

/** A user, as the token names them. */
export type UserId = string;

/** A user of this installation. */
export interface UserShape {
  createdAt: string;
  disabled: boolean;
  /** Whether they have set a password. */
  hasPassword: boolean;
  id: UserId;
  /** `null` for the browser's. */
  language: string | null;
  /** `null` before they first signed in. */
  lastSeenAt: string | null;
  /** `null` where they are not limited. */
  locations: LocationId[] | null;
  name: string;
  role: Role;
  /** `null` where they are not limited. */
  shops: ShopDomain[] | null;
}

/** A list without pages. */
export interface UserShapeList {
  data: UserShape[];
}

/** Whether somebody is connected. */
export interface UserStatus {
  isConnected: boolean;
  userId: string;
}

/** The frame around what was asked for. */
export interface UserStatusFound {
  data: UserStatus;
  success: boolean;
}

/** Users who are connected. */
export interface Users {
  count: number;
  /** The first thousand. */
  online: Attendee[];
}

/** A variant of a product. */
export interface Variant {
  /** EAN, UPC or whatever is printed on it. */
  barcode: string | null;
  /** Whether it is put together from others and has no stock of its own. `None` where a body does not say. */
  bundle: boolean | null;
  /** Whether Shopify goes on selling at zero (`inventoryPolicy: CONTINUE`). */
  continueSelling: boolean;
  /** What its stock is counted of. `None` where a body does not say. */
  inventoryItemId: InventoryItemId | null;
  /** In the shop's currency. */
  price: Money;
  /** Of which product. */
  productId: ProductId;
  /** The merchant's own number; not unique. */
  sku: string | null;
  /** For instance `Small / Red`. */
  title: string;
  /** Shopify's time of its last change. */
  updatedAt: string;
  /** Which one. */
  variantId: VariantId;
}

/** A variant of a product. */
export type VariantId = string;

/** A page of a list. */
export interface VariantPage {
  data: Variant[];
  /** What to send as `after`, or of commands as `before`, for the next page; `null` on the last. */
  next: string | null;
}

/** What waits. */
export interface Waiting {
  /** Adjustments of commands that Shopify has not answered: to be sent, or sent and tried again. */
  commands: number;
  /** Records to be read again. */
  refreshes: number;
  /** For a person. */
  unreadable: number;
  /** To be applied. */
  webhooks: number;
}

/** One delivery of a webhook, the same on every retry (`X-Shopify-Webhook-Id`). */
export type WebhookId = string;

/** A webhook arrived and is on disk. */
export interface WebhookReceived {
  /** When. */
  receivedAt: string;
  /** From whom. */
  shop: ShopDomain;
  /** For instance `inventory_levels/update`. */
  topic: string;
  /** Which delivery. */
  webhookId: WebhookId;
}
