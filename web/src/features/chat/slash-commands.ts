/** Slash commands: what a message that starts with one of them does. Any other text with a slash is a message. */

export type Command =
  | { kind: "send"; content: string }
  | { kind: "topic"; topic: string }
  | { kind: "mute"; untilMs: number };

/** In Markdown, so the backslash and the underscore are escaped. */
const SHRUG = "¯\\\\\\_(ツ)\\_/¯";
const MUTE_MS = 8 * 3_600_000;

/** The command of a text; `null`: it is a message. */
export function parseCommand(text: string, nowMs: number): Command | null {
  const [, name, rest = ""] = /^\/(me|shrug|topic|mute)(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? [];
  switch (name) {
    case "me":
      return rest === "" ? null : { kind: "send", content: `_${rest}_` };
    case "shrug":
      return { kind: "send", content: `${rest} ${SHRUG}`.trim() };
    case "topic":
      return { kind: "topic", topic: rest.trim() };
    case "mute":
      return { kind: "mute", untilMs: nowMs + MUTE_MS };
    default:
      return null;
  }
}
