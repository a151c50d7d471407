// A staff dashboard of the documented kind: named listeners, subscriptions without acknowledgements, `payload.data`.
// It knows nothing of the tests; each listener only reports what it was called with.
import { io } from 'socket.io-client';

const { url, options, inventory, orders } = JSON.parse(process.argv[2]);
const show = (heard) => (payload) =>
  process.stdout.write(`${JSON.stringify({ heard, type: payload?.type, data: payload?.data ?? payload })}\n`);

const socket = io(url, options);
socket.on('connect', () => {
  socket.emit('subscribe:inventory', inventory);
  socket.emit('subscribe:orders', orders);
  socket.emit('subscribe:notifications');
  socket.emit('inventory:update', { inventoryItemId: 'item-123', quantity: 100, reason: 'Counted' });
  socket.emit('inventory:reserve', { inventoryItemId: 'item-123', quantity: 10, reason: 'For an order' });
});
for (const name of [
  'connected',
  'inventory:updated',
  'inventory:lowStock',
  'inventory:updateError',
  'inventory:reservationError',
  'order:updated',
  'shopify:syncStatus',
  'shopify:product:progress',
  'shopify:webhook:received',
  'notification',
]) {
  socket.on(name, show(name));
}
socket.on('connect_error', (error) => show('connect_error')({ data: error.message }));

process.stdin.resume().on('close', () => process.exit());
