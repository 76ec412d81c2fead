import { expect, test } from "vitest";
import { codePointCount, findLinks, formatDay, formatDuration, initials, roomTitle } from "./text";

test("links are found, and the surrounding text is unchanged", () => {
  const content = "See https://a.test/x?y=1. And (http://b.test/c_(d)), ok?";
  expect(findLinks(content).filter((item) => item.href)).toEqual([
    { text: "https://a.test/x?y=1", href: "https://a.test/x?y=1" },
    { text: "http://b.test/c_(d)", href: "http://b.test/c_(d)" },
  ]);
  expect(
    findLinks(content)
      .map((item) => item.text)
      .join(""),
  ).toBe(content);
});

test.each([
  "javascript:alert(1)",
  "data:text/html,x",
  "//evil.test",
  "https://",
  "ftp://a.test",
  "<img src=x>",
])("%s is not a link", (content) => expect(findLinks(content)).toEqual([{ text: content }]));

test("an address ends before a quote", () => {
  expect(findLinks('https://a.test/"onmouseover="x')[0]).toEqual({
    text: "https://a.test/",
    href: "https://a.test/",
  });
});

test("a DM is titled after the other person, a group after its name or members", () => {
  expect(roomTitle({ type: "direct", name: null, participantIds: ["alice", "bob"] }, "alice")).toBe("bob");
  expect(roomTitle({ type: "group", name: "Team", participantIds: [] }, "alice")).toBe("Team");
  expect(roomTitle({ type: "group", name: null, participantIds: ["alice", "bob", "eve"] }, "alice")).toBe(
    "bob, eve",
  );
});

test("initials, code points and days", () => {
  expect(["alice", "Ada Lovelace", "<script>", "🎉", ""].map(initials)).toEqual(["A", "AL", "S", "?", "?"]);
  expect(codePointCount("👍🏽a")).toBe(3);
  const now = new Date(2026, 10, 23, 0, 5);
  expect(formatDay(new Date(2026, 10, 22, 23, 59).toISOString(), now)).toBe("Yesterday");
  expect(formatDay(now.toISOString(), now)).toBe("Today");
});

test("durations have a suitable unit", () => {
  const told = [5, 60, 119, 121, 3_600, 7_200, 172_800, 200_000].map(formatDuration);
  expect(told).toEqual(["5 s", "1 min", "119 s", "3 min", "1 h", "2 h", "48 h", "3 days"]);
});
