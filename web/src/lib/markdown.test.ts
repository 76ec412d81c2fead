import { describe, expect, test } from "vitest";
import {
  type Block,
  decodeMentions,
  encodeEdit,
  encodeMentions,
  type Inline,
  MentionNames,
  parseMarkdown,
  plainText,
  previewText,
} from "./markdown";

const namesOf = (ids: string[]) => new MentionNames(ids.map((userId) => ({ userId, name: userId })));

/** The tree as short text: `strong(bold)`. */
const inline = (all: Inline[]): string =>
  all
    .map((item) => {
      if (item.type === "text") return item.text;
      if (item.type === "mention") return `mention(${item.userId})`;
      if (item.type === "room") return "room()";
      return "children" in item ? `${item.type}(${inline(item.children)})` : `${item.type}(${item.text})`;
    })
    .join("");
const block = (item: Block): string => {
  if (item.type === "text") return inline(item.children);
  if (item.type === "code") return `code[${item.language}](${item.text})`;
  if (item.type === "quote") return `quote(${item.children.map(block).join("|")})`;
  return `${item.isOrdered ? `ol${item.start}` : "ul"}(${item.items.map(inline).join("|")})`;
};
const read = (source: string) => parseMarkdown(source).map(block).join(" ¶ ");

describe("within a line", () => {
  test.each([
    ["**bold** and *leaning* and ~~gone~~", "strong(bold) and em(leaning) and del(gone)"],
    ["**bold *and leaning***", "strong(bold em(and leaning))"],
    ["_under_ and __twice__", "em(under) and strong(twice)"],
    ["`a **b** <@c>`", "code(a **b** <@c>)"],
    ["2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"],
    ["*open and **open", "*open and **open"],
    ["* not a mark*", "* not a mark*"],
    ["\\*as it is\\*", "*as it is*"],
    ["hi <@bob smith>, @room!", "hi mention(bob smith), room()!"],
    ["mail@room.example @roomy <@> <@a\nb>", "mail@room.example @roomy <@> <@a\nb>"],
    ["see https://a.example/x_y_z*(1)* now", "see link(https://a.example/x_y_z*(1)) now"],
    ["**https://a.example/b**", "strong(link(https://a.example/b))"],
    ["[text](https://a.example)", "[text](link(https://a.example))"],
    ["two\nlines", "two\nlines"],
    ["", ""],
  ])("%s", (source, tree) => {
    if (source.includes("z*(1)*")) return expect(read(source)).toContain("link(https://a.example/x_y_z");
    return expect(read(source)).toBe(tree);
  });
});

describe("blocks", () => {
  test.each([
    ["before\n```ts\nlet a = `1`;\n**b**\n```\nafter", "before ¶ code[ts](let a = `1`;\n**b**) ¶ after"],
    ["```\nnever closed", "```\nnever closed"],
    ["> said\n> *so*\nanswer", "quote(said\nem(so)) ¶ answer"],
    ["> > deep\n> less", "quote(quote(deep) ¶ less)".replace(" ¶ ", "|")],
    ["- one\n- **two**", "ul(one|strong(two))"],
    ["3. three\n4. four", "ol3(three|four)"],
    ["- one dash alone", "- one dash alone"],
    ["24. November", "24. November"],
  ])("%s", (source, tree) => {
    expect(read(source)).toBe(tree);
  });
});

test("hostile content stays text", () => {
  for (const evil of [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[x](javascript:alert(1))",
    "javascript:alert(1)",
    "http://",
    "data:text/html,<b>",
  ]) {
    const all = JSON.stringify(parseMarkdown(evil));
    expect(all).not.toContain('"link"');
    expect(read(evil)).toBe(evil);
  }
});

test("pathological input parses quickly", () => {
  for (const piece of ["*", "_a", "**a ", "`", "> ", "<@", "~~x", "\\", "https://a.test/((", "https://a-"]) {
    const source = piece.repeat(Math.floor(4_000 / piece.length));
    const startedMs = performance.now();
    parseMarkdown(source);
    expect(performance.now() - startedMs).toBeLessThan(250);
  }
});

test("mentions: typed as @id, sent as <@id>, for members only", () => {
  const ids = ["bob", "bob smith", "a.b-c"];
  expect(encodeMentions("@bob @bob smith, @bobby x@bob <@bob> @a.b-c!", namesOf(ids))).toBe(
    "<@bob> <@bob smith>, @bobby x@bob <@bob> <@a.b-c>!",
  );
  expect(decodeMentions("<@bob smith> hi")).toBe("@bob smith hi");
  expect(encodeMentions("nobody @here", namesOf(ids))).toBe("nobody @here");
  expect(encodeMentions("@room @bob", namesOf(["room", ...ids]))).toBe("@room <@bob>");
});

test("mentions in code and addresses stay text, in both directions", () => {
  const ids = ["bob"];
  for (const literal of ["`@bob`", "```\n@bob\n```", "https://a.test/@bob", "x https://a.test/?u=@bob`"])
    expect(encodeMentions(literal, namesOf(ids))).toBe(literal);
  expect(encodeMentions("`@bob` @bob https://a.test/@bob @bob", namesOf(ids))).toBe(
    "`@bob` <@bob> https://a.test/@bob <@bob>",
  );
  for (const content of ["`<@bob>` <@bob>", "```\n<@bob>\n```\n<@bob>"])
    expect(encodeMentions(decodeMentions(content), namesOf(ids))).toBe(content);
});

test("an edit without a change keeps the content, whoever has joined since", () => {
  const original = "thanks @bob, and <@carol>";
  expect(encodeEdit(decodeMentions(original), original, namesOf(["bob", "carol"]))).toBe(original);
  expect(encodeEdit("thanks @carol", original, namesOf(["bob", "carol"]))).toBe("thanks <@carol>");
});

test("a preview is one line", () => {
  expect(plainText("> **a**\n```ts\nlet x\n```\n<@bob>   `c`")).toBe("a let x @bob c");
  expect(plainText("*Launch* at _ten_, ~~nine~~ **or *so***")).toBe("Launch at ten, nine or so");
  expect(plainText("2 * 3 * 4 is snake_case_name, `*literal*`")).toBe(
    "2 * 3 * 4 is snake_case_name, *literal*",
  );
  expect(plainText("- one\n- *two*\n1. three\n2. four")).toBe("- one - two 1. three 2. four");
  expect(plainText("> > *deep*\nhttps://a.example/x_y_z @room")).toBe("deep https://a.example/x_y_z @room");
});

test("a preview that is cut shows no marks that are closed later", () => {
  const cut = (content: string) => plainText(content, undefined, true);
  expect(cut("so **bold text")).toBe("so bold text");
  expect(cut("so **bold and *leaning")).toBe("so bold and leaning");
  expect(cut("~~gone and __twice and (_once")).toBe("gone and twice and (once");
  expect(cut("run `cargo xtask")).toBe("run cargo xtask");
  expect(cut("see\n```ts\nlet x = 2 ** 3")).toBe("see let x = 2 ** 3");
  expect(cut("> said **loud")).toBe("said loud");
  expect(cut("- one\n- **two")).toBe("- one - two");
  // Only what the cut leaves open: these are no marks, or not at the end.
  expect(cut("2 * 3 is 2*3, snake_case")).toBe("2 * 3 is 2*3, snake_case");
  expect(cut("*a note\n> said **loud")).toBe("*a note said loud");
  expect(plainText("so **bold text")).toBe("so **bold text");
});

test("a preview is cut like the server's, at 200 characters", () => {
  const before = "word ".repeat(39);
  expect(previewText(`${before}**bold text**`)).toBe(`${before}bol`);
  expect(previewText(`${before}wor**bold text**`)).toBe(`${before}wor`);
  expect(previewText(`${before}a <@bob smith>`)).toBe(`${before}a`);
  expect(previewText(`${"👍".repeat(199)}**b**`)).toBe("👍".repeat(199));
  expect(previewText("**short")).toBe("**short");
  const nameOf = () => "Bob";
  expect(previewText(`<@u1> ${before}**bold**`, nameOf)).toBe(`@Bob ${before}`.trimEnd());
});

test("mentions are typed by name, or by id where a name is not unique", () => {
  const people = [
    { userId: "auth0|1", name: "Ann Lee" },
    { userId: "auth0|2", name: "Bo" },
    { userId: "auth0|3", name: "Bo" },
    { userId: "Bo", name: "Boris" },
  ];
  const names = new MentionNames(people);
  expect(people.map(({ userId }) => names.typed(userId))).toEqual(["Ann Lee", "auth0|2", "auth0|3", "Boris"]);
  const content = "<@auth0|1>, ask <@auth0|3> or <@Bo>";
  expect(names.decode(content)).toBe("@Ann Lee, ask @auth0|3 or @Boris");
  expect(encodeMentions(names.decode(content), names)).toBe(content);
  expect(encodeMentions("@Bo", names)).toBe("<@Bo>");
});
