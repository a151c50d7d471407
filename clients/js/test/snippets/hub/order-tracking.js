// Customer subscribes to their order
socket.emit('subscribe_order', 'order-123');

// Receives real-time updates
socket.on('order:update', (data) => {
  updateOrderStatus(data.status);
  showNotification(`Order ${data.status}`);
});
