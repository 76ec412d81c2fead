/**
 * Whether Enter sends the message or starts a new line. A device without hover (a phone) starts a new line by default.
 */
import { useSyncExternalStore } from "react";

const KEY = "chinwag.enterSends";
const listeners = new Set<() => void>();

function read(): boolean {
  try {
    const saved = localStorage.getItem(KEY);
    if (saved !== null) return saved === "true";
  } catch {
    // Storage may be disabled; then the default applies.
  }
  return matchMedia("(hover: hover)").matches;
}

export function setEnterSends(sends: boolean): void {
  try {
    localStorage.setItem(KEY, String(sends));
  } catch {
    // See above.
  }
  for (const listener of listeners) listener();
}

export function useEnterSends(): boolean {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, read);
}
