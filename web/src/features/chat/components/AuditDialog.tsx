/** What was done to the room and its people, and by whom: for those who moderate it. */
import { useCallback } from "react";
import type { AuditEntry } from "@/lib/protocol";
import { formatDateTime, formatDuration } from "@/lib/text";
import { useChat } from "../chat-context";
import { PagedDialog } from "./PagedDialog";

const WORDS: Record<AuditEntry["action"], string> = {
  add: "added",
  ban: "banned",
  delete: "deleted a message",
  edit: "changed a message",
  mute: "muted",
  remove: "removed",
  report: "reported a message",
  role: "changed the role of",
  settings: "changed the settings",
  slow_mode: "set slow mode",
  unban: "lifted the ban of",
  unmute: "unmuted",
};
/** What is done to a message names it by its id, which tells a person nothing. */
const NAMES_PEOPLE = ["add", "ban", "mute", "remove", "role", "unban", "unmute"];

function why(action: AuditEntry["action"], reason: string): string {
  if (action === "slow_mode")
    return reason === "0" ? "off" : `one message in ${formatDuration(Number(reason))}`;
  if (action === "mute") return `until ${formatDateTime(reason)}`;
  return reason;
}

export function AuditDialog({ roomId, onClose }: { roomId: string; onClose: () => void }) {
  const { api } = useChat();
  const load = useCallback(
    async (cursor?: string) => {
      const { entries, nextCursor } = await api.audit(roomId, cursor);
      return { items: entries, nextCursor };
    },
    [api, roomId],
  );
  return (
    <PagedDialog<AuditEntry>
      title="Audit log"
      empty="Nothing has been done yet."
      load={load}
      onClose={onClose}
    >
      {({ at, actor, action, target, reason }) => (
        <li key={`${at} ${actor} ${action} ${target}`} className="py-1.5 [overflow-wrap:anywhere]">
          <bdi className="font-medium">{actor}</bdi> {WORDS[action] ?? action}{" "}
          {NAMES_PEOPLE.includes(action) && <bdi className="font-medium">{target}</bdi>}
          <time dateTime={at} className="block text-[11px] text-muted-foreground">
            {formatDateTime(at)}
          </time>
          {reason && (
            <span dir="auto" className="block text-[13px] text-muted-foreground">
              {why(action, reason)}
            </span>
          )}
        </li>
      )}
    </PagedDialog>
  );
}
