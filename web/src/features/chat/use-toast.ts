import { useCallback, useEffect, useRef, useState } from "react";

const TOAST_MS = 5_000;

/** A short message to the person that disappears after a while. Returns the text and the function that shows one. */
export function useToast() {
  const [text, setText] = useState<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const toast = useCallback((next: string | null) => {
    clearTimeout(timer.current);
    setText(next);
    if (next !== null) timer.current = setTimeout(() => setText(null), TOAST_MS);
  }, []);
  return [text, toast] as const;
}
