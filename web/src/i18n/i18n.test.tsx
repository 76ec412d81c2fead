/** The texts: formats and plurals follow the language in use, and no component contains a text of its own. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, expect, test } from "vitest";
import { fill } from "./fill";
import { formatBytes, formatDay, formatDuration } from "./format";
import { chooseLanguage, type Messages, setMessages, t } from "./i18n";
import { messages as arabic } from "./messages.ar";
import { messages as german } from "./messages.de";
import { messages as english } from "./messages.en";
import { pluralFor } from "./plural";

afterEach(() => setMessages(english));

test("days", () => {
  const now = new Date(2026, 10, 23, 0, 5);
  expect(formatDay(new Date(2026, 10, 22, 23, 59).toISOString(), now)).toBe("Yesterday");
  expect(formatDay(now.toISOString(), now)).toBe("Today");
});

test("durations and sizes have a suitable unit", () => {
  const durations = [5, 60, 119, 121, 3_600, 7_200, 172_800, 200_000].map(formatDuration);
  expect(durations).toEqual(["5 s", "1 min", "119 s", "3 min", "1 h", "2 h", "48 h", "3 days"]);
  expect([0, 999, 1_400, 25_000_000].map(formatBytes)).toEqual(["0 B", "999 B", "1.4 KB", "25 MB"]);
});

test("plural forms and digits are those of the locale", () => {
  const arabic = pluralFor("ar-EG");
  const forms = { zero: "zero", one: "one", two: "two", few: "# few", many: "# many", other: "# other" };
  expect([0, 1, 2, 3, 11, 100].map((count) => arabic(count, forms))).toEqual([
    ...["zero", "one", "two", "٣ few", "١١ many", "١٠٠ other"],
  ]);
  expect(english.message.replies(1)).toBe("1 reply");
  expect(english.message.replies(1_200)).toBe("1,200 replies");
});

test("the texts of another language replace the English ones at once", () => {
  const german: Messages = { ...english, locale: "de", time: { ...english.time, today: "Heute" } };
  setMessages(german);
  expect(t.locale).toBe("de");
  expect(formatDay(new Date().toISOString())).toBe("Heute");
  expect(formatBytes(1_400)).toBe("1,4 KB");
});

type Texts = { [name: string]: string | ((...args: never[]) => string) | Texts };

/** Every text of a language by its path, called with examples if it has parameters. */
function texts(of: Texts, path = ""): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, value] of Object.entries(of)) {
    const at = `${path}.${name}`;
    if (typeof value === "object") for (const [key, forms] of texts(value, at)) found.set(key, forms);
    else if (typeof value === "string") found.set(at, [value]);
    else {
      const words = Array.from({ length: value.length }, (_, nth) => `<${nth}>`) as never[];
      const counted = [0, 1, 2, 3, 11, 100].map((count) => Array(value.length).fill(count) as never[]);
      found.set(
        at,
        [words, ...counted].map((args) => value(...args)),
      );
    }
  }
  return found;
}

test.each([
  ["German", german],
  ["Arabic", arabic],
])("%s has every text, in its own words, with all parameters and numbers", (_, language) => {
  const [own, all] = [texts(language), texts(english)];
  expect([...own.keys()].sort()).toEqual([...all.keys()].sort());
  for (const [path, forms] of own) {
    for (const form of forms) expect(`${path} ${form}`).toMatch(/ [^#]*[^#\s][^#]*$/);
    const parameters = (text: string) => (text.match(/<\d>/g) ?? []).sort();
    expect([path, parameters(forms[0] ?? "")]).toEqual([path, parameters(all.get(path)?.[0] ?? "")]);
  }
});

test("the first language of the browser that there is a file for is used", async () => {
  await chooseLanguage(["fr", "ar-EG", "de"]);
  expect([t.locale, t.direction]).toEqual(["ar", "rtl"]);
  expect(t.message.replies(3)).toBe("3 ردود");
  await chooseLanguage(["de-AT"]);
  expect(t.message.replies(1_200)).toBe("1.200 Antworten");
  await chooseLanguage(["fr"]);
  expect(t.locale).toBe("de");
});

test("a parameter may be an element, wherever the text puts it", () => {
  const text = (actor: string, target: string) => `${target} was added by ${actor}`;
  const html = renderToStaticMarkup(<p>{fill(text, <b>alice</b>, <b>bob</b>)}</p>);
  expect(html).toBe("<p><b>bob</b> was added by <b>alice</b></p>");
});

test("no component contains a text: all are in messages.en.ts", () => {
  const root = join(import.meta.dirname, "..");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".tsx") && !file.endsWith(".test.tsx"),
  );
  const found = files.flatMap((file) => {
    const source = readFileSync(join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    const jsxTexts = source.matchAll(/<\/?[A-Za-z][^<>]*>\s*([A-Z][a-z]+[^<>{}=]*)\s*</g);
    const attributes = source.matchAll(
      /(?:aria-label|title|label|placeholder|hint|alt)="([^"]*[a-z][^"]*)"/g,
    );
    return [...jsxTexts, ...attributes].map((match) => `${file}: ${match[1]}`);
  });
  expect(found).toEqual([]);
});
