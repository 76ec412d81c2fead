/** My marker of a thread: it moves to the newest reply that was in sight (lib/read-tracker.ts says what that means). */
import { useCallback, useEffect, useRef } from "react";
import { ReadTracker } from "@/lib/read-tracker";
import type { RoomClient } from "@/lib/room-client";
import type { ChatMessage } from "@/lib/room-view";
import { useChat } from "./chat-context";
import { isAttentive, onAttentionChange } from "./use-read-tracking";

/** How long replies are gathered, so that one request marks all that came into sight. */
const GATHER_MS = 1_000;
const RETRY_MS = 15_000;

/** Returns the function to call with the replies in sight. */
export function useThreadReading({ roomId }: RoomClient, rootId: string) {
  const { api } = useChat();
  const tracker = useRef(new ReadTracker());
  const visible = useRef<number[]>([]);
  const seen = useRef({ seq: 0, sentSeq: 0 });
  const lookTimer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const sendTimer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const send = useCallback(() => {
    clearTimeout(sendTimer.current);
    sendTimer.current = undefined;
    const { seq, sentSeq } = seen.current;
    if (seq <= sentSeq) return;
    seen.current.sentSeq = seq;
    api.markThreadRead(roomId, rootId, seq).catch(() => {
      seen.current.sentSeq = sentSeq;
      sendTimer.current ??= setTimeout(send, RETRY_MS);
    });
  }, [api, roomId, rootId]);

  const update = useCallback(() => {
    clearTimeout(lookTimer.current);
    const nowMs = Date.now();
    tracker.current.setVisible(isAttentive() ? visible.current : [], nowMs);
    seen.current.seq = Math.max(seen.current.seq, ...visible.current.filter(tracker.current.isSeen));
    if (seen.current.seq > seen.current.sentSeq) sendTimer.current ??= setTimeout(send, GATHER_MS);
    const nextMs = tracker.current.nextMs();
    if (nextMs !== null) lookTimer.current = setTimeout(update, Math.max(0, nextMs - nowMs));
  }, [send]);

  useEffect(() => {
    const unsubscribe = onAttentionChange(update);
    return () => {
      unsubscribe();
      clearTimeout(lookTimer.current);
      send();
      clearTimeout(sendTimer.current);
    };
  }, [update, send]);

  return useCallback(
    (replies: ChatMessage[]) => {
      visible.current = replies.map(({ seq }) => seq).filter((seq) => seq > 0);
      update();
    },
    [update],
  );
}
