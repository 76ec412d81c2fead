/**
 * What a room looks like to one person: a pure function from (state, what happened) to state.
 * No clock, no socket, no React. What must be *done* (resume after a gap, reload after a resync, send what waits) is
 * read off the state by room-client.ts.
 *
 * The order is the server's `seq`. `messages` is the log as far as it is known, and nothing else: what this person has
 * done and the log doesn't hold yet stands in `outgoing`, and room-view.ts lays it over.
 */

import type {
  ErrorBody,
  ErrorEvent,
  Hello,
  LiveEvent,
  LogEvent,
  Message,
  NotifySettings,
  Role,
  Room,
  ServerEvent,
} from "./protocol";
import { applyEvent, insertMessage } from "./room-log";
import {
  ackOutgoing,
  newOutgoing,
  type Op,
  type Outgoing,
  patchOutgoing,
  retryOutgoing,
  settleOutgoing,
  timeOutOutgoing,
} from "./room-outgoing";
import { type Load, onLoaded, onLoading, onReloaded, type Page, type Reload } from "./room-pages";

/**
 * `start` nothing known · `history` the newest messages are coming in · `replay` what was missed is coming in ·
 * `live` whole and current · `gap` something is missing: resume · `reload` the log can't be resumed: fetch history ·
 * `away` whole up to `seq`, not connected.
 */
export type Phase = "start" | "history" | "replay" | "live" | "gap" | "reload" | "away";

/** A stretch of older messages that one jumped into; between it and the newest ones some aren't known. */
export interface Window {
  fromSeq: number;
  toSeq: number;
  hasBefore: boolean;
  hasAfter: boolean;
}

/** How much of a thread is known: its replies from `fromSeq` on. */
export interface ThreadPart {
  fromSeq: number;
  hasBefore: boolean;
  failed: boolean;
}

export interface RoomState {
  me: string;
  role: Role | null;
  phase: Phase;
  /** Everything up to here is in. `null`: nothing yet, so there is nowhere to resume from. */
  seq: number | null;
  epoch: string;
  /** Ascending by seq, each id once. From `oldestSeq` to `seq` without a hole; others belong to `window` or `threads`. */
  messages: Message[];
  oldestSeq: number;
  /** Whether there is more before `oldestSeq`. */
  hasMore: boolean;
  /** How far back a reload goes, so that what one reads stays. `Infinity`: only the newest. */
  keepFromSeq: number;
  window: Window | null;
  threads: Record<string, ThreadPart>;
  /** The newest history as it comes in; it replaces `messages` when it is whole, so that nothing flashes. */
  incoming: Message[];
  /** Pages under way, with the place the log had reached when they were asked for. */
  loads: Record<string, { load: Load; askedAt: number }>;
  /** Changes to messages that may be on a page that is under way. */
  waitingEvents: LogEvent[];
  outgoing: Outgoing[];
  onlineUsers: string[];
  /** Who types where (a thread's root, or "" for the room), and until when (ms). */
  typing: Record<string, Record<string, number>>;
  readMarkers: Record<string, number>;
  lastReadSeq: number;
  /** What the server last said of my marker: less than that is somebody setting it back (another tab of mine). */
  confirmedReadSeq: number;
  /** I set the marker back on purpose: looking at the room doesn't move it on. */
  heldUnread: boolean;
  /** What had been read when the room was opened: the "new messages" line comes after it. `null`: all of it. */
  openedAtSeq: number | null;
  notify: NotifySettings | null;
  /** The room and its first members, when they were asked for. */
  details: Room | null;
  /** Goes up when the room or its members changed, so that what shows them asks again. */
  roomChanges: number;
  /** Why I can't write just now, and until when (ms; `Infinity`: not known), as far as the server has said. */
  held: { code: "muted" | "slow_mode"; untilMs: number } | null;
  /** The last refusal that belongs to no message. */
  notice: ErrorBody | null;
}

export type Action =
  | { type: "events"; events: ServerEvent[]; nowMs: number }
  | { type: "closed" }
  | { type: "tick"; nowMs: number }
  | { type: "do"; clientId: string; op: Op; nowMs: number }
  | { type: "restored"; outgoing: Outgoing[] }
  | { type: "sent"; clientId: string; nowMs: number }
  | { type: "retry"; clientId: string; newClientId: string; nowMs: number }
  | { type: "discard"; clientId: string }
  | { type: "read"; seq: number }
  | { type: "unread"; seq: number }
  | { type: "seen_line"; seq: number | null }
  | { type: "details"; room: Room }
  | { type: "notify"; settings: NotifySettings }
  | { type: "dismiss" }
  | { type: "loading"; load: Load }
  | { type: "loaded"; load: Load; page: Page | null; nowMs: number }
  | { type: "leave_window" }
  | { type: "reloaded"; reload: Reload; nowMs: number };

/** How many messages come without `since`; the server's own default, and a page's. */
export const PAGE_COUNT = 50;
const TYPING_MS = 6_000;
/** Told to wait longer than this (slow mode), a person hears of it instead. */
const WAIT_MAX_MS = 10_000;

export function emptyRoom(me: string): RoomState {
  return {
    ...{ me, role: null, phase: "start", seq: null, epoch: "", messages: [], oldestSeq: 0, hasMore: false },
    ...{
      keepFromSeq: Number.POSITIVE_INFINITY,
      window: null,
      threads: {},
      incoming: [],
      loads: {},
      waitingEvents: [],
      outgoing: [],
    },
    ...{ onlineUsers: [], typing: {}, readMarkers: {}, lastReadSeq: 0, confirmedReadSeq: 0 },
    ...{ heldUnread: false, openedAtSeq: null, notify: null, details: null, roomChanges: 0 },
    ...{ held: null, notice: null },
  };
}

export function roomReducer(state: RoomState, action: Action): RoomState {
  switch (action.type) {
    case "events":
      return settle(action.events.reduce((next, event) => onEvent(next, event, action.nowMs), state));
    case "closed":
      return onClosed(state);
    case "tick":
      return onTick(state, action.nowMs);
    case "loading":
      return onLoading(state, action.load);
    case "loaded":
      return onLoaded(state, action.load, action.page, action.nowMs);
    case "reloaded":
      return settle(
        onReloaded(state, action.reload, (after, event) => onLogEvent(after, event, action.nowMs)),
      );
    case "leave_window":
      return { ...state, window: null };
    case "details":
      return { ...state, details: action.room, held: stillHeld(state.held, action.room) };
    case "notify":
      return { ...state, notify: action.settings };
    default:
      return onPerson(state, action);
  }
}

/** What the person does. */
function onPerson(state: RoomState, action: Action): RoomState {
  switch (action.type) {
    case "do": {
      const one = newOutgoing(action.clientId, action.op, action.nowMs);
      // Who writes has seen what is there: the line has done its work.
      const wrote = one.op.type === "message" ? { openedAtSeq: null, heldUnread: false } : {};
      return { ...state, ...wrote, outgoing: [...state.outgoing, one], notice: null };
    }
    case "restored": {
      const known = new Set(state.outgoing.map((one) => one.clientId));
      const added = action.outgoing.filter((one) => !known.has(one.clientId));
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
      return { ...state, outgoing: state.outgoing.filter((one) => one.clientId !== action.clientId) };
    case "read":
      return { ...state, lastReadSeq: Math.max(state.lastReadSeq, action.seq), heldUnread: false };
    case "unread": {
      const seq = Math.max(0, Math.min(state.lastReadSeq, action.seq - 1));
      return { ...state, lastReadSeq: seq, confirmedReadSeq: seq, openedAtSeq: seq, heldUnread: true };
    }
    case "seen_line":
      return { ...state, openedAtSeq: action.seq };
    case "dismiss":
      return { ...state, notice: null };
    default:
      return state;
  }
}

/** What is confirmed leaves `outgoing` once the log holds it. */
function settle(state: RoomState): RoomState {
  const outgoing = settleOutgoing(state.outgoing, state.seq ?? 0);
  return outgoing === state.outgoing ? state : { ...state, outgoing };
}

// ---- events ----

function onEvent(state: RoomState, event: ServerEvent, nowMs: number): RoomState {
  return "seq" in event && isLogEvent(event)
    ? onLogEvent(state, event, nowMs)
    : onLiveEvent(state, event as LiveEvent, nowMs);
}

/** By what it isn't: a kind of durable event that this page doesn't know still has its place in the order. */
function isLogEvent(event: ServerEvent): event is LogEvent {
  return !["hello", "ack", "resync", "synced", "read_receipt", "pong"].includes(event.type);
}

function onLogEvent(state: RoomState, event: LogEvent, nowMs: number): RoomState {
  switch (state.phase) {
    case "history": {
      if (event.type !== "new_message") return state;
      return { ...state, incoming: insertMessage(state.incoming, event.message) };
    }
    case "reload":
      // After the page, those that it doesn't hold yet are applied.
      return { ...state, waitingEvents: [...state.waitingEvents, event] };
    case "replay":
    case "live": {
      const seq = state.seq ?? 0;
      if (event.seq <= seq) return state;
      if (event.seq !== seq + 1) return missing(state);
      return { ...applyEvent(state, event, nowMs), seq: event.seq };
    }
    default:
      return state;
  }
}

/** Live, a hole is resumed from. A replay with a hole would have it again the next time, so history is loaded instead. */
function missing(state: RoomState): RoomState {
  return state.phase === "replay" ? reload(state) : { ...state, phase: "gap" };
}

function reload(state: RoomState): RoomState {
  return { ...state, phase: "reload", keepFromSeq: state.oldestSeq, waitingEvents: [], loads: {} };
}

function onLiveEvent(state: RoomState, event: LiveEvent, nowMs: number): RoomState {
  switch (event.type) {
    case "hello":
      return onHello(state, event);
    case "resync":
      return ofEpoch(reload(state), event.epoch);
    case "synced":
      return onSynced(state, event.seq);
    case "ack":
      return {
        ...state,
        held: heldAfter(state, event.clientId, nowMs),
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
      // Somebody who is merely still in the list keeps the end that was set for them.
      const until = (user: string) => (user === event.userId ? untilMs : (before[user] ?? untilMs));
      const there = Object.fromEntries(event.typingUsers.map((user) => [user, until(user)]));
      return { ...state, typing: { ...state.typing, [where]: there } };
    }
    case "read_receipt":
      return onReceipt(state, event.userId, event.seq);
    default:
      return state;
  }
}

function onReceipt(state: RoomState, userId: string, seq: number): RoomState {
  const readMarkers = { ...state.readMarkers, [userId]: Math.max(state.readMarkers[userId] ?? 0, seq) };
  if (userId !== state.me) return { ...state, readMarkers };
  // Mine, moved by another tab; or set back there.
  const back = seq < state.confirmedReadSeq;
  const lastReadSeq = back ? seq : Math.max(state.lastReadSeq, seq);
  const heldUnread = back || (state.heldUnread && seq <= state.lastReadSeq);
  return { ...state, readMarkers, lastReadSeq, confirmedReadSeq: seq, heldUnread };
}

function onHello(state: RoomState, hello: Hello): RoomState {
  const next: RoomState = {
    ...state,
    role: hello.role,
    readMarkers: hello.readMarkers ?? {},
    lastReadSeq: hello.me.lastReadSeq,
    confirmedReadSeq: hello.me.lastReadSeq,
    openedAtSeq: state.seq === null && state.openedAtSeq === null ? hello.me.lastReadSeq : state.openedAtSeq,
    notify: hello.me.notify ?? state.notify,
    // Whoever was muted may not be any more.
    held: state.held?.code === "muted" ? null : state.held,
    typing: {},
  };
  if (state.seq !== null) return { ...next, phase: "replay" };
  return { ...ofEpoch(next, hello.epoch), phase: "history", incoming: [], waitingEvents: [], loads: {} };
}

/** In another log the places that were confirmed mean nothing; what became of those messages its history tells. */
function ofEpoch(state: RoomState, epoch: string): RoomState {
  if (epoch === state.epoch) return state;
  const outgoing = state.outgoing.filter((one) => one.acked === null);
  return { ...state, epoch, outgoing, keepFromSeq: Number.POSITIVE_INFINITY };
}

function onSynced(state: RoomState, seq: number): RoomState {
  if (state.phase === "history") {
    const messages = state.incoming;
    const oldestSeq = messages[0]?.seq ?? seq + 1;
    const whole = { messages, incoming: [], seq, oldestSeq, hasMore: messages.length >= PAGE_COUNT };
    // What is read to its end has no line, or the next message would come in beneath one.
    const line = state.openedAtSeq ?? seq;
    const hasNew = messages.some((one) => one.seq > line && one.userId !== state.me);
    const openedAtSeq = hasNew ? line : null;
    return { ...state, ...whole, openedAtSeq, window: null, threads: {}, phase: "live" };
  }
  if (state.phase !== "replay") return state;
  return seq > (state.seq ?? 0) ? missing(state) : { ...state, phase: "live" };
}

/** Slow mode that has ended holds nobody back. */
const stillHeld = (held: RoomState["held"], room: Room): RoomState["held"] =>
  held?.code === "slow_mode" && room.slowModeS === 0 ? null : held;

/** What was taken shows that I may write; in slow mode not again at once. */
function heldAfter(state: RoomState, clientId: string | undefined, nowMs: number): RoomState["held"] {
  const isMessage = state.outgoing.some((one) => one.clientId === clientId && one.op.type === "message");
  if (!isMessage) return state.held;
  const slowMs = state.role === "member" ? (state.details?.slowModeS ?? 0) * 1_000 : 0;
  return slowMs > 0 ? { code: "slow_mode", untilMs: nowMs + slowMs } : null;
}

function onError(state: RoomState, event: ErrorEvent, nowMs: number): RoomState {
  const { code, retryAfterMs = Number.POSITIVE_INFINITY } = event;
  const held =
    code === "muted" || code === "slow_mode" ? { code, untilMs: nowMs + retryAfterMs } : state.held;
  return onRefusal({ ...state, held }, event, nowMs);
}

function onRefusal(state: RoomState, event: ErrorEvent, nowMs: number): RoomState {
  const { type: _, clientId, ref, ...error } = event;
  const mine = clientId === undefined ? undefined : state.outgoing.find((one) => one.clientId === clientId);
  const waits = event.retryable && (event.retryAfterMs ?? WAIT_MAX_MS + 1) <= WAIT_MAX_MS;
  if (mine && event.retryAfterMs !== undefined && waits) {
    const patch = { sentAtMs: null, notBeforeMs: nowMs + event.retryAfterMs };
    return { ...state, outgoing: patchOutgoing(state.outgoing, mine.clientId, patch) };
  }
  if (mine && mine.op.type !== "reaction") {
    const patch = { status: "failed", sentAtMs: null, error } as const;
    return { ...state, outgoing: patchOutgoing(state.outgoing, mine.clientId, patch) };
  }
  const outgoing = mine ? state.outgoing.filter((one) => one !== mine) : state.outgoing;
  // Too much typing or reading is nothing that a person must hear of.
  const notice = ref === "typing" || ref === "read" || ref === "ping" ? state.notice : error;
  return { ...state, outgoing, notice };
}

// ---- what happens on this side ----

function onClosed(state: RoomState): RoomState {
  const whole = state.seq !== null && state.phase !== "reload";
  return {
    ...state,
    phase: whole ? "away" : "start",
    // A reload that was cut off begins anew, with the newest history.
    seq: whole ? state.seq : null,
    incoming: [],
    typing: {},
    outgoing: state.outgoing.map((one) => (one.sentAtMs === null ? one : { ...one, sentAtMs: null })),
  };
}

function onTick(state: RoomState, nowMs: number): RoomState {
  const typing = mapValues(state.typing, (there) =>
    Object.fromEntries(Object.entries(there).filter(([, untilMs]) => untilMs > nowMs)),
  );
  const timedOut = timeOutOutgoing(state.outgoing, nowMs);
  // A reaction that failed is simply not there; it isn't worth a row that asks what to do about it.
  const lost = timedOut.find((one) => one.status === "failed" && one.op.type === "reaction");
  const outgoing = lost ? timedOut.filter((one) => one !== lost) : timedOut;
  return { ...state, typing, outgoing, notice: lost?.error ?? state.notice };
}

// ---- small parts ----

function without(record: Record<string, number>, key: string): Record<string, number> {
  return Object.fromEntries(Object.entries(record).filter(([one]) => one !== key));
}

function mapValues<T>(record: Record<string, T>, how: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, how(value)]));
}
