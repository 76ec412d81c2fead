/**
 * A popover next to the element that opened it, and a menu built on it. Both use the browser's popover API: the top
 * layer cannot be clipped, a click outside or Escape closes it, and the focus returns to the anchor.
 */
import { useEffect, useLayoutEffect, useRef } from "react";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";

export interface PopoverProps extends Omit<React.ComponentProps<"div">, "className"> {
  /** The element that opened the popover; it is placed next to it. */
  anchor: HTMLElement | null;
  onClose: () => void;
  /** `box`: a padded box. `pill`: fully rounded. `flush`: no padding. */
  shape?: keyof typeof SHAPES;
}

const SHAPES = { box: "rounded-xl p-1", pill: "rounded-full p-1", flush: "rounded-xl" };
const GAP_PX = 6;
const EDGE_PX = 8;

export function Popover({ anchor, onClose, shape = "box", children, ...props }: PopoverProps) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    element.showPopover();
    const place = () => {
      if (anchor) placeBeside(element, anchor.getBoundingClientRect());
    };
    place();
    // The content may be loaded later (the emoji picker is), which changes the size.
    const observer = new ResizeObserver(place);
    observer.observe(element);
    return () => observer.disconnect();
  }, [anchor]);
  useEffect(() => {
    const element = box.current;
    return () => {
      // Unmounted while it had the focus: return the focus to the anchor.
      if (element?.contains(document.activeElement)) anchor?.focus();
    };
  }, [anchor]);
  return (
    <div
      ref={box}
      popover="auto"
      // It may be within a name, which has the direction of its own letters.
      dir={t.direction}
      onToggle={(event) => {
        if (event.newState !== "closed") return;
        if (box.current?.contains(document.activeElement) || document.activeElement === document.body)
          anchor?.focus();
        onClose();
      }}
      className={cn(
        "fixed inset-auto m-0 max-h-[calc(100dvh-1rem)] max-w-[calc(100vw-1rem)] animate-rise overflow-y-auto border bg-card text-foreground shadow-lg",
        SHAPES[shape],
      )}
      {...props}
    >
      {children}
    </div>
  );
}

function placeBeside(element: HTMLElement, near: DOMRect): void {
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
    const menuItems = [...(list.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = menuItems.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + menuItems.length, Home: 0, End: menuItems.length - 1 }[
      event.key
    ];
    if (to === undefined) return;
    event.preventDefault();
    menuItems[to % menuItems.length]?.focus();
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
                "flex w-full items-center gap-2.5 rounded-lg px-2.5 py-2 text-start text-sm hover:bg-muted focus-visible:bg-muted focus-visible:outline-none",
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
