/**
 * One person's chat: the way to the server and the rooms that are open, each with one connection however many parts
 * of a screen look at it. Rooms are kept a while after the last one has looked away, so that coming back is at once.
 */
import { ChatApi, type GetToken } from "./api";
import { noOutbox, type Outbox } from "./outbox";
import type { Room } from "./protocol";
import { RoomClient } from "./room-client";
import { RoomList } from "./room-list";
import type { SocketOptions } from "./socket";

export interface ChatClientOptions {
  userId: string;
  /** Asked at each attempt; `fresh`: the last one was refused or is about to end. Throw `SignedOut` if there is none. */
  getToken: GetToken;
  /** `https://host` of the server; default: the page's own. */
  url?: string;
  /** Keeps what isn't sent yet beyond this tab; default: nothing is kept. `browserOutbox(account)` is one. */
  outbox?: Outbox;
  /** So many of the newest rooms stay connected, so that their counts and previews are live. Default: none. */
  warmRooms?: number;
  fetch?: typeof fetch;
  socket?: Partial<SocketOptions>;
}

/** A connection that nobody looks at is kept this long: somebody who glances at another room comes back. */
const LINGER_MS = 10_000;
/** A room that was asked for while drawing and never shown (React may do that) is forgotten after this. */
const UNUSED_MS = 30_000;
/** What closed rooms held is kept for so many, to be shown at once and brought up to date. */
const CLOSED_MAX = 8;

interface Entry {
  client: RoomClient;
  users: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class ChatClient {
  readonly userId: string;
  /** The server's, or "" for the page's own. */
  readonly url: string;
  readonly api: ChatApi;
  readonly list: RoomList;
  private readonly outbox: Outbox;
  /** In the order of their last use. */
  private readonly rooms = new Map<string, Entry>();
  /** By room id: what lets a room that was kept warm go. */
  private readonly warm = new Map<string, () => void>();

  constructor(private readonly options: ChatClientOptions) {
    this.userId = options.userId;
    this.url = options.url ?? "";
    this.outbox = options.outbox ?? noOutbox;
    this.api = new ChatApi(options.getToken, `${this.url}/api/chat`, options.fetch);
    this.list = new RoomList(this.api, (rooms) => this.keepWarm(rooms));
  }

  /** The room as something to look at. It connects when it is retained. */
  room(roomId: string): RoomClient {
    const known = this.rooms.get(roomId);
    if (known) return known.client;
    const { userId, getToken, url, socket } = this.options;
    const origin = url === undefined ? {} : { origin: url.replace(/^http/, "ws") };
    const { api, outbox } = this;
    const client = new RoomClient({
      roomId,
      userId,
      api,
      getToken,
      outbox,
      socket: { ...origin, ...socket },
    });
    const timer = setTimeout(() => this.forget(client), UNUSED_MS);
    this.rooms.set(roomId, { client, users: 0, timer });
    return client;
  }

  /** Connects the room, if it isn't, and keeps it so until the returned function is called. */
  retain(client: RoomClient): () => void {
    const known = this.rooms.get(client.roomId);
    const entry = known?.client === client ? known : { client, users: 0, timer: undefined };
    this.rooms.delete(client.roomId);
    this.rooms.set(client.roomId, entry);
    clearTimeout(entry.timer);
    entry.users += 1;
    client.start();
    this.list.follow(client);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      entry.users -= 1;
      if (entry.users === 0) entry.timer = setTimeout(() => this.letGo(entry), LINGER_MS);
    };
  }

  /** Ends everything at once: signing out. */
  close(): void {
    for (const { client, timer } of this.rooms.values()) {
      clearTimeout(timer);
      client.stop();
    }
    this.rooms.clear();
    this.warm.clear();
    this.list.close();
    this.outbox.close();
  }

  /** How many rooms are known, and how many of them are in use. */
  get size(): { known: number; used: number } {
    return { known: this.rooms.size, used: [...this.rooms.values()].filter((one) => one.users > 0).length };
  }

  private keepWarm(rooms: Room[]): void {
    const wanted = rooms.slice(0, this.options.warmRooms ?? 0).map((room) => room.id);
    for (const id of wanted) if (!this.warm.has(id)) this.warm.set(id, this.retain(this.room(id)));
    for (const [id, release] of this.warm) {
      if (wanted.includes(id)) continue;
      this.warm.delete(id);
      release();
    }
  }

  private letGo(entry: Entry): void {
    entry.client.stop();
    this.list.unfollow(entry.client);
    entry.timer = undefined;
    const closed = [...this.rooms.values()].filter((one) => one.users === 0 && one.timer === undefined);
    for (const { client } of closed.slice(0, Math.max(0, closed.length - CLOSED_MAX))) this.forget(client);
  }

  private forget(client: RoomClient): void {
    if (this.rooms.get(client.roomId)?.client === client) this.rooms.delete(client.roomId);
  }
}
