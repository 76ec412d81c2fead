/** Groups and their members, files, unread counts, search. */
import { readFileSync } from "node:fs";
import { artifacts, check, same, view } from "./check.mjs";

async function managing(alice, bob, carol) {
  const details = (person) => person.page.getByRole("complementary", { name: "Details" });
  const manage = async (person, item) => {
    await details(alice).getByRole("button", { name: `Manage ${person.id}` }).click();
    await alice.page.getByRole("menuitem", { name: item, exact: true }).click();
  };
  await manage(bob, "Make moderator");
  await check("bob hears of his new role", () => details(bob).getByText("moderator", { exact: true }).isVisible());
  await details(alice).getByLabel("Topic").fill("Thursday it is, see https://example.com/plan");
  await details(alice).getByRole("button", { name: "Save" }).click();
  await check("the topic stands with the others too", () => bob.page.getByRole("banner").or(bob.page.locator("header")).getByText("Thursday it is").isVisible());
  await check("with its address as a link", same(() => bob.page.locator("header").getByRole("link").getAttribute("href"), "https://example.com/plan"));
  await details(alice).getByLabel("Notify me of").selectOption("none");
  await check("a silenced room says so", () => alice.page.getByRole("heading", { level: 1 }).getByText("(muted)").isVisible());
  await alice.page.reload();
  await alice.connected();
  await check("and it stays silenced", same(() => details(alice).getByLabel("Notify me of").inputValue(), "none"));
  await details(alice).getByLabel("Notify me of").selectOption("all");
  await view(alice, "details");

  await carol.say("can anybody hear me");
  await manage(carol, "Remove");
  await alice.page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await check("whoever is removed is told so", () => carol.page.getByText("You are no longer part of this conversation.").isVisible());
  await check("the others see it", same(() => bob.text("presence"), "2 of 2 online"));
  await alice.pick(details(alice).getByRole("combobox", { name: "Add people" }), carol.id);
  await details(alice).getByRole("button", { name: "Add", exact: true }).click();
  await check("added again she is a member again", () => details(bob).getByText(carol.id).isVisible());
  await carol.page.reload();
  await carol.connected();
  await check("and reads what was said", () => carol.bubble("can anybody hear me").isVisible());
}

export async function group(alice, bob, carol) {
  const title = `Launch <b>plan</b> ${alice.id.split("-").pop()}`;
  await alice.startGroup(title, [bob.id, carol.id]);
  await alice.say("Welcome, both of you");
  for (const person of [bob, carol]) {
    await person.refresh();
    await person.openRoom(title);
    await check("the group is in the list, by its name", () => person.page.getByRole("heading", { name: title }).isVisible());
  }
  await carol.say("Glad to be here");
  await bob.say("Shall we move the launch to Thursday?");
  await alice.react("Shall we move the launch to Thursday?", "👍");
  await carol.react("Shall we move the launch to Thursday?", "👍");
  const all = ["Welcome, both of you", "Glad to be here", "Shall we move the launch to Thursday?"];
  for (const person of [alice, bob, carol]) await check("all three see the same", same(() => person.contents(), all));
  await check("who is here", same(() => alice.text("presence"), "3 of 3 online"));
  const both = bob.bubble("Shall we move").getByRole("button", { name: "👍 2 people" });
  await check("two reactions count as two", () => both.isVisible());
  await managing(alice, bob, carol);
  await phone(carol, bob);
  await carol.page.close();
  await check("carol leaves", same(() => alice.text("presence"), "2 of 3 online"), 20_000);
}

/** The views of a phone, one at a time. */
async function phone(carol, bob) {
  await view(carol, "phone-room");
  const fits = () => carol.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  await check("nothing sticks out at a phone's side", fits);
  await carol.page.getByRole("button", { name: "Details" }).click();
  await view(carol, "phone-details");
  await check("nor of the details", fits);
  await carol.page.getByRole("button", { name: "Close details" }).click();
  await carol.bubble("Glad to be here").tap();
  await carol.bubble("Shall we move").getByRole("button", { name: "More" }).tap();
  await carol.page.getByRole("menuitem", { name: "Who reacted and read" }).tap();
  await check("who reacted can be had by touch", () => carol.page.getByRole("dialog", { name: "Who reacted and read" }).getByText(bob.id.replace("bob", "alice")).isVisible());
  const readers = carol.page.getByRole("dialog").locator("section").filter({ has: carol.page.getByRole("heading", { name: /^Read by/ }) });
  await check("and who read it", () => readers.getByText(bob.id.replace("bob", "alice")).isVisible());
  await view(carol, "phone-who");
  await carol.page.getByRole("dialog").getByRole("button", { name: "Close" }).tap();
  await carol.page.getByRole("button", { name: "All conversations" }).click();
  await check("the list is a view of its own", () => carol.page.getByRole("heading", { name: "Chats" }).isVisible());
  await view(carol, "phone-list");
}

/** A second of silence, 8 bits at 8 kHz. */
function wav() {
  const samples = Buffer.alloc(8_000, 128);
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8_000, 24);
  header.writeUInt32LE(8_000, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

/** Half a second of a film that the browser itself records. */
async function film(page) {
  const bytes = await page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    const paint = setInterval(() => canvas.getContext("2d").fillRect(0, 0, Math.random() * 100, 50), 30);
    const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: "video/webm;codecs=vp8" });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await new Promise((resolve) => {
      recorder.onstop = resolve;
      recorder.stop();
    });
    clearInterval(paint);
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
  });
  return Buffer.from(bytes);
}

/** Sound and films play in place: the browser has read how long they are. */
export async function media(alice, bob) {
  const sound = { name: "tone.wav", mimeType: "audio/wav", buffer: wav() };
  const clip = { name: "clip.webm", mimeType: "video/webm", buffer: await film(alice.page) };
  await alice.page.locator("input[type=file]").first().setInputFiles([sound, clip]);
  const waiting = alice.page.getByRole("list", { name: "Files to send" });
  await check("sound and film are up", async () => (await waiting.getByRole("listitem").count()) === 2 && (await waiting.getByRole("progressbar").count()) === 0);
  const asked = [];
  bob.page.on("response", (response) => response.request().resourceType() === "media" && asked.push(response));
  await alice.write("to play");
  const playable = (tag) => bob.bubble("to play").locator(tag).evaluate((one) => one.readyState >= 1 && one.error === null);
  await check("sound plays in place", () => playable("audio"), 20_000);
  await check("a film plays in place", () => playable("video"), 20_000);
  const preloads = () => bob.bubble("to play").locator("audio, video").evaluateAll((all) => all.map((one) => one.preload));
  await check("before that only how long they are is loaded", same(preloads, ["metadata", "metadata"]));
  const parts = async () => {
    const headers = await Promise.all(asked.map((response) => response.request().allHeaders()));
    return asked.map((response, at) => [/^bytes=\d+-/.test(headers[at].range ?? ""), response.status()]);
  };
  await check("both are asked for by range, and answered so", async () => {
    const all = await parts();
    return (all.length >= 2 && all.every(([isRange, status]) => isRange && status === 206)) || JSON.stringify(all);
  });
  await view(bob, "media");
}

export async function files(alice, bob) {
  const evil = '"><img src=x onerror=window.pwned=1>.html';
  const picture = { name: "view.png", mimeType: "image/png", buffer: readFileSync(`${artifacts}/room-light.png`) };
  const page = { name: evil, mimeType: "text/html", buffer: Buffer.from("<script>window.pwned=1</script>") };
  const waiting = alice.page.getByRole("list", { name: "Files to send" });
  await alice.page.locator("input[type=file]").first().setInputFiles([picture, page]);
  await check("both files wait to be sent", same(() => waiting.getByRole("listitem").count(), 2));
  await check("and are up", same(() => waiting.getByRole("progressbar").count(), 0));
  // The address of the picture is held back, so that its place can be measured before it is there.
  let release;
  const isReleased = new Promise((done) => { release = done; });
  await bob.page.route("**/attachments/*/url", async (route) => {
    await isReleased;
    await route.continue();
  });
  await alice.write("two files");
  const place = bob.bubble("two files").getByRole("button", { name: "Show view.png" });
  const before = await place.evaluate((one) => [one.offsetWidth, one.offsetHeight]);
  release();
  const image = bob.bubble("two files").getByRole("img", { name: "view.png" });
  await check("bob sees the picture", () => image.evaluate((one) => one.complete && one.naturalWidth === 1360), 20_000);
  await check("in the place that was kept for it", same(() => place.evaluate((one) => [one.offsetWidth, one.offsetHeight]), before));
  await bob.page.unroute("**/attachments/*/url");
  await view(bob, "files");
  await image.click();
  await check("and large", () => bob.page.getByRole("dialog", { name: "view.png" }).isVisible());
  await view(bob, "picture");
  await bob.page.keyboard.press("Escape");
  const card = bob.bubble("two files").getByRole("button", { name: /^Download/ });
  await check("a page is a file, by its name", async () => (await card.innerText()).includes(".html"));
  const [download] = await Promise.all([bob.page.waitForEvent("download"), card.click()]);
  await check("that can be saved", async () => readFileSync(await download.path(), "utf8") === "<script>window.pwned=1</script>");
  const carry = (how) =>
    alice.input.evaluate((field, name) => {
      const data = new DataTransfer();
      data.items.add(new File(["hello"], `${name}.txt`, { type: "text/plain" }));
      const init = { bubbles: true, cancelable: true };
      const event = name === "paste" ? new ClipboardEvent("paste", { ...init, clipboardData: data }) : new DragEvent("drop", { ...init, dataTransfer: data });
      field.dispatchEvent(event);
    }, how);
  await carry("paste");
  await check("what is pasted is taken up", () => waiting.getByText("paste.txt").isVisible());
  await carry("drop");
  await check("and what is dropped", () => waiting.getByText("drop.txt").isVisible());
  await alice.page.getByRole("button", { name: "Remove paste.txt" }).click();
  await check("up too", same(() => waiting.getByRole("progressbar").count(), 0));
  await alice.input.press("Enter");
  await check("files go without a word", () => bob.log.getByRole("button", { name: "Download drop.txt" }).isVisible());
  await check("the removed one doesn't", same(() => bob.log.getByRole("button", { name: "Download paste.txt" }).count(), 0));
  await alice.remove("two files");
  await check("deleted, the files are gone too", same(() => image.count(), 0));
  await check("nothing of a name or file ran", same(() => bob.page.evaluate(() => String(window.pwned)), "undefined"));
}

export async function unread(alice, bob) {
  await bob.openRoom(alice.id);
  await alice.openRoom(`Launch`);
  await alice.connected();
  const badge = alice.roomLink(bob.id);
  await bob.write(`psst @${alice.id}`);
  await check("a message elsewhere is counted at once, without asking", () => badge.getByText("1 unread").isVisible());
  await check("and so is the mention", () => badge.getByText("1 mention").isVisible());
  await check("and the room comes first", async () => (await alice.page.getByRole("link").first().innerText()).includes(bob.id));
  await check("the tab says it", async () => (await alice.page.title()).startsWith("(1)"));
  await view(alice, "unread");
  await alice.openRoom(bob.id);
  await check("what is new stands under a line", () => alice.log.getByText("New messages").isVisible());
  await check("seen, it counts no more", async () => !(await badge.getByText("unread").isVisible()));
  await bob.say("one more");
  await alice.choose("psst", "Mark unread from here");
  await check("marked unread it counts again", () => badge.getByText("2 unread").isVisible());
  await alice.openRoom("Launch");
  await alice.page.reload();
  await alice.connected();
  await check("a reload doesn't forget it", () => badge.getByText("2 unread").isVisible());
}

export async function searching(alice, bob) {
  await alice.openRoom(bob.id);
  await alice.page.getByRole("button", { name: "Search" }).click();
  const panel = alice.page.getByRole("complementary", { name: "Search" });
  await panel.getByRole("searchbox").fill("early");
  await check("a word finds its message", () => panel.getByRole("link", { name: "Nine is early" }).isVisible());
  await panel.getByRole("searchbox").fill("Mnday");
  await check("what was edited away isn't found", () => panel.getByText("Nothing was found.").isVisible());
  await panel.getByRole("searchbox").fill("Thursday");
  await check("what is said elsewhere isn't either", () => panel.getByText("Nothing was found.").isVisible());
  await panel.getByLabel("In all my conversations").check();
  await check("unless one looks everywhere", () => panel.getByRole("link", { name: "move the launch" }).isVisible());
  await panel.getByLabel("In all my conversations").uncheck();
  await panel.getByRole("searchbox").fill("Monday");
  await panel.getByRole("link", { name: "The launch is on Monday" }).waitFor();
  await view(alice, "search");
  await panel.getByRole("link", { name: "The launch is on Monday" }).click();
  const hit = alice.log.locator("article.animate-flash").filter({ hasText: "The launch is on Monday" });
  await check("a hit leads to its message, however far back", () => hit.isVisible());
  await alice.page.getByRole("button", { name: "Newest" }).click();
  await check("and back", () => alice.bubble("one more").isVisible());
  await alice.page.getByRole("button", { name: "Close search" }).click();
}
