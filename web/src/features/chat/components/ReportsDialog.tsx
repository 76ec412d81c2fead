/** My reports, the newest first, and what became of them. */
import { useCallback } from "react";
import { formatDateTime } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { OwnReport } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { useRoomTitle } from "../room-title";
import { roomHref } from "../route";
import { PagedDialog } from "./PagedDialog";

export default function ReportsDialog({ onClose }: { onClose: () => void }) {
  const { reports } = useChat();
  const load = useCallback(
    async (cursor?: string) => {
      const page = await reports.list(cursor);
      return { items: page.reports, nextCursor: page.nextCursor };
    },
    [reports],
  );
  return (
    <PagedDialog<OwnReport> title={t.reports.title} empty={t.reports.empty} load={load} onClose={onClose}>
      {(report) => <Report key={report.id} report={report} onOpen={onClose} />}
    </PagedDialog>
  );
}

/** It leads to the room, if that is still in my list. */
function Report({ report, onOpen }: { report: OwnReport; onOpen: () => void }) {
  const { at, roomId, reason, state, resolvedAt } = report;
  const { list, userId } = useChat();
  const room = list.getSnapshot().rooms.find(({ id }) => id === roomId);
  const title = useRoomTitle(room, userId);
  return (
    <li className="border-b py-2 last:border-0">
      <span className="flex items-baseline gap-2">
        {title === null ? (
          <span className="min-w-0 flex-1 text-muted-foreground">{t.reports.otherRoom}</span>
        ) : (
          <a
            href={roomHref(roomId)}
            onClick={onOpen}
            className="min-w-0 flex-1 truncate font-medium hover:underline"
          >
            <bdi>{title}</bdi>
          </a>
        )}
        <time dateTime={at} className="shrink-0 text-[0.6875rem] text-muted-foreground">
          {formatDateTime(at)}
        </time>
      </span>
      <span dir="auto" className="line-clamp-3 text-[0.8125rem] [overflow-wrap:anywhere]">
        {reason}
      </span>
      <span className="block text-muted-foreground text-xs first-letter:uppercase">
        {t.reports.states[state]}
        {resolvedAt && <time dateTime={resolvedAt}> · {formatDateTime(resolvedAt)}</time>}
      </span>
    </li>
  );
}
