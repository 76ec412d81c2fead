/** The button of a room's menu, in its header. */
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { EllipsisIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { t } from "@/i18n/i18n";

/** Loaded when it is opened for the first time. */
const RoomMenuList = lazyWithRetry(() => import("./RoomMenuList"), true);

export function RoomMenu() {
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button
        ref={setButton}
        variant="ghost"
        size="icon"
        aria-label={t.room.more}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <EllipsisIcon />
      </Button>
      {isOpen && <RoomMenuList anchor={button} onClose={() => setOpen(false)} />}
    </>
  );
}
