// Socket.IO on Node, or on Bun with its engine: the same rooms, tokens and events as ours, by the library's own means.
import { createServer } from "node:http";
import { createServer as createControl } from "node:net";
import { Server } from "socket.io";

const io = new Server({ transports: ["websocket"], pingInterval: 25_000, pingTimeout: 60_000 });
io.use((socket, next) => {
  socket.data.user = socket.handshake.auth.token;
  next(socket.data.user ? undefined : new Error("Authentication required"));
});
io.on("connection", (socket) => {
  socket.join([`user:${socket.data.user}`, "shopify:sync"]);
  socket.on("join", (rooms, done) => {
    socket.join(rooms.split(" "));
    done({ ok: true });
  });
});

let port;
if (process.versions.bun) {
  const { Server: Engine } = await import("@socket.io/bun-engine");
  const engine = new Engine({ path: "/socket.io/", pingInterval: 25_000, pingTimeout: 60_000 });
  io.bind(engine);
  port = Bun.serve({ hostname: "127.0.0.1", port: 0, ...engine.handler() }).port;
} else {
  const http = createServer();
  io.attach(http);
  await new Promise((listening) => http.listen(0, "127.0.0.1", 4096, listening));
  port = http.address().port;
}

// 42["event",{"text":"…"}] and the frame's header.
const AROUND = 26;

const control = createControl((stream) => {
  let rest = "";
  stream.setEncoding("utf8").on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const [room, events, bytes, first] = line.split(" ");
      for (let n = +first; n < +first + +events; n++) {
        const name = room.replace("each", 1 + (n % 100));
        io.to(name).emit("event", { text: `n=${n};`.padEnd(+bytes - AROUND, "x") });
      }
    }
  });
});
control.listen(0, "127.0.0.1", () => console.log(`${port} ${control.address().port}`));
