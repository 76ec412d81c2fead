/** A thread: its first message, the replies, and an input for the next one. */

import { useCallback, useEffect, useMemo, useState } from "react";
import { PersonName } from "@/components/ui/person";
import { RichText } from "@/components/ui/rich-text";
import { formatTime } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { SendOptions } from "@/lib/room-client";
import type { ChatMessage } from "@/lib/room-view";
import { typingUnnamed, typingUsers } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { type MessageActions, MessageActionsContext, useMessageActions } from "../message-actions";
import type { Composing } from "../panels";
import type { ChatRoomHandle } from "../use-chat-room";
import type { MessageTarget } from "../use-message-target";
import { useMessages } from "../use-room";
import { useThreadReading } from "../use-thread-reading";
import Attachments from "./Attachments";
import { MessageInput } from "./MessageInput";
import { MessageList, MessageListSkeleton } from "./MessageList";
import { TypingIndicator } from "./TypingIndicator";

interface ThreadPanelProps {
  room: ChatRoomHandle;
  rootId: string;
  people: string[];
  isReadOnly: boolean;
  /** The reply to scroll to. */
  target: MessageTarget | null;
}

const NO_MARKERS = {};

export default function ThreadPanel({ room, rootId, people, isReadOnly, target }: ThreadPanelProps) {
  const { client, state, isConnected } = room;
  const { userId } = useChat();
  const outer = useMessageActions();
  const [composing, setComposing] = useState<Composing>(null);
  const [alsoToRoom, setAlsoToRoom] = useState(false);
  const thread = useMessages(client.roomId, rootId);
  const root = client.view.message(state, rootId);
  const part = state.threads[rootId];
  const isKnown = part !== undefined;

  useEffect(() => {
    // Only the first time: a reload of the room includes its loaded threads.
    if (isConnected && !isKnown) void client.loadThread(rootId);
  }, [client, rootId, isConnected, isKnown]);

  const actions = useMemo<MessageActions>(
    () => ({
      ...outer,
      openThread: null,
      pickDate: null,
      reply: (message) => setComposing({ kind: "reply", message }),
      edit: (message) => setComposing({ kind: "edit", message }),
    }),
    [outer],
  );
  const onVisibleChange = useThreadReading(client, rootId);
  const send = useCallback(
    (content: string, options: SendOptions) => {
      client.sendMessage(content, { ...options, threadId: rootId, alsoToRoom });
      setAlsoToRoom(false);
    },
    [client, rootId, alsoToRoom],
  );
  const onTyping = useCallback((isTyping: boolean) => client.sendTyping(isTyping, rootId), [client, rootId]);
  const editLast = () => {
    const last = thread.messages.findLast(
      (message) => message.userId === userId && message.deletedAt === null,
    );
    if (last?.status === "sent") setComposing({ kind: "edit", message: last });
  };
  return (
    <MessageActionsContext value={actions}>
      {root && <Root message={root} me={userId} />}
      {part?.failed && (
        <p role="alert" className="p-4 text-sm">
          {t.thread.loadFailed}{" "}
          <button type="button" className="underline" onClick={() => void client.loadThread(rootId)}>
            {t.common.tryAgain}
          </button>
        </p>
      )}
      {!isKnown && thread.messages.length === 0 ? (
        <MessageListSkeleton />
      ) : thread.messages.length === 0 ? (
        <p className="flex-1 p-6 text-center text-muted-foreground text-sm">{t.thread.empty}</p>
      ) : (
        <MessageList
          messages={thread.messages}
          me={userId}
          label={t.thread.label}
          lineSeq={null}
          readMarkers={NO_MARKERS}
          hasMore={thread.hasMore}
          isLoadingOlder={thread.isLoadingOlder}
          onLoadOlder={thread.loadOlder}
          target={target}
          onVisibleChange={onVisibleChange}
          beginning={t.message.replies(thread.messages.length)}
          inThread
        />
      )}
      <TypingIndicator users={typingUsers(state, rootId)} unnamed={typingUnnamed(state, rootId)} />
      {!isReadOnly && root?.deletedAt === null && (
        <MessageInput
          roomId={client.roomId}
          threadId={rootId}
          placeholder={t.input.reply}
          disabled={room.connection.kind === "stopped"}
          sendBlocked={state.sendBlocked}
          people={people}
          composing={composing}
          onComposing={setComposing}
          onSend={send}
          onEdit={room.edit}
          onEditLast={editLast}
          onTyping={onTyping}
          autoFocus
        >
          <label className="flex items-center gap-2 px-1 pt-2 text-muted-foreground text-xs">
            <input
              type="checkbox"
              checked={alsoToRoom}
              onChange={(event) => setAlsoToRoom(event.target.checked)}
              className="accent-primary"
            />
            {t.thread.alsoToRoom}
          </label>
        </MessageInput>
      )}
    </MessageActionsContext>
  );
}

function Root({ message, me }: { message: ChatMessage; me: string }) {
  return (
    <div className="max-h-[30dvh] shrink-0 overflow-y-auto border-b px-4 py-3 text-sm [overflow-wrap:anywhere]">
      <p className="mb-1 flex items-baseline gap-2">
        {message.userId === me ? (
          <span className="font-semibold">{t.common.you}</span>
        ) : (
          <PersonName id={message.userId} className="font-semibold" />
        )}
        <time dateTime={message.createdAt} className="shrink-0 text-[0.6875rem] text-muted-foreground">
          {formatTime(message.createdAt)}
        </time>
      </p>
      {message.deletedAt ? (
        <p className="text-muted-foreground italic">{t.message.deleted}</p>
      ) : (
        <div dir="auto">
          <RichText text={message.content} me={me} />
          {message.attachments.length > 0 && <Attachments files={message.attachments} />}
        </div>
      )}
    </div>
  );
}
