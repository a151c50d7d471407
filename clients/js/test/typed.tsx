// What the types allow and what they refuse. Compiled only.
import { connect } from '@stockd/client/oda';
import { connect as connectOms, WebSocketClientService } from '@stockd/client/oms';
import { Connection } from '@stockd/client/omni';
import { LiveSalesTicker, OrderStatusBadge, useWebSocket } from '@stockd/client/react';

async function oda() {
  const socket = connect('http://127.0.0.1:8080', { token: async () => 'a token' });
  socket.on('inventory:updated', ({ data }) => data.available + data.quantities.on_hand);
  socket.on('notification', ({ type }) => type === 'security:alert');
  // @ts-expect-error: there is no such event.
  socket.on('inventory:changed', () => {});
  socket.emit('subscribe:notifications');
  socket.emit('subscribe:inventory', { locationIds: ['1', 2], snapshot: true }, (answer) => {
    if (answer.ok) answer.levels?.map(({ sku }) => sku);
    else answer.error.code === 'FORBIDDEN';
  });
  const held = await socket.emitWithAck('inventory:reserve', { inventoryItemId: 1, quantity: 2, reason: 'by phone' });
  if (held.ok) held.reservationId.length;
  // @ts-expect-error: a command says why.
  socket.emit('inventory:adjust', { inventoryItemId: 1, delta: -1 });
}

function oms() {
  const socket = connectOms('http://127.0.0.1:8080', { token: 'a token' });
  socket.emit('subscribe_to_orders');
  socket.on('order_update', ({ data }) => data.aliasId);
  const service = new WebSocketClientService({ post: async () => ({}) }, new Map<string, string>());
  service.broadcast({ type: 'role', role: 'staff', title: 't', message: 'm' });
  // @ts-expect-error: to which user?
  service.broadcast({ type: 'user', title: 't', message: 'm' });
}

function omni() {
  const connection = new Connection();
  connection.on('order:created', ({ total }, { id }) => `${total} ${id}`);
  // @ts-expect-error: an order has no such field.
  connection.on('order:created', ({ sum }) => sum);
  // @ts-expect-error: there is no such namespace.
  connection.subscribe('things');
}

function React() {
  const { on, isConnected } = useWebSocket({ namespaces: ['orders', 'payments'], auth: { sessionId: 'a token' } });
  on('payment:received', ({ amount }) => amount);
  return (
    <>
      {isConnected && <LiveSalesTicker maxItems={5} />}
      {/* @ts-expect-error: an order's id is needed. */}
      <OrderStatusBadge initialStatus="pending" />
    </>
  );
}
