import { LinkifyIt } from "linkify-it";
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

const ADDRESSES = [
  ...["https://a.test/it's fine", "https://a.test/x'", "https://a.test/x。次", "https://a.test。次"],
  ...[
    "https://a.test/x、y",
    "https://a.test/x؟",
    "（https://a.test/x）",
    "「https://a.test/x」",
    "https://a.test/x；y",
  ],
  ...[
    "https://a.test/c_(d)",
    "(https://a.test/c)",
    "https://a.test/a(b",
    "((https://a.test/(b(c))))",
    "https://a.test/[x]",
  ],
  ...[
    "https://a.test/x?y=1.",
    "https://a.test/x!",
    "https://a.test/x!y",
    "https://a.test/x...",
    "https://a.test/x..y",
  ],
  ...[
    "https://a.test/x…",
    "https://a.test/x,y",
    "https://a.test/x,",
    "https://a.test/{x}",
    "https://a.test/a--b",
  ],
  ...[
    "http://localhost:8787/x",
    "https://a.test?q=1",
    "https://a.test#f",
    "http://[::1]/x",
    "https://127.0.0.1/x",
  ],
  ...[
    "https://a.test/Füße",
    "https://münchen.test/",
    "https://a.test/👍",
    "https://a.test/x？",
    "https://a.test/%41@b",
  ],
  ...[
    "see https://a.test/x, or HTTPS://b.test/Y?!",
    "https://a.test/?a=b;c&d=e",
    "https://a.test/x;",
    "https://a/x",
  ],
];

test.each(ADDRESSES)("linkify-it finds the same in %s", (content) => {
  const expected = new LinkifyIt().match(content)?.map((match) => match.text);
  expect(findLinks(content).flatMap((segment) => (segment.href ? segment.text : []))).toEqual(expected);
});

test("marks of emphasis at the end and quotes are not part of an address", () => {
  for (const end of ["*", "**", "_", "~~", ":", '"x"', "`"])
    expect(findLinks(`https://a.test/x${end}`)[0]?.text).toBe("https://a.test/x");
  expect(findLinks("https://user:pw@a.test/")).toEqual([{ text: "https://user:pw@a.test/" }]);
});

test("initials and code points", () => {
  expect(["alice", "Ada Lovelace", "<script>", "🎉", ""].map(initials)).toEqual(["A", "AL", "S", "?", "?"]);
  expect(codePointCount("👍🏽a")).toBe(3);
});
