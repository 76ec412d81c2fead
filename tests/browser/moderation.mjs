/** Moderation, as the moderator and as the moderated person see it. */
import { check, projected, same, view } from "./check.mjs";
import { asAdmin } from "./stack.mjs";

export const details = (person) => person.page.getByRole("complementary", { name: "Details" });
const dialog = (person, name) => person.page.getByRole("dialog", { name });

/** `name`: what the page calls the member. */
export async function manage(owner, name, item) {
  await details(owner).getByRole("button", { name: `Manage ${name}` }).click();
  await owner.page.getByRole("menuitem", { name: item, exact: true }).click();
}

async function report(person, content, reason) {
  await person.choose(content, "Report");
  await person.page.getByLabel("What is wrong with it?").fill(reason);
  await person.page.getByRole("button", { name: "Report", exact: true }).click();
  await person.page.getByText("Reported to the moderators.").waitFor();
}

/** The tenant's admin decides a report, as soon as it is in the list. */
async function resolve(stack, reason, action) {
  for (const ends = Date.now() + 20_000; Date.now() < ends; ) {
    const { reports } = await (await asAdmin(stack, "GET", "/admin/reports?state=open")).json();
    const found = reports.find((one) => one.reason === reason);
    if (found) return (await asAdmin(stack, "POST", `/admin/reports/${found.id}/resolve`, { action })).status;
    await new Promise((done) => setTimeout(done, 250));
  }
  return "not in the list";
}

async function myReports(person) {
  await person.page.getByRole("button", { name: "Settings" }).click();
  await dialog(person, "Settings").getByRole("button", { name: "My reports" }).click();
  return dialog(person, "My reports");
}

/** REPORT-4: who reported learns the outcome, once; `reason` is that of a report that is open. */
async function outcomes(alice, bob, stack, reason) {
  const { page } = bob;
  const line = (what) => page.getByRole("status").getByText(`Your report “${reason}” was decided: ${what}.`);
  const reload = async () => {
    await page.reload();
    await bob.connected();
  };
  let list = await myReports(bob);
  await check("my reports are listed", () => list.getByText(reason).isVisible());
  await check("with their state", () => list.getByText("not decided yet").isVisible());
  await page.keyboard.press("Escape");
  await list.waitFor({ state: "detached" });
  await check("an admin dismisses the report", same(() => resolve(stack, reason, "dismiss"), 200));
  await reload();
  const dismissed = "nothing was done about the message";
  await check("who reported is told what became of it", () => line(dismissed).isVisible());
  await view(bob, "report-outcome");
  await page.getByRole("button", { name: "Show my reports" }).click();
  list = dialog(bob, "My reports");
  await check("the list has the outcome", () => list.getByText(dismissed).isVisible());
  await view(bob, "my-reports");
  await page.keyboard.press("Escape");
  await check("what was seen in the list is said no longer", same(() => line(dismissed).count(), 0));

  await alice.say("quite unkind");
  await bob.bubble("quite unkind").waitFor();
  await report(bob, "quite unkind", "it hurts");
  await check("an admin deletes the message", same(() => resolve(stack, "it hurts", "delete"), 200));
  await reload();
  const deleted = page.getByRole("status").getByText("Your report “it hurts” was decided: the message was deleted.");
  await check("a deletion is told as well", () => deleted.isVisible());
  const button = page.getByRole("status").getByRole("button", { name: "Dismiss" });
  await button.focus();
  await page.keyboard.press("Enter");
  await check("dismissed, it is gone", same(() => deleted.count(), 0));
  await check("and the focus is still on the page", () => page.evaluate(() => document.activeElement !== document.body));
  const asked = [];
  page.on("request", (request) => request.url().includes("/people/me/reports") && asked.push(request.url()));
  await reload();
  await page.waitForTimeout(1_500);
  await check("after a reload it is not told again", same(() => page.getByText("was decided").count(), 0));
  await check("and without an open report nobody asks", same(() => asked, []));
}

export async function moderation(alice, bob, stack) {
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
  await check("that it has ended is told", () => bob.page.getByText("You can write again.").isVisible());
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
  await outcomes(alice, bob, stack, "too kind");
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
  await details(alice).getByRole("button", { name: "Archive", exact: true }).click();
  await dialog(alice, "Archive this conversation?").getByRole("button", { name: "Archive" }).click();
  await check("an archived room says so", () => alice.page.getByText("It can be read, but not written to.").isVisible());
  await check("and is marked in the list", () => alice.roomLink(title).getByText("archived").isVisible());
}
