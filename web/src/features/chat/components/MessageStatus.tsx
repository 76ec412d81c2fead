/** The line below a message: whether it is sending, failed, edited, or seen by others. */

import { ChatBubbleStatus } from "@/components/chat/chat-bubble";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { CheckIcon, ClockIcon, PinIcon, TriangleAlertIcon } from "@/components/ui/icons";
import { PersonName, useProfiles } from "@/components/ui/person";
import { fill } from "@/i18n/fill";
import { t } from "@/i18n/i18n";
import type { ChatMessage } from "@/lib/room-view";
import { explain } from "../explain";
import { useMessageActions } from "../message-actions";

interface MessageStatusProps {
  message: ChatMessage;
  isOwn: boolean;
  /** The people for whom this is the last of my messages that they have read. */
  seenBy: string[] | undefined;
  inThread: boolean;
}

export function MessageStatus({ message, seenBy, isOwn, inThread }: MessageStatusProps) {
  const { retry, discard, isGroup, who, pins } = useMessageActions();
  const clientId = message.clientId ?? "";
  if (message.status === "failed")
    return (
      <FailedStatus
        what={t.message.notSent}
        error={message.error}
        onRetry={() => retry(clientId)}
        onDiscard={() => discard(clientId)}
      />
    );
  const { change } = message;
  if (change?.failed) {
    const what = change.type === "edit" ? t.message.notChanged : t.message.notDeleted;
    return (
      <FailedStatus
        what={what}
        error={change.error}
        onRetry={() => retry(change.clientId)}
        onDiscard={() => discard(change.clientId)}
      />
    );
  }
  if (message.status === "sending" || change) {
    const doing = !change
      ? t.message.sending
      : change.type === "edit"
        ? t.message.saving
        : t.message.deleting;
    return (
      <ChatBubbleStatus>
        <ClockIcon className="size-3" />
        {doing}
      </ChatBubbleStatus>
    );
  }
  const isEdited = message.editedAt !== null && message.deletedAt === null;
  const isSeen = isOwn && seenBy !== undefined && seenBy.length > 0;
  const isAlsoInThread = message.threadId !== null && message.alsoToRoom && !inThread;
  const isPinned = pins.has(message.id) && message.deletedAt === null;
  if (!isEdited && !isSeen && !isAlsoInThread && !isPinned) return null;
  return (
    <ChatBubbleStatus>
      {isPinned && (
        <span className="flex items-center gap-1">
          <PinIcon className="size-3" />
          {t.pins.mark}
        </span>
      )}
      {isAlsoInThread && t.message.fromThread}
      {isEdited &&
        (message.editedBy
          ? fill(t.message.editedBy, <PersonName id={message.editedBy} />)
          : t.message.edited)}
      {isSeen && (
        <button
          type="button"
          title={t.messageMenu.who}
          onClick={() => who(message)}
          className="flex items-center gap-1 rounded-full hover:bg-muted hover:text-foreground"
        >
          {isGroup ? <SeenBy users={seenBy} /> : <Seen />}
        </button>
      )}
    </ChatBubbleStatus>
  );
}

interface FailedStatusProps {
  what: string;
  error: ChatMessage["error"];
  onRetry: () => void;
  onDiscard: () => void;
}

function FailedStatus({ what, error, onRetry, onDiscard }: FailedStatusProps) {
  return (
    <ChatBubbleStatus>
      <span role="alert" className="flex items-center gap-1 text-destructive">
        <TriangleAlertIcon className="size-3.5" />
        {error ? t.message.failed(what, explain(error)) : what}
      </span>
      <Button variant="link" size="text" onClick={onRetry}>
        {t.common.tryAgain}
      </Button>
      <Button variant="link" size="text" onClick={onDiscard}>
        {t.message.discard}
      </Button>
    </ChatBubbleStatus>
  );
}

function Seen() {
  return (
    <>
      <CheckIcon className="size-3" />
      {t.message.seen}
    </>
  );
}

const FACES_MAX = 5;

function SeenBy({ users }: { users: string[] }) {
  const names = useProfiles(users)
    .map(({ name }) => name)
    .join(", ");
  return (
    <span title={names} className="flex items-center gap-1">
      <span className="sr-only">{t.message.seenBy(names)}</span>
      <CheckIcon className="size-3" />
      {users.slice(0, FACES_MAX).map((user) => (
        <Avatar key={user} id={user} size="xs" />
      ))}
      {users.length > FACES_MAX && `+${users.length - FACES_MAX}`}
    </span>
  );
}
