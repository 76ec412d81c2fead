/** Ctrl/⌘ K: goes to a conversation, or to a person, by the first letters. */
import { useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Combobox } from "@/components/ui/combobox";
import { Dialog } from "@/components/ui/dialog";
import { FormError } from "@/components/ui/field";
import { PersonName } from "@/components/ui/person";
import { formatCount } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { NewRoom } from "@/lib/api";
import type { Person } from "@/lib/people";
import type { Room } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { otherPerson, roomTitle, useRoomTitle } from "../room-title";
import { useDirectory } from "../use-people";

interface QuickSwitcherProps {
  rooms: Room[];
  onOpen: (roomId: string) => void;
  onCreate: (room: NewRoom) => Promise<Room>;
  onClose: () => void;
}

type Option = { room: Room } | { person: Person };
const ROOMS_MAX = 8;
const PEOPLE_MAX = 6;

export default function QuickSwitcher({ rooms, onOpen, onCreate, onClose }: QuickSwitcherProps) {
  const { userId: me, people } = useChat();
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(null);
  const directory = useDirectory(text);
  const wanted = text.trim().toLowerCase();
  const texts = (room: Room) => {
    const title = roomTitle(room, me, (id) => people.get(id).name);
    return `${title} ${otherPerson(room, me) ?? ""}`.toLowerCase();
  };
  const found = rooms.filter((room) => texts(room).includes(wanted)).slice(0, ROOMS_MAX);
  const partners = new Set(rooms.map((room) => otherPerson(room, me)));
  const others = directory.people.filter(
    ({ userId, deactivated }) => userId !== me && !partners.has(userId) && !deactivated,
  );
  const options: Option[] = [
    ...found.map((room) => ({ room })),
    ...(wanted === "" ? [] : others.slice(0, PEOPLE_MAX).map((person) => ({ person }))),
  ];
  const choose = async (option: Option) => {
    if ("room" in option) return onOpen(option.room.id);
    try {
      const room = await onCreate({ type: "direct", participantIds: [me, option.person.userId] });
      onOpen(room.id);
    } catch (failure) {
      setError(errorText(failure));
    }
  };
  return (
    <Dialog title={t.switcher.title} onClose={onClose}>
      <Combobox
        label={t.switcher.label}
        value={text}
        onText={setText}
        data-autofocus
        options={options}
        keyOf={(option) => ("room" in option ? option.room.id : option.person.userId)}
        onChoose={(option) => void choose(option)}
        empty={<p className="px-2 text-muted-foreground text-sm">{t.switcher.nothing}</p>}
      >
        {(option) =>
          "room" in option ? <RoomOption room={option.room} /> : <PersonOption id={option.person.userId} />
        }
      </Combobox>
      <FormError>{error}</FormError>
    </Dialog>
  );
}

function RoomOption({ room }: { room: Room }) {
  const { userId: me } = useChat();
  const title = useRoomTitle(room, me) ?? "";
  return (
    <>
      <Avatar id={otherPerson(room, me) ?? title} size="sm" group={room.type === "group"} />
      <bdi className="min-w-0 flex-1 truncate">{title}</bdi>
      {room.unread > 0 && <span className="text-muted-foreground text-xs">{formatCount(room.unread)}</span>}
    </>
  );
}

function PersonOption({ id }: { id: string }) {
  return (
    <>
      <Avatar id={id} size="sm" />
      <PersonName id={id} className="min-w-0 flex-1 truncate" />
      <span className="text-muted-foreground text-xs">{t.switcher.newMessage}</span>
    </>
  );
}
