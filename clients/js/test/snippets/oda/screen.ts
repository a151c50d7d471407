// Client connection
socket.on('connect', () => {
  console.log('Connected to WebSocket server')
})

// Connection confirmation
socket.on('connected', (data) => {
  console.log('Connection confirmed:', data)
})

// Subscribe to inventory updates
socket.emit('subscribe:inventory', {
  locationIds: ['location-1', 'location-2'],
  productIds: ['product-1', 'product-2'],
})

// Subscribe to order updates
socket.emit('subscribe:orders', {
  customerId: 'customer-123', // Optional
})

// Subscribe to notifications
socket.emit('subscribe:notifications')

// Inventory level updates
socket.on('inventory:updated', (payload) => {
  console.log('Inventory updated:', payload.data)
})

// Low stock alerts
socket.on('inventory:lowStock', (payload) => {
  console.log('Low stock alert:', payload.data)
})

// Inventory operations
socket.emit('inventory:update', {
  inventoryItemId: 'item-123',
  quantity: 100,
  reason: 'Stock adjustment',
})

socket.emit('inventory:reserve', {
  inventoryItemId: 'item-123',
  quantity: 10,
  reason: 'Order reservation',
})

// Order status updates
socket.on('order:updated', (payload) => {
  console.log('Order updated:', payload.data)
})

// Sync status updates
socket.on('shopify:syncStatus', (payload) => {
  console.log('Sync status:', payload.data)
})

// Product sync events
socket.on('shopify:product:progress', (payload) => {
  console.log('Product sync progress:', payload.data)
})

// Webhook events
socket.on('shopify:webhook:received', (payload) => {
  console.log('Webhook received:', payload.data)
})

// General notifications
socket.on('notification', (payload) => {
  switch (payload.type) {
    case 'user:activity':
      console.log('User activity:', payload.data)
      break
    case 'system:event':
      console.log('System event:', payload.data)
      break
    case 'system:maintenance':
      console.log('Maintenance notification:', payload.data)
      break
    case 'security:alert':
      console.log('Security alert:', payload.data)
      break
  }
})

socket.on('connect_error', (error) => {
  console.error('Connection failed:', error.message)
})

socket.on('inventory:updateError', (data) => {
  console.error('Inventory update failed:', data.error)
})

socket.on('inventory:reservationError', (data) => {
  console.error('Reservation failed:', data.error)
})
