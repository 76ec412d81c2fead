/** The messages of a room or thread as rows, with the "New messages" line and who has read how far. */

import { useEffect, useMemo, useRef, useState } from "react";
import { ChatMessageList, type ChatMessageListHandle } from "@/components/chat/chat-message-list";
import { Button } from "@/components/ui/button";
import { fill } from "@/i18n/fill";
import { t } from "@/i18n/i18n";
import { plainText } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { MessageRow } from "./MessageRow";

interface MessageListProps {
  messages: ChatMessage[];
  me: string;
  label: string;
  /** The "New messages" line stands after this seq. `null`: no line. */
  lineSeq: number | null;
  /** The read marker when the room was opened, if it was known then. */
  startSeq?: number | null;
  readMarkers: Record<string, number>;
  hasMore: boolean;
  isLoadingOlder: boolean;
  onLoadOlder: () => void;
  hasNewer?: boolean;
  onLoadNewer?: () => void;
  onNewest?: () => void;
  onBottomChange?: (atBottom: boolean) => void;
  /** The message to scroll to; a new object for each request. */
  target?: { seq: number } | null;
  inThread?: boolean;
  /** The text above the first message. */
  beginning: string;
}

/** With fewer new messages than this the list starts at the end, where all of them are visible. */
const LINE_FIRST_MIN = 8;

export function MessageList(props: MessageListProps) {
  const { messages, me, label, lineSeq, readMarkers, hasMore, isLoadingOlder, onLoadOlder, target } = props;
  const list = useRef<ChatMessageListHandle>(null);
  const [flashed, setFlashed] = useState<string | null>(null);
  const seen = useSeenBy(messages, readMarkers, me);
  // The line marks messages to be read, so it stands before a message of another person.
  const firstNew = firstAfter(messages, lineSeq, me);
  const [startKey] = useState(() => {
    const first = firstAfter(messages, props.startSeq ?? lineSeq, me);
    const at = messages.findIndex((message) => message.key === first);
    return messages.length - at > LINE_FIRST_MIN ? first : undefined;
  });

  const targetSeq = target?.seq;
  const targetKey = messages.find((message) => message.seq === targetSeq)?.key;
  // biome-ignore lint/correctness/useExhaustiveDependencies: scrolls once per target, when its row exists
  useEffect(() => {
    if (!target || !targetKey) return;
    list.current?.scrollToKey(targetKey);
    setFlashed(targetKey);
    const timer = setTimeout(() => setFlashed(null), 2_500);
    return () => clearTimeout(timer);
  }, [target, targetKey !== undefined]);

  return (
    <>
      <Announcer messages={messages} me={me} />
      <ChatMessageList
        ref={list}
        label={label}
        rows={messages}
        lastIsOwn={messages.at(-1)?.userId === me}
        startKey={startKey}
        hasNewer={props.hasNewer ?? false}
        onNearTop={hasMore && !isLoadingOlder ? onLoadOlder : undefined}
        onNearBottom={props.onLoadNewer}
        onNewest={props.onNewest}
        {...(props.onBottomChange && { onBottomChange: props.onBottomChange })}
        header={
          <div className="flex h-10 items-center justify-center text-muted-foreground text-xs">
            {hasMore ? (
              isLoadingOlder ? (
                t.common.loading
              ) : (
                <Button variant="ghost" size="sm" onClick={onLoadOlder}>
                  {t.room.earlierMessages}
                </Button>
              )
            ) : (
              props.beginning
            )}
          </div>
        }
      >
        {(message, at) => (
          <MessageRow
            key={message.key}
            message={message}
            before={messages[at - 1]}
            isFirstNew={message.key === firstNew}
            seenBy={seen.get(message.key)}
            isTarget={message.key === flashed}
            inThread={props.inThread ?? false}
          />
        )}
      </ChatMessageList>
    </>
  );
}

/** Announces a new message to screen readers, unless it was deleted. */
function Announcer({ messages, me }: { messages: ChatMessage[]; me: string }) {
  const last = messages.at(-1);
  const announced = useRef(last?.seq ?? 0);
  const [seq, setSeq] = useState(0);
  useEffect(() => {
    if (!last || last.seq <= announced.current) return;
    announced.current = last.seq;
    if (last.userId !== me) setSeq(last.seq);
  }, [last, me]);
  const message =
    seq === 0 ? undefined : messages.findLast((known) => known.seq === seq && known.deletedAt === null);
  return (
    <p className="sr-only" aria-live="polite">
      {message &&
        t.room.announce(message.userId, plainText(message.content).slice(0, 200) || t.roomList.attachment)}
    </p>
  );
}

function firstAfter(messages: ChatMessage[], seq: number | null, me: string): string | undefined {
  if (seq === null || seq === 0) return undefined;
  return messages.find((message) => message.seq > seq && message.userId !== me)?.key;
}

/** For each of my messages: the people for whom it is the last of mine that they have read. */
function useSeenBy(
  messages: ChatMessage[],
  readMarkers: Record<string, number>,
  me: string,
): Map<string, string[]> {
  return useMemo(() => {
    const own = messages.filter(
      (message) => message.userId === me && message.seq > 0 && message.deletedAt === null,
    );
    const seen = new Map<string, string[]>();
    for (const [userId, seq] of Object.entries(readMarkers)) {
      const last = userId === me ? undefined : own.findLast((message) => message.seq <= seq);
      if (last) seen.set(last.key, [...(seen.get(last.key) ?? []), userId]);
    }
    return seen;
  }, [messages, readMarkers, me]);
}

const SKELETON = ["w-48", "w-72", "w-40 ml-auto", "w-64", "w-56 ml-auto", "w-80"];

export function MessageListSkeleton() {
  return (
    <div
      role="status"
      aria-label={t.room.loadingMessages}
      className="mx-auto flex min-h-0 w-full max-w-4xl flex-1 flex-col justify-end gap-3 overflow-hidden p-4"
    >
      {SKELETON.map((size) => (
        <span key={size} className={`h-10 shrink-0 animate-pulse rounded-2xl bg-muted ${size}`} />
      ))}
    </div>
  );
}

export function MessageListEmpty({ title }: { title: string }) {
  return (
    <div className="flex min-h-0 flex-1 flex-col items-center justify-center gap-2 px-6 text-center">
      <span aria-hidden="true" className="text-4xl">
        👋
      </span>
      <p className="font-medium">{t.room.emptyTitle}</p>
      <p className="max-w-xs text-muted-foreground text-sm">{fill(t.room.emptyText, <bdi>{title}</bdi>)}</p>
    </div>
  );
}
