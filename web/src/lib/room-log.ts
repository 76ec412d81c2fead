/**
 * What one durable event does to the messages. Used by room-state.ts, which decides whether it is its turn.
 * Each change names a message by id and states how it is now, so doing one twice changes nothing.
 */
import type { LogEvent, Member, Message, Reactions, Room } from "./protocol";
import type { ReactionOp } from "./room-outgoing";
import type { RoomState } from "./room-state";

export function applyEvent(state: RoomState, event: LogEvent, nowMs: number): RoomState {
  switch (event.type) {
    case "new_message":
      return onNewMessage(state, event.message, event.clientId ?? event.message.clientId);
    case "message_updated":
      // Told again after its message is gone from the log, an edit has nothing to show.
      if (!event.message) return state;
      return change(state, event, event.message.id, (known) => (known.deletedAt ? known : event.message));
    case "message_deleted":
      return change(state, event, event.messageId, (message) => tombstone(message, nowMs));
    case "reaction_update":
      return change(state, event, event.messageId, (message) =>
        message.deletedAt ? message : { ...message, reactions: event.reactions },
      );
    case "thread_update": {
      const { replyCount, lastReplyAt } = event;
      return change(state, event, event.threadId, (message) => ({ ...message, replyCount, lastReplyAt }));
    }
    case "member_added":
    case "member_removed":
    case "member_updated": {
      const { userId, role } = event;
      const gone = event.type === "member_removed";
      const mine = userId === state.me && !gone ? { role } : {};
      const details = state.details && withMember(state.details, userId, gone ? null : role, nowMs);
      return { ...state, ...mine, details, roomChanges: state.roomChanges + 1 };
    }
    case "room_updated": {
      const details = state.details && { ...state.details, ...forAll(event.room) };
      return { ...state, details, roomChanges: state.roomChanges + 1 };
    }
    default:
      return state;
  }
}

function onNewMessage(state: RoomState, message: Message, clientId: string | null): RoomState {
  const mine = message.userId === state.me;
  const marker = Math.max(state.readMarkers[message.userId] ?? 0, message.seq);
  return {
    ...state,
    messages: insertMessage(state.messages, message),
    outgoing: mine ? state.outgoing.filter((one) => one.clientId !== clientId) : state.outgoing,
    typing: stopTyping(state.typing, message.userId, message.threadId ?? ""),
    // Whoever writes has read; there is no receipt for it.
    readMarkers:
      message.userId in state.readMarkers
        ? { ...state.readMarkers, [message.userId]: marker }
        : state.readMarkers,
    lastReadSeq: mine ? Math.max(state.lastReadSeq, message.seq) : state.lastReadSeq,
  };
}

function stopTyping(typing: RoomState["typing"], userId: string, thread: string): RoomState["typing"] {
  const there = typing[thread];
  if (!there || !(userId in there)) return typing;
  const { [userId]: _, ...rest } = there;
  return { ...typing, [thread]: rest };
}

/** In its place by seq; the same id replaces what was there. */
export function insertMessage(messages: Message[], message: Message): Message[] {
  let at = messages.length;
  while (at > 0 && (messages[at - 1]?.seq ?? 0) >= message.seq) at -= 1;
  const same = messages[at]?.id === message.id ? 1 : 0;
  return [...messages.slice(0, at), message, ...messages.slice(at + same)];
}

/** Both lists as one, ascending. What is known is kept: events have kept it current. */
export function mergeMessages(known: Message[], page: Message[]): Message[] {
  const ids = new Set(known.map((message) => message.id));
  const added = page.filter((message) => !ids.has(message.id));
  if (added.length === 0) return known;
  return [...known, ...added].sort((a, b) => a.seq - b.seq);
}

function change(
  state: RoomState,
  event: LogEvent,
  id: string,
  how: (message: Message) => Message,
): RoomState {
  const at = state.messages.findLastIndex((message) => message.id === id);
  const message = state.messages[at];
  // It may be on a page that is under way, as it was before this event.
  if (!message)
    return Object.keys(state.loads).length > 0
      ? { ...state, waitingEvents: [...state.waitingEvents, event] }
      : state;
  return { ...state, messages: state.messages.with(at, how(message)) };
}

export function tombstone(message: Message, nowMs: number): Message {
  const deletedAt = message.deletedAt ?? new Date(nowMs).toISOString();
  const nothing = { content: "", attachments: [], reactions: {}, mentions: [], mentionsRoom: false };
  return { ...message, ...nothing, deletedAt };
}

/** The reactions with one of mine as if it had happened. */
export function withReaction(reactions: Reactions, me: string, { emoji, action }: ReactionOp): Reactions {
  const others = (reactions[emoji] ?? []).filter((user) => user !== me);
  const users = action === "add" ? [...others, me] : others;
  const { [emoji]: _, ...rest } = reactions;
  if (users.length === 0) return rest;
  return emoji in reactions ? { ...reactions, [emoji]: users } : { ...rest, [emoji]: users };
}

/** At once what the event says; the count and the rest come with the room, which is asked for again. */
function withMember(room: Room, userId: string, role: Member["role"] | null, nowMs: number): Room {
  const known = room.members.find((member) => member.userId === userId);
  const others = room.members.filter((member) => member.userId !== userId);
  const ids = room.participantIds.filter((id) => id !== userId);
  if (role === null) return { ...room, members: others, participantIds: ids };
  if (known) {
    const members = room.members.map((member) => (member === known ? { ...member, role } : member));
    return { ...room, members };
  }
  const joinedAt = new Date(nowMs).toISOString();
  return {
    ...room,
    members: [...others, { userId, role, joinedAt }],
    participantIds: [...ids, userId],
  };
}

/** What of a room is the same for everybody in it: the event must not bring another person's counts. */
function forAll({ me: _, unread: _1, mentions: _2, ...room }: Partial<Room>): Partial<Room> {
  return room;
}
