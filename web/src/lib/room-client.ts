/**
 * One room as a thing to subscribe to: the connection, the state, REST, and the one timer that the state asks for.
 * It decides nothing about messages (room-state.ts) nor about connections (socket.ts); it carries out what follows
 * from the one for the other. No React.
 */
import { ApiError, type ChatApi, type GetToken, SignedOut } from "./api";
import type { ReactionAction, ServerEvent } from "./protocol";
import { ACK_TIMEOUT_MS } from "./room-outgoing";
import { type Action, emptyRoom, PAGE_COUNT, type RoomState, roomReducer } from "./room-state";
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
  /** For tests: another WebSocket, other signals. */
  socket?: Partial<SocketOptions>;
}

const RELOAD_RETRY_MS = 2_000;
/** Within the server's limit of 2/s with a burst of 4, and often enough for its 6 s of life. */
const TYPING_EVERY_MS = 3_000;
const READ_EVERY_MS = 1_000;

export class RoomClient {
  private snapshot: RoomSnapshot;
  private readonly listeners = new Set<() => void>();
  private readonly socket: RoomSocket;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readTimer: ReturnType<typeof setTimeout> | undefined;
  private reloadTimer: ReturnType<typeof setTimeout> | undefined;
  private reloading = false;
  private typingSentMs = 0;

  constructor(private readonly options: RoomClientOptions) {
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
    this.socket.start();
  }

  stop(): void {
    this.socket.stop();
    for (const timer of [this.timer, this.readTimer, this.reloadTimer]) clearTimeout(timer);
    this.readTimer = undefined;
    this.dispatch({ type: "closed" });
    clearTimeout(this.timer);
  }

  // ---- what a person does ----

  sendMessage = (content: string): void => {
    this.typingSentMs = 0; // The message itself ends the typing.
    this.dispatch({ type: "send", clientId: crypto.randomUUID(), content, nowMs: Date.now() });
  };

  retry = (clientId: string): void => {
    this.dispatch({ type: "retry", clientId, newClientId: crypto.randomUUID(), nowMs: Date.now() });
  };

  discard = (clientId: string): void => this.dispatch({ type: "discard", clientId });

  sendReaction = (messageId: string, emoji: string, action?: ReactionAction): void => {
    const { me, messages, reactions } = this.snapshot.state;
    const pending = reactions.findLast((one) => one.messageId === messageId && one.emoji === emoji);
    const message = messages.find((one) => one.id === messageId);
    const set = pending ? pending.action === "add" : (message?.reactions[emoji]?.includes(me) ?? false);
    const todo = action ?? (set ? "remove" : "add");
    this.dispatch({ type: "react", clientId: crypto.randomUUID(), messageId, emoji, action: todo });
  };

  sendTyping = (isTyping: boolean): void => {
    const nowMs = Date.now();
    const due = isTyping ? nowMs - this.typingSentMs >= TYPING_EVERY_MS : this.typingSentMs > 0;
    if (due && this.socket.send({ type: "typing", isTyping })) this.typingSentMs = isTyping ? nowMs : 0;
  };

  /** Everything that is loaded has been seen. Told to the server at most once a second. */
  markRead = (): void => {
    const { seq, lastReadSeq } = this.snapshot.state;
    if (seq === null || seq <= lastReadSeq || this.readTimer !== undefined) return;
    this.readTimer = setTimeout(() => {
      this.readTimer = undefined;
      const upTo = this.snapshot.state.seq ?? 0;
      if (upTo > this.snapshot.state.lastReadSeq && this.socket.send({ type: "read", seq: upTo })) {
        this.dispatch({ type: "read", seq: upTo });
      }
    }, READ_EVERY_MS);
  };

  loadOlder = async (): Promise<void> => {
    const { phase, hasMore, loadingOlder, oldestSeq } = this.snapshot.state;
    if (!hasMore || loadingOlder || phase === "start" || phase === "reload") return;
    this.dispatch({ type: "loading_older" });
    const query = { before: oldestSeq, limit: PAGE_COUNT };
    const page = await this.options.api.messages(this.options.roomId, query).catch(() => null);
    this.dispatch({ type: "older", page, nowMs: Date.now() });
  };

  reconnect = (): void => this.socket.reconnect();

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

  private dispatch(action: Action): void {
    const state = roomReducer(this.snapshot.state, action);
    this.snapshot = { ...this.snapshot, state };
    this.flush();
    this.plan();
    for (const listener of this.listeners) listener();
  }

  /** Hands over what waits: messages one at a time, so that no refusal or loss can change their order. */
  private flush(): void {
    if (this.snapshot.connection.kind !== "live") return;
    const nowMs = Date.now();
    const { outgoing, reactions } = this.snapshot.state;
    const next = outgoing.find((one) => one.status === "sending");
    if (next && next.sentAtMs === null && next.notBeforeMs <= nowMs) {
      const { clientId, content } = next;
      const handed = this.socket.send({ type: "message", content, contentType: "text", clientId });
      if (handed) this.reduce({ type: "sent", clientId, nowMs });
    }
    for (const { sent, ...reaction } of reactions) {
      if (sent || !this.socket.send({ type: "reaction", ...reaction })) continue;
      this.reduce({ type: "reaction_sent", clientId: reaction.clientId });
    }
  }

  private reduce(action: Action): void {
    this.snapshot = { ...this.snapshot, state: roomReducer(this.snapshot.state, action) };
  }

  /** One timer for whatever is due first: the end of a typing, the end of a wait, an answer that never came. */
  private plan(): void {
    clearTimeout(this.timer);
    const { typing, outgoing } = this.snapshot.state;
    const sending = outgoing.filter((one) => one.status === "sending");
    const dues = [
      ...Object.values(typing),
      ...sending.map((one) => (one.sentAtMs === null ? one.notBeforeMs : one.sentAtMs + ACK_TIMEOUT_MS)),
    ].filter((dueMs) => dueMs > 0);
    // Without a connection nothing can be sent or answered; typing is cleared then, so nothing is due.
    if (dues.length === 0 || this.snapshot.connection.kind !== "live") return;
    const waitMs = Math.max(50, Math.min(...dues) - Date.now());
    this.timer = setTimeout(() => this.dispatch({ type: "tick", nowMs: Date.now() }), waitMs);
  }

  private async reload(): Promise<void> {
    if (this.reloading) return;
    this.reloading = true;
    clearTimeout(this.reloadTimer);
    const page = await this.options.api
      .messages(this.options.roomId, { limit: PAGE_COUNT })
      .catch(() => null);
    this.reloading = false;
    if (page) this.dispatch({ type: "reloaded", page, nowMs: Date.now() });
    if (this.snapshot.state.phase === "reload") {
      this.reloadTimer = setTimeout(() => void this.reload(), RELOAD_RETRY_MS);
    }
  }

  /** A browser hides why an upgrade was refused; the same question over REST is answered. */
  private async refusal(): Promise<Refusal> {
    try {
      await this.options.api.room(this.options.roomId);
      return null;
    } catch (error) {
      if (error instanceof SignedOut) return { code: 4401, reason: "auth_expired" };
      const final = error instanceof ApiError && [401, 403, 404].includes(error.status);
      return final ? { code: error.status, reason: error.code } : null;
    }
  }
}
