// @vitest-environment happy-dom
/** The hooks in React, including StrictMode: one connection per room, no leaks, no messages of another room. */
import { act, StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ChatClient } from "@/lib/chat-client";
import {
  FakeSignals,
  FakeSocket,
  hello,
  message,
  newMessage,
  synced,
  typingEvent,
} from "../../../test/fake-server";
import { ChatProvider } from "./chat-context";
import { useChatRoom } from "./use-chat-room";
import { useMessages, usePresence, useTyping, useUnread } from "./use-room";

let chat: ChatClient;
let signals: FakeSignals;
let root: Root;

beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  vi.useFakeTimers({ now: 1_000_000 });
  FakeSocket.all = [];
  signals = new FakeSignals();
  chat = new ChatClient({
    userId: "alice",
    getToken: async () => "t",
    url: "http://x",
    fetch: async () => Response.json({}),
    socket: { WebSocket: FakeSocket as unknown as typeof WebSocket, signals, random: () => 1 },
  });
  root = createRoot(document.createElement("div"));
});
afterEach(() => {
  act(() => root.unmount());
  chat.close();
  vi.useRealTimers();
});

const render = (node: React.ReactNode) =>
  act(async () => {
    root.render(
      <StrictMode>
        <ChatProvider client={chat}>{node}</ChatProvider>
      </StrictMode>,
    );
    await vi.advanceTimersByTimeAsync(0);
  });
const deliver = (socket: FakeSocket, ...events: Parameters<FakeSocket["deliver"]>) =>
  act(async () => socket.deliver(...events));
const open = () => FakeSocket.all.filter((socket) => socket.closedWith === null);
const socketOf = (roomId: string) => {
  const socket = open().find((item) => item.url.includes(`roomId=${roomId}`));
  if (!socket) throw new Error(`no connection to ${roomId}`);
  return socket;
};

test("the original hook's shape", async () => {
  let seen: ReturnType<typeof useChatRoom> | undefined;
  function Probe() {
    seen = useChatRoom("r", "alice");
    return null;
  }
  await render(<Probe />);
  await deliver(
    socketOf("r"),
    hello(1),
    { type: "online_users", users: ["alice", "bob"] },
    newMessage(1),
    synced(1),
  );
  expect(seen?.messages.map((item) => item.content)).toEqual(["text 1"]);
  expect(seen).toMatchObject({ onlineUsers: ["alice", "bob"], typingUsers: [], isConnected: true });
  await act(async () => {
    seen?.sendMessage("hi");
    seen?.sendTyping(true);
    seen?.sendReaction("m1", "👍");
  });
  expect(socketOf("r").sent.map((text) => JSON.parse(text).type)).toEqual(["message", "typing", "reaction"]);
  expect(seen?.messages.map((item) => [item.content, item.status])).toEqual([
    ["text 1", "sent"],
    ["hi", "sending"],
  ]);
});

test("all hooks of a room share one connection, in StrictMode too", async () => {
  const seen: Record<string, unknown> = {};
  function Part({ name }: { name: string }) {
    const { messages } = useMessages("r");
    const { onlineUsers } = usePresence("r");
    const { typingUsers } = useTyping("r");
    seen[name] = [messages.length, onlineUsers, typingUsers, useUnread("r")];
    return null;
  }
  const parts = ["one", "two"].map((name) => <Part key={name} name={name} />);
  await render(parts);
  expect(FakeSocket.all).toHaveLength(1);
  await deliver(
    socketOf("r"),
    hello(2),
    { type: "online_users", users: ["bob"] },
    newMessage(1),
    newMessage(2),
    synced(2),
  );
  await deliver(socketOf("r"), typingEvent("bob"));
  expect(seen.one).toEqual([2, ["bob"], ["bob"], { unread: 2, mentions: 0 }]);
  expect(seen.two).toEqual(seen.one);
});

test("a room switch never shows messages of the other room", async () => {
  const drawn: [string, string][] = [];
  function Probe({ roomId }: { roomId: string }) {
    const { messages } = useChatRoom(roomId, "alice");
    for (const item of messages) drawn.push([roomId, item.content]);
    return null;
  }
  await render(<Probe roomId="a" />);
  await deliver(socketOf("a"), hello(1), newMessage(1, "bob", { content: "of a" }), synced(1));
  await render(<Probe roomId="b" />);
  await deliver(socketOf("b"), hello(1), newMessage(1, "bob", { content: "of b" }), synced(1));
  // The previous room is still connected for a moment.
  await deliver(socketOf("a"), newMessage(2, "bob", { content: "of a" }));
  await render(<Probe roomId="a" />);
  await render(<Probe roomId="b" />);
  expect(drawn.filter(([roomId, content]) => content !== `of ${roomId}`)).toEqual([]);
  expect(new Set(drawn.map(([roomId]) => roomId))).toEqual(new Set(["a", "b"]));
  expect(FakeSocket.all).toHaveLength(2);
});

test("returning to a room shows its messages and resumes", async () => {
  let contents: string[] = [];
  function Probe({ roomId }: { roomId: string }) {
    contents = useChatRoom(roomId, "alice").messages.map((item) => item.content);
    return null;
  }
  await render(<Probe roomId="a" />);
  await deliver(socketOf("a"), hello(1), newMessage(1), synced(1));
  await render(<Probe roomId="b" />);
  await act(() => vi.advanceTimersByTimeAsync(15_000));
  expect(open().map((item) => new URL(item.url).searchParams.get("roomId"))).toEqual(["b"]);
  await render(<Probe roomId="a" />);
  expect(contents).toEqual(["text 1"]);
  expect(socketOf("a").since).toBe("1");
});

test("1,000 mounts do not leak", async () => {
  function Probe({ roomId }: { roomId: string }) {
    useChatRoom(roomId, "alice");
    useMessages(roomId, "thread");
    useTyping(roomId);
    useUnread(roomId);
    return null;
  }
  for (let at = 0; at < 1_000; at++) {
    await render(<Probe key={at} roomId={`r${at % 50}`} />);
    if (at % 10 === 0) await act(() => vi.advanceTimersByTimeAsync(100));
  }
  await render(null);
  await act(() => vi.advanceTimersByTimeAsync(60_000));
  expect(open()).toEqual([]);
  expect(signals.listeners.size).toBe(0);
  expect(chat.size.used).toBe(0);
  expect(chat.size.known).toBeLessThanOrEqual(8);
  expect(vi.getTimerCount()).toBe(0);
}, 60_000);

test("another person's id is refused", () => {
  function Probe() {
    useChatRoom("r", "mallory");
    return null;
  }
  const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
  expect(() =>
    act(() =>
      root.render(
        <ChatProvider client={chat}>
          <Probe />
        </ChatProvider>,
      ),
    ),
  ).toThrow("not mallory's");
  quiet.mockRestore();
});

test("messages are separated by thread", async () => {
  const seen: string[][] = [];
  function Probe() {
    seen.push(useMessages("r", "m1").messages.map((item) => item.content));
    return null;
  }
  await render(<Probe />);
  const reply = message(2, "bob", { threadId: "m1", content: "a reply" });
  await deliver(
    socketOf("r"),
    hello(2),
    newMessage(1),
    { type: "new_message", seq: 2, message: reply },
    synced(2),
  );
  expect(seen.at(-1)).toEqual(["a reply"]);
});
