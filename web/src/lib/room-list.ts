/**
 * My rooms, newest activity first, with what is unread in them. The list is asked for at the start, on coming back to
 * the tab, after one's own actions and when somebody is at work here and it is old: never by a clock alone, because a
 * query now and then would keep a sleeping Postgres awake for nobody. In between, rooms that are connected say
 * themselves what has happened in them.
 */
import { type ChatApi, type NewRoom, SignedOut } from "./api";
import type { Room } from "./protocol";
import type { RoomClient } from "./room-client";
import type { RoomState } from "./room-state";
import { inRoom, UNREAD_MAX, unreadOf } from "./room-view";

export interface RoomListSnapshot {
  rooms: Room[];
  isLoading: boolean;
  hasMore: boolean;
  /** Why the last question wasn't answered. */
  failure: unknown;
  isSignedOut: boolean;
}

const OLD_AFTER_MS = 20_000;
/** Coming back fires several events at once. */
const SOON_MS = 1_000;

export class RoomList {
  private snapshot: RoomListSnapshot = {
    ...{ rooms: [], isLoading: true, hasMore: false, failure: null, isSignedOut: false },
  };
  private readonly listeners = new Set<() => void>();
  private cursor: string | null = null;
  private askedMs = 0;
  private running: Promise<void> | null = null;
  private users = 0;
  private stopListening: (() => void) | null = null;
  private readonly followed = new Map<RoomClient, () => void>();

  constructor(
    private readonly api: ChatApi,
    /** Called with the newest rooms, for whoever wants them connected. */
    private readonly onNewest: (rooms: Room[]) => void = () => {},
  ) {}

  getSnapshot = (): RoomListSnapshot => this.snapshot;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Keeps the list current until the returned function is called. */
  retain(): () => void {
    this.users += 1;
    if (this.users === 1) {
      void this.refresh();
      this.stopListening = listenToPage(
        () => this.refreshIfOlderThan(SOON_MS),
        () => this.refreshIfOlderThan(OLD_AFTER_MS),
      );
    }
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.users -= 1;
      if (this.users > 0) return;
      this.stopListening?.();
      this.stopListening = null;
    };
  }

  refresh = (): Promise<void> => {
    this.askedMs = Date.now();
    this.running ??= this.ask().finally(() => {
      this.running = null;
    });
    return this.running;
  };

  loadMore = async (): Promise<void> => {
    const { cursor } = this;
    if (cursor === null) return;
    try {
      const page = await this.api.listRooms(cursor);
      this.cursor = page.nextCursor;
      const { rooms } = this.snapshot;
      const added = page.rooms.filter((room) => rooms.every((one) => one.id !== room.id));
      this.set({ rooms: [...rooms, ...added], hasMore: this.cursor !== null, failure: null });
    } catch (failure) {
      this.set({ failure });
    }
  };

  create = async (room: NewRoom): Promise<Room> => {
    const made = (await this.api.createRoom(room)).room;
    const { rooms } = this.snapshot;
    if (rooms.every((one) => one.id !== made.id)) this.set({ rooms: [made, ...rooms] });
    void this.refresh();
    return made;
  };

  /** A room that I left, or that is gone. */
  drop = (roomId: string): void => {
    this.set({ rooms: this.snapshot.rooms.filter((room) => room.id !== roomId) });
  };

  patch = (roomId: string, change: Partial<Room>): void => {
    const { rooms } = this.snapshot;
    const room = rooms.find((one) => one.id === roomId);
    const keys = Object.keys(change) as (keyof Room)[];
    if (!room || keys.every((key) => room[key] === change[key])) return;
    const next = { ...room, ...change };
    const moved = (next.lastMessageAt ?? "") > (room.lastMessageAt ?? "");
    const others = rooms.filter((one) => one !== room);
    this.set({ rooms: moved ? [next, ...others] : rooms.map((one) => (one === room ? next : one)) });
  };

  /** Takes from the room itself what the list shows of it, until the room is let go. */
  follow(client: RoomClient): void {
    if (this.followed.has(client)) return;
    let last: RoomState | null = null;
    const look = () => {
      const { state } = client.getSnapshot();
      const { phase, messages, lastReadSeq, details, notify } = state;
      if (phase !== "live") return;
      const same = last?.messages === messages && last.lastReadSeq === lastReadSeq;
      if (same && last?.details === details && last.notify === notify && last.role === state.role) return;
      last = state;
      const room = this.snapshot.rooms.find((one) => one.id === client.roomId);
      if (room) this.patch(client.roomId, summary(state, room));
    };
    this.followed.set(client, client.subscribe(look));
    look();
  }

  unfollow(client: RoomClient): void {
    this.followed.get(client)?.();
    this.followed.delete(client);
  }

  close(): void {
    for (const client of [...this.followed.keys()]) this.unfollow(client);
    this.stopListening?.();
    this.stopListening = null;
  }

  private async ask(): Promise<void> {
    try {
      const page = await this.api.listRooms();
      this.cursor = page.nextCursor;
      const rooms = page.rooms.map((room) => this.withLive(room));
      this.set({ rooms, hasMore: this.cursor !== null, failure: null, isLoading: false });
      this.onNewest(rooms);
    } catch (failure) {
      this.set({ failure, isLoading: false });
    }
  }

  /** The answer comes from Postgres, which follows a room by a moment: what the room itself has said is newer. */
  private withLive(room: Room): Room {
    for (const client of this.followed.keys()) {
      const { state } = client.getSnapshot();
      if (client.roomId === room.id && state.phase === "live") return { ...room, ...summary(state, room) };
    }
    return room;
  }

  private refreshIfOlderThan(ms: number): void {
    if (Date.now() - this.askedMs > ms) void this.refresh();
  }

  private set(change: Partial<RoomListSnapshot>): void {
    const next = { ...this.snapshot, ...change };
    this.snapshot = { ...next, isSignedOut: next.failure instanceof SignedOut };
    for (const listener of this.listeners) listener();
  }
}

/** What the list shows of a room, as the room itself knows it. */
function summary(state: RoomState, room: Room): Partial<Room> {
  const newest = state.messages.findLast(inRoom);
  const { unread, mentions, isWhole } = unreadOf(state);
  const { details, role, notify, lastReadSeq } = state;
  return {
    ...(newest && { lastMessage: newest, lastMessageAt: newest.createdAt }),
    // Of what isn't loaded only the list knows; then the larger of both is nearer to the truth.
    unread: isWhole ? unread : Math.min(UNREAD_MAX, Math.max(unread, room.unread)),
    mentions: isWhole ? mentions : Math.max(mentions, room.mentions),
    lastSeq: Math.max(state.seq ?? 0, room.lastSeq),
    ...(details && { name: details.name, members: details.members, memberCount: details.memberCount }),
    ...(details && { participantIds: details.participantIds }),
    me: sameMe(room.me, { role: role ?? room.me.role, lastReadSeq, notify: notify ?? room.me.notify }),
  };
}

const sameMe = (was: Room["me"], now: Room["me"]): Room["me"] =>
  was.role === now.role && was.lastReadSeq === now.lastReadSeq && was.notify === now.notify ? was : now;

/** `onBack`: somebody has come back to the page or the network; `onWork`: somebody is doing something. */
function listenToPage(onBack: () => void, onWork: () => void): () => void {
  if (typeof window === "undefined") return () => {};
  const ifVisible = (then: () => void) => () => {
    if (document.visibilityState === "visible") then();
  };
  const [back, work] = [ifVisible(onBack), ifVisible(onWork)];
  const events: [EventTarget, string, () => void][] = [
    [window, "focus", back],
    [window, "online", back],
    [document, "visibilitychange", back],
    [window, "pointerdown", work],
    [window, "keydown", work],
  ];
  for (const [target, name, listener] of events) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of events) target.removeEventListener(name, listener);
  };
}
