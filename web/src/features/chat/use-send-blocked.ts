import { formatDuration } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { RoomState } from "@/lib/room-state";
import { useSeconds } from "./use-seconds";

/** The end of a mute is shown this long. */
const ENDED_S = 15;

/**
 * Slow mode prevents sending until its wait ends. A muted person may still try, because the mute may have been lifted.
 */
export function useSendBlocked(sendBlocked: RoomState["sendBlocked"], slowModeS = 0) {
  const nowMs = useSeconds(sendBlocked !== null && Number.isFinite(sendBlocked.untilMs));
  const leftS = sendBlocked === null ? 0 : Math.ceil((sendBlocked.untilMs - nowMs) / 1_000);
  const isSlow = sendBlocked?.code === "slow_mode" && leftS > 0;
  let blockedText = slowModeS > 0 ? t.input.slowMode(formatDuration(slowModeS)) : null;
  if (isSlow) blockedText = t.input.slowModeWait(formatDuration(leftS));
  else if (leftS > 0)
    blockedText = Number.isFinite(leftS) ? t.input.mutedFor(formatDuration(leftS)) : t.input.muted;
  else if (sendBlocked?.code === "muted" && leftS > -ENDED_S) blockedText = t.input.muteEnded;
  return { isBlocked: isSlow, blockedText };
}
