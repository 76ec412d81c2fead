/** The page: sign-in, the list of rooms, and the open room, which is part of the URL. Also the global shortcuts. */

import { useCallback, useEffect, useMemo, useState } from "react";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { t } from "@/i18n/i18n";
import { ChatClient } from "@/lib/chat-client";
import { cn } from "@/lib/cn";
import { countUnreadRooms } from "@/lib/notify";
import { browserOutbox } from "@/lib/outbox";
import type { Room } from "@/lib/protocol";
import { browserSavedView } from "@/lib/saved-view";
import { loadSession, type Session, saveSession, tokenSource } from "@/lib/session";
import { ChatProvider, useChat } from "./features/chat/chat-context";
import { ChatRoom } from "./features/chat/components/ChatRoom";
import { ReportOutcomes } from "./features/chat/components/ReportOutcomes";
import { RoomList } from "./features/chat/components/RoomList";
import { inOrder, sectionsOf } from "./features/chat/room-sections";
import { useRoomTitle } from "./features/chat/room-title";
import { openRoom, useRoute } from "./features/chat/route";
import { useSettings } from "./features/chat/settings";
import { useAlerts } from "./features/chat/use-alerts";
import { useInbox } from "./features/chat/use-inbox";

const HelpDialog = lazyWithRetry(() => import("./features/chat/components/HelpDialog"), true);
const MentionsDialog = lazyWithRetry(() => import("./features/chat/components/MentionsDialog"), true);
const SavedDialog = lazyWithRetry(() => import("./features/chat/components/SavedDialog"), true);
const ThreadsDialog = lazyWithRetry(() => import("./features/chat/components/ThreadsDialog"), true);
const ReportsDialog = lazyWithRetry(() => import("./features/chat/components/ReportsDialog"), true);
const SettingsDialog = lazyWithRetry(() => import("./features/chat/components/SettingsDialog"), true);
const QuickSwitcher = lazyWithRetry(() => import("./features/chat/components/QuickSwitcher"), true);
const SignIn = lazyWithRetry(() => import("./features/session/SignIn"));
const SearchDialog = lazyWithRetry(() => import("./features/chat/components/SearchDialog"), true);
const NewChatDialog = lazyWithRetry(() => import("./features/chat/components/NewChatDialog"), true);

export function App() {
  const [session, setSession] = useState<Session | null>(loadSession);
  const signIn = useCallback((next: Session | null) => {
    saveSession(next);
    setSession(next);
  }, []);
  if (!session) return <SignIn onSession={signIn} />;
  return <SignedIn session={session} onSignOut={() => signIn(null)} />;
}

/** How many rooms are live in the list on a server without an inbox. */
const WARM_ROOMS = 10;

function SignedIn({ session, onSignOut }: { session: Session; onSignOut: () => void }) {
  const client = useMemo(() => {
    const { userId, tenant } = session;
    const getToken = tokenSource(session, (token) => saveSession({ ...session, token }));
    const account = JSON.stringify([tenant, userId]);
    return new ChatClient({
      userId,
      getToken,
      account,
      outbox: browserOutbox(account),
      saved: browserSavedView(account),
      warmRooms: WARM_ROOMS,
    });
  }, [session]);
  return (
    <ChatProvider client={client}>
      <Home
        onSignOut={() => {
          void client.signOut();
          onSignOut();
        }}
      />
    </ChatProvider>
  );
}

type HomeDialog =
  | "new"
  | "switch"
  | "help"
  | "settings"
  | "reports"
  | "mentions"
  | "threads"
  | "saved"
  | "search"
  | null;

function Home({ onSignOut }: { onSignOut: () => void }) {
  const { userId } = useChat();
  const list = useInbox();
  const { order } = useSettings();
  const sections = useMemo(() => sectionsOf(list.rooms, order), [list.rooms, order]);
  const { roomId: openId } = useRoute();
  const [dialog, setDialog] = useState<HomeDialog>(null);
  const open = list.rooms.find((room) => room.id === openId);
  const { refresh, remove } = list;
  useTitle(list.rooms, open, userId);
  useAlerts(list.rooms, userId);
  const rooms = useMemo(() => inOrder(sections), [sections]);
  useKeys(rooms, openId, setDialog);
  // A room that was opened by its URL and is not in the list may have been created a moment ago.
  const unlisted = openId !== null && !open && !list.isLoading;
  useEffect(() => {
    if (unlisted) void refresh();
  }, [unlisted, refresh]);

  return (
    <main className="flex h-dvh flex-col overflow-hidden">
      {openId && (
        <button
          type="button"
          onClick={() => document.querySelector<HTMLElement>("[role=log]")?.focus()}
          className="fixed start-2 top-2 z-30 rounded-lg bg-primary px-3 py-2 text-primary-foreground text-sm not-focus-visible:sr-only"
        >
          {t.home.skipToMessages}
        </button>
      )}
      <ReportOutcomes onShow={() => setDialog("reports")} />
      <div className="flex min-h-0 flex-1">
        <div className={cn("w-full shrink-0 bg-card md:w-80 md:border-e", openId && "max-md:hidden")}>
          <RoomList
            list={list}
            sections={sections}
            me={userId}
            openId={openId}
            onNew={() => setDialog("new")}
            onMentions={() => setDialog("mentions")}
            onThreads={() => setDialog("threads")}
            onSaved={() => setDialog("saved")}
            onSearch={() => setDialog("search")}
            onHelp={() => setDialog("help")}
            onSettings={() => setDialog("settings")}
            onSignOut={onSignOut}
          />
        </div>
        <div className={cn("flex min-w-0 flex-1 flex-col", !openId && "max-md:hidden")}>
          {openId ? (
            <ChatRoom
              key={openId}
              roomId={openId}
              listedRoom={open}
              showDetails={matchMedia("(min-width: 80rem)").matches}
              onBack={() => openRoom(null)}
              onSignOut={onSignOut}
              onLeft={() => {
                remove(openId);
                openRoom(null);
              }}
            />
          ) : (
            <div className="m-auto px-6 text-center">
              <img src="/icon.svg" alt="" className="mx-auto mb-4 size-12 opacity-80" />
              <p className="font-medium">{t.home.pickConversation}</p>
              <p className="mt-1 text-muted-foreground text-sm">{t.home.orStartOne}</p>
            </div>
          )}
        </div>
      </div>
      {dialog === "help" && <HelpDialog onClose={() => setDialog(null)} />}
      {dialog === "settings" && (
        <SettingsDialog onClose={() => setDialog(null)} onReports={() => setDialog("reports")} />
      )}
      {dialog === "reports" && <ReportsDialog onClose={() => setDialog(null)} />}
      {dialog === "search" && <SearchDialog onClose={() => setDialog(null)} />}
      {dialog === "threads" && <ThreadsDialog onClose={() => setDialog(null)} />}
      {dialog === "saved" && <SavedDialog onClose={() => setDialog(null)} />}
      {dialog === "mentions" && <MentionsDialog onClose={() => setDialog(null)} />}
      {dialog === "switch" && (
        <QuickSwitcher
          rooms={rooms}
          onOpen={(roomId) => {
            setDialog(null);
            openRoom(roomId);
          }}
          onCreate={list.create}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === "new" && (
        <NewChatDialog
          me={userId}
          onCreate={list.create}
          onCreated={(room) => {
            setDialog(null);
            openRoom(room.id);
          }}
          onClose={() => setDialog(null)}
        />
      )}
    </main>
  );
}

function useTitle(rooms: Room[], open: Room | undefined, me: string): void {
  const title = useRoomTitle(open, me);
  const unread = countUnreadRooms(rooms);
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${title ? `${title} · ` : ""}Chinwag`;
  }, [title, unread]);
}

const isWriting = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;

function useKeys(rooms: Room[], openId: string | null, openDialog: (dialog: HomeDialog) => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isCommand = event.ctrlKey || event.metaKey;
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.altKey && step && rooms.length > 0) {
        const at = rooms.findIndex((room) => room.id === openId);
        const next = rooms[(Math.max(at, step < 0 ? 0 : -1) + step + rooms.length) % rooms.length];
        if (next) openRoom(next.id);
      } else if (isCommand && event.key === "k") openDialog("switch");
      else if (openId === null && isCommand && event.shiftKey && event.key.toLowerCase() === "f")
        openDialog("search");
      else if (event.key === "?" && !isWriting(event.target) && !isCommand) openDialog("help");
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [rooms, openId, openDialog]);
}
