/**
 * Test doubles of the server side of a WebSocket and of browser signals, and builders of events with default fields.
 */
import type { Signals } from "@/lib/browser-signals";
import type { Ack, Hello, Message, ReactionAction, ServerEvent } from "@/lib/protocol";

export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (!socket) throw new Error("nothing has connected");
    return socket;
  }
  readyState = 0;
  sent: string[] = [];
  closedWith: number | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(code: number): void {
    this.readyState = 3;
    this.closedWith = code;
  }

  /** Delivers one frame with these events. */
  deliver(...events: ServerEvent[]): void {
    this.deliverText(JSON.stringify(events));
  }
  deliverText(data: unknown): void {
    this.readyState = 1;
    this.onmessage?.({ data });
  }
  closeFromServer(code: number, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  /** The frames of one type that the client sent. */
  sentFrames(type: string): Record<string, unknown>[] {
    return this.sent.map((text) => JSON.parse(text)).filter((frame) => frame.type === type);
  }
  get since(): string | null {
    return new URL(this.url).searchParams.get("since");
  }
}

export class FakeSignals implements Signals {
  online = true;
  listeners = new Set<(signal: "online" | "offline" | "visible") => void>();
  isOnline = () => this.online;
  isVisible = () => true;
  listen(listener: (signal: "online" | "offline" | "visible") => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  deliver(signal: "online" | "offline" | "visible"): void {
    if (signal !== "visible") this.online = signal === "online";
    for (const listener of this.listeners) listener(signal);
  }
}

const limits: Hello["limits"] = {
  messagesPerS: 5,
  messagesBurst: 10,
  reactionsPerS: 10,
  reactionsBurst: 20,
  typingPerS: 2,
  typingBurst: 4,
  framesPerS: 30,
  framesBurst: 60,
  socketsPerPerson: 10,
  waitingBytes: 1 << 20,
  turnBytes: 25_165_824,
  storageBytes: 10_000_000_000,
  frameBytes: 1 << 16,
  attachmentBytes: 100 << 20,
  attachmentsPerMessage: 10,
  unsentUploads: 30,
};
const notify = { level: "all", muteUntil: null } as const;

export const hello = (seq: number, more: Partial<Hello> = {}): Hello => ({
  type: "hello",
  connectionId: "c",
  roomId: "r",
  userId: "alice",
  role: "member",
  seq,
  epoch: "e1",
  heartbeatMs: 20_000,
  limits,
  me: { lastReadSeq: 0, notify, mute: null },
  readMarkers: {},
  people: {},
  ...more,
});

export const synced = (seq: number, hasMoreBefore = false): ServerEvent => ({
  type: "synced",
  seq,
  oldestSeq: null,
  hasMoreBefore,
});

export const message = (seq: number, userId = "bob", more: Partial<Message> = {}): Message => ({
  id: `m${seq}`,
  seq,
  tenantId: "t",
  roomId: "r",
  userId,
  content: `text ${seq}`,
  contentType: "text",
  attachments: [],
  reactions: {},
  reactionCounts: {},
  clientId: null,
  threadId: null,
  replyToId: null,
  alsoToRoom: false,
  mentions: [],
  mentionsRoom: false,
  version: 1,
  replyCount: 0,
  editedAt: null,
  editedBy: null,
  deletedAt: null,
  lastReplyAt: null,
  createdAt: "2026-11-23T12:00:00.000Z",
  ...more,
});

export const newMessage = (seq: number, userId?: string, more?: Partial<Message>): ServerEvent => ({
  type: "new_message",
  seq,
  message: message(seq, userId, more),
});

/** A token with the shape of a JWT, unsigned. */
export const token = (expS: number, sub = "alice"): string =>
  `h.${btoa(JSON.stringify({ sub, exp: expS })).replaceAll("=", "")}.s`;

/** The fields that a deletion changes. */
export const TOMBSTONE_FIELDS: Partial<Message> = {
  content: "",
  attachments: [],
  reactions: {},
  reactionCounts: {},
  mentions: [],
  mentionsRoom: false,
  editedBy: null,
  deletedAt: "2026-11-23T14:00:00.000Z",
};

export const ackEvent = (op: Ack["op"], clientId: string, seq: number, more: Partial<Ack> = {}): Ack => ({
  type: "ack",
  clientId,
  op,
  messageId: `m${seq}`,
  seq,
  version: 1,
  createdAt: "2026-11-23T12:00:00.000Z",
  ...more,
});

export const errorEvent = (clientId: string, code: string, more: object = {}): ServerEvent =>
  ({ type: "error", code, message: "no", retryable: false, clientId, ...more }) as ServerEvent;

export const reactionUpdate = (
  seq: number,
  messageId: string,
  [userId, emoji, action = "add"]: [string, string, ReactionAction?],
  count = 1,
): ServerEvent => ({
  type: "reaction_update",
  seq,
  messageId,
  count,
  delta: { userId, emoji, action },
});

export const typingEvent = (
  userId: string,
  isTyping = true,
  typingUsers = isTyping ? [userId] : [],
): ServerEvent => ({
  type: "typing",
  userId,
  isTyping,
  typingUsers,
  typingCount: typingUsers.length,
  expiresInMs: isTyping ? 6_000 : 0,
});
