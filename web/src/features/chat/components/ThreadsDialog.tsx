/** The threads that I follow, the newest reply first, each with how many of its replies I have not read. */
import { useCallback } from "react";
import { formatCount, formatShortDate } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { FollowedThread } from "@/lib/protocol";
import { UNREAD_MAX } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { threadHref } from "../route";
import { FoundMessage } from "./FoundMessage";
import { PagedDialog } from "./PagedDialog";

export default function ThreadsDialog({ onClose }: { onClose: () => void }) {
  const { api } = useChat();
  const load = useCallback(
    async (cursor?: string) => {
      const { threads, nextCursor } = await api.listThreads(cursor);
      return { items: threads, nextCursor };
    },
    [api],
  );
  return (
    <PagedDialog<FollowedThread>
      title={t.threads.title}
      empty={t.threads.empty}
      load={load}
      onClose={onClose}
    >
      {(thread) => (
        <li key={thread.root.id} className="-mx-2.5">
          <FoundMessage
            message={thread.root}
            words={[]}
            showRoom
            onOpen={onClose}
            href={threadHref(thread.roomId, thread.root.id)}
          >
            <Replies {...thread} />
          </FoundMessage>
        </li>
      )}
    </PagedDialog>
  );
}

function Replies({ replyCount, lastReplyAt, unread }: FollowedThread) {
  return (
    <span className="mt-1 flex items-center gap-1.5 text-muted-foreground text-xs">
      <span className="flex-1 truncate">
        {t.message.replies(replyCount)}
        {lastReplyAt && ` ${t.message.lastReply(formatShortDate(lastReplyAt))}`}
      </span>
      {unread > 0 && (
        <span className="min-w-5 shrink-0 rounded-full bg-primary px-1.5 text-center font-semibold text-[0.6875rem] text-primary-foreground leading-5 tabular-nums">
          {unread >= UNREAD_MAX
            ? t.roomList.unreadCountMax(formatCount(UNREAD_MAX - 1))
            : formatCount(unread)}
          <span className="sr-only"> {t.roomList.unread}</span>
        </span>
      )}
    </span>
  );
}
