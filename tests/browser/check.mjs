/** What all parts share: checks, accessibility, class names, pictures. */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { twMerge } from "tailwind-merge";

export const artifacts = resolve(process.env.CHINWAG_ARTIFACTS ?? ".dev/artifacts");
mkdirSync(artifacts, { recursive: true });
const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
export const count = { passed: 0, failed: 0 };

/** The lines of what failed: they are repeated at the end, where a cut log still has them. */
export const failures = [];

export function fail(line) {
  count.failed += 1;
  failures.push(`FAIL  ${line}`);
  console.log(`FAIL  ${line}`);
}

/** A condition that must hold. `what` is a value, or a function that must return true within the time. */
export async function check(title, what, withinMs = 10_000) {
  const ends = Date.now() + withinMs;
  let seen;
  for (;;) {
    try {
      seen = typeof what === "function" ? await what() : what;
    } catch (error) {
      seen = error;
    }
    if (seen === true || typeof what !== "function" || Date.now() > ends) break;
    await new Promise((done) => setTimeout(done, 50));
  }
  if (seen !== true) return fail(`${title}: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`);
  count.passed += 1;
  console.log(`ok    ${title}`);
}

/** Returns true when the values are equal, otherwise a text that says how they differ. */
export const same = (actual, expected) => async () => {
  const [a, b] = [JSON.stringify(await actual()), JSON.stringify(expected)];
  return a === b || `${a} instead of ${b}`;
};

/**
 * Runs axe-core on a page that stands still. It calls invisible what is replaced meanwhile, and rows of a list that are not
 * measured yet, so a run during a change is repeated.
 */
const runAxe = (person) =>
  person.page.evaluate(async () => {
    let hasChanged = false;
    const observer = new MutationObserver(() => {
      hasChanged = true;
    });
    observer.observe(document.body, { attributes: true, childList: true, subtree: true });
    for (let run = 1; ; run += 1) {
      hasChanged = false;
      const { violations } = await globalThis.axe.run({ resultTypes: ["violations"] });
      if (violations.length === 0 || !hasChanged || run === 5) return violations;
    }
  });

/** Checks that axe-core finds no violation in the page as it is. */
export async function accessible(person, view) {
  await person.page.evaluate(readFileSync(axePath, "utf8"));
  const found = await runAxe(person);
  const violations = found.map(({ id, nodes }) => `${id}: ${nodes.map((one) => `${one.any[0]?.message ?? ""} ${one.html.slice(0, 160)}`).join(" | ")}`);
  await check(`axe finds nothing in: ${view}`, violations.length === 0 || violations.join("; "));
}

/** No two classes of an element set the same property: tailwind-merge would drop one of them. */
async function withoutConflicts(person, view) {
  const names = await person.page.evaluate(() => [...new Set([...document.querySelectorAll("[class]")].map((element) => element.getAttribute("class").trim()))]);
  const conflicts = names.flatMap((name) => {
    const kept = new Set(twMerge(name).split(" "));
    const dropped = name.split(/\s+/).filter((part) => !kept.has(part));
    return dropped.length === 0 ? [] : `${dropped.join(" ")} in "${name}"`;
  });
  await check(`no conflicting classes in: ${view}`, conflicts.length === 0 || conflicts.join("; "));
}

/** A button that shows only an icon says what it does to a pointer too. */
async function withTooltips(person, view) {
  const bare = await person.page.evaluate(() => {
    const buttons = [...document.querySelectorAll("button")].filter((one) => one.checkVisibility() && one.innerText.trim() === "" && one.querySelector("svg"));
    return buttons.filter((one) => !one.closest("[title]")).map((one) => one.getAttribute("aria-label") ?? one.outerHTML.slice(0, 120));
  });
  await check(`every icon has a tooltip in: ${view}`, bare.length === 0 || bare.join("; "));
}

/** Waits until no colour transition is running. */
const settled = (person) =>
  person.page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const moves = () => document.getAnimations().some((one) => one instanceof CSSTransition);
    for (let still = 0, frames = 0; still < 5 && frames < 300; frames += 1) {
      await frame();
      still = moves() ? 0 : still + 1;
    }
  });

/** Checks a view as a whole with axe, light and dark, and takes a picture of both. */
export async function view(person, name) {
  await withoutConflicts(person, name);
  await withTooltips(person, name);
  for (const colorScheme of ["light", "dark"]) {
    await person.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await settled(person);
    await accessible(person, `${name}, ${colorScheme}`);
    await person.page.screenshot({ path: `${artifacts}/${name}-${colorScheme}.png` });
  }
  await person.page.emulateMedia({ colorScheme: person.colorScheme, reducedMotion: null });
}

/** Waits until lists, mentions, search and the audit log show what was just done: Postgres has it within a second. */
export const projected = (person) => person.page.waitForTimeout(2_000);
