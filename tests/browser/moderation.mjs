/** Moderation, as the moderator and as the moderated person see it. */
import { check, projected, same, view } from "./check.mjs";

export const details = (person) => person.page.getByRole("complementary", { name: "Details" });
const dialog = (person, name) => person.page.getByRole("dialog", { name });

/** `name`: what the page calls the member. */
export async function manage(owner, name, item) {
  await details(owner).getByRole("button", { name: `Manage ${name}` }).click();
  await owner.page.getByRole("menuitem", { name: item, exact: true }).click();
}

export async function moderation(alice, bob) {
  const title = `Moderated ${alice.id.split("-").pop()}`;
  await alice.startGroup(title, [bob.id]);
  await alice.say("be kind");
  await bob.refresh();
  await bob.openRoom(title);

  await details(alice).getByLabel("Slow mode").selectOption("5");
  await check("everybody is told of slow mode", () => bob.page.getByText("Slow mode: one message in 5 s.").isVisible());
  await alice.page.reload();
  await alice.connected();
  await check("and its value stays where it is set", same(() => details(alice).getByLabel("Slow mode").inputValue(), "5"));
  await bob.say("slowly now");
  await bob.input.fill("again");
  await check("who has written sees when they can again", () => bob.page.getByText(/you can write again in [1-5] s/).isVisible());
  await check("and can't before", () => bob.page.getByRole("button", { name: "Send" }).isDisabled());
  await view(bob, "slow-mode");
  await check("then they can", () => bob.page.getByRole("button", { name: "Send" }).isEnabled(), 8_000);
  await bob.input.press("Enter");
  await check("and are heard", () => alice.bubble("again").isVisible());
  await details(alice).getByLabel("Slow mode").selectOption("0");
  await check("slow mode ends", async () => (await bob.page.getByText("Slow mode: one message").count()) === 0);

  await manage(alice, bob.id, "Mute for an hour");
  await check("who is muted is marked so", () => details(alice).getByText("Muted", { exact: true }).isVisible());
  await bob.write("nobody hears this");
  await check("who is muted is told so", () => bob.page.getByText(/Not sent: You are muted here/).isVisible());
  await check("and for how long", () => bob.page.getByText(/^You are muted here for another (60 min|1 h)\.$/).isVisible());
  await check("and isn't heard", same(() => alice.page.getByText("nobody hears this").count(), 0));
  await view(bob, "muted");
  await manage(alice, bob.id, "Unmute");
  await check("and then isn't", same(() => details(alice).getByText("Muted", { exact: true }).count(), 0));
  await bob.page.getByRole("button", { name: "Try again" }).click();
  await check("unmuted they are heard", () => alice.bubble("nobody hears this").isVisible());
  await check("and nothing says muted any more", same(() => bob.page.getByText("You are muted").count(), 0));

  await bob.say("first words");
  await bob.edit("first words", "second words");
  await alice.bubble("second words").getByText("Edited").waitFor();
  for (const person of [bob, alice]) {
    await person.choose("second words", "Earlier versions");
    await check("what it said before is there", () => dialog(person, "Versions").getByText("first words").isVisible());
    if (person === alice) await view(alice, "versions");
    await person.page.keyboard.press("Escape");
  }

  await bob.choose("be kind", "Report");
  await bob.page.getByLabel("What is wrong with it?").fill("too kind");
  await view(bob, "report");
  await bob.page.getByRole("button", { name: "Report", exact: true }).click();
  await check("a report is acknowledged", () => bob.page.getByText("Reported to the moderators.").isVisible());

  await projected(alice);
  await details(alice).getByRole("button", { name: "Audit log" }).click();
  const log = dialog(alice, "Audit log");
  await check("the log says who muted whom", () => log.getByText(`${alice.id} muted ${bob.id}`).isVisible());
  await check("and that something was reported", () => log.getByText("too kind").isVisible());
  await check("and the rest", () => log.getByText(`${alice.id} set slow mode`).first().isVisible());
  await view(alice, "audit");
  await alice.page.keyboard.press("Escape");
  await check("members have no log", same(() => details(bob).getByRole("button", { name: "Audit log" }).count(), 0));

  await alice.say(`one thing @${bob.id}`);
  await projected(bob);
  await bob.page.getByRole("button", { name: "Mentions" }).click();
  const mention = dialog(bob, "Mentions").getByRole("link", { name: "one thing" });
  await check("mentions are listed", () => mention.isVisible());
  await view(bob, "mentions");
  await mention.click();
  await check("and lead there", () => bob.log.locator("article.animate-flash").filter({ hasText: "one thing" }).isVisible());

  await manage(alice, bob.id, "Ban");
  await dialog(alice, `Ban ${bob.id}?`).getByRole("button", { name: "Ban" }).click();
  await check("who is banned is told", () => bob.page.getByText("You are no longer part of this conversation.").isVisible());
  await check("and can't write", () => bob.input.isDisabled());
  await view(bob, "banned");
  await alice.pick(details(alice).getByRole("combobox", { name: "Add people" }), bob.id);
  await details(alice).getByRole("button", { name: "Add", exact: true }).click();
  await check("nor be added", () => details(alice).getByText(/banned/).isVisible());
  await projected(alice);
  await details(alice).getByRole("button", { name: "Audit log" }).click();
  await alice.page.getByRole("dialog").getByRole("button", { name: "Lift the ban" }).first().click();
  await check("a ban can be seen and lifted", () => alice.page.getByRole("dialog").getByText("The ban is lifted.").isVisible());
  await alice.page.keyboard.press("Escape");
  await details(alice).getByRole("button", { name: "Add", exact: true }).click();
  await check("then they can be added again", () => details(alice).getByRole("button", { name: `Manage ${bob.id}` }).isVisible());
}
