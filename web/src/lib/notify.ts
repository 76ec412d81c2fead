import type { NotifySettings, Room } from "./protocol";

/** Whether a room's notifications are off at the moment: switched off, or snoozed. */
export const areNotificationsOff = (notify: NotifySettings | null, nowMs = Date.now()): boolean =>
  notify !== null && (notify.level === "none" || isSnoozed(notify, nowMs));

export const isSnoozed = ({ muteUntil }: NotifySettings, nowMs = Date.now()): boolean =>
  muteUntil !== null && Date.parse(muteUntil) > nowMs;

/** In how many rooms something is unread, without those whose notifications are off. */
export const countUnreadRooms = (rooms: Room[]): number =>
  rooms.filter((room) => room.unread > 0 && !areNotificationsOff(room.me.notify)).length;
