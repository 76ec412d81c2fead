import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeSignals, FakeSocket, hello, newMessage, synced, token } from "../../test/fake-server";
import { SignedOut } from "./http";
import type { ServerEvent } from "./protocol";
import { type ConnectionStatus, type Refusal, RoomSocket, type SocketOptions } from "./socket";

let signals: FakeSignals;
let events: ServerEvent[];
let statuses: ConnectionStatus[];
let position: { since: number; epoch: string } | null;
let tokenRequests: boolean[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  FakeSocket.all = [];
  signals = new FakeSignals();
  [events, statuses, tokenRequests] = [[], [], []];
  position = null;
});
afterEach(() => {
  vi.useRealTimers();
});

async function open(overrides: Partial<SocketOptions> = {}): Promise<RoomSocket> {
  const socket = new RoomSocket({
    path: `/chat?${new URLSearchParams({ roomId: "room 1" })}`,
    getToken: async ({ fresh }) => {
      tokenRequests.push(fresh);
      return `token${tokenRequests.length}`;
    },
    position: () => position,
    onEvents: (some) => events.push(...some),
    onStatus: (status) => statuses.push(status),
    origin: "ws://chat.test",
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    signals,
    random: () => 1,
    ...overrides,
  });
  socket.start();
  await vi.advanceTimersByTimeAsync(0);
  return socket;
}
const kinds = () => statuses.map((status) => status.kind);
const goLive = () => FakeSocket.last.deliver(hello(3), synced(3));

describe("connecting", () => {
  test("the token is sent as a subprotocol, never in the URL", async () => {
    await open();
    expect(FakeSocket.last.protocols).toEqual(["chat.v1", "bearer.token1"]);
    expect(FakeSocket.last.url).toBe("ws://chat.test/chat?roomId=room+1");
  });

  test("resumes from the position of the room, with a new token request", async () => {
    await open();
    goLive();
    position = { since: 3, epoch: "e 1" };
    FakeSocket.last.closeFromServer(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(2);
    expect(FakeSocket.last.url).toBe("ws://chat.test/chat?roomId=room+1&since=3&epoch=e+1");
    expect(FakeSocket.last.protocols[1]).toBe("bearer.token2");
    expect(tokenRequests).toEqual([false, false]);
  });

  test("batches arrive in order; a bare pong and malformed frames are ignored", async () => {
    await open();
    FakeSocket.last.deliver(hello(1), synced(1), newMessage(2), newMessage(3));
    FakeSocket.last.deliverText('{"type":"pong"}');
    for (const junk of ["{", "null", "[1,null,{}]", new ArrayBuffer(2)]) FakeSocket.last.deliverText(junk);
    expect(events.map((event) => event.type)).toEqual([
      "hello",
      "synced",
      "new_message",
      "new_message",
      "pong",
    ]);
  });

  test("nothing is sent before synced or after the close", async () => {
    const socket = await open();
    FakeSocket.last.deliver(hello(0));
    expect(socket.send({ type: "read", seq: 1 })).toBe(false);
    FakeSocket.last.deliver(synced(0));
    expect(socket.send({ type: "read", seq: 1 })).toBe(true);
    FakeSocket.last.closeFromServer(1006);
    expect(socket.send({ type: "read", seq: 1 })).toBe(false);
    expect(FakeSocket.last.sentFrames("read")).toHaveLength(1);
  });

  test("no hello within 10 s: the connection is closed and retried", async () => {
    await open();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeSocket.last.closedWith).toBe(1000);
    expect(kinds()).toEqual(["connecting", "waiting"]);
  });

  test("a stopped socket does not connect when its token arrives late", async () => {
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

describe("after a close", () => {
  test("full jitter: the ceiling doubles from 0.5 s to 30 s", async () => {
    await open();
    const waits: number[] = [];
    for (let round = 0; round < 8; round++) {
      FakeSocket.last.closeFromServer(1006);
      const last = statuses.at(-1);
      if (last?.kind !== "waiting") throw new Error("not waiting");
      waits.push(last.retryAtMs - Date.now());
      await vi.advanceTimersByTimeAsync(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  test("the wait is a random part of the ceiling", async () => {
    await open({ random: () => 0.25 });
    FakeSocket.last.closeFromServer(1006);
    expect(statuses.at(-1)).toMatchObject({ kind: "waiting", retryAtMs: Date.now() + 125 });
  });

  test("the backoff starts over only after a connection that lasted", async () => {
    await open();
    for (const lastedMs of [100, 100, 6_000]) {
      goLive();
      await vi.advanceTimersByTimeAsync(lastedMs);
      FakeSocket.last.closeFromServer(1012);
      await vi.advanceTimersByTimeAsync(1_000);
    }
    const attempts = statuses.filter((status) => status.kind === "waiting").map((status) => status.attempt);
    expect(attempts).toEqual([1, 2, 1]);
  });

  test.each([4400, 4403, 4409, 4410, 4413, 4415])("%i stops", async (code) => {
    await open();
    goLive();
    FakeSocket.last.closeFromServer(code, "why");
    await vi.advanceTimersByTimeAsync(120_000);
    signals.deliver("online");
    signals.deliver("visible");
    expect(FakeSocket.all).toHaveLength(1);
    expect(statuses.at(-1)).toEqual({ kind: "stopped", code, reason: "why" });
  });

  test.each([1006, 1012, 4408, 4420, 4500, 4503])("%i is retried", async (code) => {
    await open();
    goLive();
    FakeSocket.last.closeFromServer(code);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("4401: retried with a fresh token; stopped if there is none", async () => {
    await open();
    goLive();
    FakeSocket.last.closeFromServer(4401, "auth_expired");
    await vi.advanceTimersByTimeAsync(500);
    expect(tokenRequests).toEqual([false, true]);

    statuses = [];
    await open({ getToken: () => Promise.reject(new SignedOut("over")) });
    expect(statuses.at(-1)).toEqual({ kind: "stopped", code: 4401, reason: "auth_expired" });
  });

  test("4429: retried after at least 10 s", async () => {
    await open({ random: () => 0 });
    goLive();
    FakeSocket.last.closeFromServer(4429);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("a refused upgrade is explained by REST: a final answer stops, otherwise the client retries", async () => {
    await open({ explainRefusal: async () => ({ code: 404, reason: "room_not_found" }) });
    FakeSocket.last.closeFromServer(1006);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(statuses.at(-1)).toEqual({ kind: "stopped", code: 404, reason: "room_not_found" });
    expect(FakeSocket.all).toHaveLength(1);

    await open({ explainRefusal: async () => null });
    FakeSocket.last.closeFromServer(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(3);
  });
});

describe("a room that is being restored", () => {
  test("the client says so, waits as long as the server asks for, and comes back by itself", async () => {
    let why: Refusal = { restoringMs: 4_000 };
    await open({ explainRefusal: async () => why, random: () => 0.5 });
    FakeSocket.last.closeFromServer(1006);
    await vi.advanceTimersByTimeAsync(0);
    expect(statuses.at(-1)).toMatchObject({ kind: "waiting", isRestoring: true });
    await vi.advanceTimersByTimeAsync(5_999);
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeSocket.all).toHaveLength(2);
    expect(statuses.at(-1)).toMatchObject({ kind: "connecting", isRestoring: true });
    goLive();
    expect(statuses.at(-1)).toEqual({ kind: "live" });
    // Later refusals have other reasons.
    why = null;
    FakeSocket.last.closeFromServer(1006);
    await vi.advanceTimersByTimeAsync(0);
    expect(statuses.at(-1)).not.toHaveProperty("isRestoring");
  });
});

describe("heartbeat and token refresh", () => {
  test("the ping is the exact text at the server's interval; any frame answers it", async () => {
    await open();
    goLive();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(FakeSocket.last.sent).toEqual(['{"type":"ping"}']);
    FakeSocket.last.deliverText('{"type":"pong"}');
    await vi.advanceTimersByTimeAsync(19_999);
    expect(FakeSocket.all).toHaveLength(1);
    expect(kinds()).toEqual(["connecting", "live"]);
  });

  test("a socket without an answer is dead, even if its readyState is open", async () => {
    await open();
    goLive();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(FakeSocket.all[0]?.closedWith).toBe(1000);
    expect(kinds()).toEqual(["connecting", "live", "waiting"]);
  });

  test("a visible tab sends a ping at once", async () => {
    await open();
    goLive();
    signals.deliver("visible");
    expect(FakeSocket.last.sentFrames("ping")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(kinds().at(-1)).toBe("waiting");
  });

  test("no attempt while offline; a reconnect as soon as online", async () => {
    await open();
    goLive();
    signals.deliver("offline");
    expect(kinds().at(-1)).toBe("offline");
    await vi.advanceTimersByTimeAsync(5_000);
    expect(FakeSocket.all).toHaveLength(1);
    signals.deliver("online");
    await vi.advanceTimersByTimeAsync(0);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("a new token is sent before the old one expires, each time", async () => {
    let ends = Date.now() / 1000 + 600;
    await open({
      getToken: async ({ fresh }) => {
        if (fresh) ends += 600;
        return token(ends);
      },
    });
    goLive();
    for (const until of [540_000, 600_000]) {
      for (let passed = 0; passed < until; passed += 20_000) {
        await vi.advanceTimersByTimeAsync(20_000);
        FakeSocket.last.deliverText('{"type":"pong"}');
      }
      FakeSocket.last.deliver({ type: "auth_ok", exp: ends });
    }
    expect(FakeSocket.last.sentFrames("auth")).toEqual([
      { type: "auth", token: token(1_000 + 1_200) },
      { type: "auth", token: token(1_000 + 1_800) },
    ]);
    expect(FakeSocket.all).toHaveLength(1);
  });
});
