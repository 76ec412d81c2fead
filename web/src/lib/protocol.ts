/**
 * What goes over the wire, as types: docs/PROTOCOL.md by hand, until they are generated from the Rust side.
 * No behaviour here, except the one function that reads a frame.
 */

export type Role = "owner" | "admin" | "moderator" | "member";
export type RoomType = "direct" | "group";

/** emoji → the people who set it. */
export type Reactions = Record<string, string[]>;

export interface Attachment {
  id?: string;
  url?: string;
  name: string;
  mimeType: string;
  size: number;
}

export interface Message {
  id: string;
  seq: number;
  tenantId: string;
  roomId: string;
  userId: string;
  content: string;
  contentType: string;
  attachments: Attachment[];
  reactions: Reactions;
  clientId: string | null;
  threadId: string | null;
  replyToId: string | null;
  alsoToRoom: boolean;
  mentions: string[];
  mentionsRoom: boolean;
  version: number;
  replyCount: number;
  createdAt: string;
  editedAt: string | null;
  /** Set on a tombstone; its content is empty. */
  deletedAt: string | null;
}

export interface Member {
  userId: string;
  role: Role;
  joinedAt: string;
}

export interface NotifySettings {
  level: "all" | "mentions" | "none";
  muteUntil: string | null;
}

export interface Room {
  id: string;
  tenantId: string;
  type: RoomType;
  name: string | null;
  createdBy: string;
  createdAt: string;
  participantIds: string[];
  members: Member[];
  memberCount: number;
  lastMessageAt: string | null;
  lastMessage: MessagePreview | null;
  lastSeq: number;
  unread: number;
  mentions: number;
  me: { role: Role; lastReadSeq: number; notify: NotifySettings };
}

/** The part of a room's newest message that a list shows. */
export type MessagePreview = Partial<Message> & { userId: string; content: string };

export interface MessagePage {
  /** Ascending by seq. */
  messages: Message[];
  hasMoreBefore: boolean;
  hasMoreAfter: boolean;
  lastSeq: number;
  epoch: string;
}

export interface ErrorBody {
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  field?: string;
}

// ---- client → server ----

export type ClientFrame =
  | { type: "message"; content: string; contentType?: "text"; clientId?: string }
  | { type: "typing"; isTyping: boolean }
  | { type: "reaction"; messageId: string; emoji: string; action: ReactionAction; clientId?: string }
  | { type: "read"; seq: number }
  | { type: "auth"; token: string };

export type ReactionAction = "add" | "remove";

/** Answered by the runtime without waking the room, so it must be this text to the byte. */
export const PING_TEXT = '{"type":"ping"}';

// ---- server → client ----

export interface Hello {
  type: "hello";
  connectionId: string;
  roomId: string;
  userId: string;
  role: Role;
  seq: number;
  epoch: string;
  heartbeatMs: number;
  limits: Record<string, number>;
  me: { lastReadSeq: number; notify?: NotifySettings };
  readMarkers: Record<string, number>;
}

export interface Ack {
  type: "ack";
  clientId: string;
  op: string;
  messageId?: string;
  seq?: number;
  version?: number;
  createdAt?: string;
  duplicate?: boolean;
  noop?: boolean;
}

export type ErrorEvent = { type: "error"; clientId?: string; ref?: string } & ErrorBody;

/** Events of the log: each has the seq after the one before it. */
export type LogEvent =
  | { type: "new_message"; seq: number; message: Message; clientId?: string }
  | {
      type: "reaction_update";
      seq: number;
      messageId: string;
      reactions: Reactions;
      delta?: { userId: string; emoji: string; action: ReactionAction };
    }
  | { type: "message_updated"; seq: number; message: Message }
  | { type: "message_deleted"; seq: number; messageId: string; deletedBy: string }
  | { type: "thread_update"; seq: number; threadId: string; replyCount: number; lastReplyAt: string | null }
  | {
      type: "member_added" | "member_removed" | "member_updated";
      seq: number;
      userId: string;
      role: Role;
      by: string;
    }
  | { type: "room_updated"; seq: number; room: Room };

export type LiveEvent =
  | Hello
  | Ack
  | ErrorEvent
  | { type: "online_users"; users: string[] }
  | { type: "resync"; reason: "epoch" | "too_old" | "too_many" | "ahead"; seq: number; epoch: string }
  | { type: "synced"; seq: number }
  | { type: "typing"; userId: string; isTyping: boolean; typingUsers: string[]; expiresInMs?: number }
  | { type: "user_joined" | "user_left"; userId: string; timestamp: number }
  | { type: "read_receipt"; userId: string; seq: number }
  | { type: "pong"; t?: number; seq?: number; epoch?: string }
  | { type: "auth_ok"; exp: number };

export type ServerEvent = LogEvent | LiveEvent;

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

const CLOSE_CODES: Record<number, AfterClose> = {
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
export const afterClose = (code: number): AfterClose => CLOSE_CODES[code] ?? "retry";
