/** My rooms, newest activity first, kept current while a component shows them. */
import { useEffect, useSyncExternalStore } from "react";
import { ApiError, SignedOut } from "@/lib/api";
import { useChat } from "./chat-context";

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

/** What to tell a person about a failure. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError || error instanceof SignedOut) return error.message;
  return "Something went wrong on this page.";
}
