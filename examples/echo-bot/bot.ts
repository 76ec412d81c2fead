/**
 * A bot that repeats each message of a room: CHINWAG_URL=http://127.0.0.1:8787 node bot.ts ROOM_ID (Node 22.18 or
 * newer).
 */
import { ChatClient } from "chinwag";

const url = process.env.CHINWAG_URL ?? "http://127.0.0.1:8787";
const userId = process.env.BOT_ID ?? "echo";
const [roomId = ""] = process.argv.slice(2);

/** Your bot signs its token with the server's key; a development server has a route that does. */
async function getToken(): Promise<string> {
  const body = JSON.stringify({ sub: userId });
  const answer = await fetch(`${url}/api/chat/dev/token`, {
    ...{ method: "POST", headers: { "Content-Type": "application/json" }, body },
  });
  return ((await answer.json()) as { token: string }).token;
}

const chat = new ChatClient({ url, userId, getToken });
const room = chat.room(roomId);
/**
 * Messages up to this seq are handled. The bot ignores older messages and answers those it missed while disconnected.
 */
let handledSeq: number | null = null;

room.subscribe(() => {
  const { state, connection } = room.getSnapshot();
  if (connection.kind === "stopped") throw new Error(`the connection was refused: ${connection.reason}`);
  if (state.seq === null || state.phase !== "live") return;
  const from = handledSeq ?? state.seq;
  if (handledSeq === null) console.log("listening");
  handledSeq = state.seq;
  for (const { seq, userId: author, content } of state.messages)
    if (seq > from && author !== userId) room.sendMessage(`You said: ${content}`);
});
chat.retain(room);
