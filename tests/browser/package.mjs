/**
 * As a stranger would use it: the package is packed, looked into, and installed by the examples, which are copied
 * out of the project so that nothing of it can help them.
 */
import { execFile, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { Person } from "./person.mjs";
import { check, same, view } from "./check.mjs";

/** npm and what it starts run on the Node that this does. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
const run = (program, args, options) => promisify(execFile)(program, args, { env, ...options });
const root = resolve(import.meta.dirname, "../..");
const LINES_MAX = 40;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json" };

/** Packs, installs, builds; gives where the examples are, the origins of those that are pages, and how to end it all. */
export async function prepareExamples() {
  const dir = mkdtempSync(join(tmpdir(), "chinwag-stranger-"));
  mkdirSync(join(dir, "web"));
  await run("npm", ["pack", "--silent", "-w", "web", "--pack-destination", join(dir, "web")], { cwd: root });
  const isOurs = (from) => !from.endsWith("node_modules") && !from.endsWith("dist");
  cpSync(join(root, "examples"), join(dir, "examples"), { recursive: true, filter: isOurs });
  const [embed, oidc, bot] = ["embed", "oidc-app", "echo-bot"].map((name) => join(dir, "examples", name));
  const install = ["ci", "--no-progress", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  for (const cwd of [embed, oidc, bot]) await run("npm", install, { cwd });
  for (const cwd of [embed, oidc]) await run("npm", ["run", "build"], { cwd });
  const sites = [await serve(embed), await serve(oidc)];
  const [origin, oidcOrigin] = sites.map((site) => `http://127.0.0.1:${site.address().port}`);
  const stop = () => {
    for (const site of sites) {
      site.close();
      site.closeAllConnections();
    }
    rmSync(dir, { recursive: true, force: true });
  };
  return { embed, oidc, bot, origin, oidcOrigin, stop };
}

/** A server of the files of an example's page. */
async function serve(dir) {
  const site = createServer((request, response) => {
    const path = new URL(request.url, "http://x").pathname;
    try {
      const file = join(dir, path === "/" ? "index.html" : path);
      response.setHeader("Content-Type", TYPES[extname(file)]).end(readFileSync(file));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => site.listen(0, "127.0.0.1", done));
  return site;
}

/** What is in the package, and that TypeScript understands it however it looks for modules. */
export async function packaged({ embed, oidc, bot }) {
  const package_ = join(embed, "node_modules/chinwag");
  const { peerDependencies, dependencies, exports } = JSON.parse(readFileSync(join(package_, "package.json"), "utf8"));
  await check("React is asked for, not brought", peerDependencies.react === ">=19" && !("react" in dependencies));
  const dist = join(package_, "package/dist");
  const scripts = readdirSync(dist).filter((name) => name.endsWith(".js"));
  const holding = (text) => scripts.filter((name) => readFileSync(join(dist, name), "utf8").includes(text));
  // React's own element type; its name is in any build of it.
  await check("no React is inside", same(async () => holding('Symbol.for("react.transitional.element")'), []));
  await check("the SDK knows of no React", same(async () => [...reached(dist, "index.js")].filter((name) => /^react/.test(name)), []));
  await check("a bot gets no React", !readdirSync(join(bot, "node_modules")).includes("react"));
  const files = Object.values(exports).flatMap((one) => Object.values(one));
  await check("what it names is there", files.length === 6 && files.every((file) => readFileSync(join(package_, file)).length > 0));
  const own = readdirSync(embed, { withFileTypes: true }).filter((one) => one.isFile() && one.name !== "package-lock.json");
  const lines = own.flatMap(({ name }) => readFileSync(join(embed, name), "utf8").trimEnd().split("\n"));
  await check(`examples/embed is ${lines.length} lines of its own`, own.length >= 3 && lines.length <= LINES_MAX);
  const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  const common = ["--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2023", "--jsx", "react-jsx"];
  for (const how of [["--module", "esnext", "--moduleResolution", "bundler"], ["--module", "nodenext"]]) {
    for (const [cwd, file, types] of [[embed, "main.tsx", "react"], [oidc, "main.tsx", "react"], [bot, "bot.ts", "node"]]) {
      const tsc = [join(typescript, "bin/tsc"), ...common, ...how, "--types", types, file];
      await check(`types: ${basename(cwd)}/${file} ${how.at(-1)}`, () => run(process.execPath, tsc, { cwd }).then(() => true, (error) => error.stdout));
    }
  }
}

/** Every module that a file of the package imports, and what those do. */
function reached(dist, file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (!file.endsWith(".js")) return seen;
  for (const [, name] of readFileSync(join(dist, file), "utf8").matchAll(/(?:from|import) ?\(?"([^"]+)"/g))
    reached(dist, name.replace(/^\.\//, ""), seen);
  return seen;
}

export async function embedding(browser, stack, { origin }, alice) {
  const visitor = `visitor-${alice.id.split("-").pop()}`;
  await alice.startDirect(visitor);
  const roomId = alice.page.url().split("/r/")[1];
  const person = new Person();
  const context = await browser.newContext({ viewport: { width: 900, height: 700 } });
  Object.assign(person, { id: visitor, context, page: await context.newPage(), colorScheme: "light" });
  person.page.on("pageerror", (error) => person.complaints.push(error.message));
  await person.page.goto(`${origin}/?${new URLSearchParams({ url: stack.url, user: visitor, room: roomId })}`);
  await person.connected();
  await alice.say("how can we help?");
  await check("a room in another page hears", () => person.bubble("how can we help?").isVisible());
  await person.say("where is my order?");
  await check("and is heard", () => alice.bubble("where is my order?").isVisible());
  await person.bubble("how can we help?").hover();
  await person.bubble("how can we help?").getByRole("button", { name: "Add a reaction" }).click();
  await person.page.getByRole("button", { name: "More emojis" }).click();
  await check("the emojis come from the chat's server", () => person.page.getByRole("gridcell").first().isVisible());
  await person.page.keyboard.press("Escape");
  await person.page.keyboard.press("Escape");
  const heading = person.page.getByRole("heading", { name: "Order 4711" });
  const size = () => heading.evaluate((one) => getComputedStyle(one).fontSize);
  await check("the page around it looks as it did", same(size, "32px"));
  await view(person, "embedded");
  await check("no complaint in the page around it", same(() => person.complaints, []));
  await context.close();
}

export async function bot(stack, { bot: cwd }, alice) {
  const id = `echo-${alice.id.split("-").pop()}`;
  await alice.startDirect(id);
  const roomId = alice.page.url().split("/r/")[1];
  const botEnv = { ...env, CHINWAG_URL: stack.url, BOT_ID: id };
  const child = spawn(process.execPath, ["bot.ts", roomId], { cwd, env: botEnv, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { output += chunk; });
  await check("the bot listens", () => output.includes("listening") || output);
  await alice.say("is there anybody?");
  await check("the bot answers", () => alice.bubble("You said: is there anybody?").isVisible());
  await alice.say("twice");
  await check("each once", same(() => alice.contents(), ["is there anybody?", "You said: is there anybody?", "twice", "You said: twice"]));
  child.kill();
}
