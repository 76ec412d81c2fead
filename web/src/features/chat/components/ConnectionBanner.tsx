import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import type { ConnectionStatus } from "@/lib/socket";
import { useSeconds } from "../use-seconds";

interface ConnectionBannerProps {
  status: ConnectionStatus;
  unsent: number;
  onReconnect: () => void;
  /** Missing where signing in is another page's business. */
  onSignOut?: (() => void) | undefined;
}

/** A connection that is back within this time isn't worth a word. */
const BANNER_DELAY_MS = 700;

/** Why a connection that isn't tried again has ended, and what one can do. */
const ENDED: Record<number, { text: string; action?: "reconnect" | "sign_in" }> = {
  401: { text: "Your session has ended.", action: "sign_in" },
  403: { text: "You may not enter this conversation." },
  404: { text: "This conversation doesn't exist, or you aren't part of it." },
  4401: { text: "Your session has ended.", action: "sign_in" },
  4403: { text: "You are no longer part of this conversation." },
  4409: { text: "This conversation is open in too many places, so it was paused here.", action: "reconnect" },
  4410: { text: "This conversation has been deleted." },
};
const BROKEN = {
  text: "The server ended the connection because it couldn't read this page.",
  action: "reconnect",
} as const;

/** Says how things stand whenever they aren't as they should be; empty otherwise. */
export function ConnectionBanner({ status, unsent, onReconnect, onSignOut }: ConnectionBannerProps) {
  const nowMs = useSeconds(status.kind === "waiting");
  const loud = useDelayed(status.kind !== "live", BANNER_DELAY_MS);
  const waiting =
    unsent > 0 ? ` ${unsent === 1 ? "One message waits" : `${unsent} messages wait`} to be sent.` : "";
  const retry = (
    <Button variant="link" size="text" onClick={onReconnect}>
      Try now
    </Button>
  );
  let line: React.ReactNode = null;
  if (status.kind === "stopped") {
    const { text, action } = ENDED[status.code] ?? BROKEN;
    line = (
      <>
        {text}
        {action === "reconnect" && (
          <Button variant="link" size="text" onClick={onReconnect}>
            Connect again
          </Button>
        )}
        {action === "sign_in" && onSignOut && (
          <Button variant="link" size="text" onClick={onSignOut}>
            Sign in again
          </Button>
        )}
      </>
    );
  } else if (status.kind === "offline") {
    line = (
      <>
        You are offline.{waiting} {retry}
      </>
    );
  } else if (loud && status.kind === "waiting") {
    const seconds = Math.max(0, Math.ceil((status.retryAtMs - nowMs) / 1_000));
    line = (
      <>
        Connection lost. Trying again {seconds > 1 ? `in ${seconds} s` : "now"}.{waiting}{" "}
        {seconds > 2 && retry}
      </>
    );
  } else if (loud && status.kind === "connecting") {
    line = (
      <>
        {status.attempt === 0 ? "Connecting…" : "Reconnecting…"}
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
            "flex flex-wrap items-center justify-center gap-x-2 px-4 py-2 text-center font-medium text-[13px]",
            paint,
          )}
        >
          {line}
        </p>
      )}
    </div>
  );
}

/** Becomes true when `on` has been so for a while. */
function useDelayed(on: boolean, afterMs: number): boolean {
  const [later, setLater] = useState(false);
  useEffect(() => {
    if (!on) return;
    const timer = setTimeout(() => setLater(true), afterMs);
    return () => {
      clearTimeout(timer);
      setLater(false);
    };
  }, [on, afterMs]);
  return later;
}
