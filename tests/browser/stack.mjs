/** Starts the stack through xtask and stops it again; or uses one that runs already (CHINWAG_URL). */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MAX_MS = 180_000;
const STOP_MAX_MS = 30_000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export async function startStack() {
  if (process.env.CHINWAG_URL) return { url: process.env.CHINWAG_URL, stop: async () => {} };
  const xtask = process.env.CHINWAG_XTASK;
  if (!xtask) throw new Error("CHINWAG_XTASK (the xtask binary) or CHINWAG_URL (a running stack) must be set");
  const data = mkdtempSync(join(tmpdir(), "chinwag-browser-"));
  const args = ["dev", "--headless", "--port", "0", "--data", data, "--no-build"];
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
  if (url) return { url, stop };
  await stop();
  throw new Error(`the stack didn't start; its last words:\n${output}`);
}

async function waitForUrl(file, isOver) {
  for (const ends = Date.now() + START_MAX_MS; Date.now() < ends && !isOver(); await pause(100)) {
    try {
      return JSON.parse(readFileSync(file, "utf8")).url;
    } catch {
      // Not there yet, or half written.
    }
  }
  return null;
}
