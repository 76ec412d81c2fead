import { options } from "preact";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { ErrorBoundary } from "./components/ui/error-boundary";
import { applySettings, followSettings } from "./features/chat/settings";
import { chooseLanguage, t } from "./i18n/i18n";
import "./index.css";

// Preact runs effects after the next frame. A key that is pressed before it would meet the state of before: the text of an
// edit replaced what was typed meanwhile. React runs the effects of a key at once.
options.requestAnimationFrame = (flush) => queueMicrotask(flush);

const root = document.getElementById("root");
if (root) {
  applySettings();
  followSettings();
  void chooseLanguage(navigator.languages).then(() => {
    document.documentElement.lang = t.locale;
    document.documentElement.dir = t.direction;
    createRoot(root).render(
      <StrictMode>
        <ErrorBoundary>
          <App />
        </ErrorBoundary>
      </StrictMode>,
    );
  });
}

// Not on plain http, where browsers have none, and not under `npm run dev`, which has no such file.
if (import.meta.env.PROD) void navigator.serviceWorker?.register("/sw.js").catch(() => {});
