/** The page on plain http in a local network, where browsers have no `crypto.randomUUID`, clipboard or Web Locks. */
import { check, same } from "./check.mjs";

/** A name that the browser resolves to this machine, but that is no secure context as `localhost` is. */
export const PLAIN_HOST = "chat.test";

export async function plainHttp(arrive, stackUrl) {
  const url = stackUrl.replace("127.0.0.1", PLAIN_HOST);
  const [alice, bob] = [await arrive("alice", {}, url), await arrive("bob", {}, url)];
  await check("this is no secure context", same(() => alice.page.evaluate(() => isSecureContext), false));
  for (const person of [alice, bob]) await person.signIn();
  await alice.startDirect(bob.id);
  await alice.say("hello over plain http");
  await bob.refresh();
  await bob.openRoom(alice.id);
  await check("messages arrive", () => bob.bubble("hello over plain http").isVisible());
  await bob.react("hello over plain http", "👍");
  await check("and reactions", () => alice.bubble("hello over").getByRole("button", { name: "👍 1 person" }).isVisible());
  await alice.choose("hello over plain http", "Copy text");
  await check("copying works without a clipboard API", () => alice.page.getByText("Text copied.").isVisible());
  await alice.page.locator("input[type=file]").first().setInputFiles([{ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") }]);
  await check("a file is uploaded", () => alice.page.getByRole("list", { name: "Files to send" }).getByText("1 B").isVisible());
  await alice.write("with a file");
  await check("and sent", () => bob.bubble("with a file").getByRole("button", { name: /a.txt/ }).isVisible());
  return [alice, bob];
}
