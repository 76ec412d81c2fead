/** My rooms, newest activity first, kept current while a component uses them. */
import { useEffect, useSyncExternalStore } from "react";
import { useChat } from "./chat-context";
import { errorText } from "./explain";

export function useRooms() {
  const { list } = useChat();
  useEffect(() => list.retain(), [list]);
  const { failure, ...snapshot } = useSyncExternalStore(list.subscribe, list.getSnapshot);
  const { refresh, loadMore, create, remove } = list;
  return {
    ...snapshot,
    refresh,
    loadMore,
    create,
    remove,
    error: failure === null ? null : errorText(failure),
  };
}

export type RoomsHandle = ReturnType<typeof useRooms>;
