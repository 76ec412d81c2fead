/** The browser's news about network and tab, behind one small interface so that tests can give their own. */

export interface Signals {
  isOnline(): boolean;
  isVisible(): boolean;
  /** Calls `listener` at each change; gives the way to stop. */
  listen(listener: (signal: "online" | "offline" | "visible") => void): () => void;
}

export const browserSignals: Signals = {
  isOnline: () => navigator.onLine,
  isVisible: () => document.visibilityState === "visible",
  listen(listener) {
    const online = () => listener("online");
    const offline = () => listener("offline");
    const visibility = () => {
      if (document.visibilityState === "visible") listener("visible");
    };
    window.addEventListener("online", online);
    window.addEventListener("offline", offline);
    document.addEventListener("visibilitychange", visibility);
    return () => {
      window.removeEventListener("online", online);
      window.removeEventListener("offline", offline);
      document.removeEventListener("visibilitychange", visibility);
    };
  },
};
