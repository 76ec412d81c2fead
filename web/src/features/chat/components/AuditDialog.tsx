/** The audit log of a room, for its moderators: who did what to whom. */

import { useCallback, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { FormError } from "@/components/ui/field";
import { PersonName } from "@/components/ui/person";
import { fill } from "@/i18n/fill";
import { formatDateTime, formatDuration } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { AuditEntry } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { PagedDialog } from "./PagedDialog";

const nameOfChange = (name: string): string => (t.audit.changes as Record<string, string>)[name] ?? name;

function reasonText(action: AuditEntry["action"], reason: string): string {
  if (action === "slow_mode")
    return reason === "0" ? t.audit.slowModeOff : t.audit.slowMode(formatDuration(Number(reason)));
  if (action === "role") return (t.people.roles as Record<string, string>)[reason] ?? reason;
  if (action === "settings") return reason.split(/, ?/).map(nameOfChange).join(", ");
  return action === "mute" ? t.audit.until(formatDateTime(reason)) : reason;
}

export function AuditDialog({ roomId, onClose }: { roomId: string; onClose: () => void }) {
  const { api } = useChat();
  /** Whose ban has ended, by later entries (the newest come first) or just now. */
  const [lifted, setLifted] = useState<ReadonlySet<string>>(new Set());
  const [error, setError] = useState<{ userId: string; text: string } | null>(null);
  const newest = useRef(new Map<string, string>());
  const lift = async (userId: string) => {
    try {
      await api.unban(roomId, userId);
      setLifted((now) => new Set([...now, userId]));
      setError(null);
    } catch (failure) {
      setError({ userId, text: errorText(failure) });
    }
  };
  const load = useCallback(
    async (cursor?: string) => {
      const { entries, nextCursor } = await api.audit(roomId, cursor);
      if (cursor === undefined) newest.current.clear();
      for (const { at, action, target } of entries)
        if (target !== null && ["ban", "unban", "add"].includes(action) && !newest.current.has(target))
          newest.current.set(target, action === "ban" ? at : "");
      return { items: entries, nextCursor };
    },
    [api, roomId],
  );
  return (
    <PagedDialog<AuditEntry> title={t.audit.title} empty={t.audit.empty} load={load} onClose={onClose}>
      {({ at, actor, action, target, reason }) => (
        <li key={`${at} ${actor} ${action} ${target}`} className="py-1.5 [overflow-wrap:anywhere]">
          {fill(
            (by, to) => t.audit.actions[action]?.(by, to) ?? t.audit.unknown(by, action),
            <PersonName id={actor} className="font-medium" />,
            target === null ? "" : <PersonName id={target} className="font-medium" />,
          )}
          <time dateTime={at} className="block text-[0.6875rem] text-muted-foreground">
            {formatDateTime(at)}
          </time>
          {action === "ban" &&
            target !== null &&
            newest.current.get(target) === at &&
            !lifted.has(target) && (
              <Button variant="link" size="text" onClick={() => void lift(target)}>
                {t.audit.liftBan}
              </Button>
            )}
          {error !== null && error.userId === target && action === "ban" && (
            <FormError>{error.text}</FormError>
          )}
          {action === "ban" && target !== null && lifted.has(target) && t.audit.banLifted}
          {reason && (
            <span dir="auto" className="block text-[0.8125rem] text-muted-foreground">
              {reasonText(action, reason)}
            </span>
          )}
        </li>
      )}
    </PagedDialog>
  );
}
