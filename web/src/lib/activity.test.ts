/** Activity of the page: sent at once after a while, seldom, and not claimed by a reconnect. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Activity } from "./activity";

const MINUTE_MS = 60_000;
let page: EventTarget;
let sent: boolean[];
let isConnected: boolean;
let activity: Activity;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  page = new EventTarget();
  sent = [];
  isConnected = true;
  activity = new Activity((active) => {
    if (isConnected) sent.push(active);
    return isConnected;
  }, page);
  activity.start();
});
afterEach(() => {
  vi.useRealTimers();
});

const input = (kind = "keydown") => page.dispatchEvent(new Event(kind));
const wait = (minutes: number) => vi.advanceTimersByTime(minutes * MINUTE_MS);

test("input is sent once in five minutes, and again when it did not arrive", () => {
  activity.onConnected();
  input();
  expect(sent).toEqual([]);
  wait(5);
  for (let at = 0; at < 100; at += 1) input("pointermove");
  expect(sent).toEqual([true]);
  wait(5);
  isConnected = false;
  input();
  isConnected = true;
  input();
  expect(sent).toEqual([true, true]);
});

test("a reconnect while nobody is here says so, and the next input is sent at once", () => {
  activity.onConnected();
  wait(9);
  activity.onConnected();
  expect(sent).toEqual([]);
  wait(2);
  activity.onConnected();
  expect(sent).toEqual([false]);
  input();
  expect(sent).toEqual([false, true]);
});

test("a page that has stopped says nothing", () => {
  wait(30);
  activity.stop();
  input();
  expect(sent).toEqual([]);
});
