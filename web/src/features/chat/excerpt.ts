/** The part of a message where the searched words are, and the words in it. Pure. */

export interface ExcerptPart {
  text: string;
  isMatch: boolean;
}

/** How much of a message is shown, and how much of that stands before the first match. */
const LENGTH = 240;
const LEAD = 60;

/** The words of a query, without its operators (`from:name`, `has:file`, `before:…`), quotes and exclusions. */
export function queryWords(query: string): string[] {
  return query
    .split(/\s+/)
    .filter((word) => !/^-|^(?:from|has|in|before|after):/i.test(word))
    .map((word) => word.replace(/^["'(]+|["'),.*]+$/g, ""))
    .filter((word) => word !== "");
}

/** The excerpt around the first of the words, with each occurrence marked. Without a match, the beginning. */
export function excerpt(text: string, words: string[]): ExcerptPart[] {
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  if (pattern === "") return [{ text: cut(text, 0), isMatch: false }];
  const found = text.search(new RegExp(pattern, "iu"));
  const from = found > LENGTH - LEAD ? found - LEAD : 0;
  const shown = cut(text, from);
  return shown
    .split(new RegExp(`(${pattern})`, "iu"))
    .map((part, at) => ({ text: part, isMatch: at % 2 === 1 }))
    .filter((part) => part.text !== "");
}

function cut(text: string, from: number): string {
  const end = from + LENGTH;
  return `${from > 0 ? "…" : ""}${text.slice(from, end)}${end < text.length ? "…" : ""}`;
}
