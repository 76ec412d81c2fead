/**
 * One room to subscribe to. It connects the reducer (room-reducer.ts) with the connection (socket.ts), the REST client
 * and the outbox, and runs the one timer that the state needs. Decisions about messages belong to the reducer,
 * decisions about connections to the socket. No React.
 */

import type { ChatApi, Pins } from "./api";
import type { GetToken } from "./http";
import { noOutbox, type Outbox } from "./outbox";
import type { Attachment, NotifySettings, ReactionAction, ServerEvent } from "./protocol";
import { createId } from "./random-id";
import { ACK_TIMEOUT_MS, isPending, type Op, type Outgoing, sendable, toFrame } from "./room-outgoing";
import { pageQuery } from "./room-pages";
import { type Action, roomReducer } from "./room-reducer";
import { explainRefusal, fetchPage, fetchReload } from "./room-requests";
import { initialRoomState, type Load, type RoomState } from "./room-state";
import { RoomView } from "./room-view";
import { toSaved } from "./saved-room";
import { noSavedView, type SavedView } from "./saved-view";
import { type ConnectionStatus, RoomSocket, type SocketOptions } from "./socket";

export interface RoomSnapshot {
  state: RoomState;
  connection: ConnectionStatus;
}

export interface RoomClientOptions {
  roomId: string;
  userId: string;
  api: ChatApi;
  getToken: GetToken;
  outbox?: Outbox;
  /** What was seen last, shown until the first connection. */
  saved?: SavedView;
  /** Overrides the address, the WebSocket class or the browser signals. */
  socket?: Partial<SocketOptions>;
}

export interface SendOptions {
  attachments?: Attachment[];
  threadId?: string;
  replyToId?: string;
  alsoToRoom?: boolean;
}

const RELOAD_RETRY_MS = 2_000;
/** Below the server's limit of 2/s with a burst of 4, and more often than its expiry of 6 s. */
const TYPING_EVERY_MS = 3_000;
const READ_EVERY_MS = 1_000;
/** How long changes are gathered before the room is saved. */
const SAVE_AFTER_MS = 2_000;
/** The room is gone, or I am not in it any more. */
const GONE = [403, 404, 4403, 4410];

export class RoomClient {
  readonly roomId: string;
  readonly view = new RoomView();
  private snapshot: RoomSnapshot;
  private readonly listeners = new Set<() => void>();
  private readonly socket: RoomSocket;
  private readonly outbox: Outbox;
  private readonly saved: SavedView;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readTimer: ReturnType<typeof setTimeout> | undefined;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  /** How far the waiting read marker goes. */
  private readSeq = 0;
  private reloadTimer: ReturnType<typeof setTimeout> | undefined;
  private reloading = false;
  private running = false;
  /** The messages that were deleted since the pins were asked for. */
  private deletedMeanwhile: Set<string> | null = null;
  /** In which thread ("" for the room) and when a typing frame was sent last. */
  private typingSent = { atMs: 0, threadId: "" };

  constructor(private readonly options: RoomClientOptions) {
    this.roomId = options.roomId;
    this.outbox = options.outbox ?? noOutbox;
    this.saved = options.saved ?? noSavedView;
    this.snapshot = {
      state: initialRoomState(options.userId),
      connection: { kind: "connecting", attempt: 0 },
    };
    this.socket = new RoomSocket({
      path: `/chat?${new URLSearchParams({ roomId: options.roomId })}`,
      getToken: options.getToken,
      position: () => {
        const { seq, epoch } = this.snapshot.state;
        return seq === null ? null : { since: seq, epoch };
      },
      onEvents: (events) => this.onEvents(events),
      onStatus: (connection) => this.onStatus(connection),
      explainRefusal: () => explainRefusal(options.api, options.roomId),
      ...options.socket,
    });
  }

  /** The same object until something changes, as `useSyncExternalStore` requires. */
  getSnapshot = (): RoomSnapshot => this.snapshot;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  start(): void {
    if (this.running) return;
    this.running = true;
    void this.outbox.adopt(this.roomId).then((outgoing) => {
      if (outgoing.length > 0) this.dispatch({ type: "restored", outgoing });
    });
    this.socket.start();
  }

  stop(): void {
    if (!this.running) return;
    this.save();
    this.running = false;
    this.socket.stop();
    for (const timer of [this.timer, this.readTimer, this.reloadTimer]) clearTimeout(timer);
    this.readTimer = undefined;
    this.dispatch({ type: "closed" });
    clearTimeout(this.timer);
  }

  // ---- actions of the person ----

  sendMessage = (content: string, options: SendOptions = {}): void => {
    this.typingSent.atMs = 0; // The server ends typing when it gets the message.
    const { attachments = [], threadId = null, replyToId = null, alsoToRoom = false } = options;
    this.perform({ type: "message", content, attachments, threadId, replyToId, alsoToRoom });
  };

  edit = (messageId: string, content: string): void => {
    const message = this.snapshot.state.messages.find(({ id }) => id === messageId);
    if (!message || message.content === content) return;
    // Only the latest edit counts: it replaces edits of the same message that are unsent or refused.
    this.discardStale(messageId);
    this.perform({ type: "edit", messageId, content, baseVersion: message.version });
  };

  remove = (messageId: string): void => {
    this.discardStale(messageId);
    this.perform({ type: "delete", messageId });
  };

  retry = (clientId: string): void => {
    this.dispatch({ type: "retry", clientId, newClientId: createId(), nowMs: Date.now() });
  };

  discard = (clientId: string): void => this.dispatch({ type: "discard", clientId });

  sendReaction = (messageId: string, emoji: string, action?: ReactionAction): void => {
    const { state } = this.snapshot;
    const isSet = this.view.message(state, messageId)?.reactions[emoji]?.includes(state.me) ?? false;
    this.perform({ type: "reaction", messageId, emoji, action: action ?? (isSet ? "remove" : "add") });
  };

  sendTyping = (isTyping: boolean, threadId = ""): void => {
    const nowMs = Date.now();
    const isSameThread = this.typingSent.threadId === threadId;
    const isDue = isTyping
      ? !isSameThread || nowMs - this.typingSent.atMs >= TYPING_EVERY_MS
      : isSameThread && this.typingSent.atMs > 0;
    if (!isDue || !this.socket.send({ type: "typing", isTyping, ...(threadId && { threadId }) })) return;
    this.typingSent = { atMs: isTyping ? nowMs : 0, threadId };
  };

  /** Moves my read marker to `seq` (default: everything loaded). Sent at most once a second; see `flushRead`. */
  markRead = (seq = this.snapshot.state.seq ?? 0): void => {
    const { lastReadSeq, keepUnread } = this.snapshot.state;
    if (keepUnread || seq <= lastReadSeq) return;
    this.readSeq = Math.max(this.readSeq, seq);
    this.readTimer ??= setTimeout(this.flushRead, READ_EVERY_MS);
  };

  /** Sends a read marker that is waiting, for example because the person leaves the room. */
  flushRead = (): void => {
    if (this.readTimer === undefined) return;
    clearTimeout(this.readTimer);
    this.readTimer = undefined;
    const { lastReadSeq, keepUnread } = this.snapshot.state;
    if (!keepUnread && this.readSeq > lastReadSeq) this.sendRead(this.readSeq);
  };

  /** Marks everything as read at once, whether it was seen or not, and removes the "New messages" line. */
  markAllRead = (): void => {
    const { seq } = this.snapshot.state;
    if (seq !== null) this.sendRead(seq);
    this.setUnreadLine(null);
  };

  private sendRead(seq: number): void {
    if (this.socket.send({ type: "read", seq })) this.dispatch({ type: "read", seq });
  }

  /** The person opened the room: the "New messages" line stands after `seq`, and what they see counts as read again. */
  open = (seq: number | null): void => this.dispatch({ type: "opened", seq });

  /** Everything from `seq` on is unread again, until the person reads it or writes. */
  markUnread = async (seq: number): Promise<void> => {
    clearTimeout(this.readTimer);
    this.readTimer = undefined;
    this.readSeq = 0;
    await this.options.api.unread(this.roomId, seq);
    this.dispatch({ type: "unread", seq });
  };

  /** Puts the "New messages" line after `seq`; `null` removes it. */
  setUnreadLine = (seq: number | null): void => this.dispatch({ type: "set_unread_line", seq });

  dismissNotice = (): void => this.dispatch({ type: "dismiss" });

  setNotify = async (settings: NotifySettings): Promise<void> => {
    const saved = await this.options.api.setNotificationSettings(this.roomId, settings);
    this.dispatch({ type: "notify", settings: saved?.level ? saved : settings });
  };

  reconnect = (): void => this.socket.reconnect();

  // ---- history ----

  loadOlder = (): Promise<void> =>
    this.load(this.snapshot.state.historyWindow ? { kind: "before" } : { kind: "older" });

  /** Loads the page after the history window. */
  loadNewer = (): Promise<void> => this.load({ kind: "after" });

  loadThread = (rootId: string): Promise<void> => this.load({ kind: "thread", rootId });

  /** Loads the history around `seq` if needed. Resolves to whether that message is now shown. */
  jumpTo = async (seq: number): Promise<boolean> => {
    const shown = () => this.view.room(this.snapshot.state).some((message) => message.seq === seq);
    if (shown()) return true;
    if (this.snapshot.state.historyWindow) this.dispatch({ type: "leave_history_window" });
    if (!shown()) await this.load({ kind: "jump", seq });
    return shown();
  };

  /** Loads the history around `seq`, which need not be the seq of a message. */
  showHistory = (seq: number): Promise<void> => this.load({ kind: "jump", seq });

  /** Leaves the history window. */
  jumpToNewest = (): void => {
    if (this.snapshot.state.historyWindow) this.dispatch({ type: "leave_history_window" });
  };

  /** Fetches the room and its first members again. */
  loadDetails = async (): Promise<void> => {
    const room = await this.options.api.room(this.roomId).catch(() => null);
    if (room) this.dispatch({ type: "details", room });
  };

  /** Fetches the pinned messages. Which they are is in the state afterwards, and events keep it current. */
  loadPins = async (): Promise<Pins> => {
    const deleted = new Set<string>();
    this.deletedMeanwhile = deleted;
    const page = await this.options.api.listPins(this.roomId);
    const messages = page.messages.filter(({ id }) => !deleted.has(id));
    // Of two requests the later one counts: a resync may have come between them.
    if (this.deletedMeanwhile === deleted) {
      this.deletedMeanwhile = null;
      this.dispatch({ type: "pins", messageIds: messages.map(({ id }) => id) });
    }
    return { ...page, messages };
  };

  private async load(load: Load): Promise<void> {
    const { phase } = this.snapshot.state;
    const query = pageQuery(this.snapshot.state, load);
    if (!query || phase === "start" || phase === "history" || phase === "reload") return;
    this.dispatch({ type: "loading", load });
    const { api } = this.options;
    const page = await fetchPage(api, this.roomId, load, query).catch(() => null);
    this.dispatch({ type: "loaded", load, page, nowMs: Date.now() });
  }

  // ---- effects of state changes ----

  private onEvents(events: ServerEvent[]): void {
    for (const event of events)
      if (event.type === "message_deleted") this.deletedMeanwhile?.add(event.messageId);
    this.dispatch({ type: "events", events, nowMs: Date.now() });
    if (this.snapshot.state.phase === "gap") this.socket.resume();
    else if (this.snapshot.state.phase === "reload") void this.reload();
  }

  private onStatus(connection: ConnectionStatus): void {
    this.snapshot = { ...this.snapshot, connection };
    if (connection.kind === "live") this.dispatch({ type: "tick", nowMs: Date.now() });
    else this.dispatch({ type: "closed" });
    if (connection.kind === "waiting" || connection.kind === "offline") void this.showSaved();
    if (connection.kind === "stopped" && GONE.includes(connection.code)) this.saved.removeRoom(this.roomId);
  }

  /** Without a connection the room is shown as it was saved, and resumes from there. */
  private async showSaved(): Promise<void> {
    if (this.snapshot.state.seq !== null) return;
    const saved = await this.saved.loadRoom(this.roomId);
    const { kind } = this.snapshot.connection;
    // A connection that has begun meanwhile asked for the newest history instead.
    if (saved && (kind === "waiting" || kind === "offline")) this.dispatch({ type: "saved", saved });
  }

  private save(): void {
    clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
    const room = toSaved(this.snapshot.state);
    if (room) this.saved.saveRoom(this.roomId, room);
  }

  private perform(op: Op): void {
    this.dispatch({ type: "perform", clientId: createId(), op, nowMs: Date.now() });
  }

  private discardStale(messageId: string): void {
    for (const item of this.snapshot.state.outgoing) {
      const { op } = item;
      const isSameMessage = (op.type === "edit" || op.type === "delete") && op.messageId === messageId;
      const isStale = item.status === "failed" || (isPending(item) && item.sentAtMs === null);
      if (isSameMessage && isStale) this.discard(item.clientId);
    }
  }

  private dispatch(action: Action): void {
    const before = this.snapshot.state.outgoing;
    this.reduce(action);
    this.flush();
    this.scheduleTick();
    this.syncOutbox(before, this.snapshot.state.outgoing);
    if (this.snapshot.state.phase === "live") this.saveTimer ??= setTimeout(() => this.save(), SAVE_AFTER_MS);
    for (const listener of this.listeners) listener();
  }

  private reduce(action: Action): void {
    const state = roomReducer(this.snapshot.state, action);
    if (state !== this.snapshot.state) this.snapshot = { ...this.snapshot, state };
  }

  /** Sends what waits. Each lane has one operation in flight, so neither a refusal nor a loss changes its order. */
  private flush(): void {
    if (this.snapshot.connection.kind !== "live") return;
    const nowMs = Date.now();
    for (const item of sendable(this.snapshot.state.outgoing, nowMs)) {
      if (!this.socket.send(toFrame(item))) return;
      this.reduce({ type: "sent", clientId: item.clientId, nowMs });
    }
  }

  /** Afterwards the outbox holds exactly the unconfirmed operations. */
  private syncOutbox(before: Outgoing[], after: Outgoing[]): void {
    if (before === after) return;
    const known = new Map(before.map((item) => [item.clientId, item]));
    for (const item of after) {
      const old = known.get(item.clientId);
      known.delete(item.clientId);
      if (item.acked) {
        if (!old?.acked) this.outbox.remove(item.clientId);
      } else if (old?.op !== item.op || old.status !== item.status) this.outbox.put(this.roomId, item);
    }
    for (const clientId of known.keys()) this.outbox.remove(clientId);
  }

  /** Sets one timer for the earliest deadline: typing that expires, a wait that ends, an answer that is overdue. */
  private scheduleTick(): void {
    clearTimeout(this.timer);
    const { typing, outgoing } = this.snapshot.state;
    const deadlines = [
      ...Object.values(typing).flatMap((untilMs) => Object.values(untilMs)),
      ...outgoing
        .filter(isPending)
        .map((item) => (item.sentAtMs === null ? item.notBeforeMs : item.sentAtMs + ACK_TIMEOUT_MS)),
    ].filter((deadlineMs) => deadlineMs > 0);
    // Without a connection nothing is due: nothing can be sent or answered, and typing was cleared.
    if (deadlines.length === 0 || this.snapshot.connection.kind !== "live") return;
    const waitMs = Math.max(50, Math.min(...deadlines) - Date.now());
    this.timer = setTimeout(() => this.dispatch({ type: "tick", nowMs: Date.now() }), waitMs);
  }

  /** Loads the newest history after a `resync`. What is shown stays until all of it has arrived. */
  private async reload(): Promise<void> {
    if (this.reloading) return;
    this.reloading = true;
    clearTimeout(this.reloadTimer);
    const reload = await fetchReload(this.options.api, this.roomId, this.snapshot.state).catch(() => null);
    this.reloading = false;
    if (!this.running) return;
    if (reload) this.dispatch({ type: "reloaded", reload, nowMs: Date.now() });
    if (this.snapshot.state.phase === "reload") {
      this.reloadTimer = setTimeout(() => void this.reload(), RELOAD_RETRY_MS);
    }
  }
}
