/** Who is signed in and how to reach the server, for every hook below. */
import { createContext, use, useMemo } from "react";
import { ChatApi, type GetToken } from "@/lib/api";
import { type Session, saveSession, tokenSource } from "@/lib/session";

interface Chat {
  userId: string;
  api: ChatApi;
  getToken: GetToken;
}

const ChatContext = createContext<Chat | null>(null);

export function ChatProvider({ session, children }: { session: Session; children: React.ReactNode }) {
  const chat = useMemo(() => {
    const getToken = tokenSource(session, (token) => saveSession({ ...session, token }));
    return { userId: session.userId, api: new ChatApi(getToken), getToken };
  }, [session]);
  return <ChatContext value={chat}>{children}</ChatContext>;
}

export function useChat(): Chat {
  const chat = use(ChatContext);
  if (!chat) throw new Error("useChat needs a ChatProvider around it");
  return chat;
}
