/** Hostile names of people, rooms and reactions. Hostile contents of messages are in run.mjs. */
import { check, projected, same, view } from "./check.mjs";
import { Person } from "./person.mjs";

const EVIL = '<img src=x onerror="window.pwned=1">';

export async function hostileNames(browser, url, alice) {
  const nonce = alice.id.split("-").pop();
  const mallory = await Person.arrive(browser, url, `${EVIL}${nonce}`, { viewport: { width: 1000, height: 800 } });
  await mallory.signIn();
  const title = `<svg onload=window.pwned=1>${nonce}`;
  await mallory.startGroup(title, [alice.id]);
  await mallory.say(`@${alice.id} hello from ${EVIL}`);
  await alice.refresh();
  await alice.openRoom(title);
  await check("the list and the header have the name as text", () => alice.page.getByRole("heading", { level: 1, name: title }).isVisible());
  await mallory.input.pressSequentially("typing", { delay: 20 });
  await check("who types has their name as text", () => alice.page.getByText(`${mallory.id} is typing…`).isVisible());
  await check("who is there, too", () => alice.page.getByTestId("online").getByText(mallory.id).isVisible());
  const [roomId, message] = [alice.page.url().split("/r/")[1], await alice.bubble("hello from").getAttribute("data-message")];
  const reacted = await mallory.page.evaluate(async ([room, message, emoji]) => {
    const { token } = JSON.parse(sessionStorage.getItem("chinwag.session"));
    const path = `/api/chat/rooms/${room}/messages/${message}/reactions/${encodeURIComponent(emoji)}`;
    return (await fetch(path, { method: "PUT", headers: { Authorization: `Bearer ${token}` } })).status;
  }, [roomId, message, EVIL.slice(0, 30)]);
  await check(`what is no emoji is refused or text (${reacted})`, reacted === 400 || reacted === 422 || (await alice.bubble("hello from").innerText()).includes("<img"));
  await mallory.react("hello from", "👍");
  const chip = alice.bubble("hello from").getByRole("button", { name: "👍 1 person" });
  await check("who reacted is named as text", same(() => chip.getAttribute("title"), mallory.id));
  await alice.choose("hello from", "Reply");
  await alice.say("who are you?");
  await alice.edit("who are you?", `and ${EVIL}`);
  await alice.choose("and <img", "Earlier versions");
  await check("earlier versions are text", () => alice.page.getByRole("dialog").getByText(EVIL).isVisible());
  await alice.page.keyboard.press("Escape");
  await projected(alice);
  await alice.page.getByRole("button", { name: "Mentions" }).click();
  await check("the list of mentions is text", () => alice.page.getByRole("dialog").getByText(mallory.id).first().isVisible());
  await alice.page.keyboard.press("Escape");
  await alice.page.getByRole("button", { name: "Search" }).click();
  await alice.page.getByRole("searchbox").fill("hello");
  await check("what is found is text", () => alice.page.getByRole("complementary", { name: "Search" }).getByText(mallory.id).isVisible());
  await view(alice, "hostile");
  for (const person of [alice, mallory]) {
    await check("nothing of the names ran", same(() => person.page.evaluate(() => String(window.pwned)), "undefined"));
    await check("nor became an element", same(() => person.page.locator("main svg[onload], img[onerror], img[src=x], [onerror]").count(), 0));
  }
  return mallory;
}
