/**
 * One room as a thing to subscribe to: the connection, the state, REST, the outbox, and the one timer that the state
 * asks for. It decides nothing about messages (room-state.ts) nor about connections (socket.ts); it carries out what
 * follows from the one for the other. No React.
 */
import { ApiError, type ChatApi, type GetToken, SignedOut } from "./api";
import { noOutbox, type Outbox } from "./outbox";
import type { Attachment, NotifySettings, ReactionAction, ServerEvent } from "./protocol";
import { ACK_TIMEOUT_MS, asFrame, isPending, type Op, type Outgoing, sendable } from "./room-outgoing";
import { type Load, type Page, pageQuery } from "./room-pages";
import { type Action, emptyRoom, PAGE_COUNT, type RoomState, roomReducer } from "./room-state";
import { RoomView } from "./room-view";
import { type ConnectionStatus, type Refusal, RoomSocket, type SocketOptions } from "./socket";

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
  /** Another address, WebSocket or other signals than the browser's. */
  socket?: Partial<SocketOptions>;
}

export interface SendOptions {
  attachments?: Attachment[];
  threadId?: string;
  replyToId?: string;
  alsoToRoom?: boolean;
}

const RELOAD_RETRY_MS = 2_000;
/** After a `resync` as much is loaded as was there, but not more than this many pages of 100. */
const RELOAD_PAGES_MAX = 5;
/** Within the server's limit of 2/s with a burst of 4, and often enough for its 6 s of life. */
const TYPING_EVERY_MS = 3_000;
const READ_EVERY_MS = 1_000;

export class RoomClient {
  readonly roomId: string;
  readonly view = new RoomView();
  private snapshot: RoomSnapshot;
  private readonly listeners = new Set<() => void>();
  private readonly socket: RoomSocket;
  private readonly outbox: Outbox;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readTimer: ReturnType<typeof setTimeout> | undefined;
  private reloadTimer: ReturnType<typeof setTimeout> | undefined;
  private reloading = false;
  private running = false;
  /** Where typing was told last, and when. */
  private typingSent = { atMs: 0, threadId: "" };

  constructor(private readonly options: RoomClientOptions) {
    this.roomId = options.roomId;
    this.outbox = options.outbox ?? noOutbox;
    this.snapshot = { state: emptyRoom(options.userId), connection: { kind: "connecting", attempt: 0 } };
    this.socket = new RoomSocket({
      roomId: options.roomId,
      getToken: options.getToken,
      position: () => {
        const { seq, epoch } = this.snapshot.state;
        return seq === null ? null : { since: seq, epoch };
      },
      onEvents: (events) => this.onEvents(events),
      onStatus: (connection) => this.onStatus(connection),
      refusal: () => this.refusal(),
      ...options.socket,
    });
  }

  /** For `useSyncExternalStore`: the same object until something changed. */
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
    this.running = false;
    this.socket.stop();
    for (const timer of [this.timer, this.readTimer, this.reloadTimer]) clearTimeout(timer);
    this.readTimer = undefined;
    this.dispatch({ type: "closed" });
    clearTimeout(this.timer);
  }

  // ---- what a person does ----

  sendMessage = (content: string, options: SendOptions = {}): void => {
    this.typingSent.atMs = 0; // The message itself ends the typing.
    const { attachments = [], threadId = null, replyToId = null, alsoToRoom = false } = options;
    this.perform({ type: "message", content, attachments, threadId, replyToId, alsoToRoom });
  };

  edit = (messageId: string, content: string): void => {
    const message = this.snapshot.state.messages.find((one) => one.id === messageId);
    if (!message || message.content === content) return;
    // The latest wish alone: an edit of the same message that hasn't gone out, or was refused, is overtaken.
    this.dropStale(messageId);
    this.perform({ type: "edit", messageId, content, baseVersion: message.version });
  };

  remove = (messageId: string): void => {
    this.dropStale(messageId);
    this.perform({ type: "delete", messageId });
  };

  retry = (clientId: string): void => {
    this.dispatch({ type: "retry", clientId, newClientId: crypto.randomUUID(), nowMs: Date.now() });
  };

  discard = (clientId: string): void => this.dispatch({ type: "discard", clientId });

  sendReaction = (messageId: string, emoji: string, action?: ReactionAction): void => {
    const { state } = this.snapshot;
    const set = this.view.one(state, messageId)?.reactions[emoji]?.includes(state.me) ?? false;
    this.perform({ type: "reaction", messageId, emoji, action: action ?? (set ? "remove" : "add") });
  };

  sendTyping = (isTyping: boolean, threadId = ""): void => {
    const nowMs = Date.now();
    const same = this.typingSent.threadId === threadId;
    const going = this.typingSent.atMs > 0;
    const due = isTyping ? !same || nowMs - this.typingSent.atMs >= TYPING_EVERY_MS : same && going;
    if (!due || !this.socket.send({ type: "typing", isTyping, ...(threadId && { threadId }) })) return;
    this.typingSent = { atMs: isTyping ? nowMs : 0, threadId };
  };

  /** Everything that is loaded has been seen. Told to the server at most once a second. */
  markRead = (): void => {
    const { seq, lastReadSeq, heldUnread } = this.snapshot.state;
    if (heldUnread || seq === null || seq <= lastReadSeq || this.readTimer !== undefined) return;
    this.readTimer = setTimeout(() => {
      this.readTimer = undefined;
      const { state } = this.snapshot;
      const upTo = state.seq ?? 0;
      if (state.heldUnread || upTo <= state.lastReadSeq) return;
      if (this.socket.send({ type: "read", seq: upTo })) this.dispatch({ type: "read", seq: upTo });
    }, READ_EVERY_MS);
  };

  /** Everything from `seq` on is unread again, until one comes back to it. */
  markUnread = async (seq: number): Promise<void> => {
    clearTimeout(this.readTimer);
    this.readTimer = undefined;
    await this.options.api.unread(this.roomId, seq);
    this.dispatch({ type: "unread", seq });
  };

  /** Draws the "new messages" line at what has been read; `null` takes it away. */
  drawLine = (seq: number | null): void => this.dispatch({ type: "seen_line", seq });

  dismissNotice = (): void => this.dispatch({ type: "dismiss" });

  setNotify = async (settings: NotifySettings): Promise<void> => {
    const saved = await this.options.api.setNotificationSettings(this.roomId, settings);
    this.dispatch({ type: "notify", settings: saved?.level ? saved : settings });
  };

  reconnect = (): void => this.socket.reconnect();

  // ---- history ----

  loadOlder = (): Promise<void> =>
    this.load(this.snapshot.state.window ? { kind: "before" } : { kind: "older" });

  /** Towards the newest, from a stretch that one jumped to. */
  loadNewer = (): Promise<void> => this.load({ kind: "after" });

  loadThread = (rootId: string): Promise<void> => this.load({ kind: "thread", rootId });

  /** Makes the message with this seq part of what is shown, and says whether it is. */
  jumpTo = async (seq: number): Promise<boolean> => {
    const shown = () => this.view.room(this.snapshot.state).some((message) => message.seq === seq);
    if (shown()) return true;
    if (this.snapshot.state.window) this.dispatch({ type: "leave_window" });
    if (!shown()) await this.load({ kind: "jump", seq });
    return shown();
  };

  /** Back from a stretch that one jumped to. */
  jumpToNewest = (): void => {
    if (this.snapshot.state.window) this.dispatch({ type: "leave_window" });
  };

  /** Asks for the room and its members anew. */
  loadDetails = async (): Promise<void> => {
    const room = await this.options.api.room(this.roomId).catch(() => null);
    if (room) this.dispatch({ type: "details", room });
  };

  private async load(load: Load): Promise<void> {
    const { phase } = this.snapshot.state;
    const query = pageQuery(this.snapshot.state, load);
    if (!query || phase === "start" || phase === "history" || phase === "reload") return;
    this.dispatch({ type: "loading", load });
    const page = await this.page(load, query).catch(() => null);
    this.dispatch({ type: "loaded", load, page, nowMs: Date.now() });
  }

  private async page(load: Load, query: { before?: number; after?: number }): Promise<Page> {
    const { api } = this.options;
    if (load.kind !== "thread") return api.messages(this.roomId, { ...query, limit: PAGE_COUNT });
    const { root, replies, hasMoreBefore } = await api.thread(this.roomId, load.rootId, {
      ...query,
      limit: PAGE_COUNT,
    });
    return { messages: [root, ...replies], hasMoreBefore, hasMoreAfter: false, epoch: null };
  }

  // ---- what follows ----

  private onEvents(events: ServerEvent[]): void {
    this.dispatch({ type: "events", events, nowMs: Date.now() });
    if (this.snapshot.state.phase === "gap") this.socket.resume();
    else if (this.snapshot.state.phase === "reload") void this.reload();
  }

  private onStatus(connection: ConnectionStatus): void {
    this.snapshot = { ...this.snapshot, connection };
    if (connection.kind === "live") this.dispatch({ type: "tick", nowMs: Date.now() });
    else this.dispatch({ type: "closed" });
  }

  private perform(op: Op): void {
    this.dispatch({ type: "do", clientId: crypto.randomUUID(), op, nowMs: Date.now() });
  }

  private dropStale(messageId: string): void {
    for (const one of this.snapshot.state.outgoing) {
      const about = one.op.type === "edit" || one.op.type === "delete" ? one.op.messageId : null;
      const stale = one.status === "failed" || (isPending(one) && one.sentAtMs === null);
      if (about === messageId && stale) this.discard(one.clientId);
    }
  }

  private dispatch(action: Action): void {
    const before = this.snapshot.state.outgoing;
    this.reduce(action);
    this.flush();
    this.plan();
    this.keep(before, this.snapshot.state.outgoing);
    for (const listener of this.listeners) listener();
  }

  private reduce(action: Action): void {
    const state = roomReducer(this.snapshot.state, action);
    if (state !== this.snapshot.state) this.snapshot = { ...this.snapshot, state };
  }

  /** Hands over what waits: of each lane one at a time, so that no refusal or loss can change its order. */
  private flush(): void {
    if (this.snapshot.connection.kind !== "live") return;
    const nowMs = Date.now();
    for (const one of sendable(this.snapshot.state.outgoing, nowMs)) {
      if (!this.socket.send(asFrame(one))) return;
      this.reduce({ type: "sent", clientId: one.clientId, nowMs });
    }
  }

  /** What is unconfirmed is in the outbox, and nothing else. */
  private keep(before: Outgoing[], after: Outgoing[]): void {
    if (before === after) return;
    const was = new Map(before.map((one) => [one.clientId, one]));
    for (const one of after) {
      const old = was.get(one.clientId);
      was.delete(one.clientId);
      if (one.acked) {
        if (!old?.acked) this.outbox.remove(one.clientId);
      } else if (old?.op !== one.op || old.status !== one.status) this.outbox.put(this.roomId, one);
    }
    for (const clientId of was.keys()) this.outbox.remove(clientId);
  }

  /** One timer for whatever is due first: the end of a typing, the end of a wait, an answer that never came. */
  private plan(): void {
    clearTimeout(this.timer);
    const { typing, outgoing } = this.snapshot.state;
    const dues = [
      ...Object.values(typing).flatMap((there) => Object.values(there)),
      ...outgoing
        .filter(isPending)
        .map((one) => (one.sentAtMs === null ? one.notBeforeMs : one.sentAtMs + ACK_TIMEOUT_MS)),
    ].filter((dueMs) => dueMs > 0);
    // Without a connection nothing can be sent or answered; typing is cleared then, so nothing is due.
    if (dues.length === 0 || this.snapshot.connection.kind !== "live") return;
    const waitMs = Math.max(50, Math.min(...dues) - Date.now());
    this.timer = setTimeout(() => this.dispatch({ type: "tick", nowMs: Date.now() }), waitMs);
  }

  /** Until it is all there, what was shown stays. */
  private async reload(): Promise<void> {
    if (this.reloading) return;
    this.reloading = true;
    clearTimeout(this.reloadTimer);
    const reload = await this.fetchAnew().catch(() => null);
    this.reloading = false;
    if (!this.running) return;
    if (reload) this.dispatch({ type: "reloaded", reload, nowMs: Date.now() });
    if (this.snapshot.state.phase === "reload") {
      this.reloadTimer = setTimeout(() => void this.reload(), RELOAD_RETRY_MS);
    }
  }

  private async fetchAnew() {
    const { api } = this.options;
    const { state } = this.snapshot;
    let page = await api.messages(this.roomId, { limit: PAGE_COUNT });
    for (let pages = 1; page.hasMoreBefore && pages < RELOAD_PAGES_MAX; pages += 1) {
      const oldest = page.messages[0]?.seq ?? 0;
      if (oldest <= state.keepFromSeq) break;
      const older = await api.messages(this.roomId, { before: oldest, limit: 100 });
      if (older.epoch !== page.epoch) break;
      const { hasMoreBefore } = older;
      page = { ...page, messages: [...older.messages, ...page.messages], hasMoreBefore };
    }
    const threads: Record<string, Page> = {};
    for (const rootId of Object.keys(state.threads)) {
      const load: Load = { kind: "thread", rootId };
      const thread = await this.page(load, {}).catch((error: unknown) => {
        // A thread that is gone needn't keep the room from coming back.
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      });
      if (thread) threads[rootId] = thread;
    }
    return { page, threads };
  }

  /** A browser hides why an upgrade was refused; the same question over REST is answered. */
  private async refusal(): Promise<Refusal> {
    try {
      await this.options.api.room(this.roomId);
      return null;
    } catch (error) {
      if (error instanceof SignedOut) return { code: 4401, reason: "auth_expired" };
      const final = error instanceof ApiError && [401, 403, 404].includes(error.status);
      return final ? { code: error.status, reason: error.code } : null;
    }
  }
}
