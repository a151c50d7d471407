// One socket.io-client as published, driven by JSON lines: events to emit come in, everything it hears goes out.
import { createInterface } from 'node:readline';

const { package: name, url, options } = JSON.parse(process.argv[2]);
const { io } = await import(name);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const socket = io(url, options);
socket.io.on('open', () => {
  socket.io.engine.on('upgrade', (transport) => say({ heard: 'upgrade', transport: transport.name }));
});
socket.on('connect', () => say({ heard: 'connect', socketId: socket.id, recovered: socket.recovered }));
socket.on('connect_error', (error) => say({ heard: 'connect_error', message: error.message, active: socket.active }));
socket.on('disconnect', (reason) => say({ heard: 'disconnect', reason, active: socket.active }));
socket.onAny((event, ...args) => say({ heard: 'event', event, args }));

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { event, args, ack, do: order, auth } = JSON.parse(line);
    if (order === 'close') socket.io.engine.close();
    else if (order === 'auth') socket.auth = auth;
    else if (order === 'leave') socket.io.reconnection(false).engine.close();
    else if (order === 'return') socket.connect();
    else if (ack === undefined) socket.emit(event, ...args);
    else socket.emit(event, ...args, (...answer) => say({ heard: 'ack', ack, args: answer }));
  })
  .on('close', () => process.exit());
