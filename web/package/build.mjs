/** Builds the npm package in package/dist: ES modules without React, styles, types. `npm pack` runs it first. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { build } from "vite";

const root = resolve(import.meta.dirname, "..");
const outDir = join(root, "package/dist");
const types = join(outDir, "types");

await build({
  ...{ root, configFile: false, publicDir: false, logLevel: "warn" },
  plugins: [react(), tailwind()],
  resolve: { tsconfigPaths: true },
  build: {
    ...{ outDir, emptyOutDir: true, target: "es2022", minify: false },
    lib: {
      entry: { index: join(root, "src/lib/index.ts"), react: join(root, "src/react.tsx") },
      formats: ["es"],
      cssFileName: "react",
    },
    rolldownOptions: { external: [/^react(-dom)?($|\/)/, "idb", "virtua"] },
    // clsx, lucide and frimousse are bundled: only the React entry needs them, and the SDK alone should not install
    // them.
    license: { fileName: "LICENSES.md" },
  },
});

const tsc = createRequire(import.meta.url).resolve("typescript/package.json");
execFileSync(process.execPath, [join(dirname(tsc), "bin/tsc"), "-p", join(root, "package/tsconfig.json")], {
  stdio: "inherit",
});

/** Rewrites the imports in the types (`@/lib/api`, `./api`) to paths with extensions, as Node's resolution requires. */
for (const entry of readdirSync(types, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const file = join(entry.parentPath, entry.name);
  const asPath = (name) => {
    const to = name.startsWith("@/") ? join(types, name.slice(2)) : resolve(entry.parentPath, name);
    const path = relative(entry.parentPath, existsSync(to) ? join(to, "index") : to);
    return `${path.startsWith(".") ? "" : "./"}${path}.js`;
  };
  const text = readFileSync(file, "utf8")
    .replace(/^import "[^"]*\.css";\n/gm, "")
    .replace(/(from |import\()"((?:@|\.{1,2})\/[^"]*)"/g, (_, how, name) => `${how}"${asPath(name)}"`);
  writeFileSync(file, text);
}
// The type of `import "chinwag/react.css"`.
writeFileSync(join(types, "css.d.ts"), "export {};\n");
