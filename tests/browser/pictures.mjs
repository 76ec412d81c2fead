/**
 * Pictures of every view: light, dark, on a phone, and in Arabic. `cargo xtask pictures` takes them into target/pictures,
 * to be looked at. Not a part of the tests; what the views must do is tested by the other parts.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";
import { artifacts, check } from "./check.mjs";
import { introduce } from "./people.mjs";
import { asAdmin } from "./stack.mjs";
import { DESKTOP, PHONE } from "./story.mjs";

const LOOKS = {
  light: { locale: "en-GB", options: DESKTOP },
  dark: { locale: "en-GB", options: { ...DESKTOP, colorScheme: "dark" } },
  phone: { locale: "en-GB", options: PHONE },
  arabic: { locale: "ar-EG", options: DESKTOP },
  "arabic-phone": { locale: "ar-EG", options: PHONE },
};

/** Those that README.md may show are also taken small enough for a repository. */
const IN_README = ["room-light", "profile-dark", "switcher-light", "room-phone"];

async function smallPicture(page, file) {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 75 });
  writeFileSync(file, Buffer.from(data, "base64"));
}

/** The texts of the page in a language. */
async function textsOf(locale) {
  const file = new URL(`../../web/src/i18n/messages.${locale.slice(0, 2)}.ts`, import.meta.url);
  const made = await build({ entryPoints: [file.pathname], bundle: true, write: false, format: "esm" });
  const { messages } = await import(`data:text/javascript;base64,${Buffer.from(made.outputFiles[0].contents).toString("base64")}`);
  return messages;
}

const TALK = [
  ["bruno", "Good morning! The new office has **windows** now."],
  ["ada", "And coffee?"],
  ["bruno", "Two machines, one of them _works_ :)"],
  ["chen", "I can move my desk on Thursday. Is the lift big enough?"],
  ["ada", "Big enough for the desk, not for the plant."],
  ["dalia", "صباح الخير! متى ننتقل إلى المكتب الجديد؟"],
  ["chen", "Here is the plan:\n- boxes by noon\n- desks at two\n- cake at four"],
  ["bruno", "@ada can you bring the keys? https://example.com/office/plan"],
  ["ada", "I will. `scan.sh` has the list of rooms:\n```sh\nfor room in 1 2 3; do ./scan.sh $room; done\n```"],
];

const ARABIC = [
  ["dalia", "مساء الخير، هل وصلت المفاتيح؟"],
  ["ada", "نعم، وهي عندي الآن 👍"],
  ["dalia", "ممتاز. **الموعد** يوم الخميس الساعة 10:30 في Office 4"],
  ["ada", "سأرسل الخطة: https://example.com/plan"],
];

/** No room has this id. */
const MISSING = "00000000-0000-7000-8000-000000000000";

/** People, conversations and what was sent in them, made by REST. */
async function furnish(stack, nonce) {
  const { url } = stack;
  const names = { ada: "Ada Lovelace", bruno: "Bruno Müller", chen: "Chen Wei", dalia: "داليا منصور" };
  const ids = Object.fromEntries(Object.keys(names).map((who) => [who, `${who}-${nonce}`]));
  const tokens = {};
  for (const [who, sub] of Object.entries(ids)) {
    await introduce(url, sub, names[who]);
    const body = JSON.stringify({ sub, name: names[who] });
    tokens[who] = (await (await fetch(`${url}/api/chat/dev/token`, { method: "POST", body })).json()).token;
  }
  const rest = async (who, method, path, body, headers = {}) => {
    const Authorization = `Bearer ${tokens[who]}`;
    const isRaw = body instanceof Uint8Array;
    for (;;) {
      const answer = await fetch(`${url}/api/chat${path}`, { method, headers: { Authorization, ...headers }, body: isRaw ? body : body && JSON.stringify(body) });
      if (answer.ok) return answer.json();
      if (answer.status !== 429) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      await new Promise((done) => setTimeout(done, 500));
    }
  };
  const say = async (room, who, content, more = {}) => {
    const text = content.replace("@ada", `<@${ids.ada}>`);
    return (await rest(who, "POST", `/rooms/${room}/messages`, { content: text, ...more })).message;
  };
  const create = async (type, others, name) => {
    const participantIds = [...(type === "direct" ? ["ada"] : []), ...others].map((who) => ids[who]);
    return (await rest("ada", "POST", "/rooms/create", { type, participantIds, ...(name && { name }) })).room.id;
  };
  const office = await create("group", ["bruno", "chen", "dalia"], "New office");
  const design = await create("group", ["bruno", "chen"], "Design review");
  const [bruno, chen, dalia] = [await create("direct", ["bruno"]), await create("direct", ["chen"]), await create("direct", ["dalia"])];
  await rest("ada", "PATCH", `/rooms/${office}`, { topic: "Everything about the move on Thursday" });
  const sent = [];
  for (const [who, content] of TALK) sent.push(await say(office, who, content));
  const path = (message, rest) => `/rooms/${office}/messages/${message.id}${rest}`;
  for (const [who, emoji] of [["ada", "🎉"], ["chen", "🎉"], ["dalia", "❤️"]]) await rest(who, "PUT", path(sent[0], `/reactions/${encodeURIComponent(emoji)}`));
  await rest("chen", "PATCH", path(sent[3], ""), { content: `${sent[3].content} And the door?` });
  await say(office, "bruno", "Not unless you fold it.", { replyToId: sent[4].id });
  for (const [who, content] of [["bruno", "Who orders the cake?"], ["ada", "Me. Lemon or chocolate?"], ["chen", "Both."]]) await say(office, who, content, { threadId: sent[6].id });
  const picture = readFileSync(new URL("../../docs/page.png", import.meta.url));
  const file = await rest("bruno", "POST", `/rooms/${office}/attachments`, picture, { "Content-Type": "image/png", "X-File-Name": "plan.png" });
  const plan = await say(office, "bruno", "The plan of our floor", { attachments: [{ id: file.attachment.id }] });
  for (const who of ["chen", "dalia"]) await rest(who, "PUT", path(plan, `/reactions/${encodeURIComponent("👍")}`));
  for (const [who, content] of ARABIC) await say(dalia, who, content);
  await rest("ada", "PUT", `/saved/${office}/${plan.id}`);
  for (const { id } of [sent[0], sent[6], plan]) await rest("ada", "PUT", `/rooms/${office}/pins/${id}`);
  const reported = { roomId: office, messageId: sent[2].id, reason: `That is not how one speaks of a machine (${nonce})` };
  await rest("ada", "POST", path(sent[3], "/report"), { reason: "This is the third lift in a week" });
  await rest("ada", "POST", path(sent[2], "/report"), { reason: reported.reason });
  await dismissReport(stack, reported.reason);
  await say(bruno, "bruno", "See you on Thursday");
  await say(chen, "chen", "Could you look at the *second* draft?");
  await say(design, "chen", "The colours of the buttons are settled");
  await rest("bruno", "PATCH", "/people/me", { status: { text: "In the new office", emoji: "🏢" } });
  return { ids, names, reported, rooms: { office, design, bruno, chen, dalia, missing: MISSING } };
}

async function dismissReport(stack, reason) {
  for (;;) {
    const { reports } = await (await asAdmin(stack, "GET", "/admin/reports?state=open")).json();
    const found = reports.find((one) => one.reason === reason);
    if (found) return asAdmin(stack, "POST", `/admin/reports/${found.id}/resolve`, { action: "dismiss" });
    await new Promise((done) => setTimeout(done, 250));
  }
}

/** This browser knows of the report, as if it had been made here. */
const rememberReport = ({ page, reported }) =>
  page.evaluate((report) => {
    const { tenant, userId } = JSON.parse(sessionStorage.getItem("chinwag.session"));
    const stored = [{ ...report, atMs: Date.now() }];
    localStorage.setItem(`chinwag.reports.${JSON.stringify([tenant, userId])}`, JSON.stringify(stored));
  }, reported);

/**
 * What is pictured: its name, which room is open, and how the view is reached with the texts of the language. `wide`: a
 * phone has a keyboard for it.
 */
const VIEWS = [
  ["list", null, async () => {}],
  ["room", "office", async () => {}],
  ["room-arabic", "dalia", async () => {}],
  ["thread", "office", ({ page, t }) => page.getByRole("button", { name: wordsOf(t.message.replies(3)) }).last().click()],
  ["search", "office", async ({ page, t }) => {
    await page.getByRole("banner").or(page.locator("header")).getByRole("button", { name: t.common.search, exact: true }).click();
    await page.getByRole("searchbox").fill("desk");
    await page.locator("search").getByRole("link").first().waitFor();
  }],
  ["mentions", null, async ({ page, t }) => {
    await page.getByRole("button", { name: t.roomList.mentions }).click();
    await page.getByRole("dialog").getByRole("link").first().waitFor();
  }],
  ["threads", null, async ({ page, t }) => {
    await page.getByRole("button", { name: t.threads.title, exact: true }).click();
    await page.getByRole("dialog").getByRole("link").first().waitFor();
  }],
  ["saved", null, async ({ page, t }) => {
    await page.getByRole("button", { name: t.saved.title, exact: true }).click();
    await page.getByRole("dialog").getByRole("link").first().waitFor();
  }],
  ["pins", "office", async ({ page, t }) => {
    await page.getByRole("button", { name: t.room.more }).click();
    await page.getByRole("menuitem", { name: wordsOf(t.pins.count(3)) }).click();
    await page.getByRole("complementary", { name: t.pins.title }).getByRole("link").first().waitFor();
  }],
  ["report-outcome", "office", async (at) => {
    await rememberReport(at);
    await at.page.reload();
    await at.page.getByRole("button", { name: at.t.reports.show }).waitFor();
  }],
  ["reports", null, async ({ page, t }) => {
    await page.getByRole("button", { name: t.settings.title }).click();
    await page.getByRole("dialog").getByRole("button", { name: t.reports.title }).click();
    await page.getByRole("dialog").getByRole("listitem").first().waitFor();
  }],
  ["profile", "office", async ({ page, names }) => {
    await page.getByRole("log").getByRole("button", { name: new RegExp(names.bruno) }).last().click();
    await page.getByRole("dialog").waitFor();
  }],
  ["switcher", "office", async ({ page }) => {
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog").getByRole("combobox").fill("br");
    await page.getByRole("dialog").getByRole("option").first().waitFor();
  }],
  ["new-conversation", null, async ({ page, t }) => {
    await page.getByRole("button", { name: t.roomList.newConversation }).first().click();
    await page.getByText(t.newChat.group, { exact: true }).click();
    await page.getByRole("dialog").getByRole("combobox").fill("ch");
    await page.getByRole("dialog").getByRole("option").first().waitFor();
  }],
  ["settings", null, ({ page, t }) => page.getByRole("button", { name: t.settings.title }).click()],
  ["keys", null, ({ page, t }) => page.getByRole("button", { name: t.roomList.keys }).click()],
  ["room-menu", "office", async ({ page, t }) => {
    await page.getByRole("button", { name: t.room.more }).click();
    await page.getByRole("menu").waitFor();
  }],
  ["members", "office", ({ page, t }) => details({ page, t })],
  ["audit", "office", async ({ page, t }) => {
    await details({ page, t });
    await page.getByRole("button", { name: t.roomSettings.auditLog }).click();
    await page.getByRole("dialog").getByRole("listitem").first().waitFor();
  }],
  ["message-menu", "office", (at) => menu(at)],
  ["report", "office", async (at) => {
    await menu(at);
    await at.page.getByRole("menuitem", { name: at.t.common.report }).click();
    await at.page.getByRole("dialog").waitFor();
  }],
  ["who", "office", async (at) => {
    await menu(at);
    await at.page.getByRole("menuitem", { name: at.t.messageMenu.who }).click();
    await at.page.getByRole("dialog").waitFor();
  }],
  ["date", "office", async ({ page, t }) => {
    await page.getByRole("button", { name: t.room.more }).click();
    await page.getByRole("menuitem", { name: t.goToDate.item }).click();
    await page.getByRole("dialog").waitFor();
  }],
  ["formatting", "office", async ({ page, t }) => {
    await page.getByRole("button", { name: t.input.formatting }).click();
  }, "wide"],
  ["emojis", "office", async ({ page, t }) => {
    await page.getByRole("button", { name: t.input.insertEmoji }).click();
    await page.getByRole("grid").waitFor();
  }, "wide"],
  ["delete", "office", async (at) => {
    await menu(at, "scan.sh");
    await at.page.getByRole("menuitem", { name: at.t.common.delete, exact: true }).click();
    await at.page.getByRole("dialog").waitFor();
  }],
  ["no-such-room", "missing", async ({ page, t }) => {
    await page.getByText(t.connection.ended.notFound).waitFor();
  }],
  ["file", "office", async ({ page }) => {
    await page.getByRole("log").locator("article img[src*=attachments], article img[src^=blob]").last().click();
    await page.waitForTimeout(300);
  }],
  ["offline", "office", async ({ page }) => {
    await page.context().setOffline(true);
    await page.waitForTimeout(1_000);
  }],
];

/** What somebody sees who has nothing yet. */
const EMPTY_VIEWS = [
  ["nothing-yet", null, async () => {}],
  ...["mentions", "threads", "saved"].map((name) => [
    `no-${name}`,
    null,
    ({ page, t }) => page.getByRole("button", { name: t.roomList[name] ?? t[name].title, exact: true }).click(),
  ]),
  ["no-reports", null, async ({ page, t }) => {
    await page.getByRole("button", { name: t.settings.title }).click();
    await page.getByRole("dialog").getByRole("button", { name: t.reports.title }).click();
    await page.getByText(t.reports.empty).waitFor();
  }],
];

const details = async ({ page, t }) => {
  const panel = page.getByRole("complementary", { name: t.room.details });
  if (!(await panel.isVisible())) await page.getByRole("button", { name: t.room.details, exact: true }).click();
  await panel.waitFor();
  await page.waitForTimeout(500);
};

/** A text without its number, which each region writes in its own digits. */
const wordsOf = (text) => new RegExp(text.replace(/[^\p{L}]+/gu, ".*"), "u");

/** The menu of a message that somebody else wrote: the one with a file, which is near the end. */
async function menu({ page, t }, text = "The plan of our floor") {
  const article = page.getByRole("log").getByRole("article").filter({ hasText: text }).last();
  await article.hover();
  await article.getByRole("button", { name: t.common.more, exact: true }).click();
  await page.getByRole("menu").waitFor();
}

/** Like `Person.signIn`, in any language. */
async function signIn(page, t, id) {
  await page.getByLabel(t.signIn.userId, { exact: true }).fill(id);
  await page.getByRole("button", { name: t.signIn.signIn, exact: true }).click();
  await page.getByRole("heading", { name: t.roomList.title }).waitFor();
}

export async function pictures({ browser, stack }) {
  const { url } = stack;
  const made = await furnish(stack, Date.now().toString(36));
  for (const [look, { locale, options }] of Object.entries(LOOKS)) {
    const t = await textsOf(locale);
    const context = await browser.newContext({ serviceWorkers: "block", locale, ...options, reducedMotion: "reduce" });
    const page = await context.newPage();
    const picture = async (name) => {
      const file = `${artifacts}/${name}-${look}`;
      await page.screenshot({ path: `${file}.png`, animations: "disabled" });
      if (IN_README.includes(`${name}-${look}`)) await smallPicture(page, `${file}.webp`);
    };
    await page.goto(url);
    await page.getByLabel(t.signIn.userId, { exact: true }).waitFor();
    await picture("sign-in");
    await signIn(page, t, made.ids.ada);
    const take = (views) => takeViews(views, { page, t, look, url, made, picture });
    await take(VIEWS);
    await page.goto(`${url}/#`);
    await page.getByRole("button", { name: t.roomList.signOut, exact: true }).click();
    await signIn(page, t, `${made.ids.ada}-${look}`);
    await take(EMPTY_VIEWS);
    await context.close();
  }
  return [];
}

async function takeViews(views, { page, t, look, url, made, picture }) {
  for (const [name, room, reach, only] of views) {
    if (only === "wide" && look.includes("phone")) continue;
    await check(`${name}, ${look}`, await tryTo(async () => {
      await page.goto(room ? `${url}/#/r/${made.rooms[room]}` : `${url}/#`);
      await page.reload();
      await page.locator("nav").waitFor({ state: "attached" });
      if (!room && views === VIEWS) await page.getByRole("link").last().waitFor();
      if (room && room !== "missing") {
        await page.getByRole("log").waitFor();
        await page.locator("[data-connection=live]").waitFor({ state: "attached" });
      }
      await reach({ page, t, ...made });
      await isSettled(page, t);
      await picture(name);
    }));
    await page.context().setOffline(false);
  }
}

/** Waits until everything is there: what is still missing after 10 s is missing in the picture. */
async function isSettled(page, t) {
  const isThere = (loading) => {
    const pictures = [...document.images].every((image) => image.complete);
    return pictures && !document.querySelector(".animate-pulse") && !document.body.innerText.includes(loading);
  };
  await page.waitForFunction(isThere, t.common.loading, { timeout: 10_000 }).catch(() => {});
  await page.waitForTimeout(400);
}

/** True, or why it failed: one view that can't be reached must not take the others along. */
const tryTo = async (work) => {
  try {
    await work();
    return true;
  } catch (error) {
    return error.message;
  }
};
