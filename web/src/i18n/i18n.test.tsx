/** The texts: formats and plurals follow the language in use, and no component contains a text of its own. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, expect, test } from "vitest";
import { fill } from "./fill";
import { formatBytes, formatDay, formatDuration } from "./format";
import { type Messages, setMessages, t } from "./i18n";
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
