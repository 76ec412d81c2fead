/** One room: header, banner, messages, input, and one panel beside them (details, a thread, search). */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { BackIcon, BellOffIcon, CloseIcon, InfoIcon, SearchIcon } from "@/components/ui/icons";
import { later } from "@/components/ui/later";
import { cn } from "@/lib/cn";
import type { Room } from "@/lib/protocol";
import { type ChatMessage, unreadOf } from "@/lib/room-view";
import { roomTitle } from "@/lib/text";
import { useChat } from "../chat-context";
import { explain, messageOf } from "../explain";
import { type MessageActions, MessageActionsContext } from "../message-actions";
import { forgetSeq, useRoute } from "../route";
import { type ChatRoomHandle, useChatRoom } from "../use-chat-room";
import { ConnectionBanner } from "./ConnectionBanner";
import { DropZone } from "./DropZone";
import { type Composing, MessageInput } from "./MessageInput";
import { MessageList, MessageListEmpty, MessageListSkeleton } from "./MessageList";
import { TypingIndicator } from "./TypingIndicator";

const DetailsPanel = later(() => import("./DetailsPanel"));
const ThreadPanel = later(() => import("./ThreadPanel"));
const SearchPanel = later(() => import("./SearchPanel"));
const MessageDialogs = later(() => import("./MessageDialogs"), true);

export type Panel = { kind: "details" } | { kind: "search" } | { kind: "thread"; rootId: string } | null;
/** What is asked before it is done. */
export type Asking = { kind: "delete" | "report" | "versions"; message: ChatMessage } | null;

export interface ChatRoomProps {
  roomId: string;
  /** As the list has it; a room opened by its address alone is asked for. */
  listed?: Room | undefined;
  /** Whether the panel of details is open at first. */
  showDetails?: boolean;
  onBack?: () => void;
  onSignOut?: () => void;
  /** I am not part of it any more. */
  onGone?: () => void;
}

export function ChatRoom({ roomId, listed, showDetails, onBack, onSignOut, onGone }: ChatRoomProps) {
  const { userId } = useChat();
  const room = useChatRoom(roomId, userId);
  const details = useDetails(room, listed);
  const [panel, setPanel] = useState<Panel>(showDetails ? { kind: "details" } : null);
  const [composing, setComposing] = useState<Composing>(null);
  const [asking, setAsking] = useState<Asking>(null);
  const [said, say] = useSaid();
  const [dropped, setDropped] = useState<File[] | null>(null);
  const [target, goTo] = useTarget(room, say);
  const markBottom = useMarking(room);
  const openedAt = useOpened(room);

  const title = details ? roomTitle(details, userId) : "Conversation";
  const isDirect = details?.type === "direct";
  const isReadOnly = isStopped(room) || details?.archived === true;
  const people = useMemo(() => {
    const others = (details?.participantIds ?? []).filter((id) => id !== userId);
    return isDirect ? others : [...others, "room"];
  }, [details, userId, isDirect]);
  const actions = useActions({
    room,
    isGroup: !isDirect,
    isReadOnly,
    setComposing,
    setAsking,
    setPanel,
    goTo,
    say,
  });
  const editLast = () => {
    const last = room.messages.findLast(
      (one) => one.userId === userId && one.status === "sent" && one.deletedAt === null,
    );
    if (last) setComposing({ kind: "edit", message: last });
  };
  usePanelKeys(panel, setPanel);

  const unsent = room.messages.filter((message) => message.status === "sending").length;
  return (
    <MessageActionsContext value={actions}>
      <div className="@container flex min-h-0 min-w-0 flex-1">
        <section
          aria-label={title}
          className={cn("flex min-w-0 flex-1 flex-col", panel && "@max-2xl:hidden")}
        >
          <Header
            {...{ room, details, title, panel, setPanel, onBack }}
            other={isDirect ? details.participantIds.find((id) => id !== userId) : undefined}
          />
          <ConnectionBanner
            status={room.connection}
            unsent={unsent}
            onReconnect={room.reconnect}
            onSignOut={onSignOut}
          />
          <DropZone className="flex min-h-0 flex-1 flex-col" onFiles={setDropped} disabled={isReadOnly}>
            <Messages {...{ room, title, target, markBottom, openedAt }} me={userId} />
            <TypingIndicator users={room.typingUsers} />
            <Notice
              text={said ?? (room.notice && explain(room.notice))}
              onDismiss={said ? () => say(null) : room.dismissNotice}
            />
            {details?.archived ? (
              <p className="px-5 pb-5 text-center text-muted-foreground text-sm">
                This conversation is archived. It can be read, but not written to.
              </p>
            ) : (
              !(isStopped(room) && room.isLoading) && (
                <MessageInput
                  roomId={roomId}
                  placeholder={`Message ${title}`}
                  disabled={isStopped(room)}
                  held={room.state.held}
                  slowModeS={room.role === "member" ? details?.slowModeS : undefined}
                  people={people}
                  composing={composing}
                  onComposing={setComposing}
                  onSend={room.sendMessage}
                  onEdit={room.edit}
                  onEditLast={editLast}
                  onTyping={room.sendTyping}
                  dropped={dropped}
                  autoFocus
                />
              )
            )}
          </DropZone>
        </section>
        <SidePanel {...{ panel, setPanel, room, details, people, onGone, isReadOnly }} />
        {asking && (
          <MessageDialogs
            asking={asking}
            onClose={() => setAsking(null)}
            onDelete={room.remove}
            onSaid={say}
            roomId={roomId}
          />
        )}
      </div>
    </MessageActionsContext>
  );
}

interface HeaderProps {
  room: ChatRoomHandle;
  details: Room | null;
  title: string;
  other: string | undefined;
  panel: Panel;
  setPanel: (panel: Panel) => void;
  onBack: (() => void) | undefined;
}

function Header({ room, details, title, other, panel, setPanel, onBack }: HeaderProps) {
  const isDirect = details?.type === "direct";
  const toggle = (kind: "details" | "search") => setPanel(panel?.kind === kind ? null : { kind });
  const { notify } = room.state;
  const isQuiet = notify !== null && (notify.level === "none" || isFuture(notify.muteUntil));
  return (
    <header className="flex h-16 shrink-0 items-center gap-3 border-b bg-card/80 px-3 sm:px-4">
      {onBack && (
        <Button
          variant="ghost"
          size="icon"
          aria-label="All conversations"
          className="md:hidden"
          onClick={onBack}
        >
          <BackIcon />
        </Button>
      )}
      <Avatar
        id={title}
        group={!isDirect}
        online={room.isConnected && other !== undefined && room.onlineUsers.includes(other)}
      />
      <div className="min-w-0 flex-1">
        <h1 className="flex items-center gap-1.5 font-semibold leading-tight">
          <bdi className="truncate">{title}</bdi>
          {isQuiet && (
            <>
              <BellOffIcon className="size-4 shrink-0 text-muted-foreground" />
              <span className="sr-only">(muted)</span>
            </>
          )}
        </h1>
        <p className="truncate text-muted-foreground text-xs">
          <span data-testid="presence">{presence(room, other, details)}</span>
          {details?.topic && (
            <>
              {" · "}
              <bdi>{details.topic}</bdi>
            </>
          )}
        </p>
      </div>
      <Button
        variant="ghost"
        size="icon"
        aria-label="Search"
        aria-pressed={panel?.kind === "search"}
        onClick={() => toggle("search")}
      >
        <SearchIcon />
      </Button>
      <Button
        variant="ghost"
        size="icon"
        aria-label="Details"
        aria-pressed={panel?.kind === "details"}
        onClick={() => toggle("details")}
      >
        <InfoIcon />
      </Button>
    </header>
  );
}

const isFuture = (iso: string | null): boolean => iso !== null && Date.parse(iso) > Date.now();

function presence(room: ChatRoomHandle, other: string | undefined, details: Room | null): string {
  if (!room.isConnected) return "Not connected";
  if (other !== undefined) return room.onlineUsers.includes(other) ? "Online" : "Away";
  const count = details ? ` of ${details.memberCount}` : "";
  return `${room.onlineUsers.length}${count} online`;
}

const isStopped = ({ connection }: ChatRoomHandle): boolean => connection.kind === "stopped";

interface MessagesProps {
  room: ChatRoomHandle;
  me: string;
  title: string;
  target: { seq: number } | null;
  markBottom: (atBottom: boolean) => void;
  openedAt: number | null;
}

function Messages({ room, me, title, target, markBottom, openedAt }: MessagesProps) {
  const { messages, isLoading, loadOlder, loadNewer } = room;
  // Nothing comes of what one may not enter.
  if (isLoading) return isStopped(room) ? <div className="flex-1" /> : <MessageListSkeleton />;
  if (messages.length === 0 && !room.hasMore) return <MessageListEmpty title={title} />;
  return (
    <MessageList
      messages={messages}
      me={me}
      label={`Messages with ${title}`}
      lineSeq={room.openedAtSeq}
      startSeq={openedAt}
      readMarkers={room.readMarkers}
      hasMore={room.hasMore}
      isLoadingOlder={room.isLoadingOlder}
      onLoadOlder={loadOlder}
      hasNewer={room.hasNewer}
      onLoadNewer={loadNewer}
      onNewest={room.jumpToNewest}
      onBottomChange={markBottom}
      target={target}
      beginning="This is where it began."
    />
  );
}

function Notice({ text, onDismiss }: { text: string | null; onDismiss: () => void }) {
  return (
    <div role="status" aria-live="polite" className="mx-auto w-full max-w-4xl px-4">
      {text && (
        <p className="mb-2 flex items-center gap-2 rounded-lg bg-muted py-1 pr-1 pl-3 text-[13px]">
          <span className="min-w-0 flex-1">{text}</span>
          <Button variant="ghost" size="icon" className="size-7" aria-label="Dismiss" onClick={onDismiss}>
            <CloseIcon className="size-4" />
          </Button>
        </p>
      )}
    </div>
  );
}

interface SidePanelProps {
  panel: Panel;
  setPanel: (panel: Panel) => void;
  room: ChatRoomHandle;
  details: Room | null;
  people: string[];
  isReadOnly: boolean;
  onGone: (() => void) | undefined;
}

function SidePanel({ panel, setPanel, room, details, people, isReadOnly, onGone }: SidePanelProps) {
  if (!panel) return null;
  const close = () => setPanel(null);
  const label = { details: "Details", search: "Search", thread: "Thread" }[panel.kind];
  return (
    <aside
      aria-label={label}
      className={cn(
        "flex min-h-0 w-full shrink-0 flex-col border-l bg-card/50",
        panel.kind === "thread" ? "@2xl:w-80 @4xl:w-96" : "@2xl:w-72",
      )}
    >
      <div className="flex h-16 shrink-0 items-center justify-between border-b px-4">
        <h1 className="font-semibold text-sm">{label}</h1>
        <Button variant="ghost" size="icon" aria-label={`Close ${label.toLowerCase()}`} onClick={close}>
          <CloseIcon className="size-4.5" />
        </Button>
      </div>
      {panel.kind === "details" && <DetailsPanel room={room} details={details} onGone={onGone} />}
      {panel.kind === "search" && <SearchPanel roomId={room.client.roomId} />}
      {panel.kind === "thread" && (
        <ThreadPanel key={panel.rootId} {...{ room, people, isReadOnly }} rootId={panel.rootId} />
      )}
    </aside>
  );
}

// ---- what the parts share ----

/** The room itself; asked for again when an event says that it or its members changed. */
function useDetails({ client, details, roomChanges, isConnected }: ChatRoomHandle, listed: Room | undefined) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change is a reason to ask again
  useEffect(() => {
    if (isConnected) void client.loadDetails();
  }, [client, roomChanges, isConnected]);
  return details ?? listed ?? null;
}

/** Where one begins to read in a room that was connected before it was opened. */
function useOpened({ client }: ChatRoomHandle): number | null {
  const [at] = useState(() => {
    const { state } = client.getSnapshot();
    return state.seq !== null && unreadOf(state).unread > 0 ? state.lastReadSeq : null;
  });
  useLayoutEffect(() => {
    if (client.getSnapshot().state.seq !== null) client.drawLine(at);
  }, [client, at]);
  return at;
}

/** One looks at the end of the room, so all of it is read; the line is drawn anew on coming back to the tab. */
function useMarking({ client, isConnected, markRead, lastSeq }: ChatRoomHandle) {
  const [atBottom, setAtBottom] = useState(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new message is one more to mark
  useEffect(() => {
    const seen = () => {
      if (atBottom && isConnected && document.visibilityState === "visible") markRead();
    };
    const back = () => {
      const { state } = client.getSnapshot();
      if (document.visibilityState === "visible" && state.lastReadSeq < (state.seq ?? 0))
        client.drawLine(state.lastReadSeq);
      seen();
    };
    seen();
    document.addEventListener("visibilitychange", back);
    return () => document.removeEventListener("visibilitychange", back);
  }, [client, atBottom, isConnected, markRead, lastSeq]);
  return setAtBottom;
}

/** The message that the address, a search hit or a quote leads to. */
function useTarget(room: ChatRoomHandle, say: (text: string) => void) {
  const { client, isLoading } = room;
  const { roomId, seq } = useRoute();
  const [target, setTarget] = useState<{ seq: number } | null>(null);
  const goTo = useCallback(
    (to: number) => {
      void client.jumpTo(to).then((isThere) => {
        if (isThere) setTarget({ seq: to });
        else say("That message isn't in this conversation, or can't be shown to you.");
      });
    },
    [client, say],
  );
  useEffect(() => {
    if (isLoading || seq === null || roomId !== client.roomId) return;
    goTo(seq);
    forgetSeq(roomId);
  }, [client, isLoading, roomId, seq, goTo]);
  return [target, goTo] as const;
}

interface ActionParts {
  room: ChatRoomHandle;
  isGroup: boolean;
  isReadOnly: boolean;
  setComposing: (composing: Composing) => void;
  setAsking: (asking: Asking) => void;
  setPanel: (panel: Panel) => void;
  goTo: (seq: number) => void;
  say: (text: string) => void;
}

function useActions(parts: ActionParts): MessageActions {
  const { isGroup, isReadOnly, setComposing, setAsking, setPanel, goTo, say } = parts;
  const { client, role } = parts.room;
  const { userId } = useChat();
  return useMemo(
    () => ({
      ...{ me: userId, roomId: client.roomId, role, isGroup, isReadOnly, goTo, say },
      find: (id) => client.view.one(client.getSnapshot().state, id),
      react: client.sendReaction,
      reply: (message) => setComposing({ kind: "reply", message }),
      edit: (message) => setComposing({ kind: "edit", message }),
      remove: (message) => setAsking({ kind: "delete", message }),
      report: (message) => setAsking({ kind: "report", message }),
      versions: (message) => setAsking({ kind: "versions", message }),
      openThread: (rootId) => setPanel({ kind: "thread", rootId }),
      markUnread: (message) => {
        client.markUnread(message.seq).then(
          () => say("Marked as unread."),
          (failure: unknown) => say(messageOf(failure)),
        );
      },
      retry: client.retry,
      discard: client.discard,
    }),
    [client, role, userId, isGroup, isReadOnly, setComposing, setAsking, setPanel, goTo, say],
  );
}

const SAID_MS = 5_000;

/** A word to the person, for a moment. */
function useSaid() {
  const [said, setSaid] = useState<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const say = useCallback((text: string | null) => {
    clearTimeout(timer.current);
    setSaid(text);
    if (text !== null) timer.current = setTimeout(() => setSaid(null), SAID_MS);
  }, []);
  return [said, say] as const;
}

function usePanelKeys(panel: Panel, setPanel: (panel: Panel) => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return;
      const isSearch = event.key.toLowerCase() === "f" && (event.ctrlKey || event.metaKey) && event.shiftKey;
      if (isSearch) {
        event.preventDefault();
        setPanel({ kind: "search" });
      } else if (event.key === "Escape" && panel && !document.querySelector("dialog[open], :popover-open")) {
        setPanel(null);
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [panel, setPanel]);
}
