/** My mentions in all rooms, newest first. */

import { useCallback } from "react";
import { formatShortDate } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { plainText } from "@/lib/markdown";
import type { Message } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { roomHref } from "../route";
import { PagedDialog } from "./PagedDialog";

export default function MentionsDialog({ onClose }: { onClose: () => void }) {
  const { api } = useChat();
  const load = useCallback(
    async (cursor?: string) => {
      const { messages, nextCursor } = await api.mentions(cursor);
      return { items: messages, nextCursor };
    },
    [api],
  );
  return (
    <PagedDialog<Message> title={t.mentions.title} empty={t.mentions.empty} load={load} onClose={onClose}>
      {({ id, roomId, seq, userId, createdAt, content }) => (
        <li key={id}>
          <a
            href={roomHref(roomId, seq)}
            onClick={onClose}
            className="-mx-2 block rounded-lg px-2 py-2 hover:bg-muted"
          >
            <span className="flex items-baseline gap-2">
              <bdi className="min-w-0 flex-1 truncate font-medium">{userId}</bdi>
              <time dateTime={createdAt} className="shrink-0 text-[11px] text-muted-foreground">
                {formatShortDate(createdAt)}
              </time>
            </span>
            <span dir="auto" className="line-clamp-3 text-[13px] [overflow-wrap:anywhere]">
              {plainText(content)}
            </span>
          </a>
        </li>
      )}
    </PagedDialog>
  );
}
