/**
 * What a screen shows of a room's state: the visible stretch of the log, then own unconfirmed messages, with own
 * unconfirmed edits, deletions and reactions applied. Also who is typing and how much is unread.
 */
import type { ErrorBody, Message } from "./protocol";
import { tombstone, withReaction } from "./room-log";
import { isMessage, type Outgoing, toMessage } from "./room-outgoing";
import type { RoomState } from "./room-state";

export type MessageStatus = "sending" | "sent" | "failed";

export interface ChatMessage extends Message {
  /** Stays the same when the message is confirmed, so that a list keeps its row. */
  key: string;
  status: MessageStatus;
  error: ErrorBody | null;
  /** An unconfirmed edit or deletion of it. */
  change: { type: "edit" | "delete"; clientId: string; failed: boolean; error: ErrorBody | null } | null;
}

type Part = Pick<
  RoomState,
  "me" | "messages" | "outgoing" | "seq" | "oldestSeq" | "historyWindow" | "threads" | "phase"
>;

/** Whether the message is shown in the room. A thread's reply is not, unless it was also sent to the room. */
export const inRoom = (message: { threadId: string | null; alsoToRoom: boolean }): boolean =>
  message.threadId === null || message.alsoToRoom;

/** Memoized views of item room's state: equal input gives the same array, so that components render only on change. */
export class RoomView {
  private readonly rows = new WeakMap<Message, ChatMessage>();
  private readonly last = new Map<string, { of: Part; view: ChatMessage[] }>();

  /** The newest messages of the room, or the history window. */
  room(state: Part): ChatMessage[] {
    return this.memoize("", state, () => {
      const { historyWindow, oldestSeq, seq } = state;
      const from = historyWindow?.fromSeq ?? oldestSeq;
      const to = historyWindow?.toSeq ?? seq ?? Number.POSITIVE_INFINITY;
      const known = between(state.messages, from, to).filter(inRoom);
      const unsent = state.outgoing.filter(isMessage).filter((item) => inRoom(item.op));
      return this.build(state, known, historyWindow?.hasAfter ? [] : unsent);
    });
  }

  thread(state: Part, rootId: string): ChatMessage[] {
    return this.memoize(rootId, state, () => {
      const from = Math.min(state.threads[rootId]?.fromSeq ?? Number.POSITIVE_INFINITY, state.oldestSeq);
      const known = between(state.messages, from, state.seq ?? Number.POSITIVE_INFINITY).filter(
        (message) => message.threadId === rootId,
      );
      const unsent = state.outgoing.filter(isMessage).filter((item) => item.op.threadId === rootId);
      return this.build(state, known, unsent);
    });
  }

  /** One loaded message: for example a thread's root, or the message that a reply quotes. */
  message(state: Part, id: string): ChatMessage | undefined {
    const message = state.messages.find((known) => known.id === id);
    return message && this.row(state, message);
  }

  private memoize(which: string, of: Part, build: () => ChatMessage[]): ChatMessage[] {
    const last = this.last.get(which);
    const same =
      last &&
      last.of.messages === of.messages &&
      last.of.outgoing === of.outgoing &&
      last.of.historyWindow === of.historyWindow &&
      last.of.threads === of.threads &&
      last.of.oldestSeq === of.oldestSeq;
    if (same) return last.view;
    const view = build();
    this.last.set(which, { of, view });
    return view;
  }

  private build(
    state: Part,
    known: Message[],
    outgoing: Outgoing<Extract<Outgoing["op"], { type: "message" }>>[],
  ) {
    const confirmed = outgoing.filter((item) => item.acked !== null);
    confirmed.sort((a, b) => (a.acked?.seq ?? 0) - (b.acked?.seq ?? 0));
    const waiting = outgoing.filter((item) => item.acked === null);
    return [
      ...known.map((message) => this.row(state, message)),
      ...[...confirmed, ...waiting].map((item): ChatMessage => {
        const status = item.acked ? "sent" : item.status;
        return { ...toMessage(item, state.me), key: item.clientId, status, error: item.error, change: null };
      }),
    ];
  }

  private row(state: Part, message: Message): ChatMessage {
    const changes = state.outgoing.filter(
      (item) => "messageId" in item.op && item.op.messageId === message.id,
    );
    const known = changes.length === 0 ? this.rows.get(message) : undefined;
    if (known) return known;
    const key = message.userId === state.me && message.clientId ? message.clientId : message.id;
    const plain: ChatMessage = { ...message, key, status: "sent", error: null, change: null };
    if (changes.length === 0) this.rows.set(message, plain);
    return changes.reduce((row, item) => applyPending(row, item, state.me), plain);
  }
}

/** Applies item of my operations to the row. A failed item leaves the content and reports its error. */
function applyPending(
  row: ChatMessage,
  { op, clientId, status, error, acked }: Outgoing,
  me: string,
): ChatMessage {
  if (op.type === "reaction") return { ...row, ...withReaction(row, me, op) };
  if (op.type === "message") return row;
  const failed = status === "failed";
  const change = acked ? null : { type: op.type, clientId, failed, error };
  if (failed) return { ...row, change };
  if (op.type === "delete") return { ...row, ...tombstone(row, 0), change };
  return { ...row, content: op.content, editedAt: row.editedAt ?? row.createdAt, change };
}

function between(messages: Message[], fromSeq: number, toSeq: number): Message[] {
  return messages.slice(firstAt(messages, fromSeq), firstAt(messages, toSeq + 1));
}

/** Index of the first message with at least this seq. */
function firstAt(messages: Message[], seq: number): number {
  let [low, high] = [0, messages.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((messages[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

const NOBODY: string[] = [];

/** Who else is typing in the room (or thread), in the order in which they appeared. */
export function typingUsers(state: Pick<RoomState, "typing" | "me">, threadId = ""): string[] {
  const users = Object.keys(state.typing[threadId] ?? {}).filter((user) => user !== state.me);
  return users.length === 0 ? NOBODY : users;
}

/** How many people are typing there besides those whom `typingUsers` names. */
export function typingUnnamed(
  state: Pick<RoomState, "typing" | "typingUnnamed" | "me">,
  threadId = "",
): number {
  return typingUsers(state, threadId).length === 0 ? 0 : (state.typingUnnamed[threadId] ?? 0);
}

/** Counts stop here, as the server's do. */
export const UNREAD_MAX = 100;

/**
 * How many loaded messages of others follow my read marker; `isWhole` says whether all of them are loaded. Replies in a
 * thread count if I follow it, that is if I started it, wrote in it or was mentioned in it.
 */
export function unreadOf(
  state: Pick<RoomState, "me" | "messages" | "lastReadSeq" | "oldestSeq" | "hasMore" | "seq">,
): { unread: number; mentions: number; isWhole: boolean } {
  const from = Math.max(state.lastReadSeq + 1, state.oldestSeq);
  const unreadMessages = between(state.messages, from, state.seq ?? Number.POSITIVE_INFINITY).filter(
    (message) => message.userId !== state.me && message.deletedAt === null,
  );
  const counts = unreadMessages.filter(
    (message) => inRoom(message) || isFollowingThread(state, message.threadId ?? ""),
  );
  const mentions = unreadMessages.filter(
    (message) => message.mentions.includes(state.me) || message.mentionsRoom,
  ).length;
  const isWhole = !state.hasMore || state.oldestSeq <= state.lastReadSeq + 1;
  return { unread: Math.min(UNREAD_MAX, counts.length), mentions, isWhole };
}

function isFollowingThread(state: Pick<RoomState, "me" | "messages">, rootId: string): boolean {
  return state.messages.some((message) => {
    const inThread = message.id === rootId || message.threadId === rootId;
    return inThread && (message.userId === state.me || message.mentions.includes(state.me));
  });
}
