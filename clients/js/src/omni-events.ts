// The 23 events of the contract of Omni Sales, and the shapes of their data. What other programs post comes as they
// posted it, so there fields may be missing.
import type {
  CustomerActivity,
  CustomerPresence,
  LevelChange,
  LevelShape,
  Notice,
  PriceChange,
  ProductShape,
} from './schemas.js';

/** What one subscribes to. */
export type Namespace = 'orders' | 'customers' | 'products' | 'inventory' | 'payments' | 'system';

export interface Order {
  id: string;
  /** As people call it; stockd's own `/api/ws` does not say it. */
  name?: string;
  customerId: string | null;
  /** `null` unless stockd is set to tell names. */
  customerName: string | null;
  total: number | null;
  status: string;
  channel: string | null;
}

export interface Payment {
  orderId: string;
  /** As people call it; stockd's own `/api/ws` does not say it. */
  orderName?: string;
  customerId: string | null;
  amount: number | null;
  /** ISO 4217. */
  currency: string;
}

/** Here prices are numbers. */
export type Price = Omit<PriceChange, 'price' | 'previousPrice'> & { price: number; previousPrice: number | null };

/** A customer looks at a product or puts it into a cart: only other programs post it. */
export interface CustomerInterest {
  customerId: string;
  productId: string;
  /** How many, for a cart. */
  quantity?: number | null;
}

/** Each event's name and data. */
export interface Events {
  'order:created': Order;
  'order:updated': Order;
  'order:status_changed': Order;
  /** Cancelled, or gone altogether. */
  'order:deleted': Order;
  'customer:activity': CustomerActivity;
  'customer:viewing_product': CustomerInterest;
  'customer:added_to_cart': CustomerInterest;
  'customer:online': CustomerPresence;
  'customer:offline': CustomerPresence;
  'inventory:updated': LevelChange;
  'inventory:low_stock': LevelShape;
  'inventory:out_of_stock': LevelShape;
  'inventory:restocked': LevelShape;
  'product:price_changed': Price;
  'product:created': ProductShape;
  'product:updated': ProductShape;
  'product:deleted': ProductShape;
  'payment:received': Payment;
  'payment:failed': Payment;
  'payment:refunded': Payment;
  'system:notification': Notice;
  'system:alert': Notice;
  'system:maintenance': Notice;
}
