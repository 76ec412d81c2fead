import { browserOutbox, ChatClient, SignedOut } from "chinwag";
import { Chat, ChatProvider, useInbox } from "chinwag/react";
import "chinwag/react.css";
import { UserManager } from "oidc-client-ts";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const { chat, issuer, clientId } = await (await fetch("config.json")).json();
const manager = new UserManager({
  ...{ authority: issuer, client_id: clientId, redirect_uri: `${location.origin}/` },
  ...{ scope: "openid profile offline_access", automaticSilentRenew: false },
});

/** The person's ID token, renewed by the refresh token when it has expired or the chat asks for a fresh one. */
async function getToken({ fresh }: { fresh: boolean }): Promise<string> {
  const known = await manager.getUser();
  const user = fresh || !known || known.expired ? await manager.signinSilent().catch(() => null) : known;
  if (!user?.id_token) throw new SignedOut();
  return user.id_token;
}

function Home({ userId }: { userId: string }) {
  const { rooms } = useInbox();
  const [chosen, choose] = useState<string>();
  const open = rooms.find((room) => room.id === chosen) ?? rooms[0];
  const titleOf = ({ name, members }: (typeof rooms)[number]) =>
    name ?? members.find((member) => member.userId !== userId)?.name;
  return (
    <main style={{ display: "grid", gridTemplateColumns: "12rem 1fr", height: "95vh" }}>
      <nav>{rooms.map((room) => <button key={room.id} type="button" onClick={() => choose(room.id)}>{titleOf(room)}</button>)}</nav>
      {open ? <Chat roomId={open.id} /> : <p>Nobody has written to you yet.</p>}
    </main>
  );
}

if (new URLSearchParams(location.search).has("code")) {
  await manager.signinCallback();
  history.replaceState(null, "", "/");
}
const user = await manager.getUser();
if (!user) await manager.signinRedirect();
else {
  const client = new ChatClient({ url: chat, userId: user.profile.sub, getToken, outbox: browserOutbox(user.profile.sub) });
  createRoot(document.getElementById("app")!).render(<ChatProvider client={client}><Home userId={client.userId} /></ChatProvider>);
}
