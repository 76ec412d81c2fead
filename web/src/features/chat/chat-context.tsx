/** Who is signed in and how to reach the server, for every hook of this folder. */
import { createContext, use } from "react";
import { EmojiSource } from "@/components/ui/emoji-source";
import type { ChatClient } from "@/lib/chat-client";

const ChatContext = createContext<ChatClient | null>(null);

interface ChatProviderProps {
  /** Made once (outside of components, or in `useMemo`): it holds the connections. */
  client: ChatClient;
  children: React.ReactNode;
}

export function ChatProvider({ client, children }: ChatProviderProps) {
  return (
    <ChatContext value={client}>
      <EmojiSource value={`${client.url}/emoji`}>{children}</EmojiSource>
    </ChatContext>
  );
}

export function useChat(): ChatClient {
  const chat = use(ChatContext);
  if (!chat) throw new Error("useChat needs a ChatProvider around it");
  return chat;
}
