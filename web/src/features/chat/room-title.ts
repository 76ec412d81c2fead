import { t } from "@/i18n/i18n";
import type { Room } from "@/lib/protocol";

/** The room's title. A direct message is titled after the other person. */
export function roomTitle(room: Pick<Room, "type" | "name" | "participantIds">, me: string): string {
  const others = room.participantIds.filter((id) => id !== me);
  if (room.type === "direct") return others[0] ?? me;
  return room.name || others.slice(0, 4).join(", ") || t.roomList.justYou;
}
