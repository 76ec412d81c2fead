import { useId } from "react";
import { formatDateTime } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { isSnoozed } from "@/lib/notify";
import type { NotifySettings } from "@/lib/protocol";
import type { MemberManagement } from "../member-management";
import type { ChatRoomHandle } from "../use-chat-room";

const LEVELS: NotifySettings["level"][] = ["all", "mentions", "none"];

const HOUR_MS = 3_600_000;
/** For how long notifications can be snoozed; 0 ends it. */
const SNOOZES = [
  { label: "notMuted", ms: 0 },
  { label: "hour", ms: HOUR_MS },
  { label: "eightHours", ms: 8 * HOUR_MS },
  { label: "week", ms: 7 * 24 * HOUR_MS },
] as const;

/** My notification settings for a room: which messages notify me, and until when that is snoozed. */
export function NotificationSettings({ room, run }: { room: ChatRoomHandle; run: MemberManagement["run"] }) {
  const ids = { level: useId(), mute: useId() };
  const { notify } = room.state;
  if (!notify) return null;
  const isMuted = isSnoozed(notify);
  const save = (settings: NotifySettings) => void run(() => room.client.setNotify(settings));
  const select = "h-9 w-full rounded-lg border bg-background px-2 text-[1rem] sm:text-sm";
  return (
    <section aria-label={t.notifications.title} className="space-y-2 px-2 text-sm">
      <h2 className="font-medium text-muted-foreground text-xs">{t.notifications.title}</h2>
      <label htmlFor={ids.level} className="sr-only">
        {t.notifications.level}
      </label>
      <select
        id={ids.level}
        value={notify.level}
        className={select}
        onChange={(event) => save({ ...notify, level: event.target.value as NotifySettings["level"] })}
      >
        {LEVELS.map((level) => (
          <option key={level} value={level}>
            {t.notifications.levels[level]}
          </option>
        ))}
      </select>
      <label htmlFor={ids.mute} className="sr-only">
        {t.notifications.mute}
      </label>
      <select
        id={ids.mute}
        value={isMuted ? "now" : "0"}
        className={select}
        onChange={(event) => {
          const ms = Number(event.target.value);
          if (Number.isNaN(ms)) return;
          save({ ...notify, muteUntil: ms === 0 ? null : new Date(Date.now() + ms).toISOString() });
        }}
      >
        {isMuted && notify.muteUntil && (
          <option value="now">{t.notifications.mutedUntil(formatDateTime(notify.muteUntil))}</option>
        )}
        {SNOOZES.map(({ label, ms }) => (
          <option key={ms} value={ms}>
            {t.notifications[label]}
          </option>
        ))}
      </select>
    </section>
  );
}
