/**
 * The state of one room as one person's client knows it: its types and its initial value. How it changes stands in
 * room-reducer.ts, what a screen shows of it in room-view.ts.
 *
 * `messages` holds the log as far as it is loaded, ordered by the server's `seq`, and nothing else. What this person
 * has done and the server has not confirmed is in `outgoing`; room-view.ts applies it on top.
 */
import type { ErrorBody, LogEvent, Message, NotifySettings, Role, Room } from "./protocol";
import type { Outgoing } from "./room-outgoing";

/**
 * `start`: nothing is known. `history`: the newest messages are arriving. `replay`: missed events are arriving.
 * `live`: complete and current. `gap`: an event is missing, so the client must resume. `reload`: the log cannot be
 * resumed, so the client must fetch history. `away`: complete up to `seq`, but not connected.
 */
export type Phase = "start" | "history" | "replay" | "live" | "gap" | "reload" | "away";

/** A stretch of history that the person jumped to. Messages between it and the newest ones are not loaded. */
export interface HistoryWindow {
  fromSeq: number;
  toSeq: number;
  hasBefore: boolean;
  hasAfter: boolean;
}

/** How much of a thread is loaded: its replies from `fromSeq` on. */
export interface ThreadPart {
  fromSeq: number;
  hasBefore: boolean;
  failed: boolean;
}

/** `older`: before the newest messages. `jump`: around one message. `before`, `after`: next to the history window. */
export type Load =
  | { kind: "older" }
  | { kind: "jump"; seq: number }
  | { kind: "before" }
  | { kind: "after" }
  | { kind: "thread"; rootId: string };

export interface Page {
  /** Ascending by seq. */
  messages: Message[];
  hasMoreBefore: boolean;
  hasMoreAfter: boolean;
  /** `null` for a thread, whose route does not say. */
  epoch: string | null;
}

/** The newest messages and the loaded threads, fetched again after a `resync`. */
export interface Reload {
  page: Page & { lastSeq: number; epoch: string };
  threads: Record<string, Page>;
}

export interface RoomState {
  me: string;
  role: Role | null;
  phase: Phase;
  /** All events up to here are applied. `null`: none yet, so the client cannot resume. */
  seq: number | null;
  epoch: string;
  /**
   * Ascending by seq, each id once. Gapless from `oldestSeq` to `seq`; older ones belong to `historyWindow` or
   * `threads`.
   */
  messages: Message[];
  oldestSeq: number;
  /** Whether there are messages before `oldestSeq`. */
  hasMore: boolean;
  /** How far back a reload fetches, so that the messages in sight stay loaded. `Infinity`: only the newest page. */
  reloadFromSeq: number;
  historyWindow: HistoryWindow | null;
  threads: Record<string, ThreadPart>;
  /** The newest history while it arrives. It replaces `messages` once complete, so that nothing flickers. */
  incoming: Message[];
  /** Pages that are being loaded, with the seq that the log had when they were requested. */
  loads: Record<string, { load: Load; askedAt: number }>;
  /** Changes of messages that may be on a page that is being loaded. */
  deferredEvents: LogEvent[];
  outgoing: Outgoing[];
  onlineUsers: string[];
  /** Until when (ms) each person is typing, by thread root ("" for the room) and user id. */
  typing: Record<string, Record<string, number>>;
  /** How many more people type there than the server named. */
  typingUnnamed: Record<string, number>;
  readMarkers: Record<string, number>;
  lastReadSeq: number;
  /**
   * The last read marker that the server confirmed. A receipt below it means that another tab of mine moved it back.
   */
  confirmedReadSeq: number;
  /** I marked messages as unread, so looking at the room must not mark them as read again. */
  keepUnread: boolean;
  /** The "New messages" line stands after this seq. `null`: no line. */
  unreadLineSeq: number | null;
  notify: NotifySettings | null;
  /** The ids of the pinned messages, newest pin first. `null`: unknown, so they must be fetched. */
  pins: string[] | null;
  /** The room and its first members, once fetched. */
  details: Room | null;
  /** Increases when the room or its members change, so that components fetch them again. */
  roomRevision: number;
  /** Why the server refuses my messages at the moment, and until when (ms; `Infinity`: unknown). */
  sendBlocked: { code: "muted" | "slow_mode"; untilMs: number } | null;
  /** The last error that belongs to no message. */
  notice: ErrorBody | null;
}

/** How many messages the server sends without `since`; also the size of a page of history. */
export const PAGE_COUNT = 50;

export function initialRoomState(me: string): RoomState {
  return {
    me,
    role: null,
    phase: "start",
    seq: null,
    epoch: "",
    messages: [],
    oldestSeq: 0,
    hasMore: false,
    reloadFromSeq: Number.POSITIVE_INFINITY,
    historyWindow: null,
    threads: {},
    incoming: [],
    loads: {},
    deferredEvents: [],
    outgoing: [],
    onlineUsers: [],
    typing: {},
    typingUnnamed: {},
    readMarkers: {},
    lastReadSeq: 0,
    confirmedReadSeq: 0,
    keepUnread: false,
    unreadLineSeq: null,
    notify: null,
    pins: null,
    details: null,
    roomRevision: 0,
    sendBlocked: null,
    notice: null,
  };
}
