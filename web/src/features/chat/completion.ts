/** What the text at the caret could become: `@bo` a mention, `:smi` an emoji. Pure. */

export interface Completion {
  kind: "mention" | "emoji";
  /** Position of the `@` or `:`. */
  from: number;
  query: string;
}

export interface Option {
  /** A user id, `room`, or an emoji. */
  value: string;
  label: string;
  /** What replaces the typed text. */
  insert: string;
}

const MENTION = /(?:^|[\s([{])@([^\s@<>]{0,64})$/;
/** Two letters at least, so that emoticons (`:)`, `:D`, `:-P`) stay text. */
const EMOJI = /(?:^|[\s([{]):([\p{L}]{2,32})$/u;

export function completionAt(text: string, caret: number): Completion | null {
  const before = text.slice(0, caret);
  const mention = MENTION.exec(before)?.[1];
  if (mention !== undefined) return { kind: "mention", from: caret - mention.length - 1, query: mention };
  const emoji = EMOJI.exec(before)?.[1];
  return emoji === undefined ? null : { kind: "emoji", from: caret - emoji.length - 1, query: emoji };
}

const OPTIONS_MAX = 6;

/** The people whose id contains the query; ids that start with it come first. */
export function matchPeople(people: string[], query: string): string[] {
  const wanted = query.toLowerCase();
  const named = people.filter((person) => person.toLowerCase().includes(wanted));
  const rank = (person: string) => (person.toLowerCase().startsWith(wanted) ? 0 : 1);
  return named.sort((a, b) => rank(a) - rank(b)).slice(0, OPTIONS_MAX);
}
