/** What a person can do with a message: the buttons and menu next to it, and the keys while it has the focus. */

import { useState } from "react";
import { ChatBubbleAction } from "@/components/chat/chat-bubble";
import {
  ClockIcon,
  CopyIcon,
  EllipsisIcon,
  FlagIcon,
  LinkIcon,
  MessageSquareDotIcon,
  MessageSquareTextIcon,
  PencilIcon,
  ReplyIcon,
  Trash2Icon,
} from "@/components/ui/icons";
import { Menu } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";
import { decodeMentions } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { isAtLeast, type MessageActions, useMessageActions } from "../message-actions";
import { roomHref } from "../route";

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
        <Menu
          anchor={button}
          label={t.messageMenu.label}
          onClose={() => setOpen(false)}
          items={menuItems(message, actions, canThread)}
        />
      )}
    </>
  );
}

function menuItems(message: ChatMessage, actions: MessageActions, canThread: boolean) {
  const { me, role, roomId, openThread, toast } = actions;
  const own = message.userId === me;
  const mayModerate = isAtLeast(role, "moderator");
  const copy = (text: string, confirmation: string) =>
    void navigator.clipboard.writeText(text).then(
      () => toast(confirmation),
      () => toast(t.messageMenu.copyRefused),
    );
  const icon = "size-4.5";
  return [
    {
      label: t.messageMenu.reply,
      icon: <ReplyIcon className={icon} />,
      onSelect: () => actions.reply(message),
    },
    canThread && {
      label: t.messageMenu.replyInThread,
      icon: <MessageSquareTextIcon className={icon} />,
      onSelect: () => openThread?.(message.id),
    },
    (own || mayModerate) &&
      message.editedAt !== null && {
        label: t.messageMenu.versions,
        icon: <ClockIcon className={icon} />,
        onSelect: () => actions.versions(message),
      },
    own && {
      label: t.messageMenu.edit,
      icon: <PencilIcon className={icon} />,
      onSelect: () => actions.edit(message),
    },
    message.content !== "" && {
      label: t.messageMenu.copyText,
      icon: <CopyIcon className={icon} />,
      onSelect: () => copy(decodeMentions(message.content), t.messageMenu.textCopied),
    },
    {
      label: t.messageMenu.copyLink,
      icon: <LinkIcon className={icon} />,
      onSelect: () =>
        copy(location.href.replace(/#.*|$/, roomHref(roomId, message.seq)), t.messageMenu.linkCopied),
    },
    {
      label: t.messageMenu.markUnread,
      icon: <MessageSquareDotIcon className={icon} />,
      onSelect: () => actions.markUnread(message),
    },
    !own && {
      label: t.common.report,
      icon: <FlagIcon className={icon} />,
      onSelect: () => actions.report(message),
    },
    (own || mayModerate) && {
      label: t.common.delete,
      icon: <Trash2Icon className={icon} />,
      danger: true,
      onSelect: () => actions.remove(message),
    },
  ];
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
    "+": openPicker,
    Delete: mayDelete && (() => actions.remove(message)),
  };
  const command = commands[event.key];
  if (!command) return;
  event.preventDefault();
  command();
}
