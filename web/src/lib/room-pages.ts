/**
 * Pages of history over REST as they enter the state: older ones, a stretch around one message, threads, and the
 * whole again after a `resync`. Pure. What changed while a page was under way is applied to what it brought.
 */
import type { LogEvent, Message } from "./protocol";
import { applyEvent, mergeMessages } from "./room-log";
import type { RoomState, ThreadPart, Window } from "./room-state";

/** `older` before the newest stretch · `jump` around one message · `before`, `after` the stretch jumped into · `thread`. */
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
  /** `null` where the route doesn't say (a thread's). */
  epoch: string | null;
}

/** The newest messages, and the threads that were open, all as they are now. */
export interface Reload {
  page: Page & { lastSeq: number; epoch: string };
  threads: Record<string, Page>;
}

const loadKey = (load: Load): string =>
  load.kind === "thread" ? `thread ${load.rootId}` : load.kind === "older" ? "older" : "window";

/** One at a time of each kind; a jump overtakes whatever was loading of the stretch that one leaves. */
export function onLoading(state: RoomState, load: Load): RoomState {
  const loads = { ...state.loads, [loadKey(load)]: { load, askedAt: state.seq ?? 0 } };
  return { ...state, loads };
}

export const isLoading = (
  state: Pick<RoomState, "loads">,
  kind: "older" | "window" | `thread ${string}`,
): boolean => kind in state.loads;

/** What one page needs in its query. `null`: there is nothing more to ask for, or it is under way. */
export function pageQuery(
  state: RoomState,
  load: Load,
): { before?: number; after?: number; around?: number } | null {
  const { window } = state;
  if (load.kind !== "jump" && loadKey(load) in state.loads) return null;
  switch (load.kind) {
    case "older":
      return state.hasMore ? { before: state.oldestSeq } : null;
    case "jump":
      return { around: load.seq };
    case "before":
      return window?.hasBefore ? { before: window.fromSeq } : null;
    case "after":
      return window ? { after: window.toSeq } : null;
    case "thread": {
      const part = state.threads[load.rootId];
      if (!part || part.failed) return {};
      return part.hasBefore ? { before: part.fromSeq } : null;
    }
  }
}

export function onLoaded(state: RoomState, load: Load, page: Page | null, nowMs: number): RoomState {
  const key = loadKey(load);
  const asked = state.loads[key];
  // Overtaken: the history was loaded anew meanwhile, or another stretch was asked for.
  if (asked?.load !== load) return state;
  const { [key]: _, ...loads } = state.loads;
  const waitingEvents = Object.keys(loads).length === 0 ? [] : state.waitingEvents;
  const next: RoomState = { ...state, loads, waitingEvents };
  if (!page || (page.epoch !== null && page.epoch !== state.epoch)) {
    return load.kind === "thread" ? withThread(next, load.rootId, { failed: true }) : next;
  }
  const merged = { ...next, messages: mergeMessages(state.messages, page.messages) };
  const caughtUp = state.waitingEvents
    .filter((event) => event.seq > asked.askedAt)
    .reduce((after, event) => ({ ...applyEvent(after, event, nowMs), waitingEvents }), merged);
  return place(caughtUp, load, page);
}

/** Which stretch the page belongs to, and how far that reaches now. */
function place(state: RoomState, load: Load, page: Page): RoomState {
  const first = page.messages[0]?.seq;
  const last = page.messages.at(-1)?.seq;
  switch (load.kind) {
    case "older":
      return { ...state, oldestSeq: first ?? state.oldestSeq, hasMore: page.hasMoreBefore };
    case "jump": {
      if (first === undefined || last === undefined) return state;
      const { hasMoreBefore: hasBefore, hasMoreAfter: hasAfter } = page;
      return join(state, { fromSeq: first, toSeq: last, hasBefore, hasAfter });
    }
    case "before":
      if (!state.window) return state;
      return join(state, {
        ...state.window,
        fromSeq: first ?? state.window.fromSeq,
        hasBefore: page.hasMoreBefore,
      });
    case "after":
      if (!state.window) return state;
      return join(state, {
        ...state.window,
        toSeq: last ?? state.window.toSeq,
        hasAfter: page.hasMoreAfter,
      });
    case "thread": {
      const reply = page.messages.find((message) => message.threadId === load.rootId);
      const fromSeq = page.hasMoreBefore ? (reply?.seq ?? 0) : 0;
      return withThread(state, load.rootId, { fromSeq, hasBefore: page.hasMoreBefore, failed: false });
    }
  }
}

/** A stretch that has reached the newest one is part of it. */
function join(state: RoomState, window: Window): RoomState {
  if (window.hasAfter && window.toSeq < state.oldestSeq) return { ...state, window };
  if (window.fromSeq >= state.oldestSeq) return { ...state, window: null };
  return { ...state, window: null, oldestSeq: window.fromSeq, hasMore: window.hasBefore };
}

function withThread(state: RoomState, rootId: string, part: Partial<ThreadPart>): RoomState {
  const known = state.threads[rootId] ?? {
    fromSeq: Number.POSITIVE_INFINITY,
    hasBefore: true,
    failed: false,
  };
  return { ...state, threads: { ...state.threads, [rootId]: { ...known, ...part } } };
}

/** All that is known is replaced at once; `apply` is for what came while the pages were under way. */
export function onReloaded(
  state: RoomState,
  { page, threads }: Reload,
  apply: (state: RoomState, event: LogEvent) => RoomState,
): RoomState {
  if (state.phase !== "reload" || (state.epoch !== "" && page.epoch !== state.epoch)) return state;
  const extra = Object.values(threads).flatMap((thread) => thread.messages);
  const messages = mergeMessages(
    page.messages,
    extra.filter((message, at) => extra.findIndex((one) => one.id === message.id) === at),
  );
  const mine = new Set(messages.filter((one) => one.userId === state.me).map((one) => one.clientId));
  let next: RoomState = {
    ...state,
    phase: "live",
    epoch: page.epoch,
    seq: page.lastSeq,
    messages,
    oldestSeq: page.messages[0]?.seq ?? page.lastSeq + 1,
    hasMore: page.hasMoreBefore,
    window: null,
    threads: {},
    loads: {},
    outgoing: state.outgoing.filter((one) => !mine.has(one.clientId)),
    waitingEvents: [],
  };
  for (const [rootId, thread] of Object.entries(threads)) {
    next = place(next, { kind: "thread", rootId }, thread);
  }
  return state.waitingEvents.reduce(apply, next);
}
