/** The actions of a message, provided to the rows by context instead of a dozen props each. Also the order of roles. */
import { createContext, use } from "react";
import type { Role } from "@/lib/protocol";
import type { ChatMessage } from "@/lib/room-view";

export interface MessageActions {
  me: string;
  roomId: string;
  role: Role | null;
  isGroup: boolean;
  /** The room is archived, or I am no longer a member: nothing can be changed. */
  isReadOnly: boolean;
  /** A loaded message, for example the one that a reply quotes. */
  find: (id: string) => ChatMessage | undefined;
  react: (messageId: string, emoji: string) => void;
  reply: (message: ChatMessage) => void;
  edit: (message: ChatMessage) => void;
  remove: (message: ChatMessage) => void;
  openThread: ((rootId: string) => void) | null;
  /** The ids of the pinned messages. */
  pins: ReadonlySet<string>;
  /** Pins the message, or unpins it. `null`: I may not. */
  togglePin: ((message: Pick<ChatMessage, "id">) => void) | null;
  openPins: () => void;
  /** Asks for a date to go to, beginning with the day of this time. `null`: in a thread. */
  pickDate: ((from: string) => void) | null;
  /** `threadId`: the message is shown only in this thread. */
  goTo: (seq: number, threadId?: string | null) => void;
  markUnread: (message: ChatMessage) => void;
  report: (message: ChatMessage) => void;
  versions: (message: ChatMessage) => void;
  /** Shows who reacted and who has read it. */
  who: (message: ChatMessage) => void;
  retry: (clientId: string) => void;
  discard: (clientId: string) => void;
  /** Shows a short text to the person. */
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
