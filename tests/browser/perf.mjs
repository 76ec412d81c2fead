/**
 * Measures what web/README.md promises of speed, and tells it; by hand, because a shared machine's times prove nothing.
 *
 *   CHINWAG_URL   a running development stack with its rates raised:
 *                 cargo xtask dev --var 'LIMITS={"messagesPerS":5000,"messagesBurst":20000,"framesPerS":9000,"framesBurst":30000,"doorRates":false}'
 *   MESSAGES      how many the room holds (default 10,000)
 */
import { chromium } from "playwright-core";
import { Person } from "./person.mjs";

const url = process.env.CHINWAG_URL;
const count = Number(process.env.MESSAGES ?? 10_000);
const nonce = Date.now().toString(36);

let browser;
const quantile = (values, part) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];
const tell = (what, values, unit = "ms") =>
  console.log(`${what}: p50 ${quantile(values, 0.5).toFixed(1)} · p95 ${quantile(values, 0.95).toFixed(1)} · p99 ${quantile(values, 0.99).toFixed(1)} · max ${Math.max(...values).toFixed(1)} ${unit} (n=${values.length})`);

/** How long the page's main thread computed while `work` ran, in CPU time: that is the same on a busy machine. */
async function busy(page, work) {
  await browser.startTracing(page, { categories: ["devtools.timeline", "devtools.timeline.frame", "disabled-by-default-devtools.timeline", "disabled-by-default-devtools.timeline.frame"] });
  const result = await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const main = new Set(
    traceEvents.filter((one) => one.name === "thread_name" && one.args.name === "CrRendererMain").map((one) => `${one.pid} ${one.tid}`),
  );
  const tasks = traceEvents.filter((one) => one.name.endsWith("RunTask") && main.has(`${one.pid} ${one.tid}`));
  const drawn = traceEvents.filter((one) => one.name === "DrawFrame").map((one) => one.ts / 1_000).sort((a, b) => a - b);
  const dropped = traceEvents.filter((one) => one.name === "DroppedFrame").length;
  // What the browser itself measured of each key: from the stroke to the picture that shows it.
  const keysMs = traceEvents
    .filter((one) => one.name === "EventTiming" && one.args.data?.type === "keydown" && one.args.data.duration !== undefined)
    .map((one) => one.args.data.duration);
  return { result, tasksMs: tasks.map((one) => (one.tdur ?? 0) / 1_000), drawn, dropped, keysMs };
}

async function ask(token, path, body) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const answer = await fetch(`${url}/api/chat${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
const tokenOf = async (sub) => (await ask("", "/dev/token", { sub })).token;

function connect(roomId, token) {
  return new Promise((ready, failed) => {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/chat?roomId=${roomId}&history=0`, ["chat.v1", `bearer.${token}`]);
    const acks = { count: 0 };
    socket.onmessage = ({ data }) => {
      if (data.includes('"synced"')) ready({ socket, acks });
      acks.count += data.split('"type":"ack"').length - 1;
    };
    socket.onerror = failed;
  });
}

const words = "the quick brown fox jumps over a lazy dog while the band plays on and nobody listens".split(" ");
const text = (at) => Array.from({ length: 3 + ((at * 7) % 25) }, (_, word) => words[(at * 13 + word * 5) % words.length]).join(" ");
const send = (socket, at) => socket.send(JSON.stringify({ type: "message", content: `${at} ${text(at)}`, clientId: `${nonce}-${at}` }));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const [alice, bob] = [`alice-${nonce}`, `bob-${nonce}`];
const token = await tokenOf(bob);
const { room } = await ask(token, "/rooms/create", { type: "direct", participantIds: [alice, bob] });
const { socket, acks } = await connect(room.id, token);
for (let at = 0; at < count; at++) {
  send(socket, at);
  while (at - acks.count > 400) await pause(5);
}
while (acks.count < count) await pause(50);
console.log(`${count} messages are in the room`);

const args = ["--no-sandbox", "--disable-gpu"];
browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", chromiumSandbox: false, args });
try {
  const person = await Person.arrive(browser, url, alice, { viewport: { width: 1360, height: 860 } });
  await person.signIn();
  await person.page.goto(`${url}/#/r/${room.id}`);
  await person.connected();
  const loaded = await person.log.evaluate(async (log) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const isDone = () => log.textContent.includes("This is where it began.");
    for (const ends = Date.now() + 300_000; Date.now() < ends; await frame()) {
      log.scrollTop = 0;
      if (isDone()) return true;
    }
    return false;
  });
  console.log(`all of them are loaded: ${loaded}`);

  const rows = await person.log.locator("article").count();
  console.log(`rows that exist: ${rows}`);
  const sum = (values) => values.reduce((all, one) => all + one, 0);
  // As fast as a hand scrolls, and the whole room within ten seconds: more than a screen a frame.
  const whole = await person.log.evaluate((log) => Math.max(60, (log.scrollHeight / 60 / 10) | 0));
  for (const step of [150, whole]) {
    const { result: frames, tasksMs, drawn, dropped } = await busy(person.page, () => person.log.evaluate(async (log, step) => {
      const times = [];
      let last = performance.now();
      for (let at = 0; at < 600; at++) {
        log.scrollTop += at % 200 < 150 ? step : -step / 2;
        await new Promise((done) => requestAnimationFrame(done));
        const now = performance.now();
        times.push(now - last);
        last = now;
      }
      return times;
    }, step));
    console.log(`scrolling by ${step} px a frame: ${(sum(tasksMs) / frames.length).toFixed(1)} ms of CPU a frame on the main thread; longest task ${Math.max(...tasksMs).toFixed(1)} ms`);
    tell("scrolling through 10 s of it, time between frames", frames);
    const gaps = drawn.slice(1).map((at, one) => at - drawn[one]);
    if (gaps.length > 0) {
      tell("by the trace, time between drawn frames", gaps);
      console.log(`by the trace: ${(1_000 / (sum(gaps) / gaps.length)).toFixed(1)} frames/s, ${dropped} dropped of ${drawn.length + dropped}`);
    } else console.log("by the trace: it has no frames");
    console.log(`frames later than 1/60 s + 2 ms: ${frames.filter((ms) => ms > 18.7).length} of ${frames.length}`);
  }

  await person.page.getByRole("button", { name: /Newest|new/ }).click();
  await person.page.evaluate(() => {
    globalThis.latencies = [];
    new PerformanceObserver((list) => {
      for (const one of list.getEntries()) if (one.name === "keydown") globalThis.latencies.push(one.duration);
    }).observe({ type: "event", durationThreshold: 16, buffered: true });
  });
  let at = count;
  const every = setInterval(() => {
    for (let one = 0; one < 5; one++) send(socket, at++);
  }, 50);
  const keys = 100;
  const typed = await busy(person.page, async () => {
    for (let key = 0; key < keys; key++) {
      await person.input.press("abcdefgh "[key % 9]);
      await pause(60);
    }
  });
  clearInterval(every);
  tell("tasks on the main thread meanwhile, CPU time", typed.tasksMs.filter((ms) => ms > 1));
  const slow = await person.page.evaluate(() => globalThis.latencies);
  // The browser reports in steps of 8 ms, and nothing under 16.
  const all = [...slow, ...Array(Math.max(0, keys - slow.length)).fill(16)];
  tell("input latency with 100 messages/s coming in (16 = at most that)", all);
  if (typed.keysMs.length > 0) tell("by the trace, input latency", typed.keysMs);
  const last = String(at - 1);
  await person.page.locator("article").filter({ hasText: `${last} ` }).waitFor();
} finally {
  await browser.close();
  socket.close();
}
