/** What a screen shows of a room's state: own unsent messages at the end, own reactions as if they had happened. */
import type { ErrorBody, Message } from "./protocol";
import { withReaction } from "./room-log";
import { asMessage, type Outgoing } from "./room-outgoing";
import type { RoomState } from "./room-state";

export type MessageStatus = "sending" | "sent" | "failed";

export interface ChatMessage extends Message {
  /** The same before and after the ack, so that a list doesn't build its row anew. */
  key: string;
  status: MessageStatus;
  error: ErrorBody | null;
}

type Part = Pick<RoomState, "me" | "messages" | "outgoing" | "reactions">;

/** Gives the same array for the same parts, so that a screen draws only when something it shows has changed. */
export function messageView(): (state: Part) => ChatMessage[] {
  const rows = new WeakMap<Message, ChatMessage>();
  let last: Part | null = null;
  let view: ChatMessage[] = [];

  const row = (state: Part, message: Message): ChatMessage => {
    const mine = message.userId === state.me;
    const pending = state.reactions.filter((one) => one.messageId === message.id);
    const known = pending.length === 0 ? rows.get(message) : undefined;
    if (known) return known;
    const reactions = pending.reduce((now, one) => withReaction(now, state.me, one), message.reactions);
    const key = mine && message.clientId ? message.clientId : message.id;
    const made: ChatMessage = { ...message, reactions, key, status: "sent", error: null };
    if (pending.length === 0) rows.set(message, made);
    return made;
  };
  return (state) => {
    const same =
      last?.messages === state.messages &&
      last.outgoing === state.outgoing &&
      last.reactions === state.reactions;
    if (same) return view;
    // A thread's replies belong to its panel, unless they were sent to the room too.
    const shown = state.messages.filter((message) => message.threadId === null || message.alsoToRoom);
    view = [
      ...shown.map((message) => row(state, message)),
      ...state.outgoing.map((one) => unsent(state.me, one)),
    ];
    last = state;
    return view;
  };
}

function unsent(me: string, one: Outgoing): ChatMessage {
  const message = asMessage(one, me, `unsent:${one.clientId}`, 0);
  return { ...message, key: one.clientId, status: one.status, error: one.error };
}

/** Who else types, in the order they began to be listed. */
export function typingUsers(state: Pick<RoomState, "typing" | "me">): string[] {
  return Object.keys(state.typing).filter((user) => user !== state.me);
}
