// uWebSockets' own publish, through Bun: no Socket.IO, no tokens, no log. What the shape of the work allows.
import { createServer } from "node:net";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response(null, { status: 400 })),
  websocket: {
    idleTimeout: 120,
    backpressureLimit: 64 * 1024 * 1024,
    message(socket, rooms) {
      ["user", "shopify:sync", ...rooms.split(" ")].forEach((room) => socket.subscribe(room));
      socket.send("joined");
    },
  },
});

const HEADER = 4;

const control = createServer((stream) => {
  let rest = "";
  stream.setEncoding("utf8").on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const [room, events, bytes, first] = line.split(" ");
      for (let n = +first; n < +first + +events; n++) {
        const name = room.replace("each", 1 + (n % 100));
        server.publish(name, `n=${n};`.padEnd(+bytes - HEADER, "x"));
      }
    }
  });
});
control.listen(0, "127.0.0.1", () => console.log(`${server.port} ${control.address().port}`));
