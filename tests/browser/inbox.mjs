/** The list is live over one socket: what happens elsewhere shows by itself, in all tabs, and a long list scrolls smoothly. */
import { check, same, view } from "./check.mjs";

/** The sockets of a page that are open, by path. */
function watchSockets(page) {
  const open = new Set();
  page.on("websocket", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  return (path) => [...open].filter((socket) => new URL(socket.url()).pathname === path).length;
}

async function elsewhere(alice, bob, nonce) {
  const title = `Elsewhere ${nonce}`;
  await alice.startGroup(`Here ${nonce}`, [`nobody-${nonce}`]);
  await bob.startDirect(alice.id);
  await bob.say("A first word");
  await check("a new direct message appears by itself", () => alice.roomLink(bob.id).getByText("A first word").isVisible());
  await check("and counts", () => alice.roomLink(bob.id).getByText("1 unread").isVisible());
  await check("and the tab says so", async () => (await alice.page.title()).startsWith("(1)"));
  await bob.say(`A second, @${alice.id}`);
  await check("the count is exact", () => alice.roomLink(bob.id).getByText("2 unread").isVisible());
  await check("and the mention is marked", () => alice.roomLink(bob.id).getByText("1 mention").isVisible());
  await view(alice, "inbox");
  await bob.startGroup(title, [alice.id]);
  await check("so does a group that I was added to", () => alice.roomLink(title).isVisible());
  const details = bob.page.getByRole("complementary", { name: "Details" });
  await details.getByRole("button", { name: `Manage ${alice.id}` }).click();
  await bob.page.getByRole("menuitem", { name: "Remove" }).click();
  await bob.page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await check("and it goes when I am removed", same(() => alice.roomLink(title).count(), 0));
}

async function tabs(alice, bob, sockets, url) {
  await check("one socket for the list", same(() => sockets("/chat/inbox"), 1));
  await check("and one for the open room", same(() => sockets("/chat"), 1));
  const first = alice.page;
  const second = await alice.context.newPage();
  const secondSockets = watchSockets(second);
  await second.goto(url);
  alice.page = second;
  // It is signed in as the last one was.
  await second.getByRole("heading", { name: "Chats" }).waitFor();
  await check("a second tab shows the same", () => alice.roomLink(bob.id).getByText("2 unread").isVisible());
  await check("without a socket of its own for the list", same(() => secondSockets("/chat/inbox"), 0));
  await bob.openRoom(alice.id);
  await bob.say("A third");
  await check("and is live", () => alice.roomLink(bob.id).getByText("3 unread").isVisible());
  await first.close();
  await check("when the first closes, it connects itself", same(() => secondSockets("/chat/inbox"), 1));
  await bob.say("A fourth");
  await check("and misses nothing", () => alice.roomLink(bob.id).getByText("4 unread").isVisible());
  await alice.openRoom(bob.id);
  await check("what is read there counts no more", same(() => alice.roomLink(bob.id).getByText("unread").count(), 0));
}

/** A draft begun in one browser is finished in another. */
async function drafts(alice, bob, other) {
  await other.signIn();
  await alice.openRoom(bob.id);
  await alice.input.fill("half a thought");
  await check("a draft shows in the other browser's list", () => other.roomLink(bob.id).getByText("Draft: half a thought").isVisible());
  await view(other, "draft");
  await other.openRoom(bob.id);
  await check("and in its composer", async () => (await other.input.inputValue()) === "half a thought");
  await other.say("half a thought, finished");
  await check("once sent, it is gone from both", async () => (await alice.input.inputValue()) + (await other.input.inputValue()) === "");
  await alice.input.fill("offline");
  await alice.page.reload();
  await alice.page.getByRole("heading", { name: "Chats" }).waitFor();
  await check("a draft outlives a reload", async () => (await alice.input.inputValue()) === "offline");
}

const ROOMS = 1_000;

/** A list of 1,000 rooms, by a server that says so. */
async function longList(alice, url) {
  const page = await alice.context.newPage();
  await page.routeWebSocket(/\/chat\/inbox/, (socket) => {
    const rooms = Array.from({ length: ROOMS }, (_, at) => roomOf(at, alice.id));
    const events = [{ type: "hello", seq: 0, epoch: "e", heartbeatMs: 25_000 }, { type: "rooms", rooms, nextCursor: null }, { type: "synced", seq: 0 }];
    socket.send(JSON.stringify(events));
  });
  // A tab of another browser: the lock of this one's tabs is held.
  await page.addInitScript(() => Object.defineProperty(navigator, "locks", { value: undefined }));
  await page.goto(url);
  const list = page.getByRole("navigation", { name: "Conversations" });
  await check("a list of 1,000 rooms shows", () => list.getByText("Room 3", { exact: true }).isVisible());
  const rendered = await list.getByRole("link").count();
  await check(`only those in sight are rendered (${rendered})`, rendered < 60);
  const frames = await list.evaluate(async (nav) => {
    const scroller = [...nav.querySelectorAll("div")].find((element) => element.scrollHeight > 10_000);
    const times = [];
    let last = performance.now();
    for (let at = 0; at < 240; at += 1) {
      await new Promise((done) => requestAnimationFrame(done));
      times.push(performance.now() - last);
      last = performance.now();
      scroller.scrollTop += 150;
    }
    return times.sort((a, b) => a - b);
  });
  const [p50, p95] = [frames[120], frames[228]].map((ms) => Math.round(ms * 10) / 10);
  await check(`it scrolls 9,000 px/s: ${p50} ms a frame, p95 ${p95}`, p50 < 25);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("Room 987");
  await check("the switcher finds one of them", () => page.getByRole("option").filter({ hasText: "Room 987" }).isVisible());
  await page.keyboard.press("Enter");
  const opened = list.getByRole("link").filter({ hasText: "Room 987" });
  await check("opened, it scrolls into view and is selected", () => opened.evaluate((link) => {
    const [box, view] = [link.getBoundingClientRect(), link.closest("nav").getBoundingClientRect()];
    return link.getAttribute("aria-current") !== null && box.top >= view.top && box.bottom <= view.bottom;
  }));
  await page.close();
}

const roomOf = (at, me) => ({
  id: `00000000-0000-7000-8000-${String(at).padStart(12, "0")}`,
  tenantId: "t", type: "group", name: `Room ${at}`, topic: null, createdBy: me, createdAt: "2026-11-01T00:00:00.000Z",
  archived: false, historyVisibility: "all", roomMention: "all", slowModeS: 0, participantIds: [me], members: [], memberCount: 1,
  lastMessageAt: new Date(Date.UTC(2026, 10, 26) - at * 60_000).toISOString(), lastMessage: null, lastSeq: at, unread: at % 3, mentions: 0,
  me: { role: "member", lastReadSeq: 0, notify: { level: "all", muteUntil: null } },
});

export async function inbox({ arrive, stack }) {
  const desktop = { viewport: { width: 1360, height: 860 } };
  const [alice, bob] = [await arrive("alice", desktop), await arrive("bob", desktop)];
  const nonce = alice.id.split("-").pop();
  const sockets = watchSockets(alice.page);
  for (const person of [alice, bob]) await person.signIn();
  await elsewhere(alice, bob, nonce);
  await tabs(alice, bob, sockets, stack.url);
  const other = await arrive("alice", desktop);
  await drafts(alice, bob, other);
  await longList(alice, stack.url);
  return [alice, bob, other];
}
