/** What is open beside or above a room: a side panel, a dialog about one message. */
import type { ChatMessage } from "@/lib/room-view";

export type Panel = { kind: "details" } | { kind: "search" } | { kind: "thread"; rootId: string } | null;
/** A dialog about one message: a confirmation, a report, its earlier versions, who reacted. */
export type DialogRequest = { kind: "delete" | "report" | "versions" | "who"; message: ChatMessage } | null;

/** The text that is being written replies to a message, or replaces its content. */
export type Composing = { kind: "reply" | "edit"; message: ChatMessage } | null;
