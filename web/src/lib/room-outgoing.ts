/** Own messages that the log doesn't hold yet: a list, and what can happen to one of them. Pure. */
import type { ErrorBody, Message } from "./protocol";

export interface Outgoing {
  clientId: string;
  content: string;
  createdAtMs: number;
  status: "sending" | "failed";
  /** When it was handed to the present connection; `null`: not yet, or that connection is gone. */
  sentAtMs: number | null;
  /** The server asked to wait until then. */
  notBeforeMs: number;
  /** How often it got no answer. */
  silences: number;
  error: ErrorBody | null;
}

/** No answer to a message for this long: it is sent again, with the same id. */
export const ACK_TIMEOUT_MS = 15_000;
const SILENCES_MAX = 3;

export function newOutgoing(clientId: string, content: string, nowMs: number): Outgoing {
  const at = { createdAtMs: nowMs, sentAtMs: null, notBeforeMs: 0 };
  return { clientId, content, status: "sending", silences: 0, error: null, ...at };
}

export function patchOutgoing(list: Outgoing[], clientId: string, patch: Partial<Outgoing>): Outgoing[] {
  return list.map((one) => (one.clientId === clientId ? { ...one, ...patch } : one));
}

/** The same id again, so that it is once whatever became of the first try; a new one only if the id itself was refused. */
export function retryOutgoing(list: Outgoing[], clientId: string, newId: string, nowMs: number): Outgoing[] {
  const failed = list.find((one) => one.clientId === clientId && one.status === "failed");
  if (!failed) return list;
  const id = failed.error?.code === "client_id_conflict" ? newId : failed.clientId;
  return [...list.filter((one) => one !== failed), newOutgoing(id, failed.content, nowMs)];
}

/** What got no answer in time is to be sent again; after the third time it has failed. The same list if there is none. */
export function timeOutOutgoing(list: Outgoing[], nowMs: number): Outgoing[] {
  const late = (one: Outgoing) =>
    one.status === "sending" && one.sentAtMs !== null && nowMs - one.sentAtMs >= ACK_TIMEOUT_MS;
  if (!list.some(late)) return list;
  const error = { code: "no_answer", message: "The server didn't confirm it.", retryable: true };
  return list.map((one): Outgoing => {
    if (!late(one)) return one;
    if (one.silences + 1 < SILENCES_MAX) return { ...one, sentAtMs: null, silences: one.silences + 1 };
    return { ...one, status: "failed", sentAtMs: null, error };
  });
}

/** The message as its sender knows it, until its own event brings the server's. */
export function asMessage(one: Outgoing, me: string, id: string, seq: number, createdAt?: string): Message {
  return {
    ...{ id, seq, userId: me, content: one.content, clientId: one.clientId },
    createdAt: createdAt ?? new Date(one.createdAtMs).toISOString(),
    ...{ tenantId: "", roomId: "", contentType: "text", attachments: [], reactions: {} },
    ...{ threadId: null, replyToId: null, alsoToRoom: false, mentions: [], mentionsRoom: false },
    ...{ version: 1, replyCount: 0, lastReplyAt: null, editedAt: null, deletedAt: null },
  };
}
