/**
 * What of a room was read: where reading starts, and the read marker, which follows the messages that were in sight.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { ReadTracker, seenUpTo } from "@/lib/read-tracker";
import type { RoomClient } from "@/lib/room-client";
import { type ChatMessage, unreadOf } from "@/lib/room-view";
import type { ChatRoomHandle } from "./use-chat-room";

/** The read marker at the time the room was opened, if the room was connected before. `null`: nothing was unread. */
export function useOpeningSeq({ client }: ChatRoomHandle): number | null {
  const [seq] = useState(() => {
    const { state } = client.getSnapshot();
    return state.seq !== null && unreadOf(state).unread > 0 ? state.lastReadSeq : null;
  });
  useLayoutEffect(() => {
    if (client.getSnapshot().state.seq !== null) client.open(seq);
  }, [client, seq]);
  return seq;
}

/**
 * Loads the history around my read marker if the first unread message is older than what is loaded. Returns whether
 * that is still going on; the messages are shown afterwards, so that the list can start at the "New messages" line.
 */
export function useUnreadHistory({ client, isLoading }: ChatRoomHandle, openingSeq: number | null): boolean {
  const [isDone, setDone] = useState(false);
  const isNeeded = !isLoading && !isDone && isUnreadMissing(client, openingSeq);
  useEffect(() => {
    if (isLoading || isDone) return;
    const { state } = client.getSnapshot();
    const seq = openingSeq ?? state.unreadLineSeq;
    if (!isUnreadMissing(client, openingSeq) || seq === null) return setDone(true);
    void client.showHistory(seq + 1).finally(() => setDone(true));
  }, [client, isLoading, isDone, openingSeq]);
  return isNeeded;
}

function isUnreadMissing(client: RoomClient, openingSeq: number | null): boolean {
  const { unreadLineSeq, oldestSeq, hasMore, historyWindow } = client.getSnapshot().state;
  const seq = openingSeq ?? unreadLineSeq;
  return seq !== null && hasMore && seq + 1 < oldestSeq && historyWindow === null;
}

export const isAttentive = () => document.visibilityState === "visible" && document.hasFocus();

/** Calls `listener` when `isAttentive` may have changed; returns the function that ends that. */
export function onAttentionChange(listener: () => void): () => void {
  window.addEventListener("focus", listener);
  window.addEventListener("blur", listener);
  document.addEventListener("visibilitychange", listener);
  return () => {
    window.removeEventListener("focus", listener);
    window.removeEventListener("blur", listener);
    document.removeEventListener("visibilitychange", listener);
  };
}

/** Moves the read marker over the messages that were in sight. Returns the function to call with those now in sight. */
export function useReadTracking({ client, isConnected, lastSeq }: ChatRoomHandle) {
  const tracker = useRef(new ReadTracker());
  const visible = useRef<number[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const update = useCallback(() => {
    clearTimeout(timer.current);
    const nowMs = Date.now();
    tracker.current.setVisible(isAttentive() ? visible.current : [], nowMs);
    const { state } = client.getSnapshot();
    const { me, lastReadSeq, historyWindow } = state;
    const messages = client.view.room(state).filter(({ seq, status }) => seq > 0 && status === "sent");
    const hasBefore = historyWindow?.hasBefore ?? state.hasMore;
    const seq = seenUpTo({ messages, hasBefore, me, lastReadSeq }, tracker.current.isSeen);
    if (seq > lastReadSeq) client.markRead(seq);
    const nextMs = tracker.current.nextMs();
    if (nextMs !== null) timer.current = setTimeout(update, Math.max(0, nextMs - nowMs));
  }, [client]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new connection or message may let the marker move
  useEffect(update, [update, isConnected, lastSeq]);

  useEffect(() => {
    const onAttention = () => {
      const { state } = client.getSnapshot();
      const isUnread = unreadOf(state).unread > 0;
      if (isAttentive() && isUnread && state.unreadLineSeq === null) client.setUnreadLine(state.lastReadSeq);
      update();
      if (!isAttentive()) client.flushRead();
    };
    const unsubscribe = onAttentionChange(onAttention);
    return () => {
      unsubscribe();
      clearTimeout(timer.current);
      client.flushRead();
    };
  }, [client, update]);

  return useCallback(
    (messages: ChatMessage[]) => {
      visible.current = messages.map(({ seq }) => seq).filter((seq) => seq > 0);
      update();
    },
    [update],
  );
}
