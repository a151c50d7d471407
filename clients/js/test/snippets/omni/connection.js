const ws = new WebSocket('ws://localhost:3000/api/ws');

ws.onopen = () => {
  // Authenticate
  ws.send(JSON.stringify({
    type: 'auth',
    data: { userId: 'test', role: 'admin', sessionId: 'abc', expiresAt: Date.now() + 3600000 }
  }));

  // Subscribe
  ws.send(JSON.stringify({
    type: 'subscribe',
    data: { namespace: 'orders' }
  }));
};

ws.onmessage = (event) => {
  console.log('Received:', JSON.parse(event.data));
};
