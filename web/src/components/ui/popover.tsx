/**
 * What floats over the page beside the thing that opened it: a bare popover, and a menu made of it. In the browser's top
 * layer, so nothing cuts it off; a click elsewhere or Escape closes it, and the focus goes back.
 */
import { useEffect, useLayoutEffect, useRef } from "react";
import { cn } from "@/lib/cn";

export interface PopoverProps extends React.ComponentProps<"div"> {
  /** Beside what it opens. */
  anchor: HTMLElement | null;
  onClose: () => void;
}

const GAP_PX = 6;
const EDGE_PX = 8;

export function Popover({ anchor, onClose, className, children, ...props }: PopoverProps) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    element.showPopover();
    const place = () => {
      if (anchor) putBeside(element, anchor.getBoundingClientRect());
    };
    place();
    // What is inside may come in later (the emoji picker does).
    const watcher = new ResizeObserver(place);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [anchor]);
  useEffect(() => {
    const element = box.current;
    return () => {
      // Unmounted while one's focus was inside: back to where it came from.
      if (element?.contains(document.activeElement)) anchor?.focus();
    };
  }, [anchor]);
  return (
    <div
      ref={box}
      popover="auto"
      onToggle={(event) => {
        if (event.newState !== "closed") return;
        if (box.current?.contains(document.activeElement) || document.activeElement === document.body)
          anchor?.focus();
        onClose();
      }}
      className={cn(
        "fixed inset-auto m-0 max-h-[calc(100dvh-1rem)] max-w-[calc(100vw-1rem)] animate-rise overflow-y-auto rounded-xl border bg-card p-1 text-foreground shadow-lg",
        className,
      )}
      {...props}
    >
      {children}
    </div>
  );
}

function putBeside(element: HTMLElement, near: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = element;
  const above = near.top - height - GAP_PX;
  const below = near.bottom + GAP_PX;
  const top = above >= EDGE_PX ? above : Math.min(below, innerHeight - height - EDGE_PX);
  const left = Math.min(
    Math.max(EDGE_PX, near.left + near.width / 2 - width / 2),
    innerWidth - width - EDGE_PX,
  );
  element.style.top = `${Math.max(EDGE_PX, top)}px`;
  element.style.left = `${Math.max(EDGE_PX, left)}px`;
}

export interface MenuItem {
  label: string;
  icon?: React.ReactNode;
  danger?: boolean;
  onSelect: () => void;
}

interface MenuProps {
  anchor: HTMLElement | null;
  label: string;
  items: (MenuItem | null | false | undefined)[];
  onClose: () => void;
}

export function Menu({ anchor, label, items, onClose }: MenuProps) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }, []);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[to % all.length]?.focus();
  };
  return (
    <Popover anchor={anchor} onClose={onClose}>
      <div ref={list} role="menu" aria-label={label} className="min-w-44" onKeyDown={onKeyDown}>
        {items
          .filter((item): item is MenuItem => Boolean(item))
          .map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              onClick={() => {
                onClose();
                item.onSelect();
              }}
              className={cn(
                "flex w-full items-center gap-2.5 rounded-lg px-2.5 py-2 text-left text-sm hover:bg-muted focus-visible:bg-muted focus-visible:outline-none",
                item.danger && "text-destructive",
              )}
            >
              {item.icon}
              {item.label}
            </button>
          ))}
      </div>
    </Popover>
  );
}
