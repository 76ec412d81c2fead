/**
 * What a screen shows of a room's state: the stretch of the log that one looks at, own unconfirmed messages at its
 * end, own edits, deletions and reactions as if they had happened.
 */
import type { ErrorBody, Message } from "./protocol";
import { tombstone, withReaction } from "./room-log";
import { asMessage, isMessage, type Outgoing } from "./room-outgoing";
import type { RoomState } from "./room-state";

export type MessageStatus = "sending" | "sent" | "failed";

export interface ChatMessage extends Message {
  /** The same before and after the ack, so that a list doesn't build its row anew. */
  key: string;
  status: MessageStatus;
  error: ErrorBody | null;
  /** An edit or deletion of it that isn't confirmed. */
  change: { type: "edit" | "delete"; clientId: string; failed: boolean; error: ErrorBody | null } | null;
}

type Part = Pick<
  RoomState,
  "me" | "messages" | "outgoing" | "seq" | "oldestSeq" | "window" | "threads" | "phase"
>;

/** What stands in the room itself: a thread's replies belong to its panel, unless they were sent to the room too. */
export const inRoom = (message: { threadId: string | null; alsoToRoom: boolean }): boolean =>
  message.threadId === null || message.alsoToRoom;

/** Views over one room's states. Each gives the same array for the same parts, so that a screen draws only on change. */
export class RoomView {
  private readonly rows = new WeakMap<Message, ChatMessage>();
  private readonly last = new Map<string, { of: Part; view: ChatMessage[] }>();

  /** The room, or the stretch of it that one jumped to. */
  room(state: Part): ChatMessage[] {
    return this.remember("", state, () => {
      const { window, oldestSeq, seq } = state;
      const from = window?.fromSeq ?? oldestSeq;
      const to = window?.toSeq ?? seq ?? Number.POSITIVE_INFINITY;
      const known = between(state.messages, from, to).filter(inRoom);
      const unsent = state.outgoing.filter(isMessage).filter((one) => inRoom(one.op));
      return this.build(state, known, window?.hasAfter ? [] : unsent);
    });
  }

  thread(state: Part, rootId: string): ChatMessage[] {
    return this.remember(rootId, state, () => {
      const from = Math.min(state.threads[rootId]?.fromSeq ?? Number.POSITIVE_INFINITY, state.oldestSeq);
      const known = between(state.messages, from, state.seq ?? Number.POSITIVE_INFINITY).filter(
        (message) => message.threadId === rootId,
      );
      const unsent = state.outgoing.filter(isMessage).filter((one) => one.op.threadId === rootId);
      return this.build(state, known, unsent);
    });
  }

  /** One message, if it is known: a thread's root, what a reply answers. */
  one(state: Part, id: string): ChatMessage | undefined {
    const message = state.messages.find((one) => one.id === id);
    return message && this.row(state, message);
  }

  private remember(which: string, of: Part, build: () => ChatMessage[]): ChatMessage[] {
    const last = this.last.get(which);
    const same =
      last &&
      last.of.messages === of.messages &&
      last.of.outgoing === of.outgoing &&
      last.of.window === of.window &&
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
    const confirmed = outgoing.filter((one) => one.acked !== null);
    confirmed.sort((a, b) => (a.acked?.seq ?? 0) - (b.acked?.seq ?? 0));
    const waiting = outgoing.filter((one) => one.acked === null);
    return [
      ...known.map((message) => this.row(state, message)),
      ...[...confirmed, ...waiting].map((one): ChatMessage => {
        const status = one.acked ? "sent" : one.status;
        return { ...asMessage(one, state.me), key: one.clientId, status, error: one.error, change: null };
      }),
    ];
  }

  private row(state: Part, message: Message): ChatMessage {
    const changes = state.outgoing.filter((one) => "messageId" in one.op && one.op.messageId === message.id);
    const known = changes.length === 0 ? this.rows.get(message) : undefined;
    if (known) return known;
    const key = message.userId === state.me && message.clientId ? message.clientId : message.id;
    const plain: ChatMessage = { ...message, key, status: "sent", error: null, change: null };
    if (changes.length === 0) this.rows.set(message, plain);
    return changes.reduce((row, one) => lay(row, one, state.me), plain);
  }
}

/** The row with one change of mine as if it had happened; a refused one shows what is, and says what was refused. */
function lay(row: ChatMessage, { op, clientId, status, error, acked }: Outgoing, me: string): ChatMessage {
  if (op.type === "reaction") return { ...row, reactions: withReaction(row.reactions, me, op) };
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

/** Where the first with this seq or a later one stands. */
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

/** Who else types there, in the order they began to be listed. */
export function typingUsers(state: Pick<RoomState, "typing" | "me">, threadId = ""): string[] {
  const users = Object.keys(state.typing[threadId] ?? {}).filter((user) => user !== state.me);
  return users.length === 0 ? NOBODY : users;
}

/** Up to here it is counted; the server does the same. */
export const UNREAD_MAX = 100;

/**
 * What others have written since the marker, as far as it is loaded, and whether that is all of it. A thread's replies
 * count for those who follow it: who began it, wrote in it or was mentioned.
 */
export function unreadOf(
  state: Pick<RoomState, "me" | "messages" | "lastReadSeq" | "oldestSeq" | "hasMore" | "seq">,
): { unread: number; mentions: number; isWhole: boolean } {
  const from = Math.max(state.lastReadSeq + 1, state.oldestSeq);
  const fresh = between(state.messages, from, state.seq ?? Number.POSITIVE_INFINITY).filter(
    (message) => message.userId !== state.me && message.deletedAt === null,
  );
  const counts = fresh.filter((message) => inRoom(message) || follows(state, message.threadId ?? ""));
  const mentions = fresh.filter((one) => one.mentions.includes(state.me) || one.mentionsRoom).length;
  const isWhole = !state.hasMore || state.oldestSeq <= state.lastReadSeq + 1;
  return { unread: Math.min(UNREAD_MAX, counts.length), mentions, isWhole };
}

function follows(state: Pick<RoomState, "me" | "messages">, rootId: string): boolean {
  return state.messages.some((message) => {
    const inThread = message.id === rootId || message.threadId === rootId;
    return inThread && (message.userId === state.me || message.mentions.includes(state.me));
  });
}
