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

/** `isCut`: the source is the beginning of a longer one, so what is open at its end would be closed later. */
export function parseMarkdown(source: string, depth = 0, isCut = false): Block[] {
  const lines = source.replaceAll("\r\n", "\n").split("\n");
  const blocks: Block[] = [];
  let text: string[] = [];
  const flush = (isLast = false) => {
    const children = () => parseInline(trimBlank(text), isCut && isLast);
    if (text.join("").trim() !== "") blocks.push({ type: "text", children: children() });
    text = [];
  };
  for (let at = 0; at < lines.length; ) {
    const parsed = depth < DEPTH_MAX ? readBlock(lines, at, depth, isCut) : null;
    if (parsed) {
      flush();
      blocks.push(parsed.block);
      at = parsed.next;
    } else {
      text.push(lines[at] ?? "");
      at += 1;
    }
  }
  flush(true);
  return blocks;
}

const trimBlank = (lines: string[]): string => lines.join("\n").replace(/^\n+|\n+$/g, "");

type Parsed = { block: Block; next: number } | null;

function readBlock(lines: string[], at: number, depth: number, isCut: boolean): Parsed {
  const line = lines[at] ?? "";
  if (line.startsWith("```")) return readCode(lines, at, isCut);
  if (/^> ?/.test(line)) {
    const next = endOfRun(lines, at, (line) => line.startsWith(">"));
    const inner = lines.slice(at, next).map((line) => line.replace(/^> ?/, ""));
    const children = parseMarkdown(inner.join("\n"), depth + 1, isCut && next === lines.length);
    return { block: { type: "quote", children }, next };
  }
  return (
    readList(lines, at, /^\s{0,3}[-*•] +(?=\S)/, isCut) ??
    readList(lines, at, /^\s{0,3}(\d{1,6})[.)] +(?=\S)/, isCut)
  );
}

function readCode(lines: string[], at: number, isCut: boolean): Parsed {
  const found = lines.findIndex((line, other) => other > at && line.trimEnd() === "```");
  const close = found === -1 && isCut ? lines.length : found;
  if (close === -1) return null;
  const language = (lines[at] ?? "").slice(3).trim();
  if (/[`\s]/.test(language)) return null;
  return { block: { type: "code", text: lines.slice(at + 1, close).join("\n"), language }, next: close + 1 };
}

function readList(lines: string[], at: number, marker: RegExp, isCut: boolean): Parsed {
  const first = marker.exec(lines[at] ?? "");
  if (!first) return null;
  const next = endOfRun(lines, at, (line) => marker.test(line));
  // A single line is more often a dash or a date than a list.
  if (next - at < 2) return null;
  const items = lines
    .slice(at, next)
    .map((line, nth) => parseInline(line.replace(marker, ""), isCut && at + nth === lines.length - 1));
  const [, number] = first;
  return {
    block: { type: "list", isOrdered: number !== undefined, start: Number(number ?? 1), items },
    next,
  };
}

function endOfRun(lines: string[], at: number, belongs: (line: string) => boolean): number {
  let next = at;
  while (next < lines.length && belongs(lines[next] ?? "")) next += 1;
  return next;
}

// ---- within a line ----

const WORD = /[\p{L}\p{N}_]/u;
const MENTION = /^<@([^<>\p{Cc}]{1,128})>/u;

/** A run of `*`, `_` or `~` that may open or close a mark: CommonMark 0.31, "Emphasis and strong emphasis". */
type Run = { type: "run"; char: string; length: number; left: number; canOpen: boolean; canClose: boolean };

function parseInline(source: string, isCut: boolean): Inline[] {
  const found: (Inline | Run)[] = [];
  let text = "";
  const add = (piece: Inline | Run) => {
    if (text !== "") found.push({ type: "text", text });
    text = "";
    found.push(piece);
  };
  // Code that the cut leaves open.
  const openCode = isCut ? source.lastIndexOf("`") : -1;
  for (let at = 0; at < source.length; ) {
    const isEscaped = source[at] === "\\" && /[\\`*_~<>@-]/.test(source[at + 1] ?? "");
    const parsed = isEscaped ? null : (readInline(source, at) ?? readRun(source, at));
    if (parsed) {
      add(parsed.inline);
      at = parsed.next;
    } else if (at === openCode) {
      at += 1;
    } else {
      PLAIN.lastIndex = at;
      const plain = isEscaped ? (source[at + 1] ?? "") : (PLAIN.exec(source)?.[0] ?? source[at] ?? "");
      text += plain;
      at += plain.length + (isEscaped ? 1 : 0);
    }
  }
  if (text !== "") found.push({ type: "text", text });
  const pieces = matchRuns(found);
  return asText(isCut ? pieces.filter((piece) => !isOpener(piece)) : pieces, 0);
}

/** Text without anything that could start an element: a word with the spaces after it, or one character. */
const PLAIN = /(?!https?:\/\/)[\p{L}\p{N}]+[ ]*|[\s\S]/iuy;

function readInline(source: string, at: number): { inline: Inline; next: number } | null {
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
  return null;
}

const RUN = /([*_~])\1*/y;
const PUNCTUATION = /[\p{P}\p{S}]/u;

/** `2 * 3 * 4` and `snake_case_name` stay text: a run opens before a word and closes after one. */
function readRun(source: string, at: number): { inline: Run; next: number } | null {
  RUN.lastIndex = at;
  const run = RUN.exec(source)?.[0];
  const char = source[at];
  if (!run || !char || (char === "~" && run.length !== 2)) return null;
  const before = [...source.slice(Math.max(0, at - 2), at)].pop() ?? " ";
  const after = String.fromCodePoint(source.codePointAt(at + run.length) ?? 32);
  const [blankBefore, blankAfter] = [/\s/.test(before), /\s/.test(after)];
  const [signBefore, signAfter] = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
  const isLeft = !blankAfter && (!signAfter || blankBefore || signBefore);
  const isRight = !blankBefore && (!signBefore || blankAfter || signAfter);
  const isWordy = char === "_";
  const canOpen = isLeft && (!isWordy || !isRight || signBefore);
  const canClose = isRight && (!isWordy || !isLeft || signAfter);
  const [length, next] = [run.length, at + run.length];
  return { inline: { type: "run", char, length, left: length, canOpen, canClose }, next };
}

/** Makes marks of runs that belong together, inner ones first. */
function matchRuns(pieces: (Inline | Run)[]): (Inline | Run)[] {
  // Below these no opener was found before, so that no text is slow.
  const floors = new Map<string, number>();
  for (let at = 0; at < pieces.length; ) {
    const closer = pieces[at];
    if (closer?.type !== "run" || !closer.canClose || closer.left === 0) {
      at += 1;
      continue;
    }
    const kind = `${closer.char}${closer.canOpen}${closer.length % 3}`;
    const start = findOpener(pieces, at, floors.get(kind) ?? 0);
    const opener = pieces[start];
    if (opener?.type !== "run") {
      floors.set(kind, at);
      at += 1;
      continue;
    }
    const size = opener.left >= 2 && closer.left >= 2 ? 2 : 1;
    const type = closer.char === "~" ? "del" : size === 2 ? "strong" : "em";
    const children = pieces.slice(start + 1, at) as Inline[];
    pieces.splice(start + 1, at - start - 1, { type, children });
    opener.left -= size;
    closer.left -= size;
    at = start + 2;
    for (const [other, floor] of floors) if (floor > start + 1) floors.set(other, start + 1);
  }
  return pieces;
}

/** The nearest run before this one that it closes; -1: there is none. */
function findOpener(pieces: (Inline | Run)[], at: number, floor: number): number {
  const closer = pieces[at] as Run;
  for (let start = at - 1; start >= floor; start -= 1) {
    const opener = pieces[start];
    if (opener?.type !== "run" || opener.char !== closer.char || !opener.canOpen || opener.left === 0)
      continue;
    const isBoth = opener.canClose || closer.canOpen;
    const isOdd = isBoth && (opener.length + closer.length) % 3 === 0 && opener.length % 3 !== 0;
    if (!isOdd || opener.char === "~") return start;
  }
  return -1;
}

/** A run that opens something and is still open: not `2*3`, where it stands within a word. */
const isOpener = (piece: Inline | Run): boolean => piece.type === "run" && piece.canOpen && !piece.canClose;

/** What is left of the runs becomes text, and so does what is nested too deep. */
function asText(pieces: (Inline | Run)[], depth: number): Inline[] {
  const all: Inline[] = [];
  const push = (inline: Inline) => {
    const last = all.at(-1);
    if (inline.type === "text" && last?.type === "text") last.text += inline.text;
    else if (inline.type !== "text" || inline.text !== "") all.push(inline);
  };
  for (const piece of pieces) {
    if (piece.type === "run") push({ type: "text", text: piece.char.repeat(piece.left) });
    else if (!("children" in piece)) push(piece);
    else if (depth < DEPTH_MAX) push({ ...piece, children: asText(piece.children, depth + 1) });
    else push({ type: "text", text: shown(piece) });
  }
  return all;
}

/** As it was typed. */
function shown(piece: Inline | Run): string {
  if (piece.type === "run") return piece.char.repeat(piece.left);
  if (piece.type === "mention") return `<@${piece.userId}>`;
  if (piece.type === "room") return "@room";
  if (piece.type === "code") return `\`${piece.text}\``;
  if (!("children" in piece)) return piece.text;
  const mark = { strong: "**", em: "*", del: "~~" }[piece.type];
  return mark + piece.children.map(shown).join("") + mark;
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

/**
 * A message as one line of plain text, for previews: what is shown of it, without its marks. `isCut`: as in
 * `parseMarkdown`.
 */
export function plainText(
  content: string,
  nameOf: (userId: string) => string = (id) => id,
  isCut = false,
): string {
  const inline = (pieces: Inline[]): string =>
    pieces
      .map((piece) => {
        if ("children" in piece) return inline(piece.children);
        if (piece.type === "mention") return `@${nameOf(piece.userId)}`;
        return piece.type === "room" ? "@room" : piece.text;
      })
      .join("");
  const block = (piece: Block): string => {
    if (piece.type === "code") return piece.text;
    if (piece.type === "text") return inline(piece.children);
    if (piece.type === "quote") return piece.children.map(block).join(" ");
    const marker = (at: number) => (piece.isOrdered ? `${piece.start + at}.` : "-");
    return piece.items.map((item, at) => `${marker(at)} ${inline(item)}`).join(" ");
  };
  return parseMarkdown(content, 0, isCut).map(block).join(" ").replace(/\s+/g, " ").trim();
}

/** The server's lists have the first 200 characters of a message, and more is not shown in a line. */
const PREVIEW_MAX = 200;

/** At the end of a cut text: marks that would open or close something, and a part of a mention. */
const CUT_OFF = /(?:[*_~`\\]+|<(?:@[^<>\p{Cc}]{0,128})?)$/u;

/** The beginning of a message as one line, for a list or a notification. */
export function previewText(content: string, nameOf?: (userId: string) => string): string {
  const chars = [...content.slice(0, 2 * PREVIEW_MAX)].slice(0, PREVIEW_MAX);
  if (chars.length < PREVIEW_MAX) return plainText(content, nameOf);
  return plainText(chars.join("").replace(CUT_OFF, ""), nameOf, true);
}
