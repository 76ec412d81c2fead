/**
 * Applies one durable event to the messages. room-reducer.ts decides whether the event is next in order. Each event
 * names a message by id and carries its new value, so applying one twice changes nothing.
 */
import type { LogEvent, Member, Message, ReactionUpdate, Room } from "./protocol";
import type { ReactionOp } from "./room-outgoing";
import type { RoomState } from "./room-state";

type Delta = ReactionUpdate["delta"];

export function applyEvent(state: RoomState, event: LogEvent, nowMs: number): RoomState {
  switch (event.type) {
    case "new_message":
      return onNewMessage(state, event.message, event.clientId ?? event.message.clientId);
    case "message_updated":
      // A replayed edit of a message that is no longer in the log carries no message.
      if (!event.message) return state;
      return updateMessage(state, event, event.message.id, (known) =>
        known.deletedAt ? known : withOwnReactions(event.message, known, state.me),
      );
    case "message_deleted":
      return updateMessage(withoutPin(state, event.messageId), event, event.messageId, (message) =>
        tombstone(message, nowMs),
      );
    case "pins_updated":
      return { ...state, pins: event.messageIds };
    case "reaction_update":
      return updateMessage(state, event, event.messageId, (message) =>
        message.deletedAt ? message : { ...message, ...withDelta(message, event.delta, event.count) },
      );
    case "thread_update": {
      const { replyCount, lastReplyAt } = event;
      return updateMessage(state, event, event.threadId, (message) => ({
        ...message,
        replyCount,
        lastReplyAt,
      }));
    }
    case "member_added":
    case "member_removed":
    case "member_updated": {
      const { userId, role } = event;
      const isRemoved = event.type === "member_removed";
      const mine = userId === state.me && !isRemoved ? { role } : {};
      const details = state.details && withMember(state.details, userId, isRemoved ? null : role, nowMs);
      return { ...state, ...mine, details, roomRevision: state.roomRevision + 1 };
    }
    case "room_updated": {
      const details = state.details && { ...state.details, ...sharedFields(event.room) };
      return { ...state, details, roomRevision: state.roomRevision + 1 };
    }
    default:
      return state;
  }
}

/** A deleted message is pinned no more (PIN-2). */
function withoutPin(state: RoomState, id: string): RoomState {
  return state.pins?.includes(id) ? { ...state, pins: state.pins.filter((known) => known !== id) } : state;
}

function onNewMessage(state: RoomState, message: Message, clientId: string | null): RoomState {
  const mine = message.userId === state.me;
  const marker = Math.max(state.readMarkers[message.userId] ?? 0, message.seq);
  return {
    ...state,
    messages: insertMessage(state.messages, message),
    outgoing: mine ? state.outgoing.filter((item) => item.clientId !== clientId) : state.outgoing,
    typing: stopTyping(state.typing, message.userId, message.threadId ?? ""),
    // The server sends no receipt for the author's own message: writing implies reading.
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

/** Inserts by seq; a message with the same id is replaced. */
export function insertMessage(messages: Message[], message: Message): Message[] {
  let at = messages.length;
  while (at > 0 && (messages[at - 1]?.seq ?? 0) >= message.seq) at -= 1;
  const same = messages[at]?.id === message.id ? 1 : 0;
  return [...messages.slice(0, at), message, ...messages.slice(at + same)];
}

/** Merges both lists, ascending by seq. Known messages win over the page's, because events have kept them current. */
export function mergeMessages(known: Message[], page: Message[]): Message[] {
  const ids = new Set(known.map((message) => message.id));
  const added = page.filter((message) => !ids.has(message.id));
  if (added.length === 0) return known;
  return [...known, ...added].sort((a, b) => a.seq - b.seq);
}

function updateMessage(
  state: RoomState,
  event: LogEvent,
  id: string,
  update: (message: Message) => Message,
): RoomState {
  const at = state.messages.findLastIndex((message) => message.id === id);
  const message = state.messages[at];
  // A page that is being loaded may contain this message in its state before the event.
  if (!message)
    return Object.keys(state.loads).length > 0
      ? { ...state, deferredEvents: [...state.deferredEvents, event] }
      : state;
  return { ...state, messages: state.messages.with(at, update(message)) };
}

export function tombstone(message: Message, nowMs: number): Message {
  const deletedAt = message.deletedAt ?? new Date(nowMs).toISOString();
  const empty = { content: "", attachments: [], reactions: {}, reactionCounts: {}, mentions: [] };
  return { ...message, ...empty, mentionsRoom: false, editedBy: null, deletedAt };
}

/** The reactions of a message: some people by name, and how many there are. */
type Shown = Pick<Message, "reactions" | "reactionCounts">;

/**
 * The reactions after a change. The people stay in the order of their last change, and the count is the server's, so
 * changes that are applied again, to a message that knows them already, lead to the same.
 */
function withDelta(
  { reactions, reactionCounts }: Shown,
  { userId, emoji, action }: Delta,
  count: number,
): Shown {
  const others = (reactions[emoji] ?? []).filter((user) => user !== userId);
  const users = action === "add" ? [...others, userId] : others;
  if (count > 0)
    return {
      reactions: { ...reactions, [emoji]: users },
      reactionCounts: { ...reactionCounts, [emoji]: count },
    };
  const { [emoji]: _, ...rest } = reactions;
  const { [emoji]: _1, ...counts } = reactionCounts;
  return { reactions: rest, reactionCounts: counts };
}

/** The reactions as they are once mine is confirmed. */
export function withReaction(shown: Shown, me: string, { emoji, action }: ReactionOp): Shown {
  const was = shown.reactions[emoji]?.includes(me) ?? false;
  const change = Number(action === "add") - Number(was);
  const count = (shown.reactionCounts[emoji] ?? 0) + change;
  return withDelta(shown, { userId: me, emoji, action }, count);
}

/** An event for all names the first people of each emoji. If I am not among them, I stay named where I was. */
function withOwnReactions(message: Message, known: Message, me: string): Message {
  const own = Object.entries(message.reactions).filter(
    ([emoji, users]) =>
      users.length < (message.reactionCounts[emoji] ?? 0) &&
      !users.includes(me) &&
      known.reactions[emoji]?.includes(me),
  );
  if (own.length === 0) return message;
  const named = own.map(([emoji, users]) => [emoji, [...users, me]]);
  return { ...message, reactions: { ...message.reactions, ...Object.fromEntries(named) } };
}

/** Applies what the event says at once; name and member count follow when the room is fetched again. */
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
    members: [...others, { userId, name: userId, avatarUrl: null, role, joinedAt }],
    participantIds: [...ids, userId],
  };
}

/** The room's fields that are the same for all members; the rest would be another person's counts. */
function sharedFields({ me: _, unread: _1, mentions: _2, ...room }: Partial<Room>): Partial<Room> {
  return room;
}
