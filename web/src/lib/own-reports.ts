/**
 * What became of the user's reports: each outcome is shown once, in a browser that knows of the report. This stores the
 * reports that have none yet; while there are none, nobody asks the server.
 * Not here: the whole list, which is read in pages (`list`).
 */
import type { ChatApi } from "./api";
import type { OwnReport } from "./protocol";

/** The server is asked at the start of the page, and at most this often when somebody returns to it. */
const ASK_EVERY_MS = 300_000;
/** A report without an outcome is forgotten after this: moderators have left it. */
const KEEP_MS = 90 * 86_400_000;
/** Of a longer list the oldest are forgotten. A person makes at most 100 reports a day. */
const OPEN_MAX = 200;
/** Pages of 100 in which the reports are looked for. */
const PAGES_MAX = 3;

interface OpenReport {
  roomId: string;
  messageId: string;
  atMs: number;
}

export interface OwnReportsOptions {
  /** Separates the people and tenants that share a browser. */
  account: string;
  storage?: Storage | undefined;
  now?: () => number;
}

export class OwnReports {
  /** It is replaced, never changed. */
  private outcomes: OwnReport[] = [];
  private askedAtMs = Number.NEGATIVE_INFINITY;
  private readonly listeners = new Set<() => void>();
  private readonly now: () => number;

  constructor(
    private readonly api: Pick<ChatApi, "report" | "listOwnReports">,
    private readonly options: OwnReportsOptions,
  ) {
    this.now = options.now ?? Date.now;
  }

  /** The reports that have got an outcome, until they are dismissed. */
  getSnapshot = (): OwnReport[] => this.outcomes;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  async report(roomId: string, messageId: string, reason: string): Promise<void> {
    await this.api.report(roomId, messageId, reason);
    this.remember([{ roomId, messageId, atMs: this.now() }]);
  }

  /** A page of all own reports, the newest first. Who sees it needs no other news of what it says. */
  async list(cursor?: string) {
    const page = await this.api.listOwnReports(cursor);
    const open = page.reports.filter(({ state }) => state === "open");
    this.remember(open.map(({ roomId, messageId, at }) => ({ roomId, messageId, atMs: Date.parse(at) })));
    this.take(page.reports.filter(({ state }) => state !== "open"));
    this.show(this.outcomes.filter((shown) => page.reports.every(({ id }) => id !== shown.id)));
    return page;
  }

  /** Asks what became of the open reports, if there are any and nobody has asked lately. */
  async check(): Promise<void> {
    if (this.now() - this.askedAtMs < ASK_EVERY_MS || this.open().length === 0) return;
    this.askedAtMs = this.now();
    try {
      const missing = new Set(this.open().map(keyOf));
      let cursor: string | null | undefined;
      for (let page = 0; page < PAGES_MAX && missing.size > 0 && cursor !== null; page += 1) {
        const { reports, nextCursor } = await this.api.listOwnReports(cursor ?? undefined);
        const news = this.take(reports.filter(({ state }) => state !== "open"));
        if (news.length > 0) this.show([...this.outcomes, ...news]);
        for (const report of reports) missing.delete(keyOf(report));
        cursor = nextCursor;
      }
    } catch {
      // The next return to the page asks again.
    }
  }

  dismiss(): void {
    this.show([]);
  }

  /** Of these reports with an outcome, those that nobody has shown yet, in whatever tab; from now on they are known. */
  private take(decided: OwnReport[]): OwnReport[] {
    const keys = new Set(decided.map(keyOf));
    const open = this.open();
    const wasOpen = new Set(open.map(keyOf));
    if (open.some((report) => keys.has(keyOf(report))))
      this.store(open.filter((report) => !keys.has(keyOf(report))));
    return decided.filter((report) => wasOpen.has(keyOf(report)));
  }

  private remember(reports: OpenReport[]): void {
    if (reports.length === 0) return;
    const added = new Set(reports.map(keyOf));
    this.store([...this.open().filter((report) => !added.has(keyOf(report))), ...reports]);
  }

  private show(outcomes: OwnReport[]): void {
    if (outcomes.length === this.outcomes.length && outcomes.every((one, at) => one === this.outcomes[at]))
      return;
    this.outcomes = outcomes;
    for (const listener of this.listeners) listener();
  }

  private get key(): string {
    return `chinwag.reports.${this.options.account}`;
  }

  /** Read each time: other tabs write it too. */
  private open(): OpenReport[] {
    try {
      const stored: unknown = JSON.parse(this.options.storage?.getItem(this.key) ?? "[]");
      if (!Array.isArray(stored)) return [];
      return stored.filter((one: OpenReport) => one && this.now() - one.atMs < KEEP_MS);
    } catch {
      return []; // Storage may be disabled; then the list is the only way to learn of an outcome.
    }
  }

  private store(reports: OpenReport[]): void {
    try {
      if (reports.length === 0) this.options.storage?.removeItem(this.key);
      else this.options.storage?.setItem(this.key, JSON.stringify(reports.slice(-OPEN_MAX)));
    } catch {
      // See above.
    }
  }
}

const keyOf = ({ roomId, messageId }: { roomId: string; messageId: string }): string =>
  `${roomId} ${messageId}`;
