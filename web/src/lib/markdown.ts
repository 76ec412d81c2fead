/**
 * Parses the subset of Markdown that chat messages use: emphasis, code, quotes, lists, addresses, mentions. Pure; it
 * produces a tree, never HTML, and unknown syntax stays text. Links with a label (`[text](address)`) are deliberately
 * not supported, so that a reader always sees where a link leads.
 */
import { linkAt } from "./text";

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
  const add = (inline: Inline) => {
    if (text !== "") found.push({ type: "text", text });
    text = "";
    if (inline.type === "text") text = inline.text;
    else found.push(inline);
  };
  for (let at = 0; at < source.length; ) {
    const isEscaped = source[at] === "\\" && /[\\`*_~<>@-]/.test(source[at + 1] ?? "");
    const parsed = isEscaped ? null : readInline(source, at, depth);
    if (parsed) {
      add(parsed.inline);
      at = parsed.next;
    } else {
      PLAIN.lastIndex = at;
      const plain = isEscaped ? (source[at + 1] ?? "") : (PLAIN.exec(source)?.[0] ?? source[at] ?? "");
      text += plain;
      at += plain.length + (isEscaped ? 1 : 0);
    }
  }
  if (text !== "") found.push({ type: "text", text });
  return found;
}

/** Text without anything that could start an element: a word with the spaces after it, or one character. */
const PLAIN = /(?!https?:\/\/)[\p{L}\p{N}]+[ ]*|[\s\S]/iuy;

function readInline(source: string, at: number, depth: number): { inline: Inline; next: number } | null {
  const char = source[at];
  const before = source[at - 1] ?? "";
  if (char === "h" || char === "H") {
    const link = linkAt(source, at);
    return link && { inline: { type: "link", ...link }, next: at + link.text.length };
  }
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

/** Code and addresses: what looks like a mention there is text. */
const LITERAL = /^```[^\n]*\n[\s\S]*?^```[ \t]*$|`[^`\n]+`|https?:\/\/[^\s<>"'`]+/gimu;

/** Replaces in the text outside of code and addresses. */
function replaceOutsideLiterals(text: string, replace: (part: string) => string): string {
  let result = "";
  let end = 0;
  for (const { 0: literal, index } of text.matchAll(LITERAL)) {
    result += replace(text.slice(end, index)) + literal;
    end = index + literal.length;
  }
  return result + replace(text.slice(end));
}

/**
 * What people type after the `@`: a name that only one of these people has, or an id. So a mention is typed as it is
 * shown, and one that is edited stays the same person's.
 */
export class MentionNames {
  readonly ids = new Map<string, string>();
  private readonly names = new Map<string, string>();

  constructor(people: { userId: string; name: string }[]) {
    for (const { userId } of people) if (userId !== "" && userId !== "room") this.ids.set(userId, userId);
    for (const { userId, name } of people) {
      const isUnique = people.every((other) => other.userId === userId || other.name !== name);
      if (name === "room" || /[@<>]/.test(name) || !isUnique || (this.ids.get(name) ?? userId) !== userId)
        continue;
      if (name !== "") this.ids.set(name, userId);
      this.names.set(userId, name);
    }
  }

  typed(userId: string): string {
    return this.names.get(userId) || userId;
  }

  decode(content: string): string {
    return decodeMentions(content, (id) => this.typed(id));
  }
}

/** Turns `@bob`, as typed, into `<@bob>`, as the server expects it, for members of the room. `@room` is unchanged. */
export function encodeMentions(text: string, names: MentionNames): string {
  const typed = [...names.ids.keys()].sort((a, b) => b.length - a.length);
  if (typed.length === 0 || !text.includes("@")) return text;
  const any = typed.map(escapeRegExp).join("|");
  const mention = new RegExp(`(?<![\\p{L}\\p{N}_<])@(${any})(?![\\p{L}\\p{N}_])`, "gu");
  return replaceOutsideLiterals(text, (part) =>
    part.replace(mention, (_, name: string) => `<@${names.ids.get(name) ?? name}>`),
  );
}

/** The inverse, for editing a message. */
export function decodeMentions(content: string, nameOf: (userId: string) => string = (id) => id): string {
  return replaceOutsideLiterals(content, (part) =>
    part.replace(/<@([^<>\p{Cc}]{1,128})>/gu, (_, id: string) => `@${nameOf(id)}`),
  );
}

/** The content of an edited message. Unchanged text gives the old content, whatever it would mean if typed today. */
export function encodeEdit(text: string, original: string, names: MentionNames): string {
  return text === names.decode(original).trim() ? original : encodeMentions(text, names);
}

/** A message as one line of plain text, for previews. */
export function plainText(content: string, nameOf?: (userId: string) => string): string {
  return decodeMentions(content, nameOf)
    .replace(/^```\S*$/gm, " ")
    .replace(/^> ?/gm, "")
    .replace(/(\*\*|~~|`)/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
