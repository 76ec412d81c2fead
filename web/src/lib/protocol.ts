/**
 * The wire types, generated from src/schema by `npm run generate -w web` and re-exported here, and two functions: one
 * parses a frame, one says how a client reacts to a close code. There is no other behaviour in this file.
 */
import type { Room } from "./generated/openapi";
import type { Close, InboxServerEvent, ErrorBody as SentErrorBody, ServerEvent } from "./generated/protocol";

export type * from "./generated/openapi";
export type * from "./generated/protocol";

export type RoomType = Room["type"];
export type InboxEvent = InboxServerEvent;

/** The code is any string: a newer server has more codes, and the client adds its own (`unreachable`, `no_answer`). */
export type ErrorBody = Omit<SentErrorBody, "code"> & { code: string };

/** The runtime answers exactly this text without waking the Durable Object, so every byte matters. */
export const PING_TEXT = '{"type":"ping"}';

/**
 * The events of one frame, in order: an array with `chat.v1`, or one bare event (`pong`).
 * Anything that is not an object with a `type` is skipped, so that a newer server cannot break an older page.
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

/** What a client does after the server closed with `code`. Codes outside the table (1006, 1012, 45xx …) are retried. */
export const afterClose = (code: number): AfterClose => CLOSE_CODES[code as Close["code"]] ?? "retry";
