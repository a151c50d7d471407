// The client that oms's documents show, with their listeners and without acknowledgements: it subscribes as soon as it is
// made, shows what comes, and never learns of the tests.
import { io } from 'socket.io-client';

const { url, token } = JSON.parse(process.argv[2]);
const say = (heard, data) => process.stdout.write(`${JSON.stringify({ heard, data })}\n`);

class OmsClient {
  constructor(token) {
    this.socket = io(`${url}/events`, { auth: { token } });
    this.socket.on('connected', (data) => say('connected', data));
    this.socket.on('error', (error) => say('error', error));
    this.socket.on('subscription_confirmed', (data) => say('subscription_confirmed', data));
    this.socket.on('pong', (data) => say('pong', data));
    this.socket.on('connect_error', (error) => say('connect_error', error.message));
    this.socket.on('order_update', (event) => {
      say('order_update', event);
      if (event.data.status === 'shipped') say('shown', `Order ${event.data.aliasId} has been shipped!`);
    });
    this.socket.on('inventory_update', (event) => {
      say('inventory_update', event);
      if (event.data.status === 'low_stock') say('shown', `Low stock alert for product ${event.data.productId}`);
    });
    this.socket.on('user_notification', (event) => {
      say('user_notification', event);
      say('shown', `${event.data.title}: ${event.data.message}`);
    });
    this.socket.on('system_notification', (event) => say('system_notification', event));
  }

  subscribeToOrders() {
    this.socket.emit('subscribe_to_orders');
  }

  subscribeToInventory() {
    this.socket.emit('subscribe_to_inventory');
  }

  ping() {
    this.socket.emit('ping');
  }
}

const client = new OmsClient(token);
client.subscribeToOrders();
client.subscribeToInventory();
client.ping();

process.stdin.resume().on('close', () => process.exit());
