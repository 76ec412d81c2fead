import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { ConnectionStatus } from "@/lib/socket";
import { useSeconds } from "../use-seconds";

interface ConnectionBannerProps {
  status: ConnectionStatus;
  unsent: number;
  onReconnect: () => void;
  /** Absent if the embedding page handles sign-in. */
  onSignOut?: (() => void) | undefined;
}

/** A connection that is back within this time is not reported. */
const BANNER_DELAY_MS = 700;

/** Why a connection that is not retried has ended (close code or HTTP status), and what the person can do. */
const ENDED: Record<number, { reason: keyof typeof t.connection.ended; action?: "reconnect" | "sign_in" }> = {
  401: { reason: "session", action: "sign_in" },
  403: { reason: "forbidden" },
  404: { reason: "notFound" },
  4401: { reason: "session", action: "sign_in" },
  4403: { reason: "removed" },
  4409: { reason: "tooMany", action: "reconnect" },
  4410: { reason: "deleted" },
};
const BROKEN = { reason: "broken", action: "reconnect" } as const;

/** Reports the state of the connection unless it is live. */
export function ConnectionBanner({ status, unsent, onReconnect, onSignOut }: ConnectionBannerProps) {
  const nowMs = useSeconds(status.kind === "waiting");
  const isLate = useDelayed(status.kind !== "live", BANNER_DELAY_MS);
  const waiting = unsent > 0 ? ` ${t.connection.unsent(unsent)}` : "";
  const retry = (
    <Button variant="link" size="text" onClick={onReconnect}>
      {t.connection.tryNow}
    </Button>
  );
  let line: React.ReactNode = null;
  if (status.kind === "stopped") {
    const { reason, action } = ENDED[status.code] ?? BROKEN;
    line = (
      <>
        {t.connection.ended[reason]}
        {action === "reconnect" && (
          <Button variant="link" size="text" onClick={onReconnect}>
            {t.connection.connectAgain}
          </Button>
        )}
        {action === "sign_in" && onSignOut && (
          <Button variant="link" size="text" onClick={onSignOut}>
            {t.connection.signInAgain}
          </Button>
        )}
      </>
    );
  } else if (status.kind === "offline") {
    line = (
      <>
        {t.connection.offline}
        {waiting} {retry}
      </>
    );
  } else if (isLate && status.kind !== "live" && status.isRestoring) {
    line = (
      <>
        {t.connection.restoring}
        {waiting}
      </>
    );
  } else if (isLate && status.kind === "waiting") {
    const seconds = Math.max(0, Math.ceil((status.retryAtMs - nowMs) / 1_000));
    line = (
      <>
        {seconds > 1 ? t.connection.retryIn(seconds) : t.connection.retryNow}
        {waiting} {seconds > 2 && retry}
      </>
    );
  } else if (isLate && status.kind === "connecting") {
    line = (
      <>
        {status.attempt === 0 ? t.connection.connecting : t.connection.reconnecting}
        {waiting}
      </>
    );
  }
  const paint =
    status.kind === "stopped" ? "bg-destructive/12 text-destructive" : "bg-warning text-warning-foreground";
  return (
    <div role="status" aria-live="polite" data-connection={status.kind}>
      {line && (
        <p
          className={cn(
            "flex flex-wrap items-center justify-center gap-x-2 px-4 py-2 text-center font-medium text-[0.8125rem]",
            paint,
          )}
        >
          {line}
        </p>
      )}
    </div>
  );
}

/** Whether `on` has been true for at least `afterMs`. */
function useDelayed(on: boolean, afterMs: number): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    if (!on) return;
    const timer = setTimeout(() => setLate(true), afterMs);
    return () => {
      clearTimeout(timer);
      setLate(false);
    };
  }, [on, afterMs]);
  return isLate;
}
