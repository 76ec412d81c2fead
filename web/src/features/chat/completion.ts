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

/** Whether the name or the id contains the query. */
export function isMatch({ userId, name }: { userId: string; name: string }, query: string): boolean {
  return [name, userId].some((text) => text.toLowerCase().includes(query.toLowerCase()));
}

/** The people whose name or id contains the query; those of which a word starts with it come first. */
export function matchPeople<P extends { userId: string; name: string }>(people: P[], query: string): P[] {
  const wanted = query.toLowerCase();
  const texts = ({ userId, name }: P) => [name.toLowerCase(), userId.toLowerCase()];
  const starts = (text: string) => text.startsWith(wanted) || text.includes(` ${wanted}`);
  const rank = (person: P) => (texts(person).some(starts) ? 0 : 1);
  return people
    .filter((person) => isMatch(person, query))
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, OPTIONS_MAX);
}
