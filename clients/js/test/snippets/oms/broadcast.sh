# Send system-wide notification
curl -X POST http://localhost:3000/websocket/broadcast \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer YOUR_JWT_TOKEN" \
  -d '{
    "type": "system",
    "title": "System Maintenance",
    "message": "Scheduled maintenance will begin at 2 AM UTC",
    "data": {
      "maintenanceTime": "2023-12-01T02:00:00Z",
      "estimatedDuration": "2 hours"
    }
  }'
