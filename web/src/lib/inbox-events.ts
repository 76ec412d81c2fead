/** The events of `GET /chat/inbox` (contract, section 7). */
import type { Room } from "./generated/openapi";
import type { NotifySettings } from "./generated/protocol";
import type { Person, Presence } from "./people";

type Sequenced =
  | {
      type: "room_activity";
      roomId: string;
      lastSeq: number;
      lastMessage: Room["lastMessage"];
      lastMessageAt?: string | null;
      unread: number;
      mentions: number;
    }
  | { type: "room_added"; room: Room }
  | { type: "room_removed"; roomId: string; reason: "removed" | "left" | "banned" | "deleted" }
  | ({ type: "room_changed"; roomId: string; role?: Room["me"]["role"] } & Partial<Omit<Room, "type">>)
  | { type: "read"; roomId: string; lastReadSeq: number; unread: number; mentions: number }
  | { type: "settings_changed"; roomId: string; notify?: NotifySettings; hidden?: boolean }
  | { type: "person"; person: Person };

export type InboxEvent =
  | { type: "hello"; seq: number; epoch: string; heartbeatMs: number }
  | { type: "rooms"; rooms: Room[]; nextCursor: string | null }
  | { type: "resync"; seq: number; epoch: string }
  | { type: "synced"; seq: number }
  | { type: "presence"; userId: string; presence: Presence }
  | (Sequenced & { seq: number });
