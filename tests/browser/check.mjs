/** What all scenes share: one way to check, to look at accessibility, and to take pictures. */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

export const artifacts = resolve(process.env.CHINWAG_ARTIFACTS ?? ".dev/artifacts");
mkdirSync(artifacts, { recursive: true });
const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
export const count = { passed: 0, failed: 0 };

/** One thing that must be so. `what` may be a value, or a function that becomes true within the time. */
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
  if (seen === true) count.passed += 1;
  else count.failed += 1;
  console.log(seen === true ? `ok    ${title}` : `FAIL  ${title}: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`);
}

/** Becomes true when the values are equal; else says how they differ. */
export const same = (actual, expected) => async () => {
  const [a, b] = [JSON.stringify(await actual()), JSON.stringify(expected)];
  return a === b || `${a} instead of ${b}`;
};

/** What axe-core finds wrong with the page as it is. */
export async function accessible(person, view) {
  await person.page.evaluate(readFileSync(axePath, "utf8"));
  const found = await person.page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  const told = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((one) => `${one.any[0]?.message ?? ""} ${one.html.slice(0, 160)}`).join(" | ")}`);
  await check(`axe finds nothing in: ${view}`, told.length === 0 || told.join("; "));
}

/** No colour is on its way to another any more. */
const settled = (person) =>
  person.page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const moves = () => document.getAnimations().some((one) => one instanceof CSSTransition);
    for (let still = 0, frames = 0; still < 5 && frames < 300; frames += 1) {
      await frame();
      still = moves() ? 0 : still + 1;
    }
  });

/** A view as a whole: nothing for axe to find, light and dark, and a picture of both. */
export async function view(person, name) {
  for (const colorScheme of ["light", "dark"]) {
    await person.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await settled(person);
    await accessible(person, `${name}, ${colorScheme}`);
    await person.page.screenshot({ path: `${artifacts}/${name}-${colorScheme}.png` });
  }
  await person.page.emulateMedia({ colorScheme: person.colorScheme, reducedMotion: null });
}
