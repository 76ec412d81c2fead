/**
 * The package's React entry: hooks and components on top of the SDK. Their styles are in `react.css`, scoped to
 * `.chinwag`.
 */
import { ChatRoom, type ChatRoomProps } from "./features/chat/components/ChatRoom";
import { useMessagesInUse } from "./i18n/i18n";
import "./react.css";

export * from "./components/chat/chat-bubble";
export * from "./components/chat/chat-input";
export * from "./components/chat/chat-message-list";
export { ChatProvider, useChat } from "./features/chat/chat-context";
export { MessageInput } from "./features/chat/components/MessageInput";
export { MessageList } from "./features/chat/components/MessageList";
export { OnlineUsers } from "./features/chat/components/OnlineUsers";
export { RoomList } from "./features/chat/components/RoomList";
export { TypingIndicator } from "./features/chat/components/TypingIndicator";
export { useChatRoom } from "./features/chat/use-chat-room";
export { useInbox } from "./features/chat/use-inbox";
export { type Directory, useDirectory, usePeople, usePerson } from "./features/chat/use-people";
export { usePush } from "./features/chat/use-push";
export {
  useMessages,
  usePresence,
  useRoom,
  useRoomState,
  useTyping,
  useUnread,
} from "./features/chat/use-room";
export { useRooms } from "./features/chat/use-rooms";
export { chooseLanguage, type Messages, setMessages } from "./i18n/i18n";
export { ChatRoom };

/** A whole room for embedding in another page. It fills its container. */
export function Chat(props: ChatRoomProps) {
  const { locale, direction } = useMessagesInUse();
  return (
    <div lang={locale} dir={direction} className="chinwag flex h-full min-h-0 w-full">
      <ChatRoom key={props.roomId} {...props} />
    </div>
  );
}
