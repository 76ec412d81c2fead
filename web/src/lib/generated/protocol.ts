/** Generated from src/schema/protocol.json by `npm run generate -w web`. */

/**
 * What a client says, one object a frame, at most `limits.frameBytes`. A field that is null counts as absent; unknown fields are ignored.
 *
 */
export type ClientFrame =
  | MessageFrame
  | TypingFrame
  | ReactionFrame
  | EditFrame
  | DeleteFrame
  | ReadFrame
  | PingFrame
  | AuthFrame;
/**
 * An upload of one's own by its id, or a file that stands elsewhere.
 *
 */
export type AttachmentRef =
  | {
      id: string;
    }
  | {
      id?: null;
      url: string;
      name: string;
      mimeType: string;
      size: Seq;
    };
/**
 * A place in the log of a room: the first event is 1.
 *
 */
export type Seq = number;
export type ReactionAction = "add" | "remove";
/**
 * What a client hears: with the subprotocol `chat.v1` one or more events in order, or the automatic pong alone; without it one event.
 *
 */
export type ServerFrame = ServerEvent[] | ServerEvent;
/**
 * Clients ignore fields they don't know, and take the `seq` of an event whose type they don't know.
 *
 */
export type ServerEvent = LogEvent | LiveEvent;
/**
 * Durable events of the room's log: each `seq` is one more than the one before it.
 *
 */
export type LogEvent =
  | NewMessage
  | ReactionUpdate
  | MessageUpdated
  | MessageDeleted
  | ThreadUpdate
  | MemberEvent
  | RoomUpdated
  | Hidden;
export type UserId = string;
/**
 * ISO 8601, UTC, milliseconds.
 *
 */
export type Time = string;
export type Role = "owner" | "admin" | "moderator" | "member";
/**
 * What is told once, and not again.
 *
 */
export type LiveEvent =
  | Hello
  | OnlineUsers
  | Resync
  | Synced
  | Typing
  | PresenceEvent
  | ReadReceipt
  | Ack
  | ErrorEvent
  | Pong
  | AuthOk;
export type ErrorCode =
  | "bad_json"
  | "bad_request"
  | "unauthenticated"
  | "token_expired"
  | "forbidden"
  | "muted"
  | "room_not_found"
  | "message_not_found"
  | "member_not_found"
  | "attachment_not_found"
  | "not_found"
  | "method_not_allowed"
  | "client_id_conflict"
  | "version_conflict"
  | "last_owner"
  | "banned"
  | "archived"
  | "too_large"
  | "unsupported_media_type"
  | "invalid"
  | "content_empty"
  | "content_too_long"
  | "moderation_blocked"
  | "upgrade_required"
  | "rate_limited"
  | "slow_mode"
  | "internal"
  | "upstream_unavailable";
/**
 * Code and reason of a close frame. What isn't here, like 1006: connect again, after a random wait.
 *
 */
export type Close =
  | {
      code: 1012;
      name: "restart";
    }
  | {
      code: 4400;
      name: "protocol";
    }
  | {
      code: 4401;
      name: "auth_expired";
    }
  | {
      code: 4403;
      name: "removed";
    }
  | {
      code: 4408;
      name: "heartbeat_timeout";
    }
  | {
      code: 4409;
      name: "too_many_connections";
    }
  | {
      code: 4410;
      name: "room_gone";
    }
  | {
      code: 4413;
      name: "frame_too_large";
    }
  | {
      code: 4415;
      name: "binary_unsupported";
    }
  | {
      code: 4420;
      name: "slow_consumer";
    }
  | {
      code: 4429;
      name: "flood";
    }
  | {
      code: 4500;
      name: "internal";
    }
  | {
      code: 4503;
      name: "overloaded";
    };

export interface Frames {
  client: ClientFrame;
  server: ServerFrame;
}
/**
 * A message as its sender writes it. Mentions are read from the content: `<@userId>`, `@room`. `tenantId` is ignored.
 *
 */
export interface MessageFrame {
  type: "message";
  /**
   * May be absent with attachments.
   */
  content?: string | null;
  contentType?: "text" | null;
  /**
   * @maxItems 10
   */
  attachments?: AttachmentRef[] | null;
  tenantId?: unknown;
  /**
   * Unique per person and room; with it the operation is acked, and done once however often it is sent.
   */
  clientId?: string | null;
  /**
   * The thread's first message.
   */
  threadId?: string | null;
  replyToId?: string | null;
  /**
   * Shows a thread's reply in the room too.
   */
  alsoToRoom?: boolean | null;
}
/**
 * Ends after 6 s without another, by a message, by leaving.
 *
 */
export interface TypingFrame {
  type: "typing";
  isTyping: boolean;
  threadId?: string | null;
}
export interface ReactionFrame {
  type: "reaction";
  /**
   * A message's id.
   */
  messageId: string;
  /**
   * At most 64 bytes.
   */
  emoji: string;
  action: ReactionAction;
  /**
   * Unique per person and room; with it the operation is acked, and done once however often it is sent.
   */
  clientId?: string | null;
}
/**
 * By the author or a moderator.
 *
 */
export interface EditFrame {
  type: "edit";
  /**
   * A message's id.
   */
  messageId: string;
  /**
   * The whole new content.
   */
  content: string;
  /**
   * Refused with `version_conflict` when the message has another by now.
   */
  baseVersion?: number | null;
  /**
   * Unique per person and room; with it the operation is acked, and done once however often it is sent.
   */
  clientId?: string | null;
}
/**
 * By the author or a moderator.
 *
 */
export interface DeleteFrame {
  type: "delete";
  /**
   * A message's id.
   */
  messageId: string;
  /**
   * Unique per person and room; with it the operation is acked, and done once however often it is sent.
   */
  clientId?: string | null;
}
/**
 * My read marker: at least here.
 *
 */
export interface ReadFrame {
  type: "read";
  seq: Seq;
}
/**
 * The exact text `{"type":"ping"}` is answered `{"type":"pong"}` without waking the room; with `t` the room answers.
 *
 */
export interface PingFrame {
  type: "ping";
  t?: unknown;
}
/**
 * A fresh token for the same person.
 *
 */
export interface AuthFrame {
  type: "auth";
  token: string;
}
export interface NewMessage {
  type: "new_message";
  seq: Seq;
  message: Message;
  clientId?: string;
}
/**
 * A message as it is now.
 *
 */
export interface Message {
  /**
   * A UUIDv7.
   */
  id: string;
  seq: Seq;
  tenantId: string;
  roomId: string;
  userId: UserId;
  /**
   * Empty once deleted.
   */
  content: string;
  contentType: "text";
  attachments: Attachment[];
  reactions: Reactions;
  clientId: string | null;
  /**
   * The thread's first message.
   */
  threadId: string | null;
  replyToId: string | null;
  /**
   * A thread's reply that shows in the room too.
   */
  alsoToRoom: boolean;
  mentions: UserId[];
  mentionsRoom: boolean;
  version: number;
  replyCount: number;
  lastReplyAt: Time | null;
  createdAt: Time;
  editedAt: Time | null;
  /**
   * Set on a tombstone.
   */
  deletedAt: Time | null;
  /**
   * Of tombstones alone.
   */
  deletedBy?: string;
}
/**
 * A file that stands elsewhere (`url` alone), or was uploaded (`id` too).
 *
 */
export interface Attachment {
  id?: string;
  url: string;
  name: string;
  mimeType: string;
  /**
   * Bytes.
   */
  size: number;
  /**
   * Of an upload.
   */
  sha256?: string;
  /**
   * Pixels of an uploaded PNG, GIF, WebP or JPEG.
   */
  width?: number;
  height?: number;
}
/**
 * The people who reacted, by emoji, in the order they did.
 *
 */
export interface Reactions {
  [k: string]: UserId[];
}
export interface ReactionUpdate {
  type: "reaction_update";
  seq: Seq;
  messageId: string;
  reactions: Reactions;
  delta: {
    userId: UserId;
    emoji: string;
    action: ReactionAction;
  };
}
export interface MessageUpdated {
  type: "message_updated";
  seq: Seq;
  message: Message;
}
/**
 * The message is a tombstone now.
 *
 */
export interface MessageDeleted {
  type: "message_deleted";
  seq: Seq;
  messageId: string;
  deletedBy: UserId;
}
export interface ThreadUpdate {
  type: "thread_update";
  seq: Seq;
  threadId: string;
  replyCount: number;
  lastReplyAt: Time | null;
}
export interface MemberEvent {
  type: "member_added" | "member_removed" | "member_updated";
  seq: Seq;
  userId: UserId;
  role: Role;
  by: string;
}
export interface RoomUpdated {
  type: "room_updated";
  seq: Seq;
  room: SharedRoom;
}
/**
 * What is the same of a room for everybody in it.
 *
 */
export interface SharedRoom {
  id: string;
  tenantId: string;
  type: "direct" | "group";
  name: string | null;
  topic: string | null;
  createdBy: UserId;
  createdAt: Time;
  archived: boolean;
  historyVisibility: "all" | "since_join";
  roomMention: "all" | "admins";
  /**
   * Seconds between a member's messages.
   */
  slowModeS: number;
}
/**
 * An event about a message from before one's time: only its place.
 *
 */
export interface Hidden {
  type: "hidden";
  seq: Seq;
}
/**
 * The first event of a connection.
 *
 */
export interface Hello {
  type: "hello";
  connectionId: string;
  roomId: string;
  userId: UserId;
  /**
   * The effective one.
   */
  role: "owner" | "admin" | "moderator" | "member";
  seq: Seq;
  /**
   * Names the log.
   */
  epoch: string;
  heartbeatMs: number;
  limits: Limits;
  me: {
    lastReadSeq: Seq;
    notify: NotifySettings;
  };
  /**
   * By user; in rooms of more than 50 people none.
   */
  readMarkers: {
    [k: string]: Seq;
  };
}
/**
 * Rates of a person in a room, over all their sockets, what a socket may hold, and files.
 *
 */
export interface Limits {
  messagesPerS: number;
  messagesBurst: number;
  reactionsPerS: number;
  reactionsBurst: number;
  typingPerS: number;
  typingBurst: number;
  framesPerS: number;
  framesBurst: number;
  socketsPerPerson: number;
  waitingBytes: number;
  frameBytes: number;
  attachmentBytes: number;
  attachmentsPerMessage: number;
  unsentUploads: number;
}
export interface NotifySettings {
  level: "all" | "mentions" | "none";
  muteUntil: Time | null;
}
/**
 * Sorted, each once, oneself included.
 *
 */
export interface OnlineUsers {
  type: "online_users";
  users: UserId[];
}
/**
 * The events since `since` can't be told whole: load the history over REST.
 *
 */
export interface Resync {
  type: "resync";
  reason: "epoch" | "too_old" | "too_many" | "ahead";
  seq: Seq;
  epoch: string;
}
/**
 * From here on live.
 *
 */
export interface Synced {
  type: "synced";
  seq: Seq;
}
export interface Typing {
  type: "typing";
  userId: UserId;
  isTyping: boolean;
  typingUsers: UserId[];
  expiresInMs: number;
  threadId?: string;
}
export interface PresenceEvent {
  type: "user_joined" | "user_left";
  userId: UserId;
  /**
   * Unix milliseconds.
   */
  timestamp: number;
}
export interface ReadReceipt {
  type: "read_receipt";
  userId: UserId;
  seq: Seq;
}
/**
 * What became of my operation; durable when sent.
 *
 */
export interface Ack {
  type: "ack";
  clientId: string;
  op: "message" | "reaction" | "edit" | "delete";
  messageId: string;
  /**
   * A place in the log of a room: the first event is 1.
   */
  seq?: number;
  /**
   * Nothing changed.
   */
  noop?: true;
  version: number;
  createdAt: Time;
  /**
   * It was done before.
   */
  duplicate?: true;
}
/**
 * An `ErrorBody`, and which frame it is about.
 *
 */
export interface ErrorEvent {
  type: "error";
  code: ErrorCode;
  /**
   * For people who read logs.
   */
  message: string;
  /**
   * The same may succeed later, unchanged.
   */
  retryable: boolean;
  retryAfterMs?: number;
  /**
   * The culprit.
   */
  field?: string;
  clientId?: string;
  /**
   * The refused frame's type.
   */
  ref?: string;
}
/**
 * Bare, or with the ping's `t` from the room.
 *
 */
export interface Pong {
  type: "pong";
  t?: unknown;
  seq?: Seq;
  epoch?: string;
}
export interface AuthOk {
  type: "auth_ok";
  /**
   * Unix seconds.
   */
  exp: number;
}
/**
 * What was refused and why; the same in frames and over REST.
 *
 */
export interface ErrorBody {
  code: ErrorCode;
  /**
   * For people who read logs.
   */
  message: string;
  /**
   * The same may succeed later, unchanged.
   */
  retryable: boolean;
  retryAfterMs?: number;
  /**
   * The culprit.
   */
  field?: string;
}
