/** The events of `GET /chat/inbox`: those of the schema, and those of the contract that no server sends yet. */
import type { InboxServerEvent } from "./generated/protocol";
import type { Person, Presence } from "./people";

export type InboxEvent =
  | InboxServerEvent
  | { type: "person"; seq: number; person: Person }
  | { type: "presence"; userId: string; presence: Presence };
