import { useEffect, useLayoutEffect, useState } from "react";
import { unreadOf } from "@/lib/room-view";
import type { ChatRoomHandle } from "./use-chat-room";

/** The read marker at the time the room was opened, if the room was connected before. `null`: nothing was unread. */
export function useOpeningSeq({ client }: ChatRoomHandle): number | null {
  const [at] = useState(() => {
    const { state } = client.getSnapshot();
    return state.seq !== null && unreadOf(state).unread > 0 ? state.lastReadSeq : null;
  });
  useLayoutEffect(() => {
    if (client.getSnapshot().state.seq !== null) client.setUnreadLine(at);
  }, [client, at]);
  return at;
}

/** Marks the room as read while its end is visible, and sets the "New messages" line when the tab becomes visible. */
export function useMarkRead({ client, isConnected, markRead, lastSeq }: ChatRoomHandle) {
  const [atBottom, setAtBottom] = useState(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new message is one more to mark
  useEffect(() => {
    const seen = () => {
      if (atBottom && isConnected && document.visibilityState === "visible") markRead();
    };
    const back = () => {
      const { state } = client.getSnapshot();
      if (document.visibilityState === "visible" && state.lastReadSeq < (state.seq ?? 0))
        client.setUnreadLine(state.lastReadSeq);
      seen();
    };
    seen();
    document.addEventListener("visibilitychange", back);
    return () => document.removeEventListener("visibilitychange", back);
  }, [client, atBottom, isConnected, markRead, lastSeq]);
  return setAtBottom;
}
