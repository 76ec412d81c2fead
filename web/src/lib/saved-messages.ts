/**
 * The messages that the user has saved for later: which of those that were seen are saved, live by the inbox. The list
 * itself is read in pages (`list`), whose messages are as they are now.
 * Not here: what the app stores of what was seen last, which is saved-view.ts.
 */
import type { ChatApi } from "./api";
import type { InboxEvent } from "./protocol";

export class SavedMessages {
  /**
   * Ids of saved messages: the newest page of them, what other pages brought, and what changed since. Saving one that is
   * saved already is no error, so it does no harm that an older one may be missing. It is replaced, never changed.
   */
  private ids: ReadonlySet<string> = new Set();
  /** The newest page was loaded, and the inbox has delivered every change since. */
  private isCurrent = false;
  private loading: Promise<void> | null = null;
  /** What has changed since the loading began counts more than what it brings. */
  private changed = new Map<string, boolean>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly api: Pick<ChatApi, "saveMessage" | "unsaveMessage" | "listSaved">) {}

  getSnapshot = (): ReadonlySet<string> => this.ids;

  /** Calls `listener` when something was saved or unsaved. Asks for the newest page, if what is known may be old. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (!this.isCurrent) this.loading ??= this.load();
    return () => this.listeners.delete(listener);
  };

  async save(roomId: string, messageId: string): Promise<void> {
    await this.api.saveMessage(roomId, messageId);
    this.put(messageId, true);
  }

  async unsave(roomId: string, messageId: string): Promise<void> {
    await this.api.unsaveMessage(roomId, messageId);
    this.put(messageId, false);
  }

  /** A page of them, the one saved last first. */
  async list(cursor?: string) {
    const page = await this.api.listSaved(cursor);
    const kept = page.messages.filter(({ id }) => this.changed.get(id) !== false);
    this.replace([...this.ids, ...kept.map(({ id }) => id)]);
    return page;
  }

  receive(events: InboxEvent[]): void {
    for (const event of events) {
      if (event.type === "saved") this.put(event.messageId, event.saved);
      // The connection begins anew: what it missed, nobody tells. Whoever looks next asks again.
      if (event.type === "rooms") this.isCurrent = false;
    }
  }

  private put(messageId: string, isSaved: boolean): void {
    this.changed.set(messageId, isSaved);
    if (this.ids.has(messageId) === isSaved) return;
    this.replace(isSaved ? [...this.ids, messageId] : [...this.ids].filter((id) => id !== messageId));
  }

  private async load(): Promise<void> {
    this.changed = new Map();
    this.isCurrent = true;
    try {
      const { messages } = await this.api.listSaved();
      const ids = new Set(messages.map(({ id }) => id));
      for (const [id, isSaved] of this.changed) {
        if (isSaved) ids.add(id);
        else ids.delete(id);
      }
      this.replace(ids);
    } catch {
      // Whoever looks next asks again.
      this.isCurrent = false;
    } finally {
      this.loading = null;
    }
  }

  private replace(ids: Iterable<string>): void {
    this.ids = new Set(ids);
    for (const listener of this.listeners) listener();
  }
}
