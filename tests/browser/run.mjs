/**
 * Two people in two browsers go through what the page is for, against the real stack, and pictures are taken.
 *
 *   CHINWAG_XTASK   the xtask binary that starts the stack
 *   CHINWAG_URL     or: the address of a stack that runs already
 *   CHROMIUM        the browser (default /usr/bin/chromium)
 *   CHINWAG_ARTIFACTS   where the pictures go (default .dev/artifacts)
 *
 * What deliberately isn't here: rules of the protocol (tests/e2e) and of the reducer (web/src/lib/*.test.ts).
 */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { chromium } from "playwright-core";
import { startStack } from "./stack.mjs";
import { Person } from "./person.mjs";

const artifacts = resolve(process.env.CHINWAG_ARTIFACTS ?? ".dev/artifacts");
const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const nonce = Date.now().toString(36);
const name = (who) => `${who}-${nonce}`;
let passed = 0;
let failed = 0;

/** One thing that must be so. `what` may be a value, or a function that becomes true within the time. */
async function check(title, what, withinMs = 10_000) {
  const ends = Date.now() + withinMs;
  let seen;
  for (;;) {
    try {
      seen = typeof what === "function" ? await what() : what;
    } catch (error) {
      seen = error;
    }
    if (seen === true || typeof what !== "function" || Date.now() > ends) break;
    await new Promise((done) => setTimeout(done, 50));
  }
  if (seen === true) passed += 1;
  else failed += 1;
  console.log(seen === true ? `ok    ${title}` : `FAIL  ${title}: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`);
}

/** Becomes true when the values are equal; else says how they differ. */
const same = (actual, expected) => async () => {
  const [a, b] = [JSON.stringify(await actual()), JSON.stringify(expected)];
  return a === b || `${a} instead of ${b}`;
};

async function signingIn(alice, bob) {
  await alice.signIn();
  await bob.signIn();
  await check("alice is alice", same(() => alice.text("me"), alice.id));
  await check("a new person is told how to begin", () => alice.page.getByText("No conversations yet").isVisible());
  await check("two browsers are two people", same(() => bob.text("me"), bob.id));
}

async function talking(alice, bob) {
  await alice.startDirect(bob.id);
  await check("the room says whom it is with", () => alice.page.getByRole("heading", { name: bob.id }).isVisible());
  await check("an empty room says so", () => alice.page.getByText("Nothing here yet").isVisible());
  await alice.say("Hello Bob");
  // The list comes from Postgres, which follows the room by a moment.
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
  const chip = (person) => person.bubble("How is the new office?").getByRole("button", { name: "🎉, 1 person" });
  await check("alice sees bob's reaction", () => chip(alice).isVisible());
  await check("it isn't hers", same(() => chip(alice).getAttribute("aria-pressed"), "false"));
  await chip(alice).click();
  const two = bob.bubble("How is the new office?").getByRole("button", { name: "🎉, 2 people" });
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
  await bob.page.screenshot({ path: `${artifacts}/thread-dark.png` });
  for (const person of [alice, bob]) {
    await person.page.getByRole("button", { name: "Close thread" }).click();
    await check("the root counts two", () => person.bubble("At nine?").getByRole("button", { name: "2 replies" }).isVisible());
  }
}

async function mentioning(alice, bob) {
  await bob.input.pressSequentially(`Hello @${alice.id.slice(0, 5)}`);
  await check("whom one could mean is offered", () => bob.page.getByRole("option", { name: alice.id }).isVisible());
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
  await bob.page.getByLabel("Search emojis").fill("rocket");
  await bob.page.getByRole("gridcell", { name: "Rocket" }).click();
  const chip = alice.bubble("Ten then").getByRole("button", { name: "🚀, 1 person" });
  await check("any emoji can be picked", () => chip.isVisible());
  await check("one sees who it was", same(() => chip.getAttribute("title"), bob.id));
}

async function byKeyboard(alice) {
  await alice.bubble("At nine?").focus();
  await alice.page.keyboard.press("?");
  await check("? lists the keys", () => alice.page.getByRole("dialog", { name: "Keys" }).isVisible());
  await alice.page.screenshot({ path: `${artifacts}/keys-light.png` });
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
  await bob.signIn();
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

/** What axe-core finds wrong with the page as it is. */
async function accessible(person, view) {
  await person.page.evaluate(readFileSync(axePath, "utf8"));
  const found = await person.page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  const told = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((one) => one.html.slice(0, 160)).join(" | ")}`);
  await check(`axe finds nothing in: ${view}`, told.length === 0 || told.join("; "));
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
  await bob.page.screenshot({ path: `${artifacts}/offline-dark.png` });
  await check("what he writes waits", () => bob.page.getByText("2 messages wait to be sent.").isVisible());
  await check("after 5 s alone alice sees him leave", same(() => alice.text("presence"), "Away"), 20_000);
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
  // Faster than the limit of 5 a second allows: what is refused is sent again, and the order stays.
  for (let at = 1; at <= count; at++) await alice.write(`line ${at}`);
  const lines = Array.from({ length: count }, (_, at) => `line ${at + 1}`);
  const heard = async (person) => (await person.contents()).filter((content) => content.startsWith("line "));
  await check("much at once arrives once and in order", same(() => heard(bob), lines), 60_000);
  const all = await alice.contents();
  await bob.page.reload();
  await check("a reload brings the newest", () => bob.bubble("line 65").isVisible());
  // The page of older messages takes its time, so that one sees where things stood before it came.
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

async function managing(alice, bob, carol) {
  const details = (person) => person.page.getByRole("complementary", { name: "Details" });
  const manage = async (person, item) => {
    await details(alice).getByRole("button", { name: `Manage ${person.id}` }).click();
    await alice.page.getByRole("menuitem", { name: item, exact: true }).click();
  };
  await manage(bob, "Make moderator");
  await check("bob hears of his new role", () => details(bob).getByText("moderator", { exact: true }).isVisible());
  await details(alice).getByLabel("Topic").fill("Thursday it is");
  await details(alice).getByRole("button", { name: "Save" }).click();
  await check("the topic stands with the others too", () => bob.page.getByRole("banner").or(bob.page.locator("header")).getByText("Thursday it is").isVisible());
  await details(alice).getByLabel("Notify me of").selectOption("none");
  await check("a silenced room says so", () => alice.page.getByRole("heading", { level: 1 }).getByText("(muted)").isVisible());
  await alice.page.reload();
  await alice.connected();
  await check("and it stays silenced", same(() => details(alice).getByLabel("Notify me of").inputValue(), "none"));
  await details(alice).getByLabel("Notify me of").selectOption("all");
  await accessible(alice, "details");

  await carol.say("can anybody hear me");
  await manage(carol, "Remove");
  await alice.page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await check("whoever is removed is told so", () => carol.page.getByText("You are no longer part of this conversation.").isVisible());
  await check("the others see it", same(() => bob.text("presence"), "2 of 2 online"));
  await details(alice).getByRole("textbox", { name: "Add people" }).fill(carol.id);
  await details(alice).getByRole("button", { name: "Add", exact: true }).click();
  await check("added again she is a member again", () => details(bob).getByText(carol.id).isVisible());
  await carol.page.reload();
  await carol.connected();
  await check("and reads what was said", () => carol.bubble("can anybody hear me").isVisible());
}

async function group(alice, bob, carol) {
  const title = `Launch <b>plan</b> ${nonce}`;
  await alice.startGroup(title, [bob.id, carol.id]);
  await alice.say("Welcome, both of you");
  for (const person of [bob, carol]) {
    await person.refresh();
    await person.openRoom(title);
    await check("the group is in the list, by its name", () => person.page.getByRole("heading", { name: title }).isVisible());
  }
  await carol.say("Glad to be here");
  await bob.say("Shall we move the launch to Thursday?");
  await alice.react("Shall we move the launch to Thursday?", "👍");
  await carol.react("Shall we move the launch to Thursday?", "👍");
  const all = ["Welcome, both of you", "Glad to be here", "Shall we move the launch to Thursday?"];
  for (const person of [alice, bob, carol]) await check("all three see the same", same(() => person.contents(), all));
  await check("who is here", same(() => alice.text("presence"), "3 of 3 online"));
  const both = bob.bubble("Shall we move").getByRole("button", { name: "👍, 2 people" });
  await check("two reactions count as two", () => both.isVisible());
  await managing(alice, bob, carol);
  await carol.page.screenshot({ path: `${artifacts}/phone.png` });
  await carol.page.close();
  await check("carol leaves", same(() => alice.text("presence"), "2 of 3 online"), 20_000);
}

async function files(alice, bob) {
  const evil = '"><img src=x onerror=window.pwned=1>.html';
  const picture = { name: "view.png", mimeType: "image/png", buffer: readFileSync(`${artifacts}/room-light.png`) };
  const page = { name: evil, mimeType: "text/html", buffer: Buffer.from("<script>window.pwned=1</script>") };
  const waiting = alice.page.getByRole("list", { name: "Files to send" });
  await alice.page.locator("input[type=file]").first().setInputFiles([picture, page]);
  await check("both files wait to be sent", same(() => waiting.getByRole("listitem").count(), 2));
  await check("and are up", same(() => waiting.getByRole("progressbar").count(), 0));
  await alice.write("two files");
  const image = bob.bubble("two files").getByRole("img", { name: "view.png" });
  await check("bob sees the picture", () => image.evaluate((one) => one.complete && one.naturalWidth === 1360), 20_000);
  await bob.page.screenshot({ path: `${artifacts}/files-dark.png` });
  await image.click();
  await check("and large", () => bob.page.getByRole("dialog", { name: "view.png" }).isVisible());
  await bob.page.keyboard.press("Escape");
  const card = bob.bubble("two files").getByRole("button", { name: /^Download/ });
  await check("a page is a file, by its name", async () => (await card.innerText()).includes(".html"));
  const [download] = await Promise.all([bob.page.waitForEvent("download"), card.click()]);
  await check("that can be saved", async () => readFileSync(await download.path(), "utf8") === "<script>window.pwned=1</script>");
  const carry = (how) =>
    alice.input.evaluate((field, name) => {
      const data = new DataTransfer();
      data.items.add(new File(["hello"], `${name}.txt`, { type: "text/plain" }));
      const init = { bubbles: true, cancelable: true };
      const event = name === "paste" ? new ClipboardEvent("paste", { ...init, clipboardData: data }) : new DragEvent("drop", { ...init, dataTransfer: data });
      field.dispatchEvent(event);
    }, how);
  await carry("paste");
  await check("what is pasted is taken up", () => waiting.getByText("paste.txt").isVisible());
  await carry("drop");
  await check("and what is dropped", () => waiting.getByText("drop.txt").isVisible());
  await alice.page.getByRole("button", { name: "Remove paste.txt" }).click();
  await check("up too", same(() => waiting.getByRole("progressbar").count(), 0));
  await alice.input.press("Enter");
  await check("files go without a word", () => bob.log.getByRole("button", { name: "Download drop.txt" }).isVisible());
  await check("the removed one doesn't", same(() => bob.log.getByRole("button", { name: "Download paste.txt" }).count(), 0));
  await alice.remove("two files");
  await check("deleted, the files are gone too", same(() => image.count(), 0));
  await check("nothing of a name or file ran", same(() => bob.page.evaluate(() => String(window.pwned)), "undefined"));
}

async function unread(alice, bob) {
  await bob.openRoom(alice.id);
  await alice.openRoom(`Launch`);
  await alice.connected();
  const badge = alice.roomLink(bob.id);
  await bob.write(`psst @${alice.id}`);
  await check("a message elsewhere is counted at once, without asking", () => badge.getByText("1 unread").isVisible());
  await check("and so is the mention", () => badge.getByText("1 mention").isVisible());
  await check("and the room comes first", async () => (await alice.page.getByRole("link").first().innerText()).includes(bob.id));
  await check("the tab says it", async () => (await alice.page.title()).startsWith("(1)"));
  await alice.page.screenshot({ path: `${artifacts}/unread-light.png` });
  await alice.openRoom(bob.id);
  await check("what is new stands under a line", () => alice.log.getByText("New messages").isVisible());
  await check("seen, it counts no more", async () => !(await badge.getByText("unread").isVisible()));
  await bob.say("one more");
  await alice.choose("psst", "Mark unread from here");
  await check("marked unread it counts again", () => badge.getByText("2 unread").isVisible());
  await alice.openRoom("Launch");
  await alice.page.reload();
  await alice.connected();
  await check("a reload doesn't forget it", () => badge.getByText("2 unread").isVisible());
}

async function searching(alice, bob) {
  await alice.openRoom(bob.id);
  await alice.page.getByRole("button", { name: "Search" }).click();
  const panel = alice.page.getByRole("complementary", { name: "Search" });
  await panel.getByRole("searchbox").fill("early");
  await check("a word finds its message", () => panel.getByRole("link", { name: "Nine is early" }).isVisible());
  await panel.getByRole("searchbox").fill("Mnday");
  await check("what was edited away isn't found", () => panel.getByText("Nothing was found.").isVisible());
  await panel.getByRole("searchbox").fill("Thursday");
  await check("what is said elsewhere isn't either", () => panel.getByText("Nothing was found.").isVisible());
  await panel.getByLabel("In all my conversations").check();
  await check("unless one looks everywhere", () => panel.getByRole("link", { name: "move the launch" }).isVisible());
  await panel.getByLabel("In all my conversations").uncheck();
  await panel.getByRole("searchbox").fill("Monday");
  await accessible(alice, "search");
  await alice.page.screenshot({ path: `${artifacts}/search-light.png` });
  await panel.getByRole("link", { name: "The launch is on Monday" }).click();
  const hit = alice.log.locator("article.animate-flash").filter({ hasText: "The launch is on Monday" });
  await check("a hit leads to its message, however far back", () => hit.isVisible());
  await alice.page.getByRole("button", { name: "Newest" }).click();
  await check("and back", () => alice.bubble("one more").isVisible());
  await alice.page.getByRole("button", { name: "Close search" }).click();
}

async function doorWithoutDevSignIn(browser, url, alice) {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sub: alice.id }) };
  const { token } = await (await fetch(`${url}/api/chat/dev/token`, asked)).json();
  const page = await (await browser.newContext()).newPage();
  const refusal = { error: { code: "not_found", message: "Not found.", retryable: false } };
  await page.route("**/api/chat/dev/token", (route) => route.fulfill({ status: 404, json: refusal }));
  await page.goto(url);
  await check("without the dev door one is asked for a token", () => page.getByLabel("Token").isVisible());
  await page.screenshot({ path: `${artifacts}/door-token.png` });
  await page.getByLabel("Token").fill("nonsense");
  await page.getByRole("button", { name: "Continue" }).click();
  await check("what is no token is refused", () => page.getByText("That is no JWT").isVisible());
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Continue" }).click();
  await check("a token opens", same(() => page.getByTestId("me").innerText(), alice.id));
  await page.goto(`${url}/#/r/00000000-0000-7000-8000-000000000000`);
  await check("a room that isn't mine isn't there", () => page.getByText("doesn't exist, or you aren't part of it").isVisible());
  await page.context().close();
}

async function main() {
  mkdirSync(artifacts, { recursive: true });
  const stack = await startStack();
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  args.push("--disable-component-update", "--disable-sync");
  let browser;
  try {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", chromiumSandbox: false, args });
    const person = (who, options) => Person.arrive(browser, stack.url, name(who), options);
    const alice = await person("alice", { viewport: { width: 1360, height: 860 } });
    const bob = await person("bob", { viewport: { width: 1360, height: 860 }, colorScheme: "dark" });
    const carol = await person("carol", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    const picture = (who, file) => who.page.screenshot({ path: `${artifacts}/${file}.png` });

    await picture(alice, "door");
    await signingIn(alice, bob);
    await carol.signIn();
    await talking(alice, bob);
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
    await accessible(alice, "a room, light");
    await accessible(bob, "a room, dark");
    await byKeyboard(alice);
    await links(alice, bob);
    await drafts(alice);
    await crashing(alice, bob);
    await hostileContent(alice, bob);
    await files(alice, bob);
    await reloading(alice, bob);
    await losingTheNetwork(alice, bob);
    await longHistory(alice, bob);
    await group(alice, bob, carol);
    await picture(alice, "group-light");
    await unread(alice, bob);
    await searching(alice, bob);
    await doorWithoutDevSignIn(browser, stack.url, alice);
    for (const one of [alice, bob, carol]) await check(`no complaint in ${one.id}'s console`, same(() => one.complaints, []));
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ended early: ${error.stack}`);
  } finally {
    await browser?.close();
    await stack.stop();
  }
  console.log(`pictures in ${artifacts}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

await main();
