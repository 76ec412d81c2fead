/**
 * Parses the subset of Markdown that chat messages use: emphasis, code, quotes, lists, addresses, mentions. Pure; it
 * produces a tree, never HTML, and unknown syntax stays text. Links with a label (`[text](address)`) are deliberately not
 * supported, so that a reader always sees where a link leads.
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

/** Deeper nesting of quotes or emphasis stays text. */
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
    const parsed = depth < DEPTH_MAX ? readBlock(lines, at, depth) : null;
    if (parsed) {
      flush();
      blocks.push(parsed.block);
      at = parsed.next;
    } else {
      text.push(lines[at] ?? "");
      at += 1;
    }
  }
  flush();
  return blocks;
}

const trimBlank = (lines: string[]): string => lines.join("\n").replace(/^\n+|\n+$/g, "");

type Parsed = { block: Block; next: number } | null;

function readBlock(lines: string[], at: number, depth: number): Parsed {
  const line = lines[at] ?? "";
  if (line.startsWith("```")) return readCode(lines, at);
  if (/^> ?/.test(line)) {
    const next = endOfRun(lines, at, (line) => line.startsWith(">"));
    const inner = lines.slice(at, next).map((line) => line.replace(/^> ?/, ""));
    return { block: { type: "quote", children: parseMarkdown(inner.join("\n"), depth + 1) }, next };
  }
  return (
    readList(lines, at, /^\s{0,3}[-*•] +(?=\S)/, false) ??
    readList(lines, at, /^\s{0,3}(\d{1,6})[.)] +(?=\S)/, true)
  );
}

function readCode(lines: string[], at: number): Parsed {
  const close = lines.findIndex((line, other) => other > at && line.trimEnd() === "```");
  if (close === -1) return null;
  const language = (lines[at] ?? "").slice(3).trim();
  if (/[`\s]/.test(language)) return null;
  return { block: { type: "code", text: lines.slice(at + 1, close).join("\n"), language }, next: close + 1 };
}

function readList(lines: string[], at: number, marker: RegExp, isOrdered: boolean): Parsed {
  const first = marker.exec(lines[at] ?? "");
  if (!first) return null;
  const next = endOfRun(lines, at, (line) => marker.test(line));
  // A single line is more often a dash or a date than a list.
  if (next - at < 2) return null;
  const items = lines.slice(at, next).map((line) => parseInline(line.replace(marker, "")));
  return { block: { type: "list", isOrdered, start: Number(first[1] ?? 1), items }, next };
}

function endOfRun(lines: string[], at: number, belongs: (line: string) => boolean): number {
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
    if (text !== "") found.push(...withLinks(text));
    text = "";
  };
  for (let at = 0; at < source.length; ) {
    const escaped = source[at] === "\\" && /[\\`*_~<>@-]/.test(source[at + 1] ?? "");
    const parsed = escaped ? null : readInline(source, at, depth);
    if (escaped) {
      flush();
      found.push({ type: "text", text: source[at + 1] ?? "" });
      at += 2;
    } else if (parsed) {
      flush();
      found.push(parsed.inline);
      at = parsed.next;
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

function withLinks(text: string): Inline[] {
  return findLinks(text).map((segment) =>
    segment.href === undefined
      ? { type: "text", text: segment.text }
      : { type: "link", text: segment.text, href: segment.href },
  );
}

function readInline(source: string, at: number, depth: number): { inline: Inline; next: number } | null {
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
  return mark ? readMark(source, at, mark, depth) : null;
}

/** A mark opens before a non-space and closes after one, so that `2 * 3 * 4` and `snake_case_name` stay text. */
function readMark(source: string, at: number, { open, type }: (typeof MARKS)[number], depth: number) {
  const size = open.length;
  const isWordy = open.startsWith("_");
  if (/\s/.test(source[at + size] ?? " ") || (isWordy && WORD.test(source[at - 1] ?? ""))) return null;
  for (
    let close = source.indexOf(open, at + size + 1);
    close !== -1;
    close = source.indexOf(open, close + 1)
  ) {
    // In a longer run the last marks close, so that marks opened inside are closed inside.
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

// ---- mentions as people type them ----

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** Turns `@bob`, as typed, into `<@bob>`, as the server expects it, for members of the room. `@room` is unchanged. */
export function encodeMentions(text: string, userIds: string[]): string {
  const ids = userIds.filter((id) => id !== "" && id !== "room").sort((a, b) => b.length - a.length);
  if (ids.length === 0 || !text.includes("@")) return text;
  const names = ids.map(escapeRegExp).join("|");
  return text.replace(new RegExp(`(?<![\\p{L}\\p{N}_<])@(${names})(?![\\p{L}\\p{N}_])`, "gu"), "<@$1>");
}

/** The inverse, for editing a message. */
export function decodeMentions(content: string): string {
  return content.replace(/<@([^<>\p{Cc}]{1,128})>/gu, "@$1");
}

/** A message as one line of plain text, for previews. */
export function plainText(content: string): string {
  return decodeMentions(content)
    .replace(/^```\S*$/gm, " ")
    .replace(/^> ?/gm, "")
    .replace(/(\*\*|~~|`)/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
