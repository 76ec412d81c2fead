/** A room in the list: whom or what it is, its newest message, and what is unread. */
import { memo } from "react";
import { Avatar } from "@/components/ui/avatar";
import { ArchiveIcon, BellOffIcon } from "@/components/ui/icons";
import { useName } from "@/components/ui/person";
import { formatCount, formatShortDate } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import { previewText } from "@/lib/markdown";
import { areNotificationsOff } from "@/lib/notify";
import type { Room } from "@/lib/protocol";
import { UNREAD_MAX } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { otherPerson, useRoomTitle } from "../room-title";
import { roomHref } from "../route";
import { useDraft } from "../use-draft";
import { usePerson } from "../use-people";

interface RoomItemProps {
  room: Room;
  me: string;
  isOpen: boolean;
}

export const RoomItem = memo(function RoomItem({ room, me, isOpen }: RoomItemProps) {
  const title = useRoomTitle(room, me) ?? "";
  const other = otherPerson(room, me);
  const isOnline = usePerson(other ?? me).presence === "online" && other !== undefined;
  const { unread, mentions } = room;
  const isOff = areNotificationsOff(room.me.notify);
  return (
    <a
      href={roomHref(room.id)}
      aria-current={isOpen ? "page" : undefined}
      className={cn(
        "flex items-center gap-3 rounded-xl px-2.5 py-2.5 transition-colors compact:py-1",
        isOpen ? "bg-accent text-accent-foreground" : "hover:bg-muted",
      )}
    >
      <Avatar id={other ?? title} size="lg" group={room.type === "group"} online={isOnline} />
      <span className="min-w-0 flex-1">
        <span className="flex items-baseline gap-2">
          <bdi
            className={cn(
              "min-w-0 flex-1 truncate text-[0.9375rem]",
              unread > 0 ? "font-semibold" : "font-medium",
            )}
          >
            {title}
          </bdi>
          {room.lastMessageAt && (
            <time dateTime={room.lastMessageAt} className="shrink-0 text-[0.6875rem] text-muted-foreground">
              {formatShortDate(room.lastMessageAt)}
            </time>
          )}
        </span>
        <span className="mt-0.5 flex items-center gap-2">
          <span
            dir="auto"
            className={cn(
              "min-w-0 flex-1 truncate text-[0.8125rem]",
              unread > 0 ? "text-foreground" : "text-muted-foreground",
            )}
          >
            <Preview room={room} me={me} isOpen={isOpen} />
          </span>
          {room.archived && (
            <>
              <ArchiveIcon className="size-3.5 shrink-0 text-muted-foreground" />
              <span className="sr-only">{t.roomList.archived}</span>
            </>
          )}
          {isOff && (
            <>
              <BellOffIcon className="size-3.5 shrink-0 text-muted-foreground" />
              <span className="sr-only">{t.roomList.muted}</span>
            </>
          )}
          {mentions > 0 && (
            <Badge className="bg-mention text-mention-foreground">
              @<span className="sr-only">{t.roomList.mentionCount(mentions)}</span>
            </Badge>
          )}
          {unread > 0 && (
            <Badge
              className={isOff ? "bg-muted text-muted-foreground" : "bg-primary text-primary-foreground"}
            >
              {unread >= UNREAD_MAX
                ? t.roomList.unreadCountMax(formatCount(UNREAD_MAX - 1))
                : formatCount(unread)}
              <span className="sr-only"> {t.roomList.unread}</span>
            </Badge>
          )}
        </span>
      </span>
    </a>
  );
});

function Badge({ className, children }: { className: string; children: React.ReactNode }) {
  return (
    <span
      className={cn(
        "min-w-5 shrink-0 rounded-full px-1.5 text-center font-semibold text-[0.6875rem] leading-5 tabular-nums",
        className,
      )}
    >
      {children}
    </span>
  );
}

/** The list shows one line. */
const DRAFT_MAX = 400;

function Preview({ room, me, isOpen }: RoomItemProps) {
  const { people } = useChat();
  const [draft] = useDraft(room.id);
  const last = room.lastMessage;
  const name = useName(last?.userId ?? me);
  // The composer of the open room shows it.
  if (draft.trim() !== "" && !isOpen) return t.roomList.draft(draft.slice(0, DRAFT_MAX));
  if (!last) return t.roomList.noMessages;
  const isDeleted = "deletedAt" in last && Boolean(last.deletedAt);
  const content = previewText(last.content, (id) => people.get(id).name);
  const text = isDeleted ? t.roomList.deletedMessage : content || t.roomList.attachment;
  if (last.userId === me) return t.roomList.byYou(text);
  return room.type === "group" ? t.roomList.by(name, text) : text;
}
