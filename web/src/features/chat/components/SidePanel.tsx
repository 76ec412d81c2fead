/** The panel beside a room: its details, a thread, its pinned messages, or search. Each is loaded when it is first opened. */

import { useEffect } from "react";
import { Button } from "@/components/ui/button";
import { focusPage } from "@/components/ui/focus";
import { XIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { Room } from "@/lib/protocol";
import type { Panel } from "../panels";
import type { ChatRoomHandle } from "../use-chat-room";
import type { MessageTarget } from "../use-message-target";

const DetailsPanel = lazyWithRetry(() => import("./DetailsPanel"));
const ThreadPanel = lazyWithRetry(() => import("./ThreadPanel"));
const PinsPanel = lazyWithRetry(() => import("./PinsPanel"));
const SearchPanel = lazyWithRetry(() => import("./SearchPanel"));

interface SidePanelProps {
  panel: Panel;
  setPanel: (panel: Panel) => void;
  room: ChatRoomHandle;
  details: Room | null;
  people: string[];
  isReadOnly: boolean;
  target: MessageTarget | null;
  onLeft: (() => void) | undefined;
  /** What the room says to the person, if the panel covers the room. */
  notice: React.ReactNode;
}

export function SidePanel({
  panel,
  setPanel,
  room,
  details,
  people,
  isReadOnly,
  target,
  onLeft,
  notice,
}: SidePanelProps) {
  useFocusReturn(panel !== null);
  if (!panel) return null;
  const close = () => setPanel(null);
  const label = {
    details: t.room.details,
    search: t.common.search,
    thread: t.room.thread,
    pins: t.pins.title,
  }[panel.kind];
  const closeLabel = {
    details: t.room.closeDetails,
    search: t.room.closeSearch,
    thread: t.room.closeThread,
    pins: t.pins.close,
  }[panel.kind];
  return (
    <aside
      aria-label={label}
      className={cn(
        "flex min-h-0 w-full shrink-0 flex-col border-s bg-card/50",
        panel.kind === "thread" ? "@2xl:w-80 @4xl:w-96" : "@2xl:w-72",
      )}
    >
      <div className="flex h-16 shrink-0 items-center justify-between border-b px-4">
        <h1 className="font-semibold text-sm">{label}</h1>
        <Button variant="ghost" size="icon" aria-label={closeLabel} onClick={close}>
          <XIcon className="size-4.5" />
        </Button>
      </div>
      {panel.kind === "details" && <DetailsPanel room={room} details={details} onLeft={onLeft} />}
      {panel.kind === "pins" && <PinsPanel room={room} />}
      {panel.kind === "search" && <SearchPanel roomId={room.client.roomId} />}
      {panel.kind === "thread" && (
        <ThreadPanel
          key={panel.rootId}
          room={room}
          people={people}
          isReadOnly={isReadOnly}
          rootId={panel.rootId}
          target={target?.threadId === panel.rootId ? target : null}
        />
      )}
      {notice}
    </aside>
  );
}

/** When the panel closes and the focus was in it, the focus goes back to where it was before, or to the input. */
function useFocusReturn(isOpen: boolean): void {
  useEffect(() => {
    if (!isOpen) return;
    const opener = document.activeElement;
    return () => {
      if (document.activeElement !== document.body) return;
      const isUsable = opener instanceof HTMLElement && opener.isConnected && opener !== document.body;
      if (isUsable) opener.focus();
      else focusPage();
    };
  }, [isOpen]);
}
