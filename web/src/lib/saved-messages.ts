/**
 * The messages that the user has saved for later: which of those that were seen are saved, live by the inbox. The list
 * itself is read in pages (`list`), whose messages are as they are now.
 * Not here: what the app stores of what was seen last, which is saved-view.ts.
 */
import type { ChatApi } from "./api";
import type { InboxEvent } from "./protocol";

export class SavedMessages {
  /** Room by message. It is replaced, never changed. `null`: nobody has asked for it yet. */
  private saved: ReadonlyMap<string, string> | null = null;
  private loading: Promise<void> | null = null;
  /** What has changed since the loading began counts more than what it brings. */
  private changed = new Map<string, boolean>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly api: Pick<ChatApi, "saveMessage" | "unsaveMessage" | "listSaved">) {}

  /** The ids of saved messages, each with its room; `null`: not known yet. */
  getSnapshot = (): ReadonlyMap<string, string> | null => this.saved;

  /** Calls `listener` when something was saved or unsaved, and loads what is saved if nobody has. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.saved === null) void this.load();
    return () => this.listeners.delete(listener);
  };

  async save(roomId: string, messageId: string): Promise<void> {
    await this.api.saveMessage(roomId, messageId);
    this.put(roomId, messageId, true);
  }

  async unsave(roomId: string, messageId: string): Promise<void> {
    await this.api.unsaveMessage(roomId, messageId);
    this.put(roomId, messageId, false);
  }

  /** A page of them, the one saved last first. */
  list(cursor?: string, signal?: AbortSignal) {
    return this.api.listSaved(cursor, signal);
  }

  receive(events: InboxEvent[]): void {
    for (const event of events) {
      if (event.type === "saved") this.put(event.roomId, event.messageId, event.saved);
      // The connection begins anew: what it missed, nobody tells.
      if (event.type === "rooms" && this.saved !== null) void this.load();
    }
  }

  private put(roomId: string, messageId: string, isSaved: boolean): void {
    this.changed.set(messageId, isSaved);
    if (this.saved === null || this.saved.has(messageId) === isSaved) return;
    const saved = new Map(this.saved);
    if (isSaved) saved.set(messageId, roomId);
    else saved.delete(messageId);
    this.replace(saved);
  }

  private load(): Promise<void> {
    this.loading ??= this.loadPages().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  private async loadPages(): Promise<void> {
    this.changed = new Map();
    const saved = new Map<string, string>();
    try {
      // Marks are of messages that somebody looks at: of a longer list the older ones appear without.
      let cursor: string | null | undefined;
      for (let page = 0; page < PAGES_MAX && cursor !== null; page += 1) {
        const { messages, nextCursor } = await this.api.listSaved(cursor ?? undefined);
        for (const message of messages) saved.set(message.id, message.roomId);
        cursor = nextCursor;
      }
    } catch {
      // Whoever subscribes next asks again.
      return;
    }
    for (const [messageId, isSaved] of this.changed) {
      if (!isSaved) saved.delete(messageId);
      else if (!saved.has(messageId)) saved.set(messageId, this.saved?.get(messageId) ?? "");
    }
    this.replace(saved);
  }

  private replace(saved: ReadonlyMap<string, string>): void {
    this.saved = saved;
    for (const listener of this.listeners) listener();
  }
}

/** Pages of 100 that are loaded for the marks: the newest 1,000 saved messages. */
const PAGES_MAX = 10;
