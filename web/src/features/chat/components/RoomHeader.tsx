/** The header of a room: title, presence, topic, and the buttons that open its side panels. */

import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { BellOffIcon, ChevronLeftIcon, InfoIcon, PinIcon, SearchIcon } from "@/components/ui/icons";
import { ExternalLink } from "@/components/ui/rich-text";
import { formatCount } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { areNotificationsOff } from "@/lib/notify";
import type { Person } from "@/lib/people";
import type { Room } from "@/lib/protocol";
import { findLinks } from "@/lib/text";
import { useChat } from "../chat-context";
import type { Panel } from "../panels";
import type { ChatRoomHandle } from "../use-chat-room";
import { presenceText, usePerson } from "../use-people";
import { RoomMenu } from "./RoomMenu";

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
  const { userId: me } = useChat();
  const person = usePerson(other ?? me);
  const partner = other === undefined ? undefined : person;
  const isDirect = details?.type === "direct";
  const pinCount = room.state.pins?.length ?? 0;
  const toggle = (kind: "details" | "search" | "pins") => setPanel(panel?.kind === kind ? null : { kind });
  return (
    <header className="flex h-16 shrink-0 items-center gap-1 border-b bg-card/80 px-3 sm:px-4">
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
      <Avatar id={other ?? title} group={!isDirect} online={partner && isOnline(room, partner)} />
      <div className="mx-2 min-w-0 flex-1">
        <h1 className="flex items-center gap-1.5 font-semibold leading-tight">
          <bdi className="truncate">{title}</bdi>
          {areNotificationsOff(room.state.notify) && (
            <>
              <BellOffIcon className="size-4 shrink-0 text-muted-foreground" />
              <span className="sr-only">{t.room.muted}</span>
            </>
          )}
        </h1>
        <p className="flex gap-1 text-muted-foreground text-xs">
          <span data-testid="presence" className="max-w-full shrink-0 truncate">
            {presence(room, partner, details)}
          </span>
          {details?.topic && (
            <>
              <span aria-hidden="true">·</span>
              <bdi className="min-w-0 truncate">{linked(details.topic)}</bdi>
            </>
          )}
        </p>
      </div>
      {(pinCount > 0 || panel?.kind === "pins") && (
        <Button
          variant="ghost"
          size="count"
          aria-label={t.pins.count(pinCount)}
          title={t.pins.title}
          aria-pressed={panel?.kind === "pins"}
          // Where there is no room for it, the menu has it.
          className="@max-lg:hidden"
          onClick={() => toggle("pins")}
        >
          <PinIcon className="size-4.5" />
          {formatCount(pinCount)}
        </Button>
      )}
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
      <RoomMenu />
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

/** In the open room, or anywhere as far as the inbox knows. */
const isOnline = (room: ChatRoomHandle, { userId, presence }: Person): boolean =>
  room.isConnected && (presence === "online" || room.onlineUsers.includes(userId));

function presence(room: ChatRoomHandle, partner: Person | undefined, details: Room | null): string {
  if (!room.isConnected) return t.room.notConnected;
  if (partner) {
    const isHere = partner.presence !== "dnd" && isOnline(room, partner);
    return isHere ? t.card.presence.online : presenceText(partner);
  }
  const online = room.onlineUsers.length;
  return details ? t.room.onlineOf(online, details.memberCount) : t.room.onlineCount(online);
}
