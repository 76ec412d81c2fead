/** The list of blocks: one request for all who look, right after a change, and asked for again after a failure. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChatApi } from "./api";
import { Blocks } from "./blocks";

let server: Set<string>;
let requests: number;
let isDown: boolean;
let blocks: Blocks;
const ids = () => [...(blocks.getSnapshot() ?? ["unknown"])];
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  [server, requests, isDown] = [new Set(["mallory"]), 0, false];
  const api = {
    blocks: async () => {
      requests += 1;
      const people = [...server].map((userId) => ({ userId }));
      await Promise.resolve();
      if (isDown) throw new Error("down");
      return { people };
    },
    setBlock: async (userId: string, isBlocked: boolean) => {
      if (isBlocked) server.add(userId);
      else server.delete(userId);
    },
  };
  blocks = new Blocks(api as unknown as Pick<ChatApi, "blocks" | "setBlock">);
});
afterEach(() => {
  vi.useRealTimers();
});

test("many who look are one request, and a change shows to all of them", async () => {
  let heard = 0;
  for (let at = 0; at < 20; at += 1) blocks.subscribe(() => (heard += 1));
  await settle();
  expect([requests, ids(), heard]).toEqual([1, ["mallory"], 20]);
  await blocks.set("trudy", true);
  await blocks.set("mallory", false);
  expect([requests, ids(), heard]).toEqual([1, ["trudy"], 60]);
  vi.advanceTimersByTime(600_000);
  blocks.subscribe(() => {});
  await settle();
  expect(requests).toBe(2);
});

test("an answer that a change has overtaken is asked for again", async () => {
  blocks.subscribe(() => {});
  await blocks.set("trudy", true);
  await settle();
  expect([requests, ids()]).toEqual([2, ["mallory", "trudy"]]);
});

test("after a failure whoever looks next asks again", async () => {
  isDown = true;
  blocks.subscribe(() => {});
  await settle();
  expect(ids()).toEqual(["unknown"]);
  isDown = false;
  blocks.subscribe(() => {});
  await settle();
  expect([requests, ids()]).toEqual([2, ["mallory"]]);
});
