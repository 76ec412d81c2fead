import { memo, useState } from "react";
import {
  ChatBubble,
  ChatBubbleAction,
  ChatBubbleAvatar,
  ChatBubbleBody,
  ChatBubbleMessage,
  ChatBubbleName,
  ChatBubbleReactions,
  ChatBubbleStatus,
  ChatBubbleTimestamp,
} from "@/components/chat/chat-bubble";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import {
  CheckIcon,
  ClockIcon,
  CopyIcon,
  EditIcon,
  FlagIcon,
  LinkIcon,
  MoreIcon,
  ReplyIcon,
  ThreadIcon,
  TrashIcon,
  UnreadIcon,
  WarnIcon,
} from "@/components/ui/icons";
import { Menu } from "@/components/ui/popover";
import { RichText } from "@/components/ui/rich-text";
import { cn } from "@/lib/cn";
import { decodeMentions, plainText } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { formatDay, formatShortDate, formatTime, sameDay } from "@/lib/text";
import { explain } from "../explain";
import { isAtLeast, type MessageActions, useMessageActions } from "../message-actions";
import { roomHref } from "../route";
import { Attachments } from "./Attachments";

export interface MessageRowProps {
  message: ChatMessage;
  before: ChatMessage | undefined;
  isFirstNew: boolean;
  /** Who has read up to here and no further. */
  seenBy: string[] | undefined;
  /** It was jumped to. */
  isTarget: boolean;
  /** In the panel of its own thread. */
  inThread: boolean;
}

/** Messages of one person closer together than this stand as one group. */
const GROUP_MS = 5 * 60_000;

export const MessageRow = memo(function MessageRow(props: MessageRowProps) {
  const { message, before, isFirstNew, isTarget } = props;
  const actions = useMessageActions();
  const { me } = actions;
  const [picking, setPicking] = useState(false);
  const own = message.userId === me;
  const newDay = !before || !sameDay(before.createdAt, message.createdAt);
  const apartMs = before ? Date.parse(message.createdAt) - Date.parse(before.createdAt) : GROUP_MS;
  const isSameAuthor = before?.userId === message.userId && message.replyToId === null;
  const grouped = isSameAuthor && !newDay && !isFirstNew && apartMs < GROUP_MS;
  const removed = message.deletedAt !== null;
  const reactable = message.status === "sent" && !removed && !actions.isReadOnly;
  const react = reactable ? (emoji: string) => actions.react(message.id, emoji) : undefined;
  return (
    <>
      {newDay && <Separator>{formatDay(message.createdAt)}</Separator>}
      {isFirstNew && <Separator accent>New messages</Separator>}
      <article
        data-message={message.id}
        data-seq={message.seq}
        data-status={message.status}
        aria-label={`${own ? "You" : message.userId}, ${formatTime(message.createdAt)}`}
        tabIndex={-1}
        onKeyDown={(event) => onKey(event, message, actions, () => setPicking(true))}
        className={cn("rounded-lg focus-visible:-outline-offset-2", isTarget && "animate-flash")}
      >
        <ChatBubble
          variant={own ? "sent" : "received"}
          grouped={grouped}
          onReaction={react}
          isPicking={picking}
          onPickingChange={setPicking}
          actions={reactable && <Actions message={message} inThread={props.inThread} />}
        >
          {!own && <ChatBubbleAvatar id={message.userId} shown={!grouped} />}
          <ChatBubbleBody>
            {!grouped && (
              <ChatBubbleName name={own ? "You" : message.userId}>
                <ChatBubbleTimestamp iso={message.createdAt}>
                  {formatTime(message.createdAt)}
                </ChatBubbleTimestamp>
              </ChatBubbleName>
            )}
            {message.replyToId !== null && !removed && <QuotedMessage id={message.replyToId} />}
            <Content message={message} removed={removed} me={me} />
            <ChatBubbleReactions reactions={message.reactions} me={me} onReaction={react} />
            {message.replyCount > 0 && !props.inThread && <ThreadLink message={message} />}
            <RowStatus {...props} own={own} />
          </ChatBubbleBody>
        </ChatBubble>
      </article>
    </>
  );
});

function Content({ message, removed, me }: { message: ChatMessage; removed: boolean; me: string }) {
  const { attachments, content } = message;
  return (
    <>
      {(removed || content !== "") && (
        <ChatBubbleMessage
          pending={message.status === "sending" || message.change?.failed === false}
          failed={message.status === "failed" || message.change?.failed === true}
          removed={removed}
        >
          {removed ? "This message was deleted" : <RichText text={content} me={me} />}
        </ChatBubbleMessage>
      )}
      {!removed && attachments.length > 0 && <Attachments all={attachments} />}
    </>
  );
}

/** What a message answers, in one line, and the way to it. */
function QuotedMessage({ id }: { id: string }) {
  const { find, goTo } = useMessageActions();
  const answered = find(id);
  if (!answered)
    return <p className="mb-1 px-1 text-muted-foreground text-xs italic">Answers an earlier message</p>;
  const text = answered.deletedAt
    ? "This message was deleted"
    : plainText(answered.content) || "An attachment";
  return (
    <button
      type="button"
      onClick={() => goTo(answered.seq)}
      className="mb-1 flex max-w-full items-center gap-1.5 rounded-lg border-ring/50 border-l-3 bg-muted/70 px-2 py-1 text-left text-muted-foreground text-xs hover:bg-muted"
    >
      <ReplyIcon className="size-3.5 shrink-0" />
      <bdi className="shrink-0 font-medium">{answered.userId}</bdi>
      <span className="truncate">{text.slice(0, 120)}</span>
    </button>
  );
}

function ThreadLink({ message }: { message: ChatMessage }) {
  const { openThread } = useMessageActions();
  if (!openThread) return null;
  const count = message.replyCount === 1 ? "1 reply" : `${message.replyCount} replies`;
  return (
    <button
      type="button"
      onClick={() => openThread(message.id)}
      className="mt-1 flex items-center gap-1.5 rounded-full px-2 py-1 font-medium text-accent-foreground text-xs hover:bg-accent"
    >
      <ThreadIcon className="size-4" />
      {count}
      {message.lastReplyAt && (
        <span className="font-normal text-muted-foreground">last {formatShortDate(message.lastReplyAt)}</span>
      )}
    </button>
  );
}

// ---- what one can do with it ----

function Actions({ message, inThread }: { message: ChatMessage; inThread: boolean }) {
  const actions = useMessageActions();
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [open, setOpen] = useState(false);
  const { openThread } = actions;
  const canThread = openThread !== null && !inThread && message.threadId === null;
  return (
    <>
      <ChatBubbleAction
        aria-label="Reply"
        className="[@media(hover:none)]:hidden"
        onClick={() => actions.reply(message)}
      >
        <ReplyIcon className="size-4.5" />
      </ChatBubbleAction>
      {canThread && (
        <ChatBubbleAction
          aria-label="Reply in a thread"
          className="[@media(hover:none)]:hidden"
          onClick={() => openThread(message.id)}
        >
          <ThreadIcon className="size-4.5" />
        </ChatBubbleAction>
      )}
      <ChatBubbleAction
        ref={setButton}
        aria-label="More"
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <MoreIcon className="size-4.5" />
      </ChatBubbleAction>
      {open && (
        <Menu
          anchor={button}
          label="Message"
          onClose={() => setOpen(false)}
          items={menuItems(message, actions, canThread)}
        />
      )}
    </>
  );
}

function menuItems(message: ChatMessage, actions: MessageActions, canThread: boolean) {
  const { me, role, roomId, openThread, toast } = actions;
  const own = message.userId === me;
  const mayModerate = isAtLeast(role, "moderator");
  const copy = (what: string, text: string) =>
    void navigator.clipboard.writeText(text).then(
      () => toast(`${what} copied.`),
      () => toast("The browser doesn't allow copying here."),
    );
  const icon = "size-4.5";
  return [
    { label: "Reply", icon: <ReplyIcon className={icon} />, onSelect: () => actions.reply(message) },
    canThread && {
      label: "Reply in a thread",
      icon: <ThreadIcon className={icon} />,
      onSelect: () => openThread?.(message.id),
    },
    (own || mayModerate) &&
      message.editedAt !== null && {
        label: "Earlier versions",
        icon: <ClockIcon className={icon} />,
        onSelect: () => actions.versions(message),
      },
    own && { label: "Edit", icon: <EditIcon className={icon} />, onSelect: () => actions.edit(message) },
    message.content !== "" && {
      label: "Copy text",
      icon: <CopyIcon className={icon} />,
      onSelect: () => copy("Text", decodeMentions(message.content)),
    },
    {
      label: "Copy link",
      icon: <LinkIcon className={icon} />,
      onSelect: () => copy("Link", location.href.replace(/#.*|$/, roomHref(roomId, message.seq))),
    },
    {
      label: "Mark unread from here",
      icon: <UnreadIcon className={icon} />,
      onSelect: () => actions.markUnread(message),
    },
    !own && { label: "Report", icon: <FlagIcon className={icon} />, onSelect: () => actions.report(message) },
    (own || mayModerate) && {
      label: "Delete",
      icon: <TrashIcon className={icon} />,
      danger: true,
      onSelect: () => actions.remove(message),
    },
  ];
}

/** On the message itself (not in a field or button of it): the same by single keys. */
function onKey(
  event: React.KeyboardEvent,
  message: ChatMessage,
  actions: MessageActions,
  pick: () => void,
): void {
  const isElsewhere = event.target !== event.currentTarget;
  if (isElsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
  if (message.status !== "sent" || message.deletedAt !== null || actions.isReadOnly) return;
  const own = message.userId === actions.me;
  const mayDelete = own || isAtLeast(actions.role, "moderator");
  const acts: Record<string, (() => void) | false | null> = {
    r: () => actions.reply(message),
    t: actions.openThread && (() => actions.openThread?.(message.threadId ?? message.id)),
    e: own && (() => actions.edit(message)),
    u: () => actions.markUnread(message),
    "+": pick,
    Delete: mayDelete && (() => actions.remove(message)),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// ---- what became of it ----

function RowStatus({ message, seenBy, own, inThread }: MessageRowProps & { own: boolean }) {
  const { retry, discard, isGroup } = useMessageActions();
  const clientId = message.clientId ?? "";
  if (message.status === "failed")
    return (
      <Failed
        what="Not sent"
        of={message}
        onRetry={() => retry(clientId)}
        onDiscard={() => discard(clientId)}
      />
    );
  const { change } = message;
  if (change?.failed) {
    const what = change.type === "edit" ? "Not changed" : "Not deleted";
    return (
      <Failed
        what={what}
        of={change}
        onRetry={() => retry(change.clientId)}
        onDiscard={() => discard(change.clientId)}
      />
    );
  }
  if (message.status === "sending" || change) {
    const doing = !change ? "Sending…" : change.type === "edit" ? "Saving…" : "Deleting…";
    return (
      <ChatBubbleStatus>
        <ClockIcon className="size-3" />
        {doing}
      </ChatBubbleStatus>
    );
  }
  const isEdited = message.editedAt !== null && message.deletedAt === null;
  const isSeen = own && seenBy !== undefined && seenBy.length > 0;
  const isBoth = message.threadId !== null && message.alsoToRoom && !inThread;
  if (!isEdited && !isSeen && !isBoth) return null;
  return (
    <ChatBubbleStatus>
      {isBoth && "From a thread"}
      {isEdited && "Edited"}
      {isSeen && (isGroup ? <SeenBy users={seenBy} /> : <Seen />)}
    </ChatBubbleStatus>
  );
}

interface FailedProps {
  what: string;
  of: Pick<ChatMessage, "error">;
  onRetry: () => void;
  onDiscard: () => void;
}

function Failed({ what, of, onRetry, onDiscard }: FailedProps) {
  return (
    <ChatBubbleStatus>
      <span role="alert" className="flex items-center gap-1 text-destructive">
        <WarnIcon className="size-3.5" />
        {what}
        {of.error ? `: ${explain(of.error)}` : ""}
      </span>
      <Button variant="link" size="text" onClick={onRetry}>
        Try again
      </Button>
      <Button variant="link" size="text" onClick={onDiscard}>
        Discard
      </Button>
    </ChatBubbleStatus>
  );
}

function Seen() {
  return (
    <>
      <CheckIcon className="size-3" />
      Seen
    </>
  );
}

const FACES_MAX = 5;

function SeenBy({ users }: { users: string[] }) {
  const names = users.join(", ");
  return (
    <span title={names} className="flex items-center gap-1">
      <span className="sr-only">Seen by {names}</span>
      <CheckIcon className="size-3" />
      {users.slice(0, FACES_MAX).map((user) => (
        <Avatar key={user} id={user} size="xs" />
      ))}
      {users.length > FACES_MAX && `+${users.length - FACES_MAX}`}
    </span>
  );
}

export function Separator({ children, accent = false }: { children: React.ReactNode; accent?: boolean }) {
  const line = accent ? "h-px flex-1 bg-primary/40" : "h-px flex-1 bg-border";
  const ink = accent ? "font-semibold text-accent-foreground" : "font-medium text-muted-foreground";
  return (
    <div className="flex items-center gap-3 px-4 pt-5 pb-1">
      <span className={line} />
      <span className={cn("text-[11px]", ink)}>{children}</span>
      <span className={line} />
    </div>
  );
}
