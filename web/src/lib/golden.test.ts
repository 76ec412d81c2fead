/**
 * The golden frames shared with the Rust tests (tests/golden): each is parsed as expected, and our frames use their
 * fields.
 */
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { hello, message, synced } from "../../test/fake-server";
import { afterClose, type ErrorBody, type Message, PING_TEXT, readFrame, type ServerEvent } from "./protocol";
import { newOutgoing, type Op, toFrame } from "./room-outgoing";
import { roomReducer } from "./room-reducer";
import { initialRoomState } from "./room-state";
import { typingUsers } from "./room-view";

const folder = resolve(import.meta.dirname, "../../../tests/golden");
const files = readdirSync(folder);
const lines = (file: string) => readFileSync(resolve(folder, file), "utf8").split("\n").filter(Boolean);
const of = (prefix: string) => files.filter((file) => file.startsWith(prefix));

/** A live room of bob with the message that the golden frames refer to, just before `seq`. */
function before(seq: number) {
  const known = message(1, "alice", { id: "01a207a2-3280-7abc-8567-890000000008" });
  const events: ServerEvent[] = [
    hello(seq - 1, { userId: "bob" }),
    { type: "new_message", seq: 1, message: known },
    synced(seq - 1),
  ];
  return roomReducer(initialRoomState("bob"), { type: "events", events, nowMs: 1 });
}

describe("server frames", () => {
  test.each(of("server_"))("%s", (file) => {
    for (const line of lines(file)) {
      const [event, ...more] = readFrame(`[${line}]`);
      expect(more).toEqual([]);
      expect(`server_${event?.type}.jsonl`).toBe(file);
      if (!event) throw new Error("not read");
      const sequenced =
        "seq" in event && !["hello", "ack", "resync", "synced", "pong", "read_receipt"].includes(event.type);
      const was = before(sequenced ? Number(event.seq) : 9);
      const state = roomReducer(was, { type: "events", events: [event], nowMs: 1_000 });
      if (sequenced) expect(state).toMatchObject({ seq: event.seq, phase: "live" });
      if (event.type === "new_message") expect(state.messages.at(-1)).toEqual(event.message);
      if (event.type === "message_updated") expect(state.messages).toContainEqual(event.message);
      if (event.type === "message_deleted") expect(state.messages[0]?.deletedAt).not.toBeNull();
      if (event.type === "reaction_update") {
        const { delta, count } = event;
        expect(state.messages[0]?.reactionCounts[delta.emoji] ?? 0).toBe(count);
        const named = state.messages[0]?.reactions[delta.emoji] ?? [];
        expect(named.includes(delta.userId)).toBe(delta.action === "add");
      }
      if (event.type === "thread_update") expect(state.roomRevision).toBe(0);
      if (event.type === "online_users") expect(state.onlineUsers).toEqual(event.users);
      if (event.type === "resync") expect(state).toMatchObject({ phase: "reload", epoch: event.epoch });
      if (event.type === "read_receipt") expect(state.readMarkers[event.userId]).toBe(event.seq);
      if (event.type === "typing")
        expect(typingUsers(state, event.threadId ?? "")).toEqual(
          event.typingUsers.filter((item) => item !== "bob"),
        );
    }
  });

  test("a message has the fields that its type says, and no others", () => {
    const keys = Object.keys(message(1)).sort();
    const goldens = lines("server_new_message.jsonl").map((line) => JSON.parse(line).message as Message);
    for (const golden of goldens) {
      const alone = golden.deletedAt === null ? [] : ["deletedBy"];
      expect(Object.keys(golden).sort()).toEqual([...keys, ...alone].sort());
    }
  });
});

test.each(of("error_"))("%s fails only the message that it names", (file) => {
  for (const line of lines(file)) {
    const error: ErrorBody & { clientId?: string } = JSON.parse(line);
    const op: Op = {
      type: "message",
      content: "hi",
      attachments: [],
      threadId: null,
      replyToId: null,
      alsoToRoom: false,
    };
    const sending = [newOutgoing("c1", op, 1), newOutgoing("c0", op, 1)];
    const was = { ...before(9), outgoing: sending };
    const state = roomReducer(was, { type: "events", events: readFrame(line), nowMs: 1_000 });
    const [mine, other] = state.outgoing;
    const waits = error.retryable && error.retryAfterMs !== undefined;
    if (error.clientId === "c1") expect(mine?.status).toBe(waits ? "sending" : "failed");
    else expect(mine).toBe(sending[0]);
    expect(other).toBe(sending[1]);
  }
});

test("the close codes match the golden table", () => {
  const codes = lines("close_codes.jsonl").map((line) => JSON.parse(line) as { code: number });
  const stops = codes.map(({ code }) => code).filter((code) => afterClose(code) === "stop");
  expect(stops).toEqual([4400, 4403, 4409, 4410, 4413, 4415]);
});

test("outgoing frames have only fields of the golden frames", () => {
  const fields = new Map<string, Set<string>>();
  for (const frame of of("client_")
    .flatMap(lines)
    .map((line) => JSON.parse(line))) {
    const known = fields.get(frame.type) ?? new Set();
    for (const key of Object.keys(frame)) known.add(key);
    fields.set(frame.type, known);
  }
  const file = { name: "a", mimeType: "b", size: 1, url: "https://x" };
  const whole: Op = {
    type: "message",
    content: "hi",
    attachments: [file],
    threadId: "t",
    replyToId: "r",
    alsoToRoom: true,
  };
  const reaction: Op = { type: "reaction", messageId: "m", emoji: "👍", action: "add" };
  const edit: Op = { type: "edit", messageId: "m", content: "x", baseVersion: 1 };
  for (const op of [whole, reaction, edit, { type: "delete", messageId: "m" } as const]) {
    const known = fields.get(op.type);
    const frame = toFrame(newOutgoing("c", op, 1));
    // tests/native/golden.rs ensures that every frame has a golden file.
    if (known) for (const key of Object.keys(frame)) expect(known, `${op.type}.${key}`).toContain(key);
  }
  expect(JSON.parse(PING_TEXT)).toEqual({ type: "ping" });
});
