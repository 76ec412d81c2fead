/** Says back whatever is said in a room: CHINWAG_URL=http://127.0.0.1:8787 node bot.ts ROOM_ID (Node 22.18 or newer). */
import { ChatClient } from "chinwag";

const url = process.env.CHINWAG_URL ?? "http://127.0.0.1:8787";
const userId = process.env.BOT_ID ?? "echo";
const [roomId = ""] = process.argv.slice(2);

/** A bot of yours signs its own token with the server's key; a development server has a door that does. */
async function getToken(): Promise<string> {
  const body = JSON.stringify({ sub: userId });
  const answer = await fetch(`${url}/api/chat/dev/token`, {
    ...{ method: "POST", headers: { "Content-Type": "application/json" }, body },
  });
  return ((await answer.json()) as { token: string }).token;
}

const chat = new ChatClient({ url, userId, getToken });
const room = chat.room(roomId);
/** Up to here everything was heard. What was said before the bot came isn't answered; what it missed since is. */
let heard: number | null = null;

room.subscribe(() => {
  const { state, connection } = room.getSnapshot();
  if (connection.kind === "stopped") throw new Error(`the server doesn't want us: ${connection.reason}`);
  if (state.seq === null || state.phase !== "live") return;
  const from = heard ?? state.seq;
  if (heard === null) console.log("listening");
  heard = state.seq;
  for (const { seq, userId: author, content } of state.messages)
    if (seq > from && author !== userId) room.sendMessage(`You said: ${content}`);
});
chat.retain(room);
