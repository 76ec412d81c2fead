/**
 * What is kept and followed: saved messages, the threads one follows, and who has read a message, over all conversations;
 * and the messages that a room has pinned.
 */
import { check, projected, same, view } from "./check.mjs";
import { rest, sendMany } from "./reading.mjs";

const dialog = (person, name) => person.page.getByRole("dialog", { name, exact: true });
const close = (person) => person.page.keyboard.press("Escape");

async function saving(alice, bob) {
  await alice.say("the key is under the mat");
  await bob.bubble("the key is under the mat").waitFor();
  await bob.choose("the key is under the mat", "Save for later");
  await check("what was saved is confirmed", () => bob.page.getByText("Saved for later.").isVisible());
  await projected(bob);
  await bob.page.getByRole("button", { name: "Saved", exact: true }).click();
  const saved = dialog(bob, "Saved");
  await check("it is in the list of what I have saved", () => saved.getByRole("link", { name: "the key is under the mat" }).isVisible());
  await view(bob, "saved");
  const keep = saved.getByRole("button", { name: "Saved" });
  await keep.click();
  await check("there it can be removed", same(() => keep.getAttribute("aria-pressed"), "false"));
  await keep.press("Enter");
  await check("and saved again, by keyboard", same(() => keep.getAttribute("aria-pressed"), "true"));
  await saved.getByRole("link").first().click();
  await check("it leads to the message", () => bob.log.locator("article.animate-flash").filter({ hasText: "under the mat" }).isVisible());
  await bob.choose("the key is under the mat", "Remove from saved");
  await bob.page.getByRole("button", { name: "Saved", exact: true }).click();
  await check("removed by its menu, it is gone", () => saved.getByText("Nothing is saved.").isVisible());
  await close(bob);
}

async function following(alice, bob) {
  await bob.say("where do we meet?");
  await alice.bubble("where do we meet?").waitFor();
  await alice.choose("where do we meet?", "Reply in a thread");
  for (const text of ["at the station", "at the north exit"]) await alice.sayInThread(text);
  await alice.page.getByRole("button", { name: "Close thread" }).click();
  await projected(bob);
  await bob.page.getByRole("button", { name: "Threads", exact: true }).click();
  const threads = dialog(bob, "Threads");
  const thread = threads.getByRole("link").filter({ hasText: "where do we meet?" });
  await check("a thread that I began shows what is new in it", () => thread.getByText("2 unread").isVisible());
  await check("and how many replies it has", () => thread.getByText("2 replies").isVisible());
  await view(bob, "threads");
  await thread.click();
  await check("it opens the thread", () => bob.thread.getByText("at the north exit").isVisible());
  await check("what was in sight is read", async () => {
    await bob.page.getByRole("button", { name: "Threads", exact: true }).click();
    await thread.waitFor();
    const unread = await thread.getByText("unread").count();
    await close(bob);
    return unread === 0 || `${unread} marked`;
  });
  await bob.page.getByRole("button", { name: "Close thread" }).click();
}

async function readers(alice, bob) {
  await alice.say("has everybody seen this?");
  const seen = alice.bubble("has everybody seen this?").getByRole("button", { name: "Seen" });
  await seen.click();
  const who = dialog(alice, "Who reacted and read");
  await check("the line below a message says who has read it", () => who.getByText("Read by 1 person").isVisible());
  await check("by name", () => who.getByText(bob.id).isVisible());
  await view(alice, "who-has-read");
  await close(alice);
  await alice.bubble("has everybody seen this?").focus();
  await alice.page.keyboard.press("i");
  await check("so does a key", () => who.getByText("Read by 1 person").isVisible());
  await close(alice);
  await bob.choose("has everybody seen this?", "Who reacted and read");
  await check("and the menu, for a message of others: its author is no reader", () => dialog(bob, "Who reacted and read").getByText("Read by 1 person").isVisible());
  await close(bob);
}

const pinsPanel = (person) => person.page.getByRole("complementary", { name: "Pinned messages" });
/** The button in the header of the room. */
const pinsButton = (person) => person.page.locator("header").getByRole("button", { name: /pinned message/ });
const focusIsOnPage = (person) => person.page.evaluate(() => document.activeElement !== document.body);

async function menuItems(person, content) {
  await person.bubble(content).hover();
  await person.bubble(content).getByRole("button", { name: "More" }).click();
  const items = await person.page.getByRole("menuitem").allInnerTexts();
  await close(person);
  return items;
}

/** PIN-1, PIN-4: in a group its admins pin; everybody sees it, and goes there, also far back and into a thread. */
async function pinning(alice, bob) {
  const title = `Pinned ${alice.id.split("-").pop()}`;
  await alice.startGroup(title, [bob.id]);
  await alice.say("the rules are here");
  await alice.say("ask in the thread");
  await bob.openRoom(title);
  await check("without pins the header has no button for them", same(() => pinsButton(bob).count(), 0));
  await alice.choose("the rules are here", "Pin");
  await check("what was pinned is confirmed", () => alice.page.getByText("Pinned.", { exact: true }).isVisible());
  await check("the message is marked", () => bob.bubble("the rules are here").getByText("Pinned", { exact: true }).isVisible());
  await check("and everybody's header counts it", () => pinsButton(bob).getByText("1").isVisible());
  await alice.choose("ask in the thread", "Reply in a thread");
  await alice.sayInThread("the answer");
  const reply = alice.thread.getByRole("article").filter({ hasText: "the answer" });
  await reply.hover();
  await reply.getByRole("button", { name: "More" }).click();
  await alice.page.getByRole("menuitem", { name: "Pin", exact: true }).click();
  await check("a reply in a thread can be pinned", () => pinsButton(bob).getByText("2").isVisible());
  await alice.page.getByRole("button", { name: "Close thread" }).click();
  const items = await menuItems(bob, "the rules are here");
  await check("who may not pin is not offered it", !items.includes("Pin") && !items.includes("Unpin") && items.includes("Report"));
  const roomId = bob.page.url().split("/r/")[1];
  const { messages } = await rest(bob, "GET", `rooms/${roomId}/pins`);
  const refused = await rest(bob, "DELETE", `rooms/${roomId}/pins/${messages[0].id}`);
  await check("and is refused", same(() => refused.error.code, "forbidden"));
  await sendMany(alice, roomId, 1, 110);
  await bob.page.reload();
  await bob.connected();
  await check("after a reload the pins are known", () => pinsButton(bob).getByText("2").isVisible());
  await bob.bubble("item 110").waitFor();
  await pinsButton(bob).focus();
  await bob.page.keyboard.press("Enter");
  const links = pinsPanel(bob).getByRole("link");
  await check("they are listed, the one pinned last first", async () => {
    const texts = await links.allInnerTexts();
    return (texts.length === 2 && texts[0].includes("the answer") && texts[1].includes("the rules are here")) || texts;
  });
  await check("who may not has no button to unpin", same(() => pinsPanel(bob).getByRole("button", { name: "Unpin" }).count(), 0));
  await view(bob, "pins");
  await links.last().focus();
  await bob.page.keyboard.press("Enter");
  await check("one leads to a message far back", () => bob.log.locator("article.animate-flash").filter({ hasText: "the rules are here" }).isVisible());
  await links.first().click();
  await check("and one into its thread", () => bob.thread.locator("article.animate-flash").filter({ hasText: "the answer" }).isVisible());
  await bob.page.getByRole("button", { name: "Close thread" }).click();
  return roomId;
}

async function unpinning(alice, bob, roomId) {
  await pinsButton(alice).click();
  await pinsButton(bob).click();
  await check("who may pin is shown how many there can be", () => pinsPanel(alice).getByText("At most 50 messages can be pinned.").isVisible());
  await view(alice, "pins-admin");
  await pinsPanel(alice).getByRole("button", { name: "Unpin" }).first().focus();
  await alice.page.keyboard.press("Enter");
  await check("unpinned in the list, it is gone there", same(() => pinsPanel(alice).getByRole("link").count(), 1));
  await check("and the focus is still on the page", () => focusIsOnPage(alice));
  await check("and gone for the others at once", same(() => pinsPanel(bob).getByRole("link").count(), 1));
  const { messages } = await rest(alice, "GET", `rooms/${roomId}/messages?limit=60`);
  for (const { id } of messages.filter(({ content }) => /^item (?!110)/.test(content)).slice(-49)) await rest(alice, "PUT", `rooms/${roomId}/pins/${id}`);
  await check("many are listed as they are pinned", same(() => pinsPanel(bob).getByRole("link").count(), 50), 20_000);
  await alice.page.getByRole("button", { name: "Close pinned messages" }).click();
  await alice.choose("item 110", "Pin");
  await check("one more is refused in words", () => alice.page.getByText("50 messages are pinned already. Unpin one first.").isVisible());
  await alice.remove("item 109");
  await check("a deleted message is pinned no more", same(() => pinsPanel(bob).getByRole("link").count(), 49));
  await alice.choose("item 108", "Unpin");
  await check("nor is one that was unpinned in the room", same(() => pinsPanel(bob).getByRole("link").count(), 48));
  await check("its mark goes", same(() => bob.bubble("item 108").getByText("Pinned", { exact: true }).count(), 0));
  await bob.page.getByRole("button", { name: "Close pinned messages" }).click();
}

/** PIN-1: in a direct room both pin. In a narrow window the list stands in place of the room. */
async function pinningInDirect(alice, bob) {
  await bob.openRoom(alice.id);
  await bob.choose("where do we meet?", "Pin");
  await check("in a direct room both may pin", () => bob.bubble("where do we meet?").getByText("Pinned", { exact: true }).isVisible());
  const details = bob.page.getByRole("button", { name: "Close details" });
  if (await details.isVisible()) await details.click();
  await bob.page.setViewportSize({ width: 320, height: 640 });
  await bob.page.getByRole("button", { name: "More about this conversation" }).click();
  await bob.page.getByRole("menuitem", { name: "1 pinned message" }).click();
  await pinsPanel(bob).getByRole("link").waitFor();
  await view(bob, "pins-320");
  const scrollWidth = await bob.page.evaluate(() => document.documentElement.scrollWidth);
  await check("the pins fit into 320 px", scrollWidth <= 320 || `${scrollWidth} px`);
  await pinsPanel(bob).getByRole("link").click();
  await check("there too it leads to the message", () => bob.log.locator("article.animate-flash").filter({ hasText: "where do we meet?" }).isVisible());
  await bob.page.locator("header").getByRole("button", { name: "Search", exact: true }).click();
  await bob.page.getByRole("searchbox").fill("mat");
  await bob.page.getByRole("link", { name: "the key is under the mat" }).click();
  await check("and so does what was found", () => bob.log.locator("article.animate-flash").filter({ hasText: "under the mat" }).isVisible());
  await bob.page.getByRole("button", { name: "More about this conversation" }).click();
  await bob.page.getByRole("menuitem", { name: "1 pinned message" }).click();
  await pinsPanel(bob).getByRole("button", { name: "Unpin" }).click();
  await check("an empty list says so", () => pinsPanel(bob).getByText("Nothing is pinned here. Pin a message from its menu.").isVisible());
  await check("and what was done is said where the list covers the room", () => pinsPanel(bob).getByText("Unpinned.").isVisible());
  await bob.page.getByRole("button", { name: "Close pinned messages" }).click();
}

/** Nothing is wider than a narrow screen, and each view opens there. */
async function narrow(bob) {
  const { page } = bob;
  await page.setViewportSize({ width: 320, height: 640 });
  await page.evaluate(() => {
    location.hash = "";
  });
  for (const name of ["Mentions", "Threads", "Saved"]) {
    await page.getByRole("button", { name, exact: true }).click();
    await dialog(bob, name).waitFor();
    await view(bob, `${name.toLowerCase()}-320`);
    const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    await check(`${name} fits into 320 px`, scrollWidth <= 320 || `${scrollWidth} px`);
    await close(bob);
  }
}

export async function later(alice, bob) {
  await saving(alice, bob);
  await following(alice, bob);
  await readers(alice, bob);
  await unpinning(alice, bob, await pinning(alice, bob));
  await pinningInDirect(alice, bob);
  await narrow(bob);
}
