/** The page in other languages: German, and Arabic, which is read from right to left. Not here: which texts exist. */
import { check, same, view } from "./check.mjs";
import { Person } from "./person.mjs";
import { DESKTOP, PHONE } from "./story.mjs";

const LANGUAGES = [
  { locale: "de-DE", userId: "Benutzer-ID", signIn: "Anmelden", chats: "Chats", dir: "ltr", input: "Nachricht" },
  { locale: "ar-EG", userId: "معرّف المستخدم", signIn: "تسجيل الدخول", chats: "الدردشات", dir: "rtl", input: "رسالة" },
];

const fits = (person) =>
  person.page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth <= clientWidth || `${scrollWidth} px in ${clientWidth}`;
  });

/** Signs in with the labels of the language. */
async function arrive(browser, url, id, options, words) {
  const context = await browser.newContext({ ...options, locale: words.locale });
  const person = Object.assign(new Person(), { id, context, colorScheme: "light", isPhone: options.isMobile ?? false });
  person.page = await context.newPage();
  person.page.on("pageerror", (error) => person.complaints.push(error.message));
  await person.page.goto(url);
  await person.page.getByLabel(words.userId, { exact: true }).fill(id);
  await person.page.getByRole("button", { name: words.signIn }).click();
  await person.page.getByRole("heading", { name: words.chats }).waitFor();
  return person;
}

/** `alice` speaks English; the others open their conversation with her. */
export async function languages(browser, url, alice) {
  const people = [];
  for (const words of LANGUAGES) {
    const name = words.locale.slice(0, 2);
    const id = `${name}-${alice.id}`;
    await alice.startDirect(id);
    await alice.say("good morning");
    await alice.say("صباح الخير");
    for (const [size, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
      const person = await arrive(browser, url, id, options, words);
      const root = () => person.page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]);
      await check(`${name}: the page says its language and direction`, same(root, [name, words.dir]));
      const links = person.page.getByRole("navigation").getByRole("link");
      // Rows are hidden until they are measured.
      await links.first().waitFor();
      if (size === "phone") await view(person, `language-${name}-list-phone`);
      await links.filter({ has: person.page.locator("bdi", { hasText: alice.id }) }).click();
      const input = person.page.getByRole("textbox", { name: words.input, exact: true });
      await input.fill(`${name} ${size}`);
      await input.press(size === "phone" ? "Control+Enter" : "Enter");
      await check(`${name}, ${size}: a message reaches alice`, () => alice.log.getByText(`${name} ${size}`).isVisible());
      await check(`${name}, ${size}: nothing is wider than the view`, () => fits(person));
      if (size === "desktop") {
        const list = async () => (await person.page.getByRole("navigation").first().boundingBox()).x > DESKTOP.viewport.width / 2;
        await check(`${name}: the list is on the side where reading begins`, same(list, words.dir === "rtl"));
      }
      await view(person, `language-${name}-${size}`);
      people.push(person);
    }
  }
  return people;
}
