// What the bench compares with: a room that does nothing but hand each frame on to everybody. It parses nothing,
// stores nothing and knows nobody, on the same hibernatable sockets as ours.
import { DurableObject } from "cloudflare:workers";

export class Room extends DurableObject {
  fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(_, message) {
    for (const socket of this.ctx.getWebSockets()) socket.send(message);
  }
}

export default {
  fetch(request, env) {
    const room = new URL(request.url).searchParams.get("roomId");
    return env.ROOM.get(env.ROOM.idFromName(room)).fetch(request);
  },
};
