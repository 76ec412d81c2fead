/**
 * What this person has done and the log doesn't hold yet: messages, edits, deletions and reactions on their way, and
 * what can become of one of them. Pure. Each keeps its `clientId` from the first try to the last, so it is once.
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
  /** When it was handed to the present connection; `null`: not yet, or that connection is gone. */
  sentAtMs: number | null;
  /** The server asked to wait until then. */
  notBeforeMs: number;
  /** How often it got no answer. */
  silences: number;
  error: ErrorBody | null;
  /** Confirmed, its own event still on the way: it stays until the log has reached this place. */
  acked: { messageId: string; seq: number; createdAt: string | undefined } | null;
}

/** No answer for this long: it is sent again, with the same id. */
export const ACK_TIMEOUT_MS = 15_000;
const SILENCES_MAX = 3;

export function newOutgoing<Kind extends Op>(clientId: string, op: Kind, nowMs: number): Outgoing<Kind> {
  const at = { createdAtMs: nowMs, sentAtMs: null, notBeforeMs: 0 };
  return { clientId, op, status: "sending", silences: 0, error: null, acked: null, ...at };
}

export function patchOutgoing(list: Outgoing[], clientId: string, patch: Partial<Outgoing>): Outgoing[] {
  return list.map((one) => (one.clientId === clientId ? { ...one, ...patch } : one));
}

export const isMessage = (one: Outgoing): one is Outgoing<MessageOp> => one.op.type === "message";
export const isPending = (one: Outgoing): boolean => one.status === "sending" && one.acked === null;

/** What must not overtake each other: all messages of a room; what is done to one message. */
function lane(op: Op): string {
  if (op.type === "message") return "message";
  return op.type === "reaction" ? `${op.messageId} ${op.emoji}` : op.messageId;
}

/** What may be handed over now: of each lane the first, and only once it is due. */
export function sendable(list: Outgoing[], nowMs: number): Outgoing[] {
  const busy = new Set<string>();
  return list.filter((one) => {
    if (!isPending(one) || busy.has(lane(one.op))) return false;
    busy.add(lane(one.op));
    return one.sentAtMs === null && one.notBeforeMs <= nowMs;
  });
}

export function asFrame({ op, clientId }: Outgoing): ClientFrame {
  if (op.type !== "message") return { ...op, clientId };
  const { content, attachments, threadId, replyToId, alsoToRoom } = op;
  return {
    ...{ type: "message", content, contentType: "text", clientId },
    ...(attachments.length > 0 && { attachments: attachments.map((one) => (one.id ? { id: one.id } : one)) }),
    ...(threadId !== null && { threadId }),
    ...(replyToId !== null && { replyToId }),
    ...(alsoToRoom && { alsoToRoom }),
  };
}

/** The list after an answer: kept until the log has its event; gone if it changed nothing or is in the log already. */
export function ackOutgoing(list: Outgoing[], ack: Ack, logSeq: number | null): Outgoing[] {
  const { messageId, seq, createdAt } = ack;
  if (ack.noop || messageId === undefined || seq === undefined || seq <= (logSeq ?? 0))
    return list.filter((one) => one.clientId !== ack.clientId);
  const acked = { messageId, seq, createdAt };
  const rebased = list.map((one) => rebase(one, messageId, ack.version));
  return patchOutgoing(rebased, ack.clientId, { acked, status: "sending", error: null });
}

/** An edit that waits behind another of mine is one of what that has made. */
function rebase(one: Outgoing, messageId: string, version: number | undefined): Outgoing {
  const { op } = one;
  const behind = op.type === "edit" && op.messageId === messageId && one.sentAtMs === null && isPending(one);
  if (!behind || version === undefined || version <= op.baseVersion) return one;
  return { ...one, op: { ...op, baseVersion: version } };
}

/** Without what the log has reached. The same list if there is none. */
export function settleOutgoing(list: Outgoing[], logSeq: number): Outgoing[] {
  const settled = (one: Outgoing) => one.acked !== null && one.acked.seq <= logSeq;
  return list.some(settled) ? list.filter((one) => !settled(one)) : list;
}

/**
 * The same id again, so that it is once whatever became of the first try; a new one if the id itself was refused, and
 * for an edit whose message has changed meanwhile: that is then another edit, of the message as it is now.
 */
export function retryOutgoing(
  list: Outgoing[],
  clientId: string,
  newId: string,
  nowMs: number,
  messages: Message[],
): Outgoing[] {
  const failed = list.find((one) => one.clientId === clientId && one.status === "failed");
  if (!failed) return list;
  const code = failed.error?.code;
  const { op } = failed;
  const next =
    op.type === "edit" && code === "version_conflict" ? { ...op, baseVersion: versionOf(op, messages) } : op;
  const id = code === "client_id_conflict" || next !== op ? newId : failed.clientId;
  return [...list.filter((one) => one !== failed), newOutgoing(id, next, nowMs)];
}

const versionOf = (op: EditOp, messages: Message[]): number =>
  messages.find((message) => message.id === op.messageId)?.version ?? op.baseVersion;

/** What got no answer in time is to be sent again; after the third time it has failed. The same list if there is none. */
export function timeOutOutgoing(list: Outgoing[], nowMs: number): Outgoing[] {
  const late = (one: Outgoing) =>
    isPending(one) && one.sentAtMs !== null && nowMs - one.sentAtMs >= ACK_TIMEOUT_MS;
  if (!list.some(late)) return list;
  const error = { code: "no_answer", message: "The server didn't confirm it.", retryable: true };
  return list.map((one): Outgoing => {
    if (!late(one)) return one;
    if (one.silences + 1 < SILENCES_MAX) return { ...one, sentAtMs: null, silences: one.silences + 1 };
    return { ...one, status: "failed", sentAtMs: null, error };
  });
}

/** The message as its sender knows it, until its own event brings the server's. */
export function asMessage(one: Outgoing<MessageOp>, me: string): Message {
  const { type: _, ...written } = one.op;
  return {
    ...written,
    id: one.acked?.messageId ?? `unsent:${one.clientId}`,
    seq: one.acked?.seq ?? 0,
    userId: me,
    clientId: one.clientId,
    createdAt: one.acked?.createdAt ?? new Date(one.createdAtMs).toISOString(),
    ...{ tenantId: "", roomId: "", contentType: "text", reactions: {}, mentions: [], mentionsRoom: false },
    ...{ version: 1, replyCount: 0, lastReplyAt: null, editedAt: null, deletedAt: null },
  };
}
