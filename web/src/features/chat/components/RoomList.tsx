import { useEffect, useRef } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import {
  ArchiveIcon,
  AtSignIcon,
  BellOffIcon,
  CircleQuestionMarkIcon,
  LogOutIcon,
  PlusIcon,
  RefreshCwIcon,
  SearchIcon,
  SettingsIcon,
} from "@/components/ui/icons";
import { formatShortDate } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import { plainText } from "@/lib/markdown";
import { areNotificationsOff } from "@/lib/notify";
import type { Room } from "@/lib/protocol";
import { UNREAD_MAX } from "@/lib/room-view";
import { roomTitle } from "../room-title";
import { roomHref } from "../route";
import type { RoomsHandle } from "../use-rooms";
import { useToday } from "../use-today";

interface RoomListProps {
  list: RoomsHandle;
  me: string;
  openId: string | null;
  onNew: () => void;
  onMentions: () => void;
  onSearch: () => void;
  onHelp: () => void;
  onSettings: () => void;
  onSignOut: () => void;
}

export function RoomList({
  list,
  me,
  openId,
  onNew,
  onMentions,
  onSearch,
  onHelp,
  onSettings,
  onSignOut,
}: RoomListProps) {
  const { rooms, isLoading, error } = list;
  // The times of the rooms change at midnight.
  useToday();
  return (
    <nav aria-label={t.roomList.label} className="flex h-full min-h-0 flex-col">
      <header className="flex h-16 shrink-0 items-center gap-1 border-b px-4">
        <h1 className="flex-1 font-semibold text-lg tracking-tight">{t.roomList.title}</h1>
        <Button variant="ghost" size="icon" aria-label={t.search.everywhereLabel} onClick={onSearch}>
          <SearchIcon className="size-4.5" />
        </Button>
        <Button variant="ghost" size="icon" aria-label={t.roomList.mentions} onClick={onMentions}>
          <AtSignIcon className="size-4.5" />
        </Button>
        <Button
          variant="ghost"
          size="icon"
          aria-label={t.roomList.refresh}
          onClick={() => void list.refresh()}
        >
          <RefreshCwIcon className="size-4.5" />
        </Button>
        <Button size="icon" aria-label={t.roomList.newConversation} onClick={onNew}>
          <PlusIcon />
        </Button>
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto p-2">
        {error && (
          <div role="alert" className="m-1 rounded-lg bg-destructive/12 px-3 py-2 text-destructive text-sm">
            {error}{" "}
            <Button
              variant="link"
              size="text"
              onClick={list.isSignedOut ? onSignOut : () => void list.refresh()}
            >
              {list.isSignedOut ? t.roomList.signInAgain : t.common.tryAgain}
            </Button>
          </div>
        )}
        {isLoading && <Skeleton />}
        {!isLoading && !error && rooms.length === 0 && <Empty onNew={onNew} />}
        <ul className="space-y-0.5">
          {rooms.map((room) => (
            <RoomItem key={room.id} room={room} me={me} isOpen={room.id === openId} />
          ))}
        </ul>
        {list.hasMore && (
          <Button variant="ghost" size="sm" className="mt-2 w-full" onClick={() => void list.loadMore()}>
            {t.roomList.moreConversations}
          </Button>
        )}
      </div>
      <footer className="flex shrink-0 items-center gap-1.5 border-t px-4 py-3">
        <Avatar id={me} size="sm" />
        <span className="min-w-0 flex-1 truncate font-medium text-sm" data-testid="me">
          <bdi>{me}</bdi>
        </span>
        <Button variant="ghost" size="icon" aria-label={t.roomList.keys} onClick={onHelp}>
          <CircleQuestionMarkIcon className="size-4.5" />
        </Button>
        <Button variant="ghost" size="icon" aria-label={t.settings.title} onClick={onSettings}>
          <SettingsIcon className="size-4.5" />
        </Button>
        <Button variant="ghost" size="icon" aria-label={t.roomList.signOut} onClick={onSignOut}>
          <LogOutIcon className="size-4.5" />
        </Button>
      </footer>
    </nav>
  );
}

function RoomItem({ room, me, isOpen }: { room: Room; me: string; isOpen: boolean }) {
  const title = roomTitle(room, me);
  const { unread, mentions } = room;
  const isOff = areNotificationsOff(room.me.notify);
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    if (isOpen) link.current?.scrollIntoView({ block: "nearest" });
  }, [isOpen]);
  return (
    <li>
      <a
        ref={link}
        href={roomHref(room.id)}
        aria-current={isOpen ? "page" : undefined}
        className={cn(
          "flex items-center gap-3 rounded-xl px-2.5 py-2.5 transition-colors compact:py-1",
          isOpen ? "bg-accent text-accent-foreground" : "hover:bg-muted",
        )}
      >
        <Avatar id={title} size="lg" group={room.type === "group"} />
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
              className={cn(
                "min-w-0 flex-1 truncate text-[0.8125rem]",
                unread > 0 ? "text-foreground" : "text-muted-foreground",
              )}
            >
              {preview(room, me)}
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
                {unread >= UNREAD_MAX ? t.roomList.unreadCountMax : unread}
                <span className="sr-only"> {t.roomList.unread}</span>
              </Badge>
            )}
          </span>
        </span>
      </a>
    </li>
  );
}

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

const PREVIEW_MAX = 200;

function preview(room: Room, me: string): string {
  const last = room.lastMessage;
  if (!last) return t.roomList.noMessages;
  const isDeleted = "deletedAt" in last && Boolean(last.deletedAt);
  const text = isDeleted ? t.roomList.deletedMessage : plainText(last.content) || t.roomList.attachment;
  const short = text.slice(0, PREVIEW_MAX);
  if (last.userId === me) return t.roomList.byYou(short);
  return room.type === "group" ? t.roomList.by(last.userId, short) : short;
}

function Empty({ onNew }: { onNew: () => void }) {
  return (
    <div className="flex flex-col items-center gap-3 px-6 py-16 text-center">
      <p className="font-medium">{t.roomList.emptyTitle}</p>
      <p className="text-muted-foreground text-sm">{t.roomList.emptyText}</p>
      <Button size="sm" onClick={onNew}>
        {t.roomList.newConversation}
      </Button>
    </div>
  );
}

function Skeleton() {
  return (
    <div role="status" aria-label={t.roomList.loading} className="space-y-2 p-2">
      {[1, 2, 3, 4].map((row) => (
        <div key={row} className="flex animate-pulse items-center gap-3 py-1.5">
          <span className="size-10 rounded-full bg-muted" />
          <span className="h-8 flex-1 rounded-lg bg-muted" />
        </div>
      ))}
    </div>
  );
}
