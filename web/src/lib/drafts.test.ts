/** Drafts: the higher rev wins on each device, what was written offline is sent, and what was cleared does not return. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Draft, type DraftFrame, Drafts, draftKey } from "./drafts";
import type { InboxEvent } from "./protocol";

class FakeStorage {
  readonly items = new Map<string, string>();
  get length() {
    return this.items.size;
  }
  key = (at: number) => [...this.items.keys()][at] ?? null;
  getItem = (name: string) => this.items.get(name) ?? null;
  setItem = (name: string, value: string) => void this.items.set(name, value);
  removeItem = (name: string) => void this.items.delete(name);
}

/** The inbox's side, as INBOX-8 has it. */
class Server {
  readonly drafts = new Map<string, Draft>();
  readonly devices: Device[] = [];
  private seq = 0;

  take({ type: _, ...draft }: DraftFrame): void {
    const key = `${draft.roomId} ${draft.threadId}`;
    const known = this.drafts.get(key);
    if (known?.rev === draft.rev && known.text === draft.text) return;
    if (!known || draft.rev > known.rev) this.drafts.set(key, draft);
    this.seq += 1;
    const event = { type: "draft", seq: this.seq, ...(this.drafts.get(key) as Draft) } as InboxEvent;
    for (const device of this.devices) if (device.isOnline) device.drafts.receive([event]);
  }
}

class Device {
  isOnline = false;
  readonly sent: DraftFrame[] = [];
  readonly drafts: Drafts;
  constructor(
    private readonly server: Server,
    readonly storage = new FakeStorage(),
  ) {
    this.drafts = new Drafts({
      userId: "alice",
      storage: storage as unknown as Storage,
      send: (frame) => {
        if (!this.isOnline) return false;
        this.sent.push(frame);
        server.take(frame);
        return true;
      },
    });
    server.devices.push(this);
  }
  connect(): this {
    this.isOnline = true;
    const drafts = [...this.server.drafts.values()].filter(({ text }) => text !== "");
    const rooms = { type: "rooms", rooms: [], nextCursor: null, unreadTotal: 0, mentionsTotal: 0, drafts };
    this.drafts.receive([rooms as InboxEvent]);
    this.drafts.sendAll();
    return this;
  }
  reload(): Device {
    this.isOnline = false;
    this.drafts.close();
    return new Device(this.server, this.storage);
  }
}

let server: Server;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  server = new Server();
});
afterEach(() => {
  vi.useRealTimers();
});

test("[INBOX-8] a draft is on the other device, is edited there, and is cleared on both", () => {
  const phone = new Device(server).connect();
  const laptop = new Device(server).connect();
  phone.drafts.write("lunch", null, "half");
  phone.drafts.write("lunch", null, "half a");
  vi.advanceTimersByTime(500);
  expect(phone.sent.map(({ text }) => text)).toEqual(["half a"]);
  expect(laptop.drafts.get("lunch")).toBe("half a");
  laptop.drafts.write("lunch", null, "half a thought");
  vi.advanceTimersByTime(500);
  expect(phone.drafts.get("lunch")).toBe("half a thought");
  laptop.drafts.write("lunch", null, "");
  expect(phone.drafts.get("lunch")).toBe("");
  vi.advanceTimersByTime(1_000);
  expect([...phone.storage.items, ...laptop.storage.items]).toEqual([]);
});

test("[INBOX-8] what was written offline is sent, over a reload too", () => {
  const phone = new Device(server);
  phone.drafts.write("lunch", "root", "offline");
  const again = phone.reload();
  expect(again.drafts.get("lunch", "root")).toBe("offline");
  const laptop = new Device(server).connect();
  again.connect();
  expect(laptop.drafts.get("lunch", "root")).toBe("offline");
});

test("[INBOX-8] a draft that was sent elsewhere does not return", () => {
  const phone = new Device(server).connect();
  const laptop = new Device(server).connect();
  phone.drafts.write("lunch", null, "soup?");
  vi.advanceTimersByTime(500);
  const closed = phone.reload();
  vi.advanceTimersByTime(1);
  laptop.drafts.write("lunch", null, "");
  closed.connect();
  expect([closed.drafts.get("lunch"), laptop.drafts.get("lunch")]).toEqual(["", ""]);
});

test("[INBOX-8] of two writers at once both devices show the later one", () => {
  const phone = new Device(server).connect();
  const laptop = new Device(server).connect();
  phone.drafts.write("lunch", null, "first");
  vi.advanceTimersByTime(100);
  laptop.drafts.write("lunch", null, "second");
  vi.advanceTimersByTime(1_000);
  expect([phone.drafts.get("lunch"), laptop.drafts.get("lunch")]).toEqual(["second", "second"]);
});

test("a draft of an older page is kept, and a room that is gone takes its drafts along", () => {
  const storage = new FakeStorage();
  storage.setItem(draftKey("alice", "lunch"), "plain text");
  storage.setItem(draftKey("bob", "lunch"), "another account");
  const phone = new Device(server, storage).connect();
  expect(phone.drafts.all().map(({ text }) => text)).toEqual(["plain text"]);
  expect(server.drafts.size).toBe(1);
  phone.drafts.receive([{ type: "room_removed", seq: 9, roomId: "lunch", reason: "left" }]);
  expect(phone.drafts.all()).toEqual([]);
  expect([...storage.items.values()]).toEqual(["another account"]);
});
