/** Faults while people write: tokens that expire, a runtime that is killed, a bad network, a room that is being restored. */
import { execFileSync } from "node:child_process";
import { check, same } from "./check.mjs";
import { killRuntime } from "./stack.mjs";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const numbered = (text, count) => Array.from({ length: count }, (_, at) => `${text} ${at + 1}`);

/** Everybody has all of `expected`, once, and in the same order. */
async function bothHave(title, people, prefix, expected, withinMs) {
  const received = async (person) => (await person.contents()).filter((one) => one.startsWith(prefix));
  const [first, ...others] = people;
  const sorted = [...expected].sort();
  await check(`${title}: all of it, once`, same(async () => (await received(first)).sort(), sorted), withinMs);
  const order = await received(first);
  for (const person of others) await check(`${title}: ${person.id} sees the same order`, same(() => received(person), order), withinMs);
  for (const who of new Set(expected.map((one) => one.replace(/ \d+$/, "")))) {
    const theirs = order.filter((one) => one.startsWith(`${who} `));
    await check(`${title}: "${who}" in the order they were sent`, same(async () => theirs, expected.filter((one) => one.startsWith(`${who} `))));
  }
  for (const person of people) await check(`${title}: everything is confirmed`, same(() => person.statuses(), ["sent"]), withinMs);
}

/** Issues tokens that are valid for `seconds` instead of a day. While `refuse` is set, none are issued. */
async function shortTokens(person, data, seconds) {
  const issuer = { refuse: false, given: 0 };
  await person.page.route("**/api/chat/dev/token", async (route) => {
    if (issuer.refuse) return route.fulfill({ status: 503, json: { error: { code: "internal", message: "no", retryable: true } } });
    issuer.given += 1;
    const args = ["token", "--sub", person.id, "--ttl", String(seconds), "--data", data];
    const token = execFileSync(process.env.CHINWAG_XTASK, args, { encoding: "utf8" }).trim();
    return route.fulfill({ json: { token, expiresAt: new Date(Date.now() + seconds * 1_000).toISOString() } });
  });
  return issuer;
}

export async function tokenExpiry(alice, dora, { data }) {
  const ttlS = 8;
  const issuer = await shortTokens(dora, data, ttlS);
  const sockets = [];
  dora.page.on("websocket", (socket) => sockets.push(socket));
  await dora.signIn();
  await alice.startDirect(dora.id);
  await dora.refresh();
  await dora.openRoom(alice.id);
  const [before, opened] = [issuer.given, sockets.length];
  for (const one of numbered("renewed", ttlS * 2)) {
    await alice.write(one);
    await pause(1_000);
  }
  await check("before a token ends another is had", issuer.given >= before + 2);
  await check("and the connection is still the same", same(() => sockets.length, opened));
  await bothHave("tokens renewed", [dora, alice], "renewed", numbered("renewed", ttlS * 2), 10_000);
  issuer.refuse = true;
  const ended = Date.now() + (ttlS + 12) * 1_000;
  let sent = 0;
  const isLive = () => dora.page.locator("[data-connection=live]").count();
  while (Date.now() < ended && (await isLive()) > 0) {
    await alice.write(`ended ${(sent += 1)}`);
    await pause(500);
  }
  await check("without another the connection ends with the token", async () => (await isLive()) === 0);
  for (let more = 0; more < 3; more++) await alice.write(`ended ${(sent += 1)}`);
  await dora.write("mine ended 1");
  issuer.refuse = false;
  await check("with one again it goes on", async () => (await isLive()) > 0, 40_000);
  await bothHave("token ended", [dora, alice], "ended", numbered("ended", sent), 20_000);
  await bothHave("written without a token", [alice, dora], "mine ended", ["mine ended 1"], 20_000);
}

export async function runtimeKilled(alice, bob, stack) {
  await alice.openRoom(bob.id);
  await bob.openRoom(alice.id);
  const count = 24;
  const writing = [alice, bob].map(async (person) => {
    for (const one of numbered(`killed ${person.id.split("-")[0]}`, count)) {
      await person.write(one);
      await pause(250);
    }
  });
  await pause(1_500);
  killRuntime(stack);
  await pause(3_000);
  await Promise.all(writing);
  const expected = ["alice", "bob"].flatMap((name) => numbered(`killed ${name}`, count));
  await bothHave("the runtime killed", [alice, bob], "killed", expected, 60_000);
  // wrangler answers 500 to a request that dies with the runtime.
  for (const person of [alice, bob]) person.complaints = person.complaints.filter((line) => !line.includes("status of 500"));
}

/** The page says that a room is being restored, and opens it by itself. The server's refusals are simulated. */
export async function roomRestored(alice, erin) {
  let isRestoring = true;
  await erin.page.routeWebSocket(/\/chat\?/, (socket) => {
    if (isRestoring) socket.close({ code: 1012 });
    else socket.connectToServer();
  });
  const error = { code: "upstream_unavailable", message: "restoring", retryable: true, retryAfterMs: 1_500 };
  await erin.page.route("**/messages?limit=1", (route) =>
    isRestoring ? route.fulfill({ status: 503, json: { error } }) : route.continue(),
  );
  await erin.signIn();
  await alice.startDirect(erin.id);
  await alice.say("said before the loss");
  await erin.refresh();
  await erin.roomLink(alice.id).click();
  await check("a room that is being restored says so", () => erin.page.getByText("This conversation is being restored.").isVisible());
  isRestoring = false;
  await erin.connected();
  await check("and opens by itself", same(() => erin.contents(), ["said before the loss"]));
  await check("and no longer says so", same(() => erin.page.locator("[data-connection] > *").count(), 0));
}

/** 400 ms latency, a few KB/s, and every few seconds no network at all. */
export async function badNetwork(alice, bob) {
  await bob.goOffline();
  await bob.page.getByRole("button", { name: "Keys" }).click();
  await check("what can't be loaded says so", () => bob.page.getByText("This can't be loaded just now.").isVisible());
  await check("and the rest stays", () => bob.input.isVisible());
  await bob.goOnline();
  await check("and comes when the network does", () => bob.page.getByRole("dialog", { name: "Keys" }).isVisible());
  await bob.page.keyboard.press("Escape");
  await bob.connected();
  const session = await bob.context.newCDPSession(bob.page);
  await session.send("Network.enable");
  const network = (offline) =>
    session.send("Network.emulateNetworkConditions", {
      ...{ offline, latency: 400, downloadThroughput: 20_000, uploadThroughput: 10_000, packetLoss: 20 },
    });
  await network(false);
  const count = 20;
  let over = false;
  const faults = (async () => {
    while (!over) {
      await pause(2_000);
      await network(true);
      await bob.goOffline();
      await pause(1_500);
      await bob.goOnline();
      await network(false);
    }
  })();
  const writing = [alice, bob].map(async (person) => {
    for (const one of numbered(`network ${person.id.split("-")[0]}`, count)) {
      await person.write(one);
      await pause(400);
    }
  });
  await Promise.all(writing);
  over = true;
  await faults;
  const expected = ["alice", "bob"].flatMap((name) => numbered(`network ${name}`, count));
  await bothHave("a bad network", [alice, bob], "network", expected, 60_000);
  await session.detach();
}
