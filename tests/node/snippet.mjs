// The connection test of omni's document as it stands; only where it connects and its session are told from outside,
// and what it prints is JSON.
import WebSocket from 'ws';

const { url, session } = JSON.parse(process.argv[2]);
console.log = (...said) => process.stdout.write(`${JSON.stringify(said)}\n`);

const ws = new WebSocket(`${url}/api/ws`);

ws.onopen = () => {
  // Authenticate
  ws.send(JSON.stringify({
    type: 'auth',
    data: { userId: 'test', role: 'admin', sessionId: session, expiresAt: Date.now() + 3600000 }
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

process.stdin.resume().on('close', () => process.exit());
