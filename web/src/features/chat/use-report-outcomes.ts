/** What became of my reports since the page was last here, and the function that dismisses it. */
import { useEffect, useSyncExternalStore } from "react";
import { useChat } from "./chat-context";
import { isAttentive, onAttentionChange } from "./use-read-tracking";

export function useReportOutcomes() {
  const { reports } = useChat();
  useEffect(() => {
    const check = () => {
      if (isAttentive()) void reports.check();
    };
    check();
    return onAttentionChange(check);
  }, [reports]);
  return useSyncExternalStore(reports.subscribe, reports.getSnapshot);
}
