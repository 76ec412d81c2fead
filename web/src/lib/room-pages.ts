/**
 * How pages of history that were loaded over REST enter the state: older messages, a window around one message,
 * threads, and a full reload after a `resync`. Pure. Events that arrived while a page was loading are applied to it.
 */
import type { LogEvent } from "./protocol";
import { applyEvent, mergeMessages } from "./room-log";
import type { HistoryWindow, Load, Page, Reload, RoomState, ThreadPart } from "./room-state";

const loadKey = (load: Load): string =>
  load.kind === "thread" ? `thread ${load.rootId}` : load.kind === "older" ? "older" : "historyWindow";

/** One load of each kind at a time. A jump replaces a load of the history window that it leaves. */
export function onLoading(state: RoomState, load: Load): RoomState {
  const loads = { ...state.loads, [loadKey(load)]: { load, askedAt: state.seq ?? 0 } };
  return { ...state, loads };
}

export const isLoading = (
  state: Pick<RoomState, "loads">,
  kind: "older" | "historyWindow" | `thread ${string}`,
): boolean => kind in state.loads;

/** The query of the next page. `null`: there is nothing more to load, or it is being loaded. */
export function pageQuery(
  state: RoomState,
  load: Load,
): { before?: number; after?: number; around?: number } | null {
  const { historyWindow } = state;
  if (load.kind !== "jump" && loadKey(load) in state.loads) return null;
  switch (load.kind) {
    case "older":
      return state.hasMore ? { before: state.oldestSeq } : null;
    case "jump":
      return { around: load.seq };
    case "before":
      return historyWindow?.hasBefore ? { before: historyWindow.fromSeq } : null;
    case "after":
      return historyWindow ? { after: historyWindow.toSeq } : null;
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
  // Superseded: the history was reloaded, or another window was requested.
  if (asked?.load !== load) return state;
  const { [key]: _, ...loads } = state.loads;
  const deferredEvents = Object.keys(loads).length === 0 ? [] : state.deferredEvents;
  const next: RoomState = { ...state, loads, deferredEvents };
  if (!page || (page.epoch !== null && page.epoch !== state.epoch)) {
    return load.kind === "thread" ? withThread(next, load.rootId, { failed: true }) : next;
  }
  const merged = { ...next, messages: mergeMessages(state.messages, page.messages) };
  const caughtUp = state.deferredEvents
    .filter((event) => event.seq > asked.askedAt)
    .reduce((after, event) => ({ ...applyEvent(after, event, nowMs), deferredEvents }), merged);
  return extendStretch(caughtUp, load, page);
}

/** Extends the stretch of history that the page belongs to. */
function extendStretch(state: RoomState, load: Load, page: Page): RoomState {
  const first = page.messages[0]?.seq;
  const last = page.messages.at(-1)?.seq;
  switch (load.kind) {
    case "older":
      return { ...state, oldestSeq: first ?? state.oldestSeq, hasMore: page.hasMoreBefore };
    case "jump": {
      if (first === undefined || last === undefined) return state;
      const { hasMoreBefore: hasBefore, hasMoreAfter: hasAfter } = page;
      return mergeWindow(state, { fromSeq: first, toSeq: last, hasBefore, hasAfter });
    }
    case "before":
      if (!state.historyWindow) return state;
      return mergeWindow(state, {
        ...state.historyWindow,
        fromSeq: first ?? state.historyWindow.fromSeq,
        hasBefore: page.hasMoreBefore,
      });
    case "after":
      if (!state.historyWindow) return state;
      return mergeWindow(state, {
        ...state.historyWindow,
        toSeq: last ?? state.historyWindow.toSeq,
        hasAfter: page.hasMoreAfter,
      });
    case "thread": {
      const reply = page.messages.find((message) => message.threadId === load.rootId);
      const fromSeq = page.hasMoreBefore ? (reply?.seq ?? 0) : 0;
      return withThread(state, load.rootId, { fromSeq, hasBefore: page.hasMoreBefore, failed: false });
    }
  }
}

/** A window that overlaps the newest messages becomes part of them. */
function mergeWindow(state: RoomState, historyWindow: HistoryWindow): RoomState {
  if (historyWindow.hasAfter && historyWindow.toSeq < state.oldestSeq) return { ...state, historyWindow };
  if (historyWindow.fromSeq >= state.oldestSeq) return { ...state, historyWindow: null };
  return {
    ...state,
    historyWindow: null,
    oldestSeq: historyWindow.fromSeq,
    hasMore: historyWindow.hasBefore,
  };
}

function withThread(state: RoomState, rootId: string, part: Partial<ThreadPart>): RoomState {
  const known = state.threads[rootId] ?? {
    fromSeq: Number.POSITIVE_INFINITY,
    hasBefore: true,
    failed: false,
  };
  return { ...state, threads: { ...state.threads, [rootId]: { ...known, ...part } } };
}

/** Replaces everything at once; `apply` then applies the events that arrived while the pages were loading. */
export function onReloaded(
  state: RoomState,
  { page, threads }: Reload,
  apply: (state: RoomState, event: LogEvent) => RoomState,
): RoomState {
  if (state.phase !== "reload" || (state.epoch !== "" && page.epoch !== state.epoch)) return state;
  const extra = Object.values(threads).flatMap((thread) => thread.messages);
  const messages = mergeMessages(
    page.messages,
    extra.filter((message, at) => extra.findIndex(({ id }) => id === message.id) === at),
  );
  const mine = new Set(messages.filter(({ userId }) => userId === state.me).map(({ clientId }) => clientId));
  let next: RoomState = {
    ...state,
    phase: "live",
    epoch: page.epoch,
    seq: page.lastSeq,
    messages,
    oldestSeq: page.messages[0]?.seq ?? page.lastSeq + 1,
    hasMore: page.hasMoreBefore,
    historyWindow: null,
    threads: {},
    loads: {},
    outgoing: state.outgoing.filter(({ clientId }) => !mine.has(clientId)),
    deferredEvents: [],
  };
  for (const [rootId, thread] of Object.entries(threads)) {
    next = extendStretch(next, { kind: "thread", rootId }, thread);
  }
  return state.deferredEvents.reduce(apply, next);
}
