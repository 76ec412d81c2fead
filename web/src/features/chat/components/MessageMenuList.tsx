/** The menu of a message: what its author, its readers and moderators can do with it. */

import * as lucide from "lucide";
import { useSyncExternalStore } from "react";
import {
  BookmarkIcon,
  ClockIcon,
  icon,
  MessageSquareTextIcon,
  PencilIcon,
  PinIcon,
  ReplyIcon,
  SmileIcon,
} from "@/components/ui/icons";
import { Menu } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";
import { copyText } from "@/lib/copy-text";
import { decodeMentions } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { isAtLeast, type MessageActions } from "../message-actions";
import { messageHref } from "../route";

const CopyIcon = icon(lucide.Copy);
const FlagIcon = icon(lucide.Flag);
const LinkIcon = icon(lucide.Link);
const MessageSquareDotIcon = icon(lucide.MessageSquareDot);
const Trash2Icon = icon(lucide.Trash2);
const SIZE = "size-4.5";

interface MessageMenuListProps {
  anchor: HTMLElement | null;
  message: ChatMessage;
  canThread: boolean;
  actions: MessageActions;
  onClose: () => void;
}

export default function MessageMenuList({
  anchor,
  message,
  canThread,
  actions,
  onClose,
}: MessageMenuListProps) {
  const { people, savedMessages } = useChat();
  const saved = useSyncExternalStore(savedMessages.subscribe, savedMessages.getSnapshot);
  const isSaved = saved.has(message.id);
  const toggleSaved = () => {
    const { roomId, toast } = actions;
    const change = isSaved
      ? savedMessages.unsave(roomId, message.id)
      : savedMessages.save(roomId, message.id);
    change.then(
      () => toast(isSaved ? t.saved.removed : t.saved.done),
      (failure: unknown) => toast(errorText(failure)),
    );
  };
  return (
    <Menu
      anchor={anchor}
      label={t.messageMenu.label}
      items={[
        ...menuItems(message, actions, canThread, (id) => people.get(id).name),
        {
          label: isSaved ? t.saved.remove : t.saved.save,
          icon: <BookmarkIcon className={isSaved ? `${SIZE} fill-current` : SIZE} />,
          onSelect: toggleSaved,
        },
        ...lastItems(message, actions),
      ]}
      onClose={onClose}
    />
  );
}

function menuItems(
  message: ChatMessage,
  actions: MessageActions,
  canThread: boolean,
  nameOf: (userId: string) => string,
) {
  const { me, role, roomId, openThread, toast, pins, togglePin } = actions;
  const own = message.userId === me;
  const mayModerate = isAtLeast(role, "moderator");
  const copy = (text: string, confirmation: string) =>
    void copyText(text).then(
      () => toast(confirmation),
      () => toast(t.messageMenu.copyRefused),
    );
  return [
    {
      label: t.messageMenu.reply,
      icon: <ReplyIcon className={SIZE} />,
      onSelect: () => actions.reply(message),
    },
    canThread && {
      label: t.messageMenu.replyInThread,
      icon: <MessageSquareTextIcon className={SIZE} />,
      onSelect: () => openThread?.(message.id),
    },
    (own || mayModerate) &&
      message.editedAt !== null && {
        label: t.messageMenu.versions,
        icon: <ClockIcon className={SIZE} />,
        onSelect: () => actions.versions(message),
      },
    own && {
      label: t.messageMenu.edit,
      icon: <PencilIcon className={SIZE} />,
      onSelect: () => actions.edit(message),
    },
    {
      label: t.messageMenu.who,
      icon: <SmileIcon className={SIZE} />,
      onSelect: () => actions.who(message),
    },
    message.content !== "" && {
      label: t.messageMenu.copyText,
      icon: <CopyIcon className={SIZE} />,
      onSelect: () => copy(decodeMentions(message.content, nameOf), t.messageMenu.textCopied),
    },
    {
      label: t.messageMenu.copyLink,
      icon: <LinkIcon className={SIZE} />,
      onSelect: () =>
        copy(location.href.replace(/#.*|$/, messageHref(roomId, message)), t.messageMenu.linkCopied),
    },
    {
      label: t.messageMenu.markUnread,
      icon: <MessageSquareDotIcon className={SIZE} />,
      onSelect: () => actions.markUnread(message),
    },
    togglePin && {
      label: pins.has(message.id) ? t.pins.unpin : t.pins.pin,
      icon: <PinIcon className={SIZE} />,
      onSelect: () => togglePin(message),
    },
  ];
}

/** What is about the message itself stands at the end. */
function lastItems(message: ChatMessage, actions: MessageActions) {
  const own = message.userId === actions.me;
  return [
    !own && {
      label: t.common.report,
      icon: <FlagIcon className={SIZE} />,
      onSelect: () => actions.report(message),
    },
    (own || isAtLeast(actions.role, "moderator")) && {
      label: t.common.delete,
      icon: <Trash2Icon className={SIZE} />,
      danger: true,
      onSelect: () => actions.remove(message),
    },
  ];
}
