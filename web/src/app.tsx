/** The page: who is signed in, which room is open (it stands in the address), and how the parts share the screen. */
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { ChatClient } from "@/lib/chat-client";
import { cn } from "@/lib/cn";
import { browserOutbox } from "@/lib/outbox";
import { loadSession, type Session, saveSession, tokenSource } from "@/lib/session";
import { roomTitle } from "@/lib/text";
import { ChatProvider, useChat } from "./features/chat/chat-context";
import { ChatRoom } from "./features/chat/components/ChatRoom";
import { NewChatDialog } from "./features/chat/components/NewChatDialog";
import { RoomList } from "./features/chat/components/RoomList";
import { useRooms } from "./features/chat/use-rooms";
import { SignIn } from "./features/session/SignIn";

export function App() {
  const [session, setSession] = useState<Session | null>(loadSession);
  const signIn = useCallback((next: Session | null) => {
    saveSession(next);
    setSession(next);
  }, []);
  if (!session) return <SignIn onSession={signIn} />;
  return <SignedIn session={session} onSignOut={() => signIn(null)} />;
}

/** So many rooms are live in the list. */
const WARM_ROOMS = 10;

function SignedIn({ session, onSignOut }: { session: Session; onSignOut: () => void }) {
  const client = useMemo(() => {
    const { userId, tenant } = session;
    const getToken = tokenSource(session, (token) => saveSession({ ...session, token }));
    const outbox = browserOutbox(JSON.stringify([tenant, userId]));
    return new ChatClient({ userId, getToken, outbox, warmRooms: WARM_ROOMS });
  }, [session]);
  return (
    <ChatProvider client={client}>
      <Home
        onSignOut={() => {
          client.close();
          onSignOut();
        }}
      />
    </ChatProvider>
  );
}

function Home({ onSignOut }: { onSignOut: () => void }) {
  const { userId } = useChat();
  const list = useRooms();
  const openId = useOpenRoom();
  const [making, setMaking] = useState(false);
  const open = list.rooms.find((room) => room.id === openId);
  const { refresh } = list;

  const title = open && roomTitle(open, userId);
  const unread = list.rooms.filter((room) => room.id !== openId && room.unread > 0).length;
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${title ? `${title} · ` : ""}Chinwag`;
  }, [title, unread]);
  // A room that was opened by its address and isn't in the list may be one that somebody has just made.
  const unlisted = openId !== null && !open && !list.isLoading;
  useEffect(() => {
    if (unlisted) void refresh();
  }, [unlisted, refresh]);

  return (
    <div className="flex h-dvh overflow-hidden">
      <div className={cn("w-full shrink-0 bg-card md:w-80 md:border-r", openId && "max-md:hidden")}>
        <RoomList
          list={list}
          me={userId}
          openId={openId}
          onNew={() => setMaking(true)}
          onSignOut={onSignOut}
        />
      </div>
      <main className={cn("flex min-w-0 flex-1 flex-col", !openId && "max-md:hidden")}>
        {openId ? (
          <ChatRoom
            key={openId}
            roomId={openId}
            listed={open}
            onBack={() => openRoom(null)}
            onSignOut={onSignOut}
          />
        ) : (
          <div className="m-auto px-6 text-center">
            <img src="/icon.svg" alt="" className="mx-auto mb-4 size-12 opacity-80" />
            <p className="font-medium">Pick a conversation</p>
            <p className="mt-1 text-muted-foreground text-sm">or start a new one.</p>
          </div>
        )}
      </main>
      {making && (
        <NewChatDialog
          me={userId}
          onCreate={list.create}
          onCreated={(room) => {
            setMaking(false);
            openRoom(room.id);
          }}
          onClose={() => setMaking(false)}
        />
      )}
    </div>
  );
}

const openRoom = (id: string | null) => {
  location.hash = id === null ? "" : `#/r/${encodeURIComponent(id)}`;
};

function useOpenRoom(): string | null {
  const hash = useSyncExternalStore(
    (listener) => {
      window.addEventListener("hashchange", listener);
      return () => window.removeEventListener("hashchange", listener);
    },
    () => location.hash,
  );
  const id = /^#\/r\/([^/]+)$/.exec(hash)?.[1];
  try {
    return id === undefined ? null : decodeURIComponent(id);
  } catch {
    return null;
  }
}
