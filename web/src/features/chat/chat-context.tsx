/** The signed-in person's ChatClient, for every hook of this folder. */

import { createContext, use } from "react";
import { EmojiSource } from "@/components/ui/emoji-source";
import { useMessagesInUse } from "@/i18n/i18n";
import type { ChatClient } from "@/lib/chat-client";

const ChatContext = createContext<ChatClient | null>(null);

interface ChatProviderProps {
  /** Created once (outside of components, or in `useMemo`), because it holds the connections. */
  client: ChatClient;
  children: React.ReactNode;
}

export function ChatProvider({ client, children }: ChatProviderProps) {
  const { locale } = useMessagesInUse();
  return (
    <ChatContext value={client}>
      {/* Texts are not props, so another language renders everything anew. */}
      <EmojiSource key={locale} value={`${client.url}/emoji`}>
        {children}
      </EmojiSource>
    </ChatContext>
  );
}

export function useChat(): ChatClient {
  const chat = use(ChatContext);
  if (!chat) throw new Error("useChat needs a ChatProvider around it");
  return chat;
}
