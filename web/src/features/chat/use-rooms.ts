/** My rooms, newest activity first, kept current while a component shows them. */
import { useEffect, useSyncExternalStore } from "react";
import { useChat } from "./chat-context";
import { messageOf } from "./explain";

export function useRooms() {
  const { list } = useChat();
  useEffect(() => list.retain(), [list]);
  const { failure, ...snapshot } = useSyncExternalStore(list.subscribe, list.getSnapshot);
  const { refresh, loadMore, create, drop } = list;
  return {
    ...snapshot,
    refresh,
    loadMore,
    create,
    drop,
    error: failure === null ? null : messageOf(failure),
  };
}

export type RoomsHandle = ReturnType<typeof useRooms>;
