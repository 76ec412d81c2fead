/**
 * The little Markdown that a chat needs, read into a tree: emphasis, code, quotes, lists, addresses, mentions. Pure;
 * nothing here makes HTML, and what isn't understood stays the text that it is. Links with a text of their own are
 * left out on purpose: what one reads is where it leads.
 */
import { findLinks } from "./text";

export type Inline =
  | { type: "text"; text: string }
  | { type: "link"; text: string; href: string }
  | { type: "code"; text: string }
  | { type: "mention"; userId: string }
  | { type: "room" }
  | { type: "strong" | "em" | "del"; children: Inline[] };

export type Block =
  | { type: "text"; children: Inline[] }
  | { type: "code"; text: string; language: string }
  | { type: "quote"; children: Block[] }
  | { type: "list"; isOrdered: boolean; start: number; items: Inline[][] };

/** Quotes in quotes, emphasis in emphasis: past this it is text. */
const DEPTH_MAX = 4;

export function parseMarkdown(source: string, depth = 0): Block[] {
  const lines = source.replaceAll("\r\n", "\n").split("\n");
  const blocks: Block[] = [];
  let text: string[] = [];
  const flush = () => {
    if (text.join("").trim() !== "") blocks.push({ type: "text", children: parseInline(trimBlank(text)) });
    text = [];
  };
  for (let at = 0; at < lines.length; ) {
    const taken = depth < DEPTH_MAX ? takeBlock(lines, at, depth) : null;
    if (taken) {
      flush();
      blocks.push(taken.block);
      at = taken.next;
    } else {
      text.push(lines[at] ?? "");
      at += 1;
    }
  }
  flush();
  return blocks;
}

const trimBlank = (lines: string[]): string => lines.join("\n").replace(/^\n+|\n+$/g, "");

type Taken = { block: Block; next: number } | null;

function takeBlock(lines: string[], at: number, depth: number): Taken {
  const line = lines[at] ?? "";
  if (line.startsWith("```")) return takeCode(lines, at);
  if (/^> ?/.test(line)) {
    const next = endOf(lines, at, (one) => one.startsWith(">"));
    const inner = lines.slice(at, next).map((one) => one.replace(/^> ?/, ""));
    return { block: { type: "quote", children: parseMarkdown(inner.join("\n"), depth + 1) }, next };
  }
  return (
    takeList(lines, at, /^\s{0,3}[-*•] +(?=\S)/, false) ??
    takeList(lines, at, /^\s{0,3}(\d{1,6})[.)] +(?=\S)/, true)
  );
}

function takeCode(lines: string[], at: number): Taken {
  const close = lines.findIndex((line, other) => other > at && line.trimEnd() === "```");
  if (close === -1) return null;
  const language = (lines[at] ?? "").slice(3).trim();
  if (/[`\s]/.test(language)) return null;
  return { block: { type: "code", text: lines.slice(at + 1, close).join("\n"), language }, next: close + 1 };
}

function takeList(lines: string[], at: number, marker: RegExp, isOrdered: boolean): Taken {
  const first = marker.exec(lines[at] ?? "");
  if (!first) return null;
  const next = endOf(lines, at, (line) => marker.test(line));
  // One line alone is more often a dash or a date than a list.
  if (next - at < 2) return null;
  const items = lines.slice(at, next).map((line) => parseInline(line.replace(marker, "")));
  return { block: { type: "list", isOrdered, start: Number(first[1] ?? 1), items }, next };
}

function endOf(lines: string[], at: number, belongs: (line: string) => boolean): number {
  let next = at;
  while (next < lines.length && belongs(lines[next] ?? "")) next += 1;
  return next;
}

// ---- within a line ----

const MARKS = [
  { open: "**", type: "strong" },
  { open: "__", type: "strong" },
  { open: "~~", type: "del" },
  { open: "*", type: "em" },
  { open: "_", type: "em" },
] as const;
const WORD = /[\p{L}\p{N}_]/u;
const MENTION = /^<@([^<>\p{Cc}]{1,128})>/u;

export function parseInline(source: string, depth = 0): Inline[] {
  const found: Inline[] = [];
  let text = "";
  const flush = () => {
    if (text !== "") found.push(...linked(text));
    text = "";
  };
  for (let at = 0; at < source.length; ) {
    const escaped = source[at] === "\\" && /[\\`*_~<>@-]/.test(source[at + 1] ?? "");
    const taken = escaped ? null : takeInline(source, at, depth);
    if (escaped) {
      flush();
      found.push({ type: "text", text: source[at + 1] ?? "" });
      at += 2;
    } else if (taken) {
      flush();
      found.push(taken.inline);
      at = taken.next;
    } else {
      const plain =
        /^(?:https?:\/\/[^\s<>"'`]+|[\p{L}\p{N} ]+|[\s\S])/iu.exec(source.slice(at, at + 2_048))?.[0] ?? "";
      text += plain;
      at += plain.length || 1;
    }
  }
  flush();
  return found;
}

function linked(text: string): Inline[] {
  return findLinks(text).map((segment) =>
    segment.href === undefined
      ? { type: "text", text: segment.text }
      : { type: "link", text: segment.text, href: segment.href },
  );
}

function takeInline(source: string, at: number, depth: number): { inline: Inline; next: number } | null {
  const char = source[at];
  const before = source[at - 1] ?? "";
  if (char === "`") {
    const close = source.indexOf("`", at + 1);
    const text = source.slice(at + 1, close);
    if (close <= at + 1 || text.includes("\n")) return null;
    return { inline: { type: "code", text }, next: close + 1 };
  }
  if (char === "<") {
    const mention = MENTION.exec(source.slice(at, at + 132));
    if (!mention) return null;
    return { inline: { type: "mention", userId: mention[1] ?? "" }, next: at + mention[0].length };
  }
  if (char === "@") {
    const isRoom = source.startsWith("@room", at) && !WORD.test(before) && !WORD.test(source[at + 5] ?? "");
    return isRoom ? { inline: { type: "room" }, next: at + 5 } : null;
  }
  if (depth >= DEPTH_MAX || !"*_~".includes(char ?? "")) return null;
  const mark = MARKS.find(({ open }) => source.startsWith(open, at));
  return mark ? takeMark(source, at, mark, depth) : null;
}

/** Opens before a letter and closes after one, so that `2 * 3 * 4` and `snake_case_name` stay what they are. */
function takeMark(source: string, at: number, { open, type }: (typeof MARKS)[number], depth: number) {
  const size = open.length;
  const isWordy = open.startsWith("_");
  if (/\s/.test(source[at + size] ?? " ") || (isWordy && WORD.test(source[at - 1] ?? ""))) return null;
  for (
    let close = source.indexOf(open, at + size + 1);
    close !== -1;
    close = source.indexOf(open, close + 1)
  ) {
    // Of a longer run the last ones close, so that what was opened within is closed within.
    while (size === 2 && source[close + size] === open[0]) close += 1;
    const inner = source.slice(at + size, close);
    const after = source[close + size] ?? "";
    const isLonger = size === 1 && after === open;
    if (isLonger) close += 1;
    if (isLonger || /\s$/.test(inner) || (isWordy && WORD.test(after))) continue;
    return { inline: { type, children: parseInline(inner, depth + 1) }, next: close + size };
  }
  return null;
}

// ---- mentions, as one writes them ----

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** `@bob` as one writes it, into `<@bob>` as the server reads it, for those who are in the room. `@room` stays so. */
export function encodeMentions(text: string, userIds: string[]): string {
  const ids = userIds.filter((id) => id !== "" && id !== "room").sort((a, b) => b.length - a.length);
  if (ids.length === 0 || !text.includes("@")) return text;
  const names = ids.map(escapeRegExp).join("|");
  return text.replace(new RegExp(`(?<![\\p{L}\\p{N}_<])@(${names})(?![\\p{L}\\p{N}_])`, "gu"), "<@$1>");
}

/** The other way, for a field in which one writes on. */
export function decodeMentions(content: string): string {
  return content.replace(/<@([^<>\p{Cc}]{1,128})>/gu, "@$1");
}

/** A message in one line, for previews: without marks, fences and line breaks. */
export function plainText(content: string): string {
  return decodeMentions(content)
    .replace(/^```\S*$/gm, " ")
    .replace(/^> ?/gm, "")
    .replace(/(\*\*|~~|`)/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
