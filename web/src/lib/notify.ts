import type { NotifySettings } from "./protocol";

/** Whether a room's notifications are off at the moment: switched off, or snoozed. */
export const areNotificationsOff = (notify: NotifySettings | null, nowMs = Date.now()): boolean =>
  notify !== null && (notify.level === "none" || isSnoozed(notify, nowMs));

export const isSnoozed = ({ muteUntil }: NotifySettings, nowMs = Date.now()): boolean =>
  muteUntil !== null && Date.parse(muteUntil) > nowMs;
