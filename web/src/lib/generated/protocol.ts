/** Generated from src/schema/protocol.json by `npm run generate -w web`. */
import type { Member, MessagePreview, Person, Room } from "./openapi";

/**
 * What a client sends: one object per frame of at most `limits.frameBytes`. A field that is null counts as absent; unknown fields are ignored.
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
 * The id of an own upload, or a link to a file on another server.
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
 * A position in a room's log; the first event has 1.
 *
 */
export type Seq = number;
export type ReactionAction = "add" | "remove";
/**
 * What a client receives: with the subprotocol `chat.v1` an array of one or more events in order, or the automatic pong alone; without it one event.
 *
 */
export type ServerFrame = ServerEvent[] | ServerEvent;
/**
 * Clients ignore fields that they don't know, and use the `seq` of an event whose type they don't know.
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
  | PinsUpdated
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
 * Events that are sent once and not replayed.
 *
 */
export type LiveEvent =
  | Hello
  | OnlineUsers
  | Resync
  | Synced
  | Typing
  | PresenceEvent
  | MuteUpdated
  | ReadReceipt
  | Ack
  | ErrorEvent
  | Pong
  | AuthOk;
/**
 * By a moderator; null: none. `until` is null if it is for good.
 *
 */
export type Mute = null | {
  until: string | null;
};
export type ErrorCode =
  | "bad_json"
  | "bad_request"
  | "unauthenticated"
  | "token_expired"
  | "forbidden"
  | "muted"
  | "blocked"
  | "room_not_found"
  | "message_not_found"
  | "member_not_found"
  | "person_not_found"
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
  | "upstream_unavailable"
  | "room_full";
/**
 * What a client sends to the inbox (GET /chat/inbox), by the same rules as to a room.
 *
 */
export type InboxClientFrame = InboxReadFrame | InboxDraftFrame | InboxActiveFrame | PingFrame | AuthFrame;
/**
 * What a client of the inbox receives: frames as those of a room.
 *
 */
export type InboxServerFrame = InboxServerEvent[] | InboxServerEvent;
/**
 * Clients ignore fields that they don't know, and use the `seq` of an event whose type they don't know.
 *
 */
export type InboxServerEvent = InboxLogEvent | InboxLiveEvent;
/**
 * Durable events of the inbox's log: each `seq` is one more than the one before it. Replayed, they show what the list shows now.
 *
 */
export type InboxLogEvent =
  | RoomActivity
  | RoomAdded
  | RoomRemoved
  | RoomChanged
  | RoomRead
  | SettingsChanged
  | DraftEvent
  | SavedEvent
  | NotificationEvent
  | NotificationWithdrawn
  | InboxPerson
  | Hidden;
/**
 * Events that are sent once and not replayed.
 *
 */
export type InboxLiveEvent =
  | InboxHello
  | InboxRooms
  | Resync
  | InboxPresence
  | InboxSynced
  | ErrorEvent
  | Pong
  | AuthOk;
/**
 * Code and reason of a close frame. After any other code, such as 1006: reconnect after a random delay.
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
  inboxClient: InboxClientFrame;
  inboxServer: InboxServerFrame;
}
/**
 * A message to be sent. Mentions are parsed from the content: `<@userId>`, `@room`. `tenantId` is ignored.
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
   * Unique per person and room. With it the operation is acked, and executed once however often it is sent.
   */
  clientId?: string | null;
  /**
   * The thread's first message.
   */
  threadId?: string | null;
  replyToId?: string | null;
  /**
   * Whether a thread's reply is also shown in the room.
   */
  alsoToRoom?: boolean | null;
}
/**
 * Typing ends after 6 s without another frame, with a message, and when the person leaves.
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
   * One emoji (RGI), or `:name:` with 1 to 32 of a-z, 0-9, _, + and -. What is stored can be removed, whatever it is. At most 64 bytes.
   */
  emoji: string;
  action: ReactionAction;
  /**
   * Unique per person and room. With it the operation is acked, and executed once however often it is sent.
   */
  clientId?: string | null;
}
/**
 * Allowed for the author and for moderators.
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
   * The edit is refused with `version_conflict` if the message has another version.
   */
  baseVersion?: number | null;
  /**
   * Unique per person and room. With it the operation is acked, and executed once however often it is sent.
   */
  clientId?: string | null;
}
/**
 * Allowed for the author and for moderators.
 *
 */
export interface DeleteFrame {
  type: "delete";
  /**
   * A message's id.
   */
  messageId: string;
  /**
   * Unique per person and room. With it the operation is acked, and executed once however often it is sent.
   */
  clientId?: string | null;
}
/**
 * Moves the sender's read marker forward to this event.
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
 * A new token of the same person.
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
 * A message in its current version.
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
   * Empty if the message is deleted.
   */
  content: string;
  contentType: "text";
  attachments: Attachment[];
  reactions: Reactions;
  reactionCounts: ReactionCounts;
  clientId: string | null;
  /**
   * The thread's first message.
   */
  threadId: string | null;
  replyToId: string | null;
  /**
   * Whether a thread's reply is also shown in the room.
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
   * Who made the last edit; null: nobody, or the author.
   */
  editedBy: UserId | null;
  /**
   * Set on a tombstone.
   */
  deletedAt: Time | null;
  /**
   * Only tombstones have it.
   */
  deletedBy?: string;
}
/**
 * A link to a file on another server (`url` only), or an upload (also `id`).
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
   * Only uploads have it.
   */
  sha256?: string;
  /**
   * Pixels of an uploaded PNG, GIF, WebP or JPEG.
   */
  width?: number;
  height?: number;
}
/**
 * Per emoji people who reacted with it, in the order in which they did: at most 20 in a message (over REST and in the history of a new connection the caller is among them if they reacted), at most 100 in a `reaction_update`.
 *
 */
export interface Reactions {
  [k: string]: UserId[];
}
/**
 * How many people reacted with each emoji.
 *
 */
export interface ReactionCounts {
  [k: string]: number;
}
/**
 * One person's reaction to a message. Its `count` is that of the moment at which it is sent.
 *
 */
export interface ReactionUpdate {
  type: "reaction_update";
  seq: Seq;
  messageId: string;
  reactions?: Reactions1;
  /**
   * How many people have reacted with this emoji.
   */
  count: number;
  delta: {
    userId: UserId;
    emoji: string;
    action: ReactionAction;
  };
}
/**
 * Per emoji people who reacted with it, in the order in which they did: at most 20 in a message (over REST and in the history of a new connection the caller is among them if they reacted), at most 100 in a `reaction_update`.
 */
export interface Reactions1 {
  [k: string]: UserId[];
}
export interface MessageUpdated {
  type: "message_updated";
  seq: Seq;
  message: Message;
}
/**
 * The message became a tombstone.
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
/**
 * A message was pinned or unpinned: all pins that the receiver may see as they are now, newest pin first.
 *
 */
export interface PinsUpdated {
  type: "pins_updated";
  seq: Seq;
  /**
   * @maxItems 50
   */
  messageIds: string[];
  by: string;
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
 * The fields of a room that are the same for all members.
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
   * Slow mode: seconds between two messages of a member.
   */
  slowModeS: number;
}
/**
 * An event that the receiver may not see, because it is about a message from before they joined.
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
   * The effective role.
   */
  role: "owner" | "admin" | "moderator" | "member";
  seq: Seq;
  /**
   * The name of the log.
   */
  epoch: string;
  heartbeatMs: number;
  limits: Limits;
  me: {
    lastReadSeq: Seq;
    notify: NotifySettings;
    mute: Mute;
  };
  /**
   * The read markers by user; empty in rooms of more than 50 members.
   */
  readMarkers: {
    [k: string]: Seq;
  };
  /**
   * How members are shown, by user; empty in rooms of more than 50 members.
   */
  people: {
    [k: string]: {
      name: string;
      avatarUrl: string | null;
    };
  };
}
/**
 * Rate limits per person and room over all their sockets, limits of a socket, and limits of files.
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
  turnBytes: number;
  storageBytes: number;
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
 * Sorted, each person once, including the receiver.
 *
 */
export interface OnlineUsers {
  type: "online_users";
  users: UserId[];
}
/**
 * The events after `since` can't be replayed completely: load the history over REST.
 *
 */
export interface Resync {
  type: "resync";
  reason: "epoch" | "too_old" | "too_many" | "ahead";
  seq: Seq;
  epoch: string;
}
/**
 * All events after this one are live.
 *
 */
export interface Synced {
  type: "synced";
  seq: Seq;
  /**
   * The oldest message of the history that was sent; null without one.
   */
  oldestSeq: number | null;
  /**
   * Whether there are older messages.
   */
  hasMoreBefore: boolean;
}
export interface Typing {
  type: "typing";
  userId: UserId;
  isTyping: boolean;
  /**
   * Who types there; the receiver too.
   *
   * @maxItems 5
   */
  typingUsers: UserId[];
  /**
   * How many people type there, those that are not named included.
   */
  typingCount: number;
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
/**
 * The receiver's own mute began, changed or was lifted.
 *
 */
export interface MuteUpdated {
  type: "mute_updated";
  mute: Mute;
}
export interface ReadReceipt {
  type: "read_receipt";
  userId: UserId;
  seq: Seq;
}
/**
 * The operation is durable.
 *
 */
export interface Ack {
  type: "ack";
  clientId: string;
  op: "message" | "reaction" | "edit" | "delete";
  messageId: string;
  /**
   * A position in a room's log; the first event has 1.
   */
  seq?: number;
  /**
   * Nothing changed.
   */
  noop?: true;
  version: number;
  createdAt: Time;
  /**
   * The operation was executed before.
   */
  duplicate?: true;
}
/**
 * An `ErrorBody` with the frame that it answers.
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
   * The same request can succeed later, unchanged.
   */
  retryable: boolean;
  retryAfterMs?: number;
  /**
   * The field that is wrong.
   */
  field?: string;
  clientId?: string;
  /**
   * The type of the refused frame.
   */
  ref?: string;
}
/**
 * The automatic pong without fields, or the room's answer with the ping's `t`.
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
 * Moves the sender's read marker of a room forward to this event.
 *
 */
export interface InboxReadFrame {
  type: "read";
  roomId: string;
  seq: Seq;
}
/**
 * What waits to be sent in a room or thread, for the person's other devices. The higher `rev` wins; an older one is answered with the present draft.
 *
 */
export interface InboxDraftFrame {
  type: "draft";
  roomId: string;
  /**
   * The root's id; absent or null: in the room.
   */
  threadId?: string | null;
  /**
   * Empty: sent, or cleared.
   */
  text: string;
  /**
   * Higher than that of the draft before it, such as the time of the change in ms.
   */
  rev: number;
}
/**
 * Whether the person does something on this device. While they do, a client says so every five minutes; after ten without any device they are away.
 *
 */
export interface InboxActiveFrame {
  type: "active";
  active: boolean;
}
/**
 * Another preview or other counts of a room; one a second at most.
 *
 */
export interface RoomActivity {
  type: "room_activity";
  seq: Seq;
  roomId: string;
  lastSeq: Seq;
  lastMessage: MessagePreview | null;
  lastMessageAt: Time | null;
  unread: number;
  mentions: number;
}
/**
 * A room that the inbox has not shown: new in the list, or with new activity from behind its newest rooms.
 *
 */
export interface RoomAdded {
  type: "room_added";
  seq: Seq;
  room: Room;
}
/**
 * The room is not in the list any more.
 *
 */
export interface RoomRemoved {
  type: "room_removed";
  seq: Seq;
  roomId: string;
  reason: "removed" | "left" | "banned" | "deleted";
}
/**
 * What the room is called, and who is in it. The fields from `participantIds` on are there together, and only if one of them has changed.
 *
 */
export interface RoomChanged {
  type: "room_changed";
  seq: Seq;
  roomId: string;
  name: string | null;
  topic: string | null;
  archived: boolean;
  memberCount: number;
  participantIds?: UserId[];
  members?: Member[];
  historyVisibility?: "all" | "since_join";
  roomMention?: "all" | "admins";
  slowModeS?: number;
  /**
   * The person's own.
   */
  role?: "owner" | "admin" | "moderator" | "member";
}
/**
 * The person's read marker of the room, moved on whichever device.
 *
 */
export interface RoomRead {
  type: "read";
  seq: Seq;
  roomId: string;
  /**
   * A position in a room's log; the first event has 1.
   */
  lastReadSeq: number;
  unread: number;
  mentions: number;
}
/**
 * The person's own settings of the room.
 *
 */
export interface SettingsChanged {
  type: "settings_changed";
  seq: Seq;
  roomId: string;
  notify: NotifySettings;
  hidden?: boolean;
}
/**
 * A draft was written, on whichever device; the empty text: it was sent or cleared.
 *
 */
export interface DraftEvent {
  type: "draft";
  seq: Seq;
  roomId: string;
  threadId: string | null;
  text: string;
  rev: number;
}
/**
 * A message was saved, or is saved no more, on whichever device.
 *
 */
export interface SavedEvent {
  type: "saved";
  seq: Seq;
  roomId: string;
  messageId: string;
  saved: boolean;
}
/**
 * The person is notified of a message, the newest of its room. Title and text are those of a push.
 *
 */
export interface NotificationEvent {
  type: "notification";
  seq: Seq;
  roomId: string;
  messageId: string;
  /**
   * A position in a room's log; the first event has 1.
   */
  messageSeq: number;
  threadId: string | null;
  reason: "mention" | "room_mention" | "thread" | "direct" | "message";
  title: string;
  body: string;
}
/**
 * The message of the room's notification is read or deleted: whatever is shown of the room is withdrawn.
 *
 */
export interface NotificationWithdrawn {
  type: "notification_withdrawn";
  seq: Seq;
  roomId: string;
  messageId: string;
  /**
   * A position in a room's log; the first event has 1.
   */
  messageSeq: number;
}
/**
 * The profile or status of somebody with whom the person has a direct room among their newest.
 *
 */
export interface InboxPerson {
  type: "person";
  seq: Seq;
  person: Person;
}
/**
 * The first event of a connection.
 *
 */
export interface InboxHello {
  type: "hello";
  connectionId: string;
  userId: UserId;
  seq: Seq;
  /**
   * The name of the inbox's log.
   */
  epoch: string;
  heartbeatMs: number;
  me: {
    userId: UserId;
    name: string | null;
  };
}
/**
 * The newest 100 rooms of the list; the totals are over these. Without `since`.
 *
 */
export interface InboxRooms {
  type: "rooms";
  rooms: Room[];
  /**
   * For `GET /rooms/list`.
   */
  nextCursor: string | null;
  unreadTotal: number;
  mentionsTotal: number;
  /**
   * All that have a text.
   */
  drafts: Draft[];
}
/**
 * What waits to be sent in a room or thread.
 *
 */
export interface Draft {
  roomId: string;
  threadId: string | null;
  text: string;
  rev: number;
}
/**
 * Whether somebody is here with whom the person has a direct room among their newest. Of each of them one before `synced`, and one when it changes.
 *
 */
export interface InboxPresence {
  type: "presence";
  userId: UserId;
  presence: "online" | "away" | "dnd" | "offline";
}
/**
 * All events after this one are live.
 *
 */
export interface InboxSynced {
  type: "synced";
  seq: Seq;
}
/**
 * Why an operation was refused; the same in frames and over REST.
 *
 */
export interface ErrorBody {
  code: ErrorCode;
  /**
   * For people who read logs.
   */
  message: string;
  /**
   * The same request can succeed later, unchanged.
   */
  retryable: boolean;
  retryAfterMs?: number;
  /**
   * The field that is wrong.
   */
  field?: string;
}
