/** The messages of a room or thread as rows: which of them opens the unread part, who has read how far. */
import { useEffect, useMemo, useRef, useState } from "react";
import { ChatMessageList, type ChatMessageListHandle } from "@/components/chat/chat-message-list";
import { Button } from "@/components/ui/button";
import { plainText } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { MessageRow } from "./MessageRow";

interface MessageListProps {
  messages: ChatMessage[];
  me: string;
  label: string;
  /** The "new messages" line comes after this. `null`: no line. */
  lineSeq: number | null;
  /** The same, where it was known before the list was made. */
  startSeq?: number | null;
  readMarkers: Record<string, number>;
  hasMore: boolean;
  isLoadingOlder: boolean;
  onLoadOlder: () => void;
  hasNewer?: boolean;
  onLoadNewer?: () => void;
  onNewest?: () => void;
  onBottomChange?: (atBottom: boolean) => void;
  /** A message to go to; a new object each time. */
  target?: { seq: number } | null;
  inThread?: boolean;
  /** What stands at the very beginning. */
  beginning: string;
}

/** With fewer new messages than these one begins at the end, where all of them are in sight. */
const LINE_FIRST_MIN = 8;

export function MessageList(props: MessageListProps) {
  const { messages, me, label, lineSeq, readMarkers, hasMore, isLoadingOlder, onLoadOlder, target } = props;
  const list = useRef<ChatMessageListHandle>(null);
  const [flashed, setFlashed] = useState<string | null>(null);
  const seen = useSeenBy(messages, readMarkers, me);
  // The line is drawn for what was there to be read at the start, so it is only for others' messages.
  const firstNew = firstAfter(messages, lineSeq, me);
  const [startKey] = useState(() => {
    const first = firstAfter(messages, props.startSeq ?? lineSeq, me);
    const at = messages.findIndex((one) => one.key === first);
    return messages.length - at > LINE_FIRST_MIN ? first : undefined;
  });

  const targetSeq = target?.seq;
  const targetKey = messages.find((one) => one.seq === targetSeq)?.key;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each target is gone to once, when its row is there
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
                "Loading…"
              ) : (
                <Button variant="ghost" size="sm" onClick={onLoadOlder}>
                  Earlier messages
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

/** Says a message that has just come in to those who don't see it; not once it is deleted. */
function Announcer({ messages, me }: { messages: ChatMessage[]; me: string }) {
  const last = messages.at(-1);
  const heard = useRef(last?.seq ?? 0);
  const [seq, setSeq] = useState(0);
  useEffect(() => {
    if (!last || last.seq <= heard.current) return;
    heard.current = last.seq;
    if (last.userId !== me) setSeq(last.seq);
  }, [last, me]);
  const said = seq === 0 ? undefined : messages.findLast((one) => one.seq === seq && one.deletedAt === null);
  return (
    <p className="sr-only" aria-live="polite">
      {said && `${said.userId}: ${plainText(said.content).slice(0, 200) || "an attachment"}`}
    </p>
  );
}

function firstAfter(messages: ChatMessage[], seq: number | null, me: string): string | undefined {
  if (seq === null || seq === 0) return undefined;
  return messages.find((one) => one.seq > seq && one.userId !== me)?.key;
}

/** By row: the others whose marker stands there. Each person stands at the last own message that they have read. */
function useSeenBy(
  messages: ChatMessage[],
  readMarkers: Record<string, number>,
  me: string,
): Map<string, string[]> {
  return useMemo(() => {
    const own = messages.filter((one) => one.userId === me && one.seq > 0 && one.deletedAt === null);
    const seen = new Map<string, string[]>();
    for (const [userId, seq] of Object.entries(readMarkers)) {
      const last = userId === me ? undefined : own.findLast((one) => one.seq <= seq);
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
      aria-label="Loading messages"
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
      <p className="font-medium">Nothing here yet</p>
      <p className="max-w-xs text-muted-foreground text-sm">
        Say the first word to <bdi>{title}</bdi>.
      </p>
    </div>
  );
}
