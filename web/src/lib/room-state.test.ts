import { describe, expect, test } from "vitest";
import { hello, message, newMessage, synced } from "./fake-server";
import type { ErrorCode, MessagePage, ServerEvent } from "./protocol";
import { type Action, emptyRoom, type RoomState, roomReducer } from "./room-state";
import { messageView, typingUsers } from "./room-view";

const does = (state: RoomState, ...actions: Action[]) => actions.reduce(roomReducer, state);
const hears = (state: RoomState, ...events: ServerEvent[]) =>
  does(state, { type: "events", events, nowMs: 1_000 });
const live = (...events: ServerEvent[]) => hears(emptyRoom("alice"), hello(0), ...events);
const seqs = (state: RoomState) => state.messages.map((one) => one.seq);
const sends = (clientId: string, content = "hi"): Action => ({
  type: "send",
  clientId,
  content,
  nowMs: 1_000,
});
const ack = (clientId: string, seq: number): ServerEvent => ({
  ...{ type: "ack", clientId, op: "message", messageId: `m${seq}`, seq, version: 1 },
  createdAt: "2026-11-23T12:00:00.000Z",
});
const own = (seq: number, clientId: string) => newMessage(seq, "alice", { clientId, content: "hi" });
const page = (from: number, to: number, more: Partial<MessagePage> = {}): MessagePage => ({
  messages: Array.from({ length: to - from + 1 }, (_, at) => message(from + at)),
  ...{ hasMoreBefore: from > 1, hasMoreAfter: false, lastSeq: to, epoch: "e1", ...more },
});

describe("order", () => {
  test("history, then live, without a seam", () => {
    // Between 1 and 4 were events that are no messages.
    const state = live(newMessage(1), newMessage(4), synced(5), newMessage(6));
    expect(seqs(state)).toEqual([1, 4, 6]);
    expect(state).toMatchObject({ phase: "live", seq: 6, hasMore: false });
  });

  test("what is replayed and what was heard already is there once", () => {
    const before = does(live(newMessage(1), newMessage(2), synced(2)), { type: "closed" });
    expect(before.phase).toBe("away");
    const after = hears(
      before,
      hello(4),
      newMessage(2),
      newMessage(3),
      newMessage(4),
      synced(4),
      newMessage(4),
    );
    expect(seqs(hears(after, newMessage(5)))).toEqual([1, 2, 3, 4, 5]);
  });

  test("a replay that is cut off goes on where it ended", () => {
    const cut = does(hears(does(live(synced(2)), { type: "closed" }), hello(5), newMessage(3)), {
      type: "closed",
    });
    expect(cut).toMatchObject({ phase: "away", seq: 3 });
  });

  test("a history that is cut off begins anew", () => {
    const cut = does(live(newMessage(7)), { type: "closed" });
    expect(cut.seq).toBeNull();
    expect(seqs(hears(cut, hello(8), newMessage(7), newMessage(8), synced(8)))).toEqual([7, 8]);
  });

  test("a hole in what is live is a gap, and nothing after it is taken", () => {
    const state = live(synced(3), newMessage(4), newMessage(6), newMessage(7));
    expect(state).toMatchObject({ phase: "gap", seq: 4 });
    expect(seqs(state)).toEqual([4]);
    const healed = hears(
      does(state, { type: "closed" }),
      hello(7),
      newMessage(5),
      newMessage(6),
      newMessage(7),
      synced(7),
    );
    expect(seqs(healed)).toEqual([4, 5, 6, 7]);
    expect(healed.phase).toBe("live");
  });

  test("events of a kind that isn't known keep their place in the order", () => {
    const strange = { type: "poll_opened", seq: 2 } as unknown as ServerEvent;
    expect(live(synced(1), strange, newMessage(3))).toMatchObject({ phase: "live", seq: 3 });
  });
});

describe("own messages", () => {
  test("ack before new_message", () => {
    const sent = does(live(synced(0)), sends("c1"), { type: "sent", clientId: "c1", nowMs: 1 });
    expect(messageView()(sent).map((one) => one.status)).toEqual(["sending"]);
    const acked = hears(sent, ack("c1", 1));
    expect(messageView()(acked)).toMatchObject([
      { id: "m1", seq: 1, status: "sent", content: "hi", key: "c1" },
    ]);
    expect(acked.seq).toBe(0);
    const heard = hears(acked, own(1, "c1"));
    expect(messageView()(heard)).toMatchObject([{ id: "m1", key: "c1", status: "sent", tenantId: "t" }]);
  });

  test("new_message before ack (a replay after the ack was lost)", () => {
    const sent = does(live(synced(0)), sends("c1"), { type: "closed" });
    const heard = hears(sent, hello(1), own(1, "c1"), synced(1));
    expect(heard.outgoing).toEqual([]);
    expect(hears(heard, { ...ack("c1", 1), duplicate: true } as ServerEvent).messages).toHaveLength(1);
  });

  test("an ack that overtakes somebody else's message is shown in its place", () => {
    const state = hears(does(live(synced(0)), sends("c1")), ack("c1", 2), newMessage(1), own(2, "c1"));
    expect(state.messages.map((one) => one.userId)).toEqual(["bob", "alice"]);
    expect(state).toMatchObject({ phase: "live", seq: 2 });
  });

  test("a lost connection makes it wait to be sent again under the same id", () => {
    const sent = does(
      live(synced(0)),
      sends("c1"),
      { type: "sent", clientId: "c1", nowMs: 1 },
      { type: "closed" },
    );
    expect(sent.outgoing).toMatchObject([{ clientId: "c1", status: "sending", sentAtMs: null }]);
  });

  test("somebody else's message with the same clientId is another message", () => {
    const state = hears(does(live(synced(0)), sends("c1")), newMessage(1, "bob", { clientId: "c1" }));
    expect(messageView()(state).map((one) => one.key)).toEqual(["m1", "c1"]);
  });

  test("refused: failed, and a retry keeps the id; after client_id_conflict it gets a new one", () => {
    const refused = (code: ErrorCode): ServerEvent => ({
      ...{ type: "error", code, message: "no", retryable: false, clientId: "c1", ref: "message" },
    });
    const retry: Action = { type: "retry", clientId: "c1", newClientId: "c2", nowMs: 2_000 };
    const failed = hears(does(live(synced(0)), sends("c1")), refused("muted"));
    expect(failed.outgoing).toMatchObject([{ status: "failed", error: { code: "muted" } }]);
    expect(does(failed, retry).outgoing).toMatchObject([{ clientId: "c1", status: "sending", error: null }]);
    const conflict = hears(does(live(synced(0)), sends("c1")), refused("client_id_conflict"));
    expect(does(conflict, retry).outgoing).toMatchObject([{ clientId: "c2", status: "sending" }]);
  });

  test("rate_limited waits as long as it was told, without failing", () => {
    const limited: ServerEvent = {
      ...{
        type: "error",
        code: "rate_limited",
        message: "slow",
        retryable: true,
        retryAfterMs: 700,
        clientId: "c1",
      },
    };
    const state = hears(does(live(synced(0)), sends("c1")), limited);
    expect(state.outgoing).toMatchObject([{ status: "sending", sentAtMs: null, notBeforeMs: 1_700 }]);
  });

  test("no answer: tried three times, then failed", () => {
    let state = does(live(synced(0)), sends("c1"));
    for (let round = 1; round <= 3; round++) {
      state = does(state, { type: "sent", clientId: "c1", nowMs: 0 }, { type: "tick", nowMs: 15_000 });
      expect(state.outgoing[0]?.status).toBe(round < 3 ? "sending" : "failed");
    }
  });
});

describe("history over REST", () => {
  const resync: ServerEvent = { type: "resync", reason: "too_old", seq: 90, epoch: "e1" };

  test("resync: what is shown stays until the page is there, what came meanwhile follows it once", () => {
    const away = does(live(newMessage(1), synced(1)), sends("c1"), { type: "closed" });
    const stale = hears(away, hello(90), resync, synced(90), newMessage(91), newMessage(92));
    expect(stale.phase).toBe("reload");
    expect(seqs(stale)).toEqual([1]);
    const fresh = does(stale, { type: "reloaded", page: page(42, 91), nowMs: 1 });
    expect(fresh).toMatchObject({ phase: "live", seq: 92, hasMore: true, oldestSeq: 42 });
    expect(seqs(fresh)).toEqual(Array.from({ length: 51 }, (_, at) => 42 + at));
    expect(fresh.outgoing).toHaveLength(1);
  });

  test("a reload that is cut off begins anew", () => {
    const stale = hears(does(live(synced(1)), { type: "closed" }), hello(90), resync, synced(90));
    const cut = does(stale, { type: "closed" }, { type: "reloaded", page: page(42, 91), nowMs: 1 });
    expect(cut.seq).toBeNull();
  });

  test("an own message in the reloaded page isn't sent again", () => {
    const away = does(live(synced(1)), sends("c1"), { type: "closed" });
    const own = page(90, 90, { messages: [message(90, "alice", { clientId: "c1" })] });
    const fresh = does(hears(away, hello(90), resync, synced(90)), { type: "reloaded", page: own, nowMs: 1 });
    expect(fresh.outgoing).toEqual([]);
  });

  test("an older page goes before the rest, with the changes that came while it was under way", () => {
    const fifty = Array.from({ length: 50 }, (_, at) => newMessage(51 + at));
    const loading = does(live(...fifty, synced(100)), { type: "loading_older" });
    expect(loading.hasMore).toBe(true);
    const reacted = hears(loading, {
      type: "reaction_update",
      seq: 101,
      messageId: "m7",
      reactions: { "👍": ["bob"] },
      delta: { userId: "bob", emoji: "👍", action: "add" },
    });
    const state = does(reacted, { type: "older", page: page(1, 50, { lastSeq: 100 }), nowMs: 1 });
    expect(seqs(state)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(state.messages[6]?.reactions).toEqual({ "👍": ["bob"] });
    expect(state).toMatchObject({ hasMore: false, oldestSeq: 1, loadingOlder: false });
  });
});

describe("people", () => {
  test("presence: joined, left, and never twice", () => {
    const state = live({ type: "online_users", users: ["alice", "bob"] }, synced(0));
    const joined = hears(state, { type: "user_joined", userId: "bob", timestamp: 1 });
    expect(joined.onlineUsers).toEqual(["alice", "bob"]);
    expect(hears(joined, { type: "user_left", userId: "bob", timestamp: 2 }).onlineUsers).toEqual(["alice"]);
  });

  test("typing ends by time, by a message, by a list without them, and never shows me", () => {
    const typing: ServerEvent = {
      ...{ type: "typing", userId: "bob", isTyping: true, typingUsers: ["alice", "bob"], expiresInMs: 6_000 },
    };
    const state = live(synced(0), typing);
    expect(typingUsers(state)).toEqual(["bob"]);
    expect(typingUsers(does(state, { type: "tick", nowMs: 6_999 }))).toEqual(["bob"]);
    expect(typingUsers(does(state, { type: "tick", nowMs: 7_000 }))).toEqual([]);
    expect(typingUsers(hears(state, newMessage(1)))).toEqual([]);
    const over: ServerEvent = {
      type: "typing",
      userId: "bob",
      isTyping: false,
      typingUsers: [],
      expiresInMs: 0,
    };
    expect(typingUsers(hears(state, over))).toEqual([]);
  });

  test("a reaction shows at once, stays with its ack, and goes when refused", () => {
    const react: Action = { type: "react", clientId: "x", messageId: "m1", emoji: "🎉", action: "add" };
    const view = (state: RoomState) => messageView()(state)[0]?.reactions;
    const state = does(live(newMessage(1), synced(1)), react);
    expect(view(state)).toEqual({ "🎉": ["alice"] });
    const acked = hears(state, {
      ...{ type: "ack", clientId: "x", op: "reaction", messageId: "m1", seq: 2, version: 1, createdAt: "" },
    });
    expect(acked.reactions).toEqual([]);
    expect(view(acked)).toEqual({ "🎉": ["alice"] });
    const refused: ServerEvent = {
      type: "error",
      code: "invalid",
      message: "no",
      retryable: false,
      clientId: "x",
    };
    expect(view(hears(state, refused))).toEqual({});
  });

  test("a deleted message keeps its place and loses its content", () => {
    const state = live(newMessage(1), synced(1), {
      type: "message_deleted",
      seq: 2,
      messageId: "m1",
      deletedBy: "bob",
    });
    expect(state.messages).toMatchObject([{ id: "m1", content: "", reactions: {} }]);
    expect(state.messages[0]?.deletedAt).not.toBeNull();
  });
});
