/** A start without a network: the page, the list and the messages seen last are there, and what is written is sent later. */
import { check, same, view } from "./check.mjs";

/** What the browser has saved of people and rooms. */
const savedCount = (person) =>
  person.page.evaluate(async () => {
    const open = indexedDB.open("chinwag-saved");
    const db = await new Promise((done) => (open.onsuccess = () => done(open.result)));
    const counts = [...db.objectStoreNames].map(async (name) => {
      const count = db.transaction(name).objectStore(name).count();
      return new Promise((done) => (count.onsuccess = () => done(count.result)));
    });
    const sum = (await Promise.all(counts)).reduce((total, count) => total + count, 0);
    db.close();
    return sum;
  });

const controlled = (person) => person.page.waitForFunction(() => navigator.serviceWorker.controller !== null);

export async function offline(alice, bob, url) {
  await controlled(alice);
  await check("the list and the open room are saved", same(() => savedCount(alice), 2));
  await alice.page.waitForTimeout(2_500);
  await alice.context.setOffline(true);
  await alice.page.reload();
  await check("the page starts without a network", () => alice.page.getByRole("heading", { name: "Chats" }).isVisible());
  await check("with the list", () => alice.roomLink(bob.id).isVisible());
  await check("with the messages", () => alice.log.getByText("hello").isVisible());
  await check("and says that it is offline", () => alice.page.getByText(/offline/i).first().isVisible());
  await alice.write("written offline");
  await check("what is written waits", () => alice.log.locator("article:not([data-status=sent])").filter({ hasText: "written offline" }).isVisible());
  await view(alice, "offline");
  await alice.page.reload();
  await check("and is there after another start", () => alice.log.getByText("written offline").isVisible());
  await bob.say("said meanwhile");
  await alice.context.setOffline(false);
  await check("with the network what was missed comes", () => alice.log.getByText("said meanwhile").isVisible(), 40_000);
  await check("what was written is sent", () => bob.log.getByText("written offline").isVisible(), 20_000);
  await check("each once and in the same order", same(() => alice.contents(), ["hello", "said meanwhile", "written offline"]));
  await check("for both", same(() => bob.contents(), ["hello", "said meanwhile", "written offline"]));
  const tab = await alice.context.newPage();
  await tab.goto(url);
  await check("a new tab is signed in", () => tab.getByRole("heading", { name: "Chats" }).isVisible());
  await tab.close();
  await alice.page.getByRole("button", { name: "Sign out" }).click();
  await check("after signing out nothing is saved", same(() => savedCount(alice), 0));
  await alice.context.setOffline(true);
  await alice.page.reload();
  await check("and the page starts signed out", () => alice.page.getByRole("button", { name: "Try again" }).isVisible());
  await alice.context.setOffline(false);
}
