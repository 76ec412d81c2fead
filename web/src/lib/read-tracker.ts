/**
 * Decides how far a person has read. A message counts as seen after it was in sight for half a second without a break.
 * The read marker moves over messages that were seen, in order, and stops before the first one that was not. Pure: what
 * is in sight, and the time, are arguments.
 */
import type { Message } from "./protocol";

/** How long a message must be in sight. */
export const DWELL_MS = 500;

export class ReadTracker {
  /** Since when each message (by seq) is in sight. */
  private readonly visibleSinceMs = new Map<number, number>();
  private readonly seen = new Set<number>();

  /** These messages are in sight from `nowMs` on, and no others. An empty list is what leaving means. */
  setVisible(seqs: number[], nowMs: number): void {
    this.advance(nowMs);
    const visible = new Set(seqs);
    for (const seq of this.visibleSinceMs.keys()) if (!visible.has(seq)) this.visibleSinceMs.delete(seq);
    for (const seq of visible) {
      if (!this.seen.has(seq) && !this.visibleSinceMs.has(seq)) this.visibleSinceMs.set(seq, nowMs);
    }
  }

  advance(nowMs: number): void {
    for (const [seq, sinceMs] of this.visibleSinceMs) {
      if (nowMs - sinceMs < DWELL_MS) continue;
      this.visibleSinceMs.delete(seq);
      this.seen.add(seq);
    }
  }

  /** When the next message in sight becomes seen; `null`: none is waiting. */
  nextMs(): number | null {
    return this.visibleSinceMs.size === 0 ? null : Math.min(...this.visibleSinceMs.values()) + DWELL_MS;
  }

  isSeen = (seq: number): boolean => this.seen.has(seq);
}

interface Stretch {
  /** The messages that are loaded without a gap, ascending by seq. */
  messages: Pick<Message, "seq" | "userId" | "deletedAt">[];
  /** Whether older messages exist that are not loaded. */
  hasBefore: boolean;
  me: string;
  lastReadSeq: number;
}

/** The seq up to which everything was seen; `lastReadSeq` if the marker cannot move. My own messages count as seen. */
export function seenUpTo(
  { messages, hasBefore, me, lastReadSeq }: Stretch,
  isSeen: (seq: number) => boolean,
): number {
  const first = messages.find(({ seq }) => seq > 0);
  if (!first || (hasBefore && first.seq > lastReadSeq + 1)) return lastReadSeq;
  let upTo = lastReadSeq;
  for (const { seq, userId, deletedAt } of messages) {
    if (seq <= upTo) continue;
    if (userId !== me && deletedAt === null && !isSeen(seq)) break;
    upTo = seq;
  }
  return upTo;
}
