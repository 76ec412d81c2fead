/** Pure parts of the UI: routes and mention completion. */
import { expect, test } from "vitest";
import { matchPeople, mentionAtCaret } from "./components/Mentions";
import { roomTitle } from "./room-title";
import { parseRoute, roomHref } from "./route";

test("a route names a room and a message in it", () => {
  expect(parseRoute(roomHref("r 1/2"))).toEqual({ roomId: "r 1/2", seq: null });
  expect(parseRoute(roomHref("r", 17))).toEqual({ roomId: "r", seq: 17 });
  for (const other of ["", "#", "#/r/", "#/x/r", "#/r/a/m/", "#/r/a/m/x", "#/r/%E0%A4%A"])
    expect(parseRoute(other)).toEqual({ roomId: null, seq: null });
});

test("a mention is the text after an @ at the start of a word, up to the caret", () => {
  expect(mentionAtCaret("hi @bo", 6)).toEqual({ from: 3, query: "bo" });
  expect(mentionAtCaret("@", 1)).toEqual({ from: 0, query: "" });
  expect(mentionAtCaret("(@b", 3)).toEqual({ from: 1, query: "b" });
  expect(mentionAtCaret("hi @bob there", 7)).toEqual({ from: 3, query: "bob" });
  for (const text of ["mail@bob", "hi @bob ", "none"]) expect(mentionAtCaret(text, text.length)).toBeNull();
});

test("ids that start with the query come first", () => {
  expect(matchPeople(["abob", "Bobby", "carol", "room"], "bo")).toEqual(["Bobby", "abob"]);
  expect(matchPeople(["room"], "")).toEqual(["room"]);
});

test("a DM is titled after the other person, a group after its name or members", () => {
  expect(roomTitle({ type: "direct", name: null, participantIds: ["alice", "bob"] }, "alice")).toBe("bob");
  expect(roomTitle({ type: "group", name: "Team", participantIds: [] }, "alice")).toBe("Team");
  expect(roomTitle({ type: "group", name: null, participantIds: ["alice", "bob", "eve"] }, "alice")).toBe(
    "bob, eve",
  );
});
