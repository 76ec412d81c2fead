// The usual room as many write it: a new client for each message, which is a row of Postgres before it is handed on.
import { DurableObject } from "cloudflare:workers";
import { Client } from "pg";

export class Room extends DurableObject {
  fetch(request) {
    this.room = new URL(request.url).searchParams.get("roomId");
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(_, text) {
    const { message } = JSON.parse(text);
    const client = new Client({ connectionString: this.env.HYPERDRIVE.connectionString });
    await client.connect();
    await client.query("INSERT INTO bench_messages (room, content) VALUES ($1, $2)", [this.room, message.content]);
    for (const socket of this.ctx.getWebSockets()) socket.send(text);
    this.ctx.waitUntil(client.end());
  }
}

export default {
  fetch(request, env) {
    const room = new URL(request.url).searchParams.get("roomId");
    return env.ROOM.get(env.ROOM.idFromName(room)).fetch(request);
  },
};
