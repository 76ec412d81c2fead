/**
 * What one durable event does to the messages. Used by room-state.ts, which decides whether it is its turn.
 * Each change names a message by id and states how it is now, so doing one twice changes nothing.
 */
import type { LogEvent, Message, Reactions } from "./protocol";
import type { PendingReaction, RoomState } from "./room-state";

export function applyEvent(state: RoomState, event: LogEvent, nowMs: number): RoomState {
  switch (event.type) {
    case "new_message":
      return onNewMessage(state, event.message, event.clientId ?? event.message.clientId);
    case "message_updated":
      return change(state, event, event.message.id, () => event.message);
    case "message_deleted":
      return change(state, event, event.messageId, (message) => tombstone(message, nowMs));
    case "reaction_update":
      return change(state, event, event.messageId, (message) => ({ ...message, reactions: event.reactions }));
    case "thread_update":
      return change(state, event, event.threadId, (message) => ({
        ...message,
        replyCount: event.replyCount,
      }));
    case "member_added":
    case "member_removed":
    case "member_updated":
    case "room_updated":
      return { ...state, roomChanges: state.roomChanges + 1 };
    default:
      return state;
  }
}

function onNewMessage(state: RoomState, message: Message, clientId: string | null): RoomState {
  const { [message.userId]: _, ...typing } = state.typing;
  const mine = message.userId === state.me;
  const marker = Math.max(state.readMarkers[message.userId] ?? 0, message.seq);
  return {
    ...state,
    messages: insertMessage(state.messages, message),
    outgoing: mine ? state.outgoing.filter((one) => one.clientId !== clientId) : state.outgoing,
    typing,
    // Whoever writes has read; there is no receipt for it.
    readMarkers:
      message.userId in state.readMarkers
        ? { ...state.readMarkers, [message.userId]: marker }
        : state.readMarkers,
    lastReadSeq: mine ? Math.max(state.lastReadSeq, message.seq) : state.lastReadSeq,
  };
}

/** In its place by seq; the same id replaces what was there. */
export function insertMessage(messages: Message[], message: Message): Message[] {
  let at = messages.length;
  while (at > 0 && (messages[at - 1]?.seq ?? 0) >= message.seq) at -= 1;
  const same = messages[at]?.id === message.id ? 1 : 0;
  return [...messages.slice(0, at), message, ...messages.slice(at + same)];
}

function change(
  state: RoomState,
  event: LogEvent,
  id: string,
  how: (message: Message) => Message,
): RoomState {
  const at = state.messages.findIndex((message) => message.id === id);
  const message = state.messages[at];
  if (!message)
    return state.loadingOlder ? { ...state, waitingEvents: [...state.waitingEvents, event] } : state;
  return { ...state, messages: state.messages.with(at, how(message)) };
}

function tombstone(message: Message, nowMs: number): Message {
  const deletedAt = message.deletedAt ?? new Date(nowMs).toISOString();
  return { ...message, content: "", attachments: [], reactions: {}, mentions: [], deletedAt };
}

/** The reactions with one of mine as if it had happened. */
export function withReaction(
  reactions: Reactions,
  me: string,
  { emoji, action }: PendingReaction,
): Reactions {
  const others = (reactions[emoji] ?? []).filter((user) => user !== me);
  const users = action === "add" ? [...others, me] : others;
  const { [emoji]: _, ...rest } = reactions;
  if (users.length === 0) return rest;
  return emoji in reactions ? { ...reactions, [emoji]: users } : { ...rest, [emoji]: users };
}

/** A confirmed reaction stays visible while its own event is still on the way. */
export function bakeReaction(state: RoomState, reaction: PendingReaction): RoomState {
  return {
    ...state,
    reactions: state.reactions.filter((one) => one !== reaction),
    messages: state.messages.map((message) =>
      message.id === reaction.messageId
        ? { ...message, reactions: withReaction(message.reactions, state.me, reaction) }
        : message,
    ),
  };
}
