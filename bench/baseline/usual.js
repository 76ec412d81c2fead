// The usual room: each message is a row of Postgres before it is handed on, over a client that the object keeps.
import { DurableObject } from "cloudflare:workers";
import postgres from "postgres";

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = postgres(env.HYPERDRIVE.connectionString, { max: 1, fetch_types: false, prepare: false });
  }

  fetch(request) {
    this.room = new URL(request.url).searchParams.get("roomId");
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(_, text) {
    const { message } = JSON.parse(text);
    await this.sql`INSERT INTO bench_messages (room, content) VALUES (${this.room}, ${message.content})`;
    for (const socket of this.ctx.getWebSockets()) socket.send(text);
  }
}

export default {
  fetch(request, env) {
    const room = new URL(request.url).searchParams.get("roomId");
    return env.ROOM.get(env.ROOM.idFromName(room)).fetch(request);
  },
};
