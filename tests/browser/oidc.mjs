/**
 * Signing in at an OIDC provider with examples/oidc-app. The provider is played here: it shows a page to sign in at, gives
 * codes for PKCE, and tokens of a few seconds, with its keys at a JWKS URL. The stack is one of its own, which trusts it.
 */
import { createHash, randomUUID, webcrypto } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { check, same, view } from "./check.mjs";
import { Person } from "./person.mjs";
import { startStack } from "./stack.mjs";
import { DESKTOP } from "./story.mjs";

const CLIENT = "oidc-app";
const LINES_MAX = 60;
/** A token's lifetime, and for how much longer the server takes it. */
const [TOKEN_S, LEEWAY_S] = [10, 30];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const encode = (value) => Buffer.from(value).toString("base64url");

/** A provider at which `person` signs in; `grants` are the grants by which tokens were asked for. */
async function startIssuer(person) {
  const { privateKey, publicKey } = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const jwk = { ...(await webcrypto.subtle.exportKey("jwk", publicKey)), kid: "one", alg: "ES256", use: "sig" };
  const [codes, grants] = [new Map(), []];
  let url;
  const sign = async (claims) => {
    const signed = [{ alg: "ES256", kid: "one", typ: "JWT" }, claims].map((part) => encode(JSON.stringify(part))).join(".");
    const signature = await webcrypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, Buffer.from(signed));
    return `${signed}.${encode(signature)}`;
  };
  const tokens = async () => {
    const now = Math.floor(Date.now() / 1000);
    const id_token = await sign({ iss: url, aud: CLIENT, iat: now, exp: now + TOKEN_S, ...person });
    return { id_token, access_token: randomUUID(), refresh_token: randomUUID(), token_type: "Bearer", expires_in: TOKEN_S, scope: "openid profile offline_access" };
  };
  const grant = async (form) => {
    grants.push(form.get("grant_type"));
    if (form.get("grant_type") === "refresh_token") return tokens();
    const challenge = codes.get(form.get("code"));
    codes.delete(form.get("code"));
    const proof = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    return challenge === proof ? tokens() : null;
  };
  const server = createServer(async (request, response) => {
    const { pathname, search, searchParams: query } = new URL(request.url, url);
    response.setHeader("Access-Control-Allow-Origin", "*");
    const send = (value, status = 200) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    if (pathname === "/.well-known/openid-configuration") {
      const endpoints = { authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks` };
      return send({ issuer: url, ...endpoints, response_types_supported: ["code"], code_challenge_methods_supported: ["S256"] });
    }
    if (pathname === "/jwks") return send({ keys: [jwk] });
    if (pathname === "/authorize") {
      response.setHeader("Content-Type", "text/html");
      return response.end(`<!doctype html><a href="/signed-in${search.replaceAll("&", "&amp;")}">Sign in as ${person.name}</a>`);
    }
    if (pathname === "/signed-in" && query.get("client_id") === CLIENT && query.get("code_challenge_method") === "S256") {
      const code = randomUUID();
      codes.set(code, query.get("code_challenge"));
      const back = new URLSearchParams({ code, state: query.get("state") });
      return response.writeHead(302, { Location: `${query.get("redirect_uri")}?${back}` }).end();
    }
    if (pathname === "/token" && request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += chunk;
      const granted = await grant(new URLSearchParams(body));
      return granted ? send(granted) : send({ error: "invalid_grant" }, 400);
    }
    send({}, 404);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${server.address().port}`;
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url, grants, stop };
}

/** `site`: where the built example is, and its origin. */
export async function signInByOidc(browser, { oidc, oidcOrigin }) {
  const own = readdirSync(oidc, { withFileTypes: true }).filter(({ name }) => /^(?!package-lock).*\.(tsx|html|json)$/.test(name));
  const lines = own.flatMap(({ name }) => readFileSync(join(oidc, name), "utf8").trimEnd().split("\n"));
  await check(`examples/oidc-app is ${lines.length} lines of its own`, own.length >= 4 && lines.length <= LINES_MAX);
  const nonce = Date.now().toString(36);
  const claims = { sub: `auth0|${nonce}`, tenantId: "dev", name: "Olga Oidc", picture: "https://example.com/olga.png" };
  const issuer = await startIssuer(claims);
  const vars = ["JWT_ALGORITHMS=HS256,ES256", `JWT_JWKS_URL=${issuer.url}/jwks`, `JWT_ISSUER=${issuer.url}`, `JWT_AUDIENCE=${CLIENT}`];
  const stack = await startStack([...vars, `ALLOWED_ORIGINS=${oidcOrigin}`]);
  try {
    writeFileSync(join(oidc, "config.json"), JSON.stringify({ chat: stack.url, issuer: issuer.url, clientId: CLIENT }));
    const alice = await Person.arrive(browser, stack.url, `alice-${nonce}`, DESKTOP);
    await alice.signIn();
    const olga = new Person();
    const context = await browser.newContext({ viewport: { width: 900, height: 700 } });
    Object.assign(olga, { id: claims.sub, context, page: await context.newPage(), colorScheme: "light" });
    olga.page.on("pageerror", (error) => olga.complaints.push(error.message));
    await olga.page.goto(oidcOrigin);
    await olga.page.getByRole("link", { name: "Sign in as Olga Oidc" }).click();
    await check("who signed in is in the chat", () => olga.page.getByText("Nobody has written to you yet.").isVisible());
    const signedInAt = Date.now();
    await check("by a code with PKCE", same(() => issuer.grants, ["authorization_code"]));
    await alice.startDirect("Olga Oidc");
    await check("she arrived with the name of her claims", () => alice.page.getByRole("heading", { name: "Olga Oidc" }).isVisible());
    await alice.say("welcome, Olga");
    await olga.connected();
    await check("she hears", () => olga.bubble("welcome, Olga").isVisible());
    await olga.say("thank you");
    await check("and is heard", () => alice.bubble("thank you").isVisible());
    await view(olga, "oidc");
    await pause(Math.max(0, signedInAt + (TOKEN_S + LEEWAY_S + 3) * 1000 - Date.now()));
    await check("expired tokens are renewed by the refresh token", () => issuer.grants.slice(1).length > 0 && issuer.grants.slice(1).every((one) => one === "refresh_token"));
    await olga.say("still here");
    await check("and she goes on", () => alice.bubble("still here").isVisible());
    await olga.page.reload();
    await check("also after a reload, without signing in again", () => olga.bubble("still here").isVisible());
    for (const one of [alice, olga]) await check(`no complaint in ${one === alice ? "alice" : "olga"}'s page`, same(() => one.complaints, []));
    for (const one of [alice, olga]) await one.context.close();
  } finally {
    await stack.stop();
    issuer.stop();
  }
}
