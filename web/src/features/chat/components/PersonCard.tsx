/** A person's profile next to their name: who they are, whether they can be reached, and what one can do. */
import { useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { FormError } from "@/components/ui/field";
import { Popover } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";
import type { Role } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { openRoom } from "../route";
import { presenceText, useBlock, usePerson } from "../use-people";

interface PersonCardProps {
  anchor: HTMLElement | null;
  userId: string;
  /** The role in the room. */
  role?: Role | undefined;
  /** Present, as far as the open room knows. */
  isOnline?: boolean | undefined;
  onClose: () => void;
}

export default function PersonCard({ anchor, userId, role, isOnline, onClose }: PersonCardProps) {
  const { list, userId: me } = useChat();
  const person = usePerson(userId);
  const [isBlocked, setBlocked] = useBlock(userId);
  const [error, setError] = useState<string | null>(null);
  // The open room knows those without an inbox as well.
  const presence = isOnline && person.presence !== "dnd" ? "online" : person.presence;
  const attempt = async (action: () => Promise<void>) => {
    setError(null);
    try {
      await action();
    } catch (failure) {
      setError(errorText(failure));
    }
  };
  const write = async () => {
    const room = await list.create({ type: "direct", participantIds: [me, userId] });
    onClose();
    openRoom(room.id);
  };
  const status = person.status && !isPast(person.status.until) ? person.status : null;
  const time = person.timezone && localTime(person.timezone);
  return (
    <Popover anchor={anchor} onClose={onClose} role="dialog" aria-label={t.card.label(person.name)}>
      <div className="w-72 max-w-full space-y-3 p-3 font-normal">
        <div className="flex items-center gap-3">
          <Avatar id={userId} size="xl" online={presence === "online"} />
          <div className="min-w-0">
            <p className="font-semibold [overflow-wrap:anywhere]">
              <bdi>{person.name}</bdi>
            </p>
            {person.name !== userId && (
              <p className="truncate text-muted-foreground text-xs">
                <bdi>{userId}</bdi>
              </p>
            )}
            {person.title && <p className="text-sm [overflow-wrap:anywhere]">{person.title}</p>}
          </div>
        </div>
        {status && (
          <p dir="auto" className="text-sm [overflow-wrap:anywhere]">
            {status.emoji && <span className="font-emoji">{status.emoji} </span>}
            {status.text}
          </p>
        )}
        <ul className="space-y-0.5 whitespace-normal text-muted-foreground text-xs">
          {person.deactivated && <li>{t.card.deactivated}</li>}
          {isBlocked && <li>{t.card.blocked}</li>}
          {presence && !person.deactivated && <li>{presenceText({ ...person, presence })}</li>}
          {role && <li>{t.people.roles[role]}</li>}
          {time && <li>{t.card.localTime(time)}</li>}
        </ul>
        <FormError>{error}</FormError>
        {userId !== me && (
          <div className="flex gap-2">
            {!person.deactivated && (
              <Button size="sm" onClick={() => void attempt(write)}>
                {t.card.message}
              </Button>
            )}
            {isBlocked !== null && (
              <Button size="sm" variant="ghost" onClick={() => void attempt(() => setBlocked(!isBlocked))}>
                {isBlocked ? t.card.unblock : t.card.block}
              </Button>
            )}
          </div>
        )}
      </div>
    </Popover>
  );
}

const isPast = (until: string | null): boolean => until !== null && Date.parse(until) <= Date.now();

function localTime(timeZone: string): string | null {
  try {
    return new Intl.DateTimeFormat(t.locale, { timeStyle: "short", timeZone }).format();
  } catch {
    // This browser does not know the zone.
    return null;
  }
}
