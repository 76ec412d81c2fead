/**
 * Sign-in. A development build of the Worker issues a token for any user id. Other deployments have no such route
 * (404): there the embedding product signs people in, and this page accepts a pasted token.
 */

import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { Field, FormError, TextAreaField } from "@/components/ui/field";
import { t } from "@/i18n/i18n";
import { hasDevSignIn } from "@/lib/dev-sign-in";
import { devSession, type Session, sessionOfToken } from "@/lib/session";
import { errorText } from "../chat/explain";

type SignInMode = "checking" | "dev" | "token" | "unreachable";

export default function SignIn({ onSession }: { onSession: (session: Session) => void }) {
  const [mode, setMode] = useState<SignInMode>("checking");
  useEffect(() => {
    if (mode !== "checking") return;
    let isMounted = true;
    hasDevSignIn().then(
      (dev) => isMounted && setMode(dev ? "dev" : "token"),
      () => isMounted && setMode("unreachable"),
    );
    return () => {
      isMounted = false;
    };
  }, [mode]);
  return (
    <main className="flex min-h-full items-center justify-center p-6">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex flex-col items-center gap-3 text-center">
          <img src="/icon.svg" alt="" className="size-14" />
          <h1 className="font-semibold text-2xl tracking-tight">{t.signIn.title}</h1>
        </div>
        <div className="rounded-2xl border bg-card p-6 shadow-sm" data-mode={mode}>
          {mode === "checking" && (
            <p className="text-center text-muted-foreground text-sm">{t.signIn.checking}</p>
          )}
          {mode === "dev" && <DevForm onSession={onSession} onLeft={() => setMode("token")} />}
          {mode === "token" && <TokenForm onSession={onSession} />}
          {mode === "unreachable" && (
            <div className="space-y-4 text-center">
              <p className="text-sm">{t.signIn.unreachable}</p>
              <Button onClick={() => setMode("checking")}>{t.common.tryAgain}</Button>
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
        label={t.signIn.userId}
        hint={t.signIn.userIdHint}
        placeholder={t.signIn.userIdExample}
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
        <summary className="text-muted-foreground">{t.signIn.anotherTenant}</summary>
        <Field
          className="mt-3"
          label={t.signIn.tenant}
          name="tenant"
          value={tenant}
          autoComplete="off"
          onChange={(event) => setTenant(event.target.value)}
        />
      </details>
      <FormError>{error}</FormError>
      <Button type="submit" className="w-full" disabled={busy || userId.trim() === ""}>
        {busy ? t.signIn.signingIn : t.signIn.signIn}
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
        else setError(t.signIn.invalidToken);
      }}
    >
      <p className="text-muted-foreground text-sm">{t.signIn.tokenHint}</p>
      <TextAreaField
        label={t.signIn.token}
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
        {t.signIn.continue}
      </Button>
    </form>
  );
}
