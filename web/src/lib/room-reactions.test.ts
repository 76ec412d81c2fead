/** Reactions as a client keeps them: the changes that it receives, and its own that nobody has confirmed. */
import { expect, test } from "vitest";
import { ackEvent, errorEvent, message, newMessage, reactionUpdate, synced } from "../../test/fake-server";
import { execute, live, receive, view } from "../../test/reduce";
import type { Action } from "./room-reducer";
import type { RoomState } from "./room-state";

test("a reaction shows at once, stays after its ack, and disappears when refused", () => {
  const op = { type: "reaction", messageId: "m1", emoji: "🎉", action: "add" } as const;
  const react: Action = { type: "perform", clientId: "x", op, nowMs: 1 };
  const first = (state: RoomState) => view(state)[0]?.reactions;
  const state = execute(live(newMessage(1), synced(1)), react);
  expect(first(state)).toEqual({ "🎉": ["alice"] });
  const acked = receive(state, ackEvent("reaction", "x", 3, { messageId: "m1" }));
  expect(first(acked)).toEqual({ "🎉": ["alice"] });
  const others = reactionUpdate(2, "m1", ["bob", "👍"]);
  expect(first(receive(acked, others))).toEqual({ "👍": ["bob"], "🎉": ["alice"] });
  const sentFrames = receive(acked, others, reactionUpdate(3, "m1", ["alice", "🎉"]));
  expect(sentFrames.outgoing).toEqual([]);
  expect(first(sentFrames)).toEqual({ "👍": ["bob"], "🎉": ["alice"] });
  const refused = errorEvent("x", "invalid");
  expect(first(receive(state, refused))).toEqual({});
});

test("a reaction's count is the server's, and I stay named when an edit does not name me", () => {
  const crowd = Array.from({ length: 20 }, (_, at) => `p${at}`);
  const seen = { reactions: { "👍": crowd }, reactionCounts: { "👍": 300 } };
  const state = live(newMessage(1, "bob", seen), synced(1), reactionUpdate(2, "m1", ["alice", "👍"], 301));
  expect(state.messages[0]?.reactionCounts).toEqual({ "👍": 301 });
  expect(state.messages[0]?.reactions["👍"]).toContain("alice");
  const edited = message(1, "bob", { ...seen, reactionCounts: { "👍": 301 }, version: 2 });
  const after = receive(state, { type: "message_updated", seq: 3, message: edited });
  expect(after.messages[0]?.reactions["👍"]).toEqual([...crowd, "alice"]);
  const removed = receive(after, reactionUpdate(4, "m1", ["alice", "👍", "remove"], 300));
  expect(removed.messages[0]?.reactions["👍"]).toEqual(crowd);
  const last = receive(removed, reactionUpdate(5, "m1", ["p0", "👍", "remove"], 0));
  expect(last.messages[0]).toMatchObject({ reactions: {}, reactionCounts: {} });
});
