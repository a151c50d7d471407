# Send low stock alert
curl -X POST http://localhost:3000/websocket/notifications/inventory-alert \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer YOUR_JWT_TOKEN" \
  -d '{
    "productId": 101,
    "productName": "Test Product",
    "currentQuantity": 5,
    "threshold": 10,
    "alertType": "low_stock"
  }'
