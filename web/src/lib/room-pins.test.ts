/** Which messages are pinned: fetched once, then by events; whatever comes in between (PIN-1, PIN-2). */
import { expect, test } from "vitest";
import { FakeSignals, FakeSocket, hello, message, newMessage, synced } from "../../test/fake-server";
import type { LogEvent } from "./protocol";
import { RoomClient } from "./room-client";

/** A client of a room with one message, and a server that answers when the test says so. */
function connect() {
  const answers: ((ids: string[]) => void)[] = [];
  const api = {
    listPins: () =>
      new Promise((resolve) => {
        answers.push((ids) =>
          resolve({ messages: ids.map((id) => message(Number(id.slice(1)))), hasMore: false }),
        );
      }),
    messages: () => new Promise(() => {}),
  };
  const signals = new FakeSignals();
  const client = new RoomClient({
    roomId: "r",
    userId: "alice",
    api: api as never,
    getToken: async () => "t",
    socket: { WebSocket: FakeSocket as never, signals, origin: "ws://test" },
  });
  return { client, answers, pins: () => client.getSnapshot().state.pins };
}

const settle = () => new Promise((done) => setTimeout(done, 0));

async function live() {
  const room = connect();
  room.client.start();
  await settle();
  FakeSocket.last.deliver(hello(1), newMessage(1), synced(1));
  return room;
}

const pinned = (seq: number, ...messageIds: string[]): LogEvent =>
  ({ type: "pins_updated", seq, messageIds, by: "bob" }) as LogEvent;
const deleted = (seq: number, messageId: string): LogEvent =>
  ({ type: "message_deleted", seq, messageId, deletedBy: "bob" }) as LogEvent;

test("they are unknown until they are fetched, and follow the events then", async () => {
  const { client, answers, pins } = await live();
  expect(pins()).toBeNull();
  const loaded = client.loadPins();
  answers[0]?.(["m1"]);
  await loaded;
  expect(pins()).toEqual(["m1"]);
  FakeSocket.last.deliver(pinned(2, "m7", "m1"));
  expect(pins()).toEqual(["m7", "m1"]);
  FakeSocket.last.deliver(deleted(3, "m1"));
  expect(pins()).toEqual(["m7"]);
  client.stop();
});

test("an event counts more than an answer that comes after it", async () => {
  const { client, answers, pins } = await live();
  const loaded = client.loadPins();
  FakeSocket.last.deliver(pinned(2, "m7"));
  answers[0]?.([]);
  await loaded;
  expect(pins()).toEqual(["m7"]);
  client.stop();
});

test("what was deleted while they were fetched is not pinned", async () => {
  const { client, answers, pins } = await live();
  const loaded = client.loadPins();
  FakeSocket.last.deliver(deleted(2, "m5"));
  answers[0]?.(["m5", "m1"]);
  const { messages } = await loaded;
  expect([pins(), messages.map(({ id }) => id)]).toEqual([["m1"], ["m1"]]);
  client.stop();
});

test("of two requests the later one counts, and after a resync they are unknown again", async () => {
  const { client, answers, pins } = await live();
  const loads = [client.loadPins(), client.loadPins()];
  answers[0]?.(["m9"]);
  await settle();
  expect(pins()).toBeNull();
  answers[1]?.(["m1"]);
  await Promise.all(loads);
  expect(pins()).toEqual(["m1"]);
  FakeSocket.last.deliver({ type: "resync", reason: "too_old", seq: 9, epoch: "e1" });
  expect(pins()).toBeNull();
  client.stop();
});
