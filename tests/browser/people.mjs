/** Names instead of ids: found, shown, mentioned, and gone to by them; and what a profile says. */
import { check, projected, same, view } from "./check.mjs";
import { asAdmin } from "./stack.mjs";

/** Gives somebody a name by the claims of their token, as an identity provider does. */
export async function introduce(url, id, name) {
  const post = await fetch(`${url}/api/chat/dev/token`, { method: "POST", body: JSON.stringify({ sub: id, name }) });
  const { token } = await post.json();
  await fetch(`${url}/api/chat/people/me`, { headers: { Authorization: `Bearer ${token}` } });
}

const option = (person, text) => person.page.getByRole("option").filter({ hasText: text }).first();

async function finding(alice, names) {
  await alice.page.getByRole("button", { name: "New conversation" }).first().click();
  const field = alice.page.getByRole("combobox", { name: "Person" });
  await field.fill(names.bob.slice(0, 6).toLowerCase());
  await check("a person is found by the beginning of their name", () => option(alice, names.bob).isVisible());
  await view(alice, "people-picker");
  await field.fill(`nobody-${names.nonce}`);
  await check("somebody unknown can be chosen by id, and it says so", () => option(alice, `Somebody with the id “nobody-${names.nonce}”`).isVisible());
  await field.fill(names.bob);
  await option(alice, names.bob).waitFor();
  await field.press("Enter");
  await alice.page.getByRole("button", { name: "Start" }).click();
  await check("the room says whom it is with, by name", () => alice.page.getByRole("heading", { name: names.bob }).isVisible());
  await check("so does the list", () => alice.roomLink(names.bob).isVisible());
}

async function showing(alice, bob, names) {
  await alice.connected();
  await alice.say("Good morning");
  await bob.refresh();
  await check("bob's list names who wrote", () => bob.roomLink(names.alice).getByText("Good morning").isVisible());
  await bob.openRoom(names.alice);
  await check("and so does the message", () => bob.log.getByRole("button", { name: `Profile of ${names.alice}` }).first().isVisible());
  await alice.input.pressSequentially("One mom", { delay: 20 });
  await check("and who is typing", () => bob.page.getByText(`${names.alice} is typing…`).isVisible());
  await alice.input.fill("");
  await bob.react("Good morning", "🎉");
  const chip = alice.bubble("Good morning").getByRole("button", { name: "🎉 1 person" });
  await alice.choose("Good morning", "Who reacted and read");
  await check("without a pointer too", same(() => alice.page.getByRole("dialog").getByText(names.bob).count(), 2));
  await view(alice, "who-reacted");
  await alice.page.keyboard.press("Escape");
  await check("and who reacted", same(() => chip.getAttribute("title"), names.bob));
}

async function profile(alice, bob, names) {
  await alice.page.getByRole("button", { name: "Settings" }).click();
  const dialog = alice.page.getByRole("dialog");
  await dialog.getByLabel("Emoji").fill("🍲");
  await dialog.getByLabel("What others see").fill("At lunch");
  await dialog.getByRole("button", { name: "Save" }).click();
  await check("the status is saved", () => dialog.getByText("Status saved.").isVisible());
  await view(alice, "own-status");
  await dialog.getByRole("button", { name: "Close" }).click();
  // Profiles that were shown are fresh for ten minutes; a reload asks anew.
  await bob.page.reload();
  await bob.connected();
  await bob.log.getByRole("button", { name: `Profile of ${names.alice}` }).first().click();
  const card = bob.page.getByRole("dialog", { name: `Profile of ${names.alice}` });
  await check("the card says who", () => card.getByText(names.alice).isVisible());
  await check("and the status", () => card.getByText("At lunch").isVisible());
  await check("and what time it is there", () => card.getByText(/for them$/).isVisible());
  await view(bob, "profile-card");
  await bob.page.keyboard.press("Escape");
  await check("Escape closes it", same(() => card.count(), 0));
}

/** PEOPLE-8, from the profile card: what the one who blocks sees, and the one who is blocked. */
async function blocking(alice, bob, names) {
  await bob.log.getByRole("button", { name: `Profile of ${names.alice}` }).first().click();
  const card = bob.page.getByRole("dialog", { name: `Profile of ${names.alice}` });
  await card.getByRole("button", { name: "Block", exact: true }).click();
  await check("the card says that she is blocked", () => card.getByText("You have blocked them").isVisible());
  await view(bob, "profile-blocked");
  await alice.input.fill("Are you there?");
  await alice.page.keyboard.press("Enter");
  await check("who is blocked reads why nothing is sent", () => alice.page.getByText("They can't be written to.").first().isVisible());
  await view(alice, "blocked");
  await check("and the other one gets nothing", same(() => bob.bubble("Are you there?").count(), 0));
  await card.getByRole("button", { name: "Unblock" }).click();
  await check("Unblock offers Block again", () => card.getByRole("button", { name: "Block", exact: true }).isVisible());
  await bob.page.keyboard.press("Escape");
  await alice.page.getByRole("button", { name: "Discard" }).first().click();
}

async function mentioning(alice, bob, names) {
  await alice.input.pressSequentially(`Look, @${names.bob.slice(0, 4)}`, { delay: 20 });
  await check("people are offered by name", () => option(alice, names.bob).isVisible());
  await alice.page.keyboard.press("Enter");
  await check("and inserted by name", same(() => alice.input.inputValue(), `Look, @${names.bob} `));
  await alice.page.keyboard.press("Enter");
  const mention = (person) => person.bubble("Look,").locator("bdi", { hasText: names.bob });
  await check("the mention shows the name (alice)", () => mention(alice).last().isVisible());
  await check("the mention shows the name (bob)", () => mention(bob).last().isVisible());
  await alice.choose("Look,", "Edit");
  await check("to edit it is to see the name", same(() => alice.input.inputValue(), `Look, @${names.bob}`));
  await alice.page.keyboard.press("Escape");
  await projected(bob);
  await bob.page.getByRole("button", { name: "Mentions" }).click();
  await check("the mentions name who wrote", () => bob.page.getByRole("dialog").getByText(names.alice).first().isVisible());
  await bob.page.keyboard.press("Escape");
}

async function switching(alice, bob, carol, names) {
  await alice.page.keyboard.press("Control+k");
  const field = alice.page.getByRole("combobox", { name: "Conversation or person" });
  await field.fill(names.carol.slice(0, 5));
  await check("the switcher finds somebody one never wrote to", () => option(alice, names.carol).isVisible());
  await view(alice, "switcher");
  await field.press("Enter");
  await check("and goes there", () => alice.page.getByRole("heading", { name: names.carol }).isVisible());
  await alice.page.keyboard.press("Control+k");
  await field.fill(names.bob.slice(0, 5));
  await check("and finds a conversation", () => option(alice, names.bob).isVisible());
  await field.press("Enter");
  await check("and goes back", () => alice.page.getByRole("heading", { name: names.bob }).isVisible());
}

async function group(alice, names) {
  const title = `Lunch ${names.nonce}`;
  await alice.startGroup(title, [names.bob, names.carol]);
  await check("a group of people by name", same(() => alice.text("presence"), "1 of 3 online"));
  await check("the list shows who is online, whichever room is open", () => alice.roomLink(names.bob).locator(".bg-online").isVisible());
  const list = alice.page.getByRole("navigation", { name: "Conversations" });
  await check("the list has sections", same(() => list.getByRole("heading", { level: 2 }).allInnerTexts(), ["Direct messages", "Groups"]));
  const details = alice.page.getByRole("complementary", { name: "Details" });
  await check("the members are named", () => details.getByRole("button", { name: `Profile of ${names.carol}` }).isVisible());
  await view(alice, "people-group");
  // Bob has the page open in another room.
  const absent = details.getByRole("region", { name: "Not here" });
  await absent.getByRole("button", { name: `Profile of ${names.bob}` }).click();
  const card = alice.page.getByRole("dialog", { name: `Profile of ${names.bob}` });
  await check("who has the page open in another room is online", () => card.getByText("Online", { exact: true }).isVisible());
  await check("and not away", same(() => card.getByText(/^(Away|Offline|Not here yet)$/).count(), 0));
  await alice.page.keyboard.press("Escape");
}

/** Somebody whom only an admin has made. */
async function absent(alice, stack, nonce) {
  const name = `Dora Absent ${nonce}`;
  await asAdmin(stack, "PUT", `/people/dora-${nonce}`, { name });
  await alice.startDirect(name);
  await check("who never came is not here yet", same(() => alice.text("presence"), "Not here yet"));
}

export async function people({ arrive, stack }) {
  const [alice, bob] = [await arrive("alice", { viewport: { width: 1360, height: 860 } }), await arrive("bob", { viewport: { width: 1360, height: 860 } })];
  const nonce = alice.id.split("-").pop();
  const carol = { id: `carol-${nonce}` };
  const names = { nonce, alice: `Ada Lovelace ${nonce}`, bob: `Bruno Müller ${nonce}`, carol: `Chen 周 ${nonce}` };
  for (const [who, { id }] of Object.entries({ alice, bob, carol })) await introduce(stack.url, id, names[who]);
  for (const person of [alice, bob]) await person.signIn();
  await finding(alice, names);
  await showing(alice, bob, names);
  await profile(alice, bob, names);
  await blocking(alice, bob, names);
  await mentioning(alice, bob, names);
  await switching(alice, bob, carol, names);
  await group(alice, names);
  await absent(alice, stack, nonce);
  return [alice, bob];
}
