import { browserOutbox, ChatClient } from "chinwag";
import { Chat, ChatProvider } from "chinwag/react";
import "chinwag/react.css";
import { createRoot } from "react-dom/client";

// Who is here, in which room, and where the server is: your product knows that; this page is told by its address.
const query = new URLSearchParams(location.search);
const [url, userId, roomId] = ["url", "user", "room"].map((name) => query.get(name) ?? "") as [string, string, string];

// Your backend signs tokens for its own people; a development server has a door that does.
async function getToken() {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sub: userId }) };
  return (await (await fetch(`${url}/api/chat/dev/token`, asked)).json()).token as string;
}

const client = new ChatClient({ url, userId, getToken, outbox: browserOutbox(userId) });
createRoot(document.getElementById("chat")!).render(
  <ChatProvider client={client}>
    <Chat roomId={roomId} />
  </ChatProvider>,
);
