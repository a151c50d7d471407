// The pages that hub's document shows, in one: connects to `/`, joins and subscribes without acknowledgements, and shows
// what comes.
import io from 'socket.io-client';

const { url, token } = JSON.parse(process.argv[2]);
const say = (heard, data) => process.stdout.write(`${JSON.stringify({ heard, data })}\n`);

const socket = io(url, { auth: { token } });
socket.on('connected', (data) => say('connected', data));
socket.on('connect_error', (error) => say('connect_error', error.message));
socket.on('order:status_updated', (data) => say('shown', data.message));
socket.on('order:update', (data) => say('tracked', data.status));
socket.on('inventory:stock_changed', (data) => say('counted', { productId: data.productId, quantity: data.quantity }));
socket.on('inventory:low_stock_alert', (data) => say('alerted', { message: data.message, severity: data.severity }));
for (const name of [
  'error',
  'payment:status_updated',
  'payment:update',
  'order:new_order',
  'order:shop_order',
  'inventory:updated',
  'inventory:shop_update',
  'inventory:alert',
  'transfer:status_update',
  'notification:new',
  'notification:broadcast',
  'announcement:new',
  'typing',
]) {
  socket.on(name, (data) => say(name, data));
}
socket.emit('join_room', 'custom-room-id');
socket.emit('subscribe_order', 'order-123');
socket.emit('subscribe_inventory', 'product-456');
socket.emit('typing', { roomId: 'custom-room-id', isTyping: true });

process.stdin.resume().on('close', () => process.exit());
