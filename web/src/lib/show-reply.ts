/** Reaches one reply of a thread, as `RoomClient.jumpTo` reaches one message of the room. */
import type { RoomClient } from "./room-client";

/** Pages of 50 that are loaded to show one reply: a thread is loaded from its end. */
const PAGES_MAX = 40;

/** Loads a thread back to the reply `seq`. Resolves to whether that reply is now shown in the thread. */
export async function showReply(client: RoomClient, rootId: string, seq: number): Promise<boolean> {
  const state = () => client.getSnapshot().state;
  const isShown = () => client.view.thread(state(), rootId).some((reply) => reply.seq === seq);
  for (let pages = 0; !isShown() && pages < PAGES_MAX; pages += 1) {
    const part = state().threads[rootId];
    if (part && !part.failed && !part.hasBefore) break;
    await client.loadThread(rootId);
    if (state().threads[rootId]?.failed !== false) break;
  }
  return isShown();
}
