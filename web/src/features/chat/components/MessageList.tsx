/** The messages of a room or thread as rows, with the "New messages" line and who has read how far. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ChatMessageList, type ChatMessageListHandle } from "@/components/chat/chat-message-list";
import { Button } from "@/components/ui/button";
import { ArrowUpIcon } from "@/components/ui/icons";
import { useName } from "@/components/ui/person";
import { fill } from "@/i18n/fill";
import { t } from "@/i18n/i18n";
import { plainText } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { useToday } from "../use-today";
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
  /** Called with the messages in sight. */
  onVisibleChange?: (messages: ChatMessage[]) => void;
  /** My read marker: messages of others after it are new. Without it there are no counts. */
  lastReadSeq?: number;
  onMarkAllRead?: () => void;
  /** The message to scroll to; a new object for each request. */
  target?: { seq: number } | null;
  inThread?: boolean;
  /** The text above the first message. */
  beginning: string;
}

export function MessageList(props: MessageListProps) {
  const { messages, me, label, lineSeq, readMarkers, hasMore, isLoadingOlder, onLoadOlder, target } = props;
  const list = useRef<ChatMessageListHandle>(null);
  const today = useToday();
  const [flashed, setFlashed] = useState<string | null>(null);
  const seen = useSeenBy(messages, readMarkers, me);
  // The line marks messages to be read, so it stands before a message of another person.
  const firstNew = firstAfter(messages, lineSeq, me);
  const [startKey] = useState(() => firstAfter(messages, props.startSeq ?? lineSeq, me));
  const { lastReadSeq } = props;
  const [visible, setVisible] = useState<string[]>([]);
  const unread = useMemo(
    () => (lastReadSeq === undefined ? null : countUnread(messages, visible, lastReadSeq, me)),
    [messages, visible, lastReadSeq, me],
  );
  const firstUnreadKey = firstAfter(messages, lastReadSeq ?? null, me);
  const latest = useRef(messages);
  latest.current = messages;
  const report = props.onVisibleChange;
  const onVisibleChange = useCallback(
    (keys: string[]) => {
      setVisible(keys);
      report?.(latest.current.filter(({ key }) => keys.includes(key)));
    },
    [report],
  );

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
        onVisibleChange={onVisibleChange}
        newBelow={unread?.below}
        overlay={
          unread !== null &&
          unread.above > 0 && (
            <UnreadAbove
              count={unread.above}
              onGo={() => firstUnreadKey && list.current?.scrollToKey(firstUnreadKey)}
              onMarkAllRead={props.onMarkAllRead}
            />
          )
        }
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
            today={today}
          />
        )}
      </ChatMessageList>
    </>
  );
}

/** How many unread messages of others are above and below the view. */
function countUnread(messages: ChatMessage[], visible: string[], lastReadSeq: number, me: string) {
  const seqs = messages.filter(({ key }) => visible.includes(key)).map(({ seq }) => seq);
  const [firstSeq = 0, endSeq = Number.POSITIVE_INFINITY] = [seqs[0], seqs.at(-1)];
  const unread = messages.filter(
    ({ seq, userId, deletedAt }) => seq > lastReadSeq && userId !== me && deletedAt === null,
  );
  return {
    above: unread.filter(({ seq }) => seq < firstSeq).length,
    below: unread.filter(({ seq }) => seq > endSeq).length,
  };
}

interface UnreadAboveProps {
  count: number;
  onGo: () => void;
  onMarkAllRead: (() => void) | undefined;
}

/** Over the top of the list: how many unread messages are above, the way to the first of them, and "Mark as read". */
function UnreadAbove({ count, onGo, onMarkAllRead }: UnreadAboveProps) {
  return (
    <div className="absolute top-2 left-1/2 z-10 flex -translate-x-1/2 animate-rise items-center rounded-full border bg-card font-medium text-sm shadow-md">
      <button
        type="button"
        onClick={onGo}
        className="flex h-9 items-center gap-1.5 rounded-s-full pe-2 ps-3 hover:bg-muted"
      >
        <ArrowUpIcon className="size-4" />
        {t.room.newAbove(count)}
      </button>
      <button
        type="button"
        onClick={onMarkAllRead}
        className="h-9 rounded-e-full border-s pe-3 ps-2 text-muted-foreground hover:bg-muted"
      >
        {t.room.markAllRead}
      </button>
    </div>
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
  const name = useName(message?.userId ?? "");
  return (
    <p className="sr-only" aria-live="polite">
      {message && t.room.announce(name, plainText(message.content).slice(0, 200) || t.roomList.attachment)}
    </p>
  );
}

function firstAfter(messages: ChatMessage[], seq: number | null, me: string): string | undefined {
  if (seq === null) return undefined;
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

const SKELETON = ["w-48", "w-72", "w-40 ms-auto", "w-64", "w-56 ms-auto", "w-80"];

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
