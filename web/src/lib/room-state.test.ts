import { describe, expect, test } from "vitest";
import { ackOf, hello, message, newMessage, reacted, refusal, synced, types } from "./fake-server";
import type { MessagePage, ServerEvent } from "./protocol";
import type { Load } from "./room-pages";
import { type Action, emptyRoom, type RoomState, roomReducer } from "./room-state";
import { RoomView, typingUsers, unreadOf } from "./room-view";

const does = (state: RoomState, ...actions: Action[]) => actions.reduce(roomReducer, state);
const hears = (state: RoomState, ...events: ServerEvent[]) =>
  does(state, { type: "events", events, nowMs: 1_000 });
const live = (...events: ServerEvent[]) => hears(emptyRoom("alice"), hello(0), ...events);
const seqs = (state: RoomState) => state.messages.map((one) => one.seq);
const view = (state: RoomState) => new RoomView().room(state);
const written = { attachments: [], threadId: null, replyToId: null, alsoToRoom: false };
const sends = (clientId: string, content = "hi"): Action => ({
  ...{ type: "do", clientId, nowMs: 1_000, op: { type: "message", content, ...written } },
});
const reloaded = (page: MessagePage): Action => ({
  type: "reloaded",
  reload: { page, threads: {} },
  nowMs: 1,
});
const ack = (clientId: string, seq: number) => ackOf("message", clientId, seq);
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
    expect(view(sent).map((one) => one.status)).toEqual(["sending"]);
    const acked = hears(sent, ack("c1", 1));
    expect(view(acked)).toMatchObject([{ id: "m1", seq: 1, status: "sent", content: "hi", key: "c1" }]);
    expect(acked.seq).toBe(0);
    const heard = hears(acked, own(1, "c1"));
    expect(view(heard)).toMatchObject([{ id: "m1", key: "c1", status: "sent", tenantId: "t" }]);
  });

  test("new_message before ack (a replay after the ack was lost)", () => {
    const sent = does(live(synced(0)), sends("c1"), { type: "closed" });
    const heard = hears(sent, hello(1), own(1, "c1"), synced(1));
    expect(heard.outgoing).toEqual([]);
    expect(hears(heard, { ...ack("c1", 1), duplicate: true } as ServerEvent).messages).toHaveLength(1);
  });

  test("an ack that overtakes somebody else's message is shown in its place", () => {
    const state = hears(does(live(synced(0)), sends("c1")), ack("c1", 2), newMessage(1), own(2, "c1"));
    expect(view(state).map((one) => one.userId)).toEqual(["bob", "alice"]);
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
    expect(view(state).map((one) => one.key)).toEqual(["m1", "c1"]);
  });

  test("refused: failed, and a retry keeps the id; after client_id_conflict it gets a new one", () => {
    const refused = (code: string) => refusal("c1", code, { ref: "message" });
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

  test("told to wait for long, it fails instead, and says for how long", () => {
    const slow = refusal("c1", "slow_mode", { retryable: true, retryAfterMs: 60_000 });
    const state = hears(does(live(synced(0)), sends("c1")), slow);
    expect(state.outgoing).toMatchObject([{ status: "failed", error: { retryAfterMs: 60_000 } }]);
  });

  test("who is muted or must wait knows it until something of theirs is taken, or the room is entered again", () => {
    const refused = (code: string, more: object) =>
      hears(does(live(synced(0)), sends("c1")), refusal("c1", code, more));
    const slow = refused("slow_mode", { retryable: true, retryAfterMs: 60_000 });
    expect(slow.held).toEqual({ code: "slow_mode", untilMs: 61_000 });
    const muted = refused("muted", {});
    expect(muted.held).toEqual({ code: "muted", untilMs: Number.POSITIVE_INFINITY });
    expect(hears(does(muted, { type: "closed" }), hello(0)).held).toBeNull();
    expect(hears(does(muted, sends("c2")), ack("c2", 1)).held).toBeNull();
    const details = { slowModeS: 30 } as RoomState["details"];
    const taken = hears(does({ ...slow, details }, sends("c2")), ack("c2", 1));
    expect(taken.held).toEqual({ code: "slow_mode", untilMs: 31_000 });
    const room = { slowModeS: 0 } as NonNullable<RoomState["details"]>;
    expect(does(taken, { type: "details", room }).held).toBeNull();
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
    const fresh = does(stale, reloaded(page(42, 91)));
    expect(fresh).toMatchObject({ phase: "live", seq: 92, hasMore: true, oldestSeq: 42 });
    expect(seqs(fresh)).toEqual(Array.from({ length: 51 }, (_, at) => 42 + at));
    expect(fresh.outgoing).toHaveLength(1);
  });

  test("a reload that is cut off begins anew", () => {
    const stale = hears(does(live(synced(1)), { type: "closed" }), hello(90), resync, synced(90));
    const cut = does(stale, { type: "closed" }, reloaded(page(42, 91)));
    expect(cut.seq).toBeNull();
  });

  test("an own message in the reloaded page isn't sent again", () => {
    const away = does(live(synced(1)), sends("c1"), { type: "closed" });
    const own = page(90, 90, { messages: [message(90, "alice", { clientId: "c1" })] });
    const fresh = does(hears(away, hello(90), resync, synced(90)), reloaded(own));
    expect(fresh.outgoing).toEqual([]);
  });

  test("an older page goes before the rest, with the changes that came while it was under way", () => {
    const fifty = Array.from({ length: 50 }, (_, at) => newMessage(51 + at));
    const older: Load = { kind: "older" };
    const loading = does(live(...fifty, synced(100)), { type: "loading", load: older });
    expect(loading.hasMore).toBe(true);
    const liked = hears(loading, reacted(101, "m7", { "👍": ["bob"] }));
    const first = page(1, 50, { lastSeq: 100 });
    const state = does(liked, { type: "loaded", load: older, page: first, nowMs: 1 });
    expect(seqs(state)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(state.messages[6]?.reactions).toEqual({ "👍": ["bob"] });
    expect(state).toMatchObject({ hasMore: false, oldestSeq: 1, loads: {} });
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
    const over = types("bob", false);
    expect(typingUsers(hears(state, over))).toEqual([]);
  });

  test("a reaction shows at once, stays with its ack, and goes when refused", () => {
    const op = { type: "reaction", messageId: "m1", emoji: "🎉", action: "add" } as const;
    const react: Action = { type: "do", clientId: "x", op, nowMs: 1 };
    const first = (state: RoomState) => view(state)[0]?.reactions;
    const state = does(live(newMessage(1), synced(1)), react);
    expect(first(state)).toEqual({ "🎉": ["alice"] });
    const acked = hears(state, ackOf("reaction", "x", 3, { messageId: "m1" }));
    expect(first(acked)).toEqual({ "🎉": ["alice"] });
    const others = reacted(2, "m1", { "👍": ["bob"] });
    expect(first(hears(acked, others))).toEqual({ "👍": ["bob"], "🎉": ["alice"] });
    const heard = hears(acked, others, reacted(3, "m1", { "👍": ["bob"], "🎉": ["alice"] }));
    expect(heard.outgoing).toEqual([]);
    expect(first(heard)).toEqual({ "👍": ["bob"], "🎉": ["alice"] });
    const refused = refusal("x", "invalid");
    expect(first(hears(state, refused))).toEqual({});
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

describe("edits and deletions of mine", () => {
  const mine = () => live(newMessage(1, "alice", { clientId: "c0" }), synced(1));
  const edits = (clientId: string, content: string): Action => {
    const op = { type: "edit", messageId: "m1", content, baseVersion: 1 } as const;
    return { type: "do", clientId, op, nowMs: 1 };
  };
  const removes: Action = { type: "do", clientId: "d1", op: { type: "delete", messageId: "m1" }, nowMs: 1 };

  test("an edit shows at once, stays until its own event, and says what was refused", () => {
    const edited = does(mine(), edits("x", "better"));
    expect(view(edited)).toMatchObject([{ content: "better", status: "sent", change: { failed: false } }]);
    const acked = hears(edited, ackOf("edit", "x", 2, { messageId: "m1", version: 2 }));
    expect(view(acked)).toMatchObject([{ content: "better", change: null }]);
    const after = message(1, "alice", { content: "better", version: 2 });
    const heard = hears(acked, { type: "message_updated", seq: 2, message: after });
    expect(heard.outgoing).toEqual([]);
    const refused = hears(edited, refusal("x", "version_conflict"));
    expect(view(refused)).toMatchObject([
      { content: "text 1", change: { type: "edit", failed: true, error: { code: "version_conflict" } } },
    ]);
  });

  test("after a conflict it is tried again as an edit of what is there now", () => {
    const refused = hears(does(mine(), edits("x", "better")), refusal("x", "version_conflict"));
    const after = message(1, "alice", { content: "else", version: 5 });
    const heard = hears(refused, { type: "message_updated", seq: 2, message: after });
    const again = does(heard, { type: "retry", clientId: "x", newClientId: "y", nowMs: 2 });
    expect(again.outgoing).toMatchObject([{ clientId: "y", op: { content: "better", baseVersion: 5 } }]);
  });

  test("a second edit waits for the first and is one of what that made", () => {
    const both = does(
      mine(),
      edits("x", "one"),
      { type: "sent", clientId: "x", nowMs: 1 },
      edits("y", "two"),
    );
    expect(view(both)[0]?.content).toBe("two");
    const acked = hears(both, ackOf("edit", "x", 2, { messageId: "m1", version: 2 }));
    expect(acked.outgoing.at(-1)?.op).toMatchObject({ content: "two", baseVersion: 2 });
  });

  test("a deletion takes the content away at once, and gives it back when refused", () => {
    const gone = does(mine(), removes);
    expect(view(gone)).toMatchObject([{ content: "", change: { type: "delete", failed: false } }]);
    expect(view(gone)[0]?.deletedAt).not.toBeNull();
    expect(view(hears(gone, refusal("d1", "forbidden")))).toMatchObject([
      { content: "text 1", deletedAt: null, change: { failed: true } },
    ]);
  });

  test("what is deleted never comes back with an older edit", () => {
    const deleted = hears(mine(), { type: "message_deleted", seq: 2, messageId: "m1", deletedBy: "bob" });
    const late = hears(deleted, { type: "message_updated", seq: 3, message: message(1, "alice") });
    expect(late.messages).toMatchObject([{ content: "" }]);
  });
});

describe("stretches and threads", () => {
  const jump: Load = { kind: "jump", seq: 20 };
  const newest = () => live(...Array.from({ length: 50 }, (_, at) => newMessage(151 + at)), synced(200));
  const rows = (state: RoomState) => view(state).map((one) => one.seq);

  test("a jump shows that stretch alone; when it has grown to the newest they are one", () => {
    const away = { hasMoreAfter: true, hasMoreBefore: false, lastSeq: 200 };
    const there = does(
      newest(),
      { type: "loading", load: jump },
      { type: "loaded", load: jump, page: page(1, 50, away), nowMs: 1 },
    );
    expect([rows(there)[0], rows(there).at(-1)]).toEqual([1, 50]);
    expect(rows(hears(there, newMessage(201))).at(-1)).toBe(50);
    const after: Load = { kind: "after" };
    const grown = does(
      there,
      { type: "loading", load: after },
      { type: "loaded", load: after, page: page(51, 155, { ...away, hasMoreBefore: true }), nowMs: 1 },
    );
    expect(grown.window).toBeNull();
    expect(rows(grown)).toEqual(Array.from({ length: 200 }, (_, at) => at + 1));
    expect(grown.hasMore).toBe(false);
    expect(rows(does(there, { type: "leave_window" }))[0]).toBe(151);
  });

  test("a thread's replies are its panel's, from its page and from what is live", () => {
    const load: Load = { kind: "thread", rootId: "m151" };
    const old = message(155, "bob", { threadId: "m151" });
    const loaded = does(
      newest(),
      { type: "loading", load },
      {
        ...{ type: "loaded", load, nowMs: 1 },
        page: { messages: [message(151), old], hasMoreBefore: false, hasMoreAfter: false, epoch: null },
      },
    );
    const state = hears(
      loaded,
      newMessage(201, "bob", { threadId: "m151" }),
      newMessage(202, "bob", { threadId: "m151", alsoToRoom: true }),
    );
    expect(new RoomView().thread(state, "m151").map((one) => one.seq)).toEqual([201, 202]);
    expect(rows(state).at(-1)).toBe(202);
    expect(rows(state)).not.toContain(201);
  });
});

describe("read and unread", () => {
  test("others' messages since the marker count, a thread's only for who follows it", () => {
    const state = live(newMessage(1, "alice"), newMessage(2, "bob"), synced(2));
    const more = hears(
      state,
      newMessage(3, "alice"),
      newMessage(4, "bob", { mentions: ["alice"] }),
      newMessage(5, "bob", { threadId: "m2" }),
      newMessage(6, "bob", { threadId: "m1" }),
    );
    expect(unreadOf(more)).toEqual({ unread: 2, mentions: 1, isWhole: true });
    expect(unreadOf(does(more, { type: "read", seq: 6 }))).toMatchObject({ unread: 0, mentions: 0 });
  });

  test("set back here it stays back; set back or moved elsewhere it follows", () => {
    const read = does(live(newMessage(1), newMessage(2), synced(2)), { type: "read", seq: 2 });
    const back = does(read, { type: "unread", seq: 2 });
    expect(back).toMatchObject({ lastReadSeq: 1, openedAtSeq: 1, heldUnread: true });
    const receipt = (seq: number): ServerEvent => ({ type: "read_receipt", userId: "alice", seq });
    const moved = hears(read, receipt(2));
    expect(hears(moved, receipt(1))).toMatchObject({ lastReadSeq: 1, heldUnread: true });
    // An old receipt that comes late isn't one.
    expect(hears(read, receipt(1))).toMatchObject({ lastReadSeq: 2, heldUnread: false });
  });
});
