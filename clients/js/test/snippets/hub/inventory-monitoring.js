// Manager subscribes to product
socket.emit('subscribe_inventory', 'product-456');

// Receives stock updates
socket.on('inventory:stock_changed', (data) => {
  updateProductQuantity(data.productId, data.quantity);
});

// Receives low stock alerts
socket.on('inventory:low_stock_alert', (data) => {
  showAlert(data.message, data.severity);
});
