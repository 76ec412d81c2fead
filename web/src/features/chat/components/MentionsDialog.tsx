/** My mentions in all rooms, newest first. */

import { useCallback } from "react";
import { t } from "@/i18n/i18n";
import type { Message } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { FoundMessage } from "./FoundMessage";
import { PagedDialog } from "./PagedDialog";

export default function MentionsDialog({ onClose }: { onClose: () => void }) {
  const { api, people, userId } = useChat();
  const words = [`@${people.get(userId).name}`, "@room"];
  const load = useCallback(
    async (cursor?: string) => {
      const { messages, nextCursor } = await api.mentions(cursor);
      return { items: messages, nextCursor };
    },
    [api],
  );
  return (
    <PagedDialog<Message> title={t.mentions.title} empty={t.mentions.empty} load={load} onClose={onClose}>
      {(message) => (
        <li key={message.id} className="-mx-2.5">
          <FoundMessage message={message} words={words} showRoom onOpen={onClose} />
        </li>
      )}
    </PagedDialog>
  );
}
