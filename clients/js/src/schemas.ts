// Made from the JSON Schemas by generate.mjs. To change a shape, change its Rust type.

/** An id as any system may have it: a number that Shopify could have given, or else a text of 1 to 128 bytes.  What is posted, and rooms, are named by these; a record of ours never is. */
export type AnyId = string;

/** A command as it is kept. */
export type Command =
  /** Change `available` by `delta`. */
  | {
    /** By how much, either sign. */
    delta: number;
    /** Repeating the command with the same key changes nothing. */
    idempotencyKey?: string | null;
    /** Of which item. */
    inventoryItemId: number | string;
    kind: 'adjust';
    /** At which location; may be left out where there is only one. */
    locationId?: number | string | null;
    /** Why, for the audit trail. */
    reason: string;
  }
  /** Turn a reservation into a sale. */
  | {
    kind: 'commit';
    /** The order, when there is one. */
    orderId?: number | string | null;
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
    ttlSeconds?: number | null;
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
    idempotencyKey?: string | null;
    /** The items to reserve, each with its location and quantity. */
    items: ReserveItem[];
    kind: 'reserve';
    /** Why, for the audit trail. */
    reason: string;
    /** The holder's own reference. */
    reference?: string | null;
    /** For how long, in seconds; 900 when left out. */
    ttlSeconds?: number | null;
  }
  /** Set a quantity. */
  | {
    /** Refuse when the quantity is not this now. */
    expected?: number | null;
    /** Repeating the command with the same key changes nothing. */
    idempotencyKey?: string | null;
    /** Of which item. */
    inventoryItemId: number | string;
    kind: 'update';
    /** At which location; may be left out where there is only one. */
    locationId?: number | string | null;
    /** Which quantity; a shelf count is `on_hand`. */
    name?: SettableName | null;
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

/** A customer record changed. */
export interface CustomerActivity {
  /** `created`, `updated` or `deleted`. */
  activity: string;
  /** Whose. */
  customerId: CustomerId;
}

/** A customer. */
export type CustomerId = string;

/** A customer comes or leaves. */
export interface CustomerPresence {
  /** Who. */
  customerId: CustomerId;
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

/** What happened. */
export type Event =
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
  };

/** What a variant's stock is counted of. */
export type InventoryItemId = string;

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

/** A place that holds stock. */
export type LocationId = string;

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

/** What stands of an order in lists and events. */
export interface OrderShape {
  /** Where it was placed. */
  channel: string | null;
  /** ISO 4217. */
  currency: string;
  /** Whose. */
  customerId: CustomerId | null;
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

/** A product. */
export type ProductId = string;

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
  locationId?: number | string | null;
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

/** A quantity that `update` may set. */
export type SettableName =
  /** What is sellable. */
  | 'available'
  /** What is on the shelf, sold or not. */
  | 'on_hand';

/** A shop, by its permanent API name: `<name>.myshopify.com`, lower case. */
export type ShopDomain = string;

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

/** A variant of a product. */
export type VariantId = string;

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

/** What oda tells in an envelope: the data of each event. */
export interface OdaEvents {
  /** A command of one's own went on. */
  'command:updated': CommandShape;
  /** A level fell to its threshold or to 0; `status` says which. */
  'inventory:lowStock': LevelShape;
  /** A reservation changed. */
  'inventory:reservation': ReservationShape;
  /** A level rose above its threshold. */
  'inventory:restocked': LevelShape;
  /** Stock is moved between locations. */
  'inventory:transfer': Transfer;
  /** A level changed. */
  'inventory:updated': LevelChange;
  /** An order changed; `change` says how. */
  'order:updated': {
    /** What changed. */
    change: OrderChange;
    /** Where it was placed. */
    channel: string | null;
    /** ISO 4217. */
    currency: string;
    /** Whose. */
    customerId: CustomerId | null;
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
  };
  /** How far a run of customers is. */
  'shopify:customer:progress': SyncRun & {
    percent: number | null;
  };
  /** How far a run of stock is. */
  'shopify:inventory:progress': SyncRun & {
    percent: number | null;
  };
  /** How far a run of orders is. */
  'shopify:order:progress': SyncRun & {
    percent: number | null;
  };
  /** How far a run of products is. */
  'shopify:product:progress': SyncRun & {
    percent: number | null;
  };
  /** A run began or ended. */
  'shopify:syncStatus': SyncRun;
  /** A webhook arrived. */
  'shopify:webhook:received': WebhookReceived;
}
