/**
 * A list that is read from its end: stays at the bottom while one is there, stays in place when older rows come in
 * above, and offers the way back down. Knows rows by their keys alone.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { ChevronDownIcon } from "@/components/ui/icons";

export interface ChatMessageListProps {
  label: string;
  children: React.ReactNode;
  /** The rows' keys, in order. */
  keys: string[];
  /** The last row is one's own: it is always shown. */
  lastIsOwn: boolean;
  onNearTop: () => void;
  onBottomChange: (atBottom: boolean) => void;
}

const NEAR_BOTTOM_PX = 80;
const NEAR_TOP_PX = 400;

export function ChatMessageList(props: ChatMessageListProps) {
  const { label, children, keys, lastIsOwn, onNearTop, onBottomChange } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const was = useRef({ firstKey: "", lastKey: "", height: 0, atBottom: true });
  const [atBottom, setAtBottom] = useState(true);
  const [missed, setMissed] = useState(0);
  const [firstKey = "", lastKey = ""] = [keys[0], keys.at(-1)];

  const toBottom = useCallback((behavior: ScrollBehavior = "instant") => {
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight, behavior });
  }, []);

  const look = useCallback(() => {
    const view = scroller.current;
    if (!view) return;
    const now = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_BOTTOM_PX;
    was.current.atBottom = now;
    was.current.height = view.scrollHeight;
    setAtBottom(now);
    if (now) setMissed(0);
    if (view.scrollTop < NEAR_TOP_PX) onNearTop();
  }, [onNearTop]);

  useLayoutEffect(() => {
    const view = scroller.current;
    if (!view) return;
    const before = was.current;
    const prepended =
      before.firstKey !== "" && before.firstKey !== firstKey && keys.includes(before.firstKey);
    const appended = before.lastKey !== lastKey;
    if (appended && (before.atBottom || lastIsOwn)) toBottom();
    else if (prepended) view.scrollTop += view.scrollHeight - before.height;
    if (appended && !before.atBottom && !lastIsOwn && keys.includes(before.lastKey)) {
      setMissed((count) => count + keys.length - 1 - keys.lastIndexOf(before.lastKey));
    }
    was.current = { ...before, firstKey, lastKey, height: view.scrollHeight };
    look();
  }, [firstKey, lastKey, lastIsOwn, keys, toBottom, look]);

  // Whatever changes the height (a reaction, a banner, the phone's keyboard) leaves the end in sight.
  useEffect(() => {
    const watcher = new ResizeObserver(() => {
      if (was.current.atBottom) toBottom();
    });
    if (scroller.current) watcher.observe(scroller.current);
    if (content.current) watcher.observe(content.current);
    return () => watcher.disconnect();
  }, [toBottom]);

  useEffect(() => onBottomChange(atBottom), [atBottom, onBottomChange]);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={look}
        role="log"
        aria-label={label}
        aria-relevant="additions"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        className="h-full overflow-y-auto overscroll-contain [overflow-anchor:none] focus-visible:-outline-offset-2"
      >
        <div ref={content} className="mx-auto flex min-h-full max-w-4xl flex-col justify-end pb-3">
          {children}
        </div>
      </div>
      {!atBottom && (
        <button
          type="button"
          onClick={() => toBottom("smooth")}
          className="absolute right-4 bottom-3 flex h-9 animate-rise items-center gap-1.5 rounded-full border bg-card px-3 font-medium text-sm shadow-md hover:bg-muted"
        >
          <ChevronDownIcon className="size-4" />
          {missed > 0 ? `${missed} new` : "Newest"}
        </button>
      )}
    </div>
  );
}
