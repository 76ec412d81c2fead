/** One room, live. The first seven fields are the original hook's; the others came later. */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { RoomClient } from "@/lib/room-client";
import { messageView, typingUsers } from "@/lib/room-view";
import { useChat } from "./chat-context";

export function useChatRoom(roomId: string, userId: string) {
  const { api, getToken } = useChat();
  const client = useMemo(
    () => new RoomClient({ roomId, userId, api, getToken }),
    [roomId, userId, api, getToken],
  );
  const view = useMemo(() => ({ of: client, messages: messageView() }), [client]);
  useEffect(() => {
    client.start();
    return () => client.stop();
  }, [client]);
  const { state, connection } = useSyncExternalStore(client.subscribe, client.getSnapshot);
  // Before the first `synced` only a part of the history may be in.
  const isLoading = state.phase === "start" || state.phase === "history";

  return {
    messages: view.messages(state),
    onlineUsers: state.onlineUsers,
    typingUsers: typingUsers(state),
    isConnected: connection.kind === "live",
    sendMessage: client.sendMessage,
    sendTyping: client.sendTyping,
    sendReaction: client.sendReaction,

    connection,
    isLoading,
    retry: client.retry,
    discard: client.discard,
    loadOlder: client.loadOlder,
    hasMore: state.hasMore,
    isLoadingOlder: state.loadingOlder,
    markRead: client.markRead,
    reconnect: client.reconnect,
    readMarkers: state.readMarkers,
    openedAtSeq: state.openedAtSeq,
    lastSeq: state.seq ?? 0,
    roomChanges: state.roomChanges,
    notice: state.notice,
  };
}

export type ChatRoomHandle = ReturnType<typeof useChatRoom>;
