/** The menu of a message: what its author, its readers and moderators can do with it. */
import {
  ClockIcon,
  CopyIcon,
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
import { copyText } from "@/lib/copy-text";
import { decodeMentions } from "@/lib/markdown";
import type { ChatMessage } from "@/lib/room-view";
import { isAtLeast, type MessageActions } from "../message-actions";
import { messageHref } from "../route";

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
  return (
    <Menu
      anchor={anchor}
      label={t.messageMenu.label}
      items={menuItems(message, actions, canThread)}
      onClose={onClose}
    />
  );
}

function menuItems(message: ChatMessage, actions: MessageActions, canThread: boolean) {
  const { me, role, roomId, openThread, toast } = actions;
  const own = message.userId === me;
  const mayModerate = isAtLeast(role, "moderator");
  const copy = (text: string, confirmation: string) =>
    void copyText(text).then(
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
        copy(location.href.replace(/#.*|$/, messageHref(roomId, message)), t.messageMenu.linkCopied),
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
