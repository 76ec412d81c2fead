/**
 * Operations of this person that the log does not hold yet: messages, edits, deletions and reactions, with their life
 * cycle (sending, acked, failed, retried). Pure functions over a list. An operation keeps its `clientId` over all
 * attempts, so the server applies it once.
 */
import type { Ack, Attachment, ClientFrame, ErrorBody, Message, ReactionAction } from "./protocol";

export interface MessageOp {
  type: "message";
  content: string;
  attachments: Attachment[];
  threadId: string | null;
  replyToId: string | null;
  alsoToRoom: boolean;
}
export type EditOp = { type: "edit"; messageId: string; content: string; baseVersion: number };
export type DeleteOp = { type: "delete"; messageId: string };
export type ReactionOp = { type: "reaction"; messageId: string; emoji: string; action: ReactionAction };
export type Op = MessageOp | EditOp | DeleteOp | ReactionOp;

export interface Outgoing<Kind extends Op = Op> {
  clientId: string;
  op: Kind;
  createdAtMs: number;
  status: "sending" | "failed";
  /** When it was sent on the current connection; `null`: not sent on it. */
  sentAtMs: number | null;
  /** Not to be sent before this time, because the server refused it until then. 0: no limit. */
  notBeforeMs: number;
  /** How many attempts got no answer. */
  unanswered: number;
  error: ErrorBody | null;
  /** The server's confirmation. The operation stays in the list until the log reaches `seq`. */
  acked: { messageId: string; seq: number; createdAt: string | undefined } | null;
}

/** Without an answer within this time the operation is sent again, with the same id. */
export const ACK_TIMEOUT_MS = 15_000;
const UNANSWERED_MAX = 3;

export function newOutgoing<Kind extends Op>(clientId: string, op: Kind, nowMs: number): Outgoing<Kind> {
  const at = { createdAtMs: nowMs, sentAtMs: null, notBeforeMs: 0 };
  return { clientId, op, status: "sending", unanswered: 0, error: null, acked: null, ...at };
}

export function patchOutgoing(list: Outgoing[], clientId: string, patch: Partial<Outgoing>): Outgoing[] {
  return list.map((item) => (item.clientId === clientId ? { ...item, ...patch } : item));
}

export const isMessage = (item: Outgoing): item is Outgoing<MessageOp> => item.op.type === "message";
export const isPending = (item: Outgoing): boolean => item.status === "sending" && item.acked === null;

/** Operations in one lane keep their order: all messages of a room form a lane, and all changes of one message. */
function lane(op: Op): string {
  if (op.type === "message") return "message";
  return op.type === "reaction" ? `${op.messageId} ${op.emoji}` : op.messageId;
}

/** What may be sent now: the first of each lane, once its wait is over. */
export function sendable(list: Outgoing[], nowMs: number): Outgoing[] {
  const busy = new Set<string>();
  return list.filter((item) => {
    if (!isPending(item) || busy.has(lane(item.op))) return false;
    busy.add(lane(item.op));
    return item.sentAtMs === null && item.notBeforeMs <= nowMs;
  });
}

export function toFrame({ op, clientId }: Outgoing): ClientFrame {
  if (op.type !== "message") return { ...op, clientId };
  const { content, attachments, threadId, replyToId, alsoToRoom } = op;
  return {
    type: "message",
    content,
    contentType: "text",
    clientId,
    ...(attachments.length > 0 && {
      attachments: attachments.map((item) => (item.id ? { id: item.id } : item)),
    }),
    ...(threadId !== null && { threadId }),
    ...(replyToId !== null && { replyToId }),
    ...(alsoToRoom && { alsoToRoom }),
  };
}

/** The list after an ack. The operation leaves it if it changed nothing or the log already holds its event. */
export function ackOutgoing(list: Outgoing[], ack: Ack, logSeq: number | null): Outgoing[] {
  const { messageId, seq, createdAt } = ack;
  if (ack.noop || messageId === undefined || seq === undefined || seq <= (logSeq ?? 0))
    return list.filter((item) => item.clientId !== ack.clientId);
  const acked = { messageId, seq, createdAt };
  const rebased = list.map((item) => rebase(item, messageId, ack.version));
  return patchOutgoing(rebased, ack.clientId, { acked, status: "sending", error: null });
}

/** An edit that waits behind another edit of mine now builds on the version that one created. */
function rebase(item: Outgoing, messageId: string, version: number | undefined): Outgoing {
  const { op } = item;
  const behind =
    op.type === "edit" && op.messageId === messageId && item.sentAtMs === null && isPending(item);
  if (!behind || version === undefined || version <= op.baseVersion) return item;
  return { ...item, op: { ...op, baseVersion: version } };
}

/** Removes operations whose event the log holds. Returns the same list if there are none. */
export function dropSettled(list: Outgoing[], logSeq: number): Outgoing[] {
  const settled = (item: Outgoing) => item.acked !== null && item.acked.seq <= logSeq;
  return list.some(settled) ? list.filter((item) => !settled(item)) : list;
}

/**
 * A failed operation is sent again under the same id, so that it is applied once even if the first attempt arrived. It
 * gets a new id if the id itself was refused, or if it is an edit whose message has changed: that is a different edit.
 */
export function retryOutgoing(
  list: Outgoing[],
  clientId: string,
  newId: string,
  nowMs: number,
  messages: Message[],
): Outgoing[] {
  const failed = list.find((item) => item.clientId === clientId && item.status === "failed");
  if (!failed) return list;
  const code = failed.error?.code;
  const { op } = failed;
  const next =
    op.type === "edit" && code === "version_conflict" ? { ...op, baseVersion: versionOf(op, messages) } : op;
  const id = code === "client_id_conflict" || next !== op ? newId : failed.clientId;
  return [...list.filter((item) => item !== failed), newOutgoing(id, next, nowMs)];
}

const versionOf = (op: EditOp, messages: Message[]): number =>
  messages.find((message) => message.id === op.messageId)?.version ?? op.baseVersion;

/**
 * Operations without an answer in time are sent again; the third time they fail. Returns the same list if there are
 * none.
 */
export function timeOutUnanswered(list: Outgoing[], nowMs: number): Outgoing[] {
  const late = (item: Outgoing) =>
    isPending(item) && item.sentAtMs !== null && nowMs - item.sentAtMs >= ACK_TIMEOUT_MS;
  if (!list.some(late)) return list;
  const error = { code: "no_answer", message: "The server did not confirm the operation.", retryable: true };
  return list.map((item): Outgoing => {
    if (!late(item)) return item;
    if (item.unanswered + 1 < UNANSWERED_MAX)
      return { ...item, sentAtMs: null, unanswered: item.unanswered + 1 };
    return { ...item, status: "failed", sentAtMs: null, error };
  });
}

/** The message as its sender sees it until the server's event arrives. */
export function toMessage(item: Outgoing<MessageOp>, me: string): Message {
  const { type: _, ...written } = item.op;
  return {
    ...written,
    id: item.acked?.messageId ?? `unsent:${item.clientId}`,
    seq: item.acked?.seq ?? 0,
    userId: me,
    clientId: item.clientId,
    createdAt: item.acked?.createdAt ?? new Date(item.createdAtMs).toISOString(),
    tenantId: "",
    roomId: "",
    contentType: "text",
    reactions: {},
    reactionCounts: {},
    mentions: [],
    mentionsRoom: false,
    version: 1,
    replyCount: 0,
    lastReplyAt: null,
    editedAt: null,
    editedBy: null,
    deletedAt: null,
  };
}
