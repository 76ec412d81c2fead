/** Drafts: unsent text, stored for each room and thread in this browser. */
import { useCallback, useEffect, useRef, useState } from "react";

const SAVE_AFTER_MS = 300;

export function useDraft(key: string): [string, (text: string) => void] {
  const [text, setText] = useState(() => read(key));
  const latest = useRef({ key, text });
  latest.current = { key, text };
  useEffect(() => {
    const timer = setTimeout(() => write(key, text), SAVE_AFTER_MS);
    return () => clearTimeout(timer);
  }, [key, text]);
  useEffect(() => {
    const save = () => write(latest.current.key, latest.current.text);
    window.addEventListener("pagehide", save);
    return () => {
      window.removeEventListener("pagehide", save);
      save();
    };
  }, []);
  return [text, useCallback((next: string) => setText(next), [])];
}

export const draftKey = (userId: string, roomId: string, threadId = ""): string =>
  `chinwag.draft.${JSON.stringify([userId, roomId, threadId])}`;

function read(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return ""; // Storage may be disabled; then a draft ends with the page.
  }
}

function write(key: string, text: string): void {
  try {
    if (text === "") localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // See above.
  }
}
