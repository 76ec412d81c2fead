/** The events of `GET /chat/inbox`. */
import type { InboxServerEvent } from "./generated/protocol";

export type InboxEvent = InboxServerEvent;
