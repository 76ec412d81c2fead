/** A whole room: header, connection banner, messages, input, and at most one side panel. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { focusPageAfterKey } from "@/components/ui/focus";
import { XIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { Room } from "@/lib/protocol";
import type { ChatMessage } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { explain } from "../explain";
import { MessageActionsContext } from "../message-actions";
import type { Composing, DialogRequest, Panel } from "../panels";
import { useRoomTitle } from "../room-title";
import { type ChatRoomHandle, useChatRoom } from "../use-chat-room";
import { useMessageTarget } from "../use-message-target";
import { useOpeningSeq, useReadTracking, useUnreadHistory } from "../use-read-tracking";
import { useRoomActions } from "../use-room-actions";
import { useToast } from "../use-toast";
import { ConnectionBanner } from "./ConnectionBanner";
import { DropZone } from "./DropZone";
import { MessageInput } from "./MessageInput";
import { MessageList, MessageListEmpty, MessageListSkeleton } from "./MessageList";
import { RoomHeader } from "./RoomHeader";
import { SidePanel } from "./SidePanel";
import { TypingIndicator } from "./TypingIndicator";

const MessageDialogs = lazyWithRetry(() => import("./MessageDialogs"), true);

export interface ChatRoomProps {
  roomId: string;
  /** The room from the list, shown until the room itself is fetched. */
  listedRoom?: Room | undefined;
  /** Whether the details panel is open at first. */
  showDetails?: boolean;
  onBack?: () => void;
  onSignOut?: () => void;
  /** I left the room, or deleted it. */
  onLeft?: () => void;
}

export function ChatRoom({ roomId, listedRoom, showDetails, onBack, onSignOut, onLeft }: ChatRoomProps) {
  const { userId } = useChat();
  const room = useChatRoom(roomId, userId);
  const details = useDetails(room, listedRoom);
  const [panel, setPanel] = useState<Panel>(showDetails ? { kind: "details" } : null);
  const [composing, setComposing] = useState<Composing>(null);
  const [dialog, setDialog] = useState<DialogRequest>(null);
  const [toastText, toast] = useToast();
  const [dropped, setDropped] = useState<File[] | null>(null);
  const section = useRef<HTMLElement>(null);
  const uncover = useCallback(() => {
    if (isCovered(section.current)) setPanel(null);
  }, []);
  const [target, goTo] = useMessageTarget(room, setPanel, uncover, toast);
  const openingSeq = useOpeningSeq(room);
  const isUnreadLoading = useUnreadHistory(room, openingSeq);
  const onVisibleChange = useReadTracking(room);

  const title = useRoomTitle(details, userId) ?? t.room.untitled;
  const isDirect = details?.type === "direct";
  const isReadOnly = isStopped(room) || details?.archived === true;
  const people = useMemo(() => {
    const others = (details?.participantIds ?? []).filter((id) => id !== userId);
    return isDirect ? others : [...others, "room"];
  }, [details, userId, isDirect]);
  const actions = useRoomActions({
    room,
    isGroup: !isDirect,
    isReadOnly,
    setComposing,
    setDialog,
    setPanel,
    goTo,
    toast,
  });
  const editLast = () => {
    const last = room.messages.findLast(
      (message) => message.userId === userId && message.status === "sent" && message.deletedAt === null,
    );
    if (last) setComposing({ kind: "edit", message: last });
  };
  useRoomKeys(panel, setPanel, room.client.markAllRead);

  const noticeText = toastText ?? (room.notice && explain(room.notice));
  const notice = <Notice text={noticeText} onDismiss={toastText ? () => toast(null) : room.dismissNotice} />;
  const unsent = room.messages.filter((message) => message.status === "sending").length;
  return (
    <MessageActionsContext value={actions}>
      <div className="@container flex min-h-0 min-w-0 flex-1">
        <section
          ref={section}
          aria-label={title}
          className={cn("flex min-w-0 flex-1 flex-col", panel && "@max-2xl:hidden")}
        >
          <RoomHeader
            room={room}
            details={details}
            title={title}
            panel={panel}
            setPanel={setPanel}
            onBack={onBack}
            other={isDirect ? details.participantIds.find((id) => id !== userId) : undefined}
          />
          <ConnectionBanner
            status={room.connection}
            unsent={unsent}
            onReconnect={room.reconnect}
            onSignOut={onSignOut}
          />
          <DropZone className="flex min-h-0 flex-1 flex-col" onFiles={setDropped} disabled={isReadOnly}>
            <Messages
              room={room}
              title={title}
              target={target?.threadId === null ? target : null}
              onVisibleChange={onVisibleChange}
              openingSeq={openingSeq}
              isUnreadLoading={isUnreadLoading}
              me={userId}
            />
            <TypingIndicator users={room.typingUsers} unnamed={room.typingUnnamed} />
            {notice}
            {details?.archived ? (
              <p className="px-5 pb-5 text-center text-muted-foreground text-sm">{t.room.archived}</p>
            ) : (
              !(isStopped(room) && room.isLoading) && (
                <MessageInput
                  roomId={roomId}
                  placeholder={t.input.messageTo(title)}
                  disabled={isStopped(room)}
                  sendBlocked={room.state.sendBlocked}
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
        <SidePanel
          panel={panel}
          setPanel={setPanel}
          room={room}
          details={details}
          people={people}
          target={target}
          onLeft={onLeft}
          isReadOnly={isReadOnly}
          notice={noticeText && isCovered(section.current) ? notice : null}
        />
        {dialog && (
          <MessageDialogs
            request={dialog}
            onClose={() => setDialog(null)}
            onDelete={room.remove}
            onGoTo={goTo}
            onToast={toast}
            roomId={roomId}
            readMarkers={room.readMarkers}
          />
        )}
      </div>
    </MessageActionsContext>
  );
}

/** In a narrow container the side panel stands in place of the room. */
const isCovered = (section: HTMLElement | null): boolean => section?.offsetParent === null;

const isStopped = ({ connection }: ChatRoomHandle): boolean => connection.kind === "stopped";

interface MessagesProps {
  room: ChatRoomHandle;
  me: string;
  title: string;
  target: { seq: number } | null;
  onVisibleChange: (messages: ChatMessage[]) => void;
  openingSeq: number | null;
  isUnreadLoading: boolean;
}

function Messages({ room, me, title, target, onVisibleChange, openingSeq, isUnreadLoading }: MessagesProps) {
  const { messages, isLoading, loadOlder, loadNewer } = room;
  // A room that I may not enter stays empty.
  if (isLoading) return isStopped(room) ? <div className="flex-1" /> : <MessageListSkeleton />;
  if (isUnreadLoading) return <MessageListSkeleton />;
  if (messages.length === 0 && !room.hasMore) return <MessageListEmpty title={title} />;
  return (
    <MessageList
      messages={messages}
      me={me}
      label={t.room.messagesWith(title)}
      lineSeq={room.unreadLineSeq}
      startSeq={openingSeq}
      readMarkers={room.readMarkers}
      hasMore={room.hasMore}
      isLoadingOlder={room.isLoadingOlder}
      onLoadOlder={loadOlder}
      hasNewer={room.hasNewer}
      onLoadNewer={loadNewer}
      onNewest={room.jumpToNewest}
      onVisibleChange={onVisibleChange}
      lastReadSeq={room.state.lastReadSeq}
      onMarkAllRead={room.client.markAllRead}
      target={target}
      beginning={t.room.beginning}
    />
  );
}

function Notice({ text, onDismiss }: { text: string | null; onDismiss: () => void }) {
  return (
    <div role="status" aria-live="polite" className="mx-auto w-full max-w-4xl px-4">
      {text && (
        <p className="mb-2 flex items-center gap-2 rounded-lg bg-muted py-1 pe-1 ps-3 text-[0.8125rem]">
          <span className="min-w-0 flex-1">{text}</span>
          <Button
            variant="ghost"
            size="iconSm"
            aria-label={t.common.dismiss}
            onClick={(event) => {
              onDismiss();
              focusPageAfterKey(event);
            }}
          >
            <XIcon className="size-4" />
          </Button>
        </p>
      )}
    </div>
  );
}

/** The room as fetched; it is fetched again when an event says that it or its members changed. */
function useDetails(
  { client, details, roomRevision, isConnected }: ChatRoomHandle,
  listedRoom: Room | undefined,
) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change requires another fetch
  useEffect(() => {
    if (isConnected) void client.loadDetails();
  }, [client, roomRevision, isConnected]);
  return details ?? listedRoom ?? null;
}

function useRoomKeys(panel: Panel, setPanel: (panel: Panel) => void, markAllRead: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return;
      const isSearch = event.key.toLowerCase() === "f" && (event.ctrlKey || event.metaKey) && event.shiftKey;
      if (isSearch) {
        event.preventDefault();
        setPanel({ kind: "search" });
      } else if (event.key === "Escape" && event.shiftKey) {
        event.preventDefault();
        markAllRead();
      } else if (event.key === "Escape" && panel && !document.querySelector("dialog[open], :popover-open")) {
        setPanel(null);
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [panel, setPanel, markAllRead]);
}
