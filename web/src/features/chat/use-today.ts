import { useEffect, useState } from "react";

/** The number of the current day. It changes at midnight, so that "Today" does. */
export function useToday(): number {
  const [day, setDay] = useState(startOfToday);
  useEffect(() => {
    // A suspended tab runs its timers late, so the day is also checked when the tab becomes visible.
    const update = () => setDay(startOfToday());
    const next = new Date(day);
    next.setDate(next.getDate() + 1);
    const timer = setTimeout(update, Math.max(1_000, next.getTime() - Date.now() + 50));
    document.addEventListener("visibilitychange", update);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", update);
    };
  }, [day]);
  return day;
}

const startOfToday = (): number => new Date().setHours(0, 0, 0, 0);
