import { useId, useLayoutEffect, useRef } from "react";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import { Button } from "./button";
import { XIcon } from "./icons";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: React.ReactNode;
  isWide?: boolean;
}

/** A modal dialog (`<dialog>`): the page behind it is inert, Escape closes it, and the focus returns to the opener. */
export function Dialog({ title, onClose, children, isWide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isGone = useRef(false);
  const titleId = useId();
  // Before the next key: a letter that is typed right after a shortcut goes into the dialog.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const element = dialog.current;
    isGone.current = false;
    element?.showModal();
    element?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => {
      // The event `close` comes late: the browser has given the focus back, and the person may have moved on.
      const { activeElement } = document;
      const isHere = activeElement === document.body || (element?.contains(activeElement) ?? true);
      isGone.current = true;
      element?.close();
      if (isHere && opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      // Late, when another dialog may be open already.
      onClose={() => isGone.current || onClose()}
      onCancel={onClose}
      aria-labelledby={titleId}
      className={cn(
        "m-auto max-h-[calc(100dvh-2rem)] overflow-y-auto rounded-2xl border bg-card p-6 text-foreground shadow-2xl",
        isWide ? "w-[min(32rem,calc(100vw-2rem))]" : "w-[min(26rem,calc(100vw-2rem))]",
      )}
    >
      <div className="mb-5 flex items-center justify-between gap-3">
        <h2 id={titleId} className="font-semibold text-lg">
          {title}
        </h2>
        <Button
          variant="ghost"
          size="icon"
          aria-label={t.common.close}
          onClick={() => dialog.current?.close()}
        >
          <XIcon />
        </Button>
      </div>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  action: string;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks for confirmation before an action that cannot be undone. */
export function Confirm({ title, text, action, onConfirm, onClose }: ConfirmProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p className="text-muted-foreground text-sm">{text}</p>
      <div className="mt-6 flex justify-end gap-2">
        <Button variant="outline" onClick={onClose}>
          {t.common.cancel}
        </Button>
        <Button
          variant="danger"
          data-autofocus
          onClick={() => {
            onClose();
            onConfirm();
          }}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
