/**
 * One room's connection, kept alive: connects, resumes, beats, notices death, backs off, stops when told to.
 * It knows frames and close codes, not messages: what events mean is decided in room-state.ts, and nothing is queued
 * here. `send` works only between `synced` and the end of the connection, so nothing can overtake a resume.
 */
import { type GetToken, SignedOut } from "./api";
import { browserSignals, type Signals } from "./browser-signals";
import { afterClose, type ClientFrame, PING_TEXT, readFrame, type ServerEvent } from "./protocol";
import { expiryMs } from "./session";

export type ConnectionStatus =
  | { kind: "connecting"; attempt: number }
  | { kind: "live" }
  | { kind: "waiting"; attempt: number; retryAtMs: number }
  /** The browser says that there is no network. */
  | { kind: "offline" }
  /** Trying again would be refused again: `code` is the close code, or the HTTP status of the refused upgrade. */
  | { kind: "stopped"; code: number; reason: string };

/** Why the upgrade was refused, as REST tells it (a browser hides it); `null`: not known, so try again. */
export type Refusal = { code: number; reason: string } | null;

export interface SocketOptions {
  roomId: string;
  /** Asked anew at each attempt. */
  getToken: GetToken;
  /** Where to resume; `null` asks for the newest history instead. */
  position: () => { since: number; epoch: string } | null;
  onEvents: (events: ServerEvent[]) => void;
  onStatus: (status: ConnectionStatus) => void;
  /** Called when a connection ended before its `hello`. */
  refusal?: () => Promise<Refusal>;
  /** `ws(s)://host`; default: the page's own. */
  origin?: string;
  WebSocket?: new (url: string, protocols: string[]) => WebSocket;
  signals?: Signals;
  random?: () => number;
}

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const FLOOD_WAIT_MS = 10_000;
/** A connection that lasted this long was a good one: its end starts the backoff over. */
const STEADY_MS = 5_000;
const HELLO_TIMEOUT_MS = 10_000;
const PONG_TIMEOUT_MS = 10_000;
/** After waking up or a change of network, a living socket answers quickly. */
const WAKE_PONG_TIMEOUT_MS = 4_000;
/** `navigator.onLine` can be wrong, so even "offline" is tried now and then. */
const OFFLINE_RETRY_MS = 30_000;
/** A fresh token is sent this long before the old one ends (sooner than that for short-lived ones). */
const AUTH_AHEAD_MS = 60_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

type Timer = ReturnType<typeof setTimeout> | undefined;

export class RoomSocket {
  private socket: WebSocket | null = null;
  /** Counts connections, so that whatever belongs to an earlier one is ignored when it comes late. */
  private generation = 0;
  private attempt = 0;
  private liveSinceMs: number | null = null;
  private heardHello = false;
  private needsFreshToken = false;
  private heartbeatMs = 25_000;
  private current: ConnectionStatus = { kind: "connecting", attempt: 0 };
  private retryTimer: Timer;
  private beatTimer: Timer;
  private silenceTimer: Timer;
  private authTimer: Timer;
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

  /** Ends the connection for good, without a word to `onStatus`. */
  stop(): void {
    this.stopListening?.();
    this.stopListening = null;
    this.drop(1000);
  }

  /** Connects at once: the person asked for it, or the network came back. */
  reconnect(): void {
    this.attempt = 0;
    void this.connect();
  }

  /** Connects again because something is missing from what came; with backoff, in case it is missing every time. */
  resume(): void {
    void this.onClose(1000, "resume");
  }

  /** Whether the frame was handed to a live connection. Says nothing about its arrival: that is what acks are for. */
  send(frame: ClientFrame): boolean {
    if (this.current.kind !== "live" || this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private async connect(): Promise<void> {
    this.drop(1000);
    const generation = this.generation;
    this.setStatus({ kind: "connecting", attempt: this.attempt });
    let token: string;
    try {
      token = await this.options.getToken({ fresh: this.needsFreshToken });
    } catch (error) {
      if (generation !== this.generation) return;
      if (error instanceof SignedOut) this.giveUp(4401, "auth_expired");
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
    const mine = (handler: () => void) => () => {
      if (generation === this.generation) handler();
    };
    socket.onmessage = (event: MessageEvent) => {
      if (generation === this.generation) this.onText(event.data);
    };
    socket.onclose = (event: CloseEvent) => {
      if (generation === this.generation) void this.onClose(event.code, event.reason);
    };
    this.silenceTimer = setTimeout(
      mine(() => void this.onClose(1006, "no hello")),
      HELLO_TIMEOUT_MS,
    );
    this.planAuth(expiryMs(token));
  }

  private url(): string {
    const origin = this.options.origin ?? location.origin.replace(/^http/, "ws");
    const query = new URLSearchParams({ roomId: this.options.roomId });
    const position = this.options.position();
    if (position) {
      query.set("since", String(position.since));
      query.set("epoch", position.epoch);
    }
    return `${origin}/chat?${query}`;
  }

  // ---- what comes in ----

  private onText(data: unknown): void {
    if (typeof data !== "string") return;
    clearTimeout(this.silenceTimer);
    const events = readFrame(data);
    for (const event of events) {
      if (event.type === "hello") {
        this.heardHello = true;
        this.heartbeatMs = Math.max(1_000, event.heartbeatMs);
        this.planBeat();
      } else if (event.type === "auth_ok") {
        this.planAuth(event.exp * 1000);
      }
    }
    const generation = this.generation;
    this.options.onEvents(events);
    // The receiver may have reconnected because of what it read: then this connection has no say any more.
    if (generation !== this.generation) return;
    if (this.current.kind !== "live" && events.some((event) => event.type === "synced")) {
      this.liveSinceMs = Date.now();
      this.setStatus({ kind: "live" });
    }
  }

  private async onClose(code: number, reason: string): Promise<void> {
    if (this.liveSinceMs !== null && Date.now() - this.liveSinceMs >= STEADY_MS) this.attempt = 0;
    const refused = !this.heardHello;
    this.drop(1000);
    const generation = this.generation;
    const next = afterClose(code);
    if (next === "stop") return this.giveUp(code, reason);
    if (next === "new_token") this.needsFreshToken = true;
    this.retryLater(next === "wait_10s" ? FLOOD_WAIT_MS : undefined);
    if (!refused || next !== "retry" || !this.options.refusal) return;
    const why = await this.options.refusal();
    if (why && generation === this.generation) this.giveUp(why.code, why.reason);
  }

  private onSignal(signal: "online" | "offline" | "visible"): void {
    if (this.current.kind === "stopped") return;
    if (signal === "offline") {
      this.drop(1000);
      this.waitForNetwork();
    } else if (this.current.kind === "live") {
      this.ping(WAKE_PONG_TIMEOUT_MS);
    } else if (signal === "online" || this.current.kind === "waiting") {
      this.reconnect();
    }
  }

  // ---- trying again ----

  private retryLater(floorMs?: number): void {
    if (!this.signals.isOnline()) {
      this.waitForNetwork();
      return;
    }
    const random = this.options.random ?? Math.random;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.attempt, 10));
    // Full jitter, so that a room's people don't all come back in the same instant.
    const delayMs = (floorMs ?? 0) + random() * ceiling;
    this.attempt += 1;
    this.setStatus({ kind: "waiting", attempt: this.attempt, retryAtMs: Date.now() + delayMs });
    this.retryTimer = setTimeout(() => void this.connect(), delayMs);
  }

  private waitForNetwork(): void {
    this.setStatus({ kind: "offline" });
    this.retryTimer = setTimeout(() => void this.connect(), OFFLINE_RETRY_MS);
  }

  private giveUp(code: number, reason: string): void {
    this.drop(1000);
    this.setStatus({ kind: "stopped", code, reason });
  }

  /** Forgets the present connection and everything planned; closes it without waiting for the other side. */
  private drop(code: number): void {
    this.generation += 1;
    for (const timer of [this.retryTimer, this.beatTimer, this.silenceTimer, this.authTimer])
      clearTimeout(timer);
    const socket = this.socket;
    this.socket = null;
    this.liveSinceMs = null;
    this.heardHello = false;
    if (socket && socket.readyState < 2) socket.close(code);
  }

  private setStatus(status: ConnectionStatus): void {
    this.current = status;
    this.options.onStatus(status);
  }

  // ---- staying alive ----

  private planBeat(): void {
    clearTimeout(this.beatTimer);
    this.beatTimer = setTimeout(() => {
      this.ping(PONG_TIMEOUT_MS);
      this.planBeat();
    }, this.heartbeatMs);
  }

  /** Asks whether anybody is there. Any frame is an answer; none in time means that the socket is dead, whatever it says. */
  private ping(timeoutMs: number): void {
    if (this.socket?.readyState !== 1) return;
    this.socket.send(PING_TEXT);
    clearTimeout(this.silenceTimer);
    const dueMs = Date.now() + timeoutMs;
    this.silenceTimer = setTimeout(() => {
      // Fired far too late: the tab slept, and the answer may be waiting behind this very timer. Ask once more.
      if (Date.now() - dueMs > timeoutMs) this.ping(timeoutMs);
      else void this.onClose(1006, "no answer");
    }, timeoutMs);
  }

  private planAuth(endsMs: number | null): void {
    clearTimeout(this.authTimer);
    if (endsMs === null) return;
    const leftMs = endsMs - Date.now();
    const waitMs = leftMs > 2 * AUTH_AHEAD_MS ? leftMs - AUTH_AHEAD_MS : leftMs / 2;
    if (waitMs <= 0 || waitMs > TIMER_MAX_MS) return;
    this.authTimer = setTimeout(() => void this.sendFreshToken(endsMs), waitMs);
  }

  private async sendFreshToken(endsMs: number): Promise<void> {
    const generation = this.generation;
    try {
      const token = await this.options.getToken({ fresh: true });
      const better = (expiryMs(token) ?? Number.POSITIVE_INFINITY) > endsMs;
      if (generation === this.generation && better) this.send({ type: "auth", token });
    } catch {
      // No new token: the server closes with 4401 in its time, and what follows is decided there.
    }
  }
}
