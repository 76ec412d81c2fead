/**
 * My inbox: the events of all rooms that are not open, over one socket for all tabs of a browser. The tab that holds a
 * Web Lock has the socket and tells the others by a BroadcastChannel; when it closes, the next one takes over and resumes
 * at the position that it has. Without both (plain http) each tab has its own socket. What events mean for the list is
 * decided in room-list.ts.
 */
import { browserSignals } from "./browser-signals";
import type { Draft, DraftFrame } from "./drafts";
import type { GetToken } from "./http";
import type { ClientFrame, InboxActiveFrame, InboxEvent, Room } from "./protocol";
import { type ConnectionStatus, type Refusal, RoomSocket, type SocketOptions } from "./socket";

/** What a new tab gets from the one with the socket. */
export interface InboxState {
  rooms: Room[];
  nextCursor: string | null;
  drafts?: Draft[];
}

export interface InboxOptions {
  getToken: GetToken;
  onEvents: (events: InboxEvent[]) => void;
  onStatus: (status: ConnectionStatus) => void;
  /** What `onEvents` led to, for tabs that come later. */
  state: () => InboxState;
  explainRefusal?: () => Promise<Refusal>;
  /** Tabs with the same name share one socket. Absent: this tab has its own. */
  share?: string | undefined;
  locks?: Pick<LockManager, "request"> | undefined;
  channel?: ((name: string) => BroadcastChannel) | undefined;
  socket?: Partial<SocketOptions>;
}

type Position = { seq: number; epoch: string };
type Note =
  | { kind: "events"; events: InboxEvent[]; position: Position | null }
  | { kind: "status"; status: ConnectionStatus }
  | { kind: "send"; frame: DraftFrame | InboxActiveFrame }
  | { kind: "join" }
  | { kind: "state"; state: InboxState; position: Position; status: ConnectionStatus }
  /** A tab came into view or online: the one with the socket may be a background tab with slow timers. */
  | { kind: "wake" };

export class Inbox {
  private position: Position | null = null;
  private socket: RoomSocket | null = null;
  private channel: BroadcastChannel | null = null;
  private status: ConnectionStatus = { kind: "connecting", attempt: 0 };
  private release: (() => void) | null = null;
  private stopWaiting: AbortController | null = null;
  private stopListening: (() => void) | null = null;

  constructor(private readonly options: InboxOptions) {}

  start(): void {
    const { share } = this.options;
    const locks = this.options.locks ?? globalThis.navigator?.locks;
    const open =
      this.options.channel ??
      (typeof BroadcastChannel === "undefined" ? undefined : (name: string) => new BroadcastChannel(name));
    if (share === undefined || !locks || !open) {
      this.connect();
      return;
    }
    const name = `chinwag-inbox ${share}`;
    this.channel = open(name);
    this.channel.onmessage = ({ data }) => this.onNote(data);
    this.tell({ kind: "join" });
    const signals = this.options.socket?.signals ?? browserSignals;
    this.stopListening = signals.listen((signal) => {
      if (signal !== "offline" && !this.socket) this.tell({ kind: "wake" });
    });
    this.stopWaiting = new AbortController();
    locks
      .request(name, { signal: this.stopWaiting.signal }, () => {
        this.connect();
        return new Promise<void>((done) => {
          this.release = done;
        });
      })
      // Stopped while it waited.
      .catch(() => {});
  }

  stop(): void {
    this.socket?.stop();
    this.socket = null;
    this.release?.();
    this.release = null;
    this.stopWaiting?.abort();
    this.stopListening?.();
    this.stopListening = null;
    this.channel?.close();
    this.channel = null;
  }

  /** Whether this tab has the socket. */
  get isConnectedHere(): boolean {
    return this.socket !== null;
  }

  /** Hands a frame to the inbox, by the tab with the socket; false: it is not connected. */
  send(frame: DraftFrame | InboxActiveFrame): boolean {
    if (this.socket) return this.socket.send(frame as unknown as ClientFrame);
    if (this.channel === null || this.status.kind !== "live") return false;
    this.tell({ kind: "send", frame });
    return true;
  }

  private connect(): void {
    const { getToken, explainRefusal, socket } = this.options;
    this.socket = new RoomSocket({
      path: "/chat/inbox",
      getToken,
      position: () => this.position && { since: this.position.seq, epoch: this.position.epoch },
      onEvents: (events) => this.onEvents(events as unknown as InboxEvent[]),
      onStatus: (status) => {
        this.setStatus(status);
        this.tell({ kind: "status", status });
      },
      ...(explainRefusal && { explainRefusal }),
      ...socket,
    });
    this.socket.start();
  }

  private onEvents(events: InboxEvent[]): void {
    const fresh: InboxEvent[] = [];
    for (const event of events) {
      if (event.type === "hello") {
        // With a position, the events since it follow, or a `resync`.
        this.position ??= { seq: event.seq, epoch: event.epoch };
      } else if (event.type === "resync") {
        // What a request says of the list may be older than an event that overtakes it: a new connection begins with it.
        this.position = null;
        this.deliver(fresh);
        this.socket?.resume();
        return;
      } else if ("seq" in event && !UNSEQUENCED.has(event.type)) {
        const expected: number = (this.position?.seq ?? 0) + 1;
        if (event.seq < expected) continue;
        if (event.seq > expected) {
          this.deliver(fresh);
          this.socket?.resume();
          return;
        }
        if (this.position) this.position = { ...this.position, seq: event.seq };
      }
      fresh.push(event);
    }
    this.deliver(fresh);
  }

  private deliver(events: InboxEvent[]): void {
    if (events.length === 0) return;
    this.options.onEvents(events);
    this.tell({ kind: "events", events, position: this.position });
  }

  private onNote(note: Note): void {
    if (this.socket) {
      if (note.kind === "wake") this.socket.wake();
      if (note.kind === "join") this.tellState();
      if (note.kind === "send") this.send(note.frame);
      return;
    }
    if (note.kind === "status") this.setStatus(note.status);
    if (note.kind === "state" && this.position === null) {
      this.position = note.position;
      this.options.onEvents([roomsEvent(note.state)]);
      this.setStatus(note.status);
    }
    if (note.kind === "events") this.onTold(note.events, note.position);
  }

  /** Events from the tab with the socket. A tab that missed some asks for the whole state. */
  private onTold(events: InboxEvent[], position: Position | null): void {
    const isWhole = events.some((event) => event.type === "rooms");
    const first = events.find((event) => "seq" in event && !UNSEQUENCED.has(event.type));
    const isNext = first === undefined || ("seq" in first && first.seq === (this.position?.seq ?? -1) + 1);
    if (!isWhole && (this.position === null || !isNext)) {
      this.position = null;
      this.tell({ kind: "join" });
      return;
    }
    this.position = position;
    this.options.onEvents(events);
  }

  private tellState(): void {
    if (this.position === null) return;
    const { position, status } = this;
    this.tell({ kind: "state", state: this.options.state(), position, status });
  }

  private tell(note: Note): void {
    this.channel?.postMessage(note);
  }

  private setStatus(status: ConnectionStatus): void {
    this.status = status;
    this.options.onStatus(status);
  }
}

/** Their `seq` is a position, not their own. */
const UNSEQUENCED = new Set(["hello", "synced", "resync", "pong"]);

function roomsEvent({ rooms, nextCursor, drafts = [] }: InboxState): InboxEvent {
  const sum = (of: "unread" | "mentions") => rooms.reduce((total, room) => total + room[of], 0);
  return {
    type: "rooms",
    rooms,
    nextCursor,
    unreadTotal: sum("unread"),
    mentionsTotal: sum("mentions"),
    drafts,
  };
}
