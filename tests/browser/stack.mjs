/** Starts and stops a stack through xtask, or uses a running one (CHINWAG_URL). */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MAX_MS = 180_000;
const STOP_MAX_MS = 30_000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** `vars`: settings of the Worker, each `NAME=value`. A running stack must have them already; it cannot be killed. */
export async function startStack(vars = []) {
  if (process.env.CHINWAG_URL) return { url: process.env.CHINWAG_URL, data: null, stop: async () => {} };
  const xtask = process.env.CHINWAG_XTASK;
  if (!xtask) throw new Error("CHINWAG_XTASK (the xtask binary) or CHINWAG_URL (a running stack) must be set");
  const data = mkdtempSync(join(tmpdir(), "chinwag-browser-"));
  const args = ["dev", "--headless", "--port", "0", "--data", data, "--no-build"];
  // One person here does the work of many: the edge counts nobody.
  const limits = vars.some((one) => one.startsWith("LIMITS=")) ? [] : ['LIMITS={"doorRates":false}'];
  args.push(...[...vars, ...limits].flatMap((one) => ["--var", one]));
  const child = spawn(xtask, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((done) => {
    child.on("exit", done);
    child.on("error", done);
  });
  let over = false;
  ended.then(() => {
    over = true;
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output = (output + chunk).slice(-4_000);
    });
  }
  const stop = async () => {
    if (!over) child.kill("SIGINT");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MAX_MS);
    await ended;
    clearTimeout(late);
    rmSync(data, { recursive: true, force: true });
  };
  const url = await waitForUrl(join(data, "stack.json"), () => over);
  if (url) return { url, data, stop };
  await stop();
  throw new Error(`the stack didn't start; the end of its output:\n${output}`);
}

/** A request of the tenant's admin. */
export function asAdmin({ url, data }, method, path, body) {
  const args = ["token", "--sub", "an-admin", "--role", "admin", ...(data ? ["--data", data] : [])];
  const token = execFileSync(process.env.CHINWAG_XTASK, args, { encoding: "utf8" }).trim();
  return fetch(`${url}/api/chat${path}`, { method, headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify(body) });
}

/** A new key pair, as xtask makes it for a deployment. */
export function vapidKeys() {
  if (process.env.CHINWAG_URL) return [];
  const pair = execFileSync(process.env.CHINWAG_XTASK, ["vapid"], { encoding: "utf8" });
  return [...pair.trim().split("\n"), "VAPID_SUBJECT=mailto:ops@example.com"];
}

async function waitForUrl(file, isOver) {
  for (const ends = Date.now() + START_MAX_MS; Date.now() < ends && !isOver(); await pause(100)) {
    try {
      return JSON.parse(readFileSync(file, "utf8")).url;
    } catch {
      // It does not exist yet, or is incomplete.
    }
  }
  return null;
}

/** Kills the process that runs the Worker, as a crash would; wrangler starts another. */
export function killRuntime({ url, data }) {
  const { pids } = JSON.parse(readFileSync(join(data, "stack.json"), "utf8"));
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const [, name, rest] = /\((.*)\) . (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"));
      const [, group] = rest.split(" "); // parent, group, …
      return [{ pid: Number(pid), name, group: Number(group) }];
    } catch {
      return []; // It has ended.
    }
  });
  // The other workerd is wrangler's proxy, which listens on the port.
  const runtime = processes.filter((one) => one.group === pids.wrangler && one.name === "workerd");
  const killed = runtime.filter((one) => !listens(one.pid, new URL(url).port));
  if (killed.length !== 1) throw new Error(`one workerd to kill, not ${killed.length} of ${runtime.length}`);
  process.kill(killed[0].pid, "SIGKILL");
}

/** Whether the process holds a socket that listens on the port. */
function listens(pid, port) {
  const hex = Number(port).toString(16).toUpperCase().padStart(4, "0");
  const lines = ["tcp", "tcp6"].flatMap((name) => readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n"));
  const inodes = lines.map((line) => line.trim().split(/\s+/)).filter((one) => one[1]?.endsWith(`:${hex}`) && one[3] === "0A");
  const held = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return inodes.some((one) => held.includes(`socket:[${one[9]}]`));
}
