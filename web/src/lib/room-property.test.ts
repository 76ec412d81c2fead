/**
 * Whatever the network does, in the end the client shows what the room holds: old snapshot and events together are the
 * same as a fresh snapshot. Each seed is a schedule; one that ever fails is pinned in PINNED.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ChatApi } from "./api";
import { type Dice, dice, FakeNetwork, FakeRoom } from "./fake-room";
import { FakeSignals } from "./fake-server";
import type { Message } from "./protocol";
import { RoomClient } from "./room-client";
import { inRoom } from "./room-view";

const PINNED: number[] = [];
const SEEDS = Number(process.env.SEEDS ?? 60);
const FIRST = Number(process.env.SEED ?? 1);

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function connect(network: FakeNetwork, random: Dice): RoomClient {
  const api = new ChatApi(async () => "t", "/api/chat", network.fetch as typeof fetch);
  const socket = {
    ...{ WebSocket: network.WebSocket(), signals: new FakeSignals(), origin: "ws://x" },
    random: random.next,
  };
  return new RoomClient({ roomId: "r", userId: "alice", api, getToken: async () => "t", socket });
}

const EMOJIS = ["👍", "🎉", "😢"];

/** One thing that somebody does, or that happens to the network or the room. */
function step(random: Dice, room: FakeRoom, network: FakeNetwork, alice: RoomClient, sent: string[]): void {
  const { state } = alice.getSnapshot();
  const seen = random.pick(state.messages);
  const any = random.pick(room.messages);
  const text = () => `${random.below(1e9)}`;
  const emoji = EMOJIS[random.below(3)] ?? "";
  const acts: (() => void)[] = [
    () => {
      const content = text();
      const threadId = random.chance(0.3) ? seen?.threadId === null && seen.id : false;
      sent.push(content);
      alice.sendMessage(content, threadId ? { threadId, alsoToRoom: random.chance(0.3) } : {});
    },
    () => seen && alice.sendReaction(seen.id, emoji),
    () => seen?.userId === "alice" && seen.deletedAt === null && alice.edit(seen.id, text()),
    () => seen && random.chance(0.4) && alice.remove(seen.id),
    () => void alice.loadOlder(),
    () => any && random.chance(0.3) && void alice.jumpTo(any.seq),
    () => (random.chance(0.5) ? void alice.loadNewer() : alice.jumpToNewest()),
    () => seen?.threadId === null && seen.replyCount > 0 && void alice.loadThread(seen.id),
    () => {
      const root = any?.threadId === null && random.chance(0.4) ? { threadId: any.id } : {};
      for (let at = random.below(4); at >= 0; at--)
        room.hears("bob", { type: "message", content: text(), ...root });
    },
    () => {
      const action = random.chance(0.6) ? "add" : "remove";
      if (any) room.hears("bob", { type: "reaction", messageId: any.id, emoji, action });
    },
    () => any && room.hears(any.userId, { type: "edit", messageId: any.id, content: text() }),
    () => any && random.chance(0.4) && room.hears("bob", { type: "delete", messageId: any.id }),
    () => random.chance(0.4) && network.cut(),
    () => {
      network.weather = random.chance(0.5)
        ? { drop: 0.15, repeat: 0.15, delayMs: 800 }
        : { drop: 0, repeat: 0, delayMs: 20 };
    },
    () => random.chance(0.15) && room.forgets(false),
    () => {
      // Whatever makes a log begin anew ends its connections.
      if (!random.chance(0.06)) return;
      room.forgets(true);
      network.cut();
    },
  ];
  acts[random.below(acts.length)]?.();
}

/** The clock of a deletion is the hearer's own: that it is deleted is what must agree. */
const told = (messages: Message[]) =>
  messages.map(({ deletedAt, ...one }) => ({ ...one, isDeleted: deletedAt !== null }));

async function run(seed: number) {
  const random = dice(seed);
  const room = new FakeRoom();
  for (let at = random.below(160); at > 0; at--) room.hears("bob", { type: "message", content: `old ${at}` });
  const network = new FakeNetwork(room, "alice", random);
  const alice = connect(network, random);
  const sent: string[] = [];
  alice.start();
  for (let at = 0; at < 120; at++) {
    step(random, room, network, alice, sent);
    await vi.advanceTimersByTimeAsync(random.below(random.chance(0.05) ? 20_000 : 400));
  }
  network.weather = { drop: 0, repeat: 0, delayMs: 20 };
  // What was lost is found missing by what comes after it.
  await vi.advanceTimersByTimeAsync(100_000);
  room.hears("bob", { type: "message", content: "the last" });
  await vi.advanceTimersByTimeAsync(100_000);
  return { room, alice, network, sent };
}

function checkState(room: FakeRoom, alice: RoomClient): void {
  const { state } = alice.getSnapshot();
  expect(state).toMatchObject({ phase: "live", seq: room.seq, epoch: room.epoch, waitingEvents: [] });
  const stretch = (from: number, to: number) =>
    room.messages.filter((one) => one.seq >= from && one.seq <= to);
  const whole = state.messages.filter((one) => one.seq >= state.oldestSeq);
  expect(told(whole)).toEqual(told(stretch(state.oldestSeq, room.seq)));
  const known = new Map(room.messages.map((one) => [one.id, one]));
  for (const one of state.messages) expect(told([one])).toEqual(told([known.get(one.id) as Message]));
  if (state.window) {
    const { fromSeq, toSeq } = state.window;
    expect(told(state.messages.filter((one) => one.seq >= fromSeq && one.seq <= toSeq))).toEqual(
      told(stretch(fromSeq, toSeq)),
    );
  }
  for (const [rootId, { fromSeq }] of Object.entries(state.threads)) {
    const from = Math.min(fromSeq, state.oldestSeq);
    const seqs = alice.view.thread(state, rootId).map((one) => one.seq);
    const replies = stretch(from, room.seq).filter((one) => one.threadId === rootId);
    expect(seqs).toEqual(replies.map((one) => one.seq));
  }
}

async function checkFresh(room: FakeRoom, old: RoomClient): Promise<void> {
  const random = dice(1);
  const fresh = connect(new FakeNetwork(room, "alice", random), random);
  fresh.start();
  await vi.advanceTimersByTimeAsync(1_000);
  const { state } = old.getSnapshot();
  while (fresh.getSnapshot().state.oldestSeq > state.oldestSeq && fresh.getSnapshot().state.hasMore) {
    void fresh.loadOlder();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  const from = state.oldestSeq;
  const since = (client: RoomClient) =>
    told(client.getSnapshot().state.messages.filter((one) => one.seq >= from));
  expect(since(old)).toEqual(since(fresh));
  fresh.stop();
}

/** Each was once, in the order of sending, unless it was refused. */
function checkSent(room: FakeRoom, alice: RoomClient, sent: string[]): void {
  const { outgoing } = alice.getSnapshot().state;
  expect(outgoing.filter((one) => one.status === "sending")).toEqual([]);
  const ids = room.messages.filter((one) => one.userId === "alice").map((one) => one.clientId);
  expect(new Set(ids).size).toBe(ids.length);
  const failed = outgoing.filter((one) => one.op.type === "message");
  expect(ids.length + failed.length).toBe(sent.length);
}

test("any schedule: old snapshot + events = fresh snapshot; what is sent is there once", async () => {
  const faults = { dropped: 0, repeated: 0, cut: 0, failed: 0 };
  const seen = { inRoom: 0, threads: 0 };
  for (const seed of [...PINNED, ...Array.from({ length: SEEDS }, (_, at) => FIRST + at)]) {
    const { room, alice, network, sent } = await run(seed);
    try {
      checkState(room, alice);
      checkSent(room, alice, sent);
      await checkFresh(room, alice);
    } catch (error) {
      throw new Error(`SEED=${seed} SEEDS=1: ${(error as Error).message}`, { cause: error });
    }
    alice.stop();
    vi.clearAllTimers();
    for (const key of Object.keys(faults) as (keyof typeof faults)[]) faults[key] += network.faults[key];
    seen.inRoom += room.messages.filter(inRoom).length;
    seen.threads += Object.keys(alice.getSnapshot().state.threads).length;
  }
  // A run in which the fault never struck says nothing.
  for (const count of [...Object.values(faults), ...Object.values(seen)]) expect(count).toBeGreaterThan(0);
}, 120_000);
