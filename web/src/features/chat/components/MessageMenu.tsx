/** What a person can do with a message: the buttons and menu next to it, and the keys while it has the focus. */

import { useState } from "react";
import { ChatBubbleAction } from "@/components/chat/chat-bubble";
import { EllipsisIcon, MessageSquareTextIcon, ReplyIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { t } from "@/i18n/i18n";
import type { ChatMessage } from "@/lib/room-view";
import { isAtLeast, type MessageActions, useMessageActions } from "../message-actions";

/** Loaded when it is opened for the first time. */
const MessageMenuList = lazyWithRetry(() => import("./MessageMenuList"), true);

export function MessageMenu({ message, inThread }: { message: ChatMessage; inThread: boolean }) {
  const actions = useMessageActions();
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [open, setOpen] = useState(false);
  const { openThread } = actions;
  const canThread = openThread !== null && !inThread && message.threadId === null;
  return (
    <>
      <ChatBubbleAction
        aria-label={t.messageMenu.reply}
        className="[@media(hover:none)]:hidden"
        onClick={() => actions.reply(message)}
      >
        <ReplyIcon className="size-4.5" />
      </ChatBubbleAction>
      {canThread && (
        <ChatBubbleAction
          aria-label={t.messageMenu.replyInThread}
          className="[@media(hover:none)]:hidden"
          onClick={() => openThread(message.id)}
        >
          <MessageSquareTextIcon className="size-4.5" />
        </ChatBubbleAction>
      )}
      <ChatBubbleAction
        ref={setButton}
        aria-label={t.common.more}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <EllipsisIcon className="size-4.5" />
      </ChatBubbleAction>
      {open && (
        <MessageMenuList
          anchor={button}
          message={message}
          canThread={canThread}
          actions={actions}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

/** Shortcuts while a message itself has the focus, not a button or field in it. */
export function onMessageKey(
  event: React.KeyboardEvent,
  message: ChatMessage,
  actions: MessageActions,
  openPicker: () => void,
): void {
  const isInside = event.target !== event.currentTarget;
  if (isInside || event.ctrlKey || event.metaKey || event.altKey) return;
  if (message.status !== "sent" || message.deletedAt !== null || actions.isReadOnly) return;
  const own = message.userId === actions.me;
  const mayDelete = own || isAtLeast(actions.role, "moderator");
  const commands: Record<string, (() => void) | false | null> = {
    r: () => actions.reply(message),
    t: actions.openThread && (() => actions.openThread?.(message.threadId ?? message.id)),
    e: own && (() => actions.edit(message)),
    u: () => actions.markUnread(message),
    i: () => actions.who(message),
    "+": openPicker,
    Delete: mayDelete && (() => actions.remove(message)),
  };
  const command = commands[event.key];
  if (!command) return;
  event.preventDefault();
  command();
}
