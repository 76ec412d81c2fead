/**
 * What a room looks like to one person: a pure function from (state, what happened) to state.
 * No clock, no socket, no React. What must be *done* (resume after a gap, reload after a resync, send what waits) is
 * read off the state by room-client.ts.
 *
 * The order is the server's `seq`. Own messages that have none yet wait in `outgoing` and are shown after the rest.
 */

import type {
  Ack,
  ErrorBody,
  ErrorEvent,
  Hello,
  LiveEvent,
  LogEvent,
  Message,
  MessagePage,
  ReactionAction,
  Role,
  ServerEvent,
} from "./protocol";
import { applyEvent, bakeReaction, insertMessage } from "./room-log";
import {
  asMessage,
  newOutgoing,
  type Outgoing,
  patchOutgoing,
  retryOutgoing,
  timeOutOutgoing,
} from "./room-outgoing";

/**
 * `start` nothing known · `history` the newest messages are coming in · `replay` what was missed is coming in ·
 * `live` whole and current · `gap` something is missing: resume · `reload` the log can't be resumed: fetch history ·
 * `away` whole up to `seq`, not connected.
 */
export type Phase = "start" | "history" | "replay" | "live" | "gap" | "reload" | "away";

export interface PendingReaction {
  clientId: string;
  messageId: string;
  emoji: string;
  action: ReactionAction;
  sent: boolean;
}

export interface RoomState {
  me: string;
  role: Role | null;
  phase: Phase;
  /** Everything up to here is in. `null`: nothing yet, so there is nowhere to resume from. */
  seq: number | null;
  epoch: string;
  /** Ascending by seq, each id once. */
  messages: Message[];
  /** Whether there is more before the first of `messages`, and from where: messages from `oldestSeq` on are all in. */
  hasMore: boolean;
  oldestSeq: number;
  /** An older page is under way; changes to messages that aren't in yet are kept until it is there. */
  loadingOlder: boolean;
  waitingEvents: LogEvent[];
  outgoing: Outgoing[];
  reactions: PendingReaction[];
  onlineUsers: string[];
  /** Who types, and until when (ms). */
  typing: Record<string, number>;
  readMarkers: Record<string, number>;
  lastReadSeq: number;
  /** What had been read when the room was opened: the "new messages" line comes after it. */
  openedAtSeq: number | null;
  /** Goes up when the room or its members changed, so that what shows them asks again. */
  roomChanges: number;
  /** The last refusal that belongs to no message. */
  notice: ErrorBody | null;
}

export type Action =
  | { type: "events"; events: ServerEvent[]; nowMs: number }
  | { type: "closed" }
  | { type: "tick"; nowMs: number }
  | { type: "send"; clientId: string; content: string; nowMs: number }
  | { type: "sent"; clientId: string; nowMs: number }
  | { type: "retry"; clientId: string; newClientId: string; nowMs: number }
  | { type: "discard"; clientId: string }
  | { type: "react"; clientId: string; messageId: string; emoji: string; action: ReactionAction }
  | { type: "reaction_sent"; clientId: string }
  | { type: "read"; seq: number }
  | { type: "loading_older" }
  | { type: "older"; page: MessagePage | null; nowMs: number }
  | { type: "reloaded"; page: MessagePage; nowMs: number };

/** How many messages come without `since`; the server's own default, and a page's. */
export const PAGE_COUNT = 50;
const TYPING_MS = 6_000;

export function emptyRoom(me: string): RoomState {
  return {
    me,
    role: null,
    phase: "start",
    seq: null,
    epoch: "",
    messages: [],
    hasMore: false,
    oldestSeq: 0,
    loadingOlder: false,
    waitingEvents: [],
    outgoing: [],
    reactions: [],
    onlineUsers: [],
    typing: {},
    readMarkers: {},
    lastReadSeq: 0,
    openedAtSeq: null,
    roomChanges: 0,
    notice: null,
  };
}

export function roomReducer(state: RoomState, action: Action): RoomState {
  switch (action.type) {
    case "events":
      return action.events.reduce((next, event) => onEvent(next, event, action.nowMs), state);
    case "closed":
      return onClosed(state);
    case "tick":
      return onTick(state, action.nowMs);
    case "send": {
      const one = newOutgoing(action.clientId, action.content, action.nowMs);
      return { ...state, outgoing: [...state.outgoing, one], notice: null };
    }
    case "sent":
      return {
        ...state,
        outgoing: patchOutgoing(state.outgoing, action.clientId, { sentAtMs: action.nowMs }),
      };
    case "retry": {
      const { clientId, newClientId, nowMs } = action;
      return { ...state, outgoing: retryOutgoing(state.outgoing, clientId, newClientId, nowMs) };
    }
    case "discard":
      return { ...state, outgoing: state.outgoing.filter((one) => one.clientId !== action.clientId) };
    case "react": {
      const { type: _, ...reaction } = action;
      return { ...state, reactions: [...state.reactions, { ...reaction, sent: false }], notice: null };
    }
    case "reaction_sent":
      return {
        ...state,
        reactions: state.reactions.map((one) =>
          one.clientId === action.clientId ? { ...one, sent: true } : one,
        ),
      };
    case "read":
      return { ...state, lastReadSeq: Math.max(state.lastReadSeq, action.seq) };
    case "loading_older":
      return { ...state, loadingOlder: true, waitingEvents: [] };
    case "older":
      return onOlder(state, action.page, action.nowMs);
    case "reloaded":
      return onReloaded(state, action.page, action.nowMs);
  }
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
    case "history":
      return applyEvent(state, event, nowMs);
    case "reload":
      // After the page, those that it doesn't hold yet are applied.
      return { ...state, waitingEvents: [...state.waitingEvents, event] };
    case "replay":
    case "live": {
      const seq = state.seq ?? 0;
      if (event.seq <= seq) return state;
      // In a replay the server vouches for completeness with `synced`; live, the count does.
      if (state.phase === "live" && event.seq !== seq + 1) return { ...state, phase: "gap" };
      return { ...applyEvent(state, event, nowMs), seq: event.seq };
    }
    default:
      return state;
  }
}

function onLiveEvent(state: RoomState, event: LiveEvent, nowMs: number): RoomState {
  switch (event.type) {
    case "hello":
      return onHello(state, event);
    case "resync":
      return { ...state, phase: "reload", epoch: event.epoch, waitingEvents: [], loadingOlder: false };
    case "synced":
      return onSynced(state, event.seq);
    case "ack":
      return onAck(state, event);
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
        typing: without(state.typing, event.userId),
      };
    case "typing": {
      const untilMs = nowMs + (event.expiresInMs || TYPING_MS);
      // Somebody who is merely still in the list keeps the end that was set for them.
      const until = (user: string) => (user === event.userId ? untilMs : (state.typing[user] ?? untilMs));
      return { ...state, typing: Object.fromEntries(event.typingUsers.map((user) => [user, until(user)])) };
    }
    case "read_receipt":
      return { ...state, readMarkers: raise(state.readMarkers, event.userId, event.seq) };
    default:
      return state;
  }
}

function onHello(state: RoomState, hello: Hello): RoomState {
  const next: RoomState = {
    ...state,
    role: hello.role,
    readMarkers: hello.readMarkers ?? {},
    lastReadSeq: Math.max(state.lastReadSeq, hello.me.lastReadSeq),
    openedAtSeq: state.openedAtSeq ?? hello.me.lastReadSeq,
    typing: {},
  };
  if (state.seq !== null) return { ...next, phase: "replay" };
  return {
    ...next,
    phase: "history",
    epoch: hello.epoch,
    messages: [],
    waitingEvents: [],
    loadingOlder: false,
  };
}

function onSynced(state: RoomState, seq: number): RoomState {
  if (state.phase === "history") {
    const oldestSeq = state.messages[0]?.seq ?? seq + 1;
    return { ...state, phase: "live", seq, oldestSeq, hasMore: state.messages.length >= PAGE_COUNT };
  }
  return state.phase === "replay" ? { ...state, phase: "live", seq: Math.max(state.seq ?? 0, seq) } : state;
}

function onAck(state: RoomState, ack: Ack): RoomState {
  const reaction = state.reactions.find((one) => one.clientId === ack.clientId);
  if (reaction) return bakeReaction(state, reaction);
  const mine = state.outgoing.find((one) => one.clientId === ack.clientId);
  if (!mine || ack.messageId === undefined || ack.seq === undefined) return state;
  const outgoing = state.outgoing.filter((one) => one !== mine);
  // Acked long ago and out of the loaded stretch: it is there when the older pages are.
  const outside = state.hasMore && ack.seq < state.oldestSeq;
  if (outside || state.messages.some((message) => message.id === ack.messageId))
    return { ...state, outgoing };
  const message = asMessage(mine, state.me, ack.messageId, ack.seq, ack.createdAt);
  return { ...state, outgoing, messages: insertMessage(state.messages, message) };
}

function onError(state: RoomState, event: ErrorEvent, nowMs: number): RoomState {
  const { type: _, clientId, ref, ...error } = event;
  const mine = state.outgoing.find((one) => one.clientId === clientId);
  if (mine && event.retryAfterMs !== undefined && event.retryable) {
    const patch = { sentAtMs: null, notBeforeMs: nowMs + event.retryAfterMs };
    return { ...state, outgoing: patchOutgoing(state.outgoing, mine.clientId, patch) };
  }
  if (mine)
    return { ...state, outgoing: patchOutgoing(state.outgoing, mine.clientId, { status: "failed", error }) };
  const reactions = state.reactions.filter((one) => one.clientId !== clientId);
  // Too much typing or reading is nothing that a person must hear of.
  const notice = ref === "typing" || ref === "read" || ref === "ping" ? state.notice : error;
  return { ...state, reactions, notice };
}

// ---- what happens on this side ----

function onClosed(state: RoomState): RoomState {
  const whole = state.seq !== null && state.phase !== "reload";
  return {
    ...state,
    phase: whole ? "away" : "start",
    // A reload that was cut off begins anew, with the newest history.
    seq: whole ? state.seq : null,
    typing: {},
    waitingEvents: state.loadingOlder ? state.waitingEvents : [],
    outgoing: state.outgoing.map((one) => ({ ...one, sentAtMs: null })),
    reactions: state.reactions.map((one) => ({ ...one, sent: false })),
  };
}

function onTick(state: RoomState, nowMs: number): RoomState {
  const typing = Object.fromEntries(Object.entries(state.typing).filter(([, untilMs]) => untilMs > nowMs));
  return { ...state, typing, outgoing: timeOutOutgoing(state.outgoing, nowMs) };
}

// ---- history over REST ----

function onOlder(state: RoomState, page: MessagePage | null, nowMs: number): RoomState {
  const next: RoomState = { ...state, loadingOlder: false, waitingEvents: [] };
  if (!page || !state.loadingOlder || page.epoch !== state.epoch) return next;
  const oldestSeq = page.messages[0]?.seq ?? state.oldestSeq;
  const loaded = page.messages.reduce(
    (messages, message) =>
      messages.some((one) => one.id === message.id) ? messages : insertMessage(messages, message),
    state.messages,
  );
  const withPage = { ...next, messages: loaded, oldestSeq, hasMore: page.hasMoreBefore };
  return afterPage(withPage, state.waitingEvents, page.lastSeq, nowMs);
}

function onReloaded(state: RoomState, page: MessagePage, nowMs: number): RoomState {
  if (state.phase !== "reload" || page.epoch !== state.epoch) return state;
  const known = new Set(page.messages.filter((one) => one.userId === state.me).map((one) => one.clientId));
  const next: RoomState = {
    ...state,
    phase: "live",
    seq: page.lastSeq,
    messages: page.messages,
    oldestSeq: page.messages[0]?.seq ?? page.lastSeq + 1,
    hasMore: page.hasMoreBefore,
    outgoing: state.outgoing.filter((one) => !known.has(one.clientId)),
    waitingEvents: [],
  };
  return state.waitingEvents.reduce((after, event) => onLogEvent(after, event, nowMs), next);
}

/** Events that came while the page was under way and are newer than it, for the messages that it brought. */
function afterPage(state: RoomState, events: LogEvent[], pageSeq: number, nowMs: number): RoomState {
  return events
    .filter((event) => event.seq > pageSeq)
    .reduce((next, event) => applyEvent(next, event, nowMs), state);
}

// ---- small parts ----

function without(record: Record<string, number>, key: string): Record<string, number> {
  return Object.fromEntries(Object.entries(record).filter(([one]) => one !== key));
}

function raise(markers: Record<string, number>, userId: string, seq: number): Record<string, number> {
  return { ...markers, [userId]: Math.max(markers[userId] ?? 0, seq) };
}
