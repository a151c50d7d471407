// The contract of OMS: what its services post, and what its clients hear.
import { io, type Socket } from 'socket.io-client';

/** Where orders, inventory and announcements arrive. */
export interface RealTimeEvent<Data = unknown> {
  type: 'order_status' | 'inventory_update' | 'system_notification' | 'user_specific';
  data: Data;
  userId?: UserId;
  /** RFC 3339. */
  timestamp: string;
}

/** A number where the token's user id is one. */
export type UserId = number | string;

export interface OrderStatusUpdate {
  orderId: string;
  /** As people call it. */
  aliasId: string;
  status: string;
  userId: UserId;
  timestamp: string;
  message?: string;
}

export interface InventoryUpdate {
  productId: number | string;
  quantity: number;
  status: AlertType;
  threshold?: number;
  timestamp: string;
}

export type AlertType = 'low_stock' | 'out_of_stock' | 'restocked';

export interface UserNotification {
  type?: string;
  title: string;
  message: string;
  data?: unknown;
}

export interface ServerEvents {
  connected: (greeting: { userId: UserId; timestamp: string }) => void;
  error: (error: { code: string; message: string; event: string | null }) => void;
  pong: (answer: { timestamp: string }) => void;
  subscription_confirmed: (answer: { type: 'order_updates' | 'inventory_updates'; message: string }) => void;
  order_update: (event: RealTimeEvent<OrderStatusUpdate>) => void;
  inventory_update: (event: RealTimeEvent<InventoryUpdate>) => void;
  user_notification: (event: RealTimeEvent<UserNotification>) => void;
  system_notification: (event: RealTimeEvent<UserNotification>) => void;
  /** What was missed cannot be sent any more: load again what is shown. */
  resync: (order: { reason: string }) => void;
}

export interface ClientEvents {
  subscribe_to_orders: () => void;
  subscribe_to_inventory: () => void;
  unsubscribe: (from: { type: 'order' | 'inventory' | 'order_updates' | 'inventory_updates' }) => void;
  ping: () => void;
}

export type OmsSocket = Socket<ServerEvents, ClientEvents>;

/** Connects to `/events` of stockd at `url`. */
export function connect(url: string, { token }: { token: string }): OmsSocket {
  return io(new URL('/events', url).href, { auth: { token } });
}

/** Nest's `HttpService`, whose answers are observables, or axios, whose answers are promises. */
export interface HttpService {
  post(url: string, body: unknown, options: { headers: Record<string, string> }): Promise<unknown> | Subscribable;
}

interface Subscribable {
  subscribe(observer: { next(value: unknown): void; error(error: unknown): void; complete(): void }): unknown;
}

/** Nest's `ConfigService`, or a `Map`. */
export interface ConfigService {
  get(key: string): string | undefined;
}

export interface OrderCreated {
  orderId: string;
  aliasId: string;
  userId: UserId;
  totalAmount: number;
  status: string;
}

export interface OrderStatusChanged {
  orderId: string;
  aliasId: string;
  userId: UserId;
  newStatus: string;
  previousStatus?: string;
  message?: string;
}

export interface InventoryAlert {
  productId: number | string;
  productName: string;
  currentQuantity: number;
  threshold?: number;
  alertType: AlertType;
}

export interface QuantityChanged {
  productId: number | string;
  productName: string;
  currentQuantity: number;
  previousQuantity: number;
  /** At or below it stock is low; 10 when left out. */
  threshold?: number;
}

/** `user` needs `userId`, `role` needs `role`. */
export type Broadcast = { title: string; message: string; data?: unknown } & (
  | { type: 'system' }
  | { type: 'user'; userId: UserId }
  | { type: 'role'; role: string }
);

const THRESHOLD = 10;

/**
 * How services tell stockd what happened. Every method is `true` once stockd has written it down, and `false`, with a line
 * on the console, when it has not: a notification that fails must not undo what it tells of.
 *
 * Of the configuration it reads `API_GATEWAY_URL`, where stockd is, and `API_GATEWAY_TOKEN`, a token with the role
 * `service`; without one, stockd must trust the network that the service is in.
 */
export class WebSocketClientService {
  readonly #http: HttpService;
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(httpService: HttpService, configService: ConfigService) {
    const url = configService.get('API_GATEWAY_URL');
    if (!url) throw new Error('API_GATEWAY_URL is not set: where is stockd, for instance http://localhost:8080?');
    const token = configService.get('API_GATEWAY_TOKEN');
    this.#http = httpService;
    this.#url = url.replace(/\/+$/, '');
    this.#headers = token ? { Authorization: `Bearer ${token}` } : {};
  }

  notifyOrderCreated(order: OrderCreated): Promise<boolean> {
    return this.#post('notifications/order-created', order);
  }

  notifyOrderStatusUpdate(order: OrderStatusChanged): Promise<boolean> {
    return this.#post('notifications/order-status-update', order);
  }

  notifyInventoryAlert(alert: InventoryAlert): Promise<boolean> {
    return this.#post('notifications/inventory-alert', alert);
  }

  /** Sends the alert that the change calls for; `true` also when it calls for none. */
  async triggerInventoryNotifications({ previousQuantity, ...change }: QuantityChanged): Promise<boolean> {
    const { currentQuantity, threshold = THRESHOLD } = change;
    const alertType = crossing(previousQuantity, currentQuantity, threshold);
    return alertType === undefined || this.notifyInventoryAlert({ ...change, threshold, alertType });
  }

  /** To everybody, to one user, or to everybody with a role. */
  broadcast(notification: Broadcast): Promise<boolean> {
    return this.#post('broadcast', notification);
  }

  async #post(path: string, body: unknown): Promise<boolean> {
    try {
      await settled(this.#http.post(`${this.#url}/websocket/${path}`, body, { headers: this.#headers }));
      return true;
    } catch (error) {
      // The error's own text: its other fields hold the request, with its token.
      console.warn(`stockd was not told (${path}): ${error instanceof Error ? error.message : 'no reason given'}`);
      return false;
    }
  }
}

/** The alert that a change from `before` to `now` calls for: one for each crossing, none while it stays on one side. */
export function crossing(before: number, now: number, threshold: number): AlertType | undefined {
  const [was, is] = [status(before, threshold), status(now, threshold)];
  if (is === 'in_stock') return was === 'in_stock' ? undefined : 'restocked';
  if (was === is || was === 'out_of_stock') return undefined;
  return is;
}

function status(quantity: number, threshold: number): 'in_stock' | 'low_stock' | 'out_of_stock' {
  if (quantity <= 0) return 'out_of_stock';
  return quantity <= threshold ? 'low_stock' : 'in_stock';
}

function settled(answer: Promise<unknown> | Subscribable): Promise<unknown> {
  if (!('subscribe' in answer)) return answer;
  return new Promise((resolve, reject) => answer.subscribe({ next: resolve, error: reject, complete: () => resolve(undefined) }));
}
