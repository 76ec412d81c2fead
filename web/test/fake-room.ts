/**
 * Test double of a room that follows the protocol, in memory, and of a network that delays, drops and repeats frames
 * and cuts connections. All randomness comes from one seed.
 */

import type { ClientFrame, LogEvent, Message, MessagePage, ServerEvent } from "@/lib/protocol";
import { ackEvent, errorEvent, hello, message, TOMBSTONE_FIELDS } from "./fake-server";

/** mulberry32: the same seed gives the same sequence. */
export function createRng(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    below: (count: number) => Math.floor(next() * count),
    chance: (part: number) => next() < part,
    pick: <T>(list: T[]): T | undefined => list[Math.floor(next() * list.length)],
  };
}
export type Rng = ReturnType<typeof createRng>;

type Logged = { seq: number; of: string; event: (now: Message) => LogEvent };
export type Deliver = (events: ServerEvent[]) => void;

export class FakeRoom {
  messages: Message[] = [];
  epoch = "e1";
  /** Events up to here cannot be replayed. */
  floor = 0;
  seq = 0;
  private log: Logged[] = [];
  private readonly people = new Map<Deliver, string>();
  private readonly acks = new Map<string, ServerEvent>();

  /** Says that there are older messages than the newest page. */
  private synced(): ServerEvent {
    const hasMoreBefore = this.messages.length > 50;
    return { type: "synced", seq: this.seq, oldestSeq: null, hasMoreBefore };
  }

  join(user: string, since: number | null, epoch: string | null, deliver: Deliver): () => void {
    const start: ServerEvent[] = [
      hello(this.seq, { userId: user, epoch: this.epoch }),
      { type: "online_users", users: ["alice", "bob"] },
      ...this.eventsSince(since, epoch),
      this.synced(),
    ];
    deliver(start);
    this.people.set(deliver, user);
    return () => this.people.delete(deliver);
  }

  private eventsSince(since: number | null, epoch: string | null): ServerEvent[] {
    if (since === null)
      return this.messages.slice(-50).map((item) => ({ type: "new_message", seq: item.seq, message: item }));
    const reason = epoch !== this.epoch ? "epoch" : since < this.floor ? "too_old" : null;
    if (reason) return [{ type: "resync", reason, seq: this.seq, epoch: this.epoch }];
    return this.log
      .filter((item) => item.seq > since)
      .map((item) => item.event(this.find(item.of) as Message));
  }

  /** Handles a frame: the sender gets the ack first, then everybody gets the events. */
  receive(user: string, frame: ClientFrame, deliver: Deliver = () => {}): void {
    const clientId = "clientId" in frame ? frame.clientId : undefined;
    const known = !clientId ? undefined : this.acks.get(`${user} ${clientId}`);
    if (known) {
      deliver([{ ...known, duplicate: true } as ServerEvent]);
      return;
    }
    const done = this.execute(user, frame);
    if (!done) return;
    if (typeof done === "string") {
      deliver([errorEvent(clientId ?? "", done, { ref: frame.type })]);
      return;
    }
    const ack = ackEvent(done.op, clientId ?? "", this.seq - done.events.length + 1, {
      messageId: done.id,
      version: done.version,
    });
    if (done.events.length === 0) {
      delete ack.seq;
      ack.noop = true;
    }
    if (clientId) {
      this.acks.set(`${user} ${clientId}`, ack);
      deliver([ack]);
    }
    for (const [other] of this.people) if (done.events.length > 0) other(done.events);
  }

  private execute(user: string, frame: ClientFrame) {
    switch (frame.type) {
      case "message": {
        const root = frame.threadId ? this.find(frame.threadId) : undefined;
        if (frame.threadId && !root) return "invalid";
        const { clientId = null, threadId = null } = frame;
        const text = { content: frame.content ?? "", alsoToRoom: frame.alsoToRoom ?? false };
        const created = message(this.seq + 1, user, { ...text, clientId, threadId });
        this.messages.push(created);
        const eventOf = (now: Message) => ({ type: "new_message", message: now, clientId: now.clientId });
        const events = [this.write(created.id, eventOf as never)];
        if (root) events.push(this.countReplies(root.id));
        return { op: frame.type, id: created.id, version: 1, events };
      }
      case "reaction": {
        const target = this.findAlive(frame.messageId);
        if (!target) return "message_not_found";
        const others = (target.reactions[frame.emoji] ?? []).filter((item) => item !== user);
        const was = target.reactions[frame.emoji]?.includes(user) ?? false;
        const { id, version } = target;
        if (was === (frame.action === "add")) return { op: frame.type, id, version, events: [] };
        const users = frame.action === "add" ? [...others, user] : others;
        const { [frame.emoji]: _, ...rest } = target.reactions;
        const reactions = users.length === 0 ? rest : { ...rest, [frame.emoji]: users };
        const counts = Object.entries(reactions).map(([emoji, named]) => [emoji, named.length]);
        this.set(id, { reactions, reactionCounts: Object.fromEntries(counts) });
        const eventOf = (now: Message) => ({
          type: "reaction_update",
          messageId: id,
          count: now.reactionCounts[frame.emoji] ?? 0,
          delta: { userId: user, emoji: frame.emoji, action: frame.action },
        });
        return { op: frame.type, id, version, events: [this.write(id, eventOf as never)] };
      }
      case "edit": {
        const target = this.findAlive(frame.messageId);
        if (target?.userId !== user) return "message_not_found";
        const { id, version } = target;
        if (frame.baseVersion && frame.baseVersion !== version) return "version_conflict";
        this.set(id, { content: frame.content, version: version + 1, editedAt: "2026-11-23T13:00:00.000Z" });
        const eventOf = (now: Message) => ({ type: "message_updated", message: now });
        return { op: frame.type, id, version: version + 1, events: [this.write(id, eventOf as never)] };
      }
      case "delete": {
        const target = this.findAlive(frame.messageId);
        if (!target) return "message_not_found";
        const { id, version, threadId } = target;
        this.set(id, TOMBSTONE_FIELDS);
        const eventOf = () => ({ type: "message_deleted", messageId: id, deletedBy: user });
        const events = [this.write(id, eventOf as never)];
        if (threadId !== null) events.push(this.countReplies(threadId));
        return { op: frame.type, id, version, events };
      }
      default:
        return null;
    }
  }

  private countReplies(rootId: string): LogEvent {
    const replies = this.messages.filter((item) => item.threadId === rootId && item.deletedAt === null);
    this.set(rootId, { replyCount: replies.length, lastReplyAt: replies.at(-1)?.createdAt ?? null });
    return this.write(rootId, ((now: Message) => ({
      type: "thread_update",
      threadId: rootId,
      replyCount: now.replyCount,
      lastReplyAt: now.lastReplyAt,
    })) as never);
  }

  /**
   * Appends an event to the log. A replay builds it from the message as it is then; the event as of now is returned.
   */
  private write(of: string, eventOf: (now: Message) => LogEvent): LogEvent {
    this.seq += 1;
    const { seq } = this;
    const event = (now: Message): LogEvent => ({ ...eventOf(now), seq });
    this.log.push({ seq, of, event });
    return event(this.find(of) as Message);
  }

  find(id: string): Message | undefined {
    return this.messages.find((item) => item.id === id);
  }
  private findAlive(id: string): Message | undefined {
    const found = this.find(id);
    return found?.deletedAt === null ? found : undefined;
  }
  private set(id: string, change: Partial<Message>): void {
    this.messages = this.messages.map((item) => (item.id === id ? { ...item, ...change } : item));
  }

  /** Makes older events unavailable for replay; with a new epoch, all of them. */
  trimLog(newLog: boolean): void {
    this.floor = this.seq;
    if (newLog) this.epoch = `e${this.seq}`;
  }

  /** Answers the REST routes that a room client uses. */
  respond(path: string): unknown {
    const url = new URL(path, "http://x");
    const number = (name: string) => Number(url.searchParams.get(name) ?? Number.NaN);
    const limit = number("limit") || 50;
    const thread = /\/threads\/([^/]+)$/.exec(url.pathname)?.[1];
    if (thread !== undefined) {
      const before = number("before") || Number.POSITIVE_INFINITY;
      const all = this.messages.filter((item) => item.threadId === thread && item.seq < before);
      return { root: this.find(thread), replies: all.slice(-limit), hasMoreBefore: all.length > limit };
    }
    const [before, after, around] = [number("before"), number("after"), number("around")];
    let [from, to] = [Math.max(0, this.messages.length - limit), this.messages.length];
    const at = (seq: number) => this.messages.filter((item) => item.seq < seq).length;
    if (before > 0) [from, to] = [Math.max(0, at(before) - limit), at(before)];
    if (after >= 0) [from, to] = [at(after + 1), Math.min(this.messages.length, at(after + 1) + limit)];
    if (around >= 0) {
      from = Math.max(0, at(around) - Math.floor(limit / 2));
      to = Math.min(this.messages.length, from + limit);
    }
    const page: MessagePage = {
      messages: this.messages.slice(from, to),
      hasMoreBefore: from > 0,
      hasMoreAfter: to < this.messages.length,
      lastSeq: this.seq,
      epoch: this.epoch,
    };
    return page;
  }
}

/** Shares of frames that are dropped and repeated, and the longest delay. */
export interface NetworkConditions {
  drop: number;
  repeat: number;
  delayMs: number;
}

/** A `WebSocket` class and a `fetch` over a faulty network. */
export class FakeNetwork {
  conditions: NetworkConditions = { drop: 0, repeat: 0, delayMs: 20 };
  faults = { dropped: 0, repeated: 0, cut: 0, failed: 0 };
  private readonly open = new Set<() => void>();

  constructor(
    private readonly room: FakeRoom,
    private readonly user: string,
    private readonly createRng: Rng,
  ) {}

  /** Closes every connection; frames in transit are lost. */
  cut(): void {
    for (const end of [...this.open]) end();
  }

  fetch = async (path: string | URL | Request): Promise<Response> => {
    await this.wait();
    const answer = JSON.stringify(this.room.respond(String(path)));
    await this.wait();
    if (!this.createRng.chance(this.conditions.drop)) return new Response(answer);
    this.faults.failed += 1;
    throw new TypeError("network");
  };

  private wait(): Promise<void> {
    return new Promise((done) => setTimeout(done, this.createRng.below(this.conditions.delayMs)));
  }

  WebSocket(): typeof WebSocket {
    const network = this;
    return class {
      readyState = 0;
      onmessage: ((event: { data: string }) => void) | null = null;
      onclose: ((event: { code: number; reason: string }) => void) | null = null;
      private leave = () => {};
      /** When the last frame arrives in each direction; frames keep their order. */
      private arrivals = { toClient: 0, toServer: 0 };

      constructor(url: string) {
        const { searchParams } = new URL(url);
        const since = searchParams.get("since");
        network.open.add(this.end);
        this.transfer("toServer", () => {
          this.readyState = 1;
          const position = since === null ? null : Number(since);
          this.leave = network.room.join(network.user, position, searchParams.get("epoch"), this.deliver);
        });
      }
      send(text: string): void {
        const frame: ClientFrame | { type: "ping" } = JSON.parse(text);
        this.transfer("toServer", () => {
          if (frame.type === "ping")
            this.transfer("toClient", () => this.onmessage?.({ data: '{"type":"pong"}' }));
          else network.room.receive(network.user, frame, this.deliver);
        });
      }
      close(): void {
        network.open.delete(this.end);
        this.readyState = 3;
        this.leave();
      }
      private end = (): void => {
        this.close();
        network.faults.cut += 1;
        this.onclose?.({ code: 1006, reason: "" });
      };
      private deliver = (events: ServerEvent[]): void => {
        const isFirst = events[0]?.type === "hello";
        if (!isFirst && network.createRng.chance(network.conditions.drop)) {
          network.faults.dropped += 1;
          return;
        }
        const times = network.createRng.chance(network.conditions.repeat) ? 2 : 1;
        network.faults.repeated += times - 1;
        const data = JSON.stringify(events);
        for (let time = 0; time < times; time++) this.transfer("toClient", () => this.onmessage?.({ data }));
      };
      private transfer(direction: "toClient" | "toServer", then: () => void): void {
        const delayMs = network.createRng.below(network.conditions.delayMs);
        const at = Math.max(Date.now() + delayMs, this.arrivals[direction]);
        this.arrivals[direction] = at;
        setTimeout(() => {
          if (this.readyState !== 3) then();
        }, at - Date.now());
      }
    } as unknown as typeof WebSocket;
  }
}
