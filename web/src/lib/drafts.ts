/**
 * Drafts: unsent text of rooms and threads. The inbox has their truth, and tells it to all devices; what this browser
 * stores is a copy for when it is offline. Of two writers the higher `rev` wins: the time of the change, or one more than
 * that of the draft before it.
 */
import type { InboxEvent } from "./protocol";

export interface Draft {
  roomId: string;
  /** The root's id; `null`: in the room. */
  threadId: string | null;
  text: string;
  rev: number;
}

export type DraftFrame = { type: "draft" } & Draft;

export interface DraftsOptions {
  userId: string;
  /** Hands a frame to the inbox; false: it is not connected. Only the inbox's event confirms it. */
  send: (frame: DraftFrame) => boolean;
  storage?: Storage | undefined;
}

interface Known extends Draft {
  /** The newest `rev` that the inbox has confirmed. */
  confirmed: number;
}

/** The interval at which a draft is stored and sent while somebody types. */
const SAVE_AFTER_MS = 300;
const SEND_AFTER_MS = 500;
/** The contract's limit of a message. */
const TEXT_MAX = 4_000;

export class Drafts {
  private readonly known = new Map<string, Known>();
  private readonly listeners = new Set<() => void>();
  private readonly unsaved = new Set<string>();
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private sendTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: DraftsOptions) {
    this.load();
    // The page goes, or its tab is put to sleep. Node has no such event.
    globalThis.addEventListener?.("pagehide", this.save);
  }

  get(roomId: string, threadId: string | null = null): string {
    return this.known.get(keyOf(roomId, threadId))?.text ?? "";
  }

  /** All that have a text. */
  all(): Draft[] {
    return [...this.known.values()]
      .filter(({ text }) => text !== "")
      .map(({ roomId, threadId, text, rev }) => ({ roomId, threadId, text, rev }));
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The empty text: sent, or cleared. That is sent at once, so that no other device offers it again. */
  write(roomId: string, threadId: string | null, text: string): void {
    const before = this.known.get(keyOf(roomId, threadId));
    if (text === (before?.text ?? "")) return;
    const rev = Math.max(Date.now(), (before?.rev ?? 0) + 1);
    this.set({ roomId, threadId, text, rev, confirmed: before?.confirmed ?? 0 });
    if (text === "") this.sendAll();
    else this.sendTimer ??= setTimeout(() => this.sendAll(), SEND_AFTER_MS);
  }

  /** The inbox is connected: it gets what it has not confirmed. */
  sendAll = (): void => {
    clearTimeout(this.sendTimer);
    this.sendTimer = undefined;
    for (const { confirmed, roomId, threadId, text, rev } of this.known.values()) {
      if (rev <= confirmed || [...text].length > TEXT_MAX) continue;
      if (!this.options.send({ type: "draft", roomId, threadId, text, rev })) return;
    }
  };

  receive(events: InboxEvent[]): void {
    for (const event of events) {
      if (event.type === "draft") this.merge(event);
      else if (event.type === "rooms") this.mergeAll(event.drafts ?? []);
      else if (event.type === "room_removed") this.forgetRoom(event.roomId);
      else if (event.type === "error" && event.ref === "draft" && event.retryable) {
        this.sendTimer ??= setTimeout(this.sendAll, event.retryAfterMs ?? SEND_AFTER_MS);
      }
    }
  }

  /** Stores what has not been stored yet. */
  save = (): void => {
    clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
    for (const key of this.unsaved) this.store(key, this.known.get(key));
    this.unsaved.clear();
  };

  close(): void {
    globalThis.removeEventListener?.("pagehide", this.save);
    clearTimeout(this.sendTimer);
    this.save();
  }

  private mergeAll(drafts: Draft[]): void {
    const kept = new Set(drafts.map(({ roomId, threadId }) => keyOf(roomId, threadId)));
    for (const [key, draft] of this.known) {
      // Another device has cleared it.
      if (!kept.has(key) && draft.text !== "" && draft.confirmed >= draft.rev)
        this.set({ ...draft, text: "" });
    }
    for (const draft of drafts) this.merge(draft);
  }

  private merge({ roomId, threadId, text, rev }: Draft): void {
    const known = this.known.get(keyOf(roomId, threadId));
    if (known && rev < known.rev) known.confirmed = Math.max(known.confirmed, rev);
    else this.set({ roomId, threadId, text, rev, confirmed: rev });
  }

  private forgetRoom(roomId: string): void {
    for (const [key, draft] of this.known) {
      if (draft.roomId !== roomId) continue;
      this.known.delete(key);
      this.unsaved.add(key);
    }
    this.save();
    this.notify();
  }

  private set(draft: Known): void {
    const key = keyOf(draft.roomId, draft.threadId);
    const isChanged = this.known.get(key)?.text !== draft.text;
    this.known.set(key, draft);
    this.unsaved.add(key);
    this.saveTimer ??= setTimeout(this.save, SAVE_AFTER_MS);
    if (isChanged) this.notify();
  }

  private notify(): void {
    for (const listener of this.listeners) listener();
  }

  private prefix(): string {
    return `chinwag.draft.[${JSON.stringify(this.options.userId)},`;
  }

  private load(): void {
    const { storage } = this.options;
    const prefix = this.prefix();
    try {
      for (let at = 0; at < (storage?.length ?? 0); at += 1) {
        const name = storage?.key(at);
        if (!name?.startsWith(prefix)) continue;
        const draft = parse(name, storage?.getItem(name) ?? "");
        if (draft) this.known.set(keyOf(draft.roomId, draft.threadId), draft);
      }
    } catch {
      // Storage may be disabled; then a draft ends with the page.
    }
  }

  private store(key: string, draft: Known | undefined): void {
    const { storage, userId } = this.options;
    const [roomId, threadId] = JSON.parse(key) as [string, string];
    const name = draftKey(userId, roomId, threadId);
    try {
      // A clearing is kept until it is confirmed.
      if (!draft || (draft.text === "" && draft.confirmed >= draft.rev)) storage?.removeItem(name);
      else storage?.setItem(name, JSON.stringify({ text: draft.text, rev: draft.rev }));
    } catch {
      // See above.
    }
  }
}

/** The name under which a draft is stored. */
export const draftKey = (userId: string, roomId: string, threadId = ""): string =>
  `chinwag.draft.${JSON.stringify([userId, roomId, threadId])}`;

const keyOf = (roomId: string, threadId: string | null): string => JSON.stringify([roomId, threadId ?? ""]);

/** What is stored; older pages stored the text alone. */
function parse(name: string, value: string): Known | null {
  try {
    const [, roomId, threadId] = JSON.parse(name.slice("chinwag.draft.".length)) as string[];
    if (typeof roomId !== "string") return null;
    const place = { roomId, threadId: threadId || null, confirmed: 0 };
    const stored: unknown = value.startsWith('{"text":') ? JSON.parse(value) : { text: value, rev: 1 };
    const { text, rev } = stored as { text: unknown; rev: unknown };
    return typeof text === "string" && typeof rev === "number" ? { ...place, text, rev } : null;
  } catch {
    return null;
  }
}
