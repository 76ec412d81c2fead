import { describe, expect, it } from "vitest";
import { SavedMessages } from "./saved-messages";

function client(pages: string[][]) {
  const calls: string[] = [];
  const api = {
    saveMessage: async (roomId: string, messageId: string) => {
      calls.push(`save ${messageId}`);
      return { roomId, messageId, saved: true };
    },
    unsaveMessage: async (roomId: string, messageId: string) => {
      calls.push(`unsave ${messageId}`);
      return { roomId, messageId, saved: false };
    },
    listSaved: async (cursor?: string) => {
      const page = Number(cursor ?? 0);
      calls.push(`list ${page}`);
      const messages = (pages[page] ?? []).map((id) => ({ id, roomId: "r" }));
      return { messages, nextCursor: page + 1 < pages.length ? String(page + 1) : null };
    },
  };
  const saved = new SavedMessages(api as never);
  return { saved, calls, shown: () => [...saved.getSnapshot()].sort() };
}

const settle = () => new Promise((done) => setTimeout(done, 0));
const event = (messageId: string, isSaved: boolean) =>
  ({ type: "saved", seq: 1, roomId: "r", messageId, saved: isSaved }) as const;
const rooms = { type: "rooms", rooms: [], nextCursor: null, unreadTotal: 0, mentionsTotal: 0 } as never;

describe("saved messages", () => {
  it("cost one page when somebody looks, and change by own requests and by the inbox", async () => {
    const { saved, calls, shown } = client([["a", "b"], ["c"]]);
    let heard = 0;
    saved.receive([event("early", true)]);
    expect(calls).toEqual([]);
    const look = () =>
      saved.subscribe(() => {
        heard += 1;
      });
    const stop = look();
    await settle();
    expect([calls, shown(), heard]).toEqual([["list 0"], ["a", "b"], 1]);
    await saved.save("r", "d");
    saved.receive([event("a", false), event("d", true)]);
    await saved.unsave("r", "b");
    expect([shown(), heard]).toEqual([["d"], 4]);
    stop();
    look();
    await settle();
    expect(calls.filter((call) => call.startsWith("list"))).toEqual(["list 0"]);
  });

  it("the pages of the list that are read are known too", async () => {
    const { saved, shown } = client([["a"], ["b"]]);
    await saved.list();
    await saved.list("1");
    expect(shown()).toEqual(["a", "b"]);
  });

  it("what changes while they are loaded counts more than the page", async () => {
    const { saved, shown } = client([["a", "b"]]);
    saved.subscribe(() => {});
    saved.receive([event("a", false), event("z", true)]);
    await settle();
    expect(shown()).toEqual(["b", "z"]);
  });

  it("after a new connection of the inbox the next look asks again, and nobody before", async () => {
    const pages = [["a"]];
    const { saved, calls, shown } = client(pages);
    saved.subscribe(() => {})();
    await settle();
    pages[0] = ["b"];
    saved.receive([rooms]);
    await settle();
    expect([calls, shown()]).toEqual([["list 0"], ["a"]]);
    saved.subscribe(() => {});
    await settle();
    expect([calls, shown()]).toEqual([["list 0", "list 0"], ["b"]]);
  });
});
