/** Sets the selection of a text field whose text a program has changed. */
import { type RefObject, useLayoutEffect, useRef } from "react";

/**
 * The selection is set when React writes the new text, before the next key arrives. A frame later would move the caret
 * behind what a fast typist has written meanwhile.
 */
export function useSelection(field: RefObject<HTMLTextAreaElement | null>) {
  const pending = useRef<[from: number, to: number] | null>(null);
  useLayoutEffect(() => {
    const selection = pending.current;
    pending.current = null;
    if (!selection || !field.current) return;
    field.current.focus();
    field.current.setSelectionRange(...selection);
  });
  return (from: number, to: number) => {
    pending.current = [from, to];
  };
}
