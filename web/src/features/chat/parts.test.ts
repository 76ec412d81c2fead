/** The pure parts of the screen: addresses, and whom an `@` means. */
import { expect, test } from "vitest";
import { matching, mentionAt } from "./components/Mentions";
import { readRoute, roomHref } from "./route";

test("the address says which room, and which message in it", () => {
  expect(readRoute(roomHref("r 1/2"))).toEqual({ roomId: "r 1/2", seq: null });
  expect(readRoute(roomHref("r", 17))).toEqual({ roomId: "r", seq: 17 });
  for (const other of ["", "#", "#/r/", "#/x/r", "#/r/a/m/", "#/r/a/m/x", "#/r/%E0%A4%A"])
    expect(readRoute(other)).toEqual({ roomId: null, seq: null });
});

test("a mention is what follows an @ that begins a word, up to the caret", () => {
  expect(mentionAt("hi @bo", 6)).toEqual({ from: 3, query: "bo" });
  expect(mentionAt("@", 1)).toEqual({ from: 0, query: "" });
  expect(mentionAt("(@b", 3)).toEqual({ from: 1, query: "b" });
  expect(mentionAt("hi @bob there", 7)).toEqual({ from: 3, query: "bob" });
  for (const text of ["mail@bob", "hi @bob ", "none"]) expect(mentionAt(text, text.length)).toBeNull();
});

test("those whose id begins so come first", () => {
  expect(matching(["abob", "Bobby", "carol", "room"], "bo")).toEqual(["Bobby", "abob"]);
  expect(matching(["room"], "")).toEqual(["room"]);
});
