/** A name or picture that opens the person's card, which is loaded when it is opened for the first time. */
import { useState } from "react";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { useName } from "@/components/ui/person";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { Role } from "@/lib/protocol";

const PersonCard = lazyWithRetry(() => import("./PersonCard"), true);

interface PersonButtonProps {
  userId: string;
  role?: Role | undefined;
  isOnline?: boolean | undefined;
  className?: string;
  /** Another element next to it opens the card by keyboard. */
  isDecoration?: boolean;
  children: React.ReactNode;
}

export function PersonButton(props: PersonButtonProps) {
  const { userId, role, isOnline, className, isDecoration = false, children } = props;
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [isOpen, setOpen] = useState(false);
  const label = t.card.label(useName(userId));
  return (
    <>
      <button
        ref={setButton}
        type="button"
        aria-label={label}
        title={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        tabIndex={isDecoration ? -1 : undefined}
        onClick={() => setOpen(!isOpen)}
        className={cn("min-w-0 rounded text-start", className)}
      >
        {children}
      </button>
      {isOpen && (
        <PersonCard
          anchor={button}
          userId={userId}
          role={role}
          isOnline={isOnline}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}
