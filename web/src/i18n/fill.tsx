import { Fragment } from "react";

/** Private-use characters that stand for a parameter while a text is formatted. */
const MARK = 0xe000;

/**
 * Formats a text with elements as its parameters, for example a name in bold: `fill(t.audit.actions.mute, <b>…</b>,
 * …)`. The text decides their order, so a translation may change it.
 */
export function fill<Args extends string[]>(
  format: (...args: Args) => string,
  ...nodes: { [index in keyof Args]: React.ReactNode }
): React.ReactNode[] {
  const marks = nodes.map((_, index) => String.fromCharCode(MARK + index));
  return format(...(marks as Args))
    .split(/([\uE000-\uE0FF])/)
    .map((part, at) => {
      const index = marks.indexOf(part);
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text have no identity but their position
      return <Fragment key={at}>{index === -1 ? part : nodes[index]}</Fragment>;
    });
}
