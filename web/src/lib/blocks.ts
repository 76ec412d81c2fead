/** Whom the user has blocked: one list a client, asked for when somebody looks, and kept. */
import type { ChatApi } from "./api";

/** What another device has changed shows after this, the next time that somebody looks. */
const STALE_MS = 600_000;

export class Blocks {
  /** `null`: not known yet. It is replaced, never changed. */
  private ids: ReadonlySet<string> | null = null;
  private askedAtMs = Number.NEGATIVE_INFINITY;
  /** Own changes: an answer that was asked for before one of them is old. */
  private changes = 0;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly api: Pick<ChatApi, "blocks" | "setBlock">) {}

  getSnapshot = (): ReadonlySet<string> | null => this.ids;

  /** Calls `listener` when the list changes, and asks for it unless it is fresh. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (Date.now() - this.askedAtMs >= STALE_MS) void this.load();
    return () => this.listeners.delete(listener);
  };

  async set(userId: string, isBlocked: boolean): Promise<void> {
    this.changes += 1;
    await this.api.setBlock(userId, isBlocked);
    this.changes += 1;
    if (this.ids === null) return;
    const ids = new Set(this.ids);
    if (isBlocked) ids.add(userId);
    else ids.delete(userId);
    this.replace(ids);
  }

  private async load(): Promise<void> {
    this.askedAtMs = Date.now();
    const before = this.changes;
    try {
      const { people } = await this.api.blocks();
      if (this.changes === before) this.replace(new Set(people.map(({ userId }) => userId)));
      else await this.load();
    } catch {
      // Without an answer there is nothing to offer; whoever looks next asks again.
      this.askedAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  private replace(ids: ReadonlySet<string>): void {
    this.ids = ids;
    for (const listener of this.listeners) listener();
  }
}
