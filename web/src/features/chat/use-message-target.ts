import { useCallback, useEffect, useState } from "react";
import { t } from "@/i18n/i18n";
import { showReply } from "@/lib/show-reply";
import type { Panel } from "./panels";
import { clearRouteSeq, useRoute } from "./route";
import type { ChatRoomHandle } from "./use-chat-room";

/** The message to scroll to, in the room or in one of its threads. */
export interface MessageTarget {
  seq: number;
  threadId: string | null;
}

/** The message that the URL, a search hit or a quoted message leads to, and the function that goes to one. */
export function useMessageTarget(
  room: ChatRoomHandle,
  setPanel: (panel: Panel) => void,
  /** Closes the side panel where it covers the messages. */
  uncover: () => void,
  toast: (text: string) => void,
) {
  const { client, isLoading } = room;
  const { roomId, seq, threadId } = useRoute();
  const [target, setTarget] = useState<MessageTarget | null>(null);
  const goTo = useCallback(
    async (to: number, inThread: string | null = null) => {
      const isThere = inThread === null ? await client.jumpTo(to) : await showReply(client, inThread, to);
      if (!isThere) return toast(t.room.messageNotHere);
      if (inThread === null) uncover();
      else setPanel({ kind: "thread", rootId: inThread });
      setTarget({ seq: to, threadId: inThread });
    },
    [client, setPanel, uncover, toast],
  );
  useEffect(() => {
    if (isLoading || roomId !== client.roomId || (seq === null && threadId === null)) return;
    if (seq !== null) void goTo(seq, threadId);
    else if (threadId !== null) setPanel({ kind: "thread", rootId: threadId });
    clearRouteSeq(roomId);
  }, [client, isLoading, roomId, seq, threadId, goTo, setPanel]);
  return [target, goTo] as const;
}
