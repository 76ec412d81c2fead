/**
 * The browser's news about network and tab, behind one small interface so that tests can give their own. Where there
 * is no page (a bot in Node) there is no news, and the network is taken to be there.
 */

export interface Signals {
  isOnline(): boolean;
  isVisible(): boolean;
  /** Calls `listener` at each change; gives the way to stop. */
  listen(listener: (signal: "online" | "offline" | "visible") => void): () => void;
}

export const browserSignals: Signals = {
  isOnline: () => globalThis.navigator?.onLine !== false,
  isVisible: () => typeof document === "undefined" || document.visibilityState === "visible",
  listen(listener) {
    if (typeof window === "undefined") return () => {};
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
