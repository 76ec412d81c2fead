/** Text for display: links, initials, hues, length. Pure, in any language; nothing here creates HTML. */
export type Segment = { text: string; href?: string };

/**
 * An http(s) address by the rules of linkify-it: the path ends before white space, before punctuation of any script
 * that a space, the end or more punctuation follows, and before a bracket that the path did not open. Unlike there,
 * quotes end an address, and so do marks of emphasis at its end.
 */
const LETTER = String.raw`[^\p{Z}\p{P}\p{Cc}<>｜\u0060]`;
const LABEL = `${LETTER}(?:(?:${LETTER}|-)*${LETTER})?`;
const HOST = String.raw`(?:\[[0-9a-f:.]+\]|${LABEL}(?:\.${LABEL})*)(?::\d{1,5})?(?![@_\d-]|${LETTER}|:\S*@)`;
const pair = (open: string, close: string) => {
  const inner = `[^\\s\\p{Cc}"'<>\u0060${open}${close}]`;
  return `${open}(?:${inner}|${open}${inner}*${close})*${close}`;
};
const PATH_PART = [
  pair(String.raw`\[`, String.raw`\]`),
  pair(String.raw`\(`, String.raw`\)`),
  pair(String.raw`\{`, String.raw`\}`),
  `'(?=${LETTER}|-)`,
  String.raw`\.{2,}:?[a-zA-Z0-9%/&]`,
  String.raw`\.(?![\p{Z}\p{Cc}.]|$)`,
  String.raw`[,;](?![\p{Z}\p{Cc}]|$)`,
  String.raw`!+(?![\p{Z}\p{Cc}!]|$)`,
  String.raw`\?(?![\p{Z}\p{Cc}?]|$)`,
  String.raw`[-\\/:%@#&=_~*]`,
  LETTER,
].join("|");
const ADDRESS = `https?://${HOST}(?:[/?#](?:${PATH_PART})*)?`;
const ADDRESSES = new RegExp(String.raw`\b${ADDRESS}`, "giu");
const ADDRESS_HERE = new RegExp(ADDRESS, "iuy");
const MARKS_AT_END = /[*_~:]+$/;

/** The address that starts at this position of the content, if it is one that may be linked. */
export function linkAt(content: string, at: number): { text: string; href: string } | null {
  ADDRESS_HERE.lastIndex = at;
  const found = /[\p{L}\p{N}_]/u.test(content[at - 1] ?? "") ? null : ADDRESS_HERE.exec(content);
  return found && toLink(found[0]);
}

/** Splits content at its http(s) addresses. The joined texts of the segments equal the content. */
export function findLinks(content: string): Segment[] {
  const segments: Segment[] = [];
  let end = 0;
  for (const match of content.matchAll(ADDRESSES)) {
    const link = toLink(match[0]);
    if (!link) continue;
    if (match.index > end) segments.push({ text: content.slice(end, match.index) });
    segments.push(link);
    end = match.index + link.text.length;
  }
  if (end < content.length) segments.push({ text: content.slice(end) });
  return segments;
}

function toLink(found: string): { text: string; href: string } | null {
  const text = found.replace(MARKS_AT_END, "");
  const url = URL.parse(text);
  const isSafe = url && (url.protocol === "https:" || url.protocol === "http:") && url.hostname !== "";
  return isSafe ? { text, href: url.href } : null;
}

export function initials(name: string): string {
  const words = name.split(/[\s._@-]+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word].find((char) => /[\p{L}\p{N}]/u.test(char)) ?? "");
  return letters.join("").toUpperCase() || "?";
}

/** One of twelve hues; the same id always has the same hue. */
export function hueIndex(id: string): number {
  let hash = 0;
  for (const char of id) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % 12;
}

/** The length as the server counts it: in code points, not UTF-16 units. */
export const codePointCount = (text: string): number => [...text].length;
export const CONTENT_MAX = 4_000;
