/**
 * The browser tests: two or three people use the page in separate browsers against the real stack; pictures are taken.
 *
 *   CHINWAG_XTASK   the xtask binary that starts the stack
 *   CHINWAG_URL     or: the address of a stack that runs already
 *   CHROMIUM        the browser (default /usr/bin/chromium)
 *   CHINWAG_ARTIFACTS   where the pictures go (default .dev/artifacts)
 *   arguments       which parts: story, moderation, reading, writing, access, languages, people, inbox, day, dates, later, offline, push, plain, hostile, trouble, package, oidc (default all), or pictures
 *
 * The rules of the protocol are tested in tests/e2e, those of the reducer in web/src/lib/*.test.ts.
 */
import { chromium } from "playwright-core";
import { access } from "./access.mjs";
import { artifacts, check, count, fail, failures, same } from "./check.mjs";
import { hostileNames } from "./hostile.mjs";
import { inbox } from "./inbox.mjs";
import { day } from "./day.mjs";
import { moderation } from "./moderation.mjs";
import { later } from "./later.mjs";
import { languages } from "./languages.mjs";
import { bot, embedding, packaged, prepareExamples } from "./package.mjs";
import { offline } from "./offline.mjs";
import { signInByOidc } from "./oidc.mjs";
import { dates } from "./dates.mjs";
import { people } from "./people.mjs";
import { pictures } from "./pictures.mjs";
import { Person } from "./person.mjs";
import { PLAIN_HOST, plainHttp } from "./plain-http.mjs";
import { push } from "./push.mjs";
import { reading } from "./reading.mjs";
import { startStack, vapidKeys } from "./stack.mjs";
import { DESKTOP, story } from "./story.mjs";
import { writing } from "./writing.mjs";
import { badNetwork, roomRestored, runtimeKilled, tokenExpiry } from "./trouble.mjs";

/** Two people with a conversation. */
async function pair(arrive) {
  const [alice, bob] = [await arrive("alice", DESKTOP), await arrive("bob", DESKTOP)];
  for (const person of [alice, bob]) await person.signIn();
  await alice.startDirect(bob.id);
  await alice.say("hello");
  await bob.refresh();
  await bob.openRoom(alice.id);
  return [alice, bob];
}

const PARTS = {
  story,
  async moderation({ arrive, stack }) {
    const [alice, bob] = await pair(arrive);
    await moderation(alice, bob, stack);
    return [alice, bob];
  },
  async reading({ arrive }) {
    const [alice, bob] = await pair(arrive);
    await reading(alice, bob);
    return [alice, bob];
  },
  async writing({ arrive }) {
    const [alice, bob] = await pair(arrive);
    await writing(alice, bob);
    return [alice, bob];
  },
  async access({ arrive }) {
    const [alice, bob] = await pair(arrive);
    await access(alice);
    return [alice, bob];
  },
  async languages({ arrive, browser, stack }) {
    const alice = await arrive("alice", DESKTOP);
    await alice.signIn();
    return [alice, ...(await languages(browser, stack.url, alice))];
  },
  people,
  inbox,
  day,
  async dates({ arrive }) {
    const [alice, bob] = await pair(arrive);
    await dates(alice);
    return [alice, bob];
  },
  async later({ arrive }) {
    const [alice, bob] = await pair(arrive);
    await later(alice, bob);
    return [alice, bob];
  },
  async offline({ arrive, stack }) {
    const arriveKept = (who) => arrive(who, { ...DESKTOP, serviceWorkers: "allow" });
    const [alice, bob] = await pair(arriveKept);
    await offline(alice, bob, stack.url);
    return [alice, bob];
  },
  async push({ arrive, stack }) {
    const [alice, bob] = await pair((who) => arrive(who, { ...DESKTOP, serviceWorkers: "allow" }));
    await push(alice, bob, stack.url);
    return [bob];
  },
  plain: ({ arrive, stack }) => plainHttp(arrive, stack.url),
  async hostile({ arrive, browser, stack }) {
    const alice = await arrive("alice", DESKTOP);
    await alice.signIn();
    return [alice, await hostileNames(browser, stack.url, alice)];
  },
  async trouble({ arrive, stack }) {
    const [alice, bob] = await pair(arrive);
    await roomRestored(alice, await arrive("erin", DESKTOP));
    await runtimeKilled(alice, bob, stack);
    await badNetwork(alice, bob);
    const dora = await arrive("dora", DESKTOP);
    await tokenExpiry(alice, dora, stack);
    return [alice, bob];
  },
  async package({ arrive, browser, stack, examples }) {
    await packaged(examples);
    const alice = await arrive("alice", DESKTOP);
    await alice.signIn();
    await embedding(browser, stack, examples, alice);
    await bot(stack, examples, alice);
    return [alice];
  },
  async oidc({ browser, examples }) {
    await signInByOidc(browser, examples);
    return [];
  },
};

/** Only when they are named. */
const OTHERS = { pictures };

async function main() {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PARTS);
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  args.push("--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`);
  let browser;
  let stack;
  let examples;
  try {
    examples = await prepareExamples();
    stack = await startStack([`ALLOWED_ORIGINS=${examples.origin}`, ...vapidKeys()]);
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", chromiumSandbox: false, args });
    for (const part of wanted) {
      console.log(`----- ${part}`);
      // Each part has its own people.
      const nonce = Date.now().toString(36);
      const arrive = (who, options, url = stack.url) => Person.arrive(browser, url, `${who}-${nonce}`, options);
      const people = await (PARTS[part] ?? OTHERS[part])({ arrive, browser, stack, examples });
      for (const one of people) await check(`no complaint in ${one.id}'s console`, same(() => one.complaints, []));
      for (const one of people) await one.context.close();
    }
  } catch (error) {
    fail(`ended early: ${error.stack}`);
  } finally {
    await browser?.close();
    await stack?.stop();
    examples?.stop();
  }
  console.log(`pictures in ${artifacts}`);
  if (failures.length > 0) console.log(`\nfailed:\n${failures.join("\n")}`);
  console.log(`${count.passed} passed, ${count.failed} failed`);
  process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
}

await main();
