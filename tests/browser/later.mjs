/** What is kept and followed over all conversations: saved messages, the threads one follows, and who has read a message. */
import { check, projected, same, view } from "./check.mjs";

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
  await narrow(bob);
}
