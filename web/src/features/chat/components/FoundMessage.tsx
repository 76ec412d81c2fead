/** A message that a search or the list of mentions found: who wrote it, in which room, and the part that matches. */

import { PersonName } from "@/components/ui/person";
import { formatShortDate } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { plainText } from "@/lib/markdown";
import type { Message } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { excerpt } from "../excerpt";
import { useRoomTitle } from "../room-title";
import { messageHref } from "../route";

interface FoundMessageProps {
  message: Pick<
    Message,
    "roomId" | "seq" | "threadId" | "alsoToRoom" | "userId" | "createdAt" | "content" | "attachments"
  >;
  words: string[];
  /** The name of a group, if the server sent it. Other rooms are looked up in the list of rooms. */
  roomName?: string | null;
  showRoom: boolean;
  onOpen?: () => void;
  /** Where it leads. Default: to the message. */
  href?: string;
  /** Below the text. */
  children?: React.ReactNode;
}

export function FoundMessage(props: FoundMessageProps) {
  const { message, words, roomName, showRoom, onOpen, href } = props;
  const { roomId, userId, createdAt, content, attachments } = message;
  const { list, userId: me } = useChat();
  const room = list.getSnapshot().rooms.find(({ id }) => id === roomId);
  const title = useRoomTitle(room, me);
  const name = roomName || title;
  const { people } = useChat();
  const text =
    plainText(content, (id) => people.get(id).name) || attachments.map((file) => file.name).join(", ");
  return (
    <a
      href={href ?? messageHref(roomId, message)}
      onClick={onOpen}
      className="block rounded-lg px-2.5 py-2 hover:bg-muted"
    >
      <span className="flex items-baseline gap-2">
        <span className="min-w-0 flex-1 truncate font-medium">
          {userId === me ? t.common.you : <PersonName id={userId} />}
        </span>
        <time dateTime={createdAt} className="shrink-0 text-[0.6875rem] text-muted-foreground">
          {formatShortDate(createdAt)}
        </time>
      </span>
      {showRoom && name && <bdi className="block truncate text-muted-foreground text-xs">{name}</bdi>}
      <span dir="auto" className="line-clamp-3 text-[0.8125rem] [overflow-wrap:anywhere]">
        {excerpt(text, words).map(({ text: part, isMatch }, at) =>
          isMatch ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text have no identity but their position
            <mark key={at} className="rounded bg-mention text-mention-foreground">
              {part}
            </mark>
          ) : (
            part
          ),
        )}
      </span>
      {props.children}
    </a>
  );
}
