/** What is open beside or above a room: a side panel, or a dialog. */
import type { ChatMessage } from "@/lib/room-view";

export type Panel = { kind: "details" | "search" | "pins" } | { kind: "thread"; rootId: string } | null;
/**
 * A dialog about one message (a confirmation, a report, its earlier versions, who reacted and read), or the one that asks
 * for a date, with the time that it begins with.
 */
export type DialogRequest =
  | { kind: "delete" | "report" | "versions" | "who"; message: ChatMessage }
  | { kind: "date"; from: string }
  | null;

/** The text that is being written replies to a message, or replaces its content. */
export type Composing = { kind: "reply" | "edit"; message: ChatMessage } | null;
