/** Import rules of this package: no cycles, and imports point down (features → components → lib). */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = import.meta.dirname;
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file) && !/\.test\.tsx?$/.test(file))
  .sort();

/** The file that a module name means, relative to `src`; `undefined` for packages and styles. */
function resolveImport(from: string, name: string): string | undefined {
  if (!name.startsWith(".") && !name.startsWith("@/")) return undefined;
  const path = name.startsWith("@/") ? join(root, name.slice(2)) : resolve(root, from, "..", name);
  const module = relative(root, path);
  return files.find((file) => [`${module}.ts`, `${module}.tsx`, `${module}/index.ts`].includes(file));
}

/** All imports count: static, dynamic and type-only. The generated types refer to each other as the schemas do. */
const imports = new Map(
  files
    .filter((file) => !file.includes("generated/"))
    .map((file) => {
      const source = readFileSync(join(root, file), "utf8");
      const names = [...source.matchAll(/(?:\bfrom|\bimport\(|^import)\s*"([^"]+)"/gm)].map(
        (match) => match[1],
      );
      return [file, names.flatMap((name) => resolveImport(file, name ?? "") ?? [])];
    }),
);

test("no import cycle", () => {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (path.includes(file) || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(cycles).toEqual([]);
  expect(files.length).toBeGreaterThan(60);
});

test("imports point down: features → components → i18n, lib", () => {
  const rank = (file: string) => ["lib", "i18n", "components", "features"].indexOf(file.split("/")[0] ?? "");
  const upward = files.flatMap((file) =>
    (imports.get(file) ?? [])
      .filter((target) => rank(file) >= 0 && rank(target) > rank(file))
      .map((target) => `${file} → ${target}`),
  );
  expect(upward).toEqual([]);
});

test("no file is longer than 400 lines", () => {
  const long = files.filter(
    (file) =>
      !/generated\/|messages\.\w+\.ts$/.test(file) &&
      readFileSync(join(root, file), "utf8").split("\n").length > 401,
  );
  expect(long).toEqual([]);
});
