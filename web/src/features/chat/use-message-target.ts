import { useCallback, useEffect, useState } from "react";
import { t } from "@/i18n/i18n";
import { clearRouteSeq, useRoute } from "./route";
import type { ChatRoomHandle } from "./use-chat-room";

/** The message that the URL, a search hit or a quoted message leads to, and the function that goes to one. */
export function useMessageTarget(room: ChatRoomHandle, toast: (text: string) => void) {
  const { client, isLoading } = room;
  const { roomId, seq } = useRoute();
  const [target, setTarget] = useState<{ seq: number } | null>(null);
  const goTo = useCallback(
    (to: number) => {
      void client.jumpTo(to).then((isThere) => {
        if (isThere) setTarget({ seq: to });
        else toast(t.room.messageNotHere);
      });
    },
    [client, toast],
  );
  useEffect(() => {
    if (isLoading || seq === null || roomId !== client.roomId) return;
    goTo(seq);
    clearRouteSeq(roomId);
  }, [client, isLoading, roomId, seq, goTo]);
  return [target, goTo] as const;
}
