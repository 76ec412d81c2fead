/** The draft of a room or thread: the same on all of a person's devices, and stored in this browser. */
import { useCallback, useSyncExternalStore } from "react";
import { useChat } from "./chat-context";

export function useDraft(roomId: string, threadId: string | null = null): [string, (text: string) => void] {
  const { drafts } = useChat();
  const text = useSyncExternalStore(drafts.subscribe, () => drafts.get(roomId, threadId));
  return [
    text,
    useCallback((next: string) => drafts.write(roomId, threadId, next), [drafts, roomId, threadId]),
  ];
}
