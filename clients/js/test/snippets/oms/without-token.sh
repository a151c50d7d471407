# Manual event trigger
curl -X POST http://localhost:3000/websocket/notifications/order-created \
  -H "Content-Type: application/json" \
  -d '{"orderId":"test","aliasId":"TEST-001","userId":1,"totalAmount":10,"status":"created"}'
