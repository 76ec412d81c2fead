import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => {
  // `npm run dev` serves the page with hot reload and passes /api and /chat on to a running stack
  // (CHINWAG_URL, as `cargo xtask dev` prints it). The build is plain files that the Worker serves.
  const stack = loadEnv(mode, ".", "CHINWAG_").CHINWAG_URL ?? "http://127.0.0.1:8787";
  return {
    plugins: [react(), tailwind()],
    resolve: { tsconfigPaths: true },
    // Inlined assets would be data: URLs, which the page's Content-Security-Policy refuses.
    build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
    server: { proxy: { "/api": stack, "/chat": { target: stack, ws: true } } },
    test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"] },
  };
});
