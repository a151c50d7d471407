// React's part: a hook and three components over one connection of the omni contract.
export { LiveCustomerCount, type LiveCustomerCountProps } from './react/customer-count.js';
export { OrderStatusBadge, type OrderStatusBadgeProps } from './react/order-status.js';
export { LiveSalesTicker, type LiveSalesTickerProps } from './react/sales-ticker.js';
export {
  ConnectionProvider,
  useWebSocket,
  WebSocketProvider,
  type ConnectionProviderProps,
  type LiveConnection,
  type UseWebSocketOptions,
  type UseWebSocketResult,
  type WebSocketProviderProps,
} from './react/use-websocket.js';
export { ENGLISH, WordingProvider, type ComponentWords, type Wording } from './react/wording.js';
