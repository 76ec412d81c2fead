import { memo, useCallback, useEffect, useMemo, useState } from "react";
import {
  ChatBubble,
  ChatBubbleAvatar,
  ChatBubbleBody,
  ChatBubbleMessage,
  ChatBubbleName,
  ChatBubbleReactions,
  ChatBubbleStatus,
  ChatBubbleTimestamp,
} from "@/components/chat/chat-bubble";
import { ChatMessageList } from "@/components/chat/chat-message-list";
import { Button } from "@/components/ui/button";
import { CheckIcon, ClockIcon, WarnIcon } from "@/components/ui/icons";
import { RichText } from "@/components/ui/rich-text";
import type { ChatMessage } from "@/lib/room-view";
import { dayName, sameDay, timeOf } from "@/lib/text";
import type { ChatRoomHandle } from "../use-chat-room";

interface MessageListProps {
  room: ChatRoomHandle;
  me: string;
  title: string;
  /** In a DM: how far the other person has read. */
  seenSeq: number | null;
}

/** Messages of one person closer together than this stand as one group. */
const GROUP_MS = 5 * 60_000;

export function MessageList({ room, me, title, seenSeq }: MessageListProps) {
  const { messages, openedAtSeq, hasMore, isLoading, isLoadingOlder, loadOlder, markRead, isConnected } =
    room;
  const keys = useMemo(() => messages.map((message) => message.key), [messages]);
  const [atBottom, setAtBottom] = useState(true);
  const onNearTop = useCallback(
    () => void (hasMore && !isLoadingOlder && loadOlder()),
    [hasMore, isLoadingOlder, loadOlder],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: each new message is one more to mark
  useEffect(() => {
    const seen = () => {
      if (atBottom && isConnected && document.visibilityState === "visible") markRead();
    };
    seen();
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [atBottom, isConnected, markRead, room.lastSeq]);

  // The line is drawn for what was there to be read at the start, so it is only for others' messages.
  const firstNew = messages.find((one) => openedAtSeq !== null && one.seq > openedAtSeq && one.userId !== me);
  const unread = openedAtSeq !== null && openedAtSeq > 0 ? firstNew?.key : undefined;
  const lastSeen = messages.findLast((one) => one.userId === me && one.seq > 0 && one.seq <= (seenSeq ?? 0));

  if (isLoading && messages.length === 0) return <Skeleton />;
  if (messages.length === 0) return <Empty title={title} />;
  return (
    <ChatMessageList
      label={`Messages with ${title}`}
      keys={keys}
      lastIsOwn={messages.at(-1)?.userId === me}
      onNearTop={onNearTop}
      onBottomChange={setAtBottom}
    >
      <div className="flex h-10 items-center justify-center text-muted-foreground text-xs">
        {hasMore ? (
          isLoadingOlder ? (
            "Loading…"
          ) : (
            <Button variant="ghost" size="sm" onClick={loadOlder}>
              Earlier messages
            </Button>
          )
        ) : (
          "This is where it began."
        )}
      </div>
      {messages.map((message, at) => (
        <MessageRow
          key={message.key}
          message={message}
          before={messages[at - 1]}
          me={me}
          isFirstNew={message.key === unread}
          isSeen={message === lastSeen}
          onReaction={room.sendReaction}
          onRetry={room.retry}
          onDiscard={room.discard}
        />
      ))}
    </ChatMessageList>
  );
}

interface MessageRowProps {
  message: ChatMessage;
  before: ChatMessage | undefined;
  me: string;
  isFirstNew: boolean;
  isSeen: boolean;
  onReaction: (messageId: string, emoji: string) => void;
  onRetry: (clientId: string) => void;
  onDiscard: (clientId: string) => void;
}

const MessageRow = memo(function MessageRow(props: MessageRowProps) {
  const { message, before, me, isFirstNew, isSeen, onReaction } = props;
  const own = message.userId === me;
  const newDay = !before || !sameDay(before.createdAt, message.createdAt);
  const apartMs = before ? Date.parse(message.createdAt) - Date.parse(before.createdAt) : GROUP_MS;
  const grouped = before?.userId === message.userId && !newDay && !isFirstNew && apartMs < GROUP_MS;
  const removed = message.deletedAt !== null;
  const reactable = message.status === "sent" && !removed;
  const react = reactable ? (emoji: string) => onReaction(message.id, emoji) : undefined;
  return (
    <>
      {newDay && <Separator>{dayName(message.createdAt)}</Separator>}
      {isFirstNew && <Separator accent>New messages</Separator>}
      <article
        data-message={message.id}
        data-seq={message.seq}
        data-status={message.status}
        aria-label={`${own ? "You" : message.userId}, ${timeOf(message.createdAt)}`}
      >
        <ChatBubble variant={own ? "sent" : "received"} grouped={grouped} onReaction={react}>
          {!own && <ChatBubbleAvatar id={message.userId} shown={!grouped} />}
          <ChatBubbleBody>
            {!grouped && (
              <ChatBubbleName name={own ? "You" : message.userId}>
                <ChatBubbleTimestamp iso={message.createdAt}>{timeOf(message.createdAt)}</ChatBubbleTimestamp>
              </ChatBubbleName>
            )}
            <ChatBubbleMessage
              pending={message.status === "sending"}
              failed={message.status === "failed"}
              removed={removed}
            >
              {removed ? "This message was deleted" : <RichText text={message.content} />}
            </ChatBubbleMessage>
            <ChatBubbleReactions reactions={message.reactions} me={me} onReaction={react} />
            <RowStatus {...props} isSeen={isSeen} />
          </ChatBubbleBody>
        </ChatBubble>
      </article>
    </>
  );
});

function RowStatus({ message, isSeen, onRetry, onDiscard }: MessageRowProps) {
  const clientId = message.clientId ?? "";
  if (message.status === "failed") {
    return (
      <ChatBubbleStatus>
        <span role="alert" className="flex items-center gap-1 text-destructive">
          <WarnIcon className="size-3.5" />
          Not sent{message.error ? `: ${message.error.message}` : ""}
        </span>
        <Button variant="link" size="text" onClick={() => onRetry(clientId)}>
          Try again
        </Button>
        <Button variant="link" size="text" onClick={() => onDiscard(clientId)}>
          Discard
        </Button>
      </ChatBubbleStatus>
    );
  }
  if (message.status === "sending") {
    return (
      <ChatBubbleStatus>
        <ClockIcon className="size-3" />
        Sending…
      </ChatBubbleStatus>
    );
  }
  if (!isSeen && message.editedAt === null) return null;
  return (
    <ChatBubbleStatus>
      {message.editedAt !== null && message.deletedAt === null && "Edited"}
      {isSeen && (
        <>
          <CheckIcon className="size-3" />
          Seen
        </>
      )}
    </ChatBubbleStatus>
  );
}

function Separator({ children, accent = false }: { children: React.ReactNode; accent?: boolean }) {
  const line = accent ? "h-px flex-1 bg-primary/40" : "h-px flex-1 bg-border";
  return (
    <div className="flex items-center gap-3 px-4 pt-5 pb-1">
      <span className={line} />
      <span
        className={
          accent
            ? "font-semibold text-[11px] text-accent-foreground"
            : "font-medium text-[11px] text-muted-foreground"
        }
      >
        {children}
      </span>
      <span className={line} />
    </div>
  );
}

function Empty({ title }: { title: string }) {
  return (
    <div className="flex min-h-0 flex-1 flex-col items-center justify-center gap-2 px-6 text-center">
      <span aria-hidden="true" className="text-4xl">
        👋
      </span>
      <p className="font-medium">Nothing here yet</p>
      <p className="max-w-xs text-muted-foreground text-sm">
        Say the first word to <bdi>{title}</bdi>.
      </p>
    </div>
  );
}

const SKELETON = ["w-48", "w-72", "w-40 ml-auto", "w-64", "w-56 ml-auto", "w-80"];

function Skeleton() {
  return (
    <div
      role="status"
      aria-label="Loading messages"
      className="mx-auto flex min-h-0 w-full max-w-4xl flex-1 flex-col justify-end gap-3 overflow-hidden p-4"
    >
      {SKELETON.map((size) => (
        <span key={size} className={`h-10 shrink-0 animate-pulse rounded-2xl bg-muted ${size}`} />
      ))}
    </div>
  );
}
