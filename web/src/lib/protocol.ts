/**
 * What goes over the wire: the types are generated from src/schema (`npm run generate -w web`) and only named here.
 * No behaviour here, except the one function that reads a frame, and what a close code means for a client.
 */
import type { Room } from "./generated/openapi";
import type { Close, ErrorBody as SentErrorBody, ServerEvent } from "./generated/protocol";

export type * from "./generated/openapi";
export type * from "./generated/protocol";

export type RoomType = Room["type"];

/** A newer server has more codes, and a page its own for what never reached the server. */
export type ErrorBody = Omit<SentErrorBody, "code"> & { code: string };

/** Answered by the runtime without waking the room, so it must be this text to the byte. */
export const PING_TEXT = '{"type":"ping"}';

/**
 * The events of one frame, in order: an array with `chat.v1`, or one bare event (`pong`).
 * What isn't an object with a type is left out, so that a newer server can't break an older page.
 */
export function readFrame(text: string): ServerEvent[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const list = Array.isArray(value) ? value : [value];
  return list.filter((event): event is ServerEvent => typeof event?.type === "string");
}

// ---- close codes ----

export type AfterClose = "retry" | "new_token" | "wait_10s" | "stop";

const CLOSE_CODES: { [code in Close["code"]]?: AfterClose } = {
  4400: "stop",
  4401: "new_token",
  4403: "stop",
  4409: "stop",
  4410: "stop",
  4413: "stop",
  4415: "stop",
  4429: "wait_10s",
};

/** What a client does after the server closed with `code`; whatever isn't in the table (1006, 1012, 45xx …) is retried. */
export const afterClose = (code: number): AfterClose => CLOSE_CODES[code as Close["code"]] ?? "retry";
