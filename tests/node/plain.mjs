// One `ws` client as published, driven by JSON lines: texts to send come in, everything it hears goes out.
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

const { url, options } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const socket = new WebSocket(url, options);
const opened = new Promise((open) => socket.on('open', open));
socket.on('message', (data) => say({ heard: 'message', message: JSON.parse(String(data)) }));
socket.on('ping', () => say({ heard: 'ping' }));
socket.on('unexpected-response', (_, answer) => say({ heard: 'refused', status: answer.statusCode }));
socket.on('close', (code) => say({ heard: 'close', code }));
socket.on('error', (error) => say({ heard: 'error', message: error.message }));

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { text, bytes } = JSON.parse(line);
    await opened;
    socket.send(text ?? Buffer.from(bytes), { binary: text === undefined });
  })
  .on('close', () => process.exit());
