/**
 * A working day in thirty steps: Ada at her desk, Bruno at his and on his phone, Chen by keyboard and screen reader, and an
 * admin. Not here: each thing in all its cases (the other parts).
 */
import { check, projected, same, view } from "./check.mjs";
import { details, manage } from "./moderation.mjs";
import { introduce } from "./people.mjs";
import { bePushed } from "./push.mjs";
import { asAdmin } from "./stack.mjs";
import { DESKTOP, PHONE } from "./story.mjs";

let steps = 0;
const step = (title, what, withinMs) => check(`day ${++steps}: ${title}`, what, withinMs);

async function morning(ada, bruno, phone, names) {
  await ada.startDirect(names.bruno);
  await step("a conversation is begun by somebody's name", () => ada.page.getByRole("heading", { name: names.bruno }).isVisible());
  await ada.say("Good morning!");
  await step("it appears at his desk by itself", () => bruno.roomLink(names.ada).getByText("1 unread").isVisible());
  await step("and on his phone", () => phone.roomLink(names.ada).getByText("1 unread").isVisible());
  await phone.openRoom(names.ada);
  // READ-7: a marker reaches Postgres within 30 s, and the other devices from there.
  await step("read on the phone, it is read at the desk", same(() => bruno.roomLink(names.ada).getByText("unread").count(), 0), 45_000);
  await step("and Ada sees that", () => ada.page.getByText("Seen").isVisible());
  await bruno.openRoom(names.ada);
  await bruno.input.fill("I am on my w");
  await step("a draft from the desk is on the phone", same(() => phone.input.inputValue(), "I am on my w"));
  await phone.say("I am on my way");
  await step("sent from there, the desk's draft is gone", same(() => bruno.input.inputValue(), ""));
  await bruno.input.press("ArrowUp");
  await bruno.input.fill("I am on my way, ten minutes");
  await bruno.input.press("Enter");
  await step("he corrects it with the arrow key", () => ada.bubble("ten minutes").getByText("Edited").isVisible());
  await ada.react("ten minutes", "👍");
  await step("she reacts", () => bruno.bubble("ten minutes").getByRole("button", { name: "👍 1 person" }).isVisible());
}

async function theTeam(ada, bruno, chen, names, title) {
  await ada.startGroup(title, [names.bruno, names.chen]);
  await step("a group stands in the list at once", () => chen.roomLink(title).isVisible());
  await ada.say(`Launch at ten, @${names.bruno}`);
  await step("who is mentioned elsewhere sees it", () => bruno.roomLink(title).getByText("1 mention").isVisible());
  await step("and the tab's title counts it", async () => (await bruno.page.title()).startsWith("(1)"));
  await bruno.openRoom(title);
  await step("opened, it counts no more", same(() => bruno.roomLink(title).getByText("mention").count(), 0));
  await bruno.say("I bring the cake");
  await ada.bubble("I bring the cake").waitFor();
  await ada.page.keyboard.press("Control+k");
  const field = ada.page.getByRole("combobox", { name: "Conversation or person" });
  await field.fill(names.bruno.slice(0, 6));
  await ada.page.getByRole("option").filter({ hasText: names.bruno }).first().waitFor();
  await field.press("Enter");
  await step("the switcher leads back to the conversation", () => ada.page.getByRole("heading", { name: names.bruno }).isVisible());
}

/** Chen touches no mouse, and hears what the accessibility tree says. */
async function byKeyboard(ada, chen, names, title) {
  await chen.roomLink(title).focus();
  await chen.page.keyboard.press("Enter");
  await chen.connected();
  await chen.log.waitFor();
  await step("a screen reader has the log by its name", async () => (await chen.log.ariaSnapshot()).startsWith(`- log "Messages with ${title}"`));
  await chen.bubble("I bring the cake").focus();
  await chen.page.keyboard.press("ArrowUp");
  const heard = () => chen.page.evaluate(() => `${document.activeElement.getAttribute("aria-label")}: ${document.activeElement.textContent}`);
  await step("the arrow key goes to the message above, and it is said whose it is", async () => {
    const text = await heard();
    return (text.startsWith(names.ada) && text.includes("Launch at ten")) || text;
  });
  await chen.input.focus();
  await chen.page.keyboard.type("I can hear you all");
  await chen.page.keyboard.press("Enter");
  await ada.openRoom(title);
  await step("what is typed without a mouse arrives", () => ada.bubble("I can hear you all").isVisible());
  await ada.choose("I can hear you all", "Reply in a thread");
  await ada.sayInThread("Wonderful");
  await step("a thread shows under the message", () => chen.bubble("I can hear you all").getByRole("button", { name: "1 reply" }).isVisible());
  await ada.page.getByRole("button", { name: "Close thread" }).click();
}

async function noon(ada, bruno, phone, names) {
  await phone.goOffline();
  await phone.write("from the tunnel");
  await step("without a network it waits, and says so", () => phone.page.getByText("One message waits to be sent.").isVisible());
  await phone.goOnline();
  await ada.openRoom(names.bruno);
  await step("out of the tunnel it arrives", () => ada.bubble("from the tunnel").isVisible(), 20_000);
  await step("once", same(async () => (await ada.contents()).filter((one) => one === "from the tunnel").length, 1));
  await projected(ada);
  await ada.page.keyboard.press("Control+Shift+F");
  const panel = ada.page.getByRole("complementary", { name: "Search" });
  await panel.getByLabel("In all my conversations").check();
  await panel.getByRole("searchbox").fill("cake");
  await step("a search finds what was said in another room", () => panel.getByRole("link", { name: "I bring the cake" }).isVisible());
  await ada.page.keyboard.press("Escape");
}

async function closedPage(ada, bruno, names, url) {
  const device = await bePushed(bruno, url);
  try {
    await bruno.page.close();
    await ada.openRoom(names.bruno);
    await ada.say(`one more thing, @${names.bruno}`);
    await step("with the page closed he is notified, by her name", same(async () => (await device.shown()).map(({ title }) => title), [names.ada]), 30_000);
    bruno.page = device.other;
    await bruno.page.goto(url + device.pushed.at(-1).navigate);
    await step("a tap opens the room at the message", () => bruno.log.getByText("one more thing").isVisible(), 20_000);
    await step("and what was read is withdrawn", same(device.shown, []), 20_000);
  } finally {
    device.stop();
  }
}

async function moderating(ada, chen, names, title) {
  await ada.openRoom(title);
  const isMuted = details(ada).getByText("Muted", { exact: true });
  await manage(ada, names.chen, "Mute for an hour");
  await isMuted.waitFor();
  await chen.write("too loud?");
  await step("who is muted reads for how long", () => chen.page.getByText(/^You are muted here for another (60 min|1 h)\.$/).isVisible());
  await manage(ada, names.chen, "Unmute");
  await isMuted.waitFor({ state: "detached" });
  await chen.page.getByRole("button", { name: "Try again" }).click();
  await step("unmuted, she is heard", () => ada.bubble("too loud?").isVisible());
}

async function blocking(ada, bruno, names) {
  await bruno.log.getByRole("button", { name: `Profile of ${names.ada}` }).first().click();
  const card = bruno.page.getByRole("dialog", { name: `Profile of ${names.ada}` });
  await card.getByRole("button", { name: "Block", exact: true }).click();
  await card.getByText("You have blocked them").waitFor();
  await ada.openRoom(names.bruno);
  await ada.write("hello?");
  await step("who is blocked reads why nothing is sent", () => ada.page.getByText("They can't be written to.").first().isVisible());
  await card.getByRole("button", { name: "Unblock" }).click();
  await card.getByRole("button", { name: "Block", exact: true }).waitFor();
  await bruno.page.keyboard.press("Escape");
  await ada.page.getByRole("button", { name: "Discard" }).first().click();
  await ada.say("friends again");
  await step("unblocked, they talk again", () => bruno.bubble("friends again").isVisible());
}

async function evening(ada, chen, names, stack, title) {
  const answer = await asAdmin(stack, "PUT", `/people/${chen.id}`, { deactivated: true });
  await step("an admin deactivates an account", same(() => answer.status, 200));
  await ada.openRoom(title);
  await step("what that person wrote stays, with their name", () => ada.log.getByRole("button", { name: `Profile of ${names.chen}` }).first().isVisible());
  await step("their page can write no more", async () => !(await chen.input.isVisible()) || !(await chen.input.isEnabled()) || (await chen.page.locator("[data-connection=live]").count()) === 0, 20_000);
  await view(chen, "deactivated");
  await ada.page.getByRole("button", { name: "Sign out" }).click();
  await step("signed out, nothing of the day is left on the screen", () => ada.page.getByLabel("User id").isVisible());
}

export async function day({ arrive, stack }) {
  const { url } = stack;
  const ada = await arrive("ada", DESKTOP);
  const bruno = await arrive("bruno", { ...DESKTOP, serviceWorkers: "allow" });
  const phone = await arrive("bruno", PHONE);
  const chen = await arrive("chen", DESKTOP);
  const nonce = ada.id.split("-").pop();
  const names = { ada: `Ada Lovelace ${nonce}`, bruno: `Bruno Müller ${nonce}`, chen: `Chen 周 ${nonce}` };
  for (const [who, { id }] of Object.entries({ ada, bruno, chen })) await introduce(url, id, names[who]);
  for (const person of [ada, bruno, phone, chen]) await person.signIn();
  const title = `Launch ${nonce}`;
  await morning(ada, bruno, phone, names);
  await theTeam(ada, bruno, chen, names, title);
  await byKeyboard(ada, chen, names, title);
  // Whoever has the room open somewhere is not notified; a room that was left stays connected for 10 s.
  await phone.page.evaluate(() => {
    location.hash = "";
  });
  await phone.page.waitForTimeout(11_000);
  await closedPage(ada, bruno, names, url);
  await phone.openRoom(names.ada);
  await noon(ada, bruno, phone, names);
  await view(phone, "day-phone");
  await moderating(ada, chen, names, title);
  await blocking(ada, bruno, names);
  await view(ada, "day-desktop");
  await evening(ada, chen, names, stack, title);
  await check(`the day has at least thirty steps: ${steps}`, steps >= 30);
  return [ada, bruno, phone];
}
