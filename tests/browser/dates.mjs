/** Going to a date: from the menu of a room, and from the day above the messages; by pointer, keyboard and on a narrow screen. */
import { check, same, view } from "./check.mjs";
import { sendMany } from "./reading.mjs";

const dialog = (person) => person.page.getByRole("dialog", { name: "Go to a date" });
const flashed = (person, text) => person.log.locator("article.animate-flash").filter({ hasText: text }).isVisible();

export async function dates(alice) {
  const { page } = alice;
  await sendMany(alice, page.url().split("/r/")[1], 1, 120);
  await alice.bubble("item 120").waitFor();
  await page.reload();
  await alice.connected();
  await alice.bubble("item 120").waitFor();
  await page.getByRole("button", { name: "More about this conversation" }).click();
  await view(alice, "room-menu");
  await page.getByRole("menuitem", { name: "Go to a date…" }).click();
  const today = await page.evaluate(() => new Date().toLocaleDateString("sv"));
  await check("the day is today's at first", same(() => dialog(alice).getByLabel("Day").inputValue(), today));
  await view(alice, "go-to-date");
  const asked = [];
  page.on("request", (request) => request.url().includes("/messages?") && asked.push(request.url()));
  await dialog(alice).getByRole("button", { name: "Go" }).click();
  await check("the first message of the day is shown, of a history that was not loaded", () => flashed(alice, "hello"));
  await check("without a walk over the log", () => asked.length <= 3 || asked);
  await check("and the dialog is gone", same(() => dialog(alice).count(), 0));
  await page.waitForTimeout(1_000);
  await check("and stays in sight while what follows is loaded", () => alice.bubble("hello").isVisible());
  await alice.write("written in the past");
  await check("what is written there shows at the end", () => alice.bubble("written in the past").isVisible());

  await alice.log.evaluate((log) => log.scrollTo({ top: 0 }));
  const day = alice.log.getByRole("button", { name: "Today: go to a date" });
  for (let pages = 0; !(await day.isVisible()) && pages < 20; pages += 1) {
    await alice.log.evaluate((log) => log.scrollTo({ top: 0 }));
    await page.waitForTimeout(300);
  }
  await day.focus();
  await page.keyboard.press("Enter");
  await dialog(alice).getByLabel("Day").fill("2001-02-03");
  await page.keyboard.press("Enter");
  await check("a day before the first message leads to that", () => flashed(alice, "hello"));
  await dialog(alice).waitFor({ state: "detached" });

  await page.getByRole("button", { name: "Close details" }).click();
  await page.setViewportSize({ width: 320, height: 640 });
  await page.getByRole("button", { name: "More about this conversation" }).click();
  await page.getByRole("menuitem", { name: "Go to a date…" }).click();
  await view(alice, "go-to-date-320");
  const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
  await check("at 320 px nothing is wider than the screen", scrollWidth <= 320 || `${scrollWidth} px`);
  await page.keyboard.press("Escape");
  await check("Escape closes it", same(() => dialog(alice).count(), 0));
}
