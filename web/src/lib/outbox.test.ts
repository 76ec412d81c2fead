import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import { type Deliver, FakeRoom } from "../../test/fake-room";
import { FakeSignals } from "../../test/fake-server";
import { ChatApi } from "./api";
import { browserOutbox } from "./outbox";
import type { ClientFrame } from "./protocol";
import { RoomClient } from "./room-client";
import { newOutgoing, type Op } from "./room-outgoing";

/** The part of the Web Locks API that the outbox uses. `crash` releases the locks of a tab. */
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

const deliver = (content: string): Op => ({
  type: "message",
  content,
  attachments: [],
  threadId: null,
  replyToId: null,
  alsoToRoom: false,
});
const contents = (list: { op: Op }[]) => list.map(({ op }) => (op.type === "message" ? op.content : op.type));
let accounts = 0;
const account = () => `person ${accounts++}`;
const asLocks = (locks: FakeLocks) => ({ locks: locks as unknown as LockManager, now: () => 10 });

test("the entries of a crashed tab are taken over once, in order, under their ids; those of a live tab are not", async () => {
  const [who, locks] = [account(), new FakeLocks()];
  const first = browserOutbox(who, asLocks(locks));
  await first.adopt("r");
  first.put("r", newOutgoing("c2", deliver("second"), 2));
  first.put("r", newOutgoing("c1", deliver("first"), 1));
  first.put("other", newOutgoing("c3", deliver("elsewhere"), 3));
  first.put("r", newOutgoing("c4", deliver("confirmed"), 4));
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

test("accounts are separate", async () => {
  const mine = browserOutbox(account(), { locks: undefined });
  mine.put("r", newOutgoing("x1", deliver("mine"), 1));
  await mine.adopt("r");
  expect(await browserOutbox(account(), { locks: undefined }).adopt("r")).toEqual([]);
});

test("an entry older than the server's dedupe window is not sent automatically", async () => {
  const who = account();
  const day = 24 * 3_600_000;
  const outbox = browserOutbox(who, { locks: undefined, now: () => 10 * day });
  outbox.put("r", newOutgoing("o1", deliver("old"), 3 * day));
  outbox.put("r", newOutgoing("o2", deliver("new"), 9 * day));
  expect(await outbox.adopt("r")).toMatchObject([
    { status: "failed", error: { code: "too_old" } },
    { status: "sending", error: null },
  ]);
});

/** A client that is connected to the room, or to nothing if offline. */
function tab(room: FakeRoom, who: string, online: boolean, locks?: FakeLocks) {
  class Socket {
    readyState = 0;
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose = null;
    private readonly deliver: Deliver = (events) =>
      queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(events) }));
    constructor(url: string) {
      const since = new URL(url).searchParams.get("since");
      if (!online) return;
      this.readyState = 1;
      room.join("alice", since === null ? null : Number(since), "e1", this.deliver);
    }
    send(text: string): void {
      const frame = JSON.parse(text) as ClientFrame | { type: "ping" };
      if (frame.type !== "ping") room.receive("alice", frame, this.deliver);
    }
    close(): void {}
  }
  const api = new ChatApi(async () => "t");
  return new RoomClient({
    roomId: "r",
    userId: "alice",
    api,
    getToken: async () => "t",
    outbox: browserOutbox(who, { locks: locks as unknown as LockManager | undefined }),
    socket: {
      WebSocket: Socket as unknown as typeof WebSocket,
      signals: new FakeSignals(),
      origin: "ws://x",
    },
  });
}
const moment = () => new Promise((done) => setTimeout(done, 60));

test("after a crash the next tab sends the messages once", async () => {
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
  await vi.waitFor(() => expect(room.messages.map((item) => item.content)).toEqual(["one", "two"]));
  await moment();
  expect(second.getSnapshot().state.outgoing).toEqual([]);
  second.stop();
  const third = tab(room, who, true, locks);
  third.start();
  await moment();
  expect(room.messages).toHaveLength(2);
});

test("without Web Locks two tabs send the same message, and it is applied once", async () => {
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
  expect(room.messages.map((item) => item.content)).toEqual(["one"]);
  for (const item of [second, third]) expect(item.getSnapshot().state.outgoing).toEqual([]);
});
