import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import { FakeSignals, FakeSocket, hello, message, newMessage, synced } from "../../test/fake-server";
import { ChatApi } from "./api";
import { RoomClient } from "./room-client";
import { initialRoomState } from "./room-state";
import { toSaved, withSaved } from "./saved-room";
import { browserSavedView, type SavedView } from "./saved-view";

let accounts = 0;
const account = () => `person ${accounts++}`;
const live = (count: number, more: Partial<ReturnType<typeof initialRoomState>> = {}) => ({
  ...initialRoomState("alice"),
  phase: "live" as const,
  seq: count,
  epoch: "e1",
  oldestSeq: 1,
  messages: Array.from({ length: count }, (_, at) => message(at + 1)),
  ...more,
});
const savedOf = (count: number) => {
  const saved = toSaved(live(count));
  if (!saved) throw new Error("not saved");
  return saved;
};

test("the newest 50 messages are saved, with the position after them", () => {
  const saved = savedOf(60);
  expect(saved.messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, at) => at + 11));
  expect(saved).toMatchObject({ seq: 60, epoch: "e1", oldestSeq: 11, hasMore: true });
  expect(savedOf(3)).toMatchObject({ oldestSeq: 1, hasMore: false });
});

test("messages of a window of older history are not saved, and nothing of an incomplete state", () => {
  const state = live(60, { oldestSeq: 55 });
  expect(toSaved(state)?.messages.map(({ seq }) => seq)).toEqual([55, 56, 57, 58, 59, 60]);
  expect(toSaved(live(3, { phase: "reload" }))).toBeNull();
  expect(toSaved(initialRoomState("alice"))).toBeNull();
});

test("what is loaded is newer than what was saved and stays", () => {
  const state = live(5);
  expect(withSaved(state, savedOf(3))).toBe(state);
  expect(withSaved(initialRoomState("alice"), savedOf(3))).toMatchObject({ phase: "away", seq: 3 });
});

test("20 rooms are kept, those saved last, each account has its own, and signing out deletes them", async () => {
  let nowMs = 1;
  const [mine, other] = [browserSavedView(account(), () => nowMs++), browserSavedView(account(), () => 1)];
  other.saveRoom("room 0", savedOf(1));
  for (let room = 0; room < 21; room += 1) mine.saveRoom(`room ${room}`, savedOf(1));
  mine.saveList({ rooms: [], people: [] });
  await vi.waitFor(async () => expect(await mine.loadRoom("room 20")).not.toBeNull());
  expect(await mine.loadRoom("room 0")).toBeNull();
  expect(await mine.loadRoom("room 1")).not.toBeNull();
  await mine.clear();
  const again = browserSavedView(`person ${accounts - 2}`);
  expect(await again.loadRoom("room 20")).toBeNull();
  expect(await again.loadList()).toBeNull();
  expect(await other.loadRoom("room 0")).not.toBeNull();
  mine.saveRoom("room 1", savedOf(1));
  expect(await again.loadRoom("room 1")).toBeNull();
});

function clientOf(saved: SavedView, signals: FakeSignals): RoomClient {
  return new RoomClient({
    roomId: "r",
    userId: "alice",
    api: new ChatApi(
      async () => "t",
      "/api/chat",
      async () => Response.error(),
    ),
    getToken: async () => "t",
    saved,
    socket: {
      WebSocket: FakeSocket as unknown as typeof WebSocket,
      signals,
      random: () => 0,
      origin: "ws://x",
    },
  });
}

test("without a network a room is shown as it was saved, and resumes from there", async () => {
  const saved = browserSavedView(account());
  const signals = new FakeSignals();
  const before = clientOf(saved, signals);
  before.start();
  await vi.waitFor(() => expect(FakeSocket.all.length).toBe(1));
  FakeSocket.last.deliver(hello(2), newMessage(1), newMessage(2), synced(2));
  before.stop();

  const client = clientOf(saved, signals);
  client.start();
  await vi.waitFor(() => expect(FakeSocket.all.length).toBe(2));
  signals.online = false;
  FakeSocket.last.closeFromServer(1006);
  await vi.waitFor(() => expect(client.getSnapshot().state.messages.length).toBe(2));
  client.sendMessage("written offline");
  signals.online = true;
  client.reconnect();
  await vi.waitFor(() => expect(FakeSocket.all.length).toBe(3));
  expect(FakeSocket.last.since).toBe("2");
  FakeSocket.last.deliver(hello(3), newMessage(3), synced(3));
  expect(client.getSnapshot().state.messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(FakeSocket.last.sentFrames("message").map(({ content }) => content)).toEqual(["written offline"]);
  client.stop();
});

test("a room that I was removed from is deleted", async () => {
  const removed = vi.fn();
  const saved = { ...browserSavedView(account()), removeRoom: removed };
  const client = clientOf(saved, new FakeSignals());
  const count = FakeSocket.all.length;
  client.start();
  await vi.waitFor(() => expect(FakeSocket.all.length).toBe(count + 1));
  FakeSocket.last.deliver(hello(1), newMessage(1), synced(1));
  FakeSocket.last.closeFromServer(4403);
  await vi.waitFor(() => expect(removed).toHaveBeenCalledWith("r"));
  client.stop();
});
