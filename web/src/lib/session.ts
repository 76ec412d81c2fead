/**
 * Who is signed in to this tab, and where tokens come from. The session is in sessionStorage: it survives a reload, and
 * two tabs can be two people. A new tab starts with the session that began last in this browser. A development server
 * issues tokens; in any other deployment the embedding product does.
 */
import { devToken } from "./dev-sign-in";
import { type GetToken, SignedOut } from "./http";

export interface Session {
  userId: string;
  tenant: string;
  name: string;
  token: string;
  /** Whether `/dev/token` issued the token and can issue another. */
  dev: boolean;
}

interface Claims {
  sub?: unknown;
  name?: unknown;
  exp?: unknown;
}

/** The claims of a token, unverified: for display and timing, never for authorization. */
export function readClaims(token: string): Claims | null {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" ? (claims as Claims) : null;
  } catch {
    return null;
  }
}

/** When the token expires (Unix ms), if it says so. */
export function expiryMs(token: string): number | null {
  const exp = readClaims(token)?.exp;
  return typeof exp === "number" ? exp * 1000 : null;
}

/** The session of a pasted token; `null` if it is not a JWT with a user id. */
export function sessionOfToken(token: string): Session | null {
  const claims = readClaims(token.trim());
  if (!claims || typeof claims.sub !== "string" || claims.sub === "") return null;
  const name = typeof claims.name === "string" ? claims.name : "";
  return { userId: claims.sub, tenant: "", name, token: token.trim(), dev: false };
}

export async function devSession(userId: string, tenant: string, name: string): Promise<Session | null> {
  const token = await devToken({ sub: userId, ...(tenant && { tenant }), ...(name && { name }) });
  return token === null ? null : { userId, tenant, name, token, dev: true };
}

/**
 * A token source for a session. It fetches a new token when the old one was refused or expires soon, once at a time.
 */
export function tokenSource(session: Session, onToken: (token: string) => void, now = Date.now): GetToken {
  let token = session.token;
  let pending: Promise<string> | null = null;

  const fetchToken = async (): Promise<string> => {
    const next = session.dev ? await devSession(session.userId, session.tenant, session.name) : null;
    if (!next) throw new SignedOut("The token has expired.");
    token = next.token;
    onToken(token);
    return token;
  };
  return async ({ fresh }) => {
    const ends = expiryMs(token);
    if (!fresh && (ends === null || ends > now() + 5_000)) return token;
    pending ??= fetchToken().finally(() => {
      pending = null;
    });
    return pending;
  };
}

const KEY = "chinwag.session";

export function loadSession(): Session | null {
  try {
    const saved = JSON.parse(
      sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "null",
    ) as Session | null;
    if (typeof saved?.userId !== "string" || typeof saved.token !== "string") return null;
    sessionStorage.setItem(KEY, JSON.stringify(saved));
    return saved;
  } catch {
    return null;
  }
}

/** `null`: signed out, in this tab and in those that open later. */
export function saveSession(session: Session | null): void {
  try {
    for (const storage of [sessionStorage, localStorage]) {
      if (session) storage.setItem(KEY, JSON.stringify(session));
      else storage.removeItem(KEY);
    }
  } catch {
    // Storage may be disabled; then the session ends with the page.
  }
}
