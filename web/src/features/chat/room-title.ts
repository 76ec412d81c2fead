import { useProfiles } from "@/components/ui/person";
import { t } from "@/i18n/i18n";
import type { Room } from "@/lib/protocol";

export type TitledRoom = Pick<Room, "type" | "name" | "participantIds">;

/** The people of whose names the title consists. */
const titlePeople = (room: TitledRoom, me: string): string[] => {
  const others = room.participantIds.filter((id) => id !== me);
  if (room.type === "direct") return [others[0] ?? me];
  return room.name ? [] : others.slice(0, 4);
};

/** The room's title. A direct message is titled after the other person. */
export function roomTitle(room: TitledRoom, me: string, nameOf: (userId: string) => string): string {
  return room.name || titlePeople(room, me).map(nameOf).join(", ") || t.roomList.justYou;
}

/** The title, rendered again when a name arrives; `null` without a room. */
export function useRoomTitle(room: TitledRoom | null | undefined, me: string): string | null {
  const people = useProfiles(room ? titlePeople(room, me) : NOBODY);
  return room ? roomTitle(room, me, (id) => people.find(({ userId }) => userId === id)?.name ?? id) : null;
}

const NOBODY: string[] = [];

/** The other person of a direct message. */
export const otherPerson = (room: TitledRoom, me: string): string | undefined =>
  room.type === "direct" ? (room.participantIds.find((id) => id !== me) ?? me) : undefined;
