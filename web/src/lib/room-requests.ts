/** The requests of one room's client over REST: pages of history, a whole reload, and why an upgrade was refused. */
import type { ChatApi } from "./api";
import { ApiError, SignedOut } from "./http";
import { type Load, PAGE_COUNT, type Page, type Reload, type RoomState } from "./room-state";
import { inRoom } from "./room-view";
import type { Refusal } from "./socket";

/** After a `resync` the client loads as much history as it had, but at most this many pages of 100. */
const RELOAD_PAGES_MAX = 5;

export async function fetchPage(
  api: ChatApi,
  roomId: string,
  load: Load,
  query: { before?: number; after?: number },
): Promise<Page> {
  if (load.kind !== "thread") return api.messages(roomId, { ...query, limit: PAGE_COUNT });
  const { root, replies, hasMoreBefore } = await api.thread(roomId, load.rootId, {
    ...query,
    limit: PAGE_COUNT,
  });
  return { messages: [root, ...replies], hasMoreBefore, hasMoreAfter: false, epoch: null };
}

/** The newest history, as far back as what was shown, and the threads that were loaded. */
export async function fetchReload(api: ChatApi, roomId: string, state: RoomState): Promise<Reload> {
  let page = await api.messages(roomId, { limit: PAGE_COUNT });
  for (let pages = 1; page.hasMoreBefore && pages < RELOAD_PAGES_MAX; pages += 1) {
    const oldest = page.messages[0]?.seq ?? 0;
    if (oldest <= state.reloadFromSeq) break;
    const older = await api.messages(roomId, { before: oldest, limit: 100 });
    if (older.epoch !== page.epoch) break;
    const { hasMoreBefore } = older;
    page = { ...page, messages: [...older.messages, ...page.messages], hasMoreBefore };
  }
  const threads: Record<string, Page> = {};
  for (const rootId of Object.keys(state.threads)) {
    const load: Load = { kind: "thread", rootId };
    const thread = await fetchPage(api, roomId, load, {}).catch((error: unknown) => {
      // A deleted thread must not prevent the room from reloading.
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    });
    if (thread) threads[rootId] = thread;
  }
  return { page, threads };
}

/**
 * The seq of the first message at or after this time that the room shows, or of the last one before it. `null`: the room
 * has none. Replies that only their thread shows are passed over, as far as one page goes.
 */
export async function findFirstAt(api: ChatApi, roomId: string, at: string): Promise<number | null> {
  const { messages } = await api.messages(roomId, { at, limit: 100 });
  const shown = messages.filter(inRoom);
  const since = Date.parse(at);
  const found = shown.find(({ createdAt }) => Date.parse(createdAt) >= since) ?? shown.at(-1);
  return found?.seq ?? null;
}

/**
 * Asks REST why an upgrade was refused, because browsers hide the response. A page comes from the room itself, which
 * says so if it is being restored.
 */
export async function explainRefusal(api: ChatApi, roomId: string): Promise<Refusal> {
  try {
    await api.messages(roomId, { limit: 1 });
    return null;
  } catch (error) {
    if (error instanceof SignedOut) return { code: 4401, reason: "auth_expired" };
    if (error instanceof ApiError && error.status === 503 && error.body.retryAfterMs !== undefined)
      return { restoringMs: error.body.retryAfterMs };
    const final = error instanceof ApiError && [401, 403, 404].includes(error.status);
    return final ? { code: error.status, reason: error.code } : null;
  }
}
