import { expect, test } from "vitest";
import { message } from "../../test/fake-server";
import { ReadTracker, seenUpTo } from "./read-tracker";

const stretch = (seqs: number[], more: Partial<Parameters<typeof seenUpTo>[0]> = {}) => ({
  messages: seqs.map((seq) => message(seq)),
  hasBefore: false,
  me: "alice",
  lastReadSeq: 1,
  ...more,
});

test("a message is seen after half a second in sight without a break", () => {
  const tracker = new ReadTracker();
  tracker.setVisible([2, 3], 0);
  tracker.setVisible([3], 400);
  tracker.advance(499);
  expect([2, 3].map(tracker.isSeen)).toEqual([false, false]);
  expect(tracker.nextMs()).toBe(500);
  tracker.advance(500);
  expect([2, 3].map(tracker.isSeen)).toEqual([false, true]);
  expect(tracker.nextMs()).toBeNull();
});

test("leaving discards what was not in sight long enough", () => {
  const tracker = new ReadTracker();
  tracker.setVisible([2], 0);
  tracker.setVisible([], 300);
  tracker.advance(10_000);
  tracker.setVisible([2], 10_000);
  tracker.advance(10_300);
  expect(tracker.isSeen(2)).toBe(false);
});

test("the marker stops before the first message that was not seen", () => {
  const seen = new Set([2, 3, 5]);
  expect(seenUpTo(stretch([1, 2, 3, 4, 5]), (seq) => seen.has(seq))).toBe(3);
  const own = stretch([1, 2, 3, 4, 5]);
  own.messages[3] = message(4, "alice");
  expect(seenUpTo(own, (seq) => seen.has(seq))).toBe(5);
  own.messages[3] = message(4, "bob", { deletedAt: "2026-11-23T12:00:00.000Z" });
  expect(seenUpTo(own, (seq) => seen.has(seq))).toBe(5);
});

test("the marker does not move past messages that are not loaded", () => {
  const all = () => true;
  expect(seenUpTo(stretch([60, 61], { hasBefore: true }), all)).toBe(1);
  expect(seenUpTo(stretch([60, 61], { hasBefore: false }), all)).toBe(61);
  expect(seenUpTo(stretch([2, 3], { hasBefore: true }), all)).toBe(3);
});

test("before the first visit everything is new, and the marker moves from the first message on", () => {
  expect(seenUpTo(stretch([60, 61, 62], { hasBefore: true, lastReadSeq: 0 }), (seq) => seq === 61)).toBe(0);
  expect(seenUpTo(stretch([1, 2, 3], { lastReadSeq: 0 }), (seq) => seq < 3)).toBe(2);
});
