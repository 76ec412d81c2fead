import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  ackEvent,
  FakeSignals,
  FakeSocket,
  hello,
  message,
  newMessage,
  synced,
} from "../../test/fake-server";
import { ChatApi } from "./api";
import type { ServerEvent } from "./protocol";
import { RoomClient } from "./room-client";
import { typingUsers } from "./room-view";
import { showReply } from "./show-reply";

let signals: FakeSignals;
let requests: string[];
let answer: (path: string) => unknown;
let client: RoomClient;

beforeEach(async () => {
  vi.useFakeTimers({ now: 1_000_000 });
  FakeSocket.all = [];
  signals = new FakeSignals();
  requests = [];
  answer = () => ({});
  const api = new ChatApi(
    async () => "t",
    "/api/chat",
    async (path) => {
      requests.push(String(path));
      const body = answer(String(path));
      return body instanceof Response ? body : Response.json(body);
    },
  );
  client = new RoomClient({
    roomId: "r",
    userId: "alice",
    api,
    getToken: async () => "t",
    socket: {
      WebSocket: FakeSocket as unknown as typeof WebSocket,
      signals,
      random: () => 1,
      origin: "ws://x",
    },
  });
  client.start();
  await vi.advanceTimersByTimeAsync(0);
});
afterEach(() => {
  client.stop();
  vi.useRealTimers();
});

const state = () => client.getSnapshot().state;
const acked = (frame: Record<string, unknown> | undefined, seq: number): ServerEvent => ({
  type: "ack",
  clientId: String(frame?.clientId),
  op: "message",
  messageId: `m${seq}`,
  seq,
  version: 1,
  createdAt: "2026-11-23T12:00:00.000Z",
});
const contents = () => state().messages.map((item) => item.content);

test("messages written while disconnected are sent after the resume, in order, under their ids", async () => {
  FakeSocket.last.deliver(hello(1), newMessage(1), synced(1));
  client.sendMessage("a");
  const [first] = FakeSocket.last.sentFrames("message");
  FakeSocket.last.closeFromServer(1006);
  client.sendMessage("b");
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.last.since).toBe("1");
  FakeSocket.last.deliver(hello(2), newMessage(2));
  expect(FakeSocket.last.sent).toEqual([]);
  FakeSocket.last.deliver(synced(2));
  expect(FakeSocket.last.sentFrames("message")).toEqual([first]);
  FakeSocket.last.deliver(acked(first, 3));
  expect(FakeSocket.last.sentFrames("message").map((item) => item.content)).toEqual(["a", "b"]);
});

test("after a gap the client resumes, without losing or repeating events", async () => {
  FakeSocket.last.deliver(hello(1), newMessage(1), synced(1), newMessage(3));
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.last.since).toBe("1");
  FakeSocket.last.deliver(hello(3), newMessage(2), newMessage(3), synced(3));
  expect(contents()).toEqual(["text 1", "text 2", "text 3"]);
});

test("after a resync history is loaded over REST, with retries", async () => {
  FakeSocket.last.deliver(hello(1), newMessage(1), synced(1));
  FakeSocket.last.closeFromServer(1006);
  await vi.advanceTimersByTimeAsync(500);
  answer = () => {
    throw new TypeError("network");
  };
  FakeSocket.last.deliver(
    hello(9, { epoch: "e2" }),
    { type: "resync", reason: "epoch", seq: 9, epoch: "e2" },
    synced(9),
  );
  await vi.advanceTimersByTimeAsync(1_000);
  expect(contents()).toEqual(["text 1"]);
  const page = { hasMoreBefore: true, hasMoreAfter: false, lastSeq: 9, epoch: "e2" };
  answer = () => ({ ...page, messages: [message(8), message(9)] });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(contents()).toEqual(["text 8", "text 9"]);
  expect(requests).toEqual(Array(2).fill("/api/chat/rooms/r/messages?limit=50"));
});

test("a rate-limited message is sent after the wait, and later messages follow it", async () => {
  FakeSocket.last.deliver(hello(0), synced(0));
  client.sendMessage("a");
  const clientId = String(FakeSocket.last.sentFrames("message")[0]?.clientId);
  const limited = { type: "error", code: "rate_limited", message: "", retryable: true, clientId } as const;
  FakeSocket.last.deliver({ ...limited, retryAfterMs: 400 });
  client.sendMessage("b");
  expect(FakeSocket.last.sentFrames("message")).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(400);
  FakeSocket.last.deliver(acked(FakeSocket.last.sentFrames("message")[1], 1));
  expect(FakeSocket.last.sentFrames("message").map((item) => item.content)).toEqual(["a", "a", "b"]);
});

test("typing is sent at most every 3 s and ended once; the read marker at most once a second", async () => {
  FakeSocket.last.deliver(hello(0), synced(0), newMessage(1));
  for (let key = 0; key < 10; key++) client.sendTyping(true);
  client.sendTyping(false);
  client.sendTyping(false);
  expect(FakeSocket.last.sentFrames("typing").map((item) => item.isTyping)).toEqual([true, false]);
  client.markRead();
  FakeSocket.last.deliver(newMessage(2));
  client.markRead();
  await vi.advanceTimersByTimeAsync(1_000);
  client.markRead();
  expect(FakeSocket.last.sentFrames("read")).toEqual([{ type: "read", seq: 2 }]);
});

test("typing expires", async () => {
  FakeSocket.last.deliver(hello(0), synced(0));
  FakeSocket.last.deliver({
    type: "typing",
    userId: "bob",
    isTyping: true,
    typingUsers: ["bob"],
    typingCount: 1,
    expiresInMs: 6_000,
  });
  expect(typingUsers(state())).toEqual(["bob"]);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(typingUsers(state())).toEqual([]);
});

test("the same reaction twice adds and removes it, in order", () => {
  FakeSocket.last.deliver(hello(1), newMessage(1), synced(1));
  client.sendReaction("m1", "👍");
  client.sendReaction("m1", "👍");
  const [first] = FakeSocket.last.sentFrames("reaction");
  expect(FakeSocket.last.sentFrames("reaction")).toHaveLength(1);
  FakeSocket.last.deliver(ackEvent("reaction", String(first?.clientId), 2));
  expect(FakeSocket.last.sentFrames("reaction").map((item) => item.action)).toEqual(["add", "remove"]);
});

test("a reply is shown after its thread was loaded back to it", async () => {
  FakeSocket.last.deliver(hello(9), newMessage(1), synced(9));
  const reply = (seq: number) => message(seq, "bob", { threadId: "m1" });
  const page = (path: string) => (path.includes("before") ? [reply(3), reply(4)] : [reply(5), reply(6)]);
  answer = (path) => ({
    root: message(1),
    replies: page(path),
    hasMoreBefore: !path.includes("before"),
  });
  expect(await showReply(client, "m1", 4)).toBe(true);
  expect(requests).toEqual([
    "/api/chat/rooms/r/threads/m1?limit=50",
    "/api/chat/rooms/r/threads/m1?before=5&limit=50",
  ]);
  expect(await showReply(client, "m1", 2)).toBe(false);
  expect(requests).toHaveLength(2);
});

test("a refused upgrade of a room that is being restored is told as such, and the room opens afterwards", async () => {
  const error = { code: "upstream_unavailable", message: "restoring", retryable: true, retryAfterMs: 3_000 };
  answer = () => Response.json({ error }, { status: 503 });
  FakeSocket.last.closeFromServer(1006);
  await vi.advanceTimersByTimeAsync(50);
  expect(requests).toEqual(["/api/chat/rooms/r/messages?limit=1"]);
  expect(client.getSnapshot().connection).toMatchObject({ kind: "waiting", isRestoring: true });
  await vi.advanceTimersByTimeAsync(6_000);
  FakeSocket.last.deliver(hello(0));
  FakeSocket.last.deliver(synced(0));
  expect(client.getSnapshot().connection).toEqual({ kind: "live" });
});
