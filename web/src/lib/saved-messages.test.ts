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
  return { saved, calls, shown: () => [...(saved.getSnapshot()?.keys() ?? [])].sort() };
}

const settle = () => new Promise((done) => setTimeout(done, 0));
const event = (messageId: string, isSaved: boolean) =>
  ({ type: "saved", seq: 1, roomId: "r", messageId, saved: isSaved }) as const;

describe("saved messages", () => {
  it("are loaded when somebody looks, and change by own requests and by the inbox", async () => {
    const { saved, calls, shown } = client([["a", "b"], ["c"]]);
    let heard = 0;
    saved.receive([event("early", true)]);
    expect(calls).toEqual([]);
    saved.subscribe(() => {
      heard += 1;
    });
    await settle();
    expect([calls, shown(), heard]).toEqual([["list 0", "list 1"], ["a", "b", "c"], 1]);
    await saved.save("r", "d");
    saved.receive([event("a", false), event("d", true)]);
    await saved.unsave("r", "b");
    expect([shown(), heard]).toEqual([["c", "d"], 4]);
  });

  it("what changes while they are loaded counts more than the pages", async () => {
    const { saved, shown } = client([["a", "b"]]);
    saved.subscribe(() => {});
    saved.receive([event("a", false), event("z", true)]);
    await settle();
    expect(shown()).toEqual(["b", "z"]);
  });
});
