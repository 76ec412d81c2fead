/** Which room is open, and at which message: it stands in the address, so that it can be sent to somebody. */
import { useSyncExternalStore } from "react";

export interface Route {
  roomId: string | null;
  /** A message to go to. */
  seq: number | null;
}

export const roomHref = (roomId: string, seq?: number): string =>
  `#/r/${encodeURIComponent(roomId)}${seq === undefined ? "" : `/m/${seq}`}`;

export function openRoom(roomId: string | null, seq?: number): void {
  location.hash = roomId === null ? "" : roomHref(roomId, seq);
}

/** Takes the message out of the address again, so that the same one can be gone to once more. */
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
