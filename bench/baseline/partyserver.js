// Cloudflare's PartyServer with hibernation, as its own example broadcasts: no storage.
import { getServerByName, Server } from "partyserver";

export class Room extends Server {
  static options = { hibernate: true };

  onMessage(_, message) {
    this.broadcast(message);
  }
}

export default {
  async fetch(request, env) {
    const room = new URL(request.url).searchParams.get("roomId");
    return (await getServerByName(env.ROOM, room)).fetch(request);
  },
};
