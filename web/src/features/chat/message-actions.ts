/** What can be done with a message, for the rows of a list without handing each of them a dozen functions. */
import { createContext, use } from "react";
import type { Role } from "@/lib/protocol";
import type { ChatMessage } from "@/lib/room-view";

export interface MessageActions {
  me: string;
  roomId: string;
  role: Role | null;
  isGroup: boolean;
  /** Archived, or not part of it any more: one can read. */
  isReadOnly: boolean;
  /** Any message that is known: what a reply answers. */
  find: (id: string) => ChatMessage | undefined;
  react: (messageId: string, emoji: string) => void;
  reply: (message: ChatMessage) => void;
  edit: (message: ChatMessage) => void;
  remove: (message: ChatMessage) => void;
  openThread: ((rootId: string) => void) | null;
  goTo: (seq: number) => void;
  markUnread: (message: ChatMessage) => void;
  report: (message: ChatMessage) => void;
  versions: (message: ChatMessage) => void;
  retry: (clientId: string) => void;
  discard: (clientId: string) => void;
  /** A word to the person that isn't a message. */
  toast: (text: string) => void;
}

export const MessageActionsContext = createContext<MessageActions | null>(null);

export function useMessageActions(): MessageActions {
  const actions = use(MessageActionsContext);
  if (!actions) throw new Error("useMessageActions needs a MessageActionsContext around it");
  return actions;
}

const ROLE_RANKS: Record<Role, number> = { owner: 3, admin: 2, moderator: 1, member: 0 };

export const isAtLeast = (role: Role | null | undefined, least: Role): boolean =>
  role !== null && role !== undefined && ROLE_RANKS[role] >= ROLE_RANKS[least];
