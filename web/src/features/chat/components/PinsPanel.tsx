/**
 * The pinned messages of a room, live: which they are follows the room's state, and so does what they say as far as they
 * are loaded there. The others are fetched.
 */
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { FormError } from "@/components/ui/field";
import { XIcon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";
import type { Pins } from "@/lib/api";
import type { Message } from "@/lib/protocol";
import { errorText } from "../explain";
import { useMessageActions } from "../message-actions";
import type { ChatRoomHandle } from "../use-chat-room";
import { PINS_MAX } from "../use-pins";
import { FoundMessage } from "./FoundMessage";

export default function PinsPanel({ room }: { room: ChatRoomHandle }) {
  const { togglePin } = useMessageActions();
  const { messages, isTooLarge, error, retry } = usePinnedMessages(room);
  const box = useRef<HTMLDivElement>(null);
  const hasUnpinned = useRef(false);
  // The button goes with its message, and the focus with the button.
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of the list may take the focus away
  useLayoutEffect(() => {
    if (hasUnpinned.current && document.activeElement === document.body) box.current?.focus();
    hasUnpinned.current = false;
  }, [messages?.length]);
  const note = "px-2 py-6 text-center text-muted-foreground text-sm";
  return (
    <div ref={box} tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto p-2">
      <FormError>{error}</FormError>
      {error && (
        <Button variant="ghost" size="sm" className="mt-2 w-full" onClick={retry}>
          {t.common.tryAgain}
        </Button>
      )}
      {!messages && !error && <p className={note}>{t.common.loading}</p>}
      {messages?.length === 0 && <p className={note}>{togglePin ? t.pins.emptyForAdmins : t.pins.empty}</p>}
      <ul className="space-y-1">
        {messages?.map((message) => (
          <li key={message.id} className="flex items-start gap-1 text-sm">
            <div className="min-w-0 flex-1">
              <FoundMessage message={message} words={[]} showRoom={false} />
            </div>
            {togglePin && (
              <Button
                variant="ghost"
                size="icon"
                aria-label={t.pins.unpin}
                onClick={() => {
                  hasUnpinned.current = true;
                  togglePin(message);
                }}
              >
                <XIcon className="size-4.5" />
              </Button>
            )}
          </li>
        ))}
      </ul>
      {isTooLarge && <p className={note}>{t.pins.tooLarge}</p>}
      {togglePin && messages && <p className={note}>{t.pins.limit(PINS_MAX)}</p>}
    </div>
  );
}

/** The pinned messages in their order; `null`: not known yet. */
function usePinnedMessages({ client, state, isConnected }: ChatRoomHandle) {
  const [page, setPage] = useState<Pins | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [attempts, setAttempts] = useState(0);
  const fetched = new Map(page?.messages.map((message) => [message.id, message]));
  const find = (id: string): Message | undefined => client.view.message(state, id) ?? fetched.get(id);
  const missing = state.pins?.filter((id) => !find(id));
  const shown = (state.pins ?? [])
    .flatMap((id) => find(id) ?? [])
    .filter(({ deletedAt }) => deletedAt === null);
  const isMissing = missing === undefined || missing.length > 0;
  const key = state.pins?.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked for once for each list of pins, and by `retry`
  useEffect(() => {
    if (!isMissing || !isConnected) return;
    let isLatest = true;
    setError(null);
    client.loadPins().then(
      (found) => isLatest && setPage(found),
      (failure: unknown) => isLatest && setError(errorText(failure)),
    );
    return () => {
      isLatest = false;
    };
  }, [client, key, isConnected, attempts]);
  const isWaiting = isMissing && !(page?.hasMore ?? false);
  return {
    messages: isWaiting && !page ? null : shown,
    /** The list ends at 1 MiB. */
    isTooLarge: isMissing && (page?.hasMore ?? false),
    error,
    retry: () => setAttempts(attempts + 1),
  };
}
