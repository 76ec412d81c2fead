/** The messages that I have saved, the one saved last first. */
import { useCallback, useState } from "react";
import { Button } from "@/components/ui/button";
import { BookmarkIcon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";
import type { Message } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { FoundMessage } from "./FoundMessage";
import { PagedDialog } from "./PagedDialog";

export default function SavedDialog({ onClose }: { onClose: () => void }) {
  const { savedMessages } = useChat();
  const load = useCallback(
    async (cursor?: string) => {
      const { messages, nextCursor } = await savedMessages.list(cursor);
      return { items: messages, nextCursor };
    },
    [savedMessages],
  );
  return (
    <PagedDialog<Message> title={t.saved.title} empty={t.saved.empty} load={load} onClose={onClose}>
      {(message) => <Saved key={message.id} message={message} onOpen={onClose} />}
    </PagedDialog>
  );
}

/** It stays in its place when it is removed, so that it can be saved again. */
function Saved({ message, onOpen }: { message: Message; onOpen: () => void }) {
  const { savedMessages } = useChat();
  const [isSaved, setSaved] = useState(true);
  const toggle = () => {
    const { roomId, id } = message;
    setSaved(!isSaved);
    const change = isSaved ? savedMessages.unsave(roomId, id) : savedMessages.save(roomId, id);
    change.catch(() => setSaved(isSaved));
  };
  return (
    <li className="-mx-2.5 flex items-start gap-1">
      <div className="min-w-0 flex-1">
        <FoundMessage message={message} words={[]} showRoom onOpen={onOpen} />
      </div>
      <Button variant="ghost" size="icon" aria-label={t.saved.keep} aria-pressed={isSaved} onClick={toggle}>
        <BookmarkIcon className={isSaved ? "size-4.5 fill-current" : "size-4.5"} />
      </Button>
    </li>
  );
}
