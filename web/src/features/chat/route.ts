/** The route: which room is open, and at which message. It is in the fragment of the URL, so it can be shared. */
import { useSyncExternalStore } from "react";

export interface Route {
  roomId: string | null;
  /** The message to scroll to. */
  seq: number | null;
}

export const roomHref = (roomId: string, seq?: number): string =>
  `#/r/${encodeURIComponent(roomId)}${seq === undefined ? "" : `/m/${seq}`}`;

export function openRoom(roomId: string | null, seq?: number): void {
  location.hash = roomId === null ? "" : roomHref(roomId, seq);
}

/** Removes the message from the URL, so that the same link works again. */
export function clearRouteSeq(roomId: string): void {
  history.replaceState(null, "", roomHref(roomId));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export function parseRoute(hash: string): Route {
  const [, id, seq] = /^#\/r\/([^/]+)(?:\/m\/(\d{1,15}))?$/.exec(hash) ?? [];
  try {
    return { roomId: id === undefined ? null : decodeURIComponent(id), seq: seq ? Number(seq) : null };
  } catch {
    return { roomId: null, seq: null };
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
