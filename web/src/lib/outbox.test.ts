import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import { ChatApi } from "./api";
import { FakeRoom, type Tell } from "./fake-room";
import { FakeSignals } from "./fake-server";
import { browserOutbox } from "./outbox";
import type { ClientFrame } from "./protocol";
import { RoomClient } from "./room-client";
import { newOutgoing, type Op } from "./room-outgoing";

/** The part of the Web Locks API that is used: exclusive locks, held until their work ends or their tab "crashes". */
class FakeLocks {
  private readonly queues = new Map<string, Promise<unknown>>();
  readonly held = new Set<string>();

  request = (name: string, work: () => Promise<unknown>): Promise<unknown> => {
    const before = this.queues.get(name) ?? Promise.resolve();
    const run = before.then(async () => {
      this.held.add(name);
      try {
        return await work();
      } finally {
        this.held.delete(name);
      }
    });
    this.queues.set(
      name,
      run.catch(() => {}),
    );
    return run;
  };
  query = async () => ({ held: [...this.held].map((name) => ({ name })) });
  crash(): void {
    for (const name of [...this.held]) if (name.startsWith("chinwag.tab.")) this.held.delete(name);
  }
}

const says = (content: string): Op => ({
  ...{ type: "message", content, attachments: [], threadId: null, replyToId: null, alsoToRoom: false },
});
const contents = (list: { op: Op }[]) => list.map(({ op }) => (op.type === "message" ? op.content : op.type));
let accounts = 0;
const account = () => `person ${accounts++}`;
const asLocks = (locks: FakeLocks) => ({ locks: locks as unknown as LockManager, now: () => 10 });

test("what a crashed tab left is taken over once, in order, under its ids; a living tab's isn't", async () => {
  const [who, locks] = [account(), new FakeLocks()];
  const first = browserOutbox(who, asLocks(locks));
  await first.adopt("r");
  first.put("r", newOutgoing("c2", says("second"), 2));
  first.put("r", newOutgoing("c1", says("first"), 1));
  first.put("other", newOutgoing("c3", says("elsewhere"), 3));
  first.put("r", newOutgoing("c4", says("confirmed"), 4));
  first.remove("c4");
  expect(contents(await first.adopt("r"))).toEqual(["first", "second"]);

  const second = browserOutbox(who, asLocks(locks));
  expect(await second.adopt("r")).toEqual([]);
  locks.crash();
  const third = browserOutbox(who, asLocks(locks));
  const adopted = await third.adopt("r");
  expect(adopted).toMatchObject([
    { clientId: "c1", status: "sending", sentAtMs: null },
    { clientId: "c2", status: "sending", sentAtMs: null },
  ]);
  expect(await browserOutbox(who, asLocks(locks)).adopt("r")).toEqual([]);
  expect(contents(await third.adopt("other"))).toEqual(["elsewhere"]);
});

test("one account sees nothing of another's", async () => {
  const mine = browserOutbox(account(), { locks: undefined });
  mine.put("r", newOutgoing("x1", says("mine"), 1));
  await mine.adopt("r");
  expect(await browserOutbox(account(), { locks: undefined }).adopt("r")).toEqual([]);
});

test("what is older than the server's memory isn't sent again unasked", async () => {
  const who = account();
  const day = 24 * 3_600_000;
  const outbox = browserOutbox(who, { locks: undefined, now: () => 10 * day });
  outbox.put("r", newOutgoing("o1", says("old"), 3 * day));
  outbox.put("r", newOutgoing("o2", says("new"), 9 * day));
  expect(await outbox.adopt("r")).toMatchObject([
    { status: "failed", error: { code: "too_old" } },
    { status: "sending", error: null },
  ]);
});

/** A client whose connection reaches the room, or (offline) nothing. */
function tab(room: FakeRoom, who: string, online: boolean, locks?: FakeLocks) {
  class Socket {
    readyState = 0;
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose = null;
    private readonly tell: Tell = (events) =>
      queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(events) }));
    constructor(url: string) {
      const since = new URL(url).searchParams.get("since");
      if (!online) return;
      this.readyState = 1;
      room.join("alice", since === null ? null : Number(since), "e1", this.tell);
    }
    send(text: string): void {
      const frame = JSON.parse(text) as ClientFrame | { type: "ping" };
      if (frame.type !== "ping") room.hears("alice", frame, this.tell);
    }
    close(): void {}
  }
  const api = new ChatApi(async () => "t");
  return new RoomClient({
    ...{ roomId: "r", userId: "alice", api, getToken: async () => "t" },
    outbox: browserOutbox(who, { locks: locks as unknown as LockManager | undefined }),
    socket: {
      WebSocket: Socket as unknown as typeof WebSocket,
      signals: new FakeSignals(),
      origin: "ws://x",
    },
  });
}
const moment = () => new Promise((done) => setTimeout(done, 60));

test("a tab that crashes with messages in it: the next one sends them, once", async () => {
  const [who, room, locks] = [account(), new FakeRoom(), new FakeLocks()];
  const first = tab(room, who, false, locks);
  first.start();
  await moment();
  first.sendMessage("one");
  first.sendMessage("two");
  await moment();
  expect(room.messages).toEqual([]);
  locks.crash();

  const second = tab(room, who, true, locks);
  second.start();
  await vi.waitFor(() => expect(room.messages.map((one) => one.content)).toEqual(["one", "two"]));
  await moment();
  expect(second.getSnapshot().state.outgoing).toEqual([]);
  second.stop();
  const third = tab(room, who, true, locks);
  third.start();
  await moment();
  expect(room.messages).toHaveLength(2);
});

test("without Web Locks two tabs send the same: it is once all the same", async () => {
  const [who, room] = [account(), new FakeRoom()];
  const first = tab(room, who, false);
  first.start();
  await moment();
  first.sendMessage("one");
  await moment();
  const [second, third] = [tab(room, who, true), tab(room, who, true)];
  second.start();
  third.start();
  await vi.waitFor(() => expect(room.messages).toHaveLength(1));
  await moment();
  expect(room.messages.map((one) => one.content)).toEqual(["one"]);
  for (const one of [second, third]) expect(one.getSnapshot().state.outgoing).toEqual([]);
});
