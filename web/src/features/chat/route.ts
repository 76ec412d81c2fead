/** The route: which room is open, and at which message. It is in the fragment of the URL, so it can be shared. */
import { useSyncExternalStore } from "react";

export interface Route {
  roomId: string | null;
  /** The message to scroll to. */
  seq: number | null;
  /** The first message of the thread that it is a reply in; without a message, of the thread to open. */
  threadId: string | null;
}

/** Where a message is shown: replies only in their thread, unless they are shown in the room too. */
interface Place {
  seq: number;
  threadId: string | null;
  alsoToRoom: boolean;
}

export const roomHref = (roomId: string): string => `#/r/${encodeURIComponent(roomId)}`;

export function messageHref(roomId: string, { seq, threadId, alsoToRoom }: Place): string {
  const thread = threadId === null || alsoToRoom ? "" : `/t/${encodeURIComponent(threadId)}`;
  return `${roomHref(roomId)}/m/${seq}${thread}`;
}

export const threadHref = (roomId: string, rootId: string): string =>
  `${roomHref(roomId)}/t/${encodeURIComponent(rootId)}`;

export function openRoom(roomId: string | null): void {
  location.hash = roomId === null ? "" : roomHref(roomId);
}

/** Removes the message from the URL, so that the same link works again. */
export function clearRouteSeq(roomId: string): void {
  history.replaceState(null, "", roomHref(roomId));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export function parseRoute(hash: string): Route {
  const [, room, seq, thread] = /^#\/r\/([^/]+)(?:\/m\/(\d{1,15}))?(?:\/t\/([^/]+))?$/.exec(hash) ?? [];
  const decode = (part: string | undefined) => (part === undefined ? null : decodeURIComponent(part));
  try {
    return { roomId: decode(room), seq: seq ? Number(seq) : null, threadId: decode(thread) };
  } catch {
    return { roomId: null, seq: null, threadId: null };
  }
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(
    (listener) => {
      window.addEventListener("hashchange", listener);
      return () => window.removeEventListener("hashchange", listener);
    },
    () => location.hash,
  );
  return parseRoute(hash);
}
