import { describe, expect, it } from "vitest";
import { OwnReports } from "./own-reports";
import type { OwnReport } from "./protocol";

const report = (messageId: string, state: OwnReport["state"] = "open"): OwnReport => ({
  id: `report ${messageId}`,
  at: "2026-11-28T12:00:00.000Z",
  roomId: "r",
  messageId,
  reason: "rude",
  state,
  resolvedAt: state === "open" ? null : "2026-11-28T13:00:00.000Z",
});

class FakeStorage extends Map<string, string> {
  getItem = (key: string) => this.get(key) ?? null;
  setItem = (key: string, value: string) => void this.set(key, value);
  removeItem = (key: string) => void this.delete(key);
}

/** A server with these reports, and a browser in which each call of `tab` is another load of the page. */
function browser() {
  const storage = new FakeStorage();
  const server = { reports: [] as OwnReport[], asked: 0, isDown: false };
  const api = {
    report: async (_room: string, messageId: string) => {
      server.reports = [report(messageId), ...server.reports];
    },
    listOwnReports: async (cursor?: string) => {
      server.asked += 1;
      if (server.isDown) throw new Error("down");
      const from = Number(cursor ?? 0);
      const reports = server.reports.slice(from, from + 2);
      return { reports, nextCursor: from + 2 < server.reports.length ? String(from + 2) : null };
    },
  };
  let nowMs = Date.parse("2026-11-28T12:00:00.000Z");
  const tab = (account = "alice") =>
    new OwnReports(api as never, { account, storage: storage as never, now: () => nowMs });
  const resolve = (messageId: string, state: OwnReport["state"]) => {
    server.reports = server.reports.map((one) =>
      one.messageId === messageId ? report(messageId, state) : one,
    );
  };
  return { storage, server, tab, resolve, wait: (ms: number) => (nowMs += ms) };
}

const shown = (reports: OwnReports) =>
  reports.getSnapshot().map(({ messageId, state }) => `${messageId} ${state}`);

describe("the outcome of a report", () => {
  it("is asked for only while a report is open", async () => {
    const { server, tab } = browser();
    await tab().check();
    expect(server.asked).toBe(0);
    const reports = tab();
    await reports.report("r", "m1", "rude");
    await reports.check();
    expect([server.asked, shown(reports)]).toEqual([1, []]);
  });

  it("is shown once, whatever is reloaded, and to nobody else at the browser", async () => {
    const { server, tab, resolve } = browser();
    await tab().report("r", "m1", "rude");
    resolve("m1", "deleted");
    await tab("bob").check();
    expect(server.asked).toBe(0);
    const reports = tab();
    let heard = 0;
    reports.subscribe(() => {
      heard += 1;
    });
    await reports.check();
    expect([shown(reports), heard]).toEqual([["m1 deleted"], 1]);
    const again = tab();
    await again.check();
    expect([shown(again), server.asked]).toEqual([[], 1]);
    reports.dismiss();
    expect([shown(reports), heard]).toEqual([[], 2]);
  });

  it("is looked for when somebody returns, at most every five minutes, and again after a failure", async () => {
    const { server, tab, resolve, wait } = browser();
    const reports = tab();
    await reports.report("r", "m1", "rude");
    server.isDown = true;
    await reports.check();
    server.isDown = false;
    resolve("m1", "dismissed");
    wait(299_000);
    await reports.check();
    expect([server.asked, shown(reports)]).toEqual([1, []]);
    wait(1_000);
    await reports.check();
    expect([server.asked, shown(reports)]).toEqual([2, ["m1 dismissed"]]);
  });

  it("is found on a later page, and no page is read without need", async () => {
    const { server, tab, resolve } = browser();
    const reports = tab();
    for (const id of ["m1", "m2", "m3", "m4", "m5"]) await reports.report("r", id, "rude");
    resolve("m3", "muted");
    await reports.check();
    expect([server.asked, shown(reports)]).toEqual([3, ["m3 muted"]]);
  });

  it("that stands in the list needs no other news; what is open there is remembered", async () => {
    const { server, tab, resolve } = browser();
    server.reports = [report("m1"), report("m2", "dismissed")];
    const reports = tab();
    await reports.list();
    resolve("m1", "banned");
    await reports.check();
    expect(shown(reports)).toEqual(["m1 banned"]);
    await reports.list();
    expect(shown(reports)).toEqual([]);
  });

  it("is forgotten after 90 days, and what is stored may be anything", async () => {
    const { storage, server, tab, wait } = browser();
    await tab().report("r", "m1", "rude");
    wait(91 * 86_400_000);
    await tab().check();
    for (const text of ["[", "{}", "[null]", "7"]) {
      storage.set("chinwag.reports.alice", text);
      await tab().check();
    }
    expect(server.asked).toBe(0);
  });
});
