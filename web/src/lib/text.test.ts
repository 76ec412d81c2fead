import { expect, test } from "vitest";
import { codePointCount, findLinks, initials } from "./text";

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

test("initials and code points", () => {
  expect(["alice", "Ada Lovelace", "<script>", "🎉", ""].map(initials)).toEqual(["A", "AL", "S", "?", "?"]);
  expect(codePointCount("👍🏽a")).toBe(3);
});
