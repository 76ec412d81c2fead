/**
 * A WebSocket of a room or of the inbox: it connects, resumes, sends heartbeats, detects dead connections, backs off and stops. It
 * knows frames and close codes; what events mean is decided in room-reducer.ts. It queues nothing: `send` works only
 * between `synced` and the end of the connection, so no frame can precede a resume.
 */

import { browserSignals, type Signals } from "./browser-signals";
import { type GetToken, SignedOut } from "./http";
import { afterClose, type ClientFrame, PING_TEXT, readFrame, type ServerEvent } from "./protocol";
import { expiryMs } from "./session";

export type ConnectionStatus =
  | { kind: "connecting"; attempt: number; isRestoring?: boolean }
  | { kind: "live" }
  /** `isRestoring`: the server is restoring the room, which opens when that is done. */
  | { kind: "waiting"; attempt: number; retryAtMs: number; isRestoring?: boolean }
  /** The browser reports that there is no network. */
  | { kind: "offline" }
  /** No retry, because it would be refused again. `code`: the close code, or the HTTP status of the refused upgrade. */
  | { kind: "stopped"; code: number; reason: string };

/** Why the upgrade was refused, as REST reports it. `null`: unknown, so the client retries. */
export type Refusal = { code: number; reason: string } | { restoringMs: number } | null;

export interface SocketOptions {
  /** The path of the upgrade, with what names the room in its query. */
  path: string;
  /** Called at each attempt. */
  getToken: GetToken;
  /** Where to resume; `null` requests the newest history instead. */
  position: () => { since: number; epoch: string } | null;
  onEvents: (events: ServerEvent[]) => void;
  onStatus: (status: ConnectionStatus) => void;
  /** Called when a connection ended before its `hello`. */
  explainRefusal?: () => Promise<Refusal>;
  /** `ws(s)://host`. Default: the origin of the page. */
  origin?: string;
  WebSocket?: new (url: string, protocols: string[]) => WebSocket;
  signals?: Signals;
  random?: () => number;
}

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const FLOOD_WAIT_MS = 10_000;
/** After a connection that lasted this long the backoff starts over. */
const STABLE_MS = 5_000;
const HELLO_TIMEOUT_MS = 10_000;
const PONG_TIMEOUT_MS = 10_000;
/** After a wake-up or a change of network a live socket answers quickly. */
const WAKE_PONG_TIMEOUT_MS = 4_000;
/** `navigator.onLine` can be wrong, so the client also retries while offline. */
const OFFLINE_RETRY_MS = 30_000;
/** A new token is sent this long before the old one expires; for short-lived tokens, at half of their lifetime. */
const AUTH_AHEAD_MS = 60_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

type Timer = ReturnType<typeof setTimeout> | undefined;

export class RoomSocket {
  private socket: WebSocket | null = null;
  /** Counts connections, so that late callbacks of an earlier one are ignored. */
  private generation = 0;
  private attempt = 0;
  private liveSinceMs: number | null = null;
  private hasHello = false;
  private isRestoring = false;
  private needsFreshToken = false;
  private heartbeatMs = 25_000;
  private current: ConnectionStatus = { kind: "connecting", attempt: 0 };
  private retryTimer: Timer;
  private heartbeatTimer: Timer;
  private deadlineTimer: Timer;
  private tokenTimer: Timer;
  private stopListening: (() => void) | null = null;
  private readonly signals: Signals;

  constructor(private readonly options: SocketOptions) {
    this.signals = options.signals ?? browserSignals;
  }

  get status(): ConnectionStatus {
    return this.current;
  }

  start(): void {
    this.stopListening ??= this.signals.listen((signal) => this.onSignal(signal));
    this.attempt = 0;
    void this.connect();
  }

  /** Ends the connection without calling `onStatus`. */
  stop(): void {
    this.stopListening?.();
    this.stopListening = null;
    this.disconnect(1000);
  }

  /** Connects at once, because the person asked for it or the network is back. */
  reconnect(): void {
    this.attempt = 0;
    void this.connect();
  }

  /** Checks the connection, or reconnects, because the person came back. */
  wake(): void {
    this.onSignal("visible");
  }

  /** Reconnects because an event is missing. It backs off, in case the event is missing every time. */
  resume(): void {
    void this.onClose(1000, "resume");
  }

  /** Returns whether the frame was handed to a live connection. Only an ack confirms its arrival. */
  send(frame: ClientFrame): boolean {
    if (this.current.kind !== "live" || this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private async connect(): Promise<void> {
    this.disconnect(1000);
    const generation = this.generation;
    this.setStatus({ kind: "connecting", attempt: this.attempt, ...this.restoring() });
    let token: string;
    try {
      token = await this.options.getToken({ fresh: this.needsFreshToken });
    } catch (error) {
      if (generation !== this.generation) return;
      if (error instanceof SignedOut) this.stopRetrying(4401, "auth_expired");
      else this.retryLater();
      return;
    }
    if (generation !== this.generation) return;
    this.needsFreshToken = false;
    this.open(token, generation);
  }

  private open(token: string, generation: number): void {
    const Socket = this.options.WebSocket ?? WebSocket;
    const socket = new Socket(this.url(), ["chat.v1", `bearer.${token}`]);
    this.socket = socket;
    const ifCurrent = (handler: () => void) => () => {
      if (generation === this.generation) handler();
    };
    socket.onmessage = (event: MessageEvent) => {
      if (generation === this.generation) this.onText(event.data);
    };
    socket.onclose = (event: CloseEvent) => {
      if (generation === this.generation) void this.onClose(event.code, event.reason);
    };
    this.deadlineTimer = setTimeout(
      ifCurrent(() => void this.onClose(1006, "no hello")),
      HELLO_TIMEOUT_MS,
    );
    this.scheduleTokenRefresh(expiryMs(token));
  }

  private url(): string {
    const origin = this.options.origin ?? location.origin.replace(/^http/, "ws");
    const query = new URLSearchParams();
    const position = this.options.position();
    if (position) {
      query.set("since", String(position.since));
      query.set("epoch", position.epoch);
    }
    const { path } = this.options;
    const rest = query.toString();
    return origin + path + (rest && (path.includes("?") ? "&" : "?") + rest);
  }

  // ---- incoming frames ----

  private onText(data: unknown): void {
    if (typeof data !== "string") return;
    clearTimeout(this.deadlineTimer);
    const events = readFrame(data);
    for (const event of events) {
      if (event.type === "hello") {
        this.hasHello = true;
        this.isRestoring = false;
        this.heartbeatMs = Math.max(1_000, event.heartbeatMs);
        this.scheduleHeartbeat();
      } else if (event.type === "auth_ok") {
        this.scheduleTokenRefresh(event.exp * 1000);
      }
    }
    const generation = this.generation;
    this.options.onEvents(events);
    // `onEvents` may have reconnected; then this connection is obsolete.
    if (generation !== this.generation) return;
    if (this.current.kind !== "live" && events.some((event) => event.type === "synced")) {
      this.liveSinceMs = Date.now();
      this.setStatus({ kind: "live" });
    }
  }

  private async onClose(code: number, reason: string): Promise<void> {
    if (this.liveSinceMs !== null && Date.now() - this.liveSinceMs >= STABLE_MS) this.attempt = 0;
    const isRefused = !this.hasHello;
    this.disconnect(1000);
    const generation = this.generation;
    const next = afterClose(code);
    if (next === "stop") return this.stopRetrying(code, reason);
    if (next === "new_token") this.needsFreshToken = true;
    this.retryLater(next === "wait_10s" ? FLOOD_WAIT_MS : undefined);
    if (!isRefused || next !== "retry" || !this.options.explainRefusal) return;
    const why = await this.options.explainRefusal();
    if (generation !== this.generation) return;
    this.isRestoring = why !== null && "restoringMs" in why;
    if (why === null) return;
    if ("restoringMs" in why) this.retryAfterRestoring(why.restoringMs);
    else this.stopRetrying(why.code, why.reason);
  }

  private onSignal(signal: "online" | "offline" | "visible"): void {
    if (this.current.kind === "stopped") return;
    if (signal === "offline") {
      this.disconnect(1000);
      this.waitForNetwork();
    } else if (this.current.kind === "live") {
      this.ping(WAKE_PONG_TIMEOUT_MS);
    } else if (signal === "online" || this.current.kind === "waiting") {
      this.reconnect();
    }
  }

  // ---- retries ----

  private retryLater(floorMs?: number): void {
    if (!this.signals.isOnline()) {
      this.waitForNetwork();
      return;
    }
    const random = this.options.random ?? Math.random;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.attempt, 10));
    // Full jitter, so that the clients of a room do not reconnect at the same moment.
    const delayMs = (floorMs ?? 0) + random() * ceiling;
    this.attempt += 1;
    this.retryIn(delayMs);
  }

  /** Waits as long as the server asks for, and up to as long again, so that a room's clients do not come at once. */
  private retryAfterRestoring(restoringMs: number): void {
    const random = this.options.random ?? Math.random;
    this.retryIn(restoringMs * (1 + random()));
  }

  private retryIn(delayMs: number): void {
    clearTimeout(this.retryTimer);
    const retryAtMs = Date.now() + delayMs;
    this.setStatus({ kind: "waiting", attempt: this.attempt, retryAtMs, ...this.restoring() });
    this.retryTimer = setTimeout(() => void this.connect(), delayMs);
  }

  private restoring(): { isRestoring?: true } {
    return this.isRestoring ? { isRestoring: true } : {};
  }

  private waitForNetwork(): void {
    this.setStatus({ kind: "offline" });
    this.retryTimer = setTimeout(() => void this.connect(), OFFLINE_RETRY_MS);
  }

  private stopRetrying(code: number, reason: string): void {
    this.disconnect(1000);
    this.setStatus({ kind: "stopped", code, reason });
  }

  /** Closes the current connection without waiting for the server, and cancels all timers. */
  private disconnect(code: number): void {
    this.generation += 1;
    for (const timer of [this.retryTimer, this.heartbeatTimer, this.deadlineTimer, this.tokenTimer])
      clearTimeout(timer);
    const socket = this.socket;
    this.socket = null;
    this.liveSinceMs = null;
    this.hasHello = false;
    if (socket && socket.readyState < 2) socket.close(code);
  }

  private setStatus(status: ConnectionStatus): void {
    this.current = status;
    this.options.onStatus(status);
  }

  // ---- heartbeat and token refresh ----

  private scheduleHeartbeat(): void {
    clearTimeout(this.heartbeatTimer);
    this.heartbeatTimer = setTimeout(() => {
      this.ping(PONG_TIMEOUT_MS);
      this.scheduleHeartbeat();
    }, this.heartbeatMs);
  }

  /** Sends a ping. Any frame counts as the answer; without one in time the socket is dead, whatever its readyState. */
  private ping(timeoutMs: number): void {
    if (this.socket?.readyState !== 1) return;
    this.socket.send(PING_TEXT);
    clearTimeout(this.deadlineTimer);
    const dueMs = Date.now() + timeoutMs;
    this.deadlineTimer = setTimeout(() => {
      // The timer fired far too late: the tab was suspended, and the answer may be queued behind it. Ping once more.
      if (Date.now() - dueMs > timeoutMs) this.ping(timeoutMs);
      else void this.onClose(1006, "no answer");
    }, timeoutMs);
  }

  private scheduleTokenRefresh(expiresMs: number | null): void {
    clearTimeout(this.tokenTimer);
    if (expiresMs === null) return;
    const leftMs = expiresMs - Date.now();
    const waitMs = leftMs > 2 * AUTH_AHEAD_MS ? leftMs - AUTH_AHEAD_MS : leftMs / 2;
    if (waitMs <= 0 || waitMs > TIMER_MAX_MS) return;
    this.tokenTimer = setTimeout(() => void this.sendFreshToken(expiresMs), waitMs);
  }

  private async sendFreshToken(expiresMs: number): Promise<void> {
    const generation = this.generation;
    try {
      const token = await this.options.getToken({ fresh: true });
      const isLater = (expiryMs(token) ?? Number.POSITIVE_INFINITY) > expiresMs;
      if (generation === this.generation && isLater) this.send({ type: "auth", token });
    } catch {
      // Without a new token the server closes with 4401, and `onClose` handles that.
    }
  }
}
