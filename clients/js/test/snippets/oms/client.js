import { io } from 'socket.io-client';

class OMSWebSocketClient {
  constructor(token) {
    this.socket = io('ws://localhost:3000/events', {
      auth: { token }
    });

    this.setupEventHandlers();
  }

  setupEventHandlers() {
    // Connection events
    this.socket.on('connected', (data) => {
      console.log('Connected to OMS WebSocket:', data);
    });

    this.socket.on('error', (error) => {
      console.error('WebSocket error:', error);
    });

    // Business events
    this.socket.on('order_update', (event) => {
      console.log('Order update received:', event);
      this.handleOrderUpdate(event.data);
    });

    this.socket.on('inventory_update', (event) => {
      console.log('Inventory update received:', event);
      this.handleInventoryUpdate(event.data);
    });

    this.socket.on('user_notification', (event) => {
      console.log('User notification:', event);
      this.handleUserNotification(event.data);
    });
  }

  // Subscribe to order updates
  subscribeToOrders() {
    this.socket.emit('subscribe_to_orders');
  }

  // Subscribe to inventory updates
  subscribeToInventory() {
    this.socket.emit('subscribe_to_inventory');
  }

  // Ping server
  ping() {
    this.socket.emit('ping');
  }

  handleOrderUpdate(data) {
    // Implement your order update UI logic
    if (data.status === 'shipped') {
      this.showNotification(`Order ${data.aliasId} has been shipped!`);
    }
  }

  handleInventoryUpdate(data) {
    // Implement your inventory update UI logic
    if (data.status === 'low_stock') {
      this.showWarning(`Low stock alert for product ${data.productId}`);
    }
  }

  handleUserNotification(data) {
    // Implement your user notification UI logic
    this.showNotification(data.title, data.message);
  }
}

// Usage
const client = new OMSWebSocketClient('your-jwt-token');
client.subscribeToOrders();
client.subscribeToInventory();
