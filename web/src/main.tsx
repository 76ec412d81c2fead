import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { ErrorBoundary } from "./components/ui/error-boundary";
import { applySettings, followSettings } from "./features/chat/settings";
import { chooseLanguage, t } from "./i18n/i18n";
import "./index.css";

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
