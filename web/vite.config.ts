import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { loadEnv, type Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Serves the emoji picker's data as our own files, so that no other server is contacted. */
function emojiData(): Plugin {
  const read = (file: string) =>
    readFileSync(createRequire(import.meta.url).resolve(`emojibase-data/${file}`), "utf8");
  const files = ["en", "de"].flatMap((language) => [`${language}/data.json`, `${language}/messages.json`]);
  return {
    name: "emoji-data",
    generateBundle() {
      for (const file of files)
        this.emitFile({ type: "asset", fileName: `emoji/${file}`, source: read(file) });
    },
    configureServer(server) {
      for (const file of files)
        server.middlewares.use(`/emoji/${file}`, (_, response) => {
          response.setHeader("Content-Type", "application/json").end(read(file));
        });
    },
  };
}

/** Names the build's files in the service worker, which keeps them. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((file) => /^assets\/.*\.(js|css)$/.test(file));
      const shell = [...files.map((file) => `/${file}`), "/icon.svg"].sort();
      const version = createHash("sha256").update(shell.join()).digest("hex").slice(0, 12);
      const worker = bundle["sw.js"];
      if (worker?.type !== "chunk") throw new Error("The build has no sw.js.");
      worker.code = `const SHELL=${JSON.stringify(shell)},VERSION="${version}";${worker.code}`;
    },
  };
}

/** The built page runs on Preact, a tenth of react-dom's size. The package, the unit tests and `npm run dev` run on React. */
const PREACT = {
  "react/jsx-runtime": "preact/jsx-runtime",
  "react-dom/client": "preact/compat/client",
  "react-dom": "preact/compat",
  react: "preact/compat",
};

export default defineConfig(({ mode }) => {
  // `npm run dev` serves the page with hot reload and proxies /api and /chat to a running stack (CHINWAG_URL, as
  // `cargo xtask dev` prints it). The build is static files that the Worker serves.
  const stack = loadEnv(mode, ".", "CHINWAG_").CHINWAG_URL ?? "http://127.0.0.1:8787";
  return {
    plugins: [react(), tailwind(), emojiData(), serviceWorker()],
    resolve: { tsconfigPaths: true, alias: mode === "production" ? PREACT : {} },
    // Inlined assets would be data: URLs, which the page's Content-Security-Policy refuses.
    build: {
      target: "es2022",
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: { index: "index.html", sw: "src/service-worker/main.ts" },
        output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
      },
    },
    server: { proxy: { "/api": stack, "/chat": { target: stack, ws: true } } },
    test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"] },
  };
});
