/** One room with everything about it. The first seven fields are those of the original hook and stay as they are. */
import { useCallback } from "react";
import { typingUnnamed, typingUsers, unreadOf } from "@/lib/room-view";
import { useChat } from "./chat-context";
import { useRoom, useRoomState } from "./use-room";

export function useChatRoom(roomId: string, userId: string) {
  const me = useChat().userId;
  if (userId !== me) throw new Error(`useChatRoom: the ChatProvider's client is ${me}'s, not ${userId}'s`);
  const client = useRoom(roomId);
  const { state, connection } = useRoomState(client, (snapshot) => snapshot);
  const reply = useCallback(
    (replyToId: string, content: string) => client.sendMessage(content, { replyToId }),
    [client],
  );
  const { historyWindow } = state;

  return {
    messages: client.view.room(state),
    onlineUsers: state.onlineUsers,
    typingUsers: typingUsers(state),
    typingUnnamed: typingUnnamed(state),
    isConnected: connection.kind === "live",
    sendMessage: client.sendMessage,
    sendTyping: client.sendTyping,
    sendReaction: client.sendReaction,

    /** For everything else: threads, the state itself. */
    client,
    state,
    connection,
    status: connection.kind,
    /** Nothing of the room is loaded yet. */
    isLoading: state.seq === null && state.messages.length === 0,
    edit: client.edit,
    remove: client.remove,
    reply,
    retry: client.retry,
    discard: client.discard,
    loadOlder: client.loadOlder,
    loadNewer: client.loadNewer,
    hasMore: historyWindow?.hasBefore ?? state.hasMore,
    /** A history window is shown, and newer messages follow it. */
    hasNewer: historyWindow?.hasAfter ?? false,
    isLoadingOlder: "older" in state.loads || "historyWindow" in state.loads,
    jumpTo: client.jumpTo,
    jumpToNewest: client.jumpToNewest,
    markRead: client.markRead,
    markUnread: client.markUnread,
    unread: unreadOf(state).unread,
    reconnect: client.reconnect,
    readMarkers: state.readMarkers,
    unreadLineSeq: state.unreadLineSeq,
    lastSeq: state.seq ?? 0,
    details: state.details,
    role: state.role,
    roomRevision: state.roomRevision,
    notice: state.notice,
    dismissNotice: client.dismissNotice,
  };
}

export type ChatRoomHandle = ReturnType<typeof useChatRoom>;
