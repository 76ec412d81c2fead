/**
 * Who this tab is, and how it comes by a token. Kept in sessionStorage: it survives a reload, and two tabs can be
 * two people. No secret is here; a development build's server mints tokens, anything else brings its own.
 */
import { devToken, type GetToken, SignedOut } from "./api";

export interface Session {
  userId: string;
  tenant: string;
  name: string;
  token: string;
  /** Whether `/dev/token` gave the token, and so can give another. */
  dev: boolean;
}

interface Claims {
  sub?: unknown;
  name?: unknown;
  exp?: unknown;
}

/** What a token says of itself, unverified: good for showing and for timing, never for deciding. */
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

/** Unix milliseconds at which the token ends, if it says so. */
export function expiryMs(token: string): number | null {
  const exp = readClaims(token)?.exp;
  return typeof exp === "number" ? exp * 1000 : null;
}

/** The session that a pasted token stands for; `null` if it is no JWT with a person in it. */
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

/** A token source over a session: mints anew when the old one is refused or about to end, one request at a time. */
export function tokenSource(session: Session, onToken: (token: string) => void, now = Date.now): GetToken {
  let token = session.token;
  let minting: Promise<string> | null = null;

  const mint = async (): Promise<string> => {
    const next = session.dev ? await devSession(session.userId, session.tenant, session.name) : null;
    if (!next) throw new SignedOut("The token has expired.");
    token = next.token;
    onToken(token);
    return token;
  };
  return async ({ fresh }) => {
    const ends = expiryMs(token);
    if (!fresh && (ends === null || ends > now() + 5_000)) return token;
    minting ??= mint().finally(() => {
      minting = null;
    });
    return minting;
  };
}

const KEY = "chinwag.session";

export function loadSession(): Session | null {
  try {
    const saved = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Session | null;
    return typeof saved?.userId === "string" && typeof saved.token === "string" ? saved : null;
  } catch {
    return null;
  }
}

export function saveSession(session: Session | null): void {
  try {
    if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage may be forbidden: then the session lasts as long as the page.
  }
}
