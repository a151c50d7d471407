const socket = io('ws://localhost:8009', {
  auth: {
    token: 'your-jwt-token'
  }
});

// Join a custom room
socket.emit('join_room', 'custom-room-id');

// Leave a room
socket.emit('leave_room', 'custom-room-id');

// Subscribe to order updates
socket.emit('subscribe_order', 'order-123');

// Subscribe to product inventory
socket.emit('subscribe_inventory', 'product-456');

// Typing indicator
socket.emit('typing', { roomId: 'chat-room', isTyping: true });

// Connection confirmation
socket.on('connected', (data) => {
  console.log(data.message);
  console.log('Socket ID:', data.socketId);
});

// Order updates
socket.on('order:status_updated', (data) => {
  console.log('Order updated:', data);
});

// Payment updates
socket.on('payment:status_updated', (data) => {
  console.log('Payment:', data);
});

// Inventory updates
socket.on('inventory:updated', (data) => {
  console.log('Inventory changed:', data);
});

// Low stock alerts
socket.on('inventory:low_stock_alert', (data) => {
  console.log('Low stock:', data);
});

// Notifications
socket.on('notification:new', (data) => {
  console.log('New notification:', data);
});

// System announcements
socket.on('announcement:new', (data) => {
  console.log('Announcement:', data);
});

socket.on('connect_error', (error) => {
  if (error.message === 'Authentication required') {
    // Redirect to login
  }
  if (error.message === 'Invalid or expired token') {
    // Refresh token and reconnect
  }
});

socket.on('disconnect', (reason) => {
  if (reason === 'io server disconnect') {
    // Server forcefully disconnected (reauth required)
  }
  if (reason === 'transport close') {
    // Connection lost (will auto-reconnect)
  }
});
