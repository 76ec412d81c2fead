/** The page for everybody: by keyboard alone, with large text, in a narrow window, and with a person's own settings. */
import { check, same, view } from "./check.mjs";

const fits = (person) =>
  person.page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth <= clientWidth || `${scrollWidth} px in ${clientWidth}`;
  });

const lightness = (person) =>
  person.page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data[0];
  });

/** The bubble's own height, without the name and the status. */
const height = (person) => person.log.getByText("hello").evaluate((text) => text.closest("[dir=auto]").offsetHeight);

async function choose(person, label) {
  await person.page.getByRole("button", { name: "Settings" }).click();
  await person.page.getByRole("dialog").getByLabel(label, { exact: true }).check();
  await person.page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  // Closing gives the focus back to the button that opened it.
  await person.page.getByRole("dialog").waitFor({ state: "detached" });
  await check(`${label}: the focus returns`, same(() => focused(person), "BUTTON"));
}

async function settings(alice) {
  const [light, cosy] = [await lightness(alice), await height(alice)];
  await choose(alice, "Dark");
  await check("the dark theme is dark", async () => light > 200 && (await lightness(alice)) < 60);
  await choose(alice, "Compact");
  await check("compact rows are lower", async () => (await height(alice)) < cosy);
  await alice.page.reload();
  await alice.connected();
  await check("a reload keeps the settings", async () => (await lightness(alice)) < 60 && (await height(alice)) < cosy);
  await view(alice, "settings-dark-compact");
  await choose(alice, "High");
  await check("high contrast on dark is black", async () => (await lightness(alice)) === 0);
  await view(alice, "settings-contrast");
  await choose(alice, "Light");
  await check("high contrast on light is white", async () => (await lightness(alice)) === 255);
  await view(alice, "settings-contrast-light");
  await choose(alice, "Cosy");
}

const focused = (person) => person.page.evaluate(() => document.activeElement.getAttribute("role") ?? document.activeElement.tagName);

async function keyboard(alice) {
  await alice.connected();
  await alice.log.waitFor();
  // From the very beginning of the page, wherever the focus was before.
  await alice.page.evaluate(() => {
    const start = Object.assign(document.createElement("span"), { tabIndex: -1 });
    document.body.prepend(start);
    start.focus();
  });
  await alice.page.keyboard.press("Tab");
  const skip = alice.page.getByRole("button", { name: "Skip to the messages" });
  const isShown = () => skip.evaluate((button) => button === document.activeElement && button.offsetHeight > 20);
  await check("the first Tab shows a way past the list", isShown);
  await alice.page.keyboard.press("Enter");
  await check("it leads to the messages", same(() => focused(alice), "log"));
  await alice.input.focus();
  await alice.page.keyboard.press("Control+Shift+F");
  const search = alice.page.getByRole("complementary", { name: "Search" });
  await check("search opens", () => search.isVisible());
  await check("and has the focus", () => search.evaluate((panel) => panel.contains(document.activeElement)));
  await alice.page.keyboard.press("Escape");
  await check("after Escape the focus is where it was", same(() => focused(alice), "TEXTAREA"));
}

/** The event `close` of a dialog comes late: the next one may be open by then. */
async function dialogs(alice) {
  const stays = await alice.page.evaluate(async () => {
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    const open = () => document.querySelector("dialog[open]");
    const openSwitcher = () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true, bubbles: true }));
    openSwitcher();
    while (!open()) await pause(5);
    const first = open();
    first.dispatchEvent(new Event("cancel"));
    while (first.isConnected) await Promise.resolve();
    openSwitcher();
    await pause(200);
    return open() !== null;
  });
  await check("a dialog that is opened right after another one closed stays open", stays);
  await alice.page.keyboard.press("Escape");
}

async function sizes(alice) {
  await alice.page.setViewportSize({ width: 320, height: 640 });
  await check("320 px wide: nothing is wider than the view", () => fits(alice));
  await check("320 px wide: one can write", () => alice.input.isVisible());
  await view(alice, "narrow");
  await alice.page.setViewportSize({ width: 1360, height: 860 });
  await alice.page.evaluate(() => { document.documentElement.style.fontSize = "200%"; });
  const isDoubled = async () => (await alice.log.getByText("hello").evaluate((text) => Number.parseFloat(getComputedStyle(text).fontSize))) >= 28;
  await check("the text follows the browser's size", isDoubled);
  await check("doubled text: nothing is wider than the view", () => fits(alice));
  await check("doubled text: one can write", () => alice.input.isVisible());
  await view(alice, "doubled-text");
  await alice.page.evaluate(() => { document.documentElement.style.fontSize = ""; });
}

export async function access(alice) {
  await settings(alice);
  await keyboard(alice);
  await dialogs(alice);
  await sizes(alice);
}
