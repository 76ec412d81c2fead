/**
 * Whether somebody is at this page: input on it is activity, and a page in view without input for long is none. The inbox
 * hears of it seldom, because it counts an activity for ten minutes (PRES-8 of docs/PROTOCOL.md).
 */

/** An activity is sent again after this: half of what it counts for. */
const SEND_EVERY_MS = 300_000;
/** Without input for this long nobody is here. */
const AWAY_AFTER_MS = 600_000;
const INPUTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;

export class Activity {
  private lastMs = Date.now();
  private sentMs = Number.NEGATIVE_INFINITY;

  /** `send`: false if it did not reach the inbox. `page`: absent where there is no page (a bot in Node). */
  constructor(
    private readonly send: (active: boolean) => boolean,
    private readonly page: EventTarget | undefined = globalThis.document,
  ) {}

  start(): void {
    for (const input of INPUTS) this.page?.addEventListener(input, this.onInput, { passive: true });
  }

  stop(): void {
    for (const input of INPUTS) this.page?.removeEventListener(input, this.onInput);
  }

  /** A new connection counts as activity; whoever was not here says so. */
  onConnected(): void {
    this.sentMs = Date.now();
    if (this.page && Date.now() - this.lastMs >= AWAY_AFTER_MS) {
      this.send(false);
      this.sentMs = Number.NEGATIVE_INFINITY;
    }
  }

  private readonly onInput = (): void => {
    this.lastMs = Date.now();
    if (this.lastMs - this.sentMs >= SEND_EVERY_MS && this.send(true)) this.sentMs = this.lastMs;
  };
}
