/**
 * The door. A development build of the Worker lets one be anybody; any other deployment refuses that (404), and then
 * sign-in is the embedding product's business and this page takes a token.
 */
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { Field, FormError, TextAreaField } from "@/components/ui/field";
import { hasDevSignIn } from "@/lib/api";
import { devSession, type Session, sessionOfToken } from "@/lib/session";
import { errorText } from "../chat/explain";

type Door = "asking" | "dev" | "token" | "unreachable";

export function SignIn({ onSession }: { onSession: (session: Session) => void }) {
  const [door, setDoor] = useState<Door>("asking");
  useEffect(() => {
    if (door !== "asking") return;
    let current = true;
    hasDevSignIn().then(
      (dev) => current && setDoor(dev ? "dev" : "token"),
      () => current && setDoor("unreachable"),
    );
    return () => {
      current = false;
    };
  }, [door]);
  return (
    <main className="flex min-h-full items-center justify-center p-6">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex flex-col items-center gap-3 text-center">
          <img src="/icon.svg" alt="" className="size-14" />
          <h1 className="font-semibold text-2xl tracking-tight">Chinwag</h1>
        </div>
        <div className="rounded-2xl border bg-card p-6 shadow-sm" data-door={door}>
          {door === "asking" && <p className="text-center text-muted-foreground text-sm">One moment…</p>}
          {door === "dev" && <DevForm onSession={onSession} onLeft={() => setDoor("token")} />}
          {door === "token" && <TokenForm onSession={onSession} />}
          {door === "unreachable" && (
            <div className="space-y-4 text-center">
              <p className="text-sm">The server can't be reached.</p>
              <Button onClick={() => setDoor("asking")}>Try again</Button>
            </div>
          )}
        </div>
      </div>
    </main>
  );
}

function DevForm({ onSession, onLeft }: { onSession: (session: Session) => void; onLeft: () => void }) {
  const [userId, setUserId] = useState("");
  const [tenant, setTenant] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      const session = await devSession(userId.trim(), tenant.trim(), "");
      if (session) onSession(session);
      else onLeft();
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Field
        label="User id"
        hint="A development server lets you be anybody. Open a second tab to be somebody else."
        placeholder="alice"
        name="user"
        value={userId}
        autoFocus
        required
        maxLength={128}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        onChange={(event) => setUserId(event.target.value)}
      />
      <details className="text-sm">
        <summary className="text-muted-foreground">Another tenant</summary>
        <Field
          className="mt-3"
          label="Tenant"
          name="tenant"
          value={tenant}
          autoComplete="off"
          onChange={(event) => setTenant(event.target.value)}
        />
      </details>
      <FormError>{error}</FormError>
      <Button type="submit" className="w-full" disabled={busy || userId.trim() === ""}>
        {busy ? "Signing in…" : "Sign in"}
      </Button>
    </form>
  );
}

function TokenForm({ onSession }: { onSession: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState<string | null>(null);
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        const session = sessionOfToken(token);
        if (session) onSession(session);
        else setError("That is no JWT with a user id in it.");
      }}
    >
      <p className="text-muted-foreground text-sm">
        Signing people in belongs to the product that this chat is part of. To look around, paste a token that
        it issued.
      </p>
      <TextAreaField
        label="Token"
        name="token"
        rows={4}
        required
        autoComplete="off"
        spellCheck={false}
        value={token}
        onChange={(event) => setToken(event.target.value)}
      />
      <FormError>{error}</FormError>
      <Button type="submit" className="w-full" disabled={token.trim() === ""}>
        Continue
      </Button>
    </form>
  );
}
