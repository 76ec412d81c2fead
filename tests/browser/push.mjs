/**
 * Being notified while the page is closed: the whole way from a message to a notification. The push service is played here,
 * because browsers' own are not reachable: it decrypts what the Worker sends and hands it to the browser's service worker.
 */
import { createDecipheriv, createECDH, createHmac } from "node:crypto";
import { createServer } from "node:http";
import { check, same, view } from "./check.mjs";

const hmac = (key, ...data) => createHmac("sha256", key).update(Buffer.concat(data)).digest();

/** RFC 8291, the receiving end. */
class Device {
  ecdh = createECDH("prime256v1");
  secret = Buffer.alloc(16, 7);
  constructor() {
    this.ecdh.generateKeys();
  }
  get keys() {
    return { p256dh: this.ecdh.getPublicKey().toString("base64url"), auth: this.secret.toString("base64url") };
  }
  open(body) {
    const [salt, length] = [body.subarray(0, 16), body[20]];
    const [sender, sealed] = [body.subarray(21, 21 + length), body.subarray(21 + length)];
    const info = [Buffer.from("WebPush: info\0"), this.ecdh.getPublicKey(), sender, Buffer.from([1])];
    const pseudorandom = hmac(salt, hmac(hmac(this.secret, this.ecdh.computeSecret(sender)), ...info));
    const derive = (label) => hmac(pseudorandom, Buffer.from(`Content-Encoding: ${label}\0\x01`));
    const cipher = createDecipheriv("aes-128-gcm", derive("aes128gcm").subarray(0, 16), derive("nonce").subarray(0, 12));
    cipher.setAuthTag(sealed.subarray(-16));
    const plain = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
    return plain.subarray(0, plain.lastIndexOf(2)).toString();
  }
}

/** A push service with one device. `deliver` gets each plaintext. */
async function startService(deliver) {
  const device = new Device();
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    deliver(device.open(Buffer.concat(parts)));
    response.writeHead(201).end();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { endpoint: `http://127.0.0.1:${server.address().port}/alice`, keys: device.keys, stop: () => server.close() };
}

/** Subscribing asks the browser's own push service, which is not reachable: it gives this one instead. */
const subscribeHere = ({ endpoint, keys }) => {
  const key = "test.subscribed";
  const subscription = {
    toJSON: () => ({ endpoint, keys }),
    unsubscribe: async () => localStorage.removeItem(key) ?? true,
  };
  PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
    if (!userVisibleOnly || applicationServerKey.length !== 87) throw new Error("not as browsers want it");
    localStorage.setItem(key, "1");
    return subscription;
  };
  PushManager.prototype.getSubscription = async () => (localStorage.getItem(key) ? subscription : null);
};

/** Turns pushes on for a browser, whose own push service is played here. `shown`: what its service worker shows. */
export async function bePushed(person, url) {
  const { context } = person;
  let deliver = () => {};
  const service = await startService((text) => deliver(text));
  await context.grantPermissions(["notifications"], { origin: new URL(url).origin });
  await context.addInitScript(subscribeHere, { endpoint: service.endpoint, keys: service.keys });
  await person.page.reload();
  await person.page.getByRole("button", { name: "Settings" }).click();
  const toggle = person.page.getByLabel("Tell me on this device when the page is closed");
  await check("pushes are off until they are turned on", async () => (await toggle.isChecked()) === false);
  await toggle.click();
  await check("and on afterwards", () => toggle.isChecked());

  if (context.serviceWorkers().length === 0) await context.waitForEvent("serviceworker");
  // The browser ends an idle one and starts another.
  const inWorker = (what, value) => context.serviceWorkers().at(-1).evaluate(what, value);
  const session = await context.newCDPSession(person.page);
  const registered = new Promise((done) => session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => registrations[0] && done(registrations[0])));
  await session.send("ServiceWorker.enable");
  const { registrationId } = await registered;
  // A session of a page ends with it, so this one is of a page that stays.
  const other = await context.newPage();
  const lasting = await context.newCDPSession(other);
  await lasting.send("ServiceWorker.enable");
  const pushed = [];
  const push = { origin: new URL(url).origin, registrationId };
  // Refused while the browser ends a service worker or loads another page in the session's tab.
  const send = (data, tries) =>
    lasting.send("ServiceWorker.deliverPushMessage", { ...push, data }).catch(() => tries > 0 && setTimeout(send, 250, data, tries - 1));
  deliver = (data) => {
    pushed.push(JSON.parse(data).notification);
    send(data, 20);
  };
  const shown = () => inWorker(async () => (await self.registration.getNotifications()).map(({ title, body }) => ({ title, body })));
  return { other, pushed, shown, inWorker, stop: service.stop };
}

/** Opens what the service worker shows, as a tap on it does. */
const tap = (inWorker) =>
  inWorker(async () => {
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
  });

/** A reply that stands in its thread only: its notification opens the thread, in a page that is there and in a new one. */
async function reply(alice, bob, url, { pushed, shown, inWorker }) {
  await alice.page.goto("about:blank");
  await bob.choose("are you there", "Reply in a thread");
  const text = `in a thread, @${alice.id}`;
  await bob.thread.getByRole("textbox", { name: "Reply in the thread" }).fill(`${text} `);
  await bob.thread.getByRole("button", { name: "Send" }).click();
  await check("a reply in a thread becomes a notification", same(async () => (await shown()).map(({ body }) => body), [text]), 30_000);
  const isShown = () => alice.thread.locator("article.animate-flash").filter({ hasText: text }).isVisible();
  await alice.page.goto(url + pushed.at(-1).navigate);
  await check("in a new page it opens the thread at the reply", isShown, 20_000);
  await alice.page.goto("about:blank");
  await alice.page.goto(url);
  await alice.page.getByRole("heading", { name: "Chats" }).waitFor();
  await inWorker((navigate) => self.registration.showNotification("tapped", { data: { navigate } }), pushed.at(-1).navigate);
  await tap(inWorker);
  await check("and in a page that is open", isShown, 20_000);
  await bob.page.getByRole("button", { name: "Close thread" }).click();
}

export async function push(alice, bob, url) {
  const { other, pushed, shown, inWorker, stop } = await bePushed(alice, url);
  try {
    await view(alice, "settings-push");
    await alice.page.close();

    await bob.say(`are you there, @${alice.id}`);
    await check("with the page closed a message becomes a notification", same(shown, [{ title: bob.id, body: `are you there, @${alice.id}` }]), 30_000);
    await bob.say("and now?");
    await check("the next one replaces it and counts", same(shown, [{ title: `2 new: ${bob.id}`, body: "and now?" }]), 30_000);

    alice.page = other;
    await other.goto(url + pushed.at(-1).navigate);
    await check("opening it leads to the message", () => alice.log.getByText("and now?").isVisible(), 20_000);
    await check("what was read is withdrawn", same(shown, []), 20_000);
    await reply(alice, bob, url, { pushed, shown, inWorker });

    await alice.page.evaluate(() => {
      location.hash = "";
    });
    await inWorker(() => self.registration.showNotification("tapped", { data: { navigate: "/#/r/none" } }));
    await tap(inWorker);
    await check("a tap leads an open page to its place", () => alice.page.evaluate(() => location.hash === "#/r/none"));
    await alice.page.goto(url);
    await alice.page.getByRole("button", { name: "Sign out" }).click();
    await alice.page.getByLabel("User id").waitFor();
    await bob.say("after signing out");
    await bob.page.waitForTimeout(5_000);
    await check("who has signed out is not notified", same(async () => pushed.length, 3));
  } finally {
    stop();
  }
}
