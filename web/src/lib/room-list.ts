/**
 * My rooms, newest activity first, with their unread counts. The inbox's events keep the list current (`receive`). With a
 * server that has no inbox it is fetched at the start, when the tab becomes visible, after my own actions, and on input
 * when it is stale; it is never polled, because a periodic query would keep a suspended Postgres awake. Open rooms update
 * their own entries.
 */
import type { ChatApi, NewRoom } from "./api";
import { SignedOut } from "./http";
import { once } from "./once";
import type { InboxEvent, Room } from "./protocol";
import type { RoomClient } from "./room-client";
import type { RoomState } from "./room-state";
import { inRoom, UNREAD_MAX, unreadOf } from "./room-view";

export interface RoomListSnapshot {
  rooms: Room[];
  isLoading: boolean;
  hasMore: boolean;
  /** Why the last request failed. */
  failure: unknown;
  isSignedOut: boolean;
}

const STALE_AFTER_MS = 20_000;
/** Returning to a tab fires several events at once; one request is enough. */
const MIN_INTERVAL_MS = 1_000;

export class RoomList {
  private snapshot: RoomListSnapshot = {
    rooms: [],
    isLoading: true,
    hasMore: false,
    failure: null,
    isSignedOut: false,
  };
  private readonly listeners = new Set<() => void>();
  private cursor: string | null = null;
  private requestedAtMs = 0;
  private running: Promise<void> | null = null;
  private users = 0;
  private stopListening: (() => void) | null = null;
  private readonly followed = new Map<RoomClient, () => void>();
  /** The inbox tells of every change. */
  private isLive = false;

  constructor(
    private readonly api: ChatApi,
    /** Called with the rooms, newest first, after each fetch. */
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
      if (!this.isLive) void this.refresh();
      this.stopListening = listenToPage(
        () => this.refreshIfOlderThan(MIN_INTERVAL_MS),
        () => this.refreshIfOlderThan(STALE_AFTER_MS),
      );
    }
    return once(() => {
      this.users -= 1;
      if (this.users > 0) return;
      this.stopListening?.();
      this.stopListening = null;
    });
  }

  refresh = (): Promise<void> => {
    this.requestedAtMs = Date.now();
    this.running ??= this.fetchRooms().finally(() => {
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
      const added = page.rooms.filter((room) => rooms.every((known) => known.id !== room.id));
      this.set({ rooms: [...rooms, ...added], hasMore: this.cursor !== null, failure: null });
    } catch (failure) {
      this.set({ failure });
    }
  };

  create = async (room: NewRoom): Promise<Room> => {
    const created = (await this.api.createRoom(room)).room;
    const { rooms } = this.snapshot;
    if (rooms.every((known) => known.id !== created.id)) this.set({ rooms: [created, ...rooms] });
    if (!this.isLive) void this.refresh();
    return created;
  };

  /** Removes a room that I left or that was deleted. */
  remove = (roomId: string): void => {
    this.set({ rooms: this.snapshot.rooms.filter((room) => room.id !== roomId) });
  };

  patch = (roomId: string, change: Partial<Room>): void => {
    const { rooms } = this.snapshot;
    const room = rooms.find(({ id }) => id === roomId);
    const keys = Object.keys(change) as (keyof Room)[];
    if (!room || keys.every((key) => room[key] === change[key])) return;
    const next = { ...room, ...change };
    const moved = (next.lastMessageAt ?? "") > (room.lastMessageAt ?? "");
    const others = rooms.filter((known) => known !== room);
    this.set({ rooms: moved ? [next, ...others] : rooms.map((known) => (known === room ? next : known)) });
  };

  /** With the inbox the list needs no fetch; without it, it is fetched as before. */
  setLive(isLive: boolean): void {
    this.isLive = isLive;
  }

  /** Shows rooms that were saved, unless the list has some. Returns whether it did. */
  showSaved(rooms: Room[]): boolean {
    if (this.snapshot.rooms.length > 0) return false;
    this.set({ rooms, isLoading: false });
    return true;
  }

  /** What a tab that opens later starts from. */
  firstPage(): { rooms: Room[]; nextCursor: string | null } {
    return { rooms: this.snapshot.rooms, nextCursor: this.cursor };
  }

  /** Applies the inbox's events in one step. */
  receive(events: InboxEvent[]): void {
    const before = this.snapshot.rooms;
    let rooms = before;
    const missing = new Set<string>();
    for (const event of events) {
      if (event.type === "rooms") {
        this.cursor = event.nextCursor;
        rooms = event.rooms.map((room) => this.withLive(room));
        this.set({ hasMore: event.nextCursor !== null, failure: null, isLoading: false });
      } else if (event.type === "room_added") {
        rooms = [this.withLive(event.room), ...rooms.filter(({ id }) => id !== event.room.id)];
      } else if (event.type === "room_removed") rooms = rooms.filter(({ id }) => id !== event.roomId);
      else if ("roomId" in event && !OF_NO_ENTRY.has(event.type)) {
        const change = changeOf(event);
        const room = rooms.find(({ id }) => id === event.roomId);
        if (change === "hidden") rooms = rooms.filter(({ id }) => id !== event.roomId);
        else if (!room) missing.add(event.roomId);
        else rooms = rooms.map((one) => (one === room ? this.withLive({ ...room, ...change(room) }) : one));
      }
    }
    if (rooms !== before) this.set({ rooms: byActivity(rooms) });
    for (const roomId of missing) void this.fetchRoom(roomId);
  }

  /** A room that was older than those in the list, or hidden, has news. */
  private async fetchRoom(roomId: string): Promise<void> {
    try {
      const room = await this.api.room(roomId);
      const others = this.snapshot.rooms.filter(({ id }) => id !== roomId);
      this.set({ rooms: byActivity([this.withLive(room), ...others]) });
    } catch {
      // I am not in it any more, or the server cannot be reached; then the next resume tells.
    }
  }

  /** Updates the list's entry from the room's own state, until `unfollow`. */
  follow(client: RoomClient): void {
    if (this.followed.has(client)) return;
    let last: RoomState | null = null;
    const update = () => {
      const { state } = client.getSnapshot();
      const { phase, messages, lastReadSeq, details, notify } = state;
      if (phase !== "live") return;
      const same = last?.messages === messages && last.lastReadSeq === lastReadSeq;
      if (same && last?.details === details && last.notify === notify && last.role === state.role) return;
      last = state;
      const room = this.snapshot.rooms.find(({ id }) => id === client.roomId);
      if (room) this.patch(client.roomId, summary(state, room));
    };
    this.followed.set(client, client.subscribe(update));
    update();
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

  private async fetchRooms(): Promise<void> {
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

  /** The answer comes from Postgres, which lags behind the room: the state of a connected room is newer. */
  private withLive(room: Room): Room {
    for (const client of this.followed.keys()) {
      const { state } = client.getSnapshot();
      if (client.roomId === room.id && state.phase === "live") return { ...room, ...summary(state, room) };
    }
    return room;
  }

  private refreshIfOlderThan(ms: number): void {
    if (!this.isLive && Date.now() - this.requestedAtMs > ms) void this.refresh();
  }

  private set(change: Partial<RoomListSnapshot>): void {
    const next = { ...this.snapshot, ...change };
    this.snapshot = { ...next, isSignedOut: next.failure instanceof SignedOut };
    for (const listener of this.listeners) listener();
  }
}

/** Events that name a room and change nothing of its entry. */
const OF_NO_ENTRY = new Set<InboxEvent["type"]>(["saved", "draft", "notification", "notification_withdrawn"]);

type RoomEvent = Extract<InboxEvent, { roomId: string }>;

/** What an event of the inbox changes in the list's entry; `hidden`: the entry goes. */
function changeOf(event: RoomEvent): "hidden" | ((room: Room) => Partial<Room>) {
  switch (event.type) {
    case "room_activity": {
      const { lastSeq, lastMessage, unread, mentions } = event;
      return (room) => {
        const lastMessageAt = event.lastMessageAt ?? lastMessage?.createdAt ?? room.lastMessageAt;
        return { lastSeq, lastMessage, lastMessageAt, unread, mentions };
      };
    }
    case "read": {
      const { lastReadSeq, unread, mentions } = event;
      return (room) => ({ unread, mentions, me: { ...room.me, lastReadSeq } });
    }
    case "settings_changed": {
      const { notify, hidden } = event;
      return hidden ? "hidden" : (room) => ({ me: { ...room.me, notify: notify ?? room.me.notify } });
    }
    case "room_changed": {
      const {
        type: _,
        roomId: _id,
        seq: _seq,
        role,
        ...change
      } = event as typeof event & {
        role?: Room["me"]["role"];
      };
      return (room) => ({ ...change, me: { ...room.me, role: role ?? room.me.role } });
    }
    default:
      return () => ({});
  }
}

/** Newest activity first, rooms that were never used last; equal ones keep their order. */
function byActivity(rooms: Room[]): Room[] {
  const at = (room: Room) => room.lastMessageAt ?? "";
  return rooms.toSorted((a, b) => (at(a) < at(b) ? 1 : at(a) > at(b) ? -1 : 0));
}

/** The fields of the list's entry, taken from the room's own state. */
function summary(state: RoomState, room: Room): Partial<Room> {
  const newest = state.messages.findLast(inRoom);
  const { unread, mentions, isWhole } = unreadOf(state);
  const { details, role, notify, lastReadSeq } = state;
  return {
    ...(newest && { lastMessage: newest, lastMessageAt: newest.createdAt }),
    // The state does not know about messages that are not loaded, so the larger of both counts is closer to the truth.
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

/** `onReturn`: the page is visible or online again. `onInput`: a key or pointer is pressed. */
function listenToPage(onReturn: () => void, onInput: () => void): () => void {
  if (typeof window === "undefined") return () => {};
  const ifVisible = (then: () => void) => () => {
    if (document.visibilityState === "visible") then();
  };
  const [returned, input] = [ifVisible(onReturn), ifVisible(onInput)];
  const events: [EventTarget, string, () => void][] = [
    [window, "focus", returned],
    [window, "online", returned],
    [document, "visibilitychange", returned],
    [window, "pointerdown", input],
    [window, "keydown", input],
  ];
  for (const [target, name, listener] of events) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of events) target.removeEventListener(name, listener);
  };
}
