/** Text for display: links, initials, hues, length. Pure, in any language; nothing here creates HTML. */
export type Segment = { text: string; href?: string };

const URLS = /\bhttps?:\/\/[^\s<>"'`]+/gi;
const TRAILING = /[.,;:!?*_~…]+$/;

/** Splits content at its http(s) addresses. The joined texts of the segments equal the content. */
export function findLinks(content: string): Segment[] {
  const segments: Segment[] = [];
  let end = 0;
  for (const match of content.matchAll(URLS)) {
    const address = trimAddress(match[0]);
    const href = safeHref(address);
    if (!href) continue;
    if (match.index > end) segments.push({ text: content.slice(end, match.index) });
    segments.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < content.length) segments.push({ text: content.slice(end) });
  return segments;
}

/** Removes the sentence's punctuation from the end. A closing bracket stays if it was opened inside the address. */
function trimAddress(found: string): string {
  let address = found.replace(TRAILING, "");
  while (address.endsWith(")") && address.split(")").length > address.split("(").length) {
    address = address.slice(0, -1).replace(TRAILING, "");
  }
  return address;
}

function safeHref(address: string): string | null {
  const url = URL.parse(address);
  return url && (url.protocol === "https:" || url.protocol === "http:") && url.hostname ? url.href : null;
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
