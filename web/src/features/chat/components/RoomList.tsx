/** My conversations, in sections. Only those in sight are rendered. */
import { useEffect, useMemo, useRef } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import {
  AtSignIcon,
  BookmarkIcon,
  CircleQuestionMarkIcon,
  LogOutIcon,
  MessageSquareTextIcon,
  PlusIcon,
  RefreshCwIcon,
  SearchIcon,
  SettingsIcon,
} from "@/components/ui/icons";
import { PersonName } from "@/components/ui/person";
import { t } from "@/i18n/i18n";
import type { Room } from "@/lib/protocol";
import { type Section, type SectionKind, sectionsOf } from "../room-sections";
import type { RoomsHandle } from "../use-rooms";
import { useToday } from "../use-today";
import { RoomItem } from "./RoomItem";

interface RoomListProps {
  /** Of `useInbox`, or of `useRooms`. */
  list: RoomsHandle & { isLive?: boolean };
  /** Default: direct messages, groups and muted ones. */
  sections?: Section[];
  me: string;
  openId: string | null;
  onNew: () => void;
  onMentions: () => void;
  /** Without them there is no button for the threads I follow and for what I have saved. */
  onThreads?: () => void;
  onSaved?: () => void;
  onSearch: () => void;
  onHelp: () => void;
  onSettings: () => void;
  onSignOut: () => void;
}

export function RoomList(props: RoomListProps) {
  const { list, sections, me, openId, onNew, onSearch, onHelp, onSettings, onSignOut } = props;
  const { rooms, isLoading, error } = list;
  const shown = useMemo(() => sections ?? sectionsOf(rooms, "sections"), [sections, rooms]);
  // The times of the rooms change at midnight.
  useToday();
  return (
    <nav aria-label={t.roomList.label} className="flex h-full min-h-0 flex-col">
      <header className="flex h-16 shrink-0 items-center gap-1 border-b px-4">
        <h1 className="flex-1 font-semibold text-lg tracking-tight">{t.roomList.title}</h1>
        <Button variant="ghost" size="icon" aria-label={t.search.everywhereLabel} onClick={onSearch}>
          <SearchIcon className="size-4.5" />
        </Button>
        {!list.isLive && (
          <Button
            variant="ghost"
            size="icon"
            aria-label={t.roomList.refresh}
            onClick={() => void list.refresh()}
          >
            <RefreshCwIcon className="size-4.5" />
          </Button>
        )}
        <Button size="icon" aria-label={t.roomList.newConversation} onClick={onNew}>
          <PlusIcon />
        </Button>
      </header>
      <div className="flex shrink-0 gap-1 border-b px-2 py-1.5">
        <ViewButton icon={<AtSignIcon className="size-4" />} onClick={props.onMentions}>
          {t.roomList.mentions}
        </ViewButton>
        {props.onThreads && (
          <ViewButton icon={<MessageSquareTextIcon className="size-4" />} onClick={props.onThreads}>
            {t.threads.title}
          </ViewButton>
        )}
        {props.onSaved && (
          <ViewButton icon={<BookmarkIcon className="size-4" />} onClick={props.onSaved}>
            {t.saved.title}
          </ViewButton>
        )}
      </div>
      {error && (
        <div role="alert" className="m-3 rounded-lg bg-destructive/12 px-3 py-2 text-destructive text-sm">
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
      <Rooms
        sections={shown}
        me={me}
        openId={openId}
        onMore={list.hasMore ? () => void list.loadMore() : undefined}
      />
      <footer className="flex shrink-0 items-center gap-1.5 border-t px-4 py-3">
        <Avatar id={me} size="sm" />
        <span className="min-w-0 flex-1 font-medium text-sm" data-testid="me">
          <PersonName id={me} className="block truncate" />
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

/** Opens a view over all conversations. */
function ViewButton({
  icon,
  onClick,
  children,
}: {
  icon: React.ReactNode;
  onClick: () => void;
  children: string;
}) {
  return (
    <button
      type="button"
      onClick={onClick}
      className="flex h-8 min-w-0 flex-auto items-center justify-center gap-1.5 rounded-lg px-1.5 text-muted-foreground text-xs hover:bg-muted hover:text-foreground"
    >
      {icon}
      <span className="truncate">{children}</span>
    </button>
  );
}

type Row = { kind: Exclude<SectionKind, "all"> } | Room | "more";

interface RoomsProps {
  sections: Section[];
  me: string;
  openId: string | null;
  onMore: (() => void) | undefined;
}

function Rooms({ sections, me, openId, onMore }: RoomsProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useRef<VirtualizerHandle>(null);
  const hasMore = onMore !== undefined;
  const rows = useMemo(() => {
    const all: Row[] = sections.flatMap(({ kind, rooms }) => (kind === "all" ? rooms : [{ kind }, ...rooms]));
    return hasMore ? [...all, "more" as const] : all;
  }, [sections, hasMore]);
  const openAt = rows.findIndex((row) => row !== "more" && "id" in row && row.id === openId);
  // When another room is opened or the open one moves, it stays in sight.
  useEffect(() => {
    if (openAt >= 0) virtual.current?.scrollToIndex(openAt, { align: "nearest" });
  }, [openAt]);
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto px-2 py-2">
      <Virtualizer ref={virtual} scrollRef={scroller} as="ul" item="li">
        {rows.map((row) => {
          if (row === "more")
            return (
              <Button key="more" variant="ghost" size="sm" className="mt-2 w-full" onClick={onMore}>
                {t.roomList.moreConversations}
              </Button>
            );
          if ("id" in row) return <RoomItem key={row.id} room={row} me={me} isOpen={row.id === openId} />;
          return (
            <h2 key={row.kind} className="px-2.5 pt-3 pb-1 font-medium text-muted-foreground text-xs">
              {t.roomList.sections[row.kind]}
            </h2>
          );
        })}
      </Virtualizer>
    </div>
  );
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
