/**
 * The room's reducer: a pure function from (state, action) to the next state. No clock, no socket, no React. What must
 * be *done* next (resume after a gap, reload after a resync, send what waits) is read off the state by room-client.ts.
 */
import type { ErrorEvent, Hello, LiveEvent, LogEvent, NotifySettings, Room, ServerEvent } from "./protocol";
import { applyEvent, insertMessage } from "./room-log";
import {
  ackOutgoing,
  dropSettled,
  newOutgoing,
  type Op,
  type Outgoing,
  patchOutgoing,
  retryOutgoing,
  timeOutUnanswered,
} from "./room-outgoing";
import { onLoaded, onLoading, onReloaded } from "./room-pages";
import type { Load, Page, Reload, RoomState } from "./room-state";
import { inRoom } from "./room-view";
import { type SavedRoom, withSaved } from "./saved-room";

export type Action =
  | { type: "events"; events: ServerEvent[]; nowMs: number }
  | { type: "closed" }
  | { type: "saved"; saved: SavedRoom }
  | { type: "tick"; nowMs: number }
  | { type: "perform"; clientId: string; op: Op; nowMs: number }
  | { type: "restored"; outgoing: Outgoing[] }
  | { type: "sent"; clientId: string; nowMs: number }
  | { type: "retry"; clientId: string; newClientId: string; nowMs: number }
  | { type: "discard"; clientId: string }
  | { type: "read"; seq: number }
  | { type: "unread"; seq: number }
  | { type: "set_unread_line"; seq: number | null }
  | { type: "opened"; seq: number | null }
  | { type: "details"; room: Room }
  | { type: "notify"; settings: NotifySettings }
  | { type: "pins"; messageIds: string[] }
  | { type: "dismiss" }
  | { type: "loading"; load: Load }
  | { type: "loaded"; load: Load; page: Page | null; nowMs: number }
  | { type: "leave_history_window" }
  | { type: "reloaded"; reload: Reload; nowMs: number };

const TYPING_MS = 6_000;
/** An operation that must wait longer than this (slow mode) is not retried: it fails, and the person sees why. */
const RETRY_WAIT_MAX_MS = 10_000;

export function roomReducer(state: RoomState, action: Action): RoomState {
  switch (action.type) {
    case "events":
      return removeSettled(action.events.reduce((next, event) => onEvent(next, event, action.nowMs), state));
    case "closed":
      return onClosed(state);
    case "saved":
      return withSaved(state, action.saved);
    case "tick":
      return onTick(state, action.nowMs);
    case "loading":
      return onLoading(state, action.load);
    case "loaded":
      return onLoaded(state, action.load, action.page, action.nowMs);
    case "reloaded":
      return removeSettled(
        onReloaded(state, action.reload, (after, event) => onLogEvent(after, event, action.nowMs)),
      );
    case "leave_history_window":
      return { ...state, historyWindow: null };
    case "details":
      return {
        ...state,
        details: action.room,
        sendBlocked: sendBlockedInRoom(state.sendBlocked, action.room),
      };
    case "notify":
      return { ...state, notify: action.settings };
    case "pins":
      // An event that came before the answer is the newer one, or another one follows.
      return state.pins === null && state.phase === "live" ? { ...state, pins: action.messageIds } : state;
    default:
      return onUserAction(state, action);
  }
}

/** The person's own actions. */
function onUserAction(state: RoomState, action: Action): RoomState {
  switch (action.type) {
    case "perform": {
      const item = newOutgoing(action.clientId, action.op, action.nowMs);
      const { op } = item;
      // Writing implies that the person has read the room, so the line is removed.
      const wrote = op.type === "message" ? { unreadLineSeq: null, keepUnread: false } : {};
      // What they write stands at the end, which a history window does not show.
      const atEnd = op.type === "message" && inRoom(op) ? { historyWindow: null } : {};
      return { ...state, ...wrote, ...atEnd, outgoing: [...state.outgoing, item], notice: null };
    }
    case "restored": {
      const known = new Set(state.outgoing.map((item) => item.clientId));
      const added = action.outgoing.filter(({ clientId }) => !known.has(clientId));
      return added.length === 0 ? state : { ...state, outgoing: [...added, ...state.outgoing] };
    }
    case "sent":
      return {
        ...state,
        outgoing: patchOutgoing(state.outgoing, action.clientId, { sentAtMs: action.nowMs }),
      };
    case "retry": {
      const { clientId, newClientId, nowMs } = action;
      return {
        ...state,
        outgoing: retryOutgoing(state.outgoing, clientId, newClientId, nowMs, state.messages),
      };
    }
    case "discard":
      return { ...state, outgoing: state.outgoing.filter((item) => item.clientId !== action.clientId) };
    case "read":
      return { ...state, lastReadSeq: Math.max(state.lastReadSeq, action.seq), keepUnread: false };
    case "unread": {
      const seq = Math.max(0, Math.min(state.lastReadSeq, action.seq - 1));
      return { ...state, lastReadSeq: seq, confirmedReadSeq: seq, unreadLineSeq: seq, keepUnread: true };
    }
    case "set_unread_line":
      return { ...state, unreadLineSeq: action.seq };
    case "opened":
      return { ...state, unreadLineSeq: action.seq, keepUnread: false };
    case "dismiss":
      return { ...state, notice: null };
    default:
      return state;
  }
}

/** Removes confirmed operations from `outgoing` once the log holds their events. */
function removeSettled(state: RoomState): RoomState {
  const outgoing = dropSettled(state.outgoing, state.seq ?? 0);
  return outgoing === state.outgoing ? state : { ...state, outgoing };
}

// ---- events ----

function onEvent(state: RoomState, event: ServerEvent, nowMs: number): RoomState {
  return "seq" in event && isLogEvent(event)
    ? onLogEvent(state, event, nowMs)
    : onLiveEvent(state, event as LiveEvent, nowMs);
}

/** Decides by exclusion: a durable event of a type that this client does not know still has a seq in the log. */
function isLogEvent(event: ServerEvent): event is LogEvent {
  return !["hello", "ack", "resync", "synced", "mute_updated", "read_receipt", "pong"].includes(event.type);
}

function onLogEvent(state: RoomState, event: LogEvent, nowMs: number): RoomState {
  switch (state.phase) {
    case "history": {
      if (event.type !== "new_message") return state;
      return { ...state, incoming: insertMessage(state.incoming, event.message) };
    }
    case "reload":
      // They are applied after the reload, where the page does not contain them.
      return { ...state, deferredEvents: [...state.deferredEvents, event] };
    case "replay":
    case "live": {
      const seq = state.seq ?? 0;
      if (event.seq <= seq) return state;
      if (event.seq !== seq + 1) return onGap(state);
      return { ...applyEvent(state, event, nowMs), seq: event.seq };
    }
    default:
      return state;
  }
}

/** A gap in live events is resumed. A gap in a replay would occur again, so history is reloaded instead. */
function onGap(state: RoomState): RoomState {
  return state.phase === "replay" ? startReload(state) : { ...state, phase: "gap" };
}

function startReload(state: RoomState): RoomState {
  return { ...state, phase: "reload", reloadFromSeq: state.oldestSeq, deferredEvents: [], loads: {} };
}

function onLiveEvent(state: RoomState, event: LiveEvent, nowMs: number): RoomState {
  switch (event.type) {
    case "hello":
      return onHello(state, event, nowMs);
    case "resync":
      return withEpoch({ ...startReload(state), pins: null }, event.epoch);
    case "synced":
      return onSynced(state, event.seq, event.hasMoreBefore);
    case "ack":
      return {
        ...state,
        sendBlocked: sendBlockedAfterAck(state, event.clientId, nowMs),
        outgoing: ackOutgoing(state.outgoing, event, state.seq),
      };
    case "error":
      return onError(state, event, nowMs);
    case "online_users":
      return { ...state, onlineUsers: event.users };
    case "user_joined":
      return { ...state, onlineUsers: [...new Set([...state.onlineUsers, event.userId])].sort() };
    case "user_left":
      return {
        ...state,
        onlineUsers: state.onlineUsers.filter((user) => user !== event.userId),
        typing: mapValues(state.typing, (there) => without(there, event.userId)),
      };
    case "typing": {
      const untilMs = nowMs + (event.expiresInMs || TYPING_MS);
      const where = event.threadId ?? "";
      const before = state.typing[where] ?? {};
      // A person who was already in the list keeps their expiry.
      const until = (user: string) => (user === event.userId ? untilMs : (before[user] ?? untilMs));
      const there = Object.fromEntries(event.typingUsers.map((user) => [user, until(user)]));
      const unnamed = Math.max(0, event.typingCount - event.typingUsers.length);
      return {
        ...state,
        typing: { ...state.typing, [where]: there },
        typingUnnamed: { ...state.typingUnnamed, [where]: unnamed },
      };
    }
    case "mute_updated":
      return { ...state, sendBlocked: sendBlockedByMute(state.sendBlocked, event.mute, nowMs) };
    case "read_receipt":
      return onReceipt(state, event.userId, event.seq);
    default:
      return state;
  }
}

function onReceipt(state: RoomState, userId: string, seq: number): RoomState {
  const readMarkers = { ...state.readMarkers, [userId]: Math.max(state.readMarkers[userId] ?? 0, seq) };
  if (userId !== state.me) return { ...state, readMarkers };
  // My own marker: another tab moved it forward or back.
  const isMovedBack = seq < state.confirmedReadSeq;
  const lastReadSeq = isMovedBack ? seq : Math.max(state.lastReadSeq, seq);
  const keepUnread = isMovedBack || (state.keepUnread && seq <= state.lastReadSeq);
  return { ...state, readMarkers, lastReadSeq, confirmedReadSeq: seq, keepUnread };
}

function onHello(state: RoomState, hello: Hello, nowMs: number): RoomState {
  const next: RoomState = {
    ...state,
    role: hello.role,
    readMarkers: hello.readMarkers ?? {},
    lastReadSeq: hello.me.lastReadSeq,
    confirmedReadSeq: hello.me.lastReadSeq,
    unreadLineSeq:
      state.seq === null && state.unreadLineSeq === null ? hello.me.lastReadSeq : state.unreadLineSeq,
    notify: hello.me.notify ?? state.notify,
    sendBlocked: sendBlockedByMute(state.sendBlocked, hello.me.mute, nowMs),
    typing: {},
    typingUnnamed: {},
  };
  if (state.seq !== null) return { ...next, phase: "replay" };
  return { ...withEpoch(next, hello.epoch), phase: "history", incoming: [], deferredEvents: [], loads: {} };
}

/** A new epoch invalidates confirmed seqs. The history of the new log shows whether those messages exist. */
function withEpoch(state: RoomState, epoch: string): RoomState {
  if (epoch === state.epoch) return state;
  const outgoing = state.outgoing.filter((item) => item.acked === null);
  return { ...state, epoch, outgoing, reloadFromSeq: Number.POSITIVE_INFINITY };
}

function onSynced(state: RoomState, seq: number, hasMore: boolean): RoomState {
  if (state.phase === "history") {
    const messages = state.incoming;
    const oldestSeq = messages[0]?.seq ?? seq + 1;
    const history = { messages, incoming: [], seq, oldestSeq, hasMore };
    // Without unread messages there is no line; otherwise the next live message would appear below one.
    const line = state.unreadLineSeq ?? seq;
    const hasNew = messages.some(({ seq, userId }) => seq > line && userId !== state.me);
    const unreadLineSeq = hasNew ? line : null;
    return { ...state, ...history, unreadLineSeq, historyWindow: null, threads: {}, phase: "live" };
  }
  if (state.phase !== "replay") return state;
  return seq > (state.seq ?? 0) ? onGap(state) : { ...state, phase: "live" };
}

/** Lifts a slow-mode block when slow mode was switched off. */
const sendBlockedInRoom = (sendBlocked: RoomState["sendBlocked"], room: Room): RoomState["sendBlocked"] =>
  sendBlocked?.code === "slow_mode" && room.slowModeS === 0 ? null : sendBlocked;

/** A mute that was lifted is one that ends now, which the screen says for a while. */
function sendBlockedByMute(
  sendBlocked: RoomState["sendBlocked"],
  mute: Hello["me"]["mute"],
  nowMs: number,
): RoomState["sendBlocked"] {
  if (mute) {
    const untilMs = mute.until === null ? Number.POSITIVE_INFINITY : Date.parse(mute.until);
    return { code: "muted", untilMs };
  }
  const wasMuted = sendBlocked?.code === "muted" && sendBlocked.untilMs > nowMs;
  return wasMuted ? { code: "muted", untilMs: nowMs } : sendBlocked;
}

/** An accepted message proves that I may write; in slow mode it also starts the next wait. */
function sendBlockedAfterAck(
  state: RoomState,
  clientId: string | undefined,
  nowMs: number,
): RoomState["sendBlocked"] {
  const isMessage = state.outgoing.some((item) => item.clientId === clientId && item.op.type === "message");
  if (!isMessage) return state.sendBlocked;
  const slowMs = state.role === "member" ? (state.details?.slowModeS ?? 0) * 1_000 : 0;
  return slowMs > 0 ? { code: "slow_mode", untilMs: nowMs + slowMs } : null;
}

function onError(state: RoomState, event: ErrorEvent, nowMs: number): RoomState {
  const { code, retryAfterMs = Number.POSITIVE_INFINITY } = event;
  const sendBlocked =
    code === "muted" || code === "slow_mode" ? { code, untilMs: nowMs + retryAfterMs } : state.sendBlocked;
  return onRefusal({ ...state, sendBlocked }, event, nowMs);
}

function onRefusal(state: RoomState, event: ErrorEvent, nowMs: number): RoomState {
  const { type: _, clientId, ref, ...error } = event;
  const mine = clientId === undefined ? undefined : state.outgoing.find((item) => item.clientId === clientId);
  const waits = event.retryable && (event.retryAfterMs ?? RETRY_WAIT_MAX_MS + 1) <= RETRY_WAIT_MAX_MS;
  if (mine && event.retryAfterMs !== undefined && waits) {
    const patch = { sentAtMs: null, notBeforeMs: nowMs + event.retryAfterMs };
    return { ...state, outgoing: patchOutgoing(state.outgoing, mine.clientId, patch) };
  }
  if (mine && mine.op.type !== "reaction") {
    const patch = { status: "failed", sentAtMs: null, error } as const;
    return { ...state, outgoing: patchOutgoing(state.outgoing, mine.clientId, patch) };
  }
  const outgoing = mine ? state.outgoing.filter((item) => item !== mine) : state.outgoing;
  // A refused typing or read frame needs no message to the person.
  const notice = ref === "typing" || ref === "read" || ref === "ping" ? state.notice : error;
  return { ...state, outgoing, notice };
}

// ---- local events ----

function onClosed(state: RoomState): RoomState {
  const isComplete = state.seq !== null && state.phase !== "reload";
  return {
    ...state,
    phase: isComplete ? "away" : "start",
    // An interrupted reload starts over with the newest history.
    seq: isComplete ? state.seq : null,
    incoming: [],
    typing: {},
    typingUnnamed: {},
    outgoing: state.outgoing.map((item) => (item.sentAtMs === null ? item : { ...item, sentAtMs: null })),
  };
}

function onTick(state: RoomState, nowMs: number): RoomState {
  const typing = mapValues(state.typing, (there) =>
    Object.fromEntries(Object.entries(there).filter(([, untilMs]) => untilMs > nowMs)),
  );
  const timedOut = timeOutUnanswered(state.outgoing, nowMs);
  // A reaction without an answer is dropped with a notice; it does not deserve a retry dialog.
  const lost = timedOut.find((item) => item.status === "failed" && item.op.type === "reaction");
  const outgoing = lost ? timedOut.filter((item) => item !== lost) : timedOut;
  return { ...state, typing, outgoing, notice: lost?.error ?? state.notice };
}

// ---- small parts ----

function without(record: Record<string, number>, key: string): Record<string, number> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}

function mapValues<T>(record: Record<string, T>, how: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, how(value)]));
}
