import { browserOutbox, ChatClient } from "chinwag";
import { Chat, ChatProvider } from "chinwag/react";
import "chinwag/react.css";
import { createRoot } from "react-dom/client";

// Your product knows the user, the room and the server; this page takes them from its URL.
const query = new URLSearchParams(location.search);
const [url, userId, roomId] = ["url", "user", "room"].map((name) => query.get(name) ?? "") as [string, string, string];

// Your backend signs the tokens of its users; a development server has a route that does.
async function getToken() {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sub: userId }) };
  return (await (await fetch(`${url}/api/chat/dev/token`, request)).json()).token as string;
}

const client = new ChatClient({ url, userId, getToken, outbox: browserOutbox(userId) });
createRoot(document.getElementById("chat")!).render(
  <ChatProvider client={client}>
    <Chat roomId={roomId} />
  </ChatProvider>,
);
