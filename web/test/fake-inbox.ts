/** Test doubles of the inbox: its log on the server, and what tabs of one browser share (locks and a channel). */
import type { InboxEvent, Room, ServerEvent } from "@/lib/protocol";
import { FakeSocket } from "./fake-server";

type Unnumbered<Event> = Event extends { seq: number } ? Omit<Event, "seq"> : never;
export type Change = Unnumbered<
  Exclude<InboxEvent, { type: "hello" | "rooms" | "resync" | "synced" | "presence" }>
>;

export class FakeInbox {
  epoch = "i1";
  floor = 0;
  private readonly log: InboxEvent[] = [];
  constructor(readonly rooms: Room[] = []) {}

  get seq(): number {
    return this.log.length;
  }

  /** Appends an event, and delivers it unless the sockets lose it. */
  write(change: Change, ...sockets: FakeSocket[]): void {
    const event = { ...change, seq: this.seq + 1 } as InboxEvent;
    this.log.push(event);
    for (const socket of sockets) deliver(socket, event);
  }

  /** Greets the newest socket as the server does: with the rooms, or with what it has missed. */
  greet(socket = FakeSocket.last): void {
    const { seq, epoch } = this;
    const since = socket.since === null ? null : Number(socket.since);
    const sameLog = new URL(socket.url).searchParams.get("epoch") === epoch;
    const rest: InboxEvent[] =
      since === null
        ? [
            {
              type: "rooms",
              rooms: this.rooms,
              nextCursor: null,
              unreadTotal: 0,
              mentionsTotal: 0,
              drafts: [],
            },
          ]
        : sameLog && since >= this.floor
          ? this.log.slice(since)
          : [{ type: "resync", reason: "epoch", seq, epoch }];
    deliver(
      socket,
      {
        type: "hello",
        connectionId: "c",
        userId: "alice",
        seq,
        epoch,
        heartbeatMs: 25_000,
        me: { userId: "alice", name: null },
      },
      ...rest,
      { type: "synced", seq },
    );
  }
}

export const deliver = (socket: FakeSocket, ...events: InboxEvent[]): void =>
  socket.deliver(...(events as unknown as ServerEvent[]));

/** The locks and channels of one browser; each tab uses `locks` and `channel`. */
export class FakeBrowser {
  private readonly held = new Map<string, Promise<unknown>>();
  private readonly channels = new Set<{
    name: string;
    onmessage: ((event: { data: unknown }) => void) | null;
  }>();

  locks = {
    request: (name: string, options: { signal: AbortSignal }, work: () => Promise<void>) => {
      const before = this.held.get(name) ?? Promise.resolve();
      const mine = before.then(() => (options.signal.aborted ? undefined : work()));
      this.held.set(name, mine);
      return mine;
    },
  } as unknown as LockManager;

  channel = (name: string): BroadcastChannel => {
    const { channels } = this;
    const mine = {
      name,
      onmessage: null as ((event: { data: unknown }) => void) | null,
      postMessage(data: unknown) {
        for (const other of channels)
          if (other !== mine && other.name === name) other.onmessage?.({ data: structuredClone(data) });
      },
      close: () => channels.delete(mine),
    };
    channels.add(mine);
    return mine as unknown as BroadcastChannel;
  };
}

export const room = (id: string, more: Partial<Room> = {}): Room => ({
  id,
  tenantId: "t1",
  type: "group",
  name: id,
  topic: null,
  createdBy: "alice",
  createdAt: "2026-11-23T10:00:00.000Z",
  archived: false,
  historyVisibility: "all",
  roomMention: "all",
  slowModeS: 0,
  participantIds: ["alice", "bob"],
  members: [],
  memberCount: 2,
  lastMessageAt: null,
  lastMessage: null,
  lastSeq: 0,
  unread: 0,
  mentions: 0,
  me: { role: "member", lastReadSeq: 0, notify: { level: "all", muteUntil: null } },
  ...more,
});
