import { useEffect, useState } from "react";

/** The current time, updated twice a second while `on`. */
export function useSeconds(on: boolean): number {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    if (!on) return;
    setNowMs(Date.now());
    const timer = setInterval(() => setNowMs(Date.now()), 500);
    return () => clearInterval(timer);
  }, [on]);
  return nowMs;
}
