/** The inbox over a fake server: gapless, once, resumed, one socket for the tabs of a browser; and what the list shows. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Change, deliver, FakeBrowser, FakeInbox, room } from "../../test/fake-inbox";
import { FakeSignals, FakeSocket } from "../../test/fake-server";
import { ChatApi } from "./api";
import { Inbox, type InboxOptions } from "./inbox";
import type { InboxEvent } from "./protocol";
import { RoomList } from "./room-list";
import type { ConnectionStatus } from "./socket";

let server: FakeInbox;
let requests: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  FakeSocket.all = [];
  requests = [];
  server = new FakeInbox([room("lunch", { lastMessageAt: "2026-11-23T12:00:00.000Z" }), room("quiet")]);
});
afterEach(() => {
  vi.useRealTimers();
});

class Tab {
  readonly list: RoomList;
  readonly inbox: Inbox;
  readonly heard: InboxEvent[] = [];
  statuses: ConnectionStatus[] = [];
  constructor(options: Partial<InboxOptions> = {}) {
    const answer = async (path: unknown) => {
      requests.push(String(path));
      return Response.json(
        String(path).includes("/list") ? { rooms: server.rooms, nextCursor: null } : room("old"),
      );
    };
    this.list = new RoomList(new ChatApi(async () => "t", "http://x/api/chat", answer as typeof fetch));
    this.inbox = new Inbox({
      getToken: async () => "t",
      state: () => this.list.firstPage(),
      onEvents: (events) => {
        this.heard.push(...events);
        this.list.receive(events);
      },
      onStatus: (status) => this.statuses.push(status),
      socket: {
        origin: "ws://x",
        WebSocket: FakeSocket as unknown as typeof WebSocket,
        signals: new FakeSignals(),
        random: () => 1,
      },
      ...options,
    });
  }
  get names() {
    return this.list.getSnapshot().rooms.map(({ id, unread }) => `${id} ${unread}`);
  }
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const activity = (roomId: string, unread: number, minute = 30): Change => ({
  type: "room_activity",
  roomId,
  lastSeq: unread,
  lastMessage: null,
  lastMessageAt: `2026-11-23T12:${minute}:00.000Z`,
  unread,
  mentions: 0,
});

async function open(options: Partial<InboxOptions> = {}): Promise<Tab> {
  const tab = new Tab(options);
  tab.inbox.start();
  await settle();
  return tab;
}

describe("one tab", () => {
  test("connects to the inbox and shows its rooms", async () => {
    const tab = await open();
    expect(FakeSocket.last.url).toBe("ws://x/chat/inbox");
    server.greet();
    expect(tab.names).toEqual(["lunch 0", "quiet 0"]);
    expect(tab.statuses.at(-1)?.kind).toBe("live");
  });

  test("activity counts, and brings the room to the top; reading ends the count", async () => {
    const tab = await open();
    server.greet();
    server.write(activity("quiet", 3), FakeSocket.last);
    expect(tab.names).toEqual(["quiet 3", "lunch 0"]);
    server.write({ type: "read", roomId: "quiet", lastReadSeq: 3, unread: 0, mentions: 0 }, FakeSocket.last);
    expect(tab.names).toEqual(["quiet 0", "lunch 0"]);
  });

  test("a room comes, changes, and goes", async () => {
    const tab = await open();
    server.greet();
    server.write({ type: "room_added", room: room("new") }, FakeSocket.last);
    server.write(
      { type: "room_changed", roomId: "new", name: "Newer", topic: null, archived: true, memberCount: 2 },
      FakeSocket.last,
    );
    expect(tab.list.getSnapshot().rooms.find(({ id }) => id === "new")).toMatchObject({
      name: "Newer",
      archived: true,
      type: "group",
    });
    server.write({ type: "room_removed", roomId: "lunch", reason: "removed" }, FakeSocket.last);
    server.write(
      { type: "settings_changed", roomId: "quiet", notify: { level: "all", muteUntil: null }, hidden: true },
      FakeSocket.last,
    );
    expect(tab.names).toEqual(["new 0"]);
  });

  test("news of a room that is not in the list fetches that room", async () => {
    const tab = await open();
    server.greet();
    server.write(activity("old", 1), FakeSocket.last);
    await settle();
    expect(requests).toEqual(["http://x/api/chat/rooms/old"]);
    expect(tab.names).toContain("old 0");
  });

  test("a lost event leads to a resume, and nothing is applied twice", async () => {
    const tab = await open();
    server.greet();
    server.write(activity("lunch", 1));
    server.write(activity("lunch", 2, 31), FakeSocket.last);
    expect(tab.names[0]).toBe("lunch 0");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.last.since).toBe("0");
    server.greet();
    expect(tab.names[0]).toBe("lunch 2");
    deliver(FakeSocket.last, { ...activity("lunch", 9), seq: 2 } as InboxEvent);
    expect(tab.names[0]).toBe("lunch 2");
  });

  test("a log that cannot be resumed leads to a new connection, which begins with the list", async () => {
    const tab = await open();
    server.greet();
    server.write(activity("lunch", 1));
    server.epoch = "i2";
    FakeSocket.last.closeFromServer(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    server.rooms.push(room("new"));
    server.greet();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.last.since).toBeNull();
    server.greet();
    await settle();
    expect([requests, tab.names.length]).toEqual([[], 3]);
    server.write(activity("quiet", 5), FakeSocket.last);
    expect(tab.names[0]).toBe("quiet 5");
  });
});

describe("many tabs", () => {
  let browser: FakeBrowser;
  const shared = () => open({ share: "alice", locks: browser.locks, channel: browser.channel });
  beforeEach(() => {
    browser = new FakeBrowser();
  });

  test("ten tabs have one socket and show the same", async () => {
    const tabs = [];
    for (let at = 0; at < 10; at += 1) tabs.push(await shared());
    expect(FakeSocket.all).toHaveLength(1);
    server.greet();
    server.write(activity("quiet", 2), FakeSocket.last);
    for (const tab of tabs) expect(tab.names).toEqual(["quiet 2", "lunch 0"]);
    for (const tab of tabs) expect(tab.statuses.at(-1)?.kind).toBe("live");
  });

  test("a tab that comes later gets the state from the first", async () => {
    await shared();
    server.greet();
    server.write(activity("quiet", 2), FakeSocket.last);
    const late = await shared();
    expect(late.names).toEqual(["quiet 2", "lunch 0"]);
    server.write(activity("lunch", 1, 31), FakeSocket.last);
    expect(late.names).toEqual(["lunch 1", "quiet 2"]);
    expect(FakeSocket.all).toHaveLength(1);
  });

  test("when the tab with the socket closes, another resumes where it was", async () => {
    const [first, second] = [await shared(), await shared()];
    server.greet();
    server.write(activity("quiet", 2), FakeSocket.last);
    first.inbox.stop();
    server.write(activity("quiet", 3));
    await settle();
    expect(second.inbox.isConnectedHere).toBe(true);
    expect(FakeSocket.all).toHaveLength(2);
    expect(FakeSocket.last.since).toBe("1");
    server.greet();
    expect(second.names[0]).toBe("quiet 3");
    expect(second.heard.filter((event) => event.type === "room_activity")).toHaveLength(2);
  });

  test("without locks (plain http) each tab has its own socket", async () => {
    await open({ share: "alice", locks: undefined, channel: browser.channel });
    await open({ share: "alice", locks: undefined, channel: browser.channel });
    expect(FakeSocket.all).toHaveLength(2);
  });
});
