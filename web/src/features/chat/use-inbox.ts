/** My inbox: all my rooms, live over one socket, while a component uses it. */
import { useEffect, useSyncExternalStore } from "react";
import { useChat } from "./chat-context";
import { useRooms } from "./use-rooms";

export function useInbox() {
  const chat = useChat();
  useEffect(() => chat.retainInbox(), [chat]);
  const connection = useSyncExternalStore(chat.subscribeInbox, chat.getInboxStatus);
  const list = useRooms();
  const sum = (of: "unread" | "mentions") => list.rooms.reduce((total, room) => total + room[of], 0);
  return {
    ...list,
    connection,
    isLive: connection.kind === "live",
    unread: sum("unread"),
    mentions: sum("mentions"),
  };
}
