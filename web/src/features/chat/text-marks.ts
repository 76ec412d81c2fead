/** Formatting shortcuts: marks are put around the selection, or removed if they are there. Pure. */

/** By key, with Ctrl or Cmd; `shift` where Shift is needed too. */
export const MARKS = [
  { name: "bold", mark: "**", key: "b", shift: false },
  { name: "italic", mark: "*", key: "i", shift: false },
  { name: "code", mark: "`", key: "e", shift: false },
  { name: "strikethrough", mark: "~~", key: "x", shift: true },
] as const;

export interface Selected {
  text: string;
  from: number;
  to: number;
}

export function toggleMark({ text, from, to }: Selected, mark: string): Selected {
  const size = mark.length;
  const isInside = text.slice(from - size, from) === mark && text.slice(to, to + size) === mark;
  // `*` next to another `*` belongs to `**`.
  const isLonger = mark === "*" && text[from - 2] === "*" && text[from - 3] !== "*";
  if (isInside && !isLonger) {
    const unmarked = text.slice(0, from - size) + text.slice(from, to) + text.slice(to + size);
    return { text: unmarked, from: from - size, to: to - size };
  }
  const marked = text.slice(0, from) + mark + text.slice(from, to) + mark + text.slice(to);
  return { text: marked, from: from + size, to: to + size };
}

/** The mark of a keyboard shortcut, if it is one. */
export function markOfKey(event: { key: string; shiftKey: boolean; altKey: boolean }): string | undefined {
  const key = event.key.toLowerCase();
  return MARKS.find((mark) => mark.key === key && mark.shift === event.shiftKey && !event.altKey)?.mark;
}
