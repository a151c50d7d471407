curl http://localhost:3000/websocket/health
