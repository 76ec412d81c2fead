// A Node server on `ws` that gathers: the messages of one turn of the event loop leave as one frame, and Postgres gets
// them in batches behind it. Started as `node node.mjs PORT DATABASE_URL`.
import postgres from "postgres";
import { WebSocketServer } from "ws";

const [port, url] = process.argv.slice(2);
const sql = postgres(url, { max: 1, prepare: false });
const rooms = new Map();
let rows = [];
let inserting = false;

async function insert() {
  if (inserting) return;
  inserting = true;
  while (rows.length > 0) {
    const batch = rows;
    rows = [];
    await sql`INSERT INTO bench_messages (room, content) SELECT * FROM unnest(${batch.map((r) => r[0])}::text[], ${batch.map((r) => r[1])}::text[])`;
  }
  inserting = false;
}

const server = new WebSocketServer({ port: Number(port), host: "127.0.0.1", perMessageDeflate: false });
server.on("connection", (socket, request) => {
  const name = new URL(request.url, "http://localhost").searchParams.get("roomId");
  const room = rooms.get(name) ?? { sockets: new Set(), events: [] };
  rooms.set(name, room);
  room.sockets.add(socket);
  socket.on("close", () => room.sockets.delete(socket));
  socket.on("message", (data) => {
    const text = data.toString();
    rows.push([name, JSON.parse(text).message.content]);
    if (room.events.push(text) > 1) return;
    setImmediate(() => {
      const frame = `[${room.events.join(",")}]`;
      room.events = [];
      for (const other of room.sockets) other.send(frame);
      insert();
    });
  });
});
