import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SignedOut } from "./api";
import { FakeSignals, FakeSocket, hello, newMessage, synced, token } from "./fake-server";
import type { ServerEvent } from "./protocol";
import { type ConnectionStatus, RoomSocket, type SocketOptions } from "./socket";

let signals: FakeSignals;
let events: ServerEvent[];
let statuses: ConnectionStatus[];
let position: { since: number; epoch: string } | null;
let asked: boolean[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  FakeSocket.all = [];
  signals = new FakeSignals();
  [events, statuses, asked] = [[], [], []];
  position = null;
});
afterEach(() => {
  vi.useRealTimers();
});

async function open(more: Partial<SocketOptions> = {}): Promise<RoomSocket> {
  const socket = new RoomSocket({
    roomId: "room 1",
    getToken: async ({ fresh }) => {
      asked.push(fresh);
      return `token${asked.length}`;
    },
    position: () => position,
    onEvents: (some) => events.push(...some),
    onStatus: (status) => statuses.push(status),
    origin: "ws://chat.test",
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    signals,
    random: () => 1,
    ...more,
  });
  socket.start();
  await vi.advanceTimersByTimeAsync(0);
  return socket;
}
const kinds = () => statuses.map((status) => status.kind);
const lives = () => FakeSocket.last.says(hello(3), synced(3));

describe("connecting", () => {
  test("the token goes as a subprotocol, never into the address", async () => {
    await open();
    expect(FakeSocket.last.protocols).toEqual(["chat.v1", "bearer.token1"]);
    expect(FakeSocket.last.url).toBe("ws://chat.test/chat?roomId=room+1");
  });

  test("resumes from where the room stands, with a token asked for anew", async () => {
    await open();
    lives();
    position = { since: 3, epoch: "e 1" };
    FakeSocket.last.closes(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(2);
    expect(FakeSocket.last.url).toBe("ws://chat.test/chat?roomId=room+1&since=3&epoch=e+1");
    expect(FakeSocket.last.protocols[1]).toBe("bearer.token2");
    expect(asked).toEqual([false, false]);
  });

  test("batches come in order; a bare pong, junk and foreign values harm nothing", async () => {
    await open();
    FakeSocket.last.says(hello(1), synced(1), newMessage(2), newMessage(3));
    FakeSocket.last.saysText('{"type":"pong"}');
    for (const junk of ["{", "null", "[1,null,{}]", new ArrayBuffer(2)]) FakeSocket.last.saysText(junk);
    expect(events.map((event) => event.type)).toEqual([
      "hello",
      "synced",
      "new_message",
      "new_message",
      "pong",
    ]);
  });

  test("nothing is sent before synced, nor after the end", async () => {
    const socket = await open();
    FakeSocket.last.says(hello(0));
    expect(socket.send({ type: "read", seq: 1 })).toBe(false);
    FakeSocket.last.says(synced(0));
    expect(socket.send({ type: "read", seq: 1 })).toBe(true);
    FakeSocket.last.closes(1006);
    expect(socket.send({ type: "read", seq: 1 })).toBe(false);
    expect(FakeSocket.last.heard("read")).toHaveLength(1);
  });

  test("no hello within 10 s: given up and tried again", async () => {
    await open();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeSocket.last.closedWith).toBe(1000);
    expect(kinds()).toEqual(["connecting", "waiting"]);
  });

  test("a stopped socket stays silent, even if its token comes late", async () => {
    let give = (_: string) => {};
    const late = new Promise<string>((resolve) => {
      give = resolve;
    });
    const socket = await open({ getToken: () => late });
    socket.stop();
    give("late");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(0);
    expect(signals.listeners.size).toBe(0);
  });
});

describe("after the end", () => {
  test("full jitter: the ceiling doubles from 0.5 s to 30 s", async () => {
    await open();
    const waits: number[] = [];
    for (let round = 0; round < 8; round++) {
      FakeSocket.last.closes(1006);
      const last = statuses.at(-1);
      if (last?.kind !== "waiting") throw new Error("not waiting");
      waits.push(last.retryAtMs - Date.now());
      await vi.advanceTimersByTimeAsync(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  test("the wait is somewhere between nothing and the ceiling", async () => {
    await open({ random: () => 0.25 });
    FakeSocket.last.closes(1006);
    expect(statuses.at(-1)).toMatchObject({ kind: "waiting", retryAtMs: Date.now() + 125 });
  });

  test("a connection that lasted begins the backoff over, one that didn't goes on with it", async () => {
    await open();
    for (const lastedMs of [100, 100, 6_000]) {
      lives();
      await vi.advanceTimersByTimeAsync(lastedMs);
      FakeSocket.last.closes(1012);
      await vi.advanceTimersByTimeAsync(1_000);
    }
    const attempts = statuses.filter((status) => status.kind === "waiting").map((status) => status.attempt);
    expect(attempts).toEqual([1, 2, 1]);
  });

  test.each([4400, 4403, 4409, 4410, 4413, 4415])("%i stops", async (code) => {
    await open();
    lives();
    FakeSocket.last.closes(code, "why");
    await vi.advanceTimersByTimeAsync(120_000);
    signals.tell("online");
    signals.tell("visible");
    expect(FakeSocket.all).toHaveLength(1);
    expect(statuses.at(-1)).toEqual({ kind: "stopped", code, reason: "why" });
  });

  test.each([1006, 1012, 4408, 4420, 4500, 4503])("%i is tried again", async (code) => {
    await open();
    lives();
    FakeSocket.last.closes(code);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("4401: again, with a fresh token; signed out if there is none", async () => {
    await open();
    lives();
    FakeSocket.last.closes(4401, "auth_expired");
    await vi.advanceTimersByTimeAsync(500);
    expect(asked).toEqual([false, true]);

    statuses = [];
    await open({ getToken: () => Promise.reject(new SignedOut("over")) });
    expect(statuses.at(-1)).toEqual({ kind: "stopped", code: 4401, reason: "auth_expired" });
  });

  test("4429: not before 10 s", async () => {
    await open({ random: () => 0 });
    lives();
    FakeSocket.last.closes(4429);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("a refused upgrade is explained by REST: a final answer stops, no answer goes on", async () => {
    await open({ refusal: async () => ({ code: 404, reason: "room_not_found" }) });
    FakeSocket.last.closes(1006);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(statuses.at(-1)).toEqual({ kind: "stopped", code: 404, reason: "room_not_found" });
    expect(FakeSocket.all).toHaveLength(1);

    await open({ refusal: async () => null });
    FakeSocket.last.closes(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(3);
  });
});

describe("staying alive", () => {
  test("the ping is the exact text, at the server's interval; any frame answers it", async () => {
    await open();
    lives();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(FakeSocket.last.sent).toEqual(['{"type":"ping"}']);
    FakeSocket.last.saysText('{"type":"pong"}');
    await vi.advanceTimersByTimeAsync(19_999);
    expect(FakeSocket.all).toHaveLength(1);
    expect(kinds()).toEqual(["connecting", "live"]);
  });

  test("a socket that says nothing is dead, even if it claims to be open", async () => {
    await open();
    lives();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(FakeSocket.all[0]?.closedWith).toBe(1000);
    expect(kinds()).toEqual(["connecting", "live", "waiting"]);
  });

  test("back in view: asked at once", async () => {
    await open();
    lives();
    signals.tell("visible");
    expect(FakeSocket.last.heard("ping")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(kinds().at(-1)).toBe("waiting");
  });

  test("offline: no attempts; online: at once", async () => {
    await open();
    lives();
    signals.tell("offline");
    expect(kinds().at(-1)).toBe("offline");
    await vi.advanceTimersByTimeAsync(5_000);
    expect(FakeSocket.all).toHaveLength(1);
    signals.tell("online");
    await vi.advanceTimersByTimeAsync(0);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("a fresh token is sent before the old one ends, and again before that one does", async () => {
    let ends = Date.now() / 1000 + 600;
    await open({
      getToken: async ({ fresh }) => {
        if (fresh) ends += 600;
        return token(ends);
      },
    });
    lives();
    for (const until of [540_000, 600_000]) {
      for (let passed = 0; passed < until; passed += 20_000) {
        await vi.advanceTimersByTimeAsync(20_000);
        FakeSocket.last.saysText('{"type":"pong"}');
      }
      FakeSocket.last.says({ type: "auth_ok", exp: ends });
    }
    expect(FakeSocket.last.heard("auth")).toEqual([
      { type: "auth", token: token(1_000 + 1_200) },
      { type: "auth", token: token(1_000 + 1_800) },
    ]);
    expect(FakeSocket.all).toHaveLength(1);
  });
});
