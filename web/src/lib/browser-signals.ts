/**
 * Changes of network and tab visibility, as the browser reports them, behind an interface that tests replace. Without
 * a page (a bot in Node) there are no signals, and the network counts as online.
 */

export interface Signals {
  isOnline(): boolean;
  isVisible(): boolean;
  /** Calls `listener` at each change. Returns a function that stops it. */
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
