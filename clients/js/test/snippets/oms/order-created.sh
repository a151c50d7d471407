# Create a new order via API Gateway
curl -X POST http://localhost:3000/websocket/notifications/order-created \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer YOUR_JWT_TOKEN" \
  -d '{
    "orderId": "123",
    "aliasId": "ORDER-2023-001",
    "userId": 1,
    "totalAmount": 99.99,
    "status": "created"
  }'
