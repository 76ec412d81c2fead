/** The signed-in person's ChatClient, for every hook of this folder. */

import { createContext, use, useEffect, useState } from "react";
import { EmojiSource } from "@/components/ui/emoji-source";
import { PersonSource } from "@/components/ui/person";
import { useMessagesInUse } from "@/i18n/i18n";
import type { ChatClient } from "@/lib/chat-client";
import type { Person } from "@/lib/people";

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
        <PersonSource value={usePeople}>{children}</PersonSource>
      </EmojiSource>
    </ChatContext>
  );
}

export function useChat(): ChatClient {
  const chat = use(ChatContext);
  if (!chat) throw new Error("useChat needs a ChatProvider around it");
  return chat;
}

/** The people of a list, in its order. */
export function usePeople(userIds: string[]): Person[] {
  const { people } = useChat();
  const key = JSON.stringify(userIds);
  const [, setVersion] = useState(0);
  useEffect(() => {
    const ids: string[] = JSON.parse(key);
    const stops = ids.map((id) => people.subscribe(id, () => setVersion((version) => version + 1)));
    return () => {
      for (const stop of stops) stop();
    };
  }, [people, key]);
  return userIds.map((id) => people.get(id));
}
