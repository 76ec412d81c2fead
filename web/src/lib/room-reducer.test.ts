import { describe, expect, test } from "vitest";
import {
  ackEvent,
  errorEvent,
  hello,
  message,
  newMessage,
  reactionUpdate,
  synced,
  typingEvent,
} from "../../test/fake-server";
import { execute, live, receive, view } from "../../test/reduce";
import type { MessagePage, ServerEvent } from "./protocol";

import type { Action } from "./room-reducer";
import type { Load, RoomState } from "./room-state";
import { RoomView, typingUnnamed, typingUsers, unreadOf } from "./room-view";

const seqs = (state: RoomState) => state.messages.map((item) => item.seq);
const written = { attachments: [], threadId: null, replyToId: null, alsoToRoom: false };
const sends = (clientId: string, content = "hi"): Action => ({
  type: "perform",
  clientId,
  nowMs: 1_000,
  op: { type: "message", content, ...written },
});
const reloaded = (page: MessagePage): Action => ({
  type: "reloaded",
  reload: { page, threads: {} },
  nowMs: 1,
});
const ack = (clientId: string, seq: number) => ackEvent("message", clientId, seq);
const own = (seq: number, clientId: string) => newMessage(seq, "alice", { clientId, content: "hi" });
const page = (from: number, to: number, more: Partial<MessagePage> = {}): MessagePage => ({
  messages: Array.from({ length: to - from + 1 }, (_, at) => message(from + at)),
  hasMoreBefore: from > 1,
  hasMoreAfter: false,
  lastSeq: to,
  epoch: "e1",
  ...more,
});

describe("order", () => {
  test("live events continue the history", () => {
    // The events between 1 and 4 are no messages.
    const state = live(newMessage(1), newMessage(4), synced(5), newMessage(6));
    expect(seqs(state)).toEqual([1, 4, 6]);
    expect(state).toMatchObject({ phase: "live", seq: 6, hasMore: false });
  });

  test("an event that is replayed and was received before is applied once", () => {
    const before = execute(live(newMessage(1), newMessage(2), synced(2)), { type: "closed" });
    expect(before.phase).toBe("away");
    const after = receive(
      before,
      hello(4),
      newMessage(2),
      newMessage(3),
      newMessage(4),
      synced(4),
      newMessage(4),
    );
    expect(seqs(receive(after, newMessage(5)))).toEqual([1, 2, 3, 4, 5]);
  });

  test("an interrupted replay continues where it ended", () => {
    const cut = execute(receive(execute(live(synced(2)), { type: "closed" }), hello(5), newMessage(3)), {
      type: "closed",
    });
    expect(cut).toMatchObject({ phase: "away", seq: 3 });
  });

  test("an interrupted history starts over", () => {
    const cut = execute(live(newMessage(7)), { type: "closed" });
    expect(cut.seq).toBeNull();
    expect(seqs(receive(cut, hello(8), newMessage(7), newMessage(8), synced(8)))).toEqual([7, 8]);
  });

  test("a missing live event makes a gap, and later events are not applied", () => {
    const state = live(synced(3), newMessage(4), newMessage(6), newMessage(7));
    expect(state).toMatchObject({ phase: "gap", seq: 4 });
    expect(seqs(state)).toEqual([4]);
    const healed = receive(
      execute(state, { type: "closed" }),
      hello(7),
      newMessage(5),
      newMessage(6),
      newMessage(7),
      synced(7),
    );
    expect(seqs(healed)).toEqual([4, 5, 6, 7]);
    expect(healed.phase).toBe("live");
  });

  test("an event of an unknown type still advances seq", () => {
    const strange = { type: "poll_opened", seq: 2 } as unknown as ServerEvent;
    expect(live(synced(1), strange, newMessage(3))).toMatchObject({ phase: "live", seq: 3 });
  });
});

describe("own messages", () => {
  test("ack before new_message", () => {
    const sent = execute(live(synced(0)), sends("c1"), { type: "sent", clientId: "c1", nowMs: 1 });
    expect(view(sent).map((item) => item.status)).toEqual(["sending"]);
    const acked = receive(sent, ack("c1", 1));
    expect(view(acked)).toMatchObject([{ id: "m1", seq: 1, status: "sent", content: "hi", key: "c1" }]);
    expect(acked.seq).toBe(0);
    const sentFrames = receive(acked, own(1, "c1"));
    expect(view(sentFrames)).toMatchObject([{ id: "m1", key: "c1", status: "sent", tenantId: "t" }]);
  });

  test("new_message before ack (a replay after the ack was lost)", () => {
    const sent = execute(live(synced(0)), sends("c1"), { type: "closed" });
    const sentFrames = receive(sent, hello(1), own(1, "c1"), synced(1));
    expect(sentFrames.outgoing).toEqual([]);
    expect(receive(sentFrames, { ...ack("c1", 1), duplicate: true } as ServerEvent).messages).toHaveLength(1);
  });

  test("an ack that arrives before an earlier message of another person is shown in order", () => {
    const state = receive(execute(live(synced(0)), sends("c1")), ack("c1", 2), newMessage(1), own(2, "c1"));
    expect(view(state).map((item) => item.userId)).toEqual(["bob", "alice"]);
    expect(state).toMatchObject({ phase: "live", seq: 2 });
  });

  test("after a lost connection a message is sent again under the same id", () => {
    const sent = execute(
      live(synced(0)),
      sends("c1"),
      { type: "sent", clientId: "c1", nowMs: 1 },
      { type: "closed" },
    );
    expect(sent.outgoing).toMatchObject([{ clientId: "c1", status: "sending", sentAtMs: null }]);
  });

  test("somebody else's message with the same clientId is another message", () => {
    const state = receive(execute(live(synced(0)), sends("c1")), newMessage(1, "bob", { clientId: "c1" }));
    expect(view(state).map((item) => item.key)).toEqual(["m1", "c1"]);
  });

  test("a refused message fails; a retry keeps its id, except after client_id_conflict", () => {
    const refused = (code: string) => errorEvent("c1", code, { ref: "message" });
    const retry: Action = { type: "retry", clientId: "c1", newClientId: "c2", nowMs: 2_000 };
    const failed = receive(execute(live(synced(0)), sends("c1")), refused("muted"));
    expect(failed.outgoing).toMatchObject([{ status: "failed", error: { code: "muted" } }]);
    expect(execute(failed, retry).outgoing).toMatchObject([
      { clientId: "c1", status: "sending", error: null },
    ]);
    const conflict = receive(execute(live(synced(0)), sends("c1")), refused("client_id_conflict"));
    expect(execute(conflict, retry).outgoing).toMatchObject([{ clientId: "c2", status: "sending" }]);
  });

  test("a rate-limited message waits for retryAfterMs and does not fail", () => {
    const limited: ServerEvent = {
      type: "error",
      code: "rate_limited",
      message: "slow",
      retryable: true,
      retryAfterMs: 700,
      clientId: "c1",
    };
    const state = receive(execute(live(synced(0)), sends("c1")), limited);
    expect(state.outgoing).toMatchObject([{ status: "sending", sentAtMs: null, notBeforeMs: 1_700 }]);
  });

  test("a long retryAfterMs fails the message and is reported", () => {
    const slow = errorEvent("c1", "slow_mode", { retryable: true, retryAfterMs: 60_000 });
    const state = receive(execute(live(synced(0)), sends("c1")), slow);
    expect(state.outgoing).toMatchObject([{ status: "failed", error: { retryAfterMs: 60_000 } }]);
  });

  test("sendBlocked holds until a message is accepted or the room is entered again", () => {
    const refused = (code: string, more: object) =>
      receive(execute(live(synced(0)), sends("c1")), errorEvent("c1", code, more));
    const slow = refused("slow_mode", { retryable: true, retryAfterMs: 60_000 });
    expect(slow.sendBlocked).toEqual({ code: "slow_mode", untilMs: 61_000 });
    const muted = refused("muted", {});
    expect(muted.sendBlocked).toEqual({ code: "muted", untilMs: Number.POSITIVE_INFINITY });
    // A mute that was lifted ends now, which the screen says.
    const lifted = receive(execute(muted, { type: "closed" }), hello(0));
    expect(lifted.sendBlocked).toEqual({ code: "muted", untilMs: 1_000 });
    const forAWhile = { until: new Date(61_000).toISOString() };
    const timed = receive(live(synced(0)), { type: "mute_updated", mute: forAWhile });
    expect(timed.sendBlocked).toEqual({ code: "muted", untilMs: 61_000 });
    expect(receive(timed, { type: "mute_updated", mute: null }).sendBlocked?.untilMs).toBe(1_000);
    expect(receive(execute(muted, sends("c2")), ack("c2", 1)).sendBlocked).toBeNull();
    const details = { slowModeS: 30 } as RoomState["details"];
    const taken = receive(execute({ ...slow, details }, sends("c2")), ack("c2", 1));
    expect(taken.sendBlocked).toEqual({ code: "slow_mode", untilMs: 31_000 });
    const room = { slowModeS: 0 } as NonNullable<RoomState["details"]>;
    expect(execute(taken, { type: "details", room }).sendBlocked).toBeNull();
  });

  test("a message without an answer is sent three times and then fails", () => {
    let state = execute(live(synced(0)), sends("c1"));
    for (let round = 1; round <= 3; round++) {
      state = execute(state, { type: "sent", clientId: "c1", nowMs: 0 }, { type: "tick", nowMs: 15_000 });
      expect(state.outgoing[0]?.status).toBe(round < 3 ? "sending" : "failed");
    }
  });
});

describe("history over REST", () => {
  const resync: ServerEvent = { type: "resync", reason: "too_old", seq: 90, epoch: "e1" };

  test("resync: old messages stay until the page arrives; events received meanwhile are applied once", () => {
    const away = execute(live(newMessage(1), synced(1)), sends("c1"), { type: "closed" });
    const stale = receive(away, hello(90), resync, synced(90), newMessage(91), newMessage(92));
    expect(stale.phase).toBe("reload");
    expect(seqs(stale)).toEqual([1]);
    const fresh = execute(stale, reloaded(page(42, 91)));
    expect(fresh).toMatchObject({ phase: "live", seq: 92, hasMore: true, oldestSeq: 42 });
    expect(seqs(fresh)).toEqual(Array.from({ length: 51 }, (_, at) => 42 + at));
    expect(fresh.outgoing).toHaveLength(1);
  });

  test("an interrupted reload starts over", () => {
    const stale = receive(execute(live(synced(1)), { type: "closed" }), hello(90), resync, synced(90));
    const cut = execute(stale, { type: "closed" }, reloaded(page(42, 91)));
    expect(cut.seq).toBeNull();
  });

  test("an own message in the reloaded page is not sent again", () => {
    const away = execute(live(synced(1)), sends("c1"), { type: "closed" });
    const own = page(90, 90, { messages: [message(90, "alice", { clientId: "c1" })] });
    const fresh = execute(receive(away, hello(90), resync, synced(90)), reloaded(own));
    expect(fresh.outgoing).toEqual([]);
  });

  test("an older page is prepended with the changes that arrived while it was loading", () => {
    const fifty = Array.from({ length: 50 }, (_, at) => newMessage(51 + at));
    const older: Load = { kind: "older" };
    const loading = execute(live(...fifty, synced(100, true)), { type: "loading", load: older });
    expect(loading.hasMore).toBe(true);
    const liked = receive(loading, reactionUpdate(101, "m7", ["bob", "👍"]));
    const first = page(1, 50, { lastSeq: 100 });
    const state = execute(liked, { type: "loaded", load: older, page: first, nowMs: 1 });
    expect(seqs(state)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(state.messages[6]?.reactions).toEqual({ "👍": ["bob"] });
    expect(state).toMatchObject({ hasMore: false, oldestSeq: 1, loads: {} });
  });
});

describe("people", () => {
  test("presence: a person joins once and leaves", () => {
    const state = live({ type: "online_users", users: ["alice", "bob"] }, synced(0));
    const joined = receive(state, { type: "user_joined", userId: "bob", timestamp: 1 });
    expect(joined.onlineUsers).toEqual(["alice", "bob"]);
    expect(receive(joined, { type: "user_left", userId: "bob", timestamp: 2 }).onlineUsers).toEqual([
      "alice",
    ]);
  });

  test("typing ends by expiry, by a message, and by a list without the person; it never shows me", () => {
    const typing: ServerEvent = {
      type: "typing",
      userId: "bob",
      isTyping: true,
      typingUsers: ["alice", "bob"],
      typingCount: 7,
      expiresInMs: 6_000,
    };
    const state = live(synced(0), typing);
    expect(typingUnnamed(state)).toBe(5);
    expect(typingUnnamed(execute(state, { type: "tick", nowMs: 7_000 }))).toBe(0);
    expect(typingUsers(state)).toEqual(["bob"]);
    expect(typingUsers(execute(state, { type: "tick", nowMs: 6_999 }))).toEqual(["bob"]);
    expect(typingUsers(execute(state, { type: "tick", nowMs: 7_000 }))).toEqual([]);
    expect(typingUsers(receive(state, newMessage(1)))).toEqual([]);
    const over = typingEvent("bob", false);
    expect(typingUsers(receive(state, over))).toEqual([]);
  });

  test("a deleted message keeps its row without content", () => {
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
    return { type: "perform", clientId, op, nowMs: 1 };
  };
  const removes: Action = {
    type: "perform",
    clientId: "d1",
    op: { type: "delete", messageId: "m1" },
    nowMs: 1,
  };

  test("an edit shows at once, stays until its event, and reports a refusal", () => {
    const edited = execute(mine(), edits("x", "better"));
    expect(view(edited)).toMatchObject([{ content: "better", status: "sent", change: { failed: false } }]);
    const acked = receive(edited, ackEvent("edit", "x", 2, { messageId: "m1", version: 2 }));
    expect(view(acked)).toMatchObject([{ content: "better", change: null }]);
    const after = message(1, "alice", { content: "better", version: 2 });
    const sentFrames = receive(acked, { type: "message_updated", seq: 2, message: after });
    expect(sentFrames.outgoing).toEqual([]);
    const refused = receive(edited, errorEvent("x", "version_conflict"));
    expect(view(refused)).toMatchObject([
      { content: "text 1", change: { type: "edit", failed: true, error: { code: "version_conflict" } } },
    ]);
  });

  test("a retry after a version conflict edits the current version", () => {
    const refused = receive(execute(mine(), edits("x", "better")), errorEvent("x", "version_conflict"));
    const after = message(1, "alice", { content: "else", version: 5 });
    const sentFrames = receive(refused, { type: "message_updated", seq: 2, message: after });
    const again = execute(sentFrames, { type: "retry", clientId: "x", newClientId: "y", nowMs: 2 });
    expect(again.outgoing).toMatchObject([{ clientId: "y", op: { content: "better", baseVersion: 5 } }]);
  });

  test("a second edit waits for the first and edits the version that it created", () => {
    const both = execute(
      mine(),
      edits("x", "one"),
      { type: "sent", clientId: "x", nowMs: 1 },
      edits("y", "two"),
    );
    expect(view(both)[0]?.content).toBe("two");
    const acked = receive(both, ackEvent("edit", "x", 2, { messageId: "m1", version: 2 }));
    expect(acked.outgoing.at(-1)?.op).toMatchObject({ content: "two", baseVersion: 2 });
  });

  test("a deletion hides the content at once and restores it when refused", () => {
    const gone = execute(mine(), removes);
    expect(view(gone)).toMatchObject([{ content: "", change: { type: "delete", failed: false } }]);
    expect(view(gone)[0]?.deletedAt).not.toBeNull();
    expect(view(receive(gone, errorEvent("d1", "forbidden")))).toMatchObject([
      { content: "text 1", deletedAt: null, change: { failed: true } },
    ]);
  });

  test("an older edit does not restore a deleted message", () => {
    const deleted = receive(mine(), { type: "message_deleted", seq: 2, messageId: "m1", deletedBy: "bob" });
    const late = receive(deleted, { type: "message_updated", seq: 3, message: message(1, "alice") });
    expect(late.messages).toMatchObject([{ content: "" }]);
  });
});

describe("history window and threads", () => {
  const jump: Load = { kind: "jump", seq: 20 };
  const newest = () => live(...Array.from({ length: 50 }, (_, at) => newMessage(151 + at)), synced(200));
  const rows = (state: RoomState) => view(state).map((item) => item.seq);

  test("a jump shows only its window; once it reaches the newest messages they are merged", () => {
    const away = { hasMoreAfter: true, hasMoreBefore: false, lastSeq: 200 };
    const there = execute(
      newest(),
      { type: "loading", load: jump },
      { type: "loaded", load: jump, page: page(1, 50, away), nowMs: 1 },
    );
    expect([rows(there)[0], rows(there).at(-1)]).toEqual([1, 50]);
    expect(rows(receive(there, newMessage(201))).at(-1)).toBe(50);
    const after: Load = { kind: "after" };
    const grown = execute(
      there,
      { type: "loading", load: after },
      { type: "loaded", load: after, page: page(51, 155, { ...away, hasMoreBefore: true }), nowMs: 1 },
    );
    expect(grown.historyWindow).toBeNull();
    expect(rows(grown)).toEqual(Array.from({ length: 200 }, (_, at) => at + 1));
    expect(grown.hasMore).toBe(false);
    expect(rows(execute(there, { type: "leave_history_window" }))[0]).toBe(151);
  });

  test("a thread shows the replies of its page and of live events", () => {
    const load: Load = { kind: "thread", rootId: "m151" };
    const old = message(155, "bob", { threadId: "m151" });
    const loaded = execute(
      newest(),
      { type: "loading", load },
      {
        type: "loaded",
        load,
        nowMs: 1,
        page: { messages: [message(151), old], hasMoreBefore: false, hasMoreAfter: false, epoch: null },
      },
    );
    const state = receive(
      loaded,
      newMessage(201, "bob", { threadId: "m151" }),
      newMessage(202, "bob", { threadId: "m151", alsoToRoom: true }),
    );
    expect(new RoomView().thread(state, "m151").map((item) => item.seq)).toEqual([201, 202]);
    expect(rows(state).at(-1)).toBe(202);
    expect(rows(state)).not.toContain(201);
  });
});

describe("read and unread", () => {
  test("messages of others after the marker count; a thread's only if I follow it", () => {
    const state = live(newMessage(1, "alice"), newMessage(2, "bob"), synced(2));
    const more = receive(
      state,
      newMessage(3, "alice"),
      newMessage(4, "bob", { mentions: ["alice"] }),
      newMessage(5, "bob", { threadId: "m2" }),
      newMessage(6, "bob", { threadId: "m1" }),
    );
    expect(unreadOf(more)).toEqual({ unread: 2, mentions: 1, isWhole: true });
    expect(unreadOf(execute(more, { type: "read", seq: 6 }))).toMatchObject({ unread: 0, mentions: 0 });
  });

  test("a marker that I moved back stays; a marker that another tab moved is followed", () => {
    const read = execute(live(newMessage(1), newMessage(2), synced(2)), { type: "read", seq: 2 });
    const back = execute(read, { type: "unread", seq: 2 });
    expect(back).toMatchObject({ lastReadSeq: 1, unreadLineSeq: 1, keepUnread: true });
    const receipt = (seq: number): ServerEvent => ({ type: "read_receipt", userId: "alice", seq });
    const moved = receive(read, receipt(2));
    expect(receive(moved, receipt(1))).toMatchObject({ lastReadSeq: 1, keepUnread: true });
    // A late, older receipt does not move the marker back.
    expect(receive(read, receipt(1))).toMatchObject({ lastReadSeq: 2, keepUnread: false });
  });
});
