// The bare object with one thing more: each frame is a row of the object's SQLite before it is handed on. It parses
// nothing and knows nobody; what it tells is what storage and broadcasting cost a JavaScript object.
import { DurableObject } from "cloudflare:workers";

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY, event TEXT NOT NULL)");
  }

  fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(_, message) {
    this.ctx.storage.sql.exec("INSERT INTO messages (event) VALUES (?)", message);
    for (const socket of this.ctx.getWebSockets()) socket.send(message);
  }
}

export default {
  fetch(request, env) {
    const room = new URL(request.url).searchParams.get("roomId");
    return env.ROOM.get(env.ROOM.idFromName(room)).fetch(request);
  },
};
