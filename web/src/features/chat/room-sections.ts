/** In which order the list shows my rooms. Pure. */
import { areNotificationsOff } from "@/lib/notify";
import type { Room } from "@/lib/protocol";
import type { Settings } from "./settings";

export type SectionKind = "unread" | "direct" | "groups" | "muted" | "all";

export interface Section {
  kind: SectionKind;
  rooms: Room[];
}

/**
 * The rooms, newest activity first within each section; empty sections are left out. A muted room that mentions me is
 * where unread ones are, because a mention is meant for me.
 */
export function sectionsOf(rooms: Room[], order: Settings["order"]): Section[] {
  if (order === "recent") return rooms.length === 0 ? [] : [{ kind: "all", rooms }];
  const kindOf = (room: Room): SectionKind => {
    const isMuted = areNotificationsOff(room.me.notify);
    if (order === "unread" && (room.mentions > 0 || (room.unread > 0 && !isMuted))) return "unread";
    if (isMuted) return "muted";
    return room.type === "direct" ? "direct" : "groups";
  };
  const kinds: SectionKind[] = ["unread", "direct", "groups", "muted"];
  const all = kinds.map((kind) => ({ kind, rooms: rooms.filter((room) => kindOf(room) === kind) }));
  return all.filter((section) => section.rooms.length > 0);
}

/** The rooms from top to bottom. */
export const inOrder = (sections: Section[]): Room[] => sections.flatMap(({ rooms }) => rooms);
