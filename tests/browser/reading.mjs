/** What counts as read is what was in sight: where a room opens, and how the read marker moves. */
import { check, projected, same, view } from "./check.mjs";

/** Sends many messages through REST, which is quicker than typing, and waits until the room has them. */
export async function sendMany(person, roomId, from, count) {
  const { token } = await person.page.evaluate(() => JSON.parse(sessionStorage.getItem("chinwag.session")));
  const url = new URL(`/api/chat/rooms/${roomId}/messages`, person.page.url());
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  for (let at = from; at < from + count; ) {
    const body = JSON.stringify({ content: `item ${at}`, clientId: `${roomId}-${at}` });
    const answer = await fetch(url, { method: "POST", headers, body });
    if (answer.ok) at += 1;
    else await person.page.waitForTimeout(250);
  }
}

/** A request of the person's own, again while it is one too many. */
export async function rest(person, method, path, body) {
  const { token } = await person.page.evaluate(() => JSON.parse(sessionStorage.getItem("chinwag.session")));
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const url = new URL(`/api/chat/${path}`, person.page.url());
  for (;;) {
    const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (answer.status !== 429) return answer.json();
    await person.page.waitForTimeout(250);
  }
}

/** Where the "New messages" line stands, as a part of the height of the log: 0 is its top. */
const linePosition = (person) =>
  person.log.evaluate((log) => {
    const line = [...log.querySelectorAll("span")].find((one) => one.textContent === "New messages");
    if (!line) return null;
    const box = log.getBoundingClientRect();
    return (line.getBoundingClientRect().top - box.top) / box.height;
  });

const isInUpperThird = async (person) => {
  const at = await linePosition(person);
  return (at !== null && at >= 0 && at <= 1 / 3) || `the line is at ${at}`;
};

const unreadCount = async (link) => {
  const text = await link.getByText("unread").locator("..").allInnerTexts();
  return text.length === 0 ? 0 : Number.parseInt(text[0], 10);
};

/** In a window that has not the focus nobody reads. */
async function unfocused(alice, bob, roomId, badge) {
  const focus = (has) =>
    bob.page.evaluate((hasFocus) => {
      document.hasFocus = () => hasFocus;
      window.dispatchEvent(new Event(hasFocus ? "focus" : "blur"));
    }, has);
  await focus(false);
  await sendMany(alice, roomId, 203, 1);
  await bob.bubble("item 203").waitFor();
  await bob.page.waitForTimeout(1_800);
  await check("in sight, but without the focus, it stays unread", same(() => unreadCount(badge), 1));
  await focus(true);
  await check("with the focus it is read", same(() => unreadCount(badge), 0));
}

/** A reply that only its thread shows: by the mentions, a search hit, and a link. */
async function intoThread(bob, roomId, root, seq) {
  const thread = bob.page.getByRole("complementary", { name: "Thread" });
  const shown = () => thread.locator("article.animate-flash").filter({ hasText: "look here" }).isVisible();
  const leave = () => thread.getByRole("button", { name: "Close thread" }).click();
  await bob.page.getByRole("button", { name: "Mentions" }).click();
  await bob.page.getByRole("dialog").getByText("look here").click();
  await check("a mention in a thread opens the thread at it", shown);
  await view(bob, "thread-mention");
  await leave();
  await bob.page.evaluate((hash) => { location.hash = hash; }, `#/r/${roomId}/m/${seq}/t/${root.id}`);
  await check("so does a link", shown);
  await leave();
  await bob.page.evaluate(() => { location.hash = ""; });
  await bob.page.getByRole("button", { name: "Find in all conversations" }).click();
  const search = bob.page.getByRole("dialog").getByRole("searchbox");
  await search.fill("before:24.11.2026");
  await check("a search that can't be read says what it should look like", () => bob.page.getByRole("dialog").getByText("Dates look like 2026-11-24").isVisible());
  await search.fill("look");
  const hit = bob.page.getByRole("dialog").getByRole("link").filter({ hasText: "look here" });
  await check("without an open room one can search too, and the word stands out", () => hit.locator("mark", { hasText: "look" }).isVisible());
  await view(bob, "search-everywhere");
  await hit.click();
  await check("and a hit in a thread opens the thread", shown);
  await leave();
}

export async function reading(alice, bob) {
  const roomId = alice.page.url().split("/r/")[1];
  const badge = bob.roomLink(alice.id);
  const elsewhere = `Elsewhere ${alice.id.split("-").pop()}`;
  // Half a second in sight makes a message read.
  await check("the first message is read", same(() => unreadCount(badge), 0));
  await bob.startGroup(elsewhere, [alice.id]);
  await sendMany(alice, roomId, 1, 30);
  await check("30 messages are unread", same(() => unreadCount(badge), 30), 20_000);
  await bob.openRoom(alice.id);
  await check("the room opens with the line in the upper third", () => isInUpperThird(bob));
  await bob.page.waitForTimeout(1_800);
  await check("older history does not move it", () => isInUpperThird(bob));
  const left = await unreadCount(badge);
  await check("what was not in sight stays unread", (left > 5 && left < 30) || `${left} of 30`);
  await check("the button down says how many", () => bob.page.getByRole("button", { name: `${left} new` }).isVisible());
  await view(bob, "unread-line");
  await bob.page.getByRole("button", { name: `${left} new` }).click();
  await bob.page.waitForTimeout(1_800);
  await check("jumping over messages does not mark them", async () => (await unreadCount(badge)) > 0);
  const above = bob.page.getByRole("button", { name: /^\d+ new messages?$/ });
  await check("the button up says how many were skipped", () => above.isVisible());
  await above.click();
  for (let step = 0; step < 12; step++) {
    await bob.page.waitForTimeout(800);
    await bob.log.evaluate((log) => log.scrollBy(0, log.clientHeight * 0.6));
  }
  await check("scrolled through, all is read", same(() => unreadCount(badge), 0));

  await bob.openRoom(elsewhere);
  await sendMany(alice, roomId, 31, 2);
  await check("two more are unread", same(() => unreadCount(badge), 2));
  await badge.click();
  await bob.page.getByRole("heading", { name: alice.id }).waitFor();
  await bob.roomLink(elsewhere).click();
  await bob.page.waitForTimeout(1_800);
  await check("a glance does not mark them", same(() => unreadCount(badge), 2));

  for (const [from, count] of [[33, 58], [91, 12], [103, 100]]) {
    await sendMany(alice, roomId, from, count);
    await bob.page.reload();
    await bob.connected();
    await bob.openRoom(alice.id);
    await check(`with ${count} more the line is in the upper third`, () => isInUpperThird(bob));
    await bob.page.waitForTimeout(2_000);
    await check("and stays there", () => isInUpperThird(bob));
    await bob.openRoom(elsewhere);
  }
  await bob.openRoom(alice.id);
  await bob.page.getByRole("button", { name: /^\d+ new$/ }).click();
  await bob.page.getByRole("button", { name: "Mark as read" }).click();
  await check("a button marks what is above as read", same(() => unreadCount(badge), 0));
  await unfocused(alice, bob, roomId, badge);
  await bob.openRoom(elsewhere);
  await sendMany(alice, roomId, 204, 1);
  const title = () => bob.page.title();
  await check("the title counts the unread room", async () => (await title()).startsWith("(1)"));
  await bob.openRoom(alice.id);
  await bob.page.getByRole("complementary", { name: "Details" }).getByLabel("Notify me of").selectOption("none");
  await check("a muted room does not count in the title", async () => !(await title()).startsWith("("));
  await bob.page.getByRole("complementary", { name: "Details" }).getByLabel("Notify me of").selectOption("all");
  await bob.page.keyboard.press("Shift+Escape");
  await check("Shift+Esc marks everything as read", same(() => unreadCount(badge), 0));
  await check("and removes the line", same(() => linePosition(bob), null));

  const fresh = `Fresh ${alice.id.split("-").pop()}`;
  await alice.startGroup(fresh, [bob.id]);
  await sendMany(alice, alice.page.url().split("/r/")[1], 1, 40);
  await bob.refresh();
  await bob.openRoom(fresh);
  await check("a room that was never read opens with the line above its first message", () => isInUpperThird(bob));

  await bob.openRoom(elsewhere);
  const first = await rest(alice, "GET", `rooms/${roomId}/messages?after=0&limit=1`);
  const [root] = first.messages;
  const reply = { content: `look here <@${bob.id}>`, threadId: root.id, clientId: "thread-mention" };
  const { message } = await rest(alice, "POST", `rooms/${roomId}/messages`, reply);
  await projected(bob);
  await intoThread(bob, roomId, root, message.seq);
}
