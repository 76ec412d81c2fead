/** The story: two people and a phone go through everything that the page is for, from sign-in to a group of three. */
import { gzipSync } from "node:zlib";
import { artifacts, check, same, view } from "./check.mjs";
import { files, group, media, searching, unread } from "./rooms.mjs";

const FIRST_SCREEN_MAX_BYTES = 120 * 1024;
export const DESKTOP = { viewport: { width: 1360, height: 860 } };
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

async function signingIn(alice, bob) {
  await alice.signIn();
  await bob.signIn();
  await check("alice is alice", same(() => alice.text("me"), alice.id));
  await check("a new person is told how to begin", () => alice.page.getByText("No conversations yet").isVisible());
  await check("two browsers are two people", same(() => bob.text("me"), bob.id));
}

async function talking(alice, bob) {
  await alice.page.getByRole("button", { name: "New conversation" }).first().click();
  await view(alice, "new-conversation");
  await alice.page.keyboard.press("Escape");
  await alice.startDirect(bob.id);
  await check("the room says whom it is with", () => alice.page.getByRole("heading", { name: bob.id }).isVisible());
  await check("an empty room says so", () => alice.page.getByText("Nothing here yet").isVisible());
  await alice.say("Hello Bob");
  // The list comes from Postgres, which lags behind the room.
  await check("bob's list shows who wrote what", async () => {
    await bob.refresh();
    await bob.page.waitForTimeout(300);
    return bob.roomLink(alice.id).getByText("Hello Bob").isVisible();
  });
  await check("and that it is unread", () => bob.roomLink(alice.id).getByText("1 unread").isVisible());
  await bob.openRoom(alice.id);
  await check("bob reads it", same(() => bob.contents(), ["Hello Bob"]));
  await check("alice sees bob online", same(() => alice.text("presence"), "Online"));
  await check("bob sees alice online", same(() => bob.text("presence"), "Online"));
  await check("alice sees that it was read", () => alice.page.getByText("Seen").isVisible());
  await bob.say("Hello Alice");
  await alice.say("How is the new office?");
  await alice.say("Two lines\nin one message");
  const all = ["Hello Bob", "Hello Alice", "How is the new office?", "Two lines\nin one message"];
  await check("both see the same, in the same order (alice)", same(() => alice.contents(), all));
  await check("both see the same, in the same order (bob)", same(() => bob.contents(), all));
  await check("everything is confirmed", same(() => alice.statuses(), ["sent"]));
}

/** A message without a header of its own has its time all the same. */
async function times(bob) {
  const grouped = bob.bubble("Two lines");
  await grouped.hover();
  await check("a grouped message shows its time on hover", () => grouped.locator("time").isVisible());
  await check("and a screen reader hears it", async () => /\d:\d\d/.test(await grouped.getAttribute("aria-label")));
}

async function typing(alice, bob) {
  await alice.input.pressSequentially("I am thi", { delay: 20 });
  const sees = () => bob.page.getByText(`${alice.id} is typing…`).isVisible();
  await check("bob sees alice type", sees);
  await check("alice doesn't see herself type", !(await alice.page.getByText("is typing…").isVisible()));
  await alice.say("I am thinking about it");
  await check("a message ends it", async () => !(await sees()));
}

async function reacting(alice, bob) {
  await bob.react("How is the new office?", "🎉");
  const chip = (person) => person.bubble("How is the new office?").getByRole("button", { name: "🎉 1 person" });
  await check("alice sees bob's reaction", () => chip(alice).isVisible());
  await check("it isn't hers", same(() => chip(alice).getAttribute("aria-pressed"), "false"));
  await chip(alice).click();
  const two = bob.bubble("How is the new office?").getByRole("button", { name: "🎉 2 people" });
  await check("bob sees that alice joined in", () => two.isVisible());
  await two.click();
  await check("bob takes his back", () => chip(alice).isVisible());
  await check("what stays is alice's", same(() => chip(alice).getAttribute("aria-pressed"), "true"));
}

async function changing(alice, bob) {
  await alice.say("The launch is on Mnday");
  await alice.edit("The launch is on Mnday", "The launch is on **Monday**");
  const fixed = bob.bubble("The launch is on Monday");
  await check("bob sees the edit", () => fixed.isVisible());
  await check("and that it is one", () => fixed.getByText("Edited").isVisible());
  await check("marked text is set so", same(() => fixed.locator("strong").innerText(), "Monday"));
  await alice.input.press("ArrowUp");
  await check("arrow up edits the last one", same(() => alice.input.inputValue(), "The launch is on **Monday**"));
  await alice.input.press("Escape");
  await check("escape leaves it be", same(() => alice.input.inputValue(), ""));
  await alice.say("Forget this");
  await bob.bubble("Forget this").waitFor();
  await alice.choose("Forget this", "Delete");
  await view(alice, "confirm");
  await alice.page.keyboard.press("Escape");
  await alice.remove("Forget this");
  await check("bob sees it go", () => bob.bubble("This message was deleted").isVisible());
  await check("its text is nowhere", same(() => bob.page.getByText("Forget this").count(), 0));
}

async function answering(alice, bob) {
  await bob.choose("The launch is on Monday", "Reply");
  await check("one sees what one answers", () => bob.page.getByText("Answering").isVisible());
  await bob.say("At nine?");
  const quote = alice.bubble("At nine?").getByRole("button", { name: "The launch is on Monday" });
  await check("the answer shows what it answers", () => quote.isVisible());
  await quote.click();
  await check("and leads there", () => alice.log.locator("article.animate-flash").filter({ hasText: "Monday" }).isVisible());
}

async function threads(alice, bob) {
  await alice.choose("At nine?", "Reply in a thread");
  await alice.sayInThread("Nine is early");
  const link = bob.bubble("At nine?").getByRole("button", { name: "1 reply" });
  await check("bob sees that there is a thread", () => link.isVisible());
  await check("its replies don't stand in the room", async () => !(await bob.contents()).includes("Nine is early"));
  await link.click();
  await check("he reads it", () => bob.thread.getByRole("article").filter({ hasText: "Nine is early" }).isVisible());
  const field = bob.thread.getByRole("textbox", { name: "Reply in the thread" });
  await field.pressSequentially("Ten t", { delay: 20 });
  await check("alice sees him type there", () => alice.thread.getByText(`${bob.id} is typing…`).isVisible());
  await bob.thread.getByLabel("Show in the conversation too").check();
  await field.fill("Ten then");
  await field.press("Enter");
  await check("alice reads it in the thread", () => alice.thread.getByRole("article").filter({ hasText: "Ten then" }).isVisible());
  await check("and in the room, as it was wished", () => alice.bubble("Ten then").getByText("From a thread").isVisible());
  await view(bob, "thread");
  for (const person of [alice, bob]) {
    await person.page.getByRole("button", { name: "Close thread" }).click();
    await check("the root counts two", () => person.bubble("At nine?").getByRole("button", { name: "2 replies" }).isVisible());
  }
}

async function mentioning(alice, bob) {
  await bob.input.pressSequentially(`Hello @${alice.id.slice(0, 5)}`);
  await check("whom one could mean is offered", () => bob.page.getByRole("option", { name: alice.id }).isVisible());
  const active = () => bob.input.evaluate((field) => document.getElementById(field.getAttribute("aria-activedescendant"))?.textContent ?? "none");
  await check("a screen reader hears it while the focus stays in the text", async () => (await active()).includes(alice.id));
  await bob.input.evaluate((field) => {
    const event = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
    Object.defineProperty(event, "keyCode", { value: 229 });
    field.dispatchEvent(event);
  });
  await check("Enter of an input method takes nobody", same(() => bob.input.inputValue(), `Hello @${alice.id.slice(0, 5)}`));
  await bob.input.press("Tab");
  await check("and taken over", same(() => bob.input.inputValue(), `Hello @${alice.id} `));
  await bob.input.press("Enter");
  const mention = alice.bubble("Hello").locator("bdi", { hasText: `@${alice.id}` });
  await check("the mention stands out", () => mention.isVisible());
}

async function pickingAnEmoji(alice, bob) {
  await bob.bubble("Ten then").hover();
  await bob.bubble("Ten then").getByRole("button", { name: "Add a reaction" }).click();
  await bob.page.getByRole("button", { name: "More emojis" }).click();
  await view(bob, "emojis");
  await bob.page.getByLabel("Search emojis").fill("rocket");
  await bob.page.getByRole("gridcell", { name: "Rocket" }).click();
  const chip = alice.bubble("Ten then").getByRole("button", { name: "🚀 1 person" });
  await check("any emoji can be picked", () => chip.isVisible());
  await check("one sees who it was", same(() => chip.getAttribute("title"), bob.id));
}

async function byKeyboard(alice) {
  await alice.bubble("At nine?").focus();
  await alice.page.keyboard.press("?");
  await check("? lists the keys", () => alice.page.getByRole("dialog", { name: "Keys" }).isVisible());
  await view(alice, "keys");
  await alice.page.keyboard.press("Escape");
  await check("escape closes the list", async () => !(await alice.page.getByRole("dialog").isVisible()));
  await alice.bubble("At nine?").focus();
  await alice.page.keyboard.press("r");
  await check("r on a message answers it", () => alice.page.getByText("Answering").isVisible());
  await check("and one can write at once", same(() => alice.page.evaluate(() => document.activeElement?.tagName), "TEXTAREA"));
  await alice.page.keyboard.press("Escape");
  await alice.bubble("At nine?").focus();
  await alice.page.keyboard.press("ArrowUp");
  const before = () => alice.page.evaluate(() => document.activeElement?.textContent ?? "");
  await check("the arrows go from message to message", async () => (await before()).includes("deleted"));
}

async function drafts(alice) {
  await alice.input.fill("not yet said");
  await alice.page.waitForTimeout(400);
  await alice.page.reload();
  await alice.connected();
  await check("a draft outlives a reload", same(() => alice.input.inputValue(), "not yet said"));
  await alice.input.fill("");
}

async function crashing(alice, bob) {
  await bob.goOffline();
  await bob.write("from a tab that crashed 1");
  await bob.write("from a tab that crashed 2");
  await bob.page.waitForTimeout(300);
  const room = bob.page.url();
  await bob.crashTab();
  await bob.goOnline();
  await bob.openTab(room);
  const two = ["from a tab that crashed 1", "from a tab that crashed 2"];
  await check("the next tab sends what the crashed one couldn't", async () => (await alice.contents()).slice(-2).join() === two.join(), 20_000);
  const count = async () => (await alice.contents()).filter((one) => one.startsWith("from a tab")).length;
  await check("once", same(count, 2));
  await check("and all of it is confirmed", same(() => bob.statuses(), ["sent"]));
}

async function links(alice, bob) {
  const seq = await alice.bubble("The launch is on Monday").getAttribute("data-seq");
  await bob.page.goto(`${bob.page.url().replace(/\/m\/.*$/, "")}/m/${seq}`);
  await check("a link to a message leads to it", () => bob.log.locator(`article.animate-flash[data-seq="${seq}"]`).isVisible());
}

async function hostileContent(alice, bob) {
  const evil = [
    "<script>window.pwned=1</script>",
    '<img src=x onerror="window.pwned=1">',
    "<svg onload=window.pwned=1><a href=javascript:window.pwned=1>x</a>",
    "[x](javascript:window.pwned=1) javascript:window.pwned=1 {{constructor.constructor('window.pwned=1')()}}",
    "\u202Egnp.exe ~ A\u0301\u0301\u0301\u0301\u0301 ~ 👩‍👩‍👧‍👧 ~ مرحبا",
  ];
  for (const content of evil) await alice.say(content);
  for (const content of evil) await check(`stays text: ${content.slice(0, 30)}`, async () => (await bob.contents()).includes(content));
  await alice.say('See https://example.com/a?b=1&c="onclick="window.pwned=1 now');
  const link = bob.log.getByRole("link", { name: "https://example.com/a?b=1&c=" });
  await check("an address becomes a link", same(() => link.getAttribute("href"), "https://example.com/a?b=1&c="));
  await check("that carries nothing with it", same(() => link.getAttribute("rel"), "noopener nofollow noreferrer"));
  for (const person of [alice, bob]) {
    await check("nothing of it ran", same(() => person.page.evaluate(() => String(window.pwned)), "undefined"));
    const made = () => person.log.locator("script, img, svg[onload], [onerror], a[href^=javascript]").count();
    await check("nothing of it became an element", same(made, 0));
  }
  const page = await bob.page.request.get(bob.page.url());
  const policy = page.headers()["content-security-policy"] ?? "";
  await check("and a policy forbids it anyway", policy.includes("script-src 'self';") && !policy.includes("unsafe"));
}

async function reloading(alice, bob) {
  const before = await alice.contents();
  await bob.page.reload();
  await check("after a reload bob is still bob", same(() => bob.text("me"), bob.id));
  await check("and in the same room, with all of it", same(() => bob.contents(), before));
  await check("alice sees no coming and going", same(() => alice.text("presence"), "Online"));
}

async function losingTheNetwork(alice, bob) {
  const before = await alice.contents();
  await bob.goOffline();
  await check("bob's banner says so", () => bob.page.getByText("You are offline.").isVisible());
  await check("and claims nothing about alice", same(() => bob.text("presence"), "Not connected"));
  for (let at = 1; at <= 5; at++) await alice.say(`while bob was away ${at}`);
  await bob.write("written offline 1");
  await bob.write("written offline 2");
  await view(bob, "offline");
  await check("what he writes waits", () => bob.page.getByText("2 messages wait to be sent.").isVisible());
  await check("after 5 s alone alice sees him leave", same(() => alice.text("presence"), "Offline"), 20_000);
  await bob.goOnline();
  const expected = [...before, ...[1, 2, 3, 4, 5].map((at) => `while bob was away ${at}`)];
  expected.push("written offline 1", "written offline 2");
  await check("bob catches up, nothing lost or doubled", same(() => bob.contents(), expected), 20_000);
  await check("alice has the same", same(() => alice.contents(), expected));
  await check("bob's banner is gone", same(() => bob.page.locator("[data-connection] > *").count(), 0));
  await check("alice sees him back", same(() => alice.text("presence"), "Online"));
  await check("all of it is confirmed", same(() => bob.statuses(), ["sent"]));
}

async function longHistory(alice, bob) {
  const count = 65;
  // Faster than the limit of 5 per second: refused messages are sent again, in order.
  for (let at = 1; at <= count; at++) await alice.write(`line ${at}`);
  const lines = Array.from({ length: count }, (_, at) => `line ${at + 1}`);
  const heard = async (person) => (await person.contents()).filter((content) => content.startsWith("line "));
  await check("much at once arrives once and in order", same(() => heard(bob), lines), 60_000);
  const all = await alice.contents();
  // What passed out of sight too quickly is still unread, and a reload would go to its line.
  await bob.page.keyboard.press("Shift+Escape");
  await bob.page.waitForTimeout(1_000);
  await bob.page.reload();
  await check("a reload brings the newest", () => bob.bubble("line 65").isVisible());
  // The page of older messages is delayed, so that the position before it arrives can be measured.
  await bob.page.route("**/messages?**", async (route) => {
    await new Promise((done) => setTimeout(done, 700));
    await route.continue();
  });
  await bob.log.evaluate((log) => log.scrollTo({ top: 250 }));
  await bob.page.waitForTimeout(300);
  const inSight = () =>
    bob.log.evaluate((log) => {
      const from = log.getBoundingClientRect().top;
      const row = [...log.querySelectorAll("article")].find((one) => one.getBoundingClientRect().top > from);
      return { seq: Number(row.dataset.seq), top: Math.round(row.getBoundingClientRect().top), height: log.scrollHeight };
    });
  const before = await inSight();
  await check("more comes in above", async () => (await inSight()).height > before.height + 200);
  await bob.page.waitForTimeout(300);
  const after = await inSight();
  await check("and what one was reading hasn't moved", after.seq === before.seq && Math.abs(after.top - before.top) <= 2 || JSON.stringify([before, after]));
  await bob.page.unroute("**/messages?**");
  await check("all of it is there, once and in order", same(() => bob.contents(), all));
  await bob.log.evaluate((log) => log.scrollTo({ top: 0 }));
  await bob.page.getByRole("button", { name: "Newest" }).click();
  await check("and back down", () => bob.bubble("line 65").isVisible());
}

async function tokenSignIn(browser, url, alice) {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sub: alice.id }) };
  const { token } = await (await fetch(`${url}/api/chat/dev/token`, asked)).json();
  const page = await (await browser.newContext()).newPage();
  const refusal = { error: { code: "not_found", message: "Not found.", retryable: false } };
  await page.route("**/api/chat/dev/token", (route) => route.fulfill({ status: 404, json: refusal }));
  await page.goto(url);
  await check("without /dev/token the page asks for a token", () => page.getByLabel("Token").isVisible());
  await view({ page, colorScheme: "light" }, "sign-in-token");
  await page.getByLabel("Token").fill("nonsense");
  await page.getByRole("button", { name: "Continue" }).click();
  await check("what is no token is refused", () => page.getByText("That is no JWT").isVisible());
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Continue" }).click();
  await check("a token opens", same(() => page.getByTestId("me").innerText(), alice.id));
  await page.goto(`${url}/#/r/00000000-0000-7000-8000-000000000000`);
  await check("a room that isn't mine isn't there", () => page.getByText("doesn't exist, or you aren't part of it").isVisible());
  await check("and nothing seems to come", same(() => page.getByLabel("Loading messages").or(page.getByRole("textbox", { name: "Message" })).count(), 0));
  await view({ page, colorScheme: "light" }, "no-such-room");
  let isDown = true;
  await page.routeWebSocket(/\/chat\/inbox/, (socket) => void (isDown ? socket.close() : socket.connectToServer()));
  await page.route("**/api/chat/rooms/list**", (route) => route.fulfill({ status: 503, json: { error: { code: "upstream_unavailable", message: "no", retryable: true } } }));
  await page.goto(url);
  await page.reload();
  await check("a list that can't be had says so", () => page.getByRole("alert").getByText("Try again in a moment").isVisible());
  await view({ page, colorScheme: "light" }, "list-failed");
  isDown = false;
  await page.unroute("**/api/chat/rooms/list**");
  await page.getByRole("button", { name: "Try again" }).click();
  await check("and comes when it can", () => page.getByRole("link").first().isVisible());
  await page.context().close();
}

/** The JavaScript that the first screen loads, with a room open, compressed as it is sent. */
async function firstScreen(alice) {
  const scripts = new Map();
  const record = async (response) => {
    if (response.request().resourceType() === "script") scripts.set(response.url(), gzipSync(await response.body(), { level: 9 }).length);
  };
  alice.page.on("response", record);
  await alice.page.reload();
  await alice.connected();
  await alice.page.waitForTimeout(500);
  alice.page.off("response", record);
  // The details panel, which a wide screen opens, is loaded after the room.
  const bytes = [...scripts].filter(([url]) => url.includes("/index-")).reduce((sum, [, size]) => sum + size, 0);
  const all = [...scripts.values()].reduce((sum, size) => sum + size, 0);
  await check(`JavaScript of the first screen: ${Math.round(bytes / 1024)} KB gzip, with the panel ${Math.round(all / 1024)} KB`, bytes > 30_000 && all <= FIRST_SCREEN_MAX_BYTES);
}

/** Two people and a phone, from sign-in to a group of three. */
export async function story({ arrive, browser, stack }) {
  const alice = await arrive("alice", DESKTOP);
  const bob = await arrive("bob", { ...DESKTOP, colorScheme: "dark" });
  const carol = await arrive("carol", PHONE);
  const picture = (who, file) => who.page.screenshot({ path: `${artifacts}/${file}.png` });

  await view(alice, "sign-in");
  await signingIn(alice, bob);
  await view(alice, "nothing-yet");
  await carol.signIn();
  await talking(alice, bob);
  await times(bob);
  await typing(alice, bob);
  await reacting(alice, bob);
  await bob.input.pressSequentially("Let me ch");
  await check("typing, for the picture", () => alice.page.getByText("is typing…").isVisible());
  await picture(alice, "room-light");
  await picture(bob, "room-dark");
  await bob.input.fill("");
  await changing(alice, bob);
  await answering(alice, bob);
  await threads(alice, bob);
  await mentioning(alice, bob);
  await pickingAnEmoji(alice, bob);
  await view(alice, "talk");
  await byKeyboard(alice);
  await links(alice, bob);
  await drafts(alice);
  await firstScreen(alice);
  await crashing(alice, bob);
  await hostileContent(alice, bob);
  await files(alice, bob);
  await media(alice, bob);
  await reloading(alice, bob);
  await losingTheNetwork(alice, bob);
  await longHistory(alice, bob);
  await group(alice, bob, carol);
  await view(alice, "group");
  await unread(alice, bob);
  await searching(alice, bob);
  await tokenSignIn(browser, stack.url, alice);
  return [alice, bob, carol];
}
