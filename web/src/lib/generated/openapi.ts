/** Generated from src/schema/openapi.json by `npm run generate -w web`. */
import type {
  Attachment,
  AttachmentRef,
  ErrorBody,
  Message,
  NotifySettings,
  ReactionCounts,
  Reactions,
  Role,
  Seq,
  Time,
  UserId,
} from "./protocol";

export type ReportState = "open" | "dismissed" | "deleted" | "muted" | "banned";
export type OutboxState = "idle" | "draining" | "retrying" | "halted";

export interface Operations {
  connect: {
    query: {
      roomId: string;
      /**
       * Must equal the token's `sub`.
       */
      userId?: UserId;
      /**
       * Replay the events after this one; requires `epoch`.
       */
      since?: Seq;
      epoch?: string;
      /**
       * The number of messages to send first, clamped to 0–100.
       */
      history?: number;
      /**
       * From `POST /api/chat/ws-ticket`.
       */
      ticket?: string;
    };
  };
  connectInbox: {
    query: {
      /**
       * Must equal the token's `sub`.
       */
      userId?: UserId;
      /**
       * Replay the events after this one; requires `epoch`.
       */
      since?: Seq;
      epoch?: string;
      /**
       * From `POST /api/chat/ws-ticket`.
       */
      ticket?: string;
    };
  };
  health: {
    query: {
      /**
       * `1` also queries Postgres, at most once in 10 s; anything else is ignored.
       */
      deep?: string;
    };
    answer: Health;
  };
  openapi: {
    answer: {};
  };
  protocol: {
    answer: {};
  };
  createTicket: {
    answer: {
      ticket: string;
      expiresInMs: number;
    };
  };
  createRoom: {
    body: NewRoom;
    answer: {
      room: Room;
      created: boolean;
    };
  };
  listRooms: {
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      rooms: Room[];
      nextCursor: string | null;
    };
  };
  getRoom: {
    path: {
      room: string;
    };
    answer: {
      room: Room;
    };
  };
  changeRoom: {
    path: {
      room: string;
    };
    body: RoomChange;
    answer: {
      room: Room;
    };
  };
  deleteRoom: {
    path: {
      room: string;
    };
    answer: {
      roomId: string;
    };
  };
  listMembers: {
    path: {
      room: string;
    };
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      members: Member[];
      nextCursor: string | null;
    };
  };
  addMembers: {
    path: {
      room: string;
    };
    body: {
      /**
       * @minItems 1
       * @maxItems 500
       */
      userIds: UserId[];
    };
    answer: {
      members: Member[];
    };
  };
  changeMember: {
    path: {
      room: string;
      user: UserId;
    };
    body: {
      role: Role;
    };
    answer: {
      member: Member;
    };
  };
  removeMember: {
    path: {
      room: string;
      user: UserId;
    };
    answer: {
      userId: UserId;
    };
  };
  leaveRoom: {
    path: {
      room: string;
    };
    answer: {
      roomId: string;
    };
  };
  listMessages: {
    path: {
      room: string;
    };
    query: {
      /**
       * At most one of `before`, `after`, `around`, `at`.
       */
      before?: Seq;
      after?: Seq;
      around?: Seq;
      /**
       * The page around the first message at or after this time.
       */
      at?: Time;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
      /**
       * Only messages of this thread.
       */
      threadId?: string;
    };
    answer: MessagePage;
  };
  sendMessage: {
    path: {
      room: string;
    };
    body: MessageDraft;
    answer: {
      message: Message;
      duplicate: boolean;
    };
  };
  editMessage: {
    path: {
      room: string;
      message: string;
    };
    body: {
      content: string;
      baseVersion?: number | null;
      clientId?: string | null;
    };
    answer: {
      message: Message;
    };
  };
  deleteMessage: {
    path: {
      room: string;
      message: string;
    };
    answer: {
      messageId: string;
      seq: Seq;
    };
  };
  listVersions: {
    path: {
      room: string;
      message: string;
    };
    query: {
      /**
       * Only versions below this one.
       */
      before?: Seq;
    };
    answer: {
      versions: MessageVersion[];
      hasMoreBefore: boolean;
    };
  };
  listPins: {
    path: {
      room: string;
    };
    answer: {
      /**
       * @maxItems 50
       */
      messages: Message[];
      hasMore: boolean;
    };
  };
  pinMessage: {
    path: {
      room: string;
      message: string;
    };
    answer: {
      /**
       * @maxItems 50
       */
      messages: Message[];
      hasMore: boolean;
    };
  };
  unpinMessage: {
    path: {
      room: string;
      message: string;
    };
    answer: {
      /**
       * @maxItems 50
       */
      messages: Message[];
      hasMore: boolean;
    };
  };
  listReaders: {
    path: {
      room: string;
      message: string;
    };
    answer: {
      /**
       * @maxItems 100
       */
      userIds: UserId[];
      count: number;
    };
  };
  listReactors: {
    path: {
      room: string;
      message: string;
      emoji: string;
    };
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      userIds: UserId[];
      nextCursor: string | null;
    };
  };
  addReaction: {
    path: {
      room: string;
      message: string;
      emoji: string;
    };
    answer: {
      messageId: string;
      reactions: Reactions;
      reactionCounts: ReactionCounts;
    };
  };
  removeReaction: {
    path: {
      room: string;
      message: string;
      emoji: string;
    };
    answer: {
      messageId: string;
      reactions: Reactions;
      reactionCounts: ReactionCounts;
    };
  };
  reportMessage: {
    path: {
      room: string;
      message: string;
    };
    body: {
      reason: string;
    };
    answer: {
      messageId: string;
    };
  };
  getThread: {
    path: {
      room: string;
      /**
       * The thread's first message.
       */
      root: string;
    };
    query: {
      before?: Seq;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: ThreadPage;
  };
  markThreadRead: {
    path: {
      room: string;
      /**
       * The thread's first message.
       */
      root: string;
    };
    body: {
      seq: Seq;
    };
    answer: Marker;
  };
  listThreads: {
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      /**
       * @maxItems 100
       */
      threads: FollowedThread[];
      nextCursor: string | null;
    };
  };
  markRead: {
    path: {
      room: string;
    };
    body: {
      seq: Seq;
    };
    answer: Marker;
  };
  markUnread: {
    path: {
      room: string;
    };
    body: {
      seq: Seq;
    };
    answer: Marker;
  };
  listUnread: {
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
    };
    answer: {
      /**
       * @maxItems 50
       */
      rooms: RoomUnread[];
      nextCursor: string | null;
    };
  };
  listMentions: {
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      messages: Message[];
      nextCursor: string | null;
    };
  };
  getNotificationSettings: {
    path: {
      room: string;
    };
    answer: NotifySettings;
  };
  setNotificationSettings: {
    path: {
      room: string;
    };
    body: {
      level: "all" | "mentions" | "none";
      muteUntil?: Time | null;
    };
    answer: NotifySettings;
  };
  getPushKey: {
    answer: {
      /**
       * A point of P-256, base64url.
       */
      publicKey: string;
    };
  };
  listPushSubscriptions: {
    answer: {
      subscriptions: PushSubscription[];
    };
  };
  subscribeToPush: {
    body: {
      /**
       * An https URL of at most 2,048 bytes, at a public address.
       */
      endpoint: string;
      keys: {
        /**
         * 65 bytes, base64url.
         */
        p256dh: string;
        /**
         * 16 bytes, base64url.
         */
        auth: string;
      };
      /**
       * How the person recognizes it.
       */
      device?: string | null;
    };
    answer: {
      id: string;
    };
  };
  unsubscribeFromPush: {
    path: {
      subscription: string;
    };
    answer: {};
  };
  uploadAttachment: {
    path: {
      room: string;
    };
    answer: {
      attachment: Attachment;
    };
  };
  signDownload: {
    path: {
      room: string;
      attachment: string;
    };
    answer: {
      /**
       * A path on the same host, with its query.
       */
      url: string;
      expiresAt: Time;
    };
  };
  getAttachment: {
    path: {
      attachment: string;
    };
  };
  headAttachment: {
    path: {
      attachment: string;
    };
  };
  listPeople: {
    query: {
      q?: string;
      /**
       * At most 100, separated by commas. A comma within an id is percent-encoded once more.
       */
      ids?: string;
      roomId?: string;
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      /**
       * @maxItems 100
       */
      people: Person[];
      nextCursor: string | null;
    };
  };
  getOwnProfile: {
    answer: {
      person: Person;
      quietHours: QuietHours | null;
      /**
       * What the person has set; `person.presence` is what others see.
       */
      presence: "auto" | "dnd";
    };
  };
  updateOwnProfile: {
    body: {
      status?: StatusChange | null;
      timezone?: string | null;
      quietHours?: QuietHours | null;
      presence?: "auto" | "dnd" | null;
    };
    answer: {
      person: Person;
      quietHours: QuietHours | null;
      /**
       * What the person has set; `person.presence` is what others see.
       */
      presence: "auto" | "dnd";
    };
  };
  putPeople: {
    body: {
      /**
       * @minItems 1
       * @maxItems 500
       */
      people: {
        userId: UserId;
        /**
         * Null gives the name back to the person's token.
         */
        name?: string | null;
        /**
         * https. Null gives the avatar back to the person's token.
         */
        avatarUrl?: string | null;
        title?: string | null;
        /**
         * True closes the person's sockets before the answer and refuses their tokens from then on; 503 with `retryAfterMs`: not all rooms know it yet; the same request goes on.
         */
        deactivated?: boolean | null;
      }[];
    };
    answer: {
      /**
       * @maxItems 500
       */
      people: Person[];
    };
  };
  getPerson: {
    path: {
      user: UserId;
    };
    answer: {
      person: Person;
    };
  };
  putPerson: {
    path: {
      user: UserId;
    };
    body: {
      /**
       * Null gives the name back to the person's token.
       */
      name?: string | null;
      /**
       * https. Null gives the avatar back to the person's token.
       */
      avatarUrl?: string | null;
      title?: string | null;
      /**
       * True closes the person's sockets before the answer and refuses their tokens from then on; 503 with `retryAfterMs`: not all rooms know it yet; the same request goes on.
       */
      deactivated?: boolean | null;
    };
    answer: {
      person: Person;
    };
  };
  signOutPerson: {
    path: {
      user: UserId;
    };
    answer: {
      userId: UserId;
    };
  };
  blockPerson: {
    path: {
      user: UserId;
    };
    answer: {
      userId: UserId;
    };
  };
  unblockPerson: {
    path: {
      user: UserId;
    };
    answer: {
      userId: UserId;
    };
  };
  listBlocks: {
    answer: {
      people: Person[];
    };
  };
  listOwnReports: {
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      reports: OwnReport[];
      nextCursor: string | null;
    };
  };
  listSaved: {
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      messages: Message[];
      nextCursor: string | null;
    };
  };
  saveMessage: {
    path: {
      room: string;
      message: string;
    };
    answer: {
      roomId: string;
      messageId: string;
      saved: boolean;
    };
  };
  unsaveMessage: {
    path: {
      room: string;
      message: string;
    };
    answer: {
      roomId: string;
      messageId: string;
      saved: boolean;
    };
  };
  searchMessages: {
    query: {
      /**
       * Words, "phrases", and `from: in: has: before: after:`.
       */
      q: string;
      roomId?: string;
      /**
       * Only messages of this person, or of `me`.
       */
      from?: string;
      /**
       * A day or a time in UTC.
       */
      before?: string;
      /**
       * A day or a time in UTC.
       */
      after?: string;
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      hits: SearchHit[];
      nextCursor: string | null;
    };
  };
  muteMember: {
    path: {
      room: string;
      user: UserId;
    };
    body: {
      until?: Time | null;
    };
    answer: {
      userId: UserId;
      until: Time | null;
    };
  };
  unmuteMember: {
    path: {
      room: string;
      user: UserId;
    };
    answer: {
      userId: UserId;
    };
  };
  banUser: {
    path: {
      room: string;
      user: UserId;
    };
    body: {
      until?: Time | null;
      reason?: string | null;
    };
    answer: {
      userId: UserId;
      until: Time | null;
      reason: string | null;
    };
  };
  unbanUser: {
    path: {
      room: string;
      user: UserId;
    };
    answer: {
      userId: UserId;
    };
  };
  setSlowMode: {
    path: {
      room: string;
    };
    body: {
      seconds: number;
    };
    answer: {
      seconds: number;
    };
  };
  listAudit: {
    path: {
      room: string;
    };
    query: {
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      entries: AuditEntry[];
      nextCursor: string | null;
    };
  };
  getOutbox: {
    path: {
      room: string;
    };
    answer: Outbox;
  };
  retryOutbox: {
    path: {
      room: string;
    };
    answer: Outbox;
  };
  discardRow: {
    path: {
      room: string;
    };
    body: {
      seq: Seq;
    };
    answer: Outbox;
  };
  listReports: {
    query: {
      /**
       * Only reports in this state.
       */
      state?: "open" | "dismissed" | "deleted" | "muted" | "banned";
      /**
       * `nextCursor` of the previous page; an empty one is none, and any other text is refused.
       */
      cursor?: string;
      /**
       * Clamped to 1–100.
       */
      limit?: number;
    };
    answer: {
      reports: Report[];
      nextCursor: string | null;
    };
  };
  resolveReport: {
    path: {
      /**
       * The report's id.
       */
      report: string;
    };
    body: {
      action: "dismiss" | "delete" | "mute" | "ban";
      note?: string | null;
    };
    answer: {
      report: Report;
    };
  };
  listOutboxes: {
    answer: {
      rooms: RoomInTrouble[];
    };
  };
}
export interface Health {
  status: "ok" | "degraded";
  postgres?: "ok" | "down";
  latencyMs?: number;
  /**
   * Whether the deployment has a bucket.
   */
  files?: "ok" | "off";
  /**
   * `misconfigured`: NOTIFY_WEBHOOK_URL is set, and the queue or the secret is missing.
   */
  notifications?: "ok" | "off" | "misconfigured";
}
export interface NewRoom {
  type: "direct" | "group";
  /**
   * Only groups have a name.
   */
  name?: string | null;
  /**
   * The same again returns the group that it created. Two people have one direct room anyway.
   */
  clientId?: string | null;
  /**
   * May contain the caller; a direct room has exactly two people.
   *
   * @maxItems 500
   */
  participantIds: UserId[];
}
/**
 * A room as the caller sees it.
 *
 */
export interface Room {
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
  participantIds: UserId[];
  /**
   * The first 50 by id.
   */
  members: Member[];
  memberCount: number;
  lastMessageAt: Time | null;
  lastMessage: MessagePreview | null;
  lastSeq: Seq;
  /**
   * At most 100.
   */
  unread: number;
  mentions: number;
  me: {
    /**
     * The effective role.
     */
    role: Role;
    lastReadSeq: Seq;
    notify: NotifySettings;
  };
}
export interface Member {
  userId: UserId;
  /**
   * Who has no name has their id as name.
   */
  name: string;
  avatarUrl: string | null;
  role: Role;
  joinedAt: Time;
  /**
   * Only in the list of members, only for moderators, and only of muted members. A mute without end lasts until the year 9999.
   */
  mutedUntil?: Time;
}
/**
 * The beginning of a room's newest message.
 *
 */
export interface MessagePreview {
  id: string;
  seq: Seq;
  userId: UserId;
  /**
   * At most 200 characters.
   */
  content: string;
  contentType: "text";
  createdAt: Time;
}
export interface RoomChange {
  /**
   * Empty or null: no name.
   */
  name?: string | null;
  /**
   * Empty or null: no topic.
   */
  topic?: string | null;
  archived?: boolean | null;
  historyVisibility?: "all" | "since_join" | null;
  roomMention?: "all" | "admins" | null;
}
export interface MessagePage {
  /**
   * Ascending by `seq`.
   */
  messages: Message[];
  hasMoreBefore: boolean;
  hasMoreAfter: boolean;
  lastSeq: Seq;
  epoch: string;
}
/**
 * A message to be sent. Mentions are parsed from the content: `<@userId>`, `@room`. `tenantId` is ignored.
 *
 */
export interface MessageDraft {
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
export interface MessageVersion {
  version: number;
  content: string;
  editedBy: UserId | null;
  editedAt: Time | null;
}
export interface ThreadPage {
  root: Message;
  /**
   * Ascending by `seq`.
   */
  replies: Message[];
  hasMoreBefore: boolean;
}
/**
 * The caller's read marker.
 *
 */
export interface Marker {
  lastReadSeq: Seq;
}
export interface FollowedThread {
  roomId: string;
  root: Message;
  replyCount: number;
  lastReplyAt: Time | null;
  /**
   * The marker of the thread; without one, that of the room.
   */
  lastReadSeq: Seq;
  /**
   * Replies of others behind the marker.
   */
  unread: number;
}
export interface RoomUnread {
  roomId: string;
  /**
   * At most 100.
   */
  unread: number;
  mentions: number;
  lastSeq: Seq;
  lastReadSeq: Seq;
}
export interface PushSubscription {
  id: string;
  /**
   * Host of the push service.
   */
  service: string;
  device: string | null;
  createdAt: string;
  seenAt: string;
}
/**
 * A person as everybody of their tenant sees them.
 *
 */
export interface Person {
  userId: UserId;
  /**
   * Who has no name has their id as name.
   */
  name: string;
  avatarUrl: string | null;
  title: string | null;
  status: Status | null;
  /**
   * A name of the IANA time zone database.
   */
  timezone: string | null;
  /**
   * `offline`: no inbox of theirs is open.
   */
  presence: "online" | "away" | "dnd" | "offline";
  /**
   * Whether they were ever here themselves; an import alone does not make it so.
   */
  hasCome: boolean;
  deactivated: boolean;
}
export interface Status {
  text: string;
  emoji: string | null;
  until: Time | null;
}
/**
 * Times of day, `HH:MM`, in the person's time zone.
 *
 */
export interface QuietHours {
  from: string;
  to: string;
}
/**
 * A text or an emoji, or both; if they are empty, the status is cleared.
 *
 */
export interface StatusChange {
  text?: string | null;
  /**
   * At most 64 bytes.
   */
  emoji?: string | null;
  until?: string | null;
}
/**
 * A report as its reporter sees it. `resolvedAt` is null while it is open.
 *
 */
export interface OwnReport {
  id: string;
  at: Time;
  roomId: string;
  messageId: string;
  reason: string;
  state: ReportState;
  resolvedAt: string | null;
}
export interface SearchHit {
  message: Message;
  roomName: string | null;
  senderName: string;
}
export interface AuditEntry {
  at: Time;
  actor: UserId;
  action:
    | "mute"
    | "unmute"
    | "ban"
    | "unban"
    | "slow_mode"
    | "edit"
    | "delete"
    | "report"
    | "role"
    | "add"
    | "remove"
    | "settings";
  target: string | null;
  reason?: string | null;
}
/**
 * A room's way to Postgres.
 *
 */
export interface Outbox {
  head: Seq;
  projected: Seq;
  lag: number;
  oldestMs: number;
  state: OutboxState;
  /**
   * The quarantined rows.
   */
  setAside: {
    seq: Seq;
    reason: string;
  }[];
}
export interface Report {
  id: string;
  at: Time;
  roomId: string;
  messageId: string;
  /**
   * A person's id, or `system`: a rule flagged the message.
   */
  reporter: string;
  author: string;
  /**
   * The message's text when it was reported.
   */
  text: string;
  reason: string;
  state: ReportState;
  resolvedBy?: string;
  resolvedAt?: Time;
  note?: string;
}
export interface RoomInTrouble {
  roomId: string;
  lag: number;
  oldestMs: number;
  state: OutboxState;
  /**
   * The number of quarantined rows.
   */
  setAside: number;
  /**
   * How full the room's storage is, from 80 % on. From 95 % on new content is refused.
   */
  storagePercent: number | null;
}
export interface Refusal {
  error: ErrorBody;
}
