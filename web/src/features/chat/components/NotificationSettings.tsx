import { useId } from "react";
import { isSnoozed } from "@/lib/notify";
import type { NotifySettings } from "@/lib/protocol";
import { formatDateTime } from "@/lib/text";
import type { ChatRoomHandle } from "../use-chat-room";
import type { Manage } from "./OnlineUsers";

const LEVELS: { level: NotifySettings["level"]; label: string }[] = [
  { level: "all", label: "Every message" },
  { level: "mentions", label: "Mentions only" },
  { level: "none", label: "Nothing" },
];

const MUTES = [
  { label: "Not muted", ms: 0 },
  { label: "For an hour", ms: 3_600_000 },
  { label: "For 8 hours", ms: 8 * 3_600_000 },
  { label: "For a week", ms: 7 * 86_400_000 },
];

/** What this conversation tells me of when I am not there. */
export function NotificationSettings({ room, run }: { room: ChatRoomHandle; run: Manage["run"] }) {
  const ids = { level: useId(), mute: useId() };
  const { notify } = room.state;
  if (!notify) return null;
  const isMuted = isSnoozed(notify);
  const save = (settings: NotifySettings) => void run(() => room.client.setNotify(settings));
  const select = "h-9 w-full rounded-lg border bg-background px-2 text-[16px] sm:text-sm";
  return (
    <section aria-label="Notifications" className="space-y-2 px-2 text-sm">
      <h2 className="font-medium text-muted-foreground text-xs">Notifications</h2>
      <label htmlFor={ids.level} className="sr-only">
        Notify me of
      </label>
      <select
        id={ids.level}
        value={notify.level}
        className={select}
        onChange={(event) => save({ ...notify, level: event.target.value as NotifySettings["level"] })}
      >
        {LEVELS.map(({ level, label }) => (
          <option key={level} value={level}>
            {label}
          </option>
        ))}
      </select>
      <label htmlFor={ids.mute} className="sr-only">
        Mute
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
          <option value="now">Muted until {formatDateTime(notify.muteUntil)}</option>
        )}
        {MUTES.map(({ label, ms }) => (
          <option key={ms} value={ms}>
            {label}
          </option>
        ))}
      </select>
    </section>
  );
}
