/** Who reacted to a message and who has read it, by name: what a pointer sees on hover, for touch and screen readers. */
import { useCallback, useEffect, useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { FormError } from "@/components/ui/field";
import { PersonName } from "@/components/ui/person";
import { formatCount } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { ChatMessage } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { errorText } from "../explain";

interface MessageWhoProps {
  roomId: string;
  message: ChatMessage;
  readMarkers: Record<string, number>;
  onClose: () => void;
}

export function MessageWho({ roomId, message, readMarkers, onClose }: MessageWhoProps) {
  const receipts = Object.values(readMarkers).filter((seq) => seq >= message.seq).length;
  const emojis = Object.entries(message.reactionCounts).filter(([, count]) => count > 0);
  return (
    <Dialog title={t.messageMenu.who} onClose={onClose}>
      <div className="space-y-5 text-sm">
        {emojis.map(([emoji, count]) => (
          <Reactors
            key={emoji}
            roomId={roomId}
            messageId={message.id}
            emoji={emoji}
            count={count}
            first={message.reactions[emoji] ?? []}
          />
        ))}
        {/* Asked for again when a receipt comes. */}
        <Readers key={receipts} roomId={roomId} messageId={message.id} />
      </div>
    </Dialog>
  );
}

/** Who has read up to the message, in a room of any size: asked for, because large rooms send no receipts. */
function Readers({ roomId, messageId }: { roomId: string; messageId: string }) {
  const { api } = useChat();
  const [found, setFound] = useState<{ userIds: string[]; count: number } | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    let isLatest = true;
    api.listReaders(roomId, messageId).then(
      (readers) => isLatest && setFound(readers),
      (failure: unknown) => isLatest && setError(errorText(failure)),
    );
    return () => {
      isLatest = false;
    };
  }, [api, roomId, messageId]);
  const more = found ? found.count - found.userIds.length : 0;
  return (
    <section>
      <h3 className="mb-1 font-medium text-muted-foreground text-xs">
        {found ? t.message.readBy(found.count) : t.message.seen}
      </h3>
      {!found && !error && <p className="text-muted-foreground">{t.common.loading}</p>}
      {found && <PeopleList userIds={found.userIds} />}
      {more > 0 && <p className="text-muted-foreground">{t.people.andMore(more)}</p>}
      <FormError>{error}</FormError>
    </section>
  );
}

interface ReactorsProps {
  roomId: string;
  messageId: string;
  emoji: string;
  count: number;
  /** Those that the message names, at most 20. */
  first: string[];
}

function Reactors({ roomId, messageId, emoji, count, first }: ReactorsProps) {
  const { api } = useChat();
  const [people, setPeople] = useState(first);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const load = useCallback(
    async (from?: string) => {
      try {
        const page = await api.reactors(roomId, messageId, emoji, from);
        setPeople((now) => [...(from === undefined ? [] : now), ...page.userIds]);
        setCursor(page.nextCursor);
        setError(null);
      } catch (failure) {
        setError(errorText(failure));
      }
    },
    [api, roomId, messageId, emoji],
  );
  const isPart = count > first.length;
  useEffect(() => {
    if (isPart) void load();
  }, [isPart, load]);
  return (
    <section>
      <h3 className="mb-1 text-muted-foreground text-xs">
        <span className="font-emoji text-base">{emoji}</span> {formatCount(count)}
      </h3>
      <PeopleList userIds={people} />
      <FormError>{error}</FormError>
      {cursor !== null && (
        <Button variant="ghost" size="sm" className="w-full" onClick={() => void load(cursor)}>
          {t.common.more}
        </Button>
      )}
    </section>
  );
}

function PeopleList({ userIds }: { userIds: string[] }) {
  return (
    <ul>
      {userIds.map((userId) => (
        <li key={userId} className="flex items-center gap-2.5 py-1">
          <Avatar id={userId} size="sm" />
          <PersonName id={userId} className="truncate" />
        </li>
      ))}
    </ul>
  );
}
