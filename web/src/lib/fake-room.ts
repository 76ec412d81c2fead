/**
 * For tests: a room as the contract says, in memory, and a network between it and a client that delays, drops, repeats
 * and cuts. All chance comes from one seed. Never part of the build.
 */
import { ackOf, hello, message, refusal, tombstoned } from "./fake-server";
import type { ClientFrame, LogEvent, Message, MessagePage, ServerEvent } from "./protocol";

/** mulberry32: the same seed gives the same run. */
export function dice(seed: number) {
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
export type Dice = ReturnType<typeof dice>;

type Logged = { seq: number; of: string; event: (now: Message) => LogEvent };
export type Tell = (events: ServerEvent[]) => void;

export class FakeRoom {
  messages: Message[] = [];
  epoch = "e1";
  /** Events up to here can't be replayed. */
  floor = 0;
  seq = 0;
  private log: Logged[] = [];
  private readonly people = new Map<Tell, string>();
  private readonly acks = new Map<string, ServerEvent>();

  join(user: string, since: number | null, epoch: string | null, tell: Tell): () => void {
    const start: ServerEvent[] = [
      hello(this.seq, { userId: user, epoch: this.epoch }),
      { type: "online_users", users: ["alice", "bob"] },
      ...this.missed(since, epoch),
      { type: "synced", seq: this.seq },
    ];
    tell(start);
    this.people.set(tell, user);
    return () => this.people.delete(tell);
  }

  private missed(since: number | null, epoch: string | null): ServerEvent[] {
    if (since === null)
      return this.messages.slice(-50).map((one) => ({ type: "new_message", seq: one.seq, message: one }));
    const reason = epoch !== this.epoch ? "epoch" : since < this.floor ? "too_old" : null;
    if (reason) return [{ type: "resync", reason, seq: this.seq, epoch: this.epoch }];
    return this.log.filter((one) => one.seq > since).map((one) => one.event(this.find(one.of) as Message));
  }

  /** A frame of somebody; what follows goes to everybody, the ack before it to the sender. */
  hears(user: string, frame: ClientFrame, tell: Tell = () => {}): void {
    const clientId = "clientId" in frame ? frame.clientId : undefined;
    const known = !clientId ? undefined : this.acks.get(`${user} ${clientId}`);
    if (known) {
      tell([{ ...known, duplicate: true } as ServerEvent]);
      return;
    }
    const done = this.does(user, frame);
    if (!done) return;
    if (typeof done === "string") {
      tell([refusal(clientId ?? "", done, { ref: frame.type })]);
      return;
    }
    const ack = ackOf(done.op, clientId ?? "", this.seq - done.events.length + 1, {
      ...{ messageId: done.id, version: done.version },
    });
    if (done.events.length === 0) {
      delete ack.seq;
      ack.noop = true;
    }
    if (clientId) {
      this.acks.set(`${user} ${clientId}`, ack);
      tell([ack]);
    }
    for (const [other] of this.people) if (done.events.length > 0) other(done.events);
  }

  private does(user: string, frame: ClientFrame) {
    switch (frame.type) {
      case "message": {
        const root = frame.threadId ? this.find(frame.threadId) : undefined;
        if (frame.threadId && !root) return "invalid";
        const { clientId = null, threadId = null } = frame;
        const text = { content: frame.content ?? "", alsoToRoom: frame.alsoToRoom ?? false };
        const made = message(this.seq + 1, user, { ...text, clientId, threadId });
        this.messages.push(made);
        const told = (now: Message) => ({ type: "new_message", message: now, clientId: now.clientId });
        const events = [this.write(made.id, told as never)];
        if (root) events.push(this.recount(root.id));
        return { op: frame.type, id: made.id, version: 1, events };
      }
      case "reaction": {
        const target = this.alive(frame.messageId);
        if (!target) return "message_not_found";
        const others = (target.reactions[frame.emoji] ?? []).filter((one) => one !== user);
        const was = target.reactions[frame.emoji]?.includes(user) ?? false;
        const { id, version } = target;
        if (was === (frame.action === "add")) return { op: frame.type, id, version, events: [] };
        const users = frame.action === "add" ? [...others, user] : others;
        const { [frame.emoji]: _, ...rest } = target.reactions;
        this.set(id, { reactions: users.length === 0 ? rest : { ...rest, [frame.emoji]: users } });
        const told = (now: Message) => ({ type: "reaction_update", messageId: id, reactions: now.reactions });
        return { op: frame.type, id, version, events: [this.write(id, told as never)] };
      }
      case "edit": {
        const target = this.alive(frame.messageId);
        if (target?.userId !== user) return "message_not_found";
        const { id, version } = target;
        if (frame.baseVersion && frame.baseVersion !== version) return "version_conflict";
        this.set(id, { content: frame.content, version: version + 1, editedAt: "2026-11-23T13:00:00.000Z" });
        const told = (now: Message) => ({ type: "message_updated", message: now });
        return { op: frame.type, id, version: version + 1, events: [this.write(id, told as never)] };
      }
      case "delete": {
        const target = this.alive(frame.messageId);
        if (!target) return "message_not_found";
        const { id, version, threadId } = target;
        this.set(id, tombstoned);
        const told = () => ({ type: "message_deleted", messageId: id, deletedBy: user });
        const events = [this.write(id, told as never)];
        if (threadId !== null) events.push(this.recount(threadId));
        return { op: frame.type, id, version, events };
      }
      default:
        return null;
    }
  }

  private recount(rootId: string): LogEvent {
    const replies = this.messages.filter((one) => one.threadId === rootId && one.deletedAt === null);
    this.set(rootId, { replyCount: replies.length, lastReplyAt: replies.at(-1)?.createdAt ?? null });
    return this.write(rootId, ((now: Message) => ({
      ...{ type: "thread_update", threadId: rootId, replyCount: now.replyCount },
      lastReplyAt: now.lastReplyAt,
    })) as never);
  }

  /** The next place in the log. A replay shows what the message is then; the event as it is told now is returned. */
  private write(of: string, told: (now: Message) => LogEvent): LogEvent {
    this.seq += 1;
    const { seq } = this;
    const event = (now: Message): LogEvent => ({ ...told(now), seq });
    this.log.push({ seq, of, event });
    return event(this.find(of) as Message);
  }

  find(id: string): Message | undefined {
    return this.messages.find((one) => one.id === id);
  }
  private alive(id: string): Message | undefined {
    const found = this.find(id);
    return found?.deletedAt === null ? found : undefined;
  }
  private set(id: string, change: Partial<Message>): void {
    this.messages = this.messages.map((one) => (one.id === id ? { ...one, ...change } : one));
  }

  /** Nothing before now can be replayed any more; with another epoch, nothing at all. */
  forgets(newLog: boolean): void {
    this.floor = this.seq;
    if (newLog) this.epoch = `e${this.seq}`;
  }

  /** The routes that a room's client asks. */
  answers(path: string): unknown {
    const url = new URL(path, "http://x");
    const number = (name: string) => Number(url.searchParams.get(name) ?? Number.NaN);
    const limit = number("limit") || 50;
    const thread = /\/threads\/([^/]+)$/.exec(url.pathname)?.[1];
    if (thread !== undefined) {
      const before = number("before") || Number.POSITIVE_INFINITY;
      const all = this.messages.filter((one) => one.threadId === thread && one.seq < before);
      return { root: this.find(thread), replies: all.slice(-limit), hasMoreBefore: all.length > limit };
    }
    const [before, after, around] = [number("before"), number("after"), number("around")];
    let [from, to] = [Math.max(0, this.messages.length - limit), this.messages.length];
    const at = (seq: number) => this.messages.filter((one) => one.seq < seq).length;
    if (before > 0) [from, to] = [Math.max(0, at(before) - limit), at(before)];
    if (after >= 0) [from, to] = [at(after + 1), Math.min(this.messages.length, at(after + 1) + limit)];
    if (around >= 0) {
      from = Math.max(0, at(around) - Math.floor(limit / 2));
      to = Math.min(this.messages.length, from + limit);
    }
    const page: MessagePage = {
      messages: this.messages.slice(from, to),
      ...{ hasMoreBefore: from > 0, hasMoreAfter: to < this.messages.length },
      ...{ lastSeq: this.seq, epoch: this.epoch },
    };
    return page;
  }
}

/** How bad the network is: the part of frames that are dropped, repeated, and the longest delay. */
export interface Weather {
  drop: number;
  repeat: number;
  delayMs: number;
}

/** A `WebSocket` and a `fetch` over such a network. */
export class FakeNetwork {
  weather: Weather = { drop: 0, repeat: 0, delayMs: 20 };
  faults = { dropped: 0, repeated: 0, cut: 0, failed: 0 };
  private readonly open = new Set<() => void>();

  constructor(
    private readonly room: FakeRoom,
    private readonly user: string,
    private readonly dice: Dice,
  ) {}

  /** Every connection ends; what is under way is lost. */
  cut(): void {
    for (const end of [...this.open]) end();
  }

  fetch = async (path: string | URL | Request): Promise<Response> => {
    await this.wait();
    const answer = JSON.stringify(this.room.answers(String(path)));
    await this.wait();
    if (!this.dice.chance(this.weather.drop)) return new Response(answer);
    this.faults.failed += 1;
    throw new TypeError("network");
  };

  private wait(): Promise<void> {
    return new Promise((done) => setTimeout(done, this.dice.below(this.weather.delayMs)));
  }

  WebSocket(): typeof WebSocket {
    const network = this;
    return class {
      readyState = 0;
      onmessage: ((event: { data: string }) => void) | null = null;
      onclose: ((event: { code: number; reason: string }) => void) | null = null;
      private leave = () => {};
      /** When the last frame arrives, each way: none overtakes another. */
      private arrivals = { here: 0, there: 0 };

      constructor(url: string) {
        const { searchParams } = new URL(url);
        const since = searchParams.get("since");
        network.open.add(this.end);
        this.carry("there", () => {
          this.readyState = 1;
          const position = since === null ? null : Number(since);
          this.leave = network.room.join(network.user, position, searchParams.get("epoch"), this.tell);
        });
      }
      send(text: string): void {
        const frame: ClientFrame | { type: "ping" } = JSON.parse(text);
        this.carry("there", () => {
          if (frame.type === "ping") this.carry("here", () => this.onmessage?.({ data: '{"type":"pong"}' }));
          else network.room.hears(network.user, frame, this.tell);
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
      private tell = (events: ServerEvent[]): void => {
        const isFirst = events[0]?.type === "hello";
        if (!isFirst && network.dice.chance(network.weather.drop)) {
          network.faults.dropped += 1;
          return;
        }
        const times = network.dice.chance(network.weather.repeat) ? 2 : 1;
        network.faults.repeated += times - 1;
        const data = JSON.stringify(events);
        for (let time = 0; time < times; time++) this.carry("here", () => this.onmessage?.({ data }));
      };
      private carry(where: "here" | "there", then: () => void): void {
        const delayMs = network.dice.below(network.weather.delayMs);
        const at = Math.max(Date.now() + delayMs, this.arrivals[where]);
        this.arrivals[where] = at;
        setTimeout(() => {
          if (this.readyState !== 3) then();
        }, at - Date.now());
      }
    } as unknown as typeof WebSocket;
  }
}
