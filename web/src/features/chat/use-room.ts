/** A room while a component uses it, and hooks for single parts of it. */
import { useCallback, useEffect, useSyncExternalStore } from "react";
import type { RoomClient, RoomSnapshot } from "@/lib/room-client";
import { type ChatMessage, typingUsers, unreadOf } from "@/lib/room-view";
import { useChat } from "./chat-context";

/** The room's client, connected while the component is mounted. All hooks of one room share it. */
export function useRoom(roomId: string): RoomClient {
  const chat = useChat();
  const client = chat.room(roomId);
  useEffect(() => chat.retain(client), [chat, client]);
  return client;
}

/** The value that `select` returns; the component renders again when it changes. */
export function useRoomState<T>(client: RoomClient, select: (snapshot: RoomSnapshot) => T): T {
  return useSyncExternalStore(client.subscribe, () => select(client.getSnapshot()));
}

export interface MessagesHandle {
  messages: ChatMessage[];
  /** Nothing is loaded yet. */
  isLoading: boolean;
  hasMore: boolean;
  isLoadingOlder: boolean;
  loadOlder: () => Promise<void>;
  send: RoomClient["sendMessage"];
}

/** The messages of a room, or of one thread in it. */
export function useMessages(roomId: string, threadId?: string): MessagesHandle {
  const client = useRoom(roomId);
  const messages = useRoomState(client, ({ state }) =>
    threadId === undefined ? client.view.room(state) : client.view.thread(state, threadId),
  );
  const { state } = useRoomState(client, (snapshot) => snapshot);
  const part = threadId === undefined ? undefined : state.threads[threadId];
  const loads = threadId === undefined ? ["older", "historyWindow"] : [`thread ${threadId}`];
  const send = useCallback<RoomClient["sendMessage"]>(
    (content, options) => client.sendMessage(content, threadId ? { ...options, threadId } : options),
    [client, threadId],
  );
  const loadThread = useCallback(
    () => (threadId === undefined ? client.loadOlder() : client.loadThread(threadId)),
    [client, threadId],
  );
  return {
    messages,
    isLoading: state.seq === null && messages.length === 0,
    hasMore:
      threadId === undefined ? (state.historyWindow?.hasBefore ?? state.hasMore) : (part?.hasBefore ?? true),
    isLoadingOlder: loads.some((key) => key in state.loads),
    loadOlder: loadThread,
    send,
  };
}

/** Who is online in the room. Empty while that is unknown. */
export function usePresence(roomId: string): { onlineUsers: string[]; isKnown: boolean } {
  const client = useRoom(roomId);
  const isKnown = useRoomState(client, ({ connection }) => connection.kind === "live");
  const onlineUsers = useRoomState(client, ({ state }) => state.onlineUsers);
  return { onlineUsers: isKnown ? onlineUsers : NOBODY, isKnown };
}

const NOBODY: string[] = [];

/** Who else is typing in the room or thread, and a function that reports that I am. */
export function useTyping(roomId: string, threadId = "") {
  const client = useRoom(roomId);
  // As one string, so that equal lists are equal values.
  const users = useRoomState(client, ({ state }) => JSON.stringify(typingUsers(state, threadId)));
  const sendTyping = useCallback(
    (isTyping: boolean) => client.sendTyping(isTyping, threadId),
    [client, threadId],
  );
  return { typingUsers: JSON.parse(users) as string[], sendTyping };
}

/** Unread counts of a room; without a room, of all rooms in the list. */
export function useUnread(roomId?: string): { unread: number; mentions: number } {
  const { list, room } = useUnreadSource(roomId);
  const text = useSyncExternalStore(room?.subscribe ?? list.subscribe, () => {
    if (room) {
      const { unread, mentions } = unreadOf(room.getSnapshot().state);
      return `${unread} ${mentions}`;
    }
    const { rooms } = list.getSnapshot();
    const sum = (of: "unread" | "mentions") => rooms.reduce((total, entry) => total + entry[of], 0);
    return `${sum("unread")} ${sum("mentions")}`;
  });
  const [unread = 0, mentions = 0] = text.split(" ").map(Number);
  return { unread, mentions };
}

function useUnreadSource(roomId: string | undefined) {
  const chat = useChat();
  const room = roomId === undefined ? null : chat.room(roomId);
  useEffect(() => (room ? chat.retain(room) : chat.list.retain()), [chat, room]);
  return { list: chat.list, room };
}
