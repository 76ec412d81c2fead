/**
 * One signed-in person's client: the API, the list of rooms, and the open rooms. Each room has one connection, however
 * many components use it. A room stays connected for a short time after its last user released it.
 */
import { Activity } from "./activity";
import { ChatApi } from "./api";
import { Blocks } from "./blocks";
import { Drafts } from "./drafts";
import { type GetToken, SignedOut } from "./http";
import { Inbox } from "./inbox";
import { once } from "./once";
import { noOutbox, type Outbox } from "./outbox";
import { OwnReports } from "./own-reports";
import { People } from "./people";
import type { InboxEvent, NotificationEvent, NotificationWithdrawn, Room } from "./protocol";
import { PushDevice } from "./push-device";
import { RoomClient } from "./room-client";
import { RoomList } from "./room-list";
import { SavedMessages } from "./saved-messages";
import { noSavedView, type SavedView } from "./saved-view";
import type { ConnectionStatus, SocketOptions } from "./socket";

export interface ChatClientOptions {
  userId: string;
  /**
   * Called at each attempt. `fresh`: the last token was refused or expires soon. Throw `SignedOut` if there is none.
   */
  getToken: GetToken;
  /** `https://host` of the server. Default: the origin of the page. */
  url?: string;
  /**
   * Stores unsent operations so that they survive the tab, for example `browserOutbox(account)`. Default: no storage.
   */
  outbox?: Outbox;
  /**
   * Stores what was seen last, so that it is shown without a connection, for example `browserSavedView(account)`.
   * Default: no storage.
   */
  saved?: SavedView;
  /**
   * On a server without an inbox: how many of the newest rooms stay connected, so that their counts and previews are
   * live. Default: none.
   */
  warmRooms?: number;
  /** Names the account. All tabs of a browser with the same name share one inbox socket. Default: each has its own. */
  account?: string;
  fetch?: typeof fetch;
  socket?: Partial<SocketOptions>;
}

/** A released room stays connected this long, because people often switch back. */
const IDLE_CLOSE_MS = 10_000;
/** A room that was created during a render that React discarded is forgotten after this. */
const UNRETAINED_MS = 30_000;
/** How long changes of the list are gathered before it is saved, and how much of it. */
const SAVE_AFTER_MS = 2_000;
const SAVED_ROOMS_MAX = 100;
const SAVED_PEOPLE_MAX = 500;
/** How many disconnected rooms keep their state, so that reopening one shows its messages at once. */
const CLOSED_ROOMS_MAX = 8;

/** Something to notify the person of, or what they were notified of and need not be any more. */
export type NotificationChange = NotificationEvent | NotificationWithdrawn;

interface Entry {
  client: RoomClient;
  users: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class ChatClient {
  readonly userId: string;
  /** Origin of the server, or "" for the page's own. */
  readonly url: string;
  readonly api: ChatApi;
  readonly list: RoomList;
  readonly people: People;
  readonly blocks: Blocks;
  readonly savedMessages: SavedMessages;
  readonly reports: OwnReports;
  readonly push: PushDevice;
  readonly drafts: Drafts;
  private readonly activity = new Activity((active) => this.inbox?.send({ type: "active", active }) ?? false);
  private readonly outbox: Outbox;
  private readonly saved: SavedView;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  /** By room id, least recently used first. */
  private readonly rooms = new Map<string, Entry>();
  /** By room id: releases a room that was connected because it is among the newest. */
  private readonly warm = new Map<string, () => void>();
  private inbox: Inbox | null = null;
  private inboxUsers = 0;
  private inboxConnection: ConnectionStatus = { kind: "connecting", attempt: 0 };
  private readonly inboxListeners = new Set<() => void>();
  private readonly notificationListeners = new Set<(event: NotificationChange) => void>();

  constructor(private readonly options: ChatClientOptions) {
    this.userId = options.userId;
    this.url = options.url ?? "";
    this.outbox = options.outbox ?? noOutbox;
    this.saved = options.saved ?? noSavedView;
    this.api = new ChatApi(options.getToken, `${this.url}/api/chat`, options.fetch);
    this.list = new RoomList(this.api, (rooms) => this.connectNewest(rooms));
    this.people = new People(this.api);
    this.blocks = new Blocks(this.api);
    this.savedMessages = new SavedMessages(this.api);
    const account = options.account ?? this.userId;
    this.reports = new OwnReports(this.api, { account, storage: browserStorage() });
    this.push = new PushDevice(this.api);
    this.drafts = new Drafts({
      userId: this.userId,
      storage: browserStorage(),
      send: (frame) => this.inbox?.send(frame) ?? false,
    });
    this.list.subscribe(() => this.saveListLater());
  }

  /** Keeps the inbox connected, and the list of rooms live by it, until the returned function is called. */
  retainInbox(): () => void {
    this.inboxUsers += 1;
    if (this.inboxUsers === 1) this.openInbox();
    return once(() => {
      this.inboxUsers -= 1;
      if (this.inboxUsers === 0) this.closeInbox();
    });
  }

  getInboxStatus = (): ConnectionStatus => this.inboxConnection;

  subscribeInbox = (listener: () => void): (() => void) => {
    this.inboxListeners.add(listener);
    return () => this.inboxListeners.delete(listener);
  };

  /**
   * Calls `listener` with each notification of an open inbox, and with each one that is withdrawn, because its message is
   * read or deleted. The server decides what the person is notified of; whether they see the message already only the page
   * knows.
   */
  onNotification = (listener: (event: NotificationChange) => void): (() => void) => {
    this.notificationListeners.add(listener);
    return () => this.notificationListeners.delete(listener);
  };

  /** The room's client. It connects when it is retained. */
  room(roomId: string): RoomClient {
    const known = this.rooms.get(roomId);
    if (known) return known.client;
    const { userId, getToken } = this.options;
    const { api, outbox, saved, socket } = this;
    const client = new RoomClient({
      roomId,
      userId,
      api,
      getToken,
      outbox,
      saved,
      socket,
    });
    const timer = setTimeout(() => this.forget(client), UNRETAINED_MS);
    this.rooms.set(roomId, { client, users: 0, timer });
    return client;
  }

  /** Connects the room and keeps it connected until the returned function is called. */
  retain(client: RoomClient): () => void {
    const known = this.rooms.get(client.roomId);
    const entry = known?.client === client ? known : { client, users: 0, timer: undefined };
    this.rooms.delete(client.roomId);
    this.rooms.set(client.roomId, entry);
    clearTimeout(entry.timer);
    entry.users += 1;
    client.start();
    this.list.follow(client);
    return once(() => {
      entry.users -= 1;
      if (entry.users === 0) entry.timer = setTimeout(() => this.release(entry), IDLE_CLOSE_MS);
    });
  }

  /** Disconnects everything, ends this device's pushes, and deletes what was saved of this account. */
  async signOut(): Promise<void> {
    this.close();
    await Promise.allSettled([this.push.turnOff(), this.saved.clear()]);
  }

  /** Disconnects everything at once. */
  close(): void {
    for (const { client, timer } of this.rooms.values()) {
      clearTimeout(timer);
      client.stop();
    }
    this.rooms.clear();
    this.warm.clear();
    this.closeInbox();
    this.drafts.close();
    this.people.close();
    this.list.close();
    clearTimeout(this.saveTimer);
    this.outbox.close();
  }

  /** How many rooms have state, and how many of them are retained. */
  get size(): { known: number; used: number } {
    return {
      known: this.rooms.size,
      used: [...this.rooms.values()].filter((entry) => entry.users > 0).length,
    };
  }

  private get socket(): Partial<SocketOptions> {
    const { url, socket } = this.options;
    return { ...(url !== undefined && { origin: url.replace(/^http/, "ws") }), ...socket };
  }

  private openInbox(): void {
    const { getToken, account } = this.options;
    this.inbox = new Inbox({
      getToken,
      share: account === undefined ? undefined : `${this.url} ${account}`,
      state: () => ({ ...this.list.firstPage(), drafts: this.drafts.all() }),
      onEvents: (events) => this.onInboxEvents(events),
      onStatus: (status) => this.onInboxStatus(status),
      explainRefusal: () => this.explainInboxRefusal(),
      socket: this.socket,
    });
    this.list.setLive(true);
    this.inbox.start();
    this.activity.start();
  }

  private closeInbox(): void {
    this.activity.stop();
    this.inbox?.stop();
    this.inbox = null;
    this.list.setLive(false);
  }

  private onInboxEvents(events: InboxEvent[]): void {
    this.list.receive(events);
    this.drafts.receive(events);
    this.savedMessages.receive(events);
    for (const event of events) {
      if (event.type === "person") this.people.put(event.person);
      if (event.type === "presence") this.people.put(event);
      if (event.type === "room_removed") this.saved.removeRoom(event.roomId);
      if (event.type === "notification" || event.type === "notification_withdrawn")
        for (const listener of this.notificationListeners) listener(event);
    }
  }

  /** Without a connection the list is shown as it was saved. */
  private async showSavedList(): Promise<void> {
    const saved = await this.saved.loadList();
    if (!saved || !this.list.showSaved(saved.rooms)) return;
    for (const person of saved.people) this.people.put({ ...person, presence: null });
  }

  private saveListLater(): void {
    this.saveTimer ??= setTimeout(() => {
      this.saveTimer = undefined;
      const rooms = this.list.getSnapshot().rooms.slice(0, SAVED_ROOMS_MAX);
      const people = this.people.named(SAVED_PEOPLE_MAX);
      if (rooms.length > 0) this.saved.saveList({ rooms, people });
    }, SAVE_AFTER_MS);
  }

  private onInboxStatus(status: ConnectionStatus): void {
    const wasLive = this.inboxConnection.kind === "live";
    this.inboxConnection = status;
    this.list.setLive(status.kind !== "stopped");
    if (status.kind === "live") this.drafts.sendAll();
    if (status.kind === "live" && !wasLive) this.activity.onConnected();
    // Without the inbox the list is fetched: at once if it is empty still.
    const isLate = status.kind === "waiting" && !wasLive && this.list.getSnapshot().isLoading;
    if (status.kind === "stopped" || isLate) void this.list.refresh();
    if (status.kind === "waiting" || status.kind === "offline") void this.showSavedList();
    for (const listener of this.inboxListeners) listener();
  }

  private async explainInboxRefusal() {
    try {
      return await this.api.inboxRefusal();
    } catch (error) {
      return error instanceof SignedOut ? { code: 4401, reason: "auth_expired" } : null;
    }
  }

  /** Without an inbox the newest rooms are connected instead. */
  private connectNewest(rooms: Room[]): void {
    const isNeeded = this.inbox === null || this.inboxConnection.kind === "stopped";
    const wanted = rooms.slice(0, isNeeded ? (this.options.warmRooms ?? 0) : 0).map((room) => room.id);
    for (const id of wanted) if (!this.warm.has(id)) this.warm.set(id, this.retain(this.room(id)));
    for (const [id, release] of this.warm) {
      if (wanted.includes(id)) continue;
      this.warm.delete(id);
      release();
    }
  }

  private release(entry: Entry): void {
    entry.client.stop();
    this.list.unfollow(entry.client);
    entry.timer = undefined;
    const closed = [...this.rooms.values()].filter((entry) => entry.users === 0 && entry.timer === undefined);
    for (const { client } of closed.slice(0, Math.max(0, closed.length - CLOSED_ROOMS_MAX)))
      this.forget(client);
  }

  private forget(client: RoomClient): void {
    if (this.rooms.get(client.roomId)?.client === client) this.rooms.delete(client.roomId);
  }
}

/** A server has none, and a browser may refuse it. */
function browserStorage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
