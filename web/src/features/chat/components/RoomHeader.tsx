/** The header of a room: title, presence, topic, and the buttons that open its side panels. */

import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { BellOffIcon, ChevronLeftIcon, InfoIcon, SearchIcon } from "@/components/ui/icons";
import { ExternalLink } from "@/components/ui/rich-text";
import { t } from "@/i18n/i18n";
import { areNotificationsOff } from "@/lib/notify";
import type { Room } from "@/lib/protocol";
import { findLinks } from "@/lib/text";
import type { Panel } from "../panels";
import type { ChatRoomHandle } from "../use-chat-room";

interface RoomHeaderProps {
  room: ChatRoomHandle;
  details: Room | null;
  title: string;
  other: string | undefined;
  panel: Panel;
  setPanel: (panel: Panel) => void;
  onBack: (() => void) | undefined;
}

export function RoomHeader({ room, details, title, other, panel, setPanel, onBack }: RoomHeaderProps) {
  const isDirect = details?.type === "direct";
  const toggle = (kind: "details" | "search") => setPanel(panel?.kind === kind ? null : { kind });
  return (
    <header className="flex h-16 shrink-0 items-center gap-3 border-b bg-card/80 px-3 sm:px-4">
      {onBack && (
        <Button
          variant="ghost"
          size="icon"
          aria-label={t.room.allConversations}
          className="md:hidden"
          onClick={onBack}
        >
          <ChevronLeftIcon className="rtl:rotate-180" />
        </Button>
      )}
      <Avatar
        id={other ?? title}
        group={!isDirect}
        online={room.isConnected && other !== undefined && room.onlineUsers.includes(other)}
      />
      <div className="min-w-0 flex-1">
        <h1 className="flex items-center gap-1.5 font-semibold leading-tight">
          <bdi className="truncate">{title}</bdi>
          {areNotificationsOff(room.state.notify) && (
            <>
              <BellOffIcon className="size-4 shrink-0 text-muted-foreground" />
              <span className="sr-only">{t.room.muted}</span>
            </>
          )}
        </h1>
        <p className="truncate text-muted-foreground text-xs">
          <span data-testid="presence">{presence(room, other, details)}</span>
          {details?.topic && (
            <>
              {" · "}
              <bdi>{linked(details.topic)}</bdi>
            </>
          )}
        </p>
      </div>
      <Button
        variant="ghost"
        size="icon"
        aria-label={t.common.search}
        aria-pressed={panel?.kind === "search"}
        onClick={() => toggle("search")}
      >
        <SearchIcon />
      </Button>
      <Button
        variant="ghost"
        size="icon"
        aria-label={t.room.details}
        aria-pressed={panel?.kind === "details"}
        onClick={() => toggle("details")}
      >
        <InfoIcon />
      </Button>
    </header>
  );
}

/** The topic, with its addresses as links. */
const linked = (topic: string) =>
  findLinks(topic).map(({ text, href }, at) =>
    href === undefined ? (
      text
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text have no identity but their position
      <ExternalLink key={at} href={href}>
        {text}
      </ExternalLink>
    ),
  );

function presence(room: ChatRoomHandle, other: string | undefined, details: Room | null): string {
  if (!room.isConnected) return t.room.notConnected;
  if (other !== undefined) return room.onlineUsers.includes(other) ? t.room.online : t.room.away;
  const online = room.onlineUsers.length;
  return details ? t.room.onlineOf(online, details.memberCount) : t.room.onlineCount(online);
}
