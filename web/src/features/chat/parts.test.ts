/** Pure parts of the UI: routes and mention completion. */
import { expect, test } from "vitest";
import { parseMarkdown } from "@/lib/markdown";
import { completionAt, matchPeople } from "./completion";
import { matchEmojis } from "./emoji-search";
import { excerpt, queryWords } from "./excerpt";
import { roomTitle } from "./room-title";
import { messageHref, parseRoute, roomHref, threadHref } from "./route";
import { parseCommand } from "./slash-commands";

test("a route names a room and a message in it", () => {
  const place = { seq: 17, threadId: null, alsoToRoom: false };
  expect(parseRoute(roomHref("r 1/2"))).toEqual({ roomId: "r 1/2", seq: null, threadId: null });
  expect(parseRoute(messageHref("r", place))).toEqual({ roomId: "r", seq: 17, threadId: null });
  const reply = { ...place, threadId: "t/1" };
  expect(parseRoute(messageHref("r", reply))).toEqual({ roomId: "r", seq: 17, threadId: "t/1" });
  expect(parseRoute(threadHref("r", "t/1"))).toEqual({ roomId: "r", seq: null, threadId: "t/1" });
  expect(messageHref("r", { ...reply, alsoToRoom: true })).toBe("#/r/r/m/17");
  for (const other of [
    "",
    "#",
    "#/r/",
    "#/x/r",
    "#/r/a/m/",
    "#/r/a/m/x",
    "#/r/%E0%A4%A",
    "#/r/a/t/",
    "#/r/a/m/1/t/",
  ])
    expect(parseRoute(other)).toEqual({ roomId: null, seq: null, threadId: null });
});

test("a mention is the text after an @ at the start of a word, up to the caret", () => {
  expect(completionAt("hi @bo", 6)).toEqual({ kind: "mention", from: 3, query: "bo" });
  expect(completionAt("@", 1)).toEqual({ kind: "mention", from: 0, query: "" });
  expect(completionAt("(@b", 3)).toEqual({ kind: "mention", from: 1, query: "b" });
  expect(completionAt("hi @bob there", 7)).toEqual({ kind: "mention", from: 3, query: "bob" });
  for (const text of ["mail@bob", "hi @bob ", "none"]) expect(completionAt(text, text.length)).toBeNull();
});

test("people are found by name and id; a word that starts with the query comes first", () => {
  const named = { u1: "Ann Lee Bo" } as Record<string, string>;
  const people = ["abob", "Bobby", "carol", "u1"].map((userId) => ({
    userId,
    name: named[userId] ?? userId,
  }));
  const found = (query: string) => matchPeople(people, query).map(({ userId }) => userId);
  expect(found("bo")).toEqual(["Bobby", "u1", "abob"]);
  expect(found("LEE")).toEqual(["u1"]);
});

const nameOf = (id: string) => (id === "bob" ? "Bob B." : id);
test("a DM is titled after the other person, a group after its name or members", () => {
  expect(roomTitle({ type: "direct", name: null, participantIds: ["alice", "bob"] }, "alice", nameOf)).toBe(
    "Bob B.",
  );
  expect(roomTitle({ type: "group", name: "Team", participantIds: [] }, "alice", nameOf)).toBe("Team");
  expect(
    roomTitle({ type: "group", name: null, participantIds: ["alice", "bob", "eve"] }, "alice", nameOf),
  ).toBe("Bob B., eve");
});

test("an emoji is completed after two letters; emoticons and times stay text", () => {
  expect(completionAt("hi :smi", 7)).toEqual({ kind: "emoji", from: 3, query: "smi" });
  for (const text of [":)", ":D", ":-P", "at 10:30", "https:", "a:bc"])
    expect(completionAt(text, text.length)).toBeNull();
  const all = [
    { emoji: "🐱", label: "cat face", tags: ["smile"] },
    { emoji: "😀", label: "grinning face", tags: ["smiley"], order: 1 },
    { emoji: "😊", label: "smiling face", order: 2 },
    { emoji: "🙂", label: "slightly smiling face", order: 3 },
    { emoji: "🚀", label: "rocket" },
  ];
  expect(matchEmojis(all, "SMI").map(({ emoji }) => emoji)).toEqual(["😊", "🙂", "🐱", "😀"]);
});

test("slash commands; other texts with a slash are messages", () => {
  expect(parseCommand("/me waves", 0)).toEqual({ kind: "send", content: "_waves_" });
  expect(parseCommand("/topic Launch on Thursday", 0)).toEqual({
    kind: "topic",
    topic: "Launch on Thursday",
  });
  expect(parseCommand("/mute", 1)).toEqual({ kind: "mute", untilMs: 28_800_001 });
  for (const text of ["/etc/passwd", "/met", "/", "a /me b", "/me"]) expect(parseCommand(text, 0)).toBeNull();
  const shrug = parseCommand("/shrug no idea", 0);
  const content = shrug?.kind === "send" ? shrug.content : "";
  expect(parseMarkdown(content)).toEqual([
    { type: "text", children: [{ type: "text", text: "no idea ¯\\_(ツ)_/¯" }] },
  ]);
});

test("a hit shows the part of a long message where the words are, and marks them", () => {
  expect(queryWords('launch "big day" from:bob before:2026-11-24 -not')).toEqual(["launch", "big", "day"]);
  expect(excerpt("The Launch is on launch day", ["launch"])).toEqual([
    { text: "The ", isMatch: false },
    { text: "Launch", isMatch: true },
    { text: " is on ", isMatch: false },
    { text: "launch", isMatch: true },
    { text: " day", isMatch: false },
  ]);
  const long = `${"word ".repeat(200)}needle${" word".repeat(200)}`;
  const parts = excerpt(long, ["needle"]);
  expect(parts.find((part) => part.isMatch)?.text).toBe("needle");
  expect(parts[0]?.text.startsWith("…")).toBe(true);
  expect(parts.map((part) => part.text).join("").length).toBeLessThan(250);
  expect(excerpt("(a+b)*", ["(a+b)*"])).toEqual([{ text: "(a+b)*", isMatch: true }]);
});
