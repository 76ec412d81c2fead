/** One row of the message list: separators, the bubble with its content, and what belongs to it. */

import { memo, useId, useState } from "react";
import {
  ChatBubble,
  ChatBubbleAvatar,
  ChatBubbleBody,
  ChatBubbleMessage,
  ChatBubbleName,
  ChatBubbleReactions,
  ChatBubbleTimestamp,
} from "@/components/chat/chat-bubble";
import { MessageSquareTextIcon, ReplyIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { PersonName, useName } from "@/components/ui/person";
import { RichText } from "@/components/ui/rich-text";
import { formatDay, formatShortDate, formatTime, isSameDay } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import { plainText } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { useMessageActions } from "../message-actions";
import { MessageMenu, onMessageKey } from "./MessageMenu";
import { MessageStatus } from "./MessageStatus";
import { PersonButton } from "./PersonButton";

/** Most messages have none. */
const Attachments = lazyWithRetry(() => import("./Attachments"), true);

export interface MessageRowProps {
  message: ChatMessage;
  before: ChatMessage | undefined;
  isFirstNew: boolean;
  /** The people for whom this is the last of my messages that they have read. */
  seenBy: string[] | undefined;
  /** The list just scrolled to it. */
  isTarget: boolean;
  /** The current day: the row renders again when it changes, because "Today" does. */
  today: number;
  /** The row is in the panel of its thread. */
  inThread: boolean;
}

/** Messages of one person within this time form a group. */
const GROUP_MS = 5 * 60_000;

export const MessageRow = memo(function MessageRow(props: MessageRowProps) {
  const { message, before, isFirstNew, isTarget } = props;
  const actions = useMessageActions();
  const { me } = actions;
  const author = useName(message.userId);
  const id = useId();
  const [picking, setPicking] = useState(false);
  const own = message.userId === me;
  const newDay = !before || !isSameDay(before.createdAt, message.createdAt);
  const apartMs = before ? Date.parse(message.createdAt) - Date.parse(before.createdAt) : GROUP_MS;
  const isSameAuthor = before?.userId === message.userId && message.replyToId === null;
  const grouped = isSameAuthor && !newDay && !isFirstNew && apartMs < GROUP_MS;
  const removed = message.deletedAt !== null;
  const reactable = message.status === "sent" && !removed && !actions.isReadOnly;
  const react = reactable ? (emoji: string) => actions.react(message.id, emoji) : undefined;
  return (
    <>
      {newDay && (
        <Separator>
          <Day iso={message.createdAt} />
        </Separator>
      )}
      {isFirstNew && <Separator accent>{t.room.newMessages}</Separator>}
      <article
        id={id}
        data-key={message.key}
        data-message={message.id}
        data-seq={message.seq}
        data-status={message.status}
        aria-label={t.message.label(own ? t.common.you : author, formatTime(message.createdAt))}
        // Its own label, which says who and when, and then what.
        aria-labelledby={`${id} ${id}-text ${id}-files`}
        tabIndex={-1}
        onKeyDown={(event) => onMessageKey(event, message, actions, () => setPicking(true))}
        className={cn("rounded-lg focus-visible:-outline-offset-2", isTarget && "animate-flash")}
      >
        <ChatBubble
          variant={own ? "sent" : "received"}
          grouped={grouped}
          onReaction={react}
          isPicking={picking}
          onPickingChange={setPicking}
          actions={
            (grouped || reactable) && (
              <>
                {grouped && <GroupedTime iso={message.createdAt} />}
                {reactable && <MessageMenu message={message} inThread={props.inThread} />}
              </>
            )
          }
        >
          {!own && <ChatBubbleAvatar id={message.userId} shown={!grouped} />}
          <ChatBubbleBody>
            {!grouped && (
              <ChatBubbleName
                name={
                  own ? (
                    t.common.you
                  ) : (
                    <PersonButton userId={message.userId} className="max-w-full truncate hover:underline">
                      {author}
                    </PersonButton>
                  )
                }
              >
                <ChatBubbleTimestamp iso={message.createdAt}>
                  {formatTime(message.createdAt)}
                </ChatBubbleTimestamp>
              </ChatBubbleName>
            )}
            {message.replyToId !== null && !removed && <QuotedMessage id={message.replyToId} />}
            <Content id={id} message={message} removed={removed} me={me} />
            <ChatBubbleReactions
              reactions={message.reactions}
              counts={message.reactionCounts}
              me={me}
              onReaction={react}
            />
            {message.replyCount > 0 && !props.inThread && <ThreadLink message={message} />}
            <MessageStatus message={message} isOwn={own} seenBy={props.seenBy} inThread={props.inThread} />
          </ChatBubbleBody>
        </ChatBubble>
      </article>
    </>
  );
});

/** The day of the messages below. It leads to other days. */
function Day({ iso }: { iso: string }) {
  const { pickDate } = useMessageActions();
  const day = formatDay(iso);
  if (!pickDate) return day;
  return (
    <button
      type="button"
      aria-label={t.goToDate.fromDay(day)}
      title={t.goToDate.title}
      onClick={() => pickDate(iso)}
      className="rounded-full px-2 py-0.5 hover:bg-muted hover:text-foreground"
    >
      {day}
    </button>
  );
}

/** The time of a message that has no header of its own, next to its actions on hover. Its label has it for others. */
function GroupedTime({ iso }: { iso: string }) {
  return (
    <span aria-hidden="true" className="mx-1 [@media(hover:none)]:hidden">
      <ChatBubbleTimestamp iso={iso}>{formatTime(iso)}</ChatBubbleTimestamp>
    </span>
  );
}

interface ContentProps {
  /** Of the message: the label of its article refers to the parts. */
  id: string;
  message: ChatMessage;
  removed: boolean;
  me: string;
}

function Content({ id, message, removed, me }: ContentProps) {
  const { attachments, content } = message;
  return (
    <>
      {(removed || content !== "") && (
        <ChatBubbleMessage
          id={`${id}-text`}
          pending={message.status === "sending" || message.change?.failed === false}
          failed={message.status === "failed" || message.change?.failed === true}
          removed={removed}
        >
          {removed ? t.message.deleted : <RichText text={content} me={me} />}
        </ChatBubbleMessage>
      )}
      {!removed && attachments.length > 0 && <Attachments id={`${id}-files`} files={attachments} />}
    </>
  );
}

/** The message that this one replies to, as one line that links to it. */
function QuotedMessage({ id }: { id: string }) {
  const { find, goTo } = useMessageActions();
  const quoted = find(id);
  if (!quoted)
    return <p className="mb-1 px-1 text-muted-foreground text-xs italic">{t.message.quotesUnknown}</p>;
  const text = quoted.deletedAt ? t.message.deleted : plainText(quoted.content) || t.message.attachment;
  return (
    <button
      type="button"
      onClick={() => goTo(quoted.seq, quoted.alsoToRoom ? null : quoted.threadId)}
      className="mb-1 flex max-w-full items-center gap-1.5 rounded-lg border-ring/50 border-s-3 bg-muted/70 px-2 py-1 text-start text-muted-foreground text-xs hover:bg-muted"
    >
      <ReplyIcon className="size-3.5 shrink-0" />
      <PersonName id={quoted.userId} className="shrink-0 font-medium" />
      <span dir="auto" className="truncate">
        {text.slice(0, 120)}
      </span>
    </button>
  );
}

function ThreadLink({ message }: { message: ChatMessage }) {
  const { openThread } = useMessageActions();
  if (!openThread) return null;
  return (
    <button
      type="button"
      onClick={() => openThread(message.id)}
      className="mt-1 flex items-center gap-1.5 rounded-full px-2 py-1 font-medium text-accent-foreground text-xs hover:bg-accent"
    >
      <MessageSquareTextIcon className="size-4" />
      {t.message.replies(message.replyCount)}
      {message.lastReplyAt && (
        <span className="font-normal text-muted-foreground">
          {t.message.lastReply(formatShortDate(message.lastReplyAt))}
        </span>
      )}
    </button>
  );
}

export function Separator({ children, accent = false }: { children: React.ReactNode; accent?: boolean }) {
  const line = accent ? "h-px flex-1 bg-primary/40" : "h-px flex-1 bg-border";
  const ink = accent ? "font-semibold text-accent-foreground" : "font-medium text-muted-foreground";
  return (
    <div className="flex items-center gap-3 px-4 pt-5 pb-1">
      <span className={line} />
      <span className={cn("text-[0.6875rem]", ink)}>{children}</span>
      <span className={line} />
    </div>
  );
}
