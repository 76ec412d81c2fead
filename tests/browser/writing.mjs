/** What is typed is what is sent: input methods, pasting, files that survive, formatting, mentions in code. */
import { check, same, view } from "./check.mjs";

const file = (name, text = "hello") => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const picture = { name: "dot.png", mimeType: "image/png", buffer: Buffer.from(PIXEL, "base64") };

/** A paste with text and a picture, as a spreadsheet makes it. */
const pasteCells = (person, text) =>
  person.input.evaluate(
    (field, [cells, pixel]) => {
      const data = new DataTransfer();
      data.setData("text/plain", cells);
      const bytes = Uint8Array.from(atob(pixel), (char) => char.charCodeAt(0));
      data.items.add(new File([bytes], "image.png", { type: "image/png" }));
      const event = new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data });
      // A page cannot paste for the person; the browser would insert the text if nobody prevents it.
      if (field.dispatchEvent(event)) document.execCommand("insertText", false, cells);
    },
    [text, PIXEL],
  );

/** Safari's Enter that ends an input method: `isComposing` is false, and the key code is 229. */
const inputMethodEnter = (person) =>
  person.input.evaluate((field) => {
    const event = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
    Object.defineProperty(event, "keyCode", { value: 229 });
    field.dispatchEvent(event);
  });

export async function writing(alice, bob) {
  const waiting = alice.page.getByRole("list", { name: "Files to send" });

  await alice.input.fill("こんにちは");
  await inputMethodEnter(alice);
  await check("Enter of an input method sends nothing", same(() => alice.input.inputValue(), "こんにちは"));

  await alice.input.fill("");
  await pasteCells(alice, "a\tb");
  await check("a spreadsheet's paste is its text", same(() => alice.input.inputValue(), "a\tb"));
  await check("its picture is not attached", same(() => waiting.getByRole("listitem").count(), 0));
  await alice.page.getByRole("button", { name: "Attach its picture too" }).click();
  await check("unless one wants it", same(() => waiting.getByRole("listitem").count(), 1));
  await check("with a thumbnail", () => waiting.locator("img").evaluate((image) => image.naturalWidth === 1));
  await alice.page.getByRole("button", { name: "Remove image.png" }).click();
  await alice.input.fill("");

  const chooser = alice.page.locator("input[type=file]").first();
  await chooser.setInputFiles([picture, file("notes.txt")]);
  await check("two files are uploaded", same(() => waiting.getByRole("progressbar").count(), 0));
  const room = alice.page.url();
  await alice.startGroup(`Files ${alice.id.split("-").pop()}`, [bob.id]);
  await check("another room has files of its own", same(() => waiting.getByRole("listitem").count(), 0));
  await alice.page.goto(room);
  await check("files survive a switch of the room", () => waiting.getByText("notes.txt").isVisible());
  await alice.page.reload();
  await alice.connected();
  await check("and a reload", () => waiting.getByText("dot.png").isVisible());
  await check("with the thumbnail", () => waiting.locator("img").evaluate((image) => image.naturalWidth === 1));
  await alice.page.locator("input[type=file]").first().setInputFiles(Array.from({ length: 9 }, (_, at) => file(`${at}.txt`)));
  await check("the eleventh file is refused aloud", () => alice.page.getByRole("alert").getByText("1 file was left out").isVisible());
  await view(alice, "eleven-files");
  await alice.write("ten files");
  await check("the others are sent", () => bob.bubble("ten files").getByRole("button", { name: /Download 7.txt/ }).isVisible(), 20_000);
  await check("and no longer wait", same(() => waiting.count(), 0));

  await alice.page.route("**/attachments", (route) => route.fulfill({ status: 415, json: { error: { code: "unsupported_media_type", message: "no", retryable: false } } }));
  await alice.page.locator("input[type=file]").first().setInputFiles([file("bad.txt")]);
  await check("a failed upload says so", () => waiting.getByText("aren't taken").isVisible());
  await alice.write("with a bad file");
  await check("and Enter says why nothing is sent", () => alice.page.getByRole("alert").getByText("A file was not uploaded").isVisible());
  await alice.page.unroute("**/attachments");
  await alice.page.getByRole("button", { name: "Remove bad.txt" }).click();
  await alice.input.press("Enter");
  await check("without it the message goes", () => bob.bubble("with a bad file").isVisible());

  await alice.input.fill("make it bold");
  await alice.input.evaluate((field) => field.setSelectionRange(8, 12));
  await alice.input.press("Control+b");
  await check("Ctrl+B marks the selection", same(() => alice.input.inputValue(), "make it **bold**"));
  await alice.page.getByRole("button", { name: "Formatting" }).click();
  await view(alice, "formatting");
  await alice.page.getByRole("button", { name: "Bold" }).click();
  await check("the bar takes the mark away again", same(() => alice.input.inputValue(), "make it bold"));
  await alice.page.getByRole("button", { name: "Formatting" }).click();

  const code = `run \`@${bob.id}\` see https://a.test/@${bob.id}`;
  await alice.write(code);
  await check("code is shown as code", () => bob.bubble("run").locator("code").isVisible());
  await check("an @ in code or an address is text", same(() => bob.bubble("run").locator("bdi", { hasText: `@${bob.id}` }).count(), 0));
  await alice.input.press("ArrowUp");
  await alice.input.fill("編集中");
  await inputMethodEnter(alice);
  await check("Enter of an input method saves no edit", same(() => alice.input.inputValue(), "編集中"));
  await alice.input.press("Escape");
  await check("so nothing is edited", same(() => alice.page.getByText("編集中").count(), 0));
  await alice.input.press("ArrowUp");
  await alice.input.press("Enter");
  await check("an edit without a change changes nothing", same(() => alice.bubble("run").getByText("Edited").count(), 0));

  await alice.input.fill("");
  await alice.input.pressSequentially("so :rocke");
  await check("two letters after a colon offer emojis", () => alice.page.getByRole("option", { name: "rocket" }).isVisible());
  await inputMethodEnter(alice);
  await check("Enter of an input method takes none", same(() => alice.input.inputValue(), "so :rocke"));
  await alice.input.press("Tab");
  await check("and the chosen one is inserted", same(() => alice.input.inputValue(), "so 🚀 "));
  await alice.input.pressSequentially(":)");
  await check("emoticons stay text", same(() => alice.page.getByRole("listbox", { name: "Emojis" }).count(), 0));
  await alice.input.press("Enter");
  await check("and are sent", () => bob.bubble("so 🚀 :)").isVisible());
  await alice.write("/shrug no idea");
  await check("/shrug", () => bob.bubble("no idea ¯\\_(ツ)_/¯").isVisible());
  await alice.write("/me waves");
  await check("/me", () => bob.bubble("waves").locator("em").isVisible());
  await alice.write("/mute");
  await check("/mute snoozes the room", () => alice.page.getByRole("heading", { level: 1 }).getByText("(muted)").isVisible());
  await alice.write("/etc/passwd is a file");
  await check("another text with a slash is a message", () => bob.bubble("/etc/passwd is a file").isVisible());
}
